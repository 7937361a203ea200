"""Apple Health's export (``export.zip``, or the ``export.xml`` in it) as candidates, streamed.

**Memory** does not grow with the file: expat gets 64 KiB at a time, and nothing is built but the element at
hand. The one thing remembered is blood pressure. Apple writes each reading three times: as a Correlation, and
its two values as Records of their own, which may stand before or after. The two are held back
(``MAX_WAITING`` at most) until their Correlation comes, which becomes one record with two components; what no
Correlation claims is a record of its own. Beyond that many, a value may be both; none is lost.

**Hostile XML.** The internal DTD of a genuine export is let through; any entity declaration and any outside
document type are refused before the first row, default attributes are ignored, and depth, the length of an
element and of the DTD are bounded. Nothing is ever fetched.

**What is read**: Record, Correlation, Workout. Not kept: ``Me``, ``ExportDate`` and ``ActivitySummary`` (sums
of records that are read), metadata other than :data:`importers.codes.METADATA`. Listed as not read: clinical
records, GPS routes (they say where a person lives), audiograms and the like.

**Values** stay as they came, but for percent, which Apple writes as a fraction: 0.97 ``%`` is kept as 97 %.
A quantity without a unit is refused: 180.0 may be kilograms or pounds.

**Device**: the name that the maker gave it. A source's name ("Annas iPhone") is personal, so it is used only
where there is no device, and then cut down to the product's name if it holds one.
"""

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO
from xml.parsers import expat

from importers import codes
from importers.apple_values import (
    MAX_CACHE,
    MAX_TEXT,
    NO_PAIR,
    Attributes,
    Dates,
    Kind,
    category_value,
    components,
    device_name,
    period,
)
from importers.archive import BROKEN, ZipLimits, open_export
from importers.candidates import FormatError, Item, Reason, Rejection, RowError, excerpt
from importers.stream import steady
from policies.vocabulary import Category
from vault.columns import Builder, Number, Part, Shape, Units
from vault.errors import MalformedRecordError
from vault.measures import BLOOD_PRESSURE_PANEL
from vault.record import Component, Provenance, Record

MAX_WAITING = 40_000
_CHUNK = 1 << 16
_MAX_ELEMENT = 1 << 20
_MAX_DTD = 1 << 18
_MAX_DEPTH = 16
_MAX_ATTRIBUTE_RULES = 2_000
_MAX_NAMES = 2_000
_MAX_PARTS = 64
_MAX_KINDS = 256
_MAX_KEY = 2_000
#: So many rows are handed on together.
ROWS = 8192


def read(source: BinaryIO, *, provenance: Provenance, limits: ZipLimits | None = None) -> Iterator[Item]:
    """Yield an export's rows in order, with the line of each; ``source`` is a zip (seekable) or the xml.

    Raises:
        FormatError: not an export, or not a safe one.
    """
    with ExitStack() as open_things:
        stream = open_things.enter_context(steady(source))
        start = stream.read(4)
        if start.startswith(b"PK"):
            stream.seek(0)
            stream = open_things.enter_context(open_export(stream, limits=limits or ZipLimits()))
            start = b""
        yield from _Export(provenance).read(stream, start)


@dataclass(slots=True)
class _Group:
    """A Correlation or Workout whose end is awaited, and what stood inside it."""

    attributes: Attributes
    line: int
    metadata: dict[str, str] = field(default_factory=dict)
    parts: list[Attributes] = field(default_factory=list)


class _Series:
    """Records of one type, unit, source and device; their shape's number in the rows of one batch."""

    __slots__ = ("batch", "is_pressure", "kind", "number", "shape")

    def __init__(self, kind: Kind, shape: Shape) -> None:
        self.kind, self.shape = kind, shape
        self.is_pressure = shape.category is Category.BLOOD_PRESSURE
        self.batch = self.number = -1


#: A Record whose end is awaited: series, start, zone, duration, numbers, text, and a lone pressure's mark.
_Row = tuple[_Series, int, int, int, tuple[Number, ...], str, bytes]


