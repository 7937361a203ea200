"""The Records of Apple Health's export on their way into columns: no object is made for each.

What many share (type, unit, source, device) is a :class:`Series`, found by the attributes as they are written.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import chain

import numpy as np

from importers.apple_dates import periods
from importers.apple_values import (
    MAX_CACHE,
    MAX_TEXT,
    NO_PAIR,
    Attributes,
    Kind,
    Pair,
    category_value,
    components,
    device_name,
    period,
)
from importers.candidates import Reason, RowError
from keys.envelope import microseconds
from policies.vocabulary import Category
from vault.columns import NO_END, Builder, Columns, Number, Part, Shape, Units
from vault.errors import MalformedRecordError
from vault.record import Provenance, Record

_MAX_KINDS = 256
_MAX_KEY = 2_000
_MICROSECOND = timedelta(microseconds=1)
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
        start, end = period(attributes)
        zone = start.utcoffset() or timedelta()
        duration = NO_END if end is None else (end - start) // _MICROSECOND
        when = microseconds(start), int(zone.total_seconds()) // 60, duration
        if series.kind.numeric:
            if value is None:
                raise RowError(Reason.NO_VALUE)
            return series, *when, series.kind.pair(value), ""
        text = "" if value is None else category_value(value, attributes["type"])
        return series, *when, NO_PAIR, text

    def put(self, row: Row) -> None:
        """Add a row."""
        series, start, zone, duration, numbers, text = row
        number = self._number(series)
        self._builder.row(number, start, numbers, duration=duration, zone=zone, text=text)

    def put_plain(self, found: Sequence[Attributes]) -> list[int]:
        """Read and add the Records that are a number and nothing more, nearly all; return the places of the rest.

        It does what :meth:`read` and :meth:`put` do, for many at once: here an import of years spends its time.
        """
        known = self._series
        rest: list[int] = []
        plain: list[tuple[int, int, Pair, str, str]] = []
        for place, attributes in enumerate(found):
            get = attributes.get
            value, first = get("value", ""), get("startDate", "")
            key = get("type"), get("unit", ""), get("device", ""), get("sourceName", "")
            try:
                series = known.get(key) or self._new_series(*key)
                pair = series.kind.pairs.get(value) or series.kind.pair(value) if series.is_plain else None
            except RowError:
                pair = None
            if pair is None:
                rest.append(place)
            else:
                number = series.number if series.batch == self._batch else self._number(series)
                plain.append((place, number, pair, first, get("endDate", first)))
        return sorted(rest + self._put_plain(plain)) if plain else rest

    def _put_plain(self, plain: Sequence[tuple[int, int, Pair, str, str]]) -> list[int]:
        places, numbers, pairs, firsts, lasts = zip(*plain, strict=True)
        when = periods(firsts, lasts)
        none = np.full(len(plain), -1)
        table = np.stack((np.array(numbers), when.start, when.duration, when.zone, none, none), axis=1)
        if when.read.all():
            self._builder.rows(table.ravel().tolist(), [*chain.from_iterable(pairs)])
            return []
        good = np.flatnonzero(when.read)
        kept = [*chain.from_iterable(pairs[at] for at in good.tolist())]
        self._builder.rows(table[good].ravel().tolist(), kept)
        return [places[at] for at in np.flatnonzero(~when.read).tolist()]

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
