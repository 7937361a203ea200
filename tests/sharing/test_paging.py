"""Page by page, a list is all of what may be seen, each once, in order; and no more is opened than the page."""

import asyncio
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import pairwise

import pytest

from audit import review
from audit.review import Access
from consent.gate import Refused
from policies.vocabulary import Category
from sharing import paging
from sharing.paging import Mark, Order, Page, Wish
from sharing.reading import Query
from tests.sharing.test_reading_far_and_long import LONG_AGO, YEARS_AHEAD
from tests.world import World, pressure, weight
from vault import segment
from vault.record import Record

WEIGHT, PRESSURE = Category.BODY_WEIGHT, Category.BLOOD_PRESSURE
BOTH = Query((WEIGHT, PRESSURE))


async def turn(
    world: World, query: Query, wish: Wish, *, by: str = "anna", keep_told: bool = False
) -> list[Page]:
    """Turn all pages."""
    pages = []
    while True:
        pages.append(await paging.page(world.house, world.who(by), world.alias("anna"), query, wish))
        if pages[-1].more is None:
            return pages
        wish = replace(wish, after=pages[-1].more, told=keep_told)


def shown(pages: list[Page]) -> list[Record]:
    """Return all pages' records."""
    return [record for page in pages for record in page.columns.records()]


@pytest.fixture
async def spread(world: World) -> World:
    """Return a country where Anna has values over years, added at several times, also at the same moment."""
    await world.enter("anna")
    at = world.clock()
    for lot in range(3):
        times = [at - timedelta(days=41 * n + lot) for n in range(8)]
        await world.add("anna", "anna", *(weight(f"{50 + n}.{lot}", time) for n, time in enumerate(times)))
    await world.add("anna", "anna", *(pressure(f"{110 + n}", "80", at) for n in range(5)), weight("99.0", at))
    await world.add("anna", "anna", weight("3.5", LONG_AGO), weight("70.0", YEARS_AHEAD))
    return world


@pytest.mark.parametrize("order", Order)
@pytest.mark.parametrize("count", [1, 4, 7, 100])
async def test_all_pages_together_are_all_records_once_and_in_order(
    spread: World, order: Order, count: int
) -> None:
    """Whatever the size of a page and whichever end it begins at; those of one moment too."""
    pages = await turn(spread, BOTH, Wish(count, order))
    found = shown(pages)
    whole = await spread.read("anna", "anna", WEIGHT, PRESSURE)
    assert {record.id for record in found} == {record.id for record in whole.records}
    assert len(found) == len(whole.records) == 32
    assert all(len(page.columns) == count for page in pages[:-1])
    for one, other in pairwise(found):
        assert one.start >= other.start if order is Order.NEWEST else one.start <= other.start
    assert pages[0].total == 32


async def test_total_counts_what_may_be_seen_over_all_pages(spread: World) -> None:
    """After days, codes, and the rules' own terms, though only one page was opened."""
    unit = spread.who("nurse-vc").commission.unit.id  # type: ignore[union-attr]
    today = spread.clock().date()
    await spread.allow("anna", "unit", unit, WEIGHT, PRESSURE)
    await spread.block("anna", "unit", unit, PRESSURE, codes=["85354-9"])
    since, before = (today - timedelta(days=60)), (today - timedelta(days=42))
    await spread.block("anna", "unit", unit, WEIGHT, data_from=before.isoformat(), data_to=before.isoformat())
    for query in (BOTH, replace(BOTH, first=since), replace(BOTH, first=since, last=today)):
        pages = await turn(spread, query, Wish(2), by="nurse-vc")
        found = shown(pages)
        assert pages[0].total == len(found) > 0
        assert {record.category for record in found} == {WEIGHT}
        assert before not in {record.start.date() for record in found}


async def test_what_is_added_meanwhile_moves_nothing(spread: World) -> None:
    """A page stands by its last record: a new value must not push a seen one onto the next page."""
    first = await paging.page(spread.house, spread.who("anna"), spread.alias("anna"), BOTH, Wish(5))
    await spread.add("anna", "anna", weight("60.0", spread.clock() + timedelta(hours=1)))
    wish = Wish(5, after=first.more, told=False)
    second = await paging.page(spread.house, spread.who("anna"), spread.alias("anna"), BOTH, wish)
    seen = {record.id for record in first.columns.records()}
    assert not seen & {record.id for record in second.columns.records()}


