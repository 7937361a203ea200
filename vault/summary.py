"""What a segment holds in few words, sealed apart from its records: counts, newest values, and sums of days.

From summaries alone come the newest value of each code, exact totals, and a chart of a year: no record is
opened. Days are local days in Sweden.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

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


def summarise(columns: Columns, ends: Sequence[int]) -> list[bytes]:
    """Write the summaries of segments that lie one behind the other: each of the rows up to one of ``ends``.

    All are summed up together: most of the time would else go into asking for little, often.
    """
    segment = np.repeat(np.arange(len(ends)), [end - begin for begin, end in pairwise([0, *ends])])
    if np.any((columns.start[1:] < columns.start[:-1]) & (segment[1:] == segment[:-1])):
        columns = columns.take(np.lexsort((columns.start, segment)))
    days = local_days(columns.start)
    found = [
        Summary(end - begin, {}, int(columns.start[begin]), int(columns.start[end - 1]), {}, [])
        for begin, end in pairwise([0, *ends])
    ]
    code_of_shape, codes = _numbered([shape.code.code for shape in columns.shapes])
    for group in _groups(segment, code_of_shape[columns.shape], len(codes), days):
        of, name = found[group.segment], codes[group.name]
        of.codes[name] = group.days[0], group.days[1]
        of.latest[name] = (int(columns.start[group.last]), *_shown(columns, group.last))
    for at, summed in _series(columns, days, segment):
        found[at].days.append(summed)
    return [_write(one) for one in found]


def parse(raw: bytes) -> Summary:
    """Read what :func:`summarise` wrote.

    Raises:
        MalformedRecordError: it is something else.
    """
    try:
        return _read(raw)
    except (msgspec.MsgspecError, ValueError) as error:
        raise MalformedRecordError("segment summary: malformed") from error


def _series(columns: Columns, days: Ints, segment: Ints) -> Iterator[tuple[int, Days]]:
    """Sum up the numbers of each segment's codes and units by day; ``segment`` is each row's, in order."""
    for part in range(1 + max((len(shape.parts) for shape in columns.shapes), default=0)):
        series_of_shape, names = _numbered(
            [_series_name(columns, number, part) for number in range(len(columns.shapes))]
        )
        named = np.array([name is not None for name in names])[series_of_shape][columns.shape]
        rows = np.flatnonzero(named)
        if not len(rows):
            continue
        chosen = columns.take(named)
        values, there = chosen.numbers(part)
        if not there.all():
            chosen, rows, values = chosen.take(there), rows[there], values[there]
        for group in _groups(segment[rows], series_of_shape[chosen.shape], len(names), days[rows], values):
            name = names[group.name]
            assert name is not None  # noqa: S101 those rows are not among the chosen
            yield group.segment, Days(*name, *group.days)


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


def _numbered(names: list[Name]) -> tuple[Ints, list[Name]]:
    found: dict[Name, int] = {}
    numbers = [found.setdefault(name, len(found)) for name in names]
    return np.array(numbers, dtype=np.int64), list(found)


class _Group(NamedTuple):
    """Rows of one segment and name: the place of the last, and what is told of each day.

    That is the day and how many there are, and of numbers their sum, the least and the greatest.
    """

    segment: int
    name: int
    last: int
    days: list[list[Any]]


def _groups(
    segment: Ints, name: Ints, names: int, days: Ints, values: Floats | None = None
) -> Iterator[_Group]:
    """Group rows by segment and name (a number below ``names``), and each group's by day.

    They are in time order, so that a group's days rise; where a clock was put back across midnight, a day
    would come twice, and each time be told in part.
    """
    if not len(segment):
        return
    key = segment * names + name
    if key.max() <= np.iinfo(np.uint16).max:
        key = key.astype(np.uint16)  # which is sorted many times as fast
    order = None
    if np.any(key[1:] < key[:-1]):
        order = np.argsort(key, kind="stable")
        key, days = key[order], days[order]
        values = None if values is None else values[order]
    first = _begins((key[1:] != key[:-1]) | (days[1:] != days[:-1]))
    begins = _begins(key[first[1:]] != key[first[:-1]])
    of_days = [days[first], np.diff(first, append=len(key))]
    if values is not None:
        of_days += [of.reduceat(values, first) for of in (np.add, np.minimum, np.maximum)]
    last = np.append(first[begins[1:]], len(key)) - 1
    rows = (last if order is None else order[last]).tolist()
    told, keys = [of.tolist() for of in of_days], key[first[begins]].tolist()
    for one, row, (begin, end) in zip(keys, rows, pairwise([*begins.tolist(), len(first)]), strict=True):
        yield _Group(one // names, one % names, row, [of[begin:end] for of in told])


def _begins(differs: npt.NDArray[np.bool_]) -> Ints:
    """Return where runs begin, given which rows but the first differ from the one before."""
    return np.concatenate((np.zeros(1, dtype=np.int64), np.flatnonzero(differs) + 1))


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
