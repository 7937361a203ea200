"""Records column by column: the form in which they are sealed, opened, masked, summed and written out.

What many records share (code, unit, device, author ...) stands once, as a :class:`Shape`; what differs is an
array of its own. A :class:`~vault.record.Record` is made only for the few that a page shows.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from consent.scope import Kind
from keys.envelope import microseconds
from policies.vocabulary import Category
from vault.errors import MalformedRecordError
from vault.record import Code, Component, Provenance, Quantity, Record

#: An exponent that no number has: there is no number.
NO_NUMBER = 127
NO_END = -1
_LIMIT = 1 << 63
_POWERS = np.array([float(f"1e{power}") for power in range(NO_NUMBER + 1)])
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Marks = npt.NDArray[np.uint64]
Number = tuple[int, int]
NOTHING: Number = (0, NO_NUMBER)


class Units(NamedTuple):
    """A number's unit, its canonical form's (None if there is none), and whether both are written alike."""

    unit: str
    canonical: str | None
    same: bool


class Part(NamedTuple):
    """What one component of many records shares."""

    code: Code
    text: str
    units: Units


@dataclass(frozen=True, slots=True)
class Shape:
    """What many records share."""

    category: Category
    kind: str
    code: Code
    status: str
    units: Units
    parts: tuple[Part, ...]
    provenance: Provenance

    @classmethod
    def of(cls, record: Record) -> "Shape":
        """Take what a record shares with others of its kind."""
        parts = tuple(
            Part(part.code, part.text, _units(part.quantity, part.canonical)) for part in record.components
        )
        units = _units(record.quantity, record.canonical)
        return cls(record.category, record.kind, record.code, record.status, units, parts, record.provenance)

    @property
    def numbers(self) -> int:
        """How many numbers a record has: its own and its canonical quantity, then those of each part."""
        return 2 + 2 * len(self.parts)


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """n records. ``offsets`` (n + 1) tells where each one's numbers begin; see :attr:`Shape.numbers`."""

    shapes: tuple[Shape, ...]
    strings: tuple[str, ...]
    shape: npt.NDArray[np.uint16]
    start: Ints
    duration: Ints
    zone: npt.NDArray[np.int16]
    mantissa: Ints
    exponent: npt.NDArray[np.int8]
    text: npt.NDArray[np.int32]
    resource: npt.NDArray[np.int32]
    fingerprint: Marks
    offsets: Ints

    def __len__(self) -> int:
        """Return how many records there are."""
        return len(self.shape)

    @classmethod
    def of(cls, records: Iterable[Record]) -> "Columns":
        """Take records apart, with the fingerprints that they carry.

        Raises:
            MalformedRecordError: one cannot be kept (more than 18 digits, an end before its start).
        """
        builder = Builder()
        marks = []
        for record in records:
            builder.add(record)
            marks.append(record.fingerprint)
        return replace(builder.columns(), fingerprint=np.array(marks, dtype=np.uint64))

    @property
    def kinds(self) -> list[Kind]:
        """What a rule can tell of each shape's records."""
        return [Kind(shape.code.code, shape.provenance.sources) for shape in self.shapes]

    def marked(self, fingerprint: Marks) -> "Columns":
        """Return the same with their fingerprints."""
        return replace(self, fingerprint=fingerprint)

    def take(self, rows: npt.NDArray[Any]) -> "Columns":
        """Return the wanted rows: indexes in the wanted order, or a mask; what a mask leaves whole is not copied."""
        if rows.dtype == np.bool_:
            rows = np.flatnonzero(rows)
            if len(rows) and rows[-1] - rows[0] == len(rows) - 1:
                return self.between(int(rows[0]), int(rows[-1]) + 1)
        counts = np.diff(self.offsets)[rows]
        offsets = np.zeros(len(rows) + 1, dtype=np.int64)
        np.cumsum(counts, out=offsets[1:])
        numbers = np.repeat(self.offsets[:-1][rows] - offsets[:-1], counts) + np.arange(offsets[-1])
        return self._of(rows, numbers, offsets)

    def between(self, first: int, end: int) -> "Columns":
        """Return the rows from ``first`` up to ``end``, without copying them."""
        if end - first == len(self):
            return self
        offsets = self.offsets[first : end + 1] - self.offsets[first]
        return self._of(slice(first, end), self.numbered(first, end), offsets)

    def numbered(self, first: int, end: int) -> slice:
        """Return where the numbers of the rows from ``first`` up to ``end`` stand."""
        return slice(int(self.offsets[first]), int(self.offsets[end]))

    def in_time_order(self) -> "Columns":
        """Return the rows by start; those of one moment stay in their order."""
        if np.all(self.start[1:] >= self.start[:-1]):
            return self
        return self.take(np.argsort(self.start, kind="stable"))

    def compact(self) -> "Columns":
        """Return the same without the shapes and strings that no row names."""
        used = np.bincount(self.shape, minlength=len(self.shapes)).nonzero()[0]
        if len(used) < len(self.shapes):
            number = np.zeros(len(self.shapes), dtype=np.uint16)
            number[used] = np.arange(len(used))
            shapes = tuple(self.shapes[i] for i in used.tolist())
            return replace(self, shapes=shapes, shape=number[self.shape]).compact()
        if not self.strings:
            return self
        named = np.unique(np.concatenate((self.text, self.resource)))
        named = named[named >= 0]
        if len(named) == len(self.strings):
            return self
        return replace(
            self,
            strings=tuple(self.strings[i] for i in named),
            text=_renumbered(self.text, named),
            resource=_renumbered(self.resource, named),
        )

    def records(self, wanted: Iterable[int] | None = None) -> Iterator[Record]:
        """Make records of the wanted rows, or of all."""
        for row in range(len(self)) if wanted is None else wanted:
            yield self._record(int(row))

    def numbers(self, part: int) -> tuple[Floats, npt.NDArray[np.bool_]]:
        """Return each row's canonical number (else the one that came), and which rows have one.

        ``part`` 0 is the record's own quantity, 1 its first component's, and so on; all rows must have it.
        """
        own = self.offsets[:-1] + 2 * part
        at = np.where(self.exponent[own + 1] != NO_NUMBER, own + 1, own)
        exponent = self.exponent[at]
        there = exponent != NO_NUMBER
        # Up to 10^22 and 2^53 both numbers are exact, so their quotient is the nearest float, as float("70.1") is;
        # a product with a rounded 0.1 is not.
        mantissa = self.mantissa[at].astype(np.float64)
        if there.all() and exponent.max(initial=0) <= 0:
            return mantissa / _POWERS[-exponent], there
        scale = _POWERS[np.abs(exponent)]
        return np.where(exponent < 0, mantissa / scale, mantissa * scale), there

    def _of(self, rows: Any, numbers: Any, offsets: Ints) -> "Columns":
        """Return the rows and numbers that two indexes or slices name."""
        return Columns(
            shapes=self.shapes,
            strings=self.strings,
            shape=self.shape[rows],
            start=self.start[rows],
            duration=self.duration[rows],
            zone=self.zone[rows],
            mantissa=self.mantissa[numbers],
            exponent=self.exponent[numbers],
            text=self.text[rows],
            resource=self.resource[rows],
            fingerprint=self.fingerprint[rows],
            offsets=offsets,
        )

    def _record(self, row: int) -> Record:
        shape = self.shapes[self.shape[row]]
        start = (_EPOCH + timedelta(microseconds=int(self.start[row]))).astimezone(_zone(int(self.zone[row])))
        duration, at = int(self.duration[row]), int(self.offsets[row])
        quantity, canonical = self._pair(at, shape.units)
        parts = [
            Component(part.code, *self._pair(at + 2 * number, part.units), part.text)
            for number, part in enumerate(shape.parts, start=1)
        ]
        return Record(
            category=shape.category,
            kind=shape.kind,
            code=shape.code,
            start=start,
            provenance=shape.provenance,
            end=None if duration < 0 else start + timedelta(microseconds=duration),
            status=shape.status,
            quantity=quantity,
            canonical=canonical,
            text=self._string(self.text[row]),
            components=tuple(parts),
            resource=self._string(self.resource[row]),
            fingerprint=int(self.fingerprint[row]),
        )

    def _string(self, number: np.int32) -> str:
        return "" if number < 0 else self.strings[number]

    def _pair(self, at: int, units: Units) -> tuple[Quantity | None, Quantity | None]:
        own = self._quantity(at, units.unit)
        return own, own if units.same else self._quantity(at + 1, units.canonical or "")

    def _quantity(self, at: int, unit: str) -> Quantity | None:
        exponent = int(self.exponent[at])
        if exponent == NO_NUMBER:
            return None
        return Quantity(decimal_of(int(self.mantissa[at]), exponent), unit)