class _Export:
    """One export on its way through the parser."""

    def __init__(self, provenance: Provenance) -> None:
        self._provenance = provenance
        self._kinds: dict[tuple[str, str], Kind] = {}
        self._series: dict[tuple[str | None, ...], _Series] = {}
        self._dates = Dates()
        self._builder, self._batch = Builder(), 0
        self._rejected: list[Rejection] = []
        self._depth = 0
        self._started = False
        self._yielded = False
        self._rules = 0
        self._fed = 0
        self._names: dict[str, str] = {}
        self._group: _Group | None = None
        self._in_record = False
        self._row: _Row | None = None
        self._metadata: dict[str, str] = {}
        self._unread: dict[str, int] = {}
        self._waiting: dict[bytes, list[_Row]] = {}
        self._waiting_count = 0
        self._claimed: dict[bytes, int] = {}
        self._parser = self._make_parser()

    def _make_parser(self) -> Any:
        parser = expat.ParserCreate(intern=self._names)
        parser.specified_attributes = True
        parser.buffer_text = False
        parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        parser.StartDoctypeDeclHandler = self._doctype
        parser.AttlistDeclHandler = self._attribute_rule
        parser.EntityDeclHandler = _refuse_entities
        parser.ExternalEntityRefHandler = _refuse_entities
        parser.SkippedEntityHandler = _refuse_entities
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        return parser

    # --- the stream

    def read(self, stream: BinaryIO, start: bytes) -> Iterator[Item]:
        """Feed the parser and yield what it makes; a break keeps the rows before it."""
        broken = None
        for chunk in _chunks(stream, start):
            broken = Reason.BROKEN_ZIP if chunk is None else self._feed(chunk)
            if broken is not None:
                break
            yield from self._made(ROWS)
        if broken is not None and not self._yielded:
            raise FormatError(broken, str(self._parser.CurrentLineNumber))
        self._finish()
        if broken is not None:
            self._reject(self._parser.CurrentLineNumber, RowError(Reason.CUT_OFF))
        yield from self._made(1)

    def _made(self, enough: int) -> Iterator[Item]:
        rejected, self._rejected = self._rejected, []
        yield from rejected
        self._yielded = self._yielded or bool(rejected) or len(self._builder) > 0
        if len(self._builder) >= enough:
            builder, self._builder = self._builder, Builder()
            self._batch += 1
            yield builder.columns()

    def _feed(self, chunk: bytes) -> Reason | None:
        """Parse a piece (the last one is empty); return why it cannot be, if the XML is broken there."""
        try:
            self._parser.Parse(chunk, not chunk)
        except expat.ExpatError:
            return Reason.NOT_XML
        self._fed += len(chunk)
        if not self._started and self._fed > _MAX_DTD:
            raise FormatError(Reason.NOT_HEALTH_EXPORT)
        if self._fed - self._parser.CurrentByteIndex > _MAX_ELEMENT or len(self._names) > _MAX_NAMES:
            raise FormatError(Reason.NOT_LIKE_EXPORT)
        return None

    # --- what expat tells

    def _doctype(self, _name: str, system: str | None, public: str | None, _internal: int) -> None:
        if system is not None or public is not None:
            raise FormatError(Reason.ENTITIES)

    def _attribute_rule(self, *_rule: object) -> None:
        self._rules += 1
        if self._rules > _MAX_ATTRIBUTE_RULES:
            raise FormatError(Reason.NOT_LIKE_EXPORT)

    def _start(self, name: str, attributes: Attributes) -> None:
        self._depth += 1
        depth = self._depth
        if name == "Record" and 1 < depth <= 3:  # noqa: PLR2004 - below the root, or inside a Correlation
            if not self._in_record:
                self._in_record = True
                self._begin(attributes)
        elif depth > _MAX_DEPTH:
            raise FormatError(Reason.NOT_LIKE_EXPORT)
        elif name == "MetadataEntry" and depth > 1:
            if attributes.get("key") in codes.METADATA:
                self._take_metadata(attributes)
        else:
            self._start_other(name, attributes, depth)

    def _start_other(self, name: str, attributes: Attributes, depth: int) -> None:
        if depth == 1:
            if name != "HealthData":
                raise FormatError(Reason.NOT_HEALTH_EXPORT)
            self._started = True
        elif name in {"Correlation", "Workout"} and depth == 2:  # noqa: PLR2004 - below the root
            self._group = _Group(attributes, self._parser.CurrentLineNumber)
        elif name == "WorkoutStatistics" and depth == 3:  # noqa: PLR2004 - of the whole, not of a part
            self._part(attributes)
        elif (depth == 2 and name not in _PASSED_BY) or name == "WorkoutRoute":  # noqa: PLR2004
            key = name if name in self._unread or len(self._unread) < _MAX_PARTS else "…"
            self._unread[key] = self._unread.get(key, 0) + 1

    def _part(self, attributes: Attributes) -> None:
        if self._group is not None and len(self._group.parts) < _MAX_PARTS:
            self._group.parts.append(attributes)

    def _take_metadata(self, attributes: Attributes) -> None:
        key, value = attributes["key"], attributes.get("value", "")[:MAX_TEXT]
        if self._in_record:
            self._metadata[key] = value
        elif self._group is not None:
            self._group.metadata[key] = value

    def _end(self, name: str) -> None:
        self._depth -= 1
        if name == "Record" and self._depth <= 2:  # noqa: PLR2004 - a Record that _start took up
            self._in_record = False
            row, self._row = self._row, None
            if row is not None:
                self._take_row(row)
            if self._metadata:
                self._metadata = {}
        elif name in {"Correlation", "Workout"} and self._depth == 1 and self._group is not None:
            group, self._group = self._group, None
            try:
                self._take_group(name, group)
            except RowError as error:
                self._reject(group.line, error)

    # --- rows

    def _begin(self, attributes: Attributes) -> None:
        """Read a Record, all but the metadata inside it."""
        if self._group is not None and self._group.attributes.get("type") == codes.BLOOD_PRESSURE:
            self._part(attributes)
            return
        try:
            self._row = self._read(attributes)
        except RowError as error:
            self._reject(self._parser.CurrentLineNumber, error)

    def _read(self, attributes: Attributes) -> _Row:
        get = attributes.get
        value = get("value")
        unit = get("unit", "") if value is not None else ""
        key = get("type"), unit, get("device", ""), get("sourceName", "")
        series = self._series.get(key) or self._new_series(*key)
        start, zone, duration = self._dates.period(get("startDate"), get("endDate"))
        numbers: tuple[Number, ...] = NO_PAIR
        text, mark = "", b""
        if series.kind.numeric:
            if value is None:
                raise RowError(Reason.NO_VALUE)
            numbers = series.kind.pair(value)
            if series.is_pressure:
                mark = _mark(attributes)
        elif value is not None:
            text = category_value(value, attributes["type"])
        return series, start, zone, duration, numbers, text, mark

    def _new_series(self, identifier: str | None, unit: str, device: str, source: str) -> _Series:
        if not identifier:
            raise RowError(Reason.NO_TYPE)
        kind = self._kind(identifier[:MAX_TEXT], unit)
        came = replace(self._provenance, device=device_name(device, source))
        shape = Shape(kind.type.category, "Observation", kind.type.code, "final", kind.units, (), came)
        series = _Series(kind, shape)
        if len(self._series) >= MAX_CACHE:
            self._series.clear()
        if len(identifier) + len(unit) + len(device) + len(source) <= _MAX_KEY:
            self._series[identifier, unit, device, source] = series
        return series

    def _kind(self, identifier: str, unit: str) -> Kind:
        unit = unit[:MAX_TEXT].strip()
        kind = self._kinds.get((identifier, unit))
        if kind is None:
            if len(self._kinds) >= _MAX_KINDS:
                self._kinds.clear()
                self._series.clear()
            kind = self._kinds[identifier, unit] = Kind(identifier, unit)
        return kind

    def _take_row(self, row: _Row) -> None:
        if self._metadata:
            row = _with_parts(row, self._metadata)
        if not row[-1] or not self._hold_back(row):
            self._put(row)

    def _put(self, row: _Row) -> None:
        series, start, zone, duration, numbers, text, _ = row
        if series.batch != self._batch:
            series.batch, series.number = self._batch, self._builder.shape(series.shape)
        self._builder.row(series.number, start, numbers, duration=duration, zone=zone, text=text)

    def _take_group(self, name: str, group: _Group) -> None:
        if name == "Workout":
            self._add(self._workout(group))
        elif group.attributes.get("type") == codes.BLOOD_PRESSURE:
            self._add(self._blood_pressure(group))

    def _add(self, record: Record) -> None:
        try:
            self._builder.add(record)
        except MalformedRecordError:
            raise RowError(Reason.DOES_NOT_FIT) from None

    def _source(self, attributes: Attributes) -> Provenance:
        name = device_name(attributes.get("device", ""), attributes.get("sourceName", ""))
        return replace(self._provenance, device=name)

    def _reject(self, line: int, error: RowError) -> None:
        self._rejected.append(Rejection.of(f"line {line}", error.reason, error.quote))

    # --- blood pressure

    def _blood_pressure(self, group: _Group) -> Record:
        start, end = period(group.attributes)
        parts: dict[str, Component] = {}
        for attributes in group.parts:
            component = self._pressure(attributes)
            if attributes["type"] in _PRESSURES:
                parts[attributes["type"]] = component
        if not parts:
            raise RowError(Reason.BAD_PAIR)
        for attributes in group.parts:
            self._claim(_mark(attributes))
        ordered = [parts[name] for name in _PRESSURES if name in parts]
        return Record(
            category=Category.BLOOD_PRESSURE,
            kind="Observation",
            code=BLOOD_PRESSURE_PANEL,
            start=start,
            provenance=self._source(group.attributes if "device" in group.attributes else group.parts[0]),
            end=end,
            components=(*ordered, *components(group.metadata)),
        )

    def _pressure(self, attributes: Attributes) -> Component:
        """Read one half; what would be wrong about it alone is wrong about the pair."""
        self._read(attributes)
        kind = self._kind(attributes["type"][:MAX_TEXT], attributes.get("unit", ""))
        value = attributes.get("value")
        return Component(kind.type.code, *(kind.quantity(value) if kind.numeric and value else (None, None)))

    def _hold_back(self, row: _Row) -> bool:
        """Keep a lone pressure until its Correlation comes, or drop it if it came; ``False`` if full."""
        mark = row[-1]
        claimed = self._claimed.get(mark, 0)
        if claimed:
            self._claimed[mark] = claimed - 1
            return True
        if self._waiting_count >= MAX_WAITING:
            return False
        self._waiting.setdefault(mark, []).append(row)
        self._waiting_count += 1
        return True

    def _claim(self, key: bytes) -> None:
        waiting = self._waiting.get(key)
        if waiting:
            waiting.pop()
            self._waiting_count -= 1
            if not waiting:
                del self._waiting[key]
        elif len(self._claimed) < MAX_WAITING:
            self._claimed[key] = self._claimed.get(key, 0) + 1

    # --- workouts, and the end

    def _workout(self, group: _Group) -> Record:
        attributes = group.attributes
        start, end = period(attributes)
        duration = attributes.get("duration")
        quantity = None
        if duration is not None:
            kind = self._kind("HKWorkoutTypeIdentifier", attributes.get("durationUnit", "min"))
            quantity, _ = kind.quantity(duration)
        return Record(
            category=Category.ACTIVITY,
            kind="Observation",
            code=codes.WORKOUT,
            start=start,
            provenance=self._source(attributes),
            end=end,
            quantity=quantity,
            text=attributes.get("workoutActivityType", "").removeprefix("HKWorkoutActivityType")[:MAX_TEXT],
            components=(*self._totals(group), *components(group.metadata)),
        )

    def _totals(self, group: _Group) -> Iterator[Component]:
        """Yield a workout's sums: older exports write them as attributes, newer ones as statistics."""
        old = group.attributes
        sums = [
            (f"{codes.QUANTITY}{name}", old.get(total), old.get(f"{total}Unit"))
            for name, total in (
                ("DistanceWalkingRunning", "totalDistance"),
                ("ActiveEnergyBurned", "totalEnergyBurned"),
            )
        ]
        sums += [(part.get("type", ""), part.get("sum"), part.get("unit")) for part in group.parts]
        for identifier, value, unit in sums:
            if identifier and value and unit:
                kind = self._kind(identifier[:MAX_TEXT], unit)
                yield Component(kind.type.code, *kind.quantity(value))

    def _finish(self) -> None:
        """Let out what no Correlation claimed, and say what was not read."""
        for waiting in self._waiting.values():
            for row in waiting:
                self._put(row)
        self._waiting = {}
        for name, count in self._unread.items():
            where = f"{excerpt(name)[1:-1]} × {count}"
            self._rejected.append(Rejection.of(where, Reason.NOT_READ, excerpt(name)))


