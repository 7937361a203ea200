"""What a segment holds in few words, sealed apart from its records: counts, newest values, and sums of days.

From summaries alone come the newest value of each code, exact totals, and a chart of a year: no record is
opened. Days are local days in Sweden.
"""

from collections.abc import Iterator
from typing import TypeVar

import msgspec
import numpy as np

from vault.columns import NO_NUMBER, Columns, Floats, Ints, decimal_of
from vault.days import local_days
from vault.errors import MalformedRecordError

Name = TypeVar("Name")


class Days(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """Numbers of one code in one unit, day by day: how many, their sum, the least and the greatest.

    ``of`` is the code of the records that have them, which differs where they are a composite's parts.
    """

    of: str
    code: str
    unit: str
    day: list[int]
    count: list[int]
    total: list[float]
    low: list[float]
    high: list[float]


class Summary(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a segment holds.

    ``codes`` maps a code to its days and how many records each has. ``first`` and ``last`` are the least and
    greatest start in µs. ``latest`` maps a code to ``(start (µs), text, unit)`` of its newest record; a
    composite's text joins its components' numbers with ``/``. ``days`` holds the numbers, a composite's under
    its components' codes.
    """

    count: int
    codes: dict[str, tuple[list[int], list[int]]]
    first: int
    last: int
    latest: dict[str, tuple[int, str, str]]
    days: list[Days]

    def records_of(self, code: str) -> int:
        """Return how many records of a code there are."""
        return sum(self.codes[code][1]) if code in self.codes else 0


def summarise(columns: Columns) -> bytes:
    """Write the summary of a segment's records."""
    columns = columns.in_time_order()
    days = local_days(columns.start)
    code_of_shape, codes = _numbered([shape.code.code for shape in columns.shapes])
    code = code_of_shape[columns.shape]
    per_day, latest = {}, {}
    for number, name in enumerate(codes):
        rows = np.flatnonzero(code == number)
        if len(rows):
            per_day[name] = _counted(days[rows])
            latest[name] = (int(columns.start[rows[-1]]), *_shown(columns, int(rows[-1])))
    summary = Summary(
        count=len(columns),
        codes=per_day,
        first=int(columns.start.min()),
        last=int(columns.start.max()),
        latest=latest,
        days=list(series(columns, days)),
    )
    return _write(summary)


def parse(raw: bytes) -> Summary:
    """Read what :func:`summarise` wrote.

    Raises:
        MalformedRecordError: it is something else.
    """
    try:
        return _read(raw)
    except (msgspec.MsgspecError, ValueError) as error:
        raise MalformedRecordError("segment summary: malformed") from error


def series(columns: Columns, days: Ints) -> Iterator[Days]:
    """Sum up the numbers of each code and unit by day."""
    for part in range(1 + max((len(shape.parts) for shape in columns.shapes), default=0)):
        names = [_series_name(columns, number, part) for number in range(len(columns.shapes))]
        series_of_shape, found = _numbered(names)
        rows = np.flatnonzero(np.array([name is not None for name in names])[columns.shape])
        if not len(rows):
            continue
        chosen = columns if len(rows) == len(columns) else columns.take(rows)
        values, there = chosen.numbers(part)
        which = series_of_shape[chosen.shape]
        for number, name in enumerate(found):
            mine = there & (which == number)
            if name is not None and mine.any():
                yield _summed(*name, days[rows[mine]], values[mine])


def _series_name(columns: Columns, number: int, part: int) -> tuple[str, str, str] | None:
    """Name the series of a shape's number: the record's code, its own, its unit; None where there is none."""
    shape = columns.shapes[number]
    if part == 0:
        code, units = shape.code, shape.units
    elif part <= len(shape.parts):
        code, units = shape.parts[part - 1].code, shape.parts[part - 1].units
    else:
        return None
    return shape.code.code, code.code, units.unit if units.canonical is None else units.canonical


def _summed(of: str, code: str, unit: str, days: Ints, values: Floats) -> Days:
    if np.any(days[1:] < days[:-1]):
        order = np.argsort(days, kind="stable")
        days, values = days[order], values[order]
    first, count = _runs(days)
    return Days(
        of,
        code,
        unit,
        days[first].tolist(),
        count.tolist(),
        np.add.reduceat(values, first).tolist(),
        np.minimum.reduceat(values, first).tolist(),
        np.maximum.reduceat(values, first).tolist(),
    )


def _numbered(names: list[Name]) -> tuple[Ints, list[Name]]:
    found: dict[Name, int] = {}
    numbers = [found.setdefault(name, len(found)) for name in names]
    return np.array(numbers, dtype=np.int64), list(found)


def _counted(days: Ints) -> tuple[list[int], list[int]]:
    first, count = _runs(days)
    return days[first].tolist(), count.tolist()


def _runs(ordered: Ints) -> tuple[Ints, Ints]:
    """Return where each run of equal numbers begins, and how long it is."""
    first = np.concatenate(([0], np.flatnonzero(ordered[1:] != ordered[:-1]) + 1))
    return first, np.concatenate((first[1:], [len(ordered)])) - first


def _shown(columns: Columns, row: int) -> tuple[str, str]:
    shape = columns.shapes[columns.shape[row]]
    texts, units = [], []
    for part, pair in enumerate([shape.units, *(one.units for one in shape.parts)]):
        at = int(columns.offsets[row]) + 2 * part
        has_canonical = columns.exponent[at + 1] != NO_NUMBER
        chosen = at + 1 if has_canonical else at
        if columns.exponent[chosen] != NO_NUMBER:
            texts.append(str(decimal_of(int(columns.mantissa[chosen]), int(columns.exponent[chosen]))))
            units.append((pair.canonical or "") if has_canonical else pair.unit)
    if texts:
        return "/".join(texts), units[0]
    text = int(columns.text[row])
    return "" if text < 0 else columns.strings[text], ""


_read = msgspec.json.Decoder(Summary).decode
_write = msgspec.json.Encoder().encode
