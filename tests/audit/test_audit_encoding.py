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
    policy_hash=_text,
    subject=_text,
    counts=st.dictionaries(_text, st.integers(0, 1 << 60)),
    outcome_of=st.none() | st.binary(min_size=16, max_size=16),
    head=st.none() | st.integers(1, 1 << 60).map(lambda version: replace(head(1), version=version)),
)


def _in_order(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    assert names == sorted(names)
    assert all(value or name in {"id", "name"} or type(value) is int for name, value in pairs)
    return dict(pairs)


@given(_events)
def test_keys_are_in_order_and_nothing_empty_is_told(one: Event) -> None:
    """The order is that of the declared fields: it must stay that of their names, on every level."""
    raw = encode(one)
    json.loads(raw, object_pairs_hook=_in_order)
    plain = json.dumps(json.loads(raw), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert len(plain.encode()) == len(raw)


@given(_events)
def test_every_event_comes_back_as_it_was(one: Event) -> None:
    """The body is the only place where an event's content stands."""
    assert decode(encode(one)) == one


def test_the_form_is_fixed() -> None:
    """A commitment made today must be recomputable in ten years: the bytes are written out here."""
    one = event(START, actor=CITIZEN, categories=(), rules=(), policy_hash="", counts={"records": 3})
    assert encode(one).decode() == (
        '{"activity":"Läsa","actor":{"id":"61616161616161616161616161616161","kind":"citizen",'
        '"name":"Anna Exempel"},"at":1777881600000000,"counts":{"records":3},"decision":"permit",'
        '"kind":"read","purpose":"TREAT","v":1,"vault":"41414141414141414141414141414141"}'
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
        GOOD.replace(b'"vault":"41', b'"vault":"zz'),
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
