"""Records and summaries as pages show them: one reading each, and charts of a category over a period.

Numbers are shown in the canonical unit where it is known; what came in another unit stands beside. A number
that was converted is rounded for the eye, one that was written is shown as written.
"""

from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation

from app.web.chart import ZONE, Chart, Point, Series
from app.web.formats import Lang
from app.web.views import CategoryCount, Period, Reading, Trend
from policies.vocabulary import MEASUREMENTS, Category
from sharing.paging import Page
from sharing.summing import Daily, Latest
from vault.days import day_of
from vault.measures import BLOOD_PRESSURE_PANEL, BLOOD_PRESSURE_PANELS, DIASTOLIC, MEASURES, SYSTOLIC
from vault.record import Component, Quantity, Record
from vault.units import ucum

#: The longest table and the most charts that a page carries; the counts tell of the rest.
MOST_ROWS = 100
MOST_CHARTS = 6
#: The most points of a line: so many values are drawn one by one, more by days.
MOST_POINTS = 400
_NOON = time(12)
DAYS = {Period.DAYS_30: 30, Period.DAYS_90: 90, Period.YEAR: 365, Period.YEARS_5: 1826}
_MOST_DECIMALS = 3
_LONGEST = 18  # digits before the point; beyond, a number is shown as it was written
_TOO_LONG = 10.0 ** (_LONGEST + 1)
_PRESSURES = (SYSTOLIC.code, DIASTOLIC.code)


# --- the newest values


def tiles(latest: Iterable[Latest], lang: Lang) -> tuple[Reading, ...]:
    """Return the newest value of each category of measurements, in the categories' order."""
    newest: dict[Category, Latest] = {}
    for one in latest:
        if one.category not in newest or newest[one.category].start < one.start:
            newest[one.category] = one
    return tuple(_tile(newest[category], lang) for category in MEASUREMENTS if category in newest)


def counts(latest: Iterable[Latest]) -> tuple[CategoryCount, ...]:
    """Return how many records there are of each category of measurements that has any."""
    found: dict[Category, int] = {}
    for one in latest:
        found[one.category] = found.get(one.category, 0) + one.count
    return tuple(CategoryCount(category, found[category]) for category in MEASUREMENTS if category in found)


def _tile(one: Latest, lang: Lang) -> Reading:
    numbers = _numbers(one.value)
    return Reading(
        one.category,
        _code(one.code),
        one.start,
        author=None,
        author_name="",
        numbers=numbers,
        unit=one.unit if numbers else "",
        display=name_of(one.code, lang),
        text="" if numbers else one.value,
    )


def _numbers(text: str) -> tuple[Decimal, ...]:
    try:
        numbers = tuple(map(Decimal, text.split("/")))
    except InvalidOperation:
        return ()
    return tuple(map(_rounded, numbers)) if all(number.is_finite() for number in numbers) else ()


# --- how far back


def first_day(period: Period, today: date) -> date | None:
    """Return the first day of a period that ends today; None for all there is."""
    days = DAYS.get(period)
    return None if days is None else today - timedelta(days=days - 1)


def period_reaching(latest: Iterable[Latest], category: Category, today: date) -> Period:
    """Return the shortest period, from 90 days, that shows anything of a category."""
    newest = max((one.start.date() for one in latest if one.category is category), default=today)
    for period in (Period.DAYS_90, Period.YEAR, Period.YEARS_5):
        first = first_day(period, today)
        if first is not None and first <= newest:
            return period
    return Period.ALL


# --- readings


def reading_of(record: Record, lang: Lang) -> Reading:
    """Return a record as a row of a table."""
    author = record.provenance.author
    numbers, unit, source, text = _figures(record, lang)
    return Reading(
        record.category,
        _code(record.code.code),
        record.start,
        author.kind,
        author.name,
        numbers=numbers,
        unit=unit,
        display=name_of(record.code.code, lang, record.code.display),
        text=text,
        source=source,
        organisation=author.organisation,
        device=record.provenance.device,
        origin=record.provenance.origin,
    )


def name_of(code: str, lang: Lang, display: str = "") -> str:
    """Return what a measure is called: by the table of measures, else by the text that came with it."""
    measure = MEASURES.get(code)
    if measure is None:
        return display or code
    return measure.sv if lang is Lang.SV else measure.en


def _figures(record: Record, lang: Lang) -> tuple[tuple[Decimal, ...], str, str, str]:
    """Return the numbers, their unit, how they came if that was another unit, and text where no number is."""
    if record.quantity is not None:
        value, unit, source = _figure(record.quantity, record.canonical, lang)
        return (value,), unit, source, ""
    pressures = {part.code.code: part for part in record.components}
    if set(_PRESSURES) <= set(pressures):
        pair = [_part(pressures[code], lang) for code in _PRESSURES]
        if all(pair):
            found = [figure for figure in pair if figure is not None]
            source = "/".join(figure[2] for figure in found if figure[2])
            return tuple(figure[0] for figure in found), found[0][1], source, ""
    parts = (_said(part, lang) for part in record.components)
    return (), "", "", record.text or ", ".join(part for part in parts if part)


