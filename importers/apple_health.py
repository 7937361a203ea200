"""Apple Health's export (``export.zip``, or the ``export.xml`` in it) as candidates, streamed.

**Memory** does not grow with the file: expat gets 64 KiB at a time, and nothing is built but the element at
hand and some thousand rows of numbers. The one thing remembered is blood pressure. Apple writes each reading
three times: as a Correlation, and its two values as Records of their own, which may stand before or after. The
two are held back (:class:`~importers.apple_groups.Pairs`, so many at most) until their Correlation comes, which
becomes one record with two components; what no Correlation claims is a record of its own. Beyond that many, a
value may be both; none is lost.

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

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, BinaryIO
from xml.parsers import expat

from importers import codes
from importers.apple_groups import Group, Pairs, blood_pressure, mark_of, workout
from importers.apple_rows import Rows, with_metadata
from importers.apple_values import MAX_TEXT, Attributes
from importers.archive import BROKEN, ZipLimits, open_export
from importers.candidates import FormatError, Item, Reason, Rejection, RowError, excerpt
from importers.stream import steady
from vault.record import Provenance

#: So many rows are handed on together.
BATCH = 8192
_TOGETHER = 1 << 18  # bytes, some hundred Records, are read together
_CHUNK = 1 << 16
_MAX_ELEMENT = 1 << 20
_MAX_DTD = 1 << 18
_MAX_DEPTH = 16
_MAX_ATTRIBUTE_RULES = 2_000
_MAX_NAMES = 2_000
_MAX_UNREAD = 64


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


class _Export:
    """One export on its way through the parser."""

    def __init__(self, provenance: Provenance) -> None:
        self._rows, self._pairs = Rows(provenance), Pairs()
        self._rejected: list[Rejection] = []
        self._unread: dict[str, int] = {}
        self._yielded = False
        # the parser
        self._started = False
        self._depth = self._rules = self._fed = self._drained = 0
        self._names: dict[str, str] = {}
        # what is open
        self._group: Group | None = None
        self._in_record = False
        self._record: Attributes | None = None
        self._line = 0
        self._metadata: dict[str, str] = {}
        # what was closed since
        self._records: list[Attributes] = []
        self._lines: list[int] = []
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
            yield from self._made(BATCH)
        if broken is not None and not self._yielded:
            raise FormatError(broken, str(self._parser.CurrentLineNumber))
        self._finish()
        if broken is not None:
            self._reject(self._parser.CurrentLineNumber, RowError(Reason.CUT_OFF))
        yield from self._made(1)

    def _made(self, enough: int) -> Iterator[Item]:
        rejected, self._rejected = self._rejected, []
        yield from rejected
        self._yielded = self._yielded or bool(rejected or self._records) or len(self._rows) > 0
        if len(self._rows) >= enough:
            yield self._rows.take()

    def _feed(self, chunk: bytes) -> Reason | None:
        """Parse a piece (the last one is empty); return why it cannot be, if the XML is broken there."""
        try:
            self._parser.Parse(chunk, not chunk)
        except expat.ExpatError:
            return Reason.NOT_XML
        except (LookupError, ValueError):
            if self._started:
                raise
            return Reason.NOT_XML  # the declaration names an encoding that expat cannot read
        self._fed += len(chunk)
        if self._fed - self._drained >= _TOGETHER:
            self._drain()
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
                self._line = self._parser.CurrentLineNumber
                if self._group is not None and self._group.is_pressure:
                    self._group.add(attributes)
                else:
                    self._record = attributes
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
            self._group = Group(attributes, self._parser.CurrentLineNumber)
        elif name == "WorkoutStatistics" and depth == 3:  # noqa: PLR2004 - of the whole, not of a part
            if self._group is not None:
                self._group.add(attributes)
        elif (depth == 2 and name not in _PASSED_BY) or name == "WorkoutRoute":  # noqa: PLR2004
            key = name if name in self._unread or len(self._unread) < _MAX_UNREAD else "…"
            self._unread[key] = self._unread.get(key, 0) + 1

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
            record, self._record = self._record, None
            if record is not None and not self._metadata:
                self._records.append(record)
                self._lines.append(self._line)
            elif self._metadata:
                metadata, self._metadata = self._metadata, {}
                self._drain()
                if record is not None:
                    self._take_record(record, self._line, metadata)
        elif name in {"Correlation", "Workout"} and self._depth == 1 and self._group is not None:
            group, self._group = self._group, None
            self._drain()
            try:
                self._take_group(name, group)
            except RowError as error:
                self._reject(group.line, error)

    # --- rows

    def _drain(self) -> None:
        """Read the Records that were closed since."""
        records, self._records = self._records, []
        lines, self._lines = self._lines, []
        self._drained = self._fed
        for place in self._rows.put_plain(records):
            self._take_record(records[place], lines[place], {})

    def _take_record(self, attributes: Attributes, line: int, metadata: dict[str, str]) -> None:
        try:
            row = self._rows.read(attributes)
        except RowError as error:
            self._reject(line, error)
            return
        if metadata:
            row = with_metadata(row, metadata)
        if not row[0].is_pressure or not self._pairs.hold_back(mark_of(attributes), row):
            self._rows.put(row)

    def _take_group(self, name: str, group: Group) -> None:
        if name == "Workout":
            self._rows.add(workout(group, self._rows))
        elif group.is_pressure:
            self._rows.add(blood_pressure(group, self._rows))
            for attributes in group.parts:
                self._pairs.claim(mark_of(attributes))

    def _reject(self, line: int, error: RowError) -> None:
        self._rejected.append(Rejection.of(f"line {line}", error.reason, error.quote))

    def _finish(self) -> None:
        """Let out what no Correlation claimed, and say what was not read."""
        self._drain()
        for row in self._pairs.left():
            self._rows.put(row)
        for name, count in self._unread.items():
            where = f"{excerpt(name)[1:-1]} × {count}"
            self._rejected.append(Rejection.of(where, Reason.NOT_READ, excerpt(name)))


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
