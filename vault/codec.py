"""How n records become one compressed block of columns, and back (docs/spec/vault-v1.md, segment body).

What many records share (code, unit, device, author ...) is written once, as a *shape*; what differs is a
column of its own: shape, start, duration, zone, numbers as (mantissa, exponent) pairs so that decimals keep
their written form, and the rare texts and whole resources as JSON strings. The fingerprints are not in the
block: they stand beside it in the clear, since they are keyed.
"""

import json
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import zstandard

from keys.envelope import microseconds
from policies.vocabulary import Category
from vault.errors import MalformedRecordError
from vault.record import Author, AuthorKind, Code, Component, Origin, Provenance, Quantity, Record

VERSION = 1
_HEADER = struct.Struct(">BII")  # version, records, length of the JSON part
_NONE = 127  # an exponent that no number has: there is no number
_NO_END = -1
_LIMIT = 1 << 63
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAX_BLOCK = 256 << 20

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Columns:
    """The opened records of one segment, column by column; ``records()`` makes objects of those wanted."""

    shapes: tuple[dict[str, Any], ...]
    strings: tuple[str, ...]
    shape: npt.NDArray[np.uint16]
    start: Ints
    duration: Ints
    zone: npt.NDArray[np.int16]
    mantissa: Ints
    exponent: npt.NDArray[np.int8]
    text: npt.NDArray[np.int32]
    resource: npt.NDArray[np.int32]
    fingerprint: npt.NDArray[np.uint64]
    #: numbers per record: its own and its canonical quantity, then those of each component
    offsets: Ints

    def __len__(self) -> int:
        """Return how many records there are."""
        return len(self.shape)

    def codes(self) -> list[str]:
        """Return each record's code."""
        of_shape = [shape["code"][1] for shape in self.shapes]
        return [of_shape[i] for i in self.shape]

    def records(self, wanted: Sequence[int] | None = None) -> Iterator[Record]:
        """Make records of the wanted rows, or of all.

        Raises:
            MalformedRecordError: what they share is not what the writer writes.
        """
        parsed = [_parse(shape) for shape in self.shapes]
        for row in range(len(self)) if wanted is None else wanted:
            yield parsed[self.shape[row]].record(self, int(row))


def encode(records: Sequence[Record]) -> bytes:
    """Write records as one compressed block.

    Raises:
        MalformedRecordError: a number has more than 18 digits, or more than 65,535 shapes stand together.
    """
    writer = _Writer()
    for record in records:
        writer.add(record)
    return writer.block(len(records))


def decode(block: bytes, fingerprints: bytes) -> Columns:
    """Read what :func:`encode` wrote; ``fingerprints`` are 8 bytes a record, big-endian.

    Raises:
        MalformedRecordError: not a version 1 block, or its parts do not agree.
    """
    try:
        raw = _decompress(block)
        version, count, size = _HEADER.unpack_from(raw)
        if version != VERSION:
            raise MalformedRecordError("segment body: unknown version")
        head = json.loads(raw[_HEADER.size : _HEADER.size + size])
        reader = _Reader(raw, _HEADER.size + size)
        shape = reader.take("<u2", count)
        numbers = np.array([2 + 2 * len(one["components"]) for one in head["shapes"]], dtype=np.int64)
        offsets = np.zeros(count + 1, dtype=np.int64)
        np.cumsum(numbers[shape], out=offsets[1:])
        columns = Columns(
            shapes=tuple(head["shapes"]),
            strings=tuple(head["strings"]),
            shape=shape,
            start=np.cumsum(reader.take("<i8", count)),
            duration=reader.take("<i8", count),
            zone=reader.take("<i2", count),
            mantissa=reader.take("<i8", int(offsets[-1])),
            exponent=reader.take("<i1", int(offsets[-1])),
            text=reader.take("<i4", count),
            resource=reader.take("<i4", count),
            fingerprint=np.frombuffer(fingerprints, dtype=">u8").astype(np.uint64),
            offsets=offsets,
        )
        reader.end()
        _check_indexes(columns)
    except (zstandard.ZstdError, struct.error, ValueError, KeyError, IndexError, TypeError) as error:
        raise MalformedRecordError("segment body: malformed") from error
    if len(columns.fingerprint) != count:
        raise MalformedRecordError("segment body: fingerprints and records differ in number")
    return columns


