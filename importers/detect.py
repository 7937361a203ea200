"""Which format a file is in, from its first bytes; its name is only a hint when those do not tell."""

import json
from enum import StrEnum

from importers.candidates import FormatError, Reason

#: So many first bytes are enough.
SNIFF = 1 << 16

_BOM = b"\xef\xbb\xbf"
_WIDE_XML = (b"\xff\xfe<\x00", b"\xfe\xff\x00<")


class Format(StrEnum):
    """The formats that can be read."""

    APPLE_HEALTH = "apple-health"
    FHIR = "fhir"
    NDJSON = "fhir-ndjson"


def detect(first: bytes, filename: str = "") -> Format:
    """Return the format.

    Raises:
        FormatError: none of those that can be read; the sentence says which they are.
    """
    if not first:
        raise FormatError(Reason.EMPTY)
    if first.startswith((b"PK\x03\x04", b"PK\x05\x06", *_WIDE_XML)):
        return Format.APPLE_HEALTH
    text = first.removeprefix(_BOM).lstrip()
    if text.startswith(b"<"):
        return Format.APPLE_HEALTH
    if text.startswith(b"{") and (filename.lower().endswith(".ndjson") or _is_lines(text)):
        return Format.NDJSON
    if text.startswith((b"{", b"[")):
        return Format.FHIR
    if not text and filename.lower().endswith(".json"):
        return Format.FHIR
    raise FormatError(Reason.UNKNOWN_FORMAT)


def _is_lines(text: bytes) -> bool:
    """Tell whether the first line is a whole object and another follows."""
    first, _, rest = text.partition(b"\n")
    try:
        json.loads(first)
    except (ValueError, RecursionError):
        return False
    return rest.lstrip().startswith(b"{")
