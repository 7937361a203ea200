"""A trend as SVG, drawn on the server: pure, printable, readable at 360 px, said in words for screen readers.

:func:`svg` draws a :class:`Chart` in one :class:`Size`; a page carries both sizes, its style sheet shows one.
Colours come from the style sheet by class, so that no style attribute is needed. Where points lie closer than
can be told apart they are drawn as a line of means within the range from lowest to highest. What a chart
says stands in a table beside it too: the chart is never the only source.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from babel.dates import format_date
from babel.numbers import format_decimal
from markupsafe import Markup, escape

ZONE = ZoneInfo("Europe/Stockholm")
_TICK_PIXELS = 62  # a date label's room
_POINT_PIXELS = 7  # points closer than this are drawn as a range


@dataclass(frozen=True, slots=True)
class Point:
    """One value at one moment (with its zone); or the mean of many, with the least and the greatest of them."""

    at: datetime
    value: float
    low: float | None = None
    high: float | None = None

    @property
    def ends(self) -> tuple[float, float]:
        """The least and the greatest."""
        return (self.value if self.low is None else self.low, self.value if self.high is None else self.high)


@dataclass(frozen=True, slots=True)
class Series:
    """The values of one code, in any order."""

    code: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Band:
    """A reference interval, both ends included."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn: ``code`` (LOINC) names the whole, ``unit`` is UCUM, ``start`` to ``end`` are days."""

    code: str
    unit: str
    start: date
    end: date
    series: tuple[Series, ...]
    band: Band | None = None
    display: str = ""


@dataclass(frozen=True, slots=True)
class Words:
    """What a chart says in the reader's language. ``id`` is unique on the page; ``locale`` is Babel's."""

    id: str
    title: str
    description: str
    locale: str


@dataclass(frozen=True, slots=True)
class Size:
    """A drawing's width, height and letter size in its own units, and the margins around the plot."""

    name: str
    width: int
    height: int
    letter: int
    left: int
    right: int = 14
    top: int = 10
    bottom: int = 30

    @property
    def plot_width(self) -> int:
        """The plot's own width."""
        return self.width - self.left - self.right

    @property
    def plot_height(self) -> int:
        """The plot's own height."""
        return self.height - self.top - self.bottom


WIDE = Size("wide", 940, 330, 15, 48)
NARROW = Size("narrow", 330, 240, 14, 38)


@dataclass(frozen=True, slots=True)
class _Scale:
    """Where days and values lie in the drawing; ``marks`` are the values that the axis names, low to high."""

    size: Size
    first: datetime
    last: datetime
    marks: tuple[float, ...]

    @property
    def low(self) -> float:
        return self.marks[0]

    @property
    def high(self) -> float:
        return self.marks[-1]

    def x(self, at: datetime) -> float:
        share = (at - self.first) / (self.last - self.first)
        return self.size.left + share * self.size.plot_width

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.size.top + (1 - share) * self.size.plot_height

    def holds(self, at: datetime) -> bool:
        return self.first <= at <= self.last


def svg(chart: Chart, words: Words, size: Size) -> Markup:
    """Draw ``chart`` for ``size``: title and description, band, grid, axes, then one line per series."""
    scale = _scale(chart, size)
    ident = f"{words.id}-{size.name}"
    shape = (
        f'class="valv-chart__{size.name}" viewBox="0 0 {size.width} {size.height}" font-size="{size.letter}"'
    )
    parts = [
        f'<svg {shape} role="img" aria-labelledby="{escape(ident)}-t {escape(ident)}-d">',
        f'<title id="{escape(ident)}-t">{escape(words.title)}</title>',
        f'<desc id="{escape(ident)}-d">{escape(words.description)}</desc>',
        *_band(chart.band, scale),
        *_value_axis(scale, words.locale),
        *_day_axis(chart, scale, words.locale),
    ]
    for order, series in enumerate(chart.series):
        parts += _line(series, scale, order)
    return Markup("".join([*parts, "</svg>"]))  # noqa: S704 - every text above is escaped


def ticks(low: float, high: float, *, wanted: int) -> list[float]:
    """Return round values (1, 2 or 5 times a power of ten apart) that span ``low`` to ``high``."""
    span = (high - low) or abs(high) or 1.0
    rough = span / max(wanted, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.999)
    first, last = math.floor(low / step), math.ceil(high / step)
    if first == last:
        first, last = first - 1, last + 1
    return [round(n * step, 10) for n in range(first, last + 1)]


def _scale(chart: Chart, size: Size) -> _Scale:
    values = [end for series in chart.series for point in series.points for end in point.ends]
    if chart.band:
        values += [chart.band.low, chart.band.high]
    marks = ticks(min(values, default=0), max(values, default=1), wanted=_wanted_marks(size))
    first = datetime.combine(chart.start, time(), ZONE)
    last = datetime.combine(max(chart.end, chart.start) + timedelta(days=1), time(), ZONE)
    return _Scale(size, first, last, tuple(marks))


