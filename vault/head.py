"""The head: one MACed statement that authenticates all of a vault, and the check of rows against it.

Whoever can write the database could forge records (HPKE has no sender), swap public halves, widen a rule, delete
a block, or put yesterday's rows back. So each vault has one statement: its version, digests of rules and
profile, and for each drawer digests of public halves, wraps and manifest (which counts every live segment).
The KeyStore MACs it, and the log's newest leaf about the vault states its version and digest.
"""

import hashlib
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from sqlalchemy import Connection, select

from audit.body import vault_scope
from audit.events import HeadRef
from keys.envelope import context
from keys.keystore import KeyStore
from vault.errors import Finding, TamperedError
from vault.tables import VaultRow

_VAULTS = VaultRow.__table__  # type: ignore[attr-defined]
_FORMAT = 1
_FIXED = struct.Struct(">B16sQQ32s32sI")
_DRAWER = struct.Struct(">16s32s32s32s")


class SealedWrap(NamedTuple):
    """A generation's private half, sealed to the recipient that a tag names."""

    generation: int
    recipient: bytes
    sealed: bytes


@dataclass(frozen=True, slots=True)
class DrawerDigests:
    """What the head says of one drawer."""

    generations: bytes
    wraps: bytes
    manifest: bytes


@dataclass(frozen=True, slots=True)
class Head:
    """A vault's head. ``rules_version`` moves with every rule change: it is the index's consent version."""

    vault: bytes
    version: int
    rules_version: int
    rules: bytes
    profile: bytes
    drawers: Mapping[bytes, DrawerDigests] = field(default_factory=dict)

    def encode(self) -> bytes:
        """Return the statement that is MACed and logged."""
        fixed = _FIXED.pack(
            _FORMAT, self.vault, self.version, self.rules_version, self.rules, self.profile, len(self.drawers)
        )
        rows = [
            _DRAWER.pack(drawer, one.generations, one.wraps, one.manifest)
            for drawer, one in sorted(self.drawers.items())
        ]
        return fixed + b"".join(rows)

    @classmethod
    def decode(cls, raw: bytes) -> "Head":
        """Read a statement whose MAC holds."""
        form, vault, version, rules_version, rules, profile, count = _FIXED.unpack_from(raw)
        if form != _FORMAT or len(raw) != _FIXED.size + count * _DRAWER.size:
            raise TamperedError(Finding.FORGED_HEAD)
        drawers = {}
        for number in range(count):
            drawer, *digests = _DRAWER.unpack_from(raw, _FIXED.size + number * _DRAWER.size)
            drawers[drawer] = DrawerDigests(*digests)
        return cls(vault, version, rules_version, rules, profile, drawers)

    def ref(self) -> HeadRef:
        """Return the head as a log leaf states it."""
        return HeadRef(self.version, hashlib.sha256(self.encode()).digest())

    def with_drawer(self, drawer: bytes, digests: DrawerDigests) -> "Head":
        """Return the head with one drawer's digests replaced."""
        return replace(self, drawers={**self.drawers, drawer: digests})


def verify(raw: bytes, tag: bytes, *, vault: bytes, keystore: KeyStore) -> Head:
    """Return the head if the KeyStore MACed this statement and it is about this vault.

    Whether it is the newest, :func:`demand_newest` tells: that depends on more than these bytes.

    Raises:
        TamperedError: by the finding's name.
    """
    if not keystore.head_holds(raw, tag):
        raise TamperedError(Finding.FORGED_HEAD)
    head = Head.decode(raw)
    if head.vault != vault:
        raise TamperedError(Finding.FORGED_HEAD)
    return head


def demand_newest(ref: HeadRef, logged: HeadRef | None) -> None:
    """Hold a verified head to the log: its version is not older than the newest there, and at the same version
    it is the same statement. A *newer* one is ours too: the process ended between the commit and its outcome
    entry, and the next change logs it.

    Raises:
        TamperedError: by the finding's name.
    """  # noqa: D205
    if logged is not None and ref.version < logged.version:
        raise TamperedError(Finding.OLDER_HEAD)
    if logged is not None and ref.version == logged.version and ref != logged:
        raise TamperedError(Finding.OTHER_HEAD)


def digest_of(blob: bytes) -> bytes:
    """Return the digest of one sealed blob (rules, profile, manifest)."""
    return hashlib.sha256(blob).digest()


def digest_generations(publics: Mapping[int, bytes]) -> bytes:
    """Return the digest of a drawer's public halves, by generation."""
    fields = [part for number in sorted(publics) for part in (number, publics[number])]
    return hashlib.sha256(context("generations", *fields)).digest()


def digest_wraps(rows: Iterable[SealedWrap]) -> bytes:
    """Return the digest of a drawer's wraps, over all its generations."""
    fields = [part for row in sorted(rows) for part in row]
    return hashlib.sha256(context("wraps", *fields)).digest()


def encode_manifest(shelves: Mapping[bytes, bytes]) -> bytes:
    """Write tag and shelf digest pairs, sorted by tag."""
    return b"".join(tag + shelves[tag] for tag in sorted(shelves))


def decode_manifest(raw: bytes) -> dict[bytes, bytes]:
    """Read a manifest."""
    return {raw[at : at + 16]: raw[at + 16 : at + 48] for at in range(0, len(raw), 48)}


def stored_heads(connection: Connection, keystore: KeyStore) -> dict[bytes, tuple[int, bytes]]:
    """Return each vault's stored version and digest by its pseudonym in the log; no vault is opened."""
    rows = connection.execute(select(_VAULTS.c.vault_id, _VAULTS.c.head))
    refs = {bytes(vault): Head.decode(head).ref() for vault, head in rows}
    return {keystore.pseudonym(vault_scope(vault)): (ref.version, ref.digest) for vault, ref in refs.items()}
