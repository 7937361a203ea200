"""Reads of one vault, each through gate, log, keys and masks, beside the same question to the plaintext rows.

Both must find the same, or nothing is compared. The nurse reads by a rule with finer terms, so that her masks
are computed, though they leave nothing out.
"""

from datetime import date, datetime, time, timedelta

from keys.envelope import microseconds
from sharing import reading, summing
from sharing.reading import Query
from tests.bench.life import HEART_RATE, number_of
from tests.bench.rows import side_by_side
from tests.bench.sites import Site
from vault.days import SWEDEN

_CATEGORY = number_of(HEART_RATE.category)
_MONTH, _YEAR, _LIFE = timedelta(days=29), timedelta(days=364), timedelta(days=36_500)


async def month(site: Site, seconds: float) -> tuple[float, float]:
    """Read the last 30 days of one category: columns beside tuples."""
    first, last = _days(site, _MONTH)
    query = Query((HEART_RATE.category,), first, last)

    async def ours() -> int:
        return len((await reading.read(site.house, site.nurse, site.alias, query)).columns)

    def plain() -> int:
        return len(site.plain.rows(_CATEGORY, *_moments(first, last)))

    demand_same(await ours(), plain())
    return await side_by_side(ours, plain, seconds)


async def daily(site: Site, back: timedelta | None, seconds: float) -> tuple[float, float]:
    """Sum up one category by day, as far back as wanted: of a year, or of all."""
    first, last = _days(site, back or _LIFE)
    query = Query((HEART_RATE.category,), *((first, last) if back else ()))

    async def ours() -> list[tuple[int, int]]:
        (found,) = await summing.daily(site.house, site.nurse, site.alias, query)
        return list(zip(found.day.tolist(), found.count.tolist(), strict=True))

    def plain() -> list[tuple[int, int]]:
        return [(day, count) for day, count, *_ in site.plain.daily(_CATEGORY, *_moments(first, last))]

    demand_same(await ours(), plain())
    return await side_by_side(ours, plain, seconds)


async def year(site: Site, seconds: float) -> tuple[float, float]:
    """Sum up the last year."""
    return await daily(site, _YEAR, seconds)


async def every_year(site: Site, seconds: float) -> tuple[float, float]:
    """Sum up all."""
    return await daily(site, None, seconds)


def _days(site: Site, back: timedelta) -> tuple[date, date]:
    last = site.house.clock().astimezone(SWEDEN).date()
    return last - back, last


def _moments(first: date, last: date) -> tuple[int, int]:
    """Return when the first day begins and the last ends."""
    begin, end = (datetime.combine(day, time(), SWEDEN) for day in (first, last + timedelta(days=1)))
    return microseconds(begin), microseconds(end)


def demand_same(ours: object, plain: object) -> None:
    """Refuse to compare what answers differently."""
    if ours != plain:
        raise AssertionError(f"ours and plaintext differ: {ours!r:.80} and {plain!r:.80}")
