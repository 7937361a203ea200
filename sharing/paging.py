"""Reading page by page, in the order of time, without opening more than the page.

Shelves tell no month, but whoever has the vault's keys can name each month's, so they are walked from one end:
of a month the summaries are opened, and of its segments only those in which the page may have records. Where a
page stands is told by its last record, not by a number, so that what is added meanwhile moves nothing.

Each page is a reading of its own: asked of the gate, in the log, under the rules of its moment.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import Enum
from itertools import chain

import numpy as np
import numpy.typing as npt

from identity.principal import Principal
from policies.vocabulary import MEASUREMENTS, Category
from sharing.house import House
from sharing.reading import Opened, Query, Sealed, through
from sharing.summing import Daily, Tally
from vault import naming
from vault.columns import Columns, Ints, join
from vault.segment import Parts, Segment

_MONTHS_AHEAD = 12
_FIRST_MONTH = naming.month_number(date(naming.FIRST_YEAR, 1, 1))
_CATEGORIES = tuple(Category)
#: In these, all records are Observations; laboratory reports and specimens stand among the lab results.
_OBSERVATIONS_ONLY = frozenset(MEASUREMENTS) - {Category.LAB_RESULT}


class Order(Enum):
    """Which end a list begins at."""

    NEWEST = -1
    OLDEST = 1


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """A record's place in the order of all: start in µs, its category's ordinal, fingerprint."""

    start: int
    category: int
    fingerprint: int


@dataclass(frozen=True, slots=True)
class Wish:
    """Which page: how many records, in which order, and after which one (from the first, where None).

    ``told`` asks for the total and the sums by day too, for which every summary is opened.
    """

    count: int
    order: Order = Order.NEWEST
    after: Mark | None = None
    told: bool = True


@dataclass(frozen=True)
class Page:
    """Records in the order asked for; ``more`` is the last one's place, where others follow.

    ``total`` counts all that fit and may be seen, None where that is not told. ``sums`` are those of days.
    """

    columns: Columns
    more: Mark | None
    total: int | None
    sums: tuple[Daily, ...] = ()


@dataclass(frozen=True, slots=True)
class _Brief:
    """A segment by its summary: the first and the last record's start, and how many there are."""

    sealed: Sealed
    row: Segment
    first: int
    last: int
    count: int


async def page(house: House, principal: Principal, alias: bytes, query: Query, wish: Wish) -> Page:
    """Read one page.

    It raises what :func:`sharing.reading.read` does.
    """
    today = house.clock().date()

    def work(opened: Opened) -> tuple[Page, Mapping[str, int]]:
        found = _page(opened, wish, today)
        return found, {"records": len(found.columns)}

    return await through(house, principal, alias, _narrowed(query, wish), Parts.SUMMARY, work)


def mark_of(columns: Columns, row: int) -> Mark:
    """Return a record's place."""
    return Mark(int(columns.start[row]), int(_ordinals(columns)[row]), int(columns.fingerprint[row]))


def _narrowed(query: Query, wish: Wish) -> Query:
    """Leave out the shelves that earlier pages were read from; a day more, for the zone."""
    if wish.after is None or wish.told:
        return query
    day = date(1970, 1, 1) + timedelta(microseconds=wish.after.start)
    match wish.order:
        case Order.NEWEST:
            last = day + timedelta(days=1)
            return replace(query, last=last if query.last is None else min(query.last, last))
        case Order.OLDEST:
            first = day - timedelta(days=1)
            return replace(query, first=first if query.first is None else max(query.first, first))


def _page(opened: Opened, wish: Wish, today: date) -> Page:
    shelves, tally = _by_month(opened, today), Tally(opened.query)
    months = (
        _briefs(opened, shelves[month], tally, wish)
        for month in sorted(shelves, reverse=wish.order is Order.NEWEST)
    )
    walk = chain.from_iterable(list(months) if wish.told else months)
    found, is_all = _fill(opened, wish, walk)
    rows = np.lexsort((found.fingerprint, _ordinals(found), found.start))[:: wish.order.value]
    total = _total(opened, tally, len(rows) if is_all and wish.after is None else None) if wish.told else None
    kept = rows[: wish.count]
    more = mark_of(found, int(kept[-1])) if len(rows) > len(kept) > 0 else None
    return Page(found.take(kept), more, total, tally.daily() if wish.told else ())


def _total(opened: Opened, tally: Tally, counted: int | None) -> int | None:
    """Return how many records fit: as summaries tell it where they can, else as counted."""
    categories = {one.category for one in opened.sealed}
    types = opened.query.types
    if not types or (types == {"Observation"} and categories <= _OBSERVATIONS_ONLY):
        return tally.records()
    return counted


