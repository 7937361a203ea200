"""One sealed segment: n records of one drawer and month (docs/spec/vault-v1.md).

- the *body* is the block of :mod:`vault.codec`, in a box under a fresh segment key; its header (vault, drawer,
  tag, segment, generation of birth) is the associated data, so that no body can stand elsewhere;
- the *summary* (:mod:`vault.summary`) is a small box under the same key;
- the *segment key* is sealed to the generation's public half. Whoever adds needs nothing else;
- the *fingerprints*, 8 keyed bytes a record, stand beside in the clear.

A digest over the four parts goes into the shelf's digest, the manifest, the head: HPKE has no sender, so it is
the head, not the seal, that tells our segment from a forged one.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Any

import numpy as np

from keys import envelope, primitives
from keys.envelope import context, microseconds
from keys.primitives import Opener, PublicKey
from vault import codec, summary
from vault.columns import Columns
from vault.errors import Finding, TamperedError
from vault.summary import Summary

#: Most records of a segment (docs/adr/0016-columns.md).
FULL = 4096


class Parts(Enum):
    """How much of each segment is at hand: all, or all but what is not needed."""

    ALL = "all"
    BODY = "body"  # without summary
    SUMMARY = "summary"  # without body and fingerprints
    MARKS = "marks"  # the fingerprints alone
    DIGESTS = "digests"  # none of them: what counts a segment, and nothing of it

    @property
    def absent(self) -> frozenset[str]:
        """The columns that are not fetched."""
        return _ABSENT[self]


_ABSENT = {
    Parts.ALL: frozenset[str](),
    Parts.BODY: frozenset({"summary"}),
    Parts.SUMMARY: frozenset({"body", "fingerprints"}),
    Parts.MARKS: frozenset({"sealed_key", "body", "summary"}),
    Parts.DIGESTS: frozenset({"sealed_key", "body", "summary", "fingerprints"}),
}
#: The columns that have a digest each, in the order of the digests.
_COUNTED = ("sealed_key", "body", "summary", "fingerprints")


@dataclass(frozen=True, slots=True, repr=False)
class Segment:
    """One sealed segment: the columns of :class:`vault.tables.SegmentRow`.

    ``digests`` are those of sealed key, body, summary and fingerprints. ``generation`` is the one whose public
    half sealed the key, ``born`` the one at its making. ``import_id`` is empty where no import brought it.
    """

    vault_id: bytes
    drawer: bytes
    tag: bytes
    segment: bytes
    generation: int
    born: int
    import_id: bytes
    sealed_key: bytes
    body: bytes
    summary: bytes
    fingerprints: bytes
    digests: bytes
    written_us: int

    def columns(self) -> dict[str, Any]:
        """Return the columns as a row is written, or as they go over a pipe."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a segment stands and under which generation's public half it is born."""

    vault: bytes
    drawer: bytes
    tag: bytes
    generation: int
    public: PublicKey


def seal(columns: Columns, place: Place, *, import_id: bytes, written: datetime) -> Segment:
    """Seal records as one segment; they must be of one drawer and month and carry their fingerprints."""
    segment = os.urandom(16)
    key = primitives.random_key()
    header = _header(place.vault, place.drawer, place.tag, segment, place.generation)
    brief = summary.summarise(columns)
    sealed = Segment(
        vault_id=place.vault,
        drawer=place.drawer,
        tag=place.tag,
        segment=segment,
        generation=place.generation,
        born=place.generation,
        import_id=import_id,
        sealed_key=_seal_key(place.vault, place.drawer, segment, key, place.public, place.generation),
        body=envelope.seal_box(key, codec.encode(columns), bound_to=context("segment-body") + header),
        summary=envelope.seal_box(key, brief, bound_to=context("segment-summary") + header),
        fingerprints=columns.fingerprint.astype(">u8").tobytes(),
        digests=b"",
        written_us=microseconds(written),
    )
    return replace(sealed, digests=b"".join(_digest_of(sealed, name) for name in _COUNTED))


def seal_all(columns: Columns, place: Place, *, import_id: bytes, written: datetime) -> list[Segment]:
    """Seal any number of records, in time order, as segments of up to :data:`FULL` of about equal size."""
    pieces = -(-len(columns) // FULL)
    rows = np.array_split(np.arange(len(columns)), pieces) if pieces else []
    return [seal(columns.take(one), place, import_id=import_id, written=written) for one in rows]


def reseal(row: Segment, key: bytes, *, public: PublicKey, generation: int) -> Segment:
    """Return the segment with its key sealed to another generation; body and summary stay as they are.

    Neither body nor fingerprints need be at hand: their digests stay too.
    """
    sealed = _seal_key(row.vault_id, row.drawer, row.segment, key, public, generation)
    digests = hashlib.sha256(sealed).digest() + row.digests[32:]
    return replace(row, generation=generation, sealed_key=sealed, digests=digests)


def open_key(row: Segment, opener: Opener) -> bytes:
    """Open the segment key with the generation's private half."""
    bound = _key_context(row.vault_id, row.drawer, row.segment, row.generation)
    return envelope.open_key(opener, row.sealed_key, bound_to=bound)


def open_body(row: Segment, key: bytes) -> Columns:
    """Open the records."""
    header = _header(row.vault_id, row.drawer, row.tag, row.segment, row.born)
    block = envelope.open_box(key, row.body, bound_to=context("segment-body") + header)
    return codec.decode(block, row.fingerprints)


def open_summary(row: Segment, key: bytes) -> Summary:
    """Open the summary."""
    header = _header(row.vault_id, row.drawer, row.tag, row.segment, row.born)
    return summary.parse(envelope.open_box(key, row.summary, bound_to=context("segment-summary") + header))


def digest(row: Segment, parts: Parts) -> bytes:
    """Return what the shelf's digest counts of a segment, after checking the parts that are at hand.

    What was not fetched is taken at its own digest, and is not opened.

    Raises:
        TamperedError: a part differs from its own digest.
    """
    for number, name in enumerate(_COUNTED):
        kept = row.digests[32 * number : 32 * number + 32]
        if name not in parts.absent and not primitives.same(_digest_of(row, name), kept):
            raise TamperedError(Finding.FORGED_SEGMENT)
    fields = (row.tag, row.segment, row.generation, row.born, row.import_id, row.digests, row.written_us)
    return hashlib.sha256(context("segment", row.vault_id, row.drawer, *fields)).digest()


def shelf_digest(rows: Sequence[Segment], parts: Parts) -> bytes:
    """Return the digest of all live segments under one tag, in the order of their ids."""
    ordered = sorted(rows, key=lambda row: row.segment)
    return hashlib.sha256(context("shelf") + b"".join(digest(row, parts) for row in ordered)).digest()


def _digest_of(row: Segment, name: str) -> bytes:
    return hashlib.sha256(getattr(row, name)).digest()


def _header(vault: bytes, drawer: bytes, tag: bytes, segment: bytes, born: int) -> bytes:
    return context("segment-header", vault, drawer, tag, segment, born)


def _seal_key(
    vault: bytes, drawer: bytes, segment: bytes, key: bytes, public: PublicKey, generation: int
) -> bytes:
    return envelope.seal_key(public, key, bound_to=_key_context(vault, drawer, segment, generation))


def _key_context(vault: bytes, drawer: bytes, segment: bytes, generation: int) -> bytes:
    return context("segment-key", vault, drawer, segment, generation)
