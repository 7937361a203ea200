"""An event as canonical JSON, version 1 (docs/spec/audit-v1.md): one event, one sequence of bytes.

Fields stand in the order in which :class:`audit.events.Event` declares them, one at its default is left out, counts
are sorted by name; there is no white space, text is UTF-8 unescaped, times are RFC 3339 in UTC, bytes are base64.
Decoding is strict: what :func:`encode` would not have written is refused.
"""

from datetime import UTC

import msgspec

from audit.events import Event

_FAULTS = (ValueError, TypeError, AttributeError, msgspec.MsgspecError)
_encode = msgspec.json.Encoder(order="deterministic").encode
_decode = msgspec.json.Decoder(Event).decode


class EncodingError(Exception):
    """An event cannot be written, or bytes are not an event of version 1."""


def encode(event: Event) -> bytes:
    """Return the event's one canonical form.

    Raises:
        EncodingError: a value that the form cannot hold (a time without zone, half a surrogate pair).
    """
    try:
        if event.at.tzinfo is None:
            raise EncodingError("the event's time has no zone")
        if event.at.tzinfo is not UTC:
            event = msgspec.structs.replace(event, at=event.at.astimezone(UTC))
        return _encode(event)
    except _FAULTS:
        raise EncodingError("the event cannot be written") from None


def decode(raw: bytes) -> Event:
    """Read an event.

    Raises:
        EncodingError: another version, an unknown field or word, or not the canonical form.
    """
    try:
        event = _decode(raw)
    except _FAULTS:
        raise EncodingError("not an event of version 1") from None
    if encode(event) != raw:
        raise EncodingError("not the canonical form")
    return event
