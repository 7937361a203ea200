import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from audit.encoding import EncodingError, decode, encode
from audit.events import Activity, Actor, ActorKind, Decision, Event, EventKind
from policies.vocabulary import Category, Purpose
from tests.audit.audit_world import ANNA, CITIZEN, NURSE, START, SYSTEM, event, head

_times = st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1)).map(lambda t: t.replace(tzinfo=UTC))  # noqa: DTZ001
_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_ACTOR_TEXTS = set(Actor.__struct_fields__) - {"kind"}
_events = st.builds(
    Event,
    kind=st.sampled_from(EventKind),
    activity=st.sampled_from(Activity),
    at=_times,
    actor=st.sampled_from([NURSE, CITIZEN, SYSTEM])
    | st.builds(Actor, kind=st.sampled_from(ActorKind), **dict.fromkeys(_ACTOR_TEXTS, _text)),
    vault=st.none() | st.binary(min_size=16, max_size=16),
    purpose=st.none() | st.sampled_from(Purpose),
    categories=st.lists(st.sampled_from(Category)).map(tuple),
    decision=st.sampled_from(Decision),
    reason=_text,
    rules=st.lists(_text.filter(bool)).map(tuple),
    rules_version=st.integers(0, 1 << 60),
    policy_hash=_text,
    subject=_text,
    counts=st.dictionaries(_text, st.integers(0, 1 << 60)),
    outcome_of=st.none() | st.binary(min_size=16, max_size=16),
    head=st.none() | st.integers(1, 1 << 60).map(lambda version: replace(head(1), version=version)),
    document=st.none() | st.binary(min_size=32, max_size=32),
)


ORDER = [
    "v", "kind", "activity", "at", "actor", "vault", "purpose", "categories", "decision", "reason", "rules",
    "rules_version", "policy_hash", "subject", "counts", "outcome_of", "head",
    "document",
]  # fmt: skip


def _kept(names: list[str], told: dict[str, Any]) -> list[str]:
    return [name for name in names if name in told]


@given(_events)
def test_keys_are_in_order_and_nothing_empty_is_told(one: Event) -> None:
    """The specification's order, on every level; what is left out says as much as what is told."""
    raw = encode(one)
    told = json.loads(raw)
    assert list(told) == _kept(ORDER, told)
    assert list(told["actor"]) == sorted(told["actor"])
    assert list(told.get("counts", {})) == sorted(told.get("counts", {}))
    assert list(told.get("head", ())) in ([], ["version", "digest"])
    assert all(told.values())
    assert all(value or name in {"id", "name"} for name, value in told["actor"].items())
    assert told.get("decision") != "permit"
    assert json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode() == raw


@given(_events)
def test_every_event_comes_back_as_it_was(one: Event) -> None:
    """The body is the only place where an event's content stands."""
    assert decode(encode(one)) == one


def test_the_form_is_fixed() -> None:
    """A commitment made today must be recomputable in ten years: the bytes are written out here."""
    one = event(START, actor=CITIZEN, categories=(), rules=(), policy_hash="", counts={"records": 3})
    assert encode(one).decode() == (
        '{"v":1,"kind":"read","activity":"Läsa","at":"2026-05-04T08:00:00Z",'
        '"actor":{"id":"61616161616161616161616161616161","kind":"citizen","name":"Anna Exempel"},'
        '"vault":"QUFBQUFBQUFBQUFBQUFBQQ==","purpose":"TREAT","counts":{"records":3}}'
    )


def test_the_same_moment_in_another_zone_has_one_form() -> None:
    """Canonical means that equal events have equal bytes."""
    from datetime import timezone  # noqa: PLC0415 only here

    there = START.astimezone(timezone(timedelta(hours=2)))
    assert encode(event(there)) == encode(event(START))


GOOD = encode(event(START, vault=ANNA))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b"[]",
        GOOD + b" ",
        GOOD.replace(b'"v":1', b'"v":2'),
        GOOD.replace(b'"v":1', b'"v":1,"x":1'),
        GOOD.replace(b'"kind":"read"', b'"kind":"reed"'),
        GOOD.replace(b'"kind":"staff"', b'"kind":"staff","age":"3"'),
        GOOD.replace(b",", b", "),
        GOOD.replace("ä".encode(), b"\\u00e4"),
        GOOD.replace(b'"v":1,', b""),
        GOOD.replace(b'{"v":1,"kind":"read",', b'{"kind":"read","v":1,'),
        GOOD.replace(b'"vault":"QU', b'"vault":"?U'),
        GOOD.replace(b'QQ=="', b'QR=="'),
        GOOD.replace(b'"purpose"', b'"decision":"permit","purpose"'),
        GOOD.replace(b":00Z", b":00.000000Z"),
        GOOD.replace(b":00Z", b":00+00:00"),
        GOOD.replace(b":00Z", b":00"),
    ],
)
def test_what_the_encoder_would_not_write_is_refused(raw: bytes) -> None:
    """Two byte strings for one event would be two commitments for one truth."""
    with pytest.raises(EncodingError):
        decode(raw)


@pytest.mark.parametrize(
    "change", [{"at": START.replace(tzinfo=None)}, {"reason": "\ud800"}, {"counts": {"a": object()}}]
)
def test_an_event_that_has_no_form_is_refused(change: dict[str, Any]) -> None:
    """An entry must hold what it claims to hold."""
    with pytest.raises(EncodingError):
        encode(replace(event(START), **change))
