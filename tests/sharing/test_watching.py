"""Signals over the real house: what the log and the citizens' own rules say, to the own supervisor alone."""

from datetime import timedelta

import pytest

from consent.gate import Refused
from consent.rules import RuleError
from policies.signals import Signal
from policies.vocabulary import Category
from sharing import emergency, questions, watching
from sharing.watching import Watched
from tests.sharing.test_cases import REASON, anna, citizen, opened, staff
from tests.world import START, World

__all__ = ["anna"]  # the fixture


async def seen(world: World, who: str = "supervisor-region") -> Watched:
    """Return the signals of the time until now."""
    return await watching.signals(world.house, staff(world, who), START, world.clock() + timedelta(seconds=1))


def rules(found: Watched) -> set[str]:
    """Return which rules fit."""
    also = {rule for one in found.signals for rule in str(one.hit.because.get("also", "")).split()}
    return {one.hit.rule for one in found.signals} | also


async def test_an_emergency_and_a_question_are_signals(anna: World) -> None:
    """Each by its access, with what it is; nothing of the vault is told."""
    entry = await opened(anna)
    assert rules(await seen(anna)) >= {Signal.EMERGENCY}
    await questions.ask(anna.house, citizen(anna), anna.alias("anna"), entry)
    found = await seen(anna)
    (one,) = [one for one in found.signals if one.access.id == entry]
    assert one.hit.rule in {Signal.QUESTION, Signal.EMERGENCY}
    assert {Signal.QUESTION, Signal.EMERGENCY} <= rules(found)
    assert citizen(anna).person.name not in repr([one.hit for one in found.signals])


async def test_a_grant_just_before_a_reading_is_a_signal_also_when_it_is_ended(anna: World) -> None:
    """When a rule was made and ended the vault's versions say, which are verified."""
    unit = staff(anna, "nurse-vc").commission.unit.id
    rule = await anna.allow("anna", "unit", unit, Category.BLOOD_PRESSURE)
    anna.clock.move(minutes=5)
    await anna.read("nurse-vc", "anna")
    assert Signal.GRANT_BEFORE in rules(await seen(anna))
    anna.clock.move(minutes=5)
    await anna.revoke("anna", rule)
    assert Signal.GRANT_BEFORE in rules(await seen(anna))


async def test_an_old_grant_is_none(anna: World) -> None:
    """Read long after it was made."""
    unit = staff(anna, "nurse-vc").commission.unit.id
    await anna.allow("anna", "unit", unit, Category.BLOOD_PRESSURE)
    anna.clock.move(days=3)
    await anna.read("nurse-vc", "anna")
    assert Signal.GRANT_BEFORE not in rules(await seen(anna))


async def test_only_the_own_organisations_accesses_are_watched(anna: World) -> None:
    """A municipality's supervisor is pointed to nothing of a region's."""
    await opened(anna)
    found = await seen(anna, "supervisor-municipality")
    assert (found.signals, found.looked) == ((), 0)


@pytest.mark.parametrize("who", ["nurse-vc", "homecare"])
async def test_only_supervisors_are_pointed_to_anything(anna: World, who: str) -> None:
    """Care staff are refused."""
    with pytest.raises(Refused):
        await seen(anna, who)


@pytest.mark.parametrize("length", [timedelta(), timedelta(days=-1), timedelta(days=400)])
async def test_a_period_is_one(anna: World, length: timedelta) -> None:
    """It ends after it begins, within a year."""
    with pytest.raises(RuleError, match="until"):
        await watching.signals(anna.house, staff(anna, "supervisor-region"), START, START + length)


async def test_the_decoy_tells_nothing_of_one_who_has_no_vault(world: World) -> None:
    """All who have none lie together; nobody's name is at it."""
    await emergency.open_vault(world.house, staff(world, "nurse-vc"), world.alias("anna"), REASON)
    found = await seen(world)
    assert rules(found) <= {Signal.EMERGENCY, Signal.OFF_HOURS}
