"""Which format a file is in, from its first bytes; its name is only a hint when those do not tell."""

from enum import StrEnum

from importers.candidates import FormatError, Reason

#: So many first bytes are enough.
SNIFF = 4096

_BOM = b"\xef\xbb\xbf"
_WIDE_XML = (b"\xff\xfe<\x00", b"\xfe\xff\x00<")


class Format(StrEnum):
    """The formats that can be read."""

    APPLE_HEALTH = "apple-health"
    FHIR = "fhir"


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
    if text.startswith((b"{", b"[")):
        return Format.FHIR
    if not text and filename.lower().endswith(".json"):
        return Format.FHIR
    raise FormatError(Reason.UNKNOWN_FORMAT)