def _part(part: Component, lang: Lang) -> tuple[Decimal, str, str] | None:
    return None if part.quantity is None else _figure(part.quantity, part.canonical, lang)


def _said(part: Component, lang: Lang) -> str:
    name, figure = name_of(part.code.code, lang, part.code.display), _part(part, lang)
    if figure is None:
        return f"{name}: {part.text}" if part.text else ""
    return f"{name} {_written(figure[0], lang)} {figure[1]}".strip()


def _figure(quantity: Quantity, canonical: Quantity | None, lang: Lang) -> tuple[Decimal, str, str]:
    if canonical is None:
        return _rounded(quantity.value), quantity.unit, ""
    if ucum(quantity.unit) == canonical.unit:
        return _rounded(canonical.value), canonical.unit, ""
    return _rounded(canonical.value), canonical.unit, f"{_written(quantity.value, lang)} {quantity.unit}"


def _written(value: Decimal, lang: Lang) -> str:
    return f"{value:f}".replace(".", "," if lang is Lang.SV else ".")


def _rounded(value: Decimal) -> Decimal:
    """Return a number as written if it is short, else with the decimals that can be told apart."""
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or -_MOST_DECIMALS < exponent <= 0 or value.adjusted() > _LONGEST:
        return value
    if exponent > 0:
        return value.quantize(Decimal(1))
    size = abs(value)
    step = "0.1" if size >= 10 else "0.01" if size >= 1 else "0.001"  # noqa: PLR2004 orders of magnitude
    return value.quantize(Decimal(step))


def _code(code: str) -> str:
    """Return a measure's code; the panels of blood pressure are one measure."""
    return BLOOD_PRESSURE_PANEL.code if code in BLOOD_PRESSURE_PANELS else code


# --- trends


def trend_of(page: Page, category: Category, period: Period, *, today: date, lang: Lang) -> Trend:
    """Return a category over a period, from the newest values of that period and its sums by day.

    Few values are drawn one by one; many as the mean, the least and the greatest of a day, or of some days.
    """
    total = page.total or 0
    records = tuple(page.columns.records())
    lines = _lines_of_values(records[::-1]) if total <= len(records) else _lines_of_days(page.sums)
    start = first_day(period, today)
    if start is None:
        starts = (point.at.astimezone(ZONE).date() for points in lines.values() for point in points)
        start = min(starts, default=today)
    charts = tuple(_charts(lines, start, today, lang))[:MOST_CHARTS]
    shown = tuple(reading_of(record, lang) for record in records[:MOST_ROWS])
    return Trend(category, period, charts, shown, total)


def older_of(page: Page, category: Category, period: Period, *, total: int, lang: Lang) -> Trend:
    """Return a later page of the table of a category over a period, without charts."""
    shown = tuple(reading_of(record, lang) for record in page.columns.records())
    return Trend(category, period, (), shown, total, is_older=True)


_Lines = dict[tuple[str, str], list[Point]]


def _lines_of_values(records: Iterable[Record]) -> _Lines:
    lines: _Lines = {}
    for record in records:
        for code, quantity in _quantities(record):
            lines.setdefault((code, quantity.unit), []).append(Point(record.start, float(quantity.value)))
    return lines


def _lines_of_days(sums: Iterable[Daily]) -> _Lines:
    lines: _Lines = {}
    for one in sums:
        thin = one.thinned(MOST_POINTS)
        days = zip(
            thin.day.tolist(),
            (thin.total / thin.count).tolist(),
            thin.low.tolist(),
            thin.high.tolist(),
            strict=True,
        )
        lines.setdefault((one.code, one.unit), []).extend(
            Point(datetime.combine(day_of(day), _NOON, ZONE), mean, low, high)
            for day, mean, low, high in days
            if max(abs(low), abs(high)) < _TOO_LONG
        )
    return {name: points for name, points in lines.items() if points}


def _charts(lines: _Lines, start: date, end: date, lang: Lang) -> Iterator[Chart]:
    """Draw blood pressure as one chart of two lines, every other code alone; the most frequent come first."""
    pressure = {key: lines.pop(key) for key in sorted(lines, reverse=True) if key[0] in _PRESSURES}
    if pressure:
        unit = next(iter(pressure))[1]
        series = [Series(code, tuple(points)) for (code, of), points in pressure.items() if of == unit]
        series.sort(key=lambda one: _PRESSURES.index(one.code))
        display = name_of(BLOOD_PRESSURE_PANEL.code, lang)
        yield Chart(BLOOD_PRESSURE_PANEL.code, unit, start, end, tuple(series), display=display)
    for (code, unit), points in sorted(lines.items(), key=lambda line: -len(line[1])):
        yield Chart(code, unit, start, end, (Series(code, tuple(points)),), display=name_of(code, lang))


def _quantities(record: Record) -> Iterator[tuple[str, Quantity]]:
    for code, quantity in (
        (record.code.code, record.canonical or record.quantity),
        *((part.code.code, part.canonical or part.quantity) for part in record.components),
    ):
        if (
            quantity is not None and quantity.value.adjusted() <= _LONGEST
        ):  # else no line would be seen beside it
            yield code, quantity


def local_day(at: datetime) -> date:
    """Return the Swedish day of a moment."""
    return at.astimezone(ZONE).date()
