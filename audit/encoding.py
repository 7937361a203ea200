"""An event as canonical JSON, version 1 (docs/spec/audit-v1.md): one event, one sequence of bytes.

Keys are sorted, there is no white space, text is UTF-8 unescaped, times are microseconds since 1970, bytes
are hex, and a field at its default is left out. Decoding is strict: what :func:`encode` would not have
written is refused.
"""

from typing import Any

import msgspec

from audit.events import Activity, Actor, Decision, Event, EventKind, HeadRef
from keys.envelope import microseconds, moment
from keys.primitives import MalformedError
from policies.vocabulary import Category, Purpose

VERSION = 1

_FAULTS = (ValueError, TypeError, AttributeError, MalformedError, msgspec.MsgspecError)


class EncodingError(Exception):
    """An event cannot be written, or bytes are not an event of version 1."""


class _Head(msgspec.Struct, forbid_unknown_fields=True):
    digest: str
    version: int


class _Form(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What stands in the bytes, in their order: fields are written as they are declared, by name."""

    activity: Activity
    actor: Actor
    at: int
    categories: tuple[Category, ...] = ()
    counts: dict[str, int] = {}
    decision: Decision
    head: _Head | None = None
    kind: EventKind
    outcome_of: str = ""
    policy_hash: str = ""
    purpose: Purpose | None = None
    reason: str = ""
    rules: tuple[str, ...] = ()
    subject: str = ""
    v: int
    vault: str = ""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Form).decode


def encode(event: Event) -> bytes:
    """Return the event's one canonical form.

    Raises:
        EncodingError: a value that the form cannot hold (a time without zone, half a surrogate pair).
    """
    head, vault, before = event.head, event.vault, event.outcome_of
    try:
        return _encode(
            _Form(
                activity=event.activity,
                actor=event.actor,
                at=microseconds(event.at),
                categories=event.categories,
                counts=dict(sorted(event.counts.items())) if event.counts else event.counts,
                decision=event.decision,
                head=_Head(head.digest.hex(), head.version) if head else None,
                kind=event.kind,
                outcome_of=before.hex() if before else "",
                policy_hash=event.policy_hash,
                purpose=event.purpose,
                reason=event.reason,
                rules=event.rules,
                subject=event.subject,
                v=VERSION,
                vault=vault.hex() if vault else "",
            )
        )
    except _FAULTS:
        raise EncodingError("the event cannot be written") from None


def decode(raw: bytes) -> Event:
    """Read an event.

    Raises:
        EncodingError: another version, an unknown field or word, or not the canonical form.
    """
    try:
        event = _event(_decode(raw))
    except _FAULTS:
        raise EncodingError("not an event of version 1") from None
    if encode(event) != raw:
        raise EncodingError("not the canonical form")
    return event


def _event(form: _Form) -> Event:
    same: dict[str, Any] = {name: getattr(form, name) for name in _SAME}
    return Event(
        **same,
        at=moment(form.at),
        head=HeadRef(form.head.version, bytes.fromhex(form.head.digest)) if form.head else None,
        outcome_of=bytes.fromhex(form.outcome_of) or None,
        vault=bytes.fromhex(form.vault) or None,
    )


_SAME = set(_Form.__struct_fields__) - {"at", "head", "outcome_of", "v", "vault"}
