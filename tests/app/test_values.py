"""How records and summaries become what a page shows."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from app.web import values
from app.web.formats import Lang
from app.web.views import Period
from consent.scope import Probe, Scope, Terms
from policies.vocabulary import Category
from sharing.paging import Page
from sharing.reading import Query
from sharing.summing import Latest, Tally
from vault import summary
from vault.columns import Columns
from vault.measures import BLOOD_PRESSURE_PANEL, DIASTOLIC, LOINC, SYSTOLIC, canonical
from vault.record import Author, AuthorKind, Code, Component, Origin, Provenance, Quantity, Record

AT = datetime(2026, 3, 14, 7, 30, tzinfo=UTC)
TODAY = date(2026, 3, 14)
BY = Provenance(Author(AuthorKind.CITIZEN, "a", "Anna"), Origin.FORM, AT)
WEIGHT = Code(LOINC, "29463-7", "Body weight")


def weight(value: str, unit: str = "kg", at: datetime = AT) -> Record:
    """Return a weight as it came."""
    quantity = Quantity(Decimal(value), unit)
    kept = canonical(WEIGHT, quantity)
    return Record(Category.BODY_WEIGHT, "Observation", WEIGHT, at, BY, quantity=quantity, canonical=kept)


def pressure(systolic: str, diastolic: str, unit: str = "mm[Hg]") -> Record:
    """Return a blood pressure, its lower number first, as some sources have it."""
    pairs = [(code, Quantity(Decimal(n), unit)) for code, n in ((DIASTOLIC, diastolic), (SYSTOLIC, systolic))]
    parts = tuple(Component(code, quantity, canonical(code, quantity)) for code, quantity in pairs)
    return Record(Category.BLOOD_PRESSURE, "Observation", BLOOD_PRESSURE_PANEL, AT, BY, components=parts)


def page_of(records: list[Record]) -> Page:
    """Return the page that a reading of these, the oldest first, would give."""
    tally = Tally(Query())
    whole = Scope((Terms(""),), (), frozenset({Probe(allowed=True, denied=False)}))
    (written,) = summary.summarise(Columns.of(records), [len(records)])
    tally.add(records[0].category, whole, summary.parse(written))
    columns = Columns.of(records[: -values.MOST_POINTS - 1 : -1])
    return Page(columns, None, len(records), tally.daily())


@pytest.mark.parametrize(
    ("value", "unit", "shown", "source"),
    [
        ("72.50", "kg", "72.50", ""),
        ("160", "[lb_av]", "72.6", "160 [lb_av]"),
        ("160.5", "lb", "72.8", "160,5 lb"),
        ("72.349998474121094", "kg", "72.3", ""),
    ],
)
def test_a_number_is_shown_in_the_canonical_unit_and_the_source_beside(
    value: str, unit: str, shown: str, source: str
) -> None:
    """What was written stays as written; what was converted is rounded to what can be told apart."""
    reading = values.reading_of(weight(value, unit), Lang.SV)
    assert (str(reading.numbers[0]), reading.unit, reading.source) == (shown, "kg", source)


def test_blood_pressure_is_shown_upper_number_first_whatever_the_sources_order() -> None:
    """80/120 would be read as another pressure."""
    reading = values.reading_of(pressure("120", "80"), Lang.SV)
    assert reading.numbers == (Decimal(120), Decimal(80))
    trend = values.trend_of(
        page_of([pressure("120", "80")]), Category.BLOOD_PRESSURE, Period.DAYS_30, today=TODAY, lang=Lang.SV
    )
    assert [series.code for series in trend.charts[0].series] == [SYSTOLIC.code, DIASTOLIC.code]


def test_two_units_of_one_code_are_never_drawn_on_one_axis() -> None:
    """A unit that cannot be converted is another chart, not a point far off."""
    records = [weight("72"), weight("3", "{bananas}")]
    trend = values.trend_of(page_of(records), Category.BODY_WEIGHT, Period.ALL, today=TODAY, lang=Lang.SV)
    assert sorted(chart.unit for chart in trend.charts) == ["kg", "{bananas}"]


def test_a_table_holds_the_newest_first_and_counts_the_rest() -> None:
    """A page stays small however much there is."""
    records = [weight("72", at=AT - timedelta(hours=n)) for n in range(500, 0, -1)]
    trend = values.trend_of(page_of(records), Category.BODY_WEIGHT, Period.YEAR, today=TODAY, lang=Lang.SV)
    assert (len(trend.readings), trend.total) == (values.MOST_ROWS, 500)
    assert trend.readings[0].at == records[-1].start


def test_few_values_are_drawn_one_by_one_and_many_by_their_days() -> None:
    """A chart of ten years is a few hundred points, with the least and the greatest of each still in it."""
    few = [weight("72", at=AT - timedelta(hours=n)) for n in range(300, 0, -1)]
    trend = values.trend_of(page_of(few), Category.BODY_WEIGHT, Period.YEAR, today=TODAY, lang=Lang.SV)
    points = trend.charts[0].series[0].points
    assert (len(points), points[0].low) == (300, None)
    days = 3652
    many = [
        weight(str(60 + n % 7), at=AT - timedelta(days=days - n, hours=hour))
        for n in range(days)
        for hour in (0, 3)
    ]
    many[1000] = weight("199", at=many[1000].start)
    trend = values.trend_of(page_of(many), Category.BODY_WEIGHT, Period.ALL, today=TODAY, lang=Lang.SV)
    points = trend.charts[0].series[0].points
    assert values.MOST_POINTS / 2 < len(points) <= values.MOST_POINTS
    assert max(point.ends[1] for point in points) == 199
    assert min(point.ends[0] for point in points) == 60
    assert all(point.ends[0] <= point.value <= point.ends[1] for point in points)
    assert trend.charts[0].start <= points[0].at.date()


@pytest.mark.parametrize(
    ("days", "period"),
    [(0, Period.DAYS_90), (89, Period.DAYS_90), (90, Period.YEAR), (400, Period.YEARS_5), (4000, Period.ALL)],
)
def test_the_period_first_shown_reaches_the_newest_value(days: int, period: Period) -> None:
    """An old import must not open on an empty chart."""
    latest = [Latest(Category.GLUCOSE, "15074-8", AT - timedelta(days=days), "5.1", "mmol/L", 1)]
    assert values.period_reaching(latest, Category.GLUCOSE, TODAY) is period


def test_the_overview_has_one_tile_a_category_the_newest() -> None:
    """A text without a number is shown as text."""
    old = Latest(Category.BLOOD_PRESSURE, "8480-6", AT - timedelta(days=1), "131", "mm[Hg]", 2)
    new = Latest(Category.BLOOD_PRESSURE, "55284-4", AT, "128/82", "mm[Hg]", 5)
    words = Latest(Category.SYMPTOM, "x", AT, "Ont i halsen", "", 1)
    plan = Latest(Category.CARE_PLAN, "y", AT, "Plan", "", 1)
    tiles = values.tiles([old, new, words, plan], Lang.SV)
    assert [(tile.code, tile.numbers, tile.text) for tile in tiles] == [
        (BLOOD_PRESSURE_PANEL.code, (Decimal(128), Decimal(82)), ""),
        ("x", (), "Ont i halsen"),
    ]
    assert [(one.category, one.count) for one in values.counts([old, new])] == [(Category.BLOOD_PRESSURE, 7)]
