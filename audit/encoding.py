"""An event as canonical JSON, version 1 (docs/spec/audit-v1.md): one event, one sequence of bytes.

Keys are sorted, there is no white space, text is UTF-8 unescaped, times are microseconds since 1970, bytes
are hex, and a field at its default is left out. Decoding is strict: what :func:`encode` would not have
written is refused.
"""

import json
from typing import Any

import msgspec

from audit.events import Activity, Actor, ActorKind, Decision, Event, EventKind, HeadRef
from keys.envelope import microseconds, moment
from keys.primitives import MalformedError
from policies.vocabulary import Category, Purpose

VERSION = 1

_EVENT_TEXTS = ("reason", "policy_hash", "subject")
_encode = msgspec.json.Encoder().encode
_encode_sorted = msgspec.json.Encoder(order="sorted").encode


class EncodingError(Exception):
    """An event cannot be written, or bytes are not an event of version 1."""


def encode(event: Event) -> bytes:
    """Return the event's one canonical form.

    Raises:
        EncodingError: a value that the form cannot hold (a time without zone, half a surrogate pair).
    """
    try:
        return _encode(_as_json(event))
    except (ValueError, TypeError, AttributeError, MalformedError):
        raise EncodingError("the event cannot be written") from None


def decode(raw: bytes) -> Event:
    """Read an event.

    Raises:
        EncodingError: another version, an unknown field or word, or not the canonical form.
    """
    try:
        event = _from_json(json.loads(raw))
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        raise EncodingError("not an event of version 1") from None
    if encode(event) != raw:
        raise EncodingError("not the canonical form")
    return event


def _as_json(event: Event) -> dict[str, Any]:  # noqa: C901 a field a line; a request waits for it
    """Return an event as JSON has it, its keys in their order: sorting them would cost more than all the rest."""
    value: dict[str, Any] = {
        "activity": event.activity,
        "actor": msgspec.Raw(_encode_sorted(event.actor)),
        "at": microseconds(event.at),
    }
    if event.categories:
        value["categories"] = event.categories
    if event.counts:
        value["counts"] = dict(sorted(event.counts.items()))
    value["decision"] = event.decision
    if event.head:
        value["head"] = {"digest": event.head.digest.hex(), "version": event.head.version}
    value["kind"] = event.kind
    if event.outcome_of:
        value["outcome_of"] = event.outcome_of.hex()
    if event.policy_hash:
        value["policy_hash"] = event.policy_hash
    if event.purpose:
        value["purpose"] = event.purpose
    if event.reason:
        value["reason"] = event.reason
    if event.rules:
        value["rules"] = event.rules
    if event.subject:
        value["subject"] = event.subject
    value["v"] = VERSION
    if event.vault:
        value["vault"] = event.vault.hex()
    return value


def _from_json(value: dict[str, Any]) -> Event:
    if value.pop("v") != VERSION:
        raise ValueError("another version")
    event = Event(
        kind=EventKind(value.pop("kind")),
        activity=Activity(value.pop("activity")),
        at=moment(value.pop("at")),
        actor=_actor_from_json(value.pop("actor")),
        decision=Decision(value.pop("decision")),
        vault=_maybe_bytes(value.pop("vault", None)),
        purpose=Purpose(value.pop("purpose")) if "purpose" in value else None,
        categories=tuple(Category(word) for word in value.pop("categories", ())),
        rules=tuple(value.pop("rules", ())),
        counts=dict(value.pop("counts", {})),
        outcome_of=_maybe_bytes(value.pop("outcome_of", None)),
        head=_head_from_json(value.pop("head", None)),
        **{name: value.pop(name, "") for name in _EVENT_TEXTS},
    )
    if value:
        raise ValueError("unknown fields")
    return event


def _actor_from_json(value: dict[str, str]) -> Actor:
    return Actor(**(value | {"kind": ActorKind(value["kind"])}))  # type: ignore[arg-type]


def _maybe_bytes(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(text)


def _head_from_json(value: dict[str, Any] | None) -> HeadRef | None:
    return None if value is None else HeadRef(value["version"], bytes.fromhex(value["digest"]))
