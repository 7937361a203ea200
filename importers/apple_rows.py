"""The Records of Apple Health's export on their way into columns: no object is made for each.

What many share (type, unit, source, device) is a :class:`Series`, found by the attributes as they are written.
"""

from collections.abc import Sequence
from dataclasses import replace

from importers.apple_values import (
    MAX_CACHE,
    MAX_TEXT,
    NO_PAIR,
    SECONDS,
    TIMES,
    Attributes,
    Dates,
    Kind,
    category_value,
    components,
    device_name,
)
from importers.candidates import Reason, RowError
from policies.vocabulary import Category
from vault.columns import NO_END, Builder, Columns, Number, Part, Shape, Units
from vault.errors import MalformedRecordError
from vault.record import Provenance, Record

_MAX_KINDS = 256
_MAX_KEY = 2_000
_NO_UNITS = Units("", None, same=False)


class Series:
    """Records of one type, unit, source and device; their shape's number in the rows of one batch."""

    __slots__ = ("batch", "is_plain", "is_pressure", "kind", "number", "shape")

    def __init__(self, kind: Kind, shape: Shape) -> None:
        self.kind, self.shape = kind, shape
        self.is_pressure = shape.category is Category.BLOOD_PRESSURE
        self.is_plain = kind.numeric and not self.is_pressure  # a number is all there is to it
        self.batch = self.number = -1


#: A Record as it was read: series, start, zone, duration, numbers, and text.
Row = tuple[Series, int, int, int, tuple[Number, ...], str]


class Rows:
    """The rows read so far, and what is remembered to read the next one faster."""

    def __init__(self, provenance: Provenance) -> None:
        self._provenance = provenance
        self._kinds: dict[tuple[str, str], Kind] = {}
        self._series: dict[tuple[str | None, ...], Series] = {}
        self._dates = Dates()
        self._builder, self._batch = Builder(), 0

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._builder)

    def take(self) -> Columns:
        """Return them all, and begin anew."""
        builder, self._builder = self._builder, Builder()
        self._batch += 1
        return builder.columns()

    def read(self, attributes: Attributes) -> Row:
        """Read a Record, all but the metadata inside it.

        Raises:
            RowError: it cannot be kept.
        """
        get = attributes.get
        value = get("value")
        unit = get("unit", "") if value is not None else ""
        key = get("type"), unit, get("device", ""), get("sourceName", "")
        series = self._series.get(key) or self._new_series(*key)
        start, zone, duration = self._dates.period(get("startDate"), get("endDate"))
        if series.kind.numeric:
            if value is None:
                raise RowError(Reason.NO_VALUE)
            return series, start, zone, duration, series.kind.pair(value), ""
        text = "" if value is None else category_value(value, attributes["type"])
        return series, start, zone, duration, NO_PAIR, text

    def put(self, row: Row) -> None:
        """Add a row."""
        series, start, zone, duration, numbers, text = row
        number = self._number(series)
        self._builder.row(number, start, numbers, duration=duration, zone=zone, text=text)

    def put_plain(self, found: Sequence[Attributes]) -> list[int]:
        """Read and add the Records that are a number and nothing more, nearly all; return the places of the rest.

        It does what :meth:`read` and :meth:`put` do, in one loop: here an import of years spends its time.
        """
        known, days, day, times, seconds = self._series, self._dates.days, self._dates.day, TIMES, SECONDS
        rows: list[int] = []
        numbers: list[Number] = []
        rest: list[int] = []
        for place, attributes in enumerate(found):
            get = attributes.get
            value, first, last = get("value", ""), get("startDate", ""), get("endDate", "")
            key = get("type"), get("unit", ""), get("device", ""), get("sourceName", "")
            try:
                series = known.get(key) or self._new_series(*key)
                midnight, zone = days.get(first[:11] + first[19:]) or day(first)
                start = midnight + times[first[11:16]] + seconds[first[16:19]]
                duration = NO_END
                if last != first:
                    midnight, _ = days.get(last[:11] + last[19:]) or day(last)
                    duration = midnight + times[last[11:16]] + seconds[last[16:19]] - start
                pair = series.kind.pairs.get(value) or series.kind.pair(value)
            except (KeyError, RowError):
                rest.append(place)
                continue
            if series.is_plain and (duration > 0 or last == first):
                number = series.number if series.batch == self._batch else self._number(series)
                rows += (number, start, duration, zone, -1, -1)
                numbers += pair
            else:
                rest.append(place)
        self._builder.rows(rows, numbers)
        return rest

    def _number(self, series: Series) -> int:
        """Return the number of a series' shape in the rows at hand."""
        if series.batch != self._batch:
            series.batch, series.number = self._batch, self._builder.shape(series.shape)
        return series.number

    def add(self, record: Record) -> None:
        """Add what is made of several elements.

        Raises:
            RowError: it cannot be kept.
        """
        try:
            self._builder.add(record)
        except MalformedRecordError:
            raise RowError(Reason.DOES_NOT_FIT) from None

    def kind(self, identifier: str, unit: str) -> Kind:
        """Return all that records of one type and unit share."""
        identifier, unit = identifier[:MAX_TEXT], unit[:MAX_TEXT].strip()
        kind = self._kinds.get((identifier, unit))
        if kind is None:
            if len(self._kinds) >= _MAX_KINDS:
                self._kinds.clear()
                self._series.clear()
            kind = self._kinds[identifier, unit] = Kind(identifier, unit)
        return kind

    def came(self, attributes: Attributes) -> Provenance:
        """Return whence an element came."""
        name = device_name(attributes.get("device", ""), attributes.get("sourceName", ""))
        return replace(self._provenance, device=name)

    def _new_series(self, identifier: str | None, unit: str, device: str, source: str) -> Series:
        if not identifier:
            raise RowError(Reason.NO_TYPE)
        kind = self.kind(identifier, unit)
        came = replace(self._provenance, device=device_name(device, source))
        shape = Shape(kind.type.category, "Observation", kind.type.code, "final", kind.units, (), came)
        series = Series(kind, shape)
        if len(self._series) >= MAX_CACHE:
            self._series.clear()
        if len(identifier) + len(unit) + len(device) + len(source) <= _MAX_KEY:
            self._series[identifier, unit, device, source] = series
        return series


def with_metadata(row: Row, metadata: dict[str, str]) -> Row:
    """Return one of the few rows whose metadata is kept, as components without a number."""
    series, start, zone, duration, numbers, text = row
    parts = tuple(Part(one.code, one.text, _NO_UNITS) for one in components(metadata))
    series = Series(series.kind, replace(series.shape, parts=parts))
    return series, start, zone, duration, numbers + len(parts) * NO_PAIR, text