async def test_next_page_is_refused_after_a_revocation(spread: World) -> None:
    """A cursor permits nothing: each page is asked for by itself."""
    unit = spread.who("nurse-vc").commission.unit.id  # type: ignore[union-attr]
    rule = await spread.allow("anna", "unit", unit, WEIGHT)
    query, nurse, anna = Query((WEIGHT,)), spread.who("nurse-vc"), spread.alias("anna")
    first = await paging.page(spread.house, nurse, anna, query, Wish(2))
    await spread.revoke("anna", rule)
    with pytest.raises(Refused):
        await paging.page(spread.house, nurse, anna, query, Wish(2, after=first.more))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the sizes of the segments that are opened from now on."""
    sizes: list[int] = []
    real = segment.open_body

    def opens(row: segment.Segment, key: bytes) -> object:
        columns = real(row, key)
        sizes.append(len(columns))
        return columns

    monkeypatch.setattr(segment, "open_body", opens)
    return sizes


@pytest.mark.parametrize("order", Order)
async def test_page_opens_no_more_segments_than_it_needs(
    world: World, opened: list[int], monkeypatch: pytest.MonkeyPatch, order: Order
) -> None:
    """A hundred of a million records must not cost a million: not from either end, nor in the middle."""
    monkeypatch.setattr(segment, "FULL", 50)
    await world.enter("anna")
    at = world.clock()
    times = [at - timedelta(hours=3 * n) for n in range(2000)]
    await world.add("anna", "anna", *(weight(f"{50 + n % 40}.0", time) for n, time in enumerate(times)))
    house, anna, alias = world.house, world.who("anna"), world.alias("anna")
    middle = Mark(int((at - timedelta(days=100)).timestamp() * 1e6), 2, 0)
    for wish in (Wish(100, order), Wish(100, order, middle, told=False), Wish(100, order, middle)):
        opened.clear()
        page = await paging.page(house, anna, alias, Query((WEIGHT,)), wish)
        assert len(page.columns) == 100
        assert len(opened) <= 4
    assert page.total == 2000


async def test_month_of_hundreds_of_lone_values_is_not_opened_for_ten(
    world: World, opened: list[int]
) -> None:
    """A meter sends one value at a time."""
    await world.enter("anna")
    at = world.clock()
    for n in range(40):
        await world.add("anna", "anna", weight("70.0", at - timedelta(minutes=n)))
    unit = world.who("nurse-vc").commission.unit.id  # type: ignore[union-attr]
    await world.allow("anna", "unit", unit, WEIGHT)
    page = await paging.page(
        world.house, world.who("nurse-vc"), world.alias("anna"), Query((WEIGHT,)), Wish(10)
    )
    assert [record.start for record in page.columns.records()] == [
        at - timedelta(minutes=n) for n in range(10)
    ]
    assert len(opened) == 11


async def test_kinds_are_told_apart_and_a_total_that_is_not_known_is_not_told(world: World) -> None:
    """Specimens and laboratory reports stand among the results; their number is known when all were seen."""
    await world.enter("anna")
    result = replace(weight("5.0"), category=Category.LAB_RESULT)
    specimen = replace(
        result, kind="Specimen", quantity=None, canonical=None, resource='{"resourceType":"Specimen"}'
    )
    moments = [world.clock() - timedelta(days=40 * n) for n in range(3)]
    await world.add("anna", "anna", *(replace(one, start=at) for at in moments for one in (result, specimen)))
    query = Query((Category.LAB_RESULT,), types=frozenset({"Observation"}))
    whole = await turn(world, query, Wish(10))
    assert ({record.kind for record in shown(whole)}, whole[0].total) == ({"Observation"}, 3)
    parts = await turn(world, query, Wish(1))
    assert (len(shown(parts)), parts[0].total) == (3, None)


async def test_every_page_is_an_entry_of_its_own(spread: World) -> None:
    """Who turns the page has read more, and the log says how much."""
    pages = await turn(spread, replace(BOTH, last=date(2030, 1, 1)), Wish(10), keep_told=True)
    counted: list[int] = []
    for _ in range(100):  # outcomes follow without holding anybody up
        accesses = review.accesses(spread.house.log.entries_of_vault(spread.vault("anna"), limit=100))
        counts = [one.counts for one in accesses if isinstance(one, Access)]
        counted = [one["records"] for one in counts if "records" in one]
        if len(counted) == len(pages):
            break
        await asyncio.sleep(0.05)
    assert sorted(counted) == sorted(len(page.columns) for page in pages)
    assert sum(counted) == 31


def test_a_moment_before_1970_is_a_place_too() -> None:
    """A cursor's time may be negative."""
    assert Mark(-1, 0, 0) < Mark(0, 0, 0)
    assert datetime(1931, 5, 1, tzinfo=LONG_AGO.tzinfo) < LONG_AGO
