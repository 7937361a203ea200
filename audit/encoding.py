"""An event as canonical JSON, version 1 (docs/spec/audit-v1.md): one event, one sequence of bytes.

Keys are sorted, there is no white space, text is UTF-8 unescaped, times are microseconds since 1970, bytes
are hex, and a field at its default is left out. Decoding is strict: what :func:`encode` would not have
written is refused.
"""

import functools
import json
from typing import Any

import msgspec

from audit.events import Activity, Actor, ActorKind, Decision, Event, EventKind, HeadRef
from keys.envelope import microseconds, moment
from keys.primitives import MalformedError
from policies.vocabulary import Category, Purpose

VERSION = 1

_ACTOR_TEXTS = (
    "title",
    "commission",
    "unit_id",
    "unit_name",
    "provider_id",
    "provider_name",
    "provider_kind",
    "authority_id",
    "for_name",
)
_EVENT_TEXTS = ("reason", "policy_hash", "subject")
_REMEMBERED_ACTORS = 10_000
_encode = msgspec.json.Encoder(order="sorted").encode


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
    value: dict[str, Any] = {
        "v": VERSION,
        "kind": event.kind,
        "activity": event.activity,
        "at": microseconds(event.at),
        "actor": _actor(event.actor),
        "decision": event.decision,
    }
    if event.vault:
        value["vault"] = event.vault.hex()
    if event.purpose:
        value["purpose"] = event.purpose
    if event.categories:
        value["categories"] = event.categories
    if event.reason:
        value["reason"] = event.reason
    if event.rules:
        value["rules"] = event.rules
    if event.policy_hash:
        value["policy_hash"] = event.policy_hash
    if event.subject:
        value["subject"] = event.subject
    if event.counts:
        value["counts"] = event.counts
    if event.outcome_of:
        value["outcome_of"] = event.outcome_of.hex()
    if event.head:
        value["head"] = {"version": event.head.version, "digest": event.head.digest.hex()}
    return value


@functools.lru_cache(_REMEMBERED_ACTORS)
def _actor(actor: Actor) -> msgspec.Raw:
    value = {"kind": actor.kind, "id": actor.id, "name": actor.name}
    value |= {name: text for name in _ACTOR_TEXTS if (text := getattr(actor, name))}
    return msgspec.Raw(_encode(value))


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