def _decompress(block: bytes) -> bytes:
    """Open one zstd frame of a stated size and nothing behind it: a bound on output does not bind such a frame."""
    if not 0 <= zstandard.get_frame_parameters(block).content_size <= MAX_BLOCK:
        raise MalformedRecordError("segment body: too large")
    return zstandard.ZstdDecompressor().decompress(block, allow_extra_data=False)


def _check_indexes(columns: Columns) -> None:
    """Refuse rows that name a string that is not there (a shape that is not there has raised already)."""
    for column in (columns.text, columns.resource):
        if len(column) and not -1 <= int(column.min()) <= int(column.max()) < len(columns.strings):
            raise MalformedRecordError("segment body: malformed")


class _Reader:
    def __init__(self, raw: bytes, at: int) -> None:
        self._raw, self._at = raw, at

    def take(self, kind: str, count: int) -> npt.NDArray[Any]:
        array = np.frombuffer(self._raw, dtype=kind, count=count, offset=self._at)
        self._at += array.nbytes
        return array.astype(array.dtype.newbyteorder("="))

    def end(self) -> None:
        if self._at != len(self._raw):
            raise MalformedRecordError("segment body: malformed")


class _Writer:
    def __init__(self) -> None:
        self._shapes: dict[tuple[Any, ...], int] = {}
        self._shape_dicts: list[dict[str, Any]] = []
        self._strings: dict[str, int] = {}
        self._columns: list[list[int]] = [[], [], [], [], [], []]
        self._mantissa: list[int] = []
        self._exponent: list[int] = []

    def add(self, record: Record) -> None:
        start = microseconds(record.start)
        duration = _NO_END if record.end is None else microseconds(record.end) - start
        if record.end is not None and duration < 0:
            raise MalformedRecordError("end: before start")
        offset = record.start.utcoffset() or timedelta()
        shape, texts, start_column, durations, zones, resources = self._columns
        shape.append(self._shape(record))
        start_column.append(start)
        durations.append(duration)
        zones.append(int(offset.total_seconds() // 60))
        texts.append(self._string(record.text))
        resources.append(self._string(record.resource))
        self._number(record.quantity)
        self._number(None if _same(record.canonical, record.quantity) else record.canonical)
        for part in record.components:
            self._number(part.quantity)
            self._number(None if _same(part.canonical, part.quantity) else part.canonical)

    def block(self, count: int) -> bytes:
        shape, texts, start, durations, zones, resources = self._columns
        if len(self._shapes) > np.iinfo(np.uint16).max:
            raise MalformedRecordError("too many shapes in one segment")
        head = json.dumps(
            {"shapes": self._shape_dicts, "strings": list(self._strings)},
            ensure_ascii=False,
            separators=(",", ":"),
        ).encode()
        parts = [
            _HEADER.pack(VERSION, count, len(head)),
            head,
            np.array(shape, "<u2").tobytes(),
            np.diff(np.array(start, "<i8"), prepend=np.int64(0)).astype("<i8").tobytes(),
            np.array(durations, "<i8").tobytes(),
            np.array(zones, "<i2").tobytes(),
            np.array(self._mantissa, "<i8").tobytes(),
            np.array(self._exponent, "<i1").tobytes(),
            np.array(texts, "<i4").tobytes(),
            np.array(resources, "<i4").tobytes(),
        ]
        return zstandard.ZstdCompressor(level=3).compress(b"".join(parts))

    def _string(self, text: str) -> int:
        return self._strings.setdefault(text, len(self._strings)) if text else -1

    def _number(self, quantity: Quantity | None) -> None:
        mantissa, exponent = (0, _NONE) if quantity is None else split(quantity.value)
        self._mantissa.append(mantissa)
        self._exponent.append(exponent)

    def _shape(self, record: Record) -> int:
        source = record.provenance
        key = (
            record.category,
            record.kind,
            record.code,
            record.status,
            source,
            *_units(record.quantity, record.canonical),
            *((part.code, part.text, *_units(part.quantity, part.canonical)) for part in record.components),
        )
        found = self._shapes.get(key)
        if found is None:
            found = self._shapes[key] = len(self._shapes)
            self._shape_dicts.append(_shape_dict(record))
        return found


def split(value: Decimal) -> tuple[int, int]:
    """Return a finite decimal's mantissa and exponent.

    Raises:
        MalformedRecordError: not finite, or more digits than a 64-bit mantissa holds.
    """
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        raise MalformedRecordError("value: not a number")
    mantissa = int("".join(map(str, digits)))
    if mantissa >= _LIMIT or not -_NONE < exponent < _NONE:
        raise MalformedRecordError("value: more digits than can be kept")
    return (-mantissa if sign else mantissa), exponent


def _units(quantity: Quantity | None, canonical: Quantity | None) -> tuple[str, str | None, bool]:
    return (
        "" if quantity is None else quantity.unit,
        None if canonical is None else canonical.unit,
        canonical is not None and _same(canonical, quantity),
    )


def _same(one: Quantity | None, other: Quantity | None) -> bool:
    """Tell whether two numbers are written alike: 1.0 equals 1.00, but is not written so."""
    if one is None or other is None:
        return one is other
    return one.unit == other.unit and one.value.as_tuple() == other.value.as_tuple()


def _shape_dict(record: Record) -> dict[str, Any]:
    source = record.provenance
    return {
        "category": record.category,
        "kind": record.kind,
        "code": [record.code.system, record.code.code, record.code.display],
        "status": record.status,
        "units": _units(record.quantity, record.canonical),
        "components": [
            [
                part.code.system,
                part.code.code,
                part.code.display,
                part.text,
                *_units(part.quantity, part.canonical),
            ]
            for part in record.components
        ],
        "author": [source.author.kind, source.author.id, source.author.name, source.author.organisation],
        "origin": source.origin,
        "received": microseconds(source.received),
        "for": source.on_behalf_of,
        "device": source.device,
        "import": source.import_id,
    }


def _parse(raw: dict[str, Any]) -> "_Shape":
    try:
        return _Shape(raw)
    except (ValueError, KeyError, IndexError, TypeError, OverflowError) as error:
        raise MalformedRecordError("segment body: malformed") from error


class _Shape:
    """One shape, parsed once for all its records."""

    def __init__(self, raw: dict[str, Any]) -> None:
        kind, author_id, name, organisation = raw["author"]
        self.category = Category(raw["category"])
        self.kind: str = raw["kind"]
        self.code = Code(*raw["code"])
        self.status: str = raw["status"]
        self.units = _three(raw["units"])
        self.parts = [(Code(*part[:3]), part[3], _three(part[4:])) for part in raw["components"]]
        self.provenance = Provenance(
            Author(AuthorKind(kind), author_id, name, organisation),
            Origin(raw["origin"]),
            _EPOCH + timedelta(microseconds=raw["received"]),
            raw["for"],
            raw["device"],
            raw["import"],
        )

    def record(self, columns: Columns, row: int) -> Record:
        zone = _zone(int(columns.zone[row]))
        start = (_EPOCH + timedelta(microseconds=int(columns.start[row]))).astimezone(zone)
        duration = int(columns.duration[row])
        at = int(columns.offsets[row])
        quantity, canonical = _pair(columns, at, self.units)
        components = []
        for number, (code, text, units) in enumerate(self.parts, start=1):
            own, same = _pair(columns, at + 2 * number, units)
            components.append(Component(code, own, same, text))
        text, resource = int(columns.text[row]), int(columns.resource[row])
        return Record(
            category=self.category,
            kind=self.kind,
            code=self.code,
            start=start,
            provenance=self.provenance,
            end=None if duration < 0 else start + timedelta(microseconds=duration),
            status=self.status,
            quantity=quantity,
            canonical=canonical,
            text="" if text < 0 else columns.strings[text],
            components=tuple(components),
            resource="" if resource < 0 else columns.strings[resource],
            fingerprint=int(columns.fingerprint[row]),
        )


def _three(units: Sequence[Any]) -> tuple[str, str | None, bool]:
    unit, canonical, same = units
    return unit, canonical, same


def _pair(
    columns: Columns, at: int, units: tuple[str, str | None, bool]
) -> tuple[Quantity | None, Quantity | None]:
    unit, canonical_unit, same = units
    own = _quantity(columns, at, unit)
    return own, own if same else _quantity(columns, at + 1, canonical_unit or "")


def _quantity(columns: Columns, at: int, unit: str) -> Quantity | None:
    exponent = int(columns.exponent[at])
    if exponent == _NONE:
        return None
    mantissa = int(columns.mantissa[at])
    digits = tuple(map(int, str(abs(mantissa))))
    return Quantity(Decimal((int(mantissa < 0), digits, exponent)), unit)


@lru_cache(maxsize=256)
def _zone(minutes: int) -> timezone:
    return timezone(timedelta(minutes=minutes)) if minutes else UTC