def _wanted_marks(size: Size) -> int:
    return max(3, size.plot_height // 55)


def _band(band: Band | None, scale: _Scale) -> Iterable[str]:
    if band is None:
        return
    top, bottom = scale.y(band.high), scale.y(band.low)
    yield (
        f'<rect class="valv-c-band" x="{scale.size.left}" y="{top:.1f}"'
        f' width="{scale.size.plot_width}" height="{bottom - top:.1f}"/>'
    )


def _value_axis(scale: _Scale, locale: str) -> Iterable[str]:
    size = scale.size
    for mark in scale.marks:
        y = scale.y(mark)
        yield _line_across("valv-c-grid", y, size)
        yield (
            f'<text class="valv-c-text" x="{size.left - 8}" y="{y + size.letter * 0.35:.1f}"'
            f' text-anchor="end">{escape(format_decimal(mark, locale=locale))}</text>'
        )


def _line_across(name: str, y: float, size: Size) -> str:
    return f'<line class="{name}" x1="{size.left}" y1="{y:.1f}" x2="{size.width - size.right}" y2="{y:.1f}"/>'


def _day_axis(chart: Chart, scale: _Scale, locale: str) -> Iterable[str]:
    size = scale.size
    floor = size.height - size.bottom
    yield _line_across("valv-c-axis", floor, size)
    for day, label in day_marks(chart.start, chart.end, size.plot_width // _TICK_PIXELS, locale):
        x = scale.x(datetime.combine(day, time(), ZONE))
        yield f'<line class="valv-c-axis" x1="{x:.1f}" y1="{floor}" x2="{x:.1f}" y2="{floor + 5}"/>'
        anchor = "start" if x < size.left + size.letter else "middle"
        if x > size.width - size.right - 1.6 * size.letter:
            anchor = "end"
        yield (
            f'<text class="valv-c-text" x="{x:.1f}" y="{floor + 8 + size.letter}"'
            f' text-anchor="{anchor}">{escape(label)}</text>'
        )


def day_marks(start: date, end: date, room: int, locale: str) -> list[tuple[date, str]]:
    """Return at most ``room`` days to mark, and their labels; whole months where the time is long."""
    room = max(room, 2)
    days = (end - start).days + 1
    for step in (1, 2, 7, 14):
        if days / step <= room:
            found = [start + timedelta(days=n) for n in range(0, days, step)]
            return [(day, format_date(day, "d MMM", locale=locale).rstrip(".")) for day in found]
    months = start.year * 12 + start.month, end.year * 12 + end.month - 1  # the first whole month, the last
    for step in (1, 2, 3, 6, 12, 24, 60, 120, 240, 600):
        firsts = [n for n in range(months[0], months[1] + 1) if n % step == 0]
        if len(firsts) <= room:
            break
    return [_month_mark(date(n // 12, n % 12 + 1, 1), step, locale) for n in firsts]


def _month_mark(day: date, step: int, locale: str) -> tuple[date, str]:
    if step >= 12 or day.month == 1:  # noqa: PLR2004 - months of a year
        return day, str(day.year)
    return day, format_date(day, "MMM", locale=locale).rstrip(".")


def _line(series: Series, scale: _Scale, order: int) -> Iterable[str]:
    points = sorted((p for p in series.points if scale.holds(p.at)), key=lambda point: point.at)
    if len(points) * _POINT_PIXELS > scale.size.plot_width or any(point.low is not None for point in points):
        yield from _crowded(points, scale, order)
        return
    spots = [(scale.x(p.at), scale.y(p.value)) for p in points]
    yield _polyline(spots, order)
    for x, y in spots:
        yield f'<circle class="valv-c-point valv-c-{order}" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>'


def _crowded(points: list[Point], scale: _Scale, order: int) -> Iterable[str]:
    """Draw the range and the mean of every few pixels."""
    columns: dict[int, list[Point]] = {}
    for point in points:
        columns.setdefault(int(scale.x(point.at) // _POINT_PIXELS), []).append(point)
    left, right = scale.size.left, scale.size.width - scale.size.right
    middles = {column: min(max((column + 0.5) * _POINT_PIXELS, left), right) for column in columns}
    upper = [(middles[c], scale.y(max(point.ends[1] for point in some))) for c, some in columns.items()]
    lower = [(middles[c], scale.y(min(point.ends[0] for point in some))) for c, some in columns.items()]
    means = [
        (middles[c], scale.y(sum(point.value for point in some) / len(some))) for c, some in columns.items()
    ]
    if len(columns) == 1:  # an area without a width would not be seen, nor a line of one point
        (x, high), (_, low) = upper[0], lower[0]
        yield f'<line class="valv-c-line valv-c-{order}" x1="{x:.1f}" y1="{high:.1f}" x2="{x:.1f}" y2="{low:.1f}"/>'
        yield f'<circle class="valv-c-point valv-c-{order}" cx="{x:.1f}" cy="{means[0][1]:.1f}" r="3.5"/>'
        return
    outline = " ".join(f"{x:.1f},{y:.1f}" for x, y in upper + lower[::-1])
    yield f'<polygon class="valv-c-range valv-c-{order}" points="{outline}"/>'
    yield _polyline(means, order)


def _polyline(spots: list[tuple[float, float]], order: int) -> str:
    drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)
    return f'<polyline class="valv-c-line valv-c-{order}" points="{drawn}"/>'
