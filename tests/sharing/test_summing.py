"""Sums by day, from summaries, are those of the records one by one; what a rule hides is not in them."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent.gate import Refused
from consent.scope import Kind, Probe, Scope, Terms
from policies.vocabulary import Category
from sharing import summing
from sharing.reading import Query
from sharing.summing import Daily, Tally
from tests.consent.plainly import fits as fits_terms
from tests.consent.plainly import permits
from tests.world import TEST_PROVENANCE, World, pressure, weight
from vault import summary
from vault.columns import Columns
from vault.days import SWEDEN, number_of
from vault.measures import LOINC
from vault.record import Code, Component, Quantity, Record

WEIGHT, PRESSURE = Category.BODY_WEIGHT, Category.BLOOD_PRESSURE
#: Around midnight and the change of time, where days are easily mistaken.
FIRST = datetime(2026, 3, 27, 22, 30, tzinfo=UTC)
DAYS = st.dates(date(2026, 3, 26), date(2026, 4, 1))
CODES = ("29463-7", "8867-4", "8480-6")
UNITS = ("kg", "[lb_av]", "")

NUMBERS = st.decimals(Decimal(-1000), Decimal(1000), places=2)
QUANTITIES = st.none() | st.builds(Quantity, NUMBERS, st.sampled_from(UNITS))


@st.composite
def records(draw: st.DrawFn) -> Record:
    """Draw a measurement within a few days."""
    quantity, canonical = draw(QUANTITIES), draw(QUANTITIES)
    parts = [
        Component(Code(LOINC, draw(st.sampled_from(CODES))), draw(QUANTITIES), draw(QUANTITIES))
        for _ in range(draw(st.integers(0, 2)))
    ]
    return Record(
        WEIGHT,
        "Observation",
        Code(LOINC, draw(st.sampled_from(CODES))),
        FIRST + timedelta(minutes=draw(st.integers(0, 5 * 24 * 60))),
        TEST_PROVENANCE,
        quantity=quantity,
        canonical=quantity if draw(st.booleans()) else canonical,
        components=tuple(parts),
    )


@st.composite
def terms(draw: st.DrawFn) -> Terms:
    """Draw a rule's finer terms."""
    first, last = draw(st.none() | DAYS), draw(st.none() | DAYS)
    return Terms("", frozenset(draw(st.lists(st.sampled_from(CODES), max_size=2))), first, last)


SCOPES = st.builds(
    Scope,
    st.lists(terms(), max_size=2).map(tuple),
    st.lists(terms(), max_size=2).map(tuple),
    st.sets(st.builds(Probe, st.booleans(), st.booleans())).map(frozenset),
)

Sums = dict[tuple[str, str, str], dict[int, list[float]]]


def one_by_one(found: Iterable[Record]) -> Sums:
    """Collect each record's numbers by code, unit and local day."""
    sums: Sums = defaultdict(lambda: defaultdict(list))
    for record in found:
        day = number_of(record.start.astimezone(SWEDEN).date())
        pairs = [(record.code.code, record.quantity, record.canonical)]
        pairs += [(part.code.code, part.quantity, part.canonical) for part in record.components]
        for code, came, canonical in pairs:
            shown = canonical or came
            if shown is not None:
                sums[record.code.code, code, shown.unit][day].append(float(shown.value))
    return sums


def fits(query: Query, scope: Scope, record: Record) -> bool:
    """Tell whether a record is asked for and open, by the rules' own words for one record."""
    day = record.start.astimezone(SWEDEN).date()
    return fits_terms(query.terms, Kind(record.code.code), day) and permits(scope, record.code.code, day)


