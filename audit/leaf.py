"""A leaf's data, version 1 (docs/spec/audit-v1.md): what of an entry must never change."""

import hashlib
import struct
from typing import NamedTuple

VERSION = 1
NOBODY = bytes(16)  # the pseudonym of no vault, of no organisation
NO_DIGEST = bytes(32)

_LAYOUT = struct.Struct(">B16s16sQ16s16sQ32s32sQ32s")
_COMMITMENT = b"halsovalvet/v1/audit-commitment\0"
_SEALED = b"halsovalvet/v1/audit-sealed\0"


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

    def is_well_formed(self) -> bool:
        """Tell whether every byte string has its size: the layout would cut or fill what has not."""
        short = (self.entry_id, self.vault, self.provider, self.authority)
        long = (self.commitment, self.sealed_digest, self.head_digest)
        return {len(field) for field in short} == {16} and {len(field) for field in long} == {32}

    def hash(self) -> bytes:
        """Return the RFC 6962 leaf hash."""
        return hashlib.sha256(b"\x00" + _LAYOUT.pack(VERSION, *self)).digest()


def commit(salted: bytes) -> bytes:
    """Return the commitment to a body: SHA-256 of the label, the 32-byte salt and the canonical bytes."""
    return hashlib.sha256(_COMMITMENT + salted).digest()


def digest_of_sealed(sealed: bytes) -> bytes:
    """Return the digest that stays when the sealed body goes: SHA-256 of the label and the sealed record."""
    return hashlib.sha256(_SEALED + sealed).digest()
