"""A leaf's data, version 1 (docs/spec/audit-v1.md): what of an entry must never change."""

import functools
import hashlib
import struct
from typing import NamedTuple

VERSION = 1
NOBODY = bytes(16)  # the pseudonym of no vault, of no organisation
NO_DIGEST = bytes(32)

_LAYOUT = struct.Struct(">B16s16sQ16s16sQ32s32sQ32s")
_DRAFTED = struct.Struct(">B16s16sQ32sQ64sQ32s")  # the same, organisations and digests taken together
_COMMITMENT = b"halsovalvet/v1/audit-commitment\0"
_SEALED = b"halsovalvet/v1/audit-sealed\0"


class MalformedLeafError(Exception):
    """Bytes are not a leaf's data, version 1."""


class Leaf(NamedTuple):
    """What the tree commits to. ``head_version`` 0 and a digest of zeros mean: the head is unchanged."""

    entry_id: bytes
    vault: bytes
    n: int
    provider: bytes
    authority: bytes
    at_us: int
    commitment: bytes
    sealed_digest: bytes
    head_version: int = 0
    head_digest: bytes = NO_DIGEST

    def encode(self) -> bytes:
        """Return the 185 bytes of the leaf's data."""
        return _LAYOUT.pack(VERSION, *self)

    @classmethod
    def decode(cls, data: bytes) -> "Leaf":
        """Read what :meth:`encode` wrote.

        Raises:
            MalformedLeafError: it is something else.
        """
        try:
            version, *fields = _LAYOUT.unpack(data)
        except (struct.error, TypeError):
            raise MalformedLeafError("not of a leaf's size") from None
        if version != VERSION:
            raise MalformedLeafError("another version")
        return cls(*fields)


#: A leaf's data from entry id, vault, n, both organisations, time, both digests, and the head's version and digest.
drafted = functools.partial(_DRAFTED.pack, VERSION)


def commit(salted: bytes) -> bytes:
    """Return the commitment to a body: SHA-256 of the label, the 32-byte salt and the canonical bytes."""
    return hashlib.sha256(_COMMITMENT + salted).digest()


def digest_of_sealed(sealed: bytes) -> bytes:
    """Return the digest that stays when the sealed body goes: SHA-256 of the label and the sealed record."""
    return hashlib.sha256(_SEALED + sealed).digest()
