"""The citizen's side of emergency access: what they are told, until when a notice stays, and a no in advance."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from app import demo
from audit.events import Activity
from consent.gate import Refused
from identity.principal import Citizen, Principal, Proxy, Staff
from policies.vocabulary import Category
from sharing import emergency, granting, openings
from sharing.openings import Told
from tests.world import World, pressure, weight
from vault.errors import NoKeyError

BP, WEIGHT = Category.BLOOD_PRESSURE, Category.BODY_WEIGHT
REASON = "Medvetslös på akuten, ingen anhörig nås"


async def opened(world: World, persona: str, who: str = "doctor-hospital") -> str:
    """Let somebody open a citizen's vault; return the opening's id."""
    staff = world.who(who)
    assert isinstance(staff, Staff)
    return (await emergency.open_vault(world.house, staff, world.alias(persona), REASON)).opening.id


async def told(world: World, persona: str, reader: Principal | None = None) -> tuple[Told, ...]:
    """Let a citizen, or who acts for them, look at who opened the vault."""
    return (await openings.told(world.house, reader or world.who(persona), world.alias(persona))).openings


async def unseen(world: World, persona: str, reader: Principal | None = None) -> list[str]:
    """Return the ids of the openings that somebody has not looked at."""
    found = await openings.unseen(world.house, reader or world.who(persona), world.alias(persona))
    return [one.subject for one in found]


def person(world: World, persona: str, for_: str | None = None) -> Citizen | Proxy:
    """Return a citizen, or a guardian of theirs."""
    found = world.who(persona, for_=for_)
    assert isinstance(found, Citizen | Proxy)
    return found


async def test_each_opening_is_told_with_what_was_read_under_it(world: World) -> None:
    """Also by a reading that came from another opening's maker, and not what was read by consent."""
    await world.enter("anna")
    await world.add("anna", "anna", pressure("121", "81"), weight("70.5"))
    await world.allow("anna", "unit", demo.HEALTH_CENTRE, WEIGHT)
    first = await opened(world, "anna")
    await world.read("doctor-hospital", "anna", BP, emergency=True)
    await world.read("nurse-vc", "anna", WEIGHT)
    world.clock.move(minutes=5)
    second = await opened(world, "anna", "nurse-vc")
    await world.read("nurse-vc", "anna", BP, WEIGHT, emergency=True)
    await world.read("nurse-vc", "anna", BP, WEIGHT, emergency=True)
    found = await told(world, "anna")
    assert [one.id for one in found] == [second, first]
    assert [one.opening.reason for one in found if one.opening] == [REASON, REASON]
    reads = [[(set(read.categories), read.counts["records"]) for read in one.reads] for one in found]
    assert reads == [[({BP, WEIGHT}, 2)] * 2, [({BP}, 1)]]
    assert all(read.activity is Activity.EMERGENCY for one in found for read in one.reads)


async def test_an_opening_whose_row_is_gone_is_told_by_the_log(world: World) -> None:
    """Whoever can write the database takes a reason away, and no opening."""
    await world.enter("anna")
    id_ = await opened(world, "anna")
    await world.house.database.write(
        lambda connection: connection.execute(text("DELETE FROM emergency_openings"))
    )
    (one,) = await told(world, "anna")
    assert (one.id, one.opening) == (id_, None)
    assert one.made is not None
    assert one.made.actor.unit_id == demo.HEART_CLINIC
    assert one.at == one.made.at


async def test_a_notice_stays_until_the_person_has_looked(world: World) -> None:
    """Each for themself: a guardian's look does not put out the child's notice; staff are told nothing."""
    await world.enter("elsa")
    elsa, karin = world.who("elsa"), world.who("karin", for_="elsa")
    assert await unseen(world, "elsa") == []
    first = await opened(world, "elsa")
    assert await unseen(world, "elsa", elsa) == await unseen(world, "elsa", karin) == [first]
    assert [one.id for one in await told(world, "elsa", karin)] == [first]
    assert await unseen(world, "elsa", karin) == []
    assert await unseen(world, "elsa", elsa) == [first]
    second = await opened(world, "elsa", "nurse-vc")
    assert await unseen(world, "elsa", karin) == [second]
    assert await unseen(world, "elsa", elsa) == [second, first]
    await told(world, "elsa", elsa)
    assert await unseen(world, "elsa", elsa) == []
    for ask in (told, unseen):
        with pytest.raises((Refused, TypeError)):
            await ask(world, "elsa", world.who("doctor-hospital"))


async def test_no_in_advance_is_said_and_taken_back(world: World) -> None:
    """Said, there is no key for emergencies; taken back, there is; both count from the next request."""
    await world.enter("anna")
    await world.add("anna", "anna", pressure("121", "81"))
    anna, alias, house = person(world, "anna"), world.alias("anna"), world.house
    await opened(world, "anna")
    assert len((await world.read("doctor-hospital", "anna", BP, emergency=True)).records) == 1
    await openings.say_no(house, anna, alias)
    await openings.say_no(house, anna, alias)
    rules = await granting.rules_of(house, anna, alias)
    assert len(openings.refusals(rules, world.clock())) == len(rules.rules) == 1
    assert (await openings.told(house, anna, alias)).has_said_no
    with pytest.raises((Refused, NoKeyError)):
        await world.read("doctor-hospital", "anna", BP, emergency=True)
    await openings.take_back(house, anna, alias)
    await openings.take_back(house, anna, alias)
    assert (await granting.rules_of(house, anna, alias)).rules == ()
    assert len((await world.read("doctor-hospital", "anna", BP, emergency=True)).records) == 1


async def test_only_a_whole_no_is_one(world: World) -> None:
    """A no to some, for a time, or to somebody else is not said to be one, and is not taken back with it."""
    await world.enter("anna")
    anna, alias = person(world, "anna"), world.alias("anna")
    later = (world.clock() + timedelta(days=9)).isoformat()
    await world.block("anna", "emergency", "", BP)
    await world.block("anna", "emergency", "", *Category, valid_to=later)
    await world.block("anna", "emergency", "", *Category, sources=["mine"])
    await world.block("anna", "network", "", *Category)
    rules = await granting.rules_of(world.house, anna, alias)
    assert openings.refusals(rules, world.clock()) == ()
    await openings.take_back(world.house, anna, alias)
    assert len((await granting.rules_of(world.house, anna, alias)).rules) == 4


async def test_a_guardian_neither_says_no_nor_takes_it_back(world: World) -> None:
    """SVOD 2:3: a guardian may not block a child's data."""
    await world.enter("elsa")
    karin = person(world, "karin", "elsa")
    with pytest.raises(Refused):
        await openings.say_no(world.house, karin, world.alias("elsa"))
    await openings.take_back(world.house, karin, world.alias("elsa"))
