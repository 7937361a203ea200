"""What one process remembers must not hold against what another has changed: the next request sees it."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Connection

from app import demo
from consent.gate import Refused
from policies.vocabulary import Category
from tests.world import World, pressure, weight
from vault import state
from vault.naming import DrawerName
from vault.state import Drawer, VaultState

BP, WEIGHT = Category.BLOOD_PRESSURE, Category.BODY_WEIGHT
VC = demo.HEALTH_CENTRE


@pytest.fixture
async def elsewhere(world: World) -> World:
    """Return the same country as a second process has it; in both of them the nurse has read just now."""
    await world.enter("anna")
    await world.add("anna", "anna", pressure("121", "81"), weight("70.5"))
    await world.allow("anna", "unit", VC, BP, WEIGHT)
    other = World(world.settings, world.clock, world.another_process())
    for one in (world, other, world, other):
        assert len((await one.read("nurse-vc", "anna", BP)).records) == 1
    return other


async def test_revocation_elsewhere_bites_on_the_next_request(world: World, elsewhere: World) -> None:
    """Rules, index, head and wraps are remembered; none of them for longer than the rows are the same."""
    (rule,) = world.load("anna").rules.rules
    await elsewhere.revoke("anna", rule.id)
    with pytest.raises(Refused):
        await world.read("nurse-vc", "anna", BP)


async def test_block_elsewhere_bites_on_the_next_request(world: World, elsewhere: World) -> None:
    """A block of one category takes that one at once, and leaves the other."""
    await elsewhere.block("anna", "unit", VC, BP)
    with pytest.raises(Refused):
        await world.read("nurse-vc", "anna", BP)
    assert len((await world.read("nurse-vc", "anna", WEIGHT)).records) == 1


async def test_record_added_elsewhere_is_read_on_the_next_request(world: World, elsewhere: World) -> None:
    """Who treats on yesterday's values may harm; and the new generation's key is not the old one's."""
    await elsewhere.add("anna", "anna", pressure("135", "85"))
    assert len((await world.read("nurse-vc", "anna", BP)).records) == 2
    (rule,) = elsewhere.load("anna").rules.rules
    await elsewhere.revoke("anna", rule.id)
    await elsewhere.allow("anna", "unit", VC, BP)
    await elsewhere.add("anna", "anna", pressure("136", "86"))
    assert len((await world.read("nurse-vc", "anna", BP)).records) == 3


async def test_reading_that_a_change_crosses_is_of_one_moment(
    world: World, elsewhere: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Head and drawer are asked one after the other; what does not belong together is asked again."""
    truly, crossed = state.drawer, list[int]()

    def drawer(connection: Connection, loaded: VaultState, name: DrawerName) -> Drawer | None:
        if not crossed:
            crossed.append(loaded.head.version)
            added = elsewhere.add("anna", "anna", pressure("135", "85"))
            with ThreadPoolExecutor(1) as beside:
                beside.submit(asyncio.run, added).result()
        return truly(connection, loaded, name)

    monkeypatch.setattr(state, "drawer", drawer)
    assert len((await world.read("nurse-vc", "anna", BP)).records) == 2
    assert world.load("anna").head.version > crossed[0]
