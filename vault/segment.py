"""One sealed segment: n records of one drawer and month (docs/spec/vault-v1.md).

- the *body* is the block of :mod:`vault.codec`, in a box under a fresh segment key; its header (vault, drawer,
  tag, segment, generation of birth) is the associated data, so that no body can stand elsewhere;
- the *summary* (:mod:`vault.summary`) is a small box under the same key;
- the segment key derives from a *lock*, sealed to the generation's public half: whoever adds needs nothing else. Who
  holds the private half *settles* it, under a key of the pair's own, which opens in a hundredth of the time;
- the *fingerprints*, 8 keyed bytes a record, stand beside in the clear.

A digest over the four parts goes into the shelf's digest, the manifest, the head: HPKE has no sender, so it is
the head, not the seal, that tells our segment from a forged one.
"""

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from itertools import pairwise
from typing import NamedTuple

from keys import envelope, primitives
from keys.envelope import Boxes, context, microseconds
from keys.primitives import Opener, PublicKey
from vault import codec, summary
from vault.columns import Columns, write_marks
from vault.errors import Finding, TamperedError
from vault.summary import Summary

#: Most records of a segment (docs/adr/0016-columns.md).
FULL = 4096


class Parts(Enum):
    """How much of each segment is at hand: all, or all but what is not needed."""

    ALL = "all"
    BODY = "body"  # without summary
    SUMMARY = "summary"  # without body and fingerprints
    KEYS = "keys"  # the sealed key alone
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
    Parts.KEYS: frozenset({"body", "summary", "fingerprints"}),
    Parts.MARKS: frozenset({"sealed_key", "body", "summary"}),
    Parts.DIGESTS: frozenset({"sealed_key", "body", "summary", "fingerprints"}),
}
#: The columns that have a digest each, in the order of the digests; and which of them are at hand.
_COUNTED = ("sealed_key", "body", "summary", "fingerprints")
_PRESENT = {
    parts: [(32 * number, name) for number, name in enumerate(_COUNTED) if name not in absent]
    for parts, absent in _ABSENT.items()
}
_BODY, _SUMMARY = context("segment-body"), context("segment-summary")


class Segment(NamedTuple):
    """One sealed segment: the columns of :class:`vault.tables.SegmentRow`.

    ``digests`` are those of sealed key, body, summary and fingerprints. ``generation`` is the one whose pair
    sealed the key, ``born`` the one at its making. ``import_id`` is empty where no import brought it.
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


@dataclass(frozen=True, slots=True, repr=False)
class Lock:
    """A fresh secret and its one sealed form, for all segments of a drawer that are sealed together.

    Each segment's own key derives from the secret and the segment's id, so that a reader who opens a year of
    them asks the hybrid private key once, not a hundred times (docs/adr/0016-columns.md).
    """

    vault: bytes
    drawer: bytes
    generation: int
    secret: bytes
    sealed: bytes

    @classmethod
    def to(cls, half: PublicKey | Opener, *, vault: bytes, drawer: bytes, generation: int) -> "Lock":
        """Make one that the holder of a generation's private half can open, by whichever half is at hand."""
        secret = primitives.random_key()
        return cls(vault, drawer, generation, secret, _seal_secret(vault, drawer, generation, secret, half))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a segment stands, and by which lock it is born."""

    lock: Lock
    tag: bytes


def seal(columns: Columns, place: Place, *, import_id: bytes, written: datetime) -> Segment:
    """Seal records as one segment; they must be of one drawer and month and carry their fingerprints."""
    (sealed,) = _sealed(columns, [place], [len(columns)], import_id, written)
    return sealed


def seal_all(
    columns: Columns, shelves: Sequence[tuple[Place, int]], *, import_id: bytes, written: datetime
) -> list[Segment]:
    """Seal any number of records of one drawer, each month's in time order, as segments of up to :data:`FULL`.

    ``shelves`` names the place of each month, and where its rows end. A month's segments are of about equal size.
    """
    columns = columns.compact()
    places, ends, begin = [], [], 0
    for place, end in shelves:
        pieces = -(-(end - begin) // FULL)
        ends += [begin + (end - begin) * number // pieces for number in range(1, pieces + 1)]
        places += [place] * pieces
        begin = end
    return _sealed(columns, places, ends, import_id, written)


def _sealed(
    columns: Columns, places: Iterable[Place], ends: Sequence[int], import_id: bytes, written: datetime
) -> list[Segment]:
    """Seal segments that lie one behind the other: each of the rows up to one of ``ends``."""
    fingerprints, at = write_marks(columns.fingerprint), microseconds(written)
    marks = [fingerprints[8 * begin : 8 * end] for begin, end in pairwise([0, *ends])]
    parts = zip(places, codec.encode(columns, ends), summary.summarise(columns, ends), marks, strict=True)
    return [_boxed(*part, import_id, at) for part in parts]


def _boxed(
    place: Place, block: bytes, brief: bytes, marks: bytes, import_id: bytes, written_us: int
) -> Segment:
    segment, lock, born = os.urandom(16), place.lock, place.lock.generation
    boxes = Boxes(_segment_key(lock.secret, segment))
    header = _header(lock.vault, lock.drawer, place.tag, segment, born)
    parts = (
        lock.sealed,
        boxes.seal(block, bound_to=_BODY + header),
        boxes.seal(brief, bound_to=_SUMMARY + header),
        marks,
    )
    digests = b"".join(map(_digest_of, parts))
    where = (lock.vault, lock.drawer, place.tag, segment)
    return Segment(*where, born, born, import_id, *parts, digests, written_us)


def settle(
    rows: Iterable[Segment], openers: Mapping[int, Opener], *, generation: int | None = None
) -> list[Segment]:
    """Return the segments with their locks settled, in their own generation or in another that takes over.

    Neither body nor fingerprints need be at hand: they and their digests stay as they are.
    """
    moved: dict[bytes, bytes] = {}
    found = []
    for row in rows:
        new = row.generation if generation is None else generation
        if row.sealed_key not in moved:
            secret = open_secret(row, openers[row.generation])
            moved[row.sealed_key] = _seal_secret(row.vault_id, row.drawer, new, secret, openers[new])
        sealed = moved[row.sealed_key]
        digests = hashlib.sha256(sealed).digest() + row.digests[32:]
        found.append(row._replace(generation=new, sealed_key=sealed, digests=digests))
    return found


def is_settled(row: Segment) -> bool:
    """Tell whether a segment's lock is."""
    return envelope.is_settled(row.sealed_key)


