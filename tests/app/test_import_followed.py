"""An import under way is asked after every second: the log has who may not, and not each look."""

import asyncio

import pytest

from app.api import find_import
from audit.events import Decision
from consent.gate import Refused
from tests.world import World

FILE = (
    b'<HealthData locale="sv_SE">'
    b'<Record type="HKQuantityTypeIdentifierBodyMass" unit="kg" sourceName="W" value="70.5" '
    b'startDate="2026-03-01 08:00:00 +0100" endDate="2026-03-01 08:00:00 +0100"/></HealthData>'
)


def decisions(world: World) -> list[Decision | None]:
    """Return what the log has decided about Anna's vault, newest first."""
    entries = world.house.log.entries_of_vault(world.vault("anna"))
    return [getattr(entry.event, "decision", None) for entry in entries]


async def test_looks_at_an_import_under_way_are_not_logged_and_those_after_it_are(world: World) -> None:
    """Else a minute's waiting would bury the accesses that its owner should see."""
    await world.enter("anna")
    import_id = await world.upload("anna", FILE, "export.xml")
    who, alias = world.who("anna"), world.alias("anna")
    before = len(decisions(world))
    for _ in range(3):
        assert (await find_import(world.valv, who, alias, import_id)).state == "queued"
    assert len(decisions(world)) == before
    await asyncio.to_thread(world.valv.intake.run_waiting)
    over = len(decisions(world))
    for _ in range(2):
        assert (await find_import(world.valv, who, alias, import_id)).state == "done"
    assert len(decisions(world)) == over + 2


@pytest.mark.parametrize("persona", ["nurse-vc", "bo"])
async def test_who_may_not_follow_an_import_is_refused_and_logged(world: World, persona: str) -> None:
    """Under way or not: how much somebody imports is their matter."""
    await world.enter("anna", "bo")
    import_id = await world.upload("anna", FILE, "export.xml")
    await asyncio.to_thread(world.house.database.write_now, world.valv.intake._claim)
    before = len(decisions(world))
    with pytest.raises(Refused):
        await find_import(world.valv, world.who(persona), world.alias("anna"), import_id)
    assert len(decisions(world)) == before + 1
    assert decisions(world)[0] is Decision.REFUSE