@settings(deadline=None)
@given(
    segments=st.lists(st.lists(records(), min_size=1, max_size=8), max_size=4), scope=SCOPES, asked=terms()
)
def test_sums_are_those_of_the_records_one_by_one(
    segments: list[list[Record]], scope: Scope, asked: Terms
) -> None:
    """Any records, any rules, any query: each day's count, sum, least and greatest, and how many there are."""
    query = Query((WEIGHT,), asked.data_from, asked.data_to, asked.codes)
    tally = Tally(query)
    for some in segments:
        (written,) = summary.summarise(Columns.of(some), [len(some)])
        tally.add(WEIGHT, scope, summary.parse(written))
    seen = [record for some in segments for record in some if fits(query, scope, record)]
    expected, found = one_by_one(seen), {(one.of, one.code, one.unit): one for one in tally.daily()}
    assert tally.records() == len(seen)
    assert set(found) == set(expected)
    for name, days in expected.items():
        one = found[name]
        assert one.day.tolist() == sorted(days)
        assert one.count.tolist() == [len(days[day]) for day in sorted(days)]
        assert one.total.tolist() == pytest.approx([sum(days[day]) for day in sorted(days)], abs=1e-6)
        assert one.low.tolist() == pytest.approx([min(days[day]) for day in sorted(days)])
        assert one.high.tolist() == pytest.approx([max(days[day]) for day in sorted(days)])


@settings(deadline=None)
@given(
    days=st.lists(st.integers(-40_000, 40_000), min_size=1, max_size=200, unique=True),
    most=st.integers(1, 50),
)
def test_thinned_sums_lose_no_value_and_no_extreme(days: list[int], most: int) -> None:
    """A chart of ten years must still show the highest value and count them all."""
    day = np.array(sorted(days), dtype=np.int64)
    value = day.astype(np.float64) % 97
    whole = Daily(WEIGHT, "a", "a", "kg", day, np.ones(len(day), np.int64), value, value, value)
    thin = whole.thinned(most)
    assert len(thin.day) <= most
    assert thin.day[0] == day[0]
    assert thin.count.sum() == len(day)
    assert thin.total.sum() == pytest.approx(value.sum())
    assert (thin.low.min(), thin.high.max()) == (value.min(), value.max())


@pytest.fixture
async def shared(world: World) -> World:
    """Return a country where Anna shares weight and blood pressure of some days with the health centre."""
    await world.enter("anna")
    at = world.clock()
    values = [weight(f"7{n}.0", at - timedelta(days=n)) for n in range(5)]
    await world.add("anna", "anna", *values, pressure("120", "80", at))
    await world.allow("anna", "unit", world.who("nurse-vc").commission.unit.id, WEIGHT, PRESSURE)  # type: ignore[union-attr]
    return world


async def nurse_sums(world: World) -> dict[str, list[int]]:
    """Return the days that the nurse gets sums of, by code."""
    found = await summing.daily(
        world.house, world.who("nurse-vc"), world.alias("anna"), Query((WEIGHT, PRESSURE))
    )
    return {one.code: one.day.tolist() for one in found}


async def test_block_by_day_hides_exactly_its_days(shared: World) -> None:
    """A sum tells as much as a record."""
    today = shared.clock().date()
    blocked = [(today - timedelta(days=n)).isoformat() for n in (3, 2)]
    unit = shared.who("nurse-vc").commission.unit.id  # type: ignore[union-attr]
    await shared.block("anna", "unit", unit, WEIGHT, data_from=blocked[0], data_to=blocked[1])
    number = number_of(today)
    assert (await nurse_sums(shared))["29463-7"] == [number - 4, number - 1, number]


async def test_block_by_a_composites_code_hides_its_parts(shared: World) -> None:
    """The parts of a blocked blood pressure are no measurements of their own."""
    unit = shared.who("nurse-vc").commission.unit.id  # type: ignore[union-attr]
    await shared.block("anna", "unit", unit, PRESSURE, codes=["85354-9"])
    assert set(await nurse_sums(shared)) == {"29463-7"}


async def test_no_consent_gives_no_sums(world: World) -> None:
    """A sum is asked for like any record."""
    await world.enter("anna")
    await world.add("anna", "anna", weight("70.0"))
    with pytest.raises(Refused):
        await nurse_sums(world)


def test_records_keep_their_provenance_out_of_sums() -> None:
    """Two devices' values of one code and unit are one line."""
    other = replace(weight("71.0"), provenance=replace(TEST_PROVENANCE, device="Scale"))
    tally = Tally(Query())
    whole = Scope((Terms(""),), (), frozenset({Probe(allowed=True, denied=False)}))
    (written,) = summary.summarise(Columns.of([weight("70.0"), other]), [2])
    tally.add(WEIGHT, whole, summary.parse(written))
    (one,) = tally.daily()
    assert (one.count.tolist(), one.low.tolist(), one.high.tolist()) == ([2], [70.0], [71.0])
