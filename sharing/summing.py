"""Sums and newest values, from summaries: no record is opened, however many there are.

Most of a rule's finer terms are codes and days, and so are a summary's: the same masks hold, to the record. Where a
rule names sources or single records, the records are opened, and what may be seen of them is summed up anew.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from consent.scope import Kind, Probe, Scope
from identity.principal import Principal
from policies.vocabulary import Category
from sharing.house import House
from sharing.reading import Opened, Query, Sealed, through
from vault.columns import Floats, Ints
from vault.days import SWEDEN
from vault.segment import Parts, Segment
from vault.summary import Summary, parse, summarise

_OPEN = Scope((), (), frozenset({Probe(allowed=False, denied=False)}))  # what was masked already
_Name = tuple[Category, str, str, str]


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

    def thinned(self, most: int) -> "Daily":
        """Return the same with at most so many points: as many days as it takes in one, at the first of them."""
        step = -(-len(self.day) // most) if len(self.day) > most else 1
        if step == 1:
            return self
        span = int(self.day[-1] - self.day[0]) + 1
        width = max(-(-span // most), 1)
        table = np.array([self.day, self.count, self.total, self.low, self.high])
        first = (self.day - self.day[0]) // width * width + self.day[0]
        return _merged((self.category, self.of, self.code, self.unit), first, table[1:])


async def latest(house: House, principal: Principal, alias: bytes, query: Query) -> tuple[Latest, ...]:
    """Read the newest value of each code, where the whole category is open.

    It raises what :func:`sharing.reading.read` does.
    """

    def work(opened: Opened) -> tuple[tuple[Latest, ...], Mapping[str, int]]:
        whole = [one for one in opened.sealed if one.scope.whole]
        found = [last for one in whole for last in _latest(one.category, opened.summaries(one, one.rows))]
        return tuple(found), {"summaries": len(found)}

    return await through(house, principal, alias, query, Parts.SUMMARY, work)


async def daily(house: House, principal: Principal, alias: bytes, query: Query) -> tuple[Daily, ...]:
    """Sum up numbers by day.

    It raises what :func:`sharing.reading.read` does.
    """

    def work(opened: Opened) -> tuple[tuple[Daily, ...], Mapping[str, int]]:
        tally = Tally(query)
        for one in opened.sealed:
            tally.take(opened, one, one.rows, opened.summaries(one, one.rows))
        found = tally.daily()
        return found, {"summaries": len(found)}

    return await through(house, principal, alias, query, Parts.SUMMARY, work)


@dataclass(slots=True)
class _Series:
    """One code's numbers by day as summary after summary tells them: a list of each column."""

    scope: Scope
    columns: tuple[list[float], ...]

    def extend(self, told: Sequence[Sequence[float]]) -> None:
        """Take the days of one summary in."""
        for column, more in zip(self.columns, told, strict=True):
            column.extend(more)


@dataclass(slots=True)
class Tally:
    """Counts and sums of days as they grow, summary by summary; masked by query and scope when they are asked for."""

    query: Query
    _sums: dict[_Name, _Series] = field(default_factory=dict)
    _counts: dict[tuple[Category, str], _Series] = field(default_factory=dict)

    def take(
        self, opened: Opened, one: Sealed, rows: Sequence[Segment], summaries: Iterable[Summary]
    ) -> None:
        """Take in what may be seen of some of a category's segments, whose summaries these are."""
        if one.scope.by_code_and_day:
            for summary in summaries:
                self.add(one.category, one.scope, summary)
            return
        for columns in opened.records(one, rows):
            if len(columns):
                self.add(one.category, _OPEN, parse(*summarise(columns, [len(columns)])))

    def add(self, category: Category, scope: Scope, summary: Summary) -> None:
        """Take one summary in, to be masked by a scope."""
        for days in summary.days:
            name = (category, days.of, days.code, days.unit)
            told: tuple[list[int] | list[float], ...] = (
                days.day,
                days.count,
                days.total,
                days.low,
                days.high,
            )
            self._sums.setdefault(name, _Series(scope, ([], [], [], [], []))).extend(told)
        for code, pair in summary.codes.items():
            self._counts.setdefault((category, code), _Series(scope, ([], []))).extend(pair)

    def daily(self) -> tuple[Daily, ...]:
        """Return the sums of each day that is open."""
        found = (_merged(name, *self._open(name[1], series)) for name, series in self._sums.items())
        return tuple(one for one in found if len(one.day))

    def records(self) -> int:
        """Return how many records are open."""
        return sum(int(self._open(code, one)[1].sum()) for (_, code), one in self._counts.items())

    def _open(self, of: str, series: _Series) -> tuple[Ints, npt.NDArray[Any]]:
        """Return the open days of a code's records, and what is told of each."""
        day = np.array(series.columns[0], dtype=np.int64)
        table = np.array(series.columns[1:], dtype=np.float64)
        code = np.zeros(len(day), dtype=np.int64)
        kinds = [Kind(of)]
        seen = self.query.terms.mask(kinds, code, day) & series.scope.mask(kinds, code, day)
        return day[seen], table[:, seen]


def _merged(name: _Name, day: Ints, table: npt.NDArray[Any]) -> Daily:
    """Put together what stands of one day in several segments."""
    order = np.argsort(day, kind="stable")
    days, first = np.unique(day[order], return_index=True)
    if not len(days):
        empty = np.zeros(0)
        return Daily(*name, days, days, empty, empty, empty)
    count, total, low, high = table[:, order]
    return Daily(
        *name,
        days,
        np.add.reduceat(count, first).astype(np.int64),
        np.add.reduceat(total, first),
        np.minimum.reduceat(low, first),
        np.maximum.reduceat(high, first),
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
