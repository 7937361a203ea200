"""A date at the calendar's end is one bad row, and not the end of the import or of the reading."""

import pytest

from policies.vocabulary import Category
from tests.world import World

WEIGHT = Category.BODY_WEIGHT


def row(at: str) -> str:
    """Return a weight at a time as Apple writes it."""
    return (
        '<Record type="HKQuantityTypeIdentifierBodyMass" unit="kg" sourceName="W" value="70.5" '
        f'startDate="{at}" endDate="{at}"/>'
    )


@pytest.mark.parametrize(
    "at",
    [
        "0001-01-01 00:00:00 +1400",
        "9999-12-31 23:59:59 -1400",
        "9999-12-31 23:30:00 +0000",
        "0999-06-01 00:00:00 +0000",
        "1799-12-31 12:00:00 +0000",
    ],
)
async def test_date_beyond_the_calendar_is_a_bad_row(world: World, at: str) -> None:
    """Filing it ended the child; or it was filed, and every reading of the drawer ended instead."""
    await world.enter("anna")
    rows = row("1931-03-01 08:00:00 +0100") + row(at) + row("2026-03-01 08:00:00 +0100")
    file = f'<HealthData locale="sv_SE">{rows}</HealthData>'.encode()
    told = await world.import_file("anna", file, "export.xml")
    assert (told.state, told.stored, told.rejected, told.attempts) == ("done", 2, 1, 0)
    assert len((await world.read("anna", "anna", WEIGHT)).records) == 2
