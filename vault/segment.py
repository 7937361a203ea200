"""One sealed segment: n records of one drawer and month (docs/spec/vault-v1.md).

- the *body* is the block of :mod:`vault.codec`, in a box under a fresh segment key; its header (vault, drawer,
  tag, segment, generation of birth) is the associated data, so that no body can stand elsewhere;
- the *summary* is a small JSON box under the same key: how many per code, the first, the last and its value;
- the *segment key* is sealed to the generation's public half. Whoever adds needs nothing else;
- the *fingerprints*, 8 keyed bytes a record, stand beside in the clear.

A digest over the four parts goes into the shelf's digest, the manifest, the head: HPKE has no sender, so it is
the head, not the seal, that tells our segment from a forged one.
"""

import hashlib
import json
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
from vault import codec
from vault.codec import Columns
from vault.errors import Finding, TamperedError
from vault.record import Record

FULL = 1024


class Parts(Enum):
    """How much of each segment is at hand: all, or neither body nor fingerprints."""

    SUMMARY = "summary"
    BODY = "body"


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


@dataclass(frozen=True, slots=True)
class Summary:
    """What a segment holds without opening it: records per code, first and last start, last values per code.

    ``latest`` maps a code to ``[start (µs), text, unit]`` of its newest record; a composite's text joins its
    components' numbers with ``/``.
    """

    count: int
    codes: dict[str, int]
    first: int
    last: int
    latest: dict[str, tuple[int, str, str]]


def seal(records: Sequence[Record], place: Place, *, import_id: bytes, written: datetime) -> Segment:
    """Seal records as one segment; they must be of one drawer and month and carry their fingerprints."""
    segment = os.urandom(16)
    key = primitives.random_key()
    header = _header(place.vault, place.drawer, place.tag, segment, place.generation)
    sealed = Segment(
        vault_id=place.vault,
        drawer=place.drawer,
        tag=place.tag,
        segment=segment,
        generation=place.generation,
        born=place.generation,
        import_id=import_id,
        sealed_key=_seal_key(place.vault, place.drawer, segment, key, place.public, place.generation),
        body=envelope.seal_box(key, codec.encode(records), bound_to=context("segment-body") + header),
        summary=envelope.seal_box(key, _summarise(records), bound_to=context("segment-summary") + header),
        fingerprints=np.array([record.fingerprint for record in records], dtype=">u8").tobytes(),
        digests=b"",
        written_us=microseconds(written),
    )
    return replace(sealed, digests=b"".join(_parts(sealed)))


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
    raw: dict[str, Any] = json.loads(
        envelope.open_box(key, row.summary, bound_to=context("segment-summary") + header)
    )
    latest = {code: (int(one[0]), str(one[1]), str(one[2])) for code, one in raw.pop("latest").items()}
    return Summary(latest=latest, **raw)


def digest(row: Segment, parts: Parts) -> bytes:
    """Return what the shelf's digest counts of a segment, after checking the parts that are at hand.

    A row loaded as a summary is taken at its body's digest: the body is not opened.

    Raises:
        TamperedError: a part differs from its own digest.
    """
    kept = [row.digests[at : at + 32] for at in range(0, 128, 32)]
    absent = {1, 3} if parts is Parts.SUMMARY else set()
    for number, (mine, theirs) in enumerate(zip(_parts(row), kept, strict=True)):
        if number not in absent and not primitives.same(mine, theirs):
            raise TamperedError(Finding.FORGED_SEGMENT)
    fields = (row.tag, row.segment, row.generation, row.born, row.import_id, row.digests, row.written_us)
    return hashlib.sha256(context("segment", row.vault_id, row.drawer, *fields)).digest()


def shelf_digest(rows: Sequence[Segment], parts: Parts) -> bytes:
    """Return the digest of all live segments under one tag, in the order of their ids."""
    ordered = sorted(rows, key=lambda row: row.segment)
    return hashlib.sha256(context("shelf") + b"".join(digest(row, parts) for row in ordered)).digest()


def _parts(row: Segment) -> list[bytes]:
    """Digest sealed key, body, summary and fingerprints, in this order."""
    return [
        hashlib.sha256(part).digest() for part in (row.sealed_key, row.body, row.summary, row.fingerprints)
    ]


def _header(vault: bytes, drawer: bytes, tag: bytes, segment: bytes, born: int) -> bytes:
    return context("segment-header", vault, drawer, tag, segment, born)


def _seal_key(
    vault: bytes, drawer: bytes, segment: bytes, key: bytes, public: PublicKey, generation: int
) -> bytes:
    return envelope.seal_key(public, key, bound_to=_key_context(vault, drawer, segment, generation))


def _key_context(vault: bytes, drawer: bytes, segment: bytes, generation: int) -> bytes:
    return context("segment-key", vault, drawer, segment, generation)


def _summarise(records: Sequence[Record]) -> bytes:
    codes: dict[str, int] = {}
    latest: dict[str, Record] = {}
    for record in records:
        code = record.code.code
        codes[code] = codes.get(code, 0) + 1
        if code not in latest or latest[code].start <= record.start:
            latest[code] = record
    starts = [microseconds(record.start) for record in records]
    summary = {
        "count": len(records),
        "codes": codes,
        "first": min(starts),
        "last": max(starts),
        "latest": {code: [microseconds(r.start), *_shown(r)] for code, r in latest.items()},
    }
    return json.dumps(summary, ensure_ascii=False, separators=(",", ":")).encode()


def _shown(record: Record) -> tuple[str, str]:
    quantities = [record.canonical or record.quantity] + [
        part.canonical or part.quantity for part in record.components
    ]
    given = [quantity for quantity in quantities if quantity is not None]
    if not given:
        return record.text, ""
    return "/".join(str(quantity.value) for quantity in given), given[0].unit