# --- the walk


def _by_month(opened: Opened, today: date) -> dict[int, list[tuple[Sealed, list[Segment]]]]:
    """Sort segments by the month of their shelf."""
    found: dict[int, list[tuple[Sealed, list[Segment]]]] = {}
    for one in opened.sealed:
        shelves: dict[bytes, list[Segment]] = {}
        for row in one.rows:
            shelves.setdefault(row.tag, []).append(row)
        for tag, month in _months(opened, one, shelves, today).items():
            found.setdefault(month, []).append((one, shelves[tag]))
    return found


def _months(
    opened: Opened, one: Sealed, shelves: dict[bytes, list[Segment]], today: date
) -> dict[bytes, int]:
    """Tell each shelf's month: by its name, from a year ahead backwards; one further ahead by its summary."""
    unnamed, found = set(shelves), {}
    month = naming.month_number(today) + _MONTHS_AHEAD
    while unnamed and month >= _FIRST_MONTH:
        tag = naming.month_tag(opened.state.keys, one.category, naming.month_named(month))
        if tag in unnamed:
            unnamed.discard(tag)
            found[tag] = month
        month -= 1
    for tag in unnamed:
        summary = next(opened.summaries(one, shelves[tag][:1]))
        found[tag] = int(naming.month_numbers(np.array([summary.first]))[0])
    return found


def _briefs(
    opened: Opened, shelves: Iterable[tuple[Sealed, list[Segment]]], tally: Tally, wish: Wish
) -> list[_Brief]:
    """Open the summaries of one month; the segments are in the order in which a page would need them."""
    briefs = []
    for one, rows in shelves:
        summaries = list(opened.summaries(one, rows))
        briefs += [
            _Brief(one, row, summary.first, summary.last, summary.count)
            for row, summary in zip(rows, summaries, strict=True)
        ]
        if wish.told:
            tally.take(opened, one, rows, summaries)
    briefs.sort(key=lambda brief: -brief.last if wish.order is Order.NEWEST else brief.first)
    return briefs


def _fill(opened: Opened, wish: Wish, briefs: Iterable[_Brief]) -> tuple[Columns, bool]:
    """Open segments until they hold the page and one record more; tell whether that was all there is."""
    found, few, needed = join([]), list[_Brief](), wish.count + 1
    is_all = True
    for brief in briefs:
        if _is_behind(brief, wish):
            continue
        if _certain(found, brief, wish) >= needed:
            is_all = False
            break
        few.append(brief)
        if sum(one.count for one in few) >= needed - len(found):
            found, few = join([found, *_opened(opened, few, wish)]), []
    return join([found, *_opened(opened, few, wish)]), is_all


def _is_behind(brief: _Brief, wish: Wish) -> bool:
    """Tell whether all records of a segment stood on earlier pages."""
    if wish.after is None:
        return False
    return brief.first > wish.after.start if wish.order is Order.NEWEST else brief.last < wish.after.start


def _certain(found: Columns, brief: _Brief, wish: Wish) -> int:
    """Count the records found that come before any of a segment's."""
    before = found.start > brief.last if wish.order is Order.NEWEST else found.start < brief.first
    return int(np.count_nonzero(before))


def _opened(opened: Opened, briefs: Iterable[_Brief], wish: Wish) -> Iterator[Columns]:
    rows: dict[Category, tuple[Sealed, list[Segment]]] = {}
    for brief in briefs:
        rows.setdefault(brief.sealed.category, (brief.sealed, []))[1].append(brief.row)
    for sealed, some in rows.values():
        for columns in opened.records(sealed, some):
            yield columns.take(_beyond(columns, wish))


def _beyond(columns: Columns, wish: Wish) -> npt.NDArray[np.bool_]:
    """Tell which records come after the last page's last one."""
    if wish.after is None:
        return np.ones(len(columns), dtype=np.bool_)
    keys = (columns.start, _ordinals(columns), columns.fingerprint)
    beyond, level = np.zeros(len(columns), dtype=np.bool_), np.ones(len(columns), dtype=np.bool_)
    for key, mark in zip(keys, (wish.after.start, wish.after.category, wish.after.fingerprint), strict=True):
        beyond |= level & (key < mark if wish.order is Order.NEWEST else key > mark)
        level &= key == mark
    return beyond


def _ordinals(columns: Columns) -> Ints:
    numbers = [_CATEGORIES.index(shape.category) for shape in columns.shapes]
    return np.array(numbers or [0], dtype=np.int64)[columns.shape]