_PRESSURES = (codes.SYSTOLIC_TYPE, codes.DIASTOLIC_TYPE)
_PASSED_BY = frozenset(("ExportDate", "Me", "ActivitySummary", "Record", "MetadataEntry"))


def _refuse_entities(*_declared: object) -> int:
    raise FormatError(Reason.ENTITIES)


def _chunks(stream: BinaryIO, start: bytes) -> Iterator[bytes | None]:
    """Yield the stream in pieces, then an empty one at its end, or ``None`` where the archive is broken."""
    if start:
        yield start
    chunk = b"\0"
    while chunk:
        try:
            chunk = stream.read(_CHUNK)
        except BROKEN:
            yield None
            return
        yield chunk


def _with_parts(row: _Row, metadata: dict[str, str]) -> _Row:
    """Return a row of few: one whose metadata is kept, as components without a number."""
    series, start, zone, duration, numbers, text, mark = row
    parts = tuple(Part(one.code, one.text, _NO_UNITS) for one in components(metadata))
    series = _Series(series.kind, replace(series.shape, parts=parts))
    return series, start, zone, duration, numbers + len(parts) * NO_PAIR, text, mark


_NO_UNITS = Units("", None, same=False)


def _mark(attributes: Attributes) -> bytes:
    """Return a short mark of one pressure, the same inside a Correlation and outside."""
    names = ("type", "startDate", "endDate", "value", "unit", "sourceName")
    whole = "\0".join([attributes.get(name, "") for name in names])
    return hashlib.blake2b(whole.encode(), digest_size=16).digest()
