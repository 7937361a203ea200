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
from dataclasses import dataclass, replace
from typing import Any, BinaryIO
from xml.parsers import expat

from importers import codes
from importers.apple_values import (
    MAX_CACHE,
    MAX_TEXT,
    Attributes,
    Kind,
    category_value,
    components,
    device_name,
    period,
)
from importers.archive import BROKEN, ZipLimits, open_export
from importers.candidates import Candidate, FormatError, Reason, Rejection, RowError, excerpt
from importers.stream import steady
from policies.vocabulary import Category
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


Item = Candidate | Rejection


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
class _Open:
    """An element whose end is awaited, and what stood inside it."""

    attributes: Attributes
    line: int
    metadata: dict[str, str] | None = None
    parts: list[tuple[Attributes, int]] | None = None


class _Export:
    """One export on its way through the parser."""

    def __init__(self, provenance: Provenance) -> None:
        self._provenance = provenance
        self._kinds: dict[tuple[str, str], Kind] = {}
        self._devices: dict[tuple[str, str], Provenance] = {}
        self._items: list[Item] = []
        self._depth = 0
        self._started = False
        self._yielded = False
        self._rules = 0
        self._fed = 0
        self._names: dict[str, str] = {}
        self._open: _Open | None = None
        self._record: _Open | None = None
        self._unread: dict[str, int] = {}
        self._waiting: dict[bytes, list[Candidate]] = {}
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
            yield from self._items
            self._yielded = self._yielded or bool(self._items)
            self._items = []
            if broken is not None:
                break
        if broken is not None and not self._yielded:
            raise FormatError(broken, str(self._parser.CurrentLineNumber))
        self._finish()
        if broken is not None:
            self._reject(self._parser.CurrentLineNumber, RowError(Reason.CUT_OFF))
        yield from self._items

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
            if self._record is None:
                self._record = _Open(attributes, self._parser.CurrentLineNumber)
        elif depth == 1:
            if name != "HealthData":
                raise FormatError(Reason.NOT_HEALTH_EXPORT)
            self._started = True
        elif depth > _MAX_DEPTH:
            raise FormatError(Reason.NOT_LIKE_EXPORT)
        elif name == "MetadataEntry":
            self._metadata(attributes)
        elif name in {"Correlation", "Workout"} and depth == 2:  # noqa: PLR2004 - below the root
            self._open = _Open(attributes, self._parser.CurrentLineNumber, parts=[])
        elif name == "WorkoutStatistics" and depth == 3:  # noqa: PLR2004 - of the whole, not of a part
            self._part(attributes, self._parser.CurrentLineNumber)
        elif (depth == 2 and name not in _PASSED_BY) or name == "WorkoutRoute":  # noqa: PLR2004
            key = name if name in self._unread or len(self._unread) < _MAX_PARTS else "…"
            self._unread[key] = self._unread.get(key, 0) + 1

    def _part(self, attributes: Attributes, line: int) -> None:
        parts = None if self._open is None else self._open.parts
        if parts is not None and len(parts) < _MAX_PARTS:
            parts.append((attributes, line))

    def _metadata(self, attributes: Attributes) -> None:
        holder = self._record or self._open
        key = attributes.get("key", "")
        if holder is not None and key in codes.METADATA:
            holder.metadata = (holder.metadata or {}) | {key: attributes.get("value", "")[:MAX_TEXT]}

    def _end(self, name: str) -> None:
        self._depth -= 1
        if name == "Record" and self._depth <= 2:  # noqa: PLR2004 - a Record that _start took up
            record, self._record = self._record, None
            if record is not None:
                self._take_record(record)
        elif name in {"Correlation", "Workout"} and self._depth == 1 and self._open is not None:
            group, self._open = self._open, None
            try:
                self._take_group(name, group)
            except RowError as error:
                self._reject(group.line, error)

    # --- rows

    def _take_record(self, found: _Open) -> None:
        if self._open is not None and self._open.attributes.get("type") == codes.BLOOD_PRESSURE:
            self._part(found.attributes, found.line)
            return
        try:
            record = self._single(found)
        except RowError as error:
            self._reject(found.line, error)
            return
        candidate = Candidate(record, f"line {found.line}")
        if record.category is not _PRESSURE_DRAWER or not self._hold_back(found.attributes, candidate):
            self._items.append(candidate)

    def _take_group(self, name: str, group: _Open) -> None:
        if name == "Workout":
            self._items.append(Candidate(self._workout(group), f"line {group.line}"))
        elif group.attributes.get("type") == codes.BLOOD_PRESSURE:
            self._items.append(Candidate(self._blood_pressure(group), f"line {group.line}"))

    def _single(self, found: _Open) -> Record:
        attributes = found.attributes
        identifier = attributes.get("type")
        if not identifier:
            raise RowError(Reason.NO_TYPE)
        kind = self._kind(identifier[:MAX_TEXT], attributes.get("unit", ""))
        start, end = period(attributes)
        quantity, same, text = None, None, ""
        value = attributes.get("value")
        if kind.type.numeric or (kind.unit and value is not None):
            if value is None:
                raise RowError(Reason.NO_VALUE)
            quantity, same = kind.number(value)
            if not kind.unit:
                raise RowError(Reason.NO_UNIT)
        elif value is not None:
            text = category_value(value, identifier)
        parts = components(found.metadata) if found.metadata else ()
        shared = kind.type
        # by position, in the order of Record: half the time of keywords, and every row comes here
        return Record(
            shared.category, "Observation", shared.code, start, self._source(attributes), end, "final",
            quantity, same, text, parts,
        )  # fmt: skip

    def _kind(self, identifier: str, unit: str) -> Kind:
        kind = self._kinds.get((identifier, unit))
        if kind is None:
            if len(self._kinds) >= MAX_CACHE:
                self._kinds.clear()
            kind = self._kinds[identifier, unit] = Kind(identifier, unit[:MAX_TEXT].strip())
        return kind

    def _source(self, attributes: Attributes) -> Provenance:
        key = attributes.get("device", ""), attributes.get("sourceName", "")
        found = self._devices.get(key)
        if found is None:
            if len(self._devices) >= MAX_CACHE:
                self._devices.clear()
            found = self._devices[key] = replace(self._provenance, device=device_name(*key))
        return found

    def _reject(self, line: int, error: RowError) -> None:
        self._items.append(Rejection.of(f"line {line}", error.reason, error.quote))

    # --- blood pressure

    def _blood_pressure(self, group: _Open) -> Record:
        start, end = period(group.attributes)
        parts: dict[str, Component] = {}
        given = group.parts or []
        for attributes, line in given:
            record = self._single(_Open(attributes, line))
            if attributes["type"] in _PRESSURES:
                parts[attributes["type"]] = Component(record.code, record.quantity, record.canonical)
        if not parts:
            raise RowError(Reason.BAD_PAIR)
        for attributes, _ in given:
            self._claim(_key(attributes))
        ordered = [parts[name] for name in _PRESSURES if name in parts]
        return Record(
            category=Category.BLOOD_PRESSURE,
            kind="Observation",
            code=BLOOD_PRESSURE_PANEL,
            start=start,
            provenance=self._source(group.attributes if "device" in group.attributes else given[0][0]),
            end=end,
            components=(*ordered, *components(group.metadata)),
        )

    def _hold_back(self, attributes: Attributes, candidate: Candidate) -> bool:
        """Keep a lone pressure until its Correlation comes, or drop it if it came; ``False`` if full."""
        key = _key(attributes)
        claimed = self._claimed.get(key, 0)
        if claimed:
            self._claimed[key] = claimed - 1
            return True
        if self._waiting_count >= MAX_WAITING:
            return False
        self._waiting.setdefault(key, []).append(candidate)
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

    def _workout(self, group: _Open) -> Record:
        attributes = group.attributes
        start, end = period(attributes)
        duration = attributes.get("duration")
        quantity = None
        if duration is not None:
            kind = self._kind("HKWorkoutTypeIdentifier", attributes.get("durationUnit", "min"))
            quantity, _ = kind.number(duration)
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

    def _totals(self, group: _Open) -> Iterator[Component]:
        """Yield a workout's sums: older exports write them as attributes, newer ones as statistics."""
        old = group.attributes
        sums = [
            (f"{codes.QUANTITY}{name}", old.get(total), old.get(f"{total}Unit"))
            for name, total in (
                ("DistanceWalkingRunning", "totalDistance"),
                ("ActiveEnergyBurned", "totalEnergyBurned"),
            )
        ]
        sums += [(part.get("type", ""), part.get("sum"), part.get("unit")) for part, _ in group.parts or []]
        for identifier, value, unit in sums:
            if identifier and value and unit:
                kind = self._kind(identifier[:MAX_TEXT], unit)
                yield Component(kind.type.code, *kind.number(value))

    def _finish(self) -> None:
        """Let out what no Correlation claimed, and say what was not read."""
        for waiting in self._waiting.values():
            self._items += waiting
        self._waiting = {}
        for name, count in self._unread.items():
            self._items.append(
                Rejection.of(f"{excerpt(name)[1:-1]} × {count}", Reason.NOT_READ, excerpt(name))
            )


_PRESSURES = (codes.SYSTOLIC_TYPE, codes.DIASTOLIC_TYPE)
_PRESSURE_DRAWER = Category.BLOOD_PRESSURE
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


def _key(attributes: Attributes) -> bytes:
    """Return a short mark of one pressure, the same inside a Correlation and outside."""
    names = ("type", "startDate", "endDate", "value", "unit", "sourceName")
    whole = "\0".join([attributes.get(name, "") for name in names])
    return hashlib.blake2b(whole.encode(), digest_size=16).digest()
