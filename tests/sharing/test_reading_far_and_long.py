"""Reading what lies far from today, and reading for longer than a receipt lives."""

from datetime import UTC, date, datetime, timedelta

import pytest

from keys.keystore import RECEIPT_LIFETIME, KeyStore
from policies.vocabulary import Category
from tests.world import World, pressure, weight
from vault.opening import Opening

WEIGHT, PRESSURE = Category.BODY_WEIGHT, Category.BLOOD_PRESSURE
LONG_AGO = datetime(1931, 5, 1, 8, tzinfo=UTC)
SOON = datetime(2026, 11, 1, 8, tzinfo=UTC)
YEARS_AHEAD = datetime(2031, 1, 1, 8, tzinfo=UTC)


@pytest.fixture
async def spread(world: World) -> World:
    """Return a country where Anna has values of four times, the earliest before 1970."""
    await world.enter("anna")
    for number, at in enumerate((LONG_AGO, datetime(2026, 3, 1, 8, tzinfo=UTC), SOON, YEARS_AHEAD)):
        await world.add("anna", "anna", weight(f"7{number}.0", at))
    return world


class TestFar:
    """Months are only a way to fetch less: what fits the query is read, wherever it lies."""

    async def test_query_without_an_end_reaches_what_lies_years_ahead(self, spread: World) -> None:
        """A plan may; it was left out beyond a year from now."""
        found = await spread.read("anna", "anna", WEIGHT, first=date(2026, 4, 1))
        assert [record.start for record in found.records] == [SOON, YEARS_AHEAD]

    @pytest.mark.parametrize(
        ("first", "last", "count"),
        [
            (date.min, None, 4),
            (date.min, date.max, 4),
            (date.max, None, 0),
            (None, date.min, 0),
            (None, date.max, 4),
            (date.min, date(1970, 1, 1), 1),
            (date(1900, 1, 1), date(2100, 1, 1), 4),
            (date(2031, 1, 1), date.max, 1),
            (date(2026, 3, 1), date(2026, 3, 1), 1),
        ],
    )
    async def test_any_two_days_of_the_calendar_can_be_asked_for(
        self, spread: World, first: date | None, last: date | None, count: int
    ) -> None:
        """A day beside the first or last of the calendar does not exist, and was an error."""
        found = await spread.read("anna", "anna", WEIGHT, first=first, last=last)
        assert len(found.records) == count


async def test_long_reading_outlives_its_receipt(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A receipt lives ten seconds; who has a million records reads for longer, and must get the last drawer too."""
    await world.enter("anna")
    await world.add("anna", "anna", weight("70.0"), pressure("120", "80"))
    real = Opening.columns

    def slow(self: Opening, *args: object) -> object:
        world.clock.move(seconds=RECEIPT_LIFETIME.total_seconds())
        return real(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Opening, "columns", slow)
    assert len((await world.read("anna", "anna", WEIGHT, PRESSURE)).records) == 2


async def test_keys_are_not_released_for_what_is_not_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the drawers that have something in the months asked for."""
    await world.enter("anna")
    await world.add(
        "anna", "anna", weight("70.0"), pressure("120", "80", world.clock() - timedelta(days=400))
    )
    opened: list[bytes] = []
    real = KeyStore.open

    def opens(self: KeyStore, receipt: object, wrap: object) -> object:
        opened.append(wrap.context.drawer)  # type: ignore[attr-defined]
        return real(self, receipt, wrap)  # type: ignore[arg-type]

    monkeypatch.setattr(KeyStore, "open", opens)
    day = world.clock().date()
    await world.read("anna", "anna", WEIGHT, PRESSURE, first=day, last=day)
    _, drawer, _ = world.drawer("anna", WEIGHT)
    assert opened == [drawer.id]