def join(parts: Sequence[Columns]) -> Columns:
    """Return all rows of several, one after another.

    Raises:
        MalformedRecordError: there are more than 65,535 shapes among them.
    """
    if len(parts) == 1:
        return parts[0]
    shapes: dict[Shape, int] = {}
    strings: dict[str, int] = {}
    moved = [_moved(part, shapes, strings) for part in parts]
    if len(shapes) > np.iinfo(np.uint16).max:
        raise MalformedRecordError("too many shapes together")
    if not moved:
        return Builder().columns()
    counts = np.concatenate([np.diff(part.offsets) for part in moved])
    rest = {
        field.name: np.concatenate([getattr(part, field.name) for part in moved])
        for field in fields(Columns)
        if field.name not in {"shapes", "strings", "offsets"}
    }
    offsets = np.concatenate((np.zeros(1, np.int64), np.cumsum(counts)))
    return Columns(shapes=tuple(shapes), strings=tuple(strings), offsets=offsets, **rest)


def _moved(part: Columns, shapes: dict[Shape, int], strings: dict[str, int]) -> Columns:
    """Number a part's shapes and strings as those of the whole."""
    if not part.strings and [shapes.setdefault(one, len(shapes)) for one in part.shapes] == list(
        range(len(part.shapes))
    ):
        return part
    shape = np.array([shapes.setdefault(one, len(shapes)) for one in part.shapes], dtype=np.int64)
    string = np.array([strings.setdefault(one, len(strings)) for one in part.strings] + [-1], dtype=np.int32)
    return replace(
        part,
        shape=np.minimum(shape[part.shape], np.iinfo(np.uint16).max).astype(np.uint16),
        text=string[part.text],
        resource=string[part.resource],
    )