def open_secret(row: Segment, opener: Opener) -> bytes:
    """Open the secret of a segment's lock with the generation's private half."""
    bound = _lock_context(row.vault_id, row.drawer, row.generation)
    return envelope.open_key(opener, row.sealed_key, bound_to=bound)


def open_key(row: Segment, opener: Opener) -> bytes:
    """Open the segment's own key."""
    return key_of(row, open_secret(row, opener))


def key_of(row: Segment, secret: bytes) -> bytes:
    """Return a segment's own key from the secret of its lock."""
    return _segment_key(secret, row.segment)


def open_body(row: Segment, key: bytes) -> Columns:
    """Open the records."""
    header = _header(row.vault_id, row.drawer, row.tag, row.segment, row.born)
    block = envelope.open_box(key, row.body, bound_to=_BODY + header)
    return codec.decode(block, row.fingerprints)


def open_summary(row: Segment, key: bytes) -> Summary:
    """Open the summary."""
    header = _header(row.vault_id, row.drawer, row.tag, row.segment, row.born)
    return summary.parse(envelope.open_box(key, row.summary, bound_to=_SUMMARY + header))


def digest(row: Segment, parts: Parts) -> bytes:
    """Return what the shelf's digest counts of a segment, after checking the parts that are at hand.

    What was not fetched is taken at its own digest, and is not opened.

    Raises:
        TamperedError: a part differs from its own digest.
    """
    for at, name in _PRESENT[parts]:
        if not primitives.same(_digest_of(getattr(row, name)), row.digests[at : at + 32]):
            raise TamperedError(Finding.FORGED_SEGMENT)
    fields = (row.tag, row.segment, row.generation, row.born, row.import_id, row.digests, row.written_us)
    return hashlib.sha256(context("segment", row.vault_id, row.drawer, *fields)).digest()


def shelf_digest(rows: Sequence[Segment], parts: Parts) -> bytes:
    """Return the digest of all live segments under one tag, in the order of their ids."""
    ordered = sorted(rows, key=lambda row: row.segment)
    return hashlib.sha256(context("shelf") + b"".join(digest(row, parts) for row in ordered)).digest()


def _digest_of(part: bytes) -> bytes:
    return hashlib.sha256(part).digest()


def _header(vault: bytes, drawer: bytes, tag: bytes, segment: bytes, born: int) -> bytes:
    return context("segment-header", vault, drawer, tag, segment, born)


def _segment_key(secret: bytes, segment: bytes) -> bytes:
    return primitives.mac(secret, context("segment", segment))


def _seal_secret(
    vault: bytes, drawer: bytes, generation: int, secret: bytes, half: PublicKey | Opener
) -> bytes:
    bound = _lock_context(vault, drawer, generation)
    if isinstance(half, PublicKey):
        return envelope.seal_key(half, secret, bound_to=bound)
    return envelope.settle_key(half, secret, bound_to=bound)


def _lock_context(vault: bytes, drawer: bytes, generation: int) -> bytes:
    return context("segment-key", vault, drawer, generation)
