"""Sums and newest values, from summaries: no record is opened, however many there are.

A rule's finer terms are codes and days, and so are a summary's: the same masks hold, to the record.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from consent.scope import Scope, Terms
from identity.principal import Principal
from policies.vocabulary import Category
from sharing.house import House
from sharing.reading import Query, open_segments, released
from vault.columns import Floats, Ints
from vault.days import SWEDEN
from vault.segment import Parts
from vault.summary import Summary


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest record of a code in a category, from summaries: local start, shown value, unit, how many."""

    category: Category
    code: str
    start: datetime
    value: str
    unit: str
    count: int


@dataclass(frozen=True, slots=True)
class Daily:
    """Numbers of one code in one unit by local day (days since 1970, rising): count, sum, least, greatest.

    ``of`` is the code of the records that have them, which differs where they are a composite's parts.
    """

    category: Category
    of: str
    code: str
    unit: str
    day: Ints
    count: Ints
    total: Floats
    low: Floats
    high: Floats


async def latest(house: House, principal: Principal, alias: bytes, query: Query) -> tuple[Latest, ...]:
    """Read the newest value of each code, where the whole category is open.

    It raises what :func:`sharing.reading.read` does.
    """
    opened = await open_segments(house, principal, alias, query, Parts.SUMMARY)
    found: dict[Category, list[Summary]] = {}
    for category, scope, summary in opened.summaries():
        if scope.whole:
            found.setdefault(category, []).append(summary)
    newest = [one for category, summaries in found.items() for one in _latest(category, summaries)]
    released(house, opened, {"summaries": len(newest)})
    return tuple(newest)


async def daily(house: House, principal: Principal, alias: bytes, query: Query) -> tuple[Daily, ...]:
    """Sum up numbers by day.

    It raises what :func:`sharing.reading.read` does.
    """
    opened = await open_segments(house, principal, alias, query, Parts.SUMMARY)
    pieces: dict[tuple[Category, str, str, str], list[np.ndarray]] = {}
    for category, scope, summary in opened.summaries():
        for days in summary.days:
            table = np.array([days.day, days.count, days.total, days.low, days.high])
            kept = table[:, _open_days(query, scope, days.of, table[0].astype(np.int64))]
            pieces.setdefault((category, days.of, days.code, days.unit), []).append(kept)
    found = [_merged(name, np.concatenate(tables, axis=1)) for name, tables in pieces.items()]
    sums = tuple(one for one in found if len(one.day))
    released(house, opened, {"summaries": len(sums)})
    return sums


def _open_days(query: Query, scope: Scope, of: str, day: Ints) -> np.ndarray:
    code = np.zeros(len(day), dtype=np.int64)
    asked = Terms("", query.codes, query.first, query.last)
    return asked.mask([of], code, day) & scope.mask([of], code, day)


def _merged(name: tuple[Category, str, str, str], table: np.ndarray) -> Daily:
    """Put together the days that stand in several segments."""
    ordered = table[:, np.argsort(table[0], kind="stable")]
    day, first = np.unique(ordered[0].astype(np.int64), return_index=True)
    if not len(day):
        empty = np.zeros(0)
        return Daily(*name, day, day, empty, empty, empty)
    return Daily(
        *name,
        day,
        np.add.reduceat(ordered[1], first).astype(np.int64),
        np.add.reduceat(ordered[2], first),
        np.minimum.reduceat(ordered[3], first),
        np.maximum.reduceat(ordered[4], first),
    )


def _latest(category: Category, summaries: Iterable[Summary]) -> Iterator[Latest]:
    counts: dict[str, int] = {}
    newest: dict[str, tuple[int, str, str]] = {}
    for summary in summaries:
        for code, last in summary.latest.items():
            counts[code] = counts.get(code, 0) + summary.records_of(code)
            newest[code] = max(newest.get(code, last), last)
    for code, (start, value, unit) in newest.items():
        yield Latest(category, code, _local(start), value, unit, counts[code])


def _local(us: int) -> datetime:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)).astimezone(SWEDEN)