class Builder:
    """Columns as they grow, row by row."""

    def __init__(self) -> None:
        self._shapes: dict[Shape, int] = {}
        self._strings: dict[str, int] = {}
        self._rows: list[int] = []  # six of each
        self._numbers: list[Number] = []

    def __len__(self) -> int:
        """Return how many rows there are."""
        return len(self._rows) // 6

    def shape(self, shape: Shape) -> int:
        """Return the number by which rows name a shape."""
        return self._shapes.setdefault(shape, len(self._shapes))

    def row(
        self,
        shape: int,
        start: int,
        numbers: Sequence[Number],
        *,
        duration: int = NO_END,
        zone: int = 0,
        text: str = "",
        resource: str = "",
    ) -> None:
        """Add a row: start and duration in µs, zone in minutes, as many numbers as the shape has."""
        text_at = self._string(text) if text else -1
        resource_at = self._string(resource) if resource else -1
        self._rows += (shape, start, duration, zone, text_at, resource_at)
        self._numbers += numbers

    def rows(self, rows: Sequence[int], numbers: Sequence[Number]) -> None:
        """Add many rows at once: of each shape, start, duration, zone, and twice -1 (no text, no resource)."""
        self._rows += rows
        self._numbers += numbers

    def add(self, record: Record) -> None:
        """Add a record.

        Raises:
            MalformedRecordError: it cannot be kept; nothing of it was added.
        """
        start = microseconds(record.start)
        duration = NO_END if record.end is None else microseconds(record.end) - start
        if record.end is not None and duration < 0:
            raise MalformedRecordError("end: before start")
        numbers = [*_numbers(record.quantity, record.canonical)]
        for part in record.components:
            numbers += _numbers(part.quantity, part.canonical)
        offset = record.start.utcoffset() or timedelta()
        self.row(
            self.shape(Shape.of(record)),
            start,
            numbers,
            duration=duration,
            zone=int(offset.total_seconds() // 60),
            text=record.text,
            resource=record.resource,
        )

    def columns(self) -> Columns:
        """Return what has grown; fingerprints are 0.

        Raises:
            MalformedRecordError: more than 65,535 shapes stand together.
        """
        if len(self._shapes) > np.iinfo(np.uint16).max:
            raise MalformedRecordError("too many shapes together")
        rows = np.array(self._rows, dtype=np.int64).reshape(-1, 6).T
        numbers = np.fromiter(chain.from_iterable(self._numbers), np.int64, 2 * len(self._numbers))
        shapes = tuple(self._shapes)
        counts = np.array([shape.numbers for shape in shapes] or [2], dtype=np.int64)
        offsets = np.zeros(rows.shape[1] + 1, dtype=np.int64)
        np.cumsum(counts[rows[0]], out=offsets[1:])
        return Columns(
            shapes=shapes,
            strings=tuple(self._strings),
            shape=rows[0].astype(np.uint16),
            start=rows[1].copy(),
            duration=rows[2].copy(),
            zone=rows[3].astype(np.int16),
            mantissa=numbers[::2].copy(),
            exponent=numbers[1::2].astype(np.int8),
            text=rows[4].astype(np.int32),
            resource=rows[5].astype(np.int32),
            fingerprint=np.zeros(rows.shape[1], dtype=np.uint64),
            offsets=offsets,
        )

    def _string(self, text: str) -> int:
        return self._strings.setdefault(text, len(self._strings))


def write_marks(marks: Marks) -> bytes:
    """Write fingerprints as they stand beside a segment: 8 bytes each, big-endian."""
    return marks.astype(">u8").tobytes()


def read_marks(raw: bytes) -> Marks:
    """Read them."""
    return np.frombuffer(raw, dtype=">u8").astype(np.uint64)


def split(value: Decimal) -> Number:
    """Return a finite decimal's mantissa and exponent.

    Raises:
        MalformedRecordError: not finite, or more digits than a 64-bit mantissa holds.
    """
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        raise MalformedRecordError("value: not a number")
    mantissa = int("".join(map(str, digits)))
    if mantissa >= _LIMIT or not -NO_NUMBER < exponent < NO_NUMBER:
        raise MalformedRecordError("value: more digits than can be kept")
    return (-mantissa if sign else mantissa), exponent


def decimal_of(mantissa: int, exponent: int) -> Decimal:
    """Return the decimal of a mantissa and exponent, as it was written."""
    return Decimal((int(mantissa < 0), tuple(map(int, str(abs(mantissa)))), exponent))


def _numbers(quantity: Quantity | None, canonical: Quantity | None) -> tuple[Number, Number]:
    own = NOTHING if quantity is None else split(quantity.value)
    if canonical is None or _same(canonical, quantity):
        return own, NOTHING
    return own, split(canonical.value)


def _units(quantity: Quantity | None, canonical: Quantity | None) -> Units:
    return Units(
        "" if quantity is None else quantity.unit,
        None if canonical is None else canonical.unit,
        canonical is not None and _same(canonical, quantity),
    )


def _same(one: Quantity | None, other: Quantity | None) -> bool:
    """Tell whether two numbers are written alike: 1.0 equals 1.00, but is not written so."""
    if one is None or other is None:
        return one is other
    return one.unit == other.unit and one.value.as_tuple() == other.value.as_tuple()


def _renumbered(column: npt.NDArray[np.int32], named: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    return np.where(column < 0, -1, np.searchsorted(named, column)).astype(np.int32)


@lru_cache(maxsize=256)
def _zone(minutes: int) -> timezone:
    return timezone(timedelta(minutes=minutes)) if minutes else UTC
