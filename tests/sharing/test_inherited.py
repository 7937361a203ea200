"""Guardians, and the day a child is 13: whose rules they are, who ends them, what the young person says of each."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from app import demo
from consent.gate import Refused
from consent.parse import parse_rule
from identity.principal import Citizen, Principal, Proxy, Relation
from policies.vocabulary import Category
from sharing import granting, inherited, searching
from sharing.granting import NoSuchRuleError
from tests.world import START, World, pressure

BP, VC = Category.BLOOD_PRESSURE, demo.HEALTH_CENTRE
THIRTEEN = datetime(2030, 5, 13, tzinfo=ZoneInfo("Europe/Stockholm")).astimezone(UTC)


def guardian(world: World, persona: str = "karin") -> Principal:
    """Return somebody as Elsa's guardian."""
    match world.who(persona), world.who("elsa"):
        case Citizen(person), Citizen(child):
            return Proxy(person, child, Relation.GUARDIAN)
        case other:
            raise TypeError(other)


async def decide(world: World, by: str = "karin") -> str:
    """Let the health centre read Elsa's blood pressure, as her guardian; return the rule's id."""
    posted = {
        "effect": "allow",
        "grantee": {"kind": "unit", "id": VC},
        "actions": ["read"],
        "categories": [BP],
    }
    rule = parse_rule(posted, id=granting.new_rule_id(), author=world.alias(by).hex(), created=world.clock())
    await granting.grant(world.house, guardian(world, by), world.alias("elsa"), rule)
    return rule.id


async def grown(world: World) -> str:
    """Let Elsa become 13 with a rule of her guardian's."""
    await world.enter("elsa", "karin")
    await world.add(guardian(world), "elsa", pressure("100", "60"))
    rule_id = await decide(world)
    world.clock.now = THIRTEEN
    return rule_id


async def waits(world: World) -> bool:
    """Tell whether Elsa has something to answer for."""
    return await inherited.waiting(world.house, world.who("elsa"), world.alias("elsa"))


async def test_what_a_guardian_decided_goes_on_until_it_is_answered_for(world: World) -> None:
    """Care does not stop with a birthday; the guardian's own access does."""
    rule_id = await grown(world)
    assert len((await world.read("nurse-vc", "elsa", BP)).records) == 1
    with pytest.raises(Refused):
        await world.read(guardian(world), "elsa", BP)
    with pytest.raises(Refused):
        await granting.revoke(world.house, guardian(world), world.alias("elsa"), rule_id)
    assert await waits(world)
    found = await inherited.rules_of(world.house, world.who("elsa"), world.alias("elsa"))
    assert [one.id for one in found] == [rule_id]


async def test_what_is_kept_is_the_young_persons_own_and_is_not_asked_about_again(world: World) -> None:
    """It says when, and stays as it was."""
    rule_id = await grown(world)
    await inherited.keep(world.house, world.who("elsa"), world.alias("elsa"), rule_id)
    (rule,) = world.load("elsa").rules.rules
    assert rule.confirmed == THIRTEEN
    assert not await waits(world)
    assert len((await world.read("nurse-vc", "elsa", BP)).records) == 1
    with pytest.raises(NoSuchRuleError):
        await inherited.keep(world.house, world.who("elsa"), world.alias("elsa"), rule_id)


async def test_what_is_ended_is_ended(world: World) -> None:
    """As any rule."""
    rule_id = await grown(world)
    await world.revoke("elsa", rule_id)
    assert not await waits(world)
    with pytest.raises(Refused):
        await world.read("nurse-vc", "elsa", BP)


async def test_nobody_answers_for_the_young_person_and_not_before_the_day(world: World) -> None:
    """Neither guardian nor child before it, nor the guardian after; and the guardian confirms nothing of their own."""
    await world.enter("elsa", "karin")
    rule_id = await decide(world)
    alias = world.alias("elsa")
    assert not await waits(world)
    with pytest.raises(Refused):
        await inherited.keep(world.house, world.who("elsa"), alias, rule_id)
    with pytest.raises(NoSuchRuleError):
        await inherited.keep(world.house, guardian(world), alias, rule_id)
    world.clock.now = THIRTEEN - timedelta(seconds=1)
    assert not await waits(world)
    world.clock.now = THIRTEEN
    with pytest.raises(Refused):
        await inherited.keep(world.house, guardian(world), alias, rule_id)


async def test_the_young_persons_own_rules_are_not_asked_about(world: World) -> None:
    """Nor those of an adult, whoever made them for them."""
    await world.enter("elsa", "anna")
    world.clock.now = THIRTEEN
    await world.allow("elsa", "unit", VC, BP)
    assert not await waits(world)
    await world.allow("anna", "unit", VC, BP)
    assert not await inherited.waiting(world.house, world.who("anna"), world.alias("anna"))


async def test_two_guardians_see_each_others_acts_and_either_ends_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Domain: two guardians see each other's acts, either may end one; and neither blocks."""
    monkeypatch.setattr(demo, "_GUARDIANS", {"elsa": ("karin", "bo")})
    world.valv = replace(world.valv, population=demo.population())
    await world.enter("elsa", "karin", "bo")
    await world.add(guardian(world), "elsa", pressure("100", "60"))
    rule_id, alias = await decide(world, "karin"), world.alias("elsa")
    seen = await granting.rules_of(world.house, guardian(world, "bo"), alias)
    assert [(one.id, one.author) for one in seen.rules] == [(rule_id, world.alias("karin").hex())]
    log = await searching.of_vault(world.house, guardian(world, "bo"), alias, keep=lambda _: True)
    assert "Karin Testlund" in {one.actor.name for one in log.accesses}
    await granting.revoke(world.house, guardian(world, "bo"), alias, rule_id)
    assert world.load("elsa").rules.rules == ()
    with pytest.raises(Refused):
        await world.read("nurse-vc", "elsa", BP)
    (rule,) = (replace(one, id=granting.new_rule_id()) for one in seen.rules)
    block = granting.to_grant(replace(rule, effect=type(rule.effect)("block")))
    with pytest.raises(Refused):
        await granting.carry_out(world.house, guardian(world, "bo"), alias, block)


async def test_a_protected_identity_shuts_the_guardian_out(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By policy, and by key: no wrap is made for them."""
    monkeypatch.setattr(demo, "_PROTECTED", frozenset({"elsa"}))
    world.valv = replace(world.valv, population=demo.population())
    await world.enter("elsa", "karin")
    await world.add("elsa", "elsa", pressure("100", "60"), replace(pressure("1", "1"), start=START))
    karin, alias = guardian(world), world.alias("elsa")
    for deed in (
        world.read(karin, "elsa", BP),
        world.add(karin, "elsa", pressure("101", "61")),
        granting.rules_of(world.house, karin, alias),
        searching.of_vault(world.house, karin, alias, keep=lambda _: True),
    ):
        with pytest.raises(Refused):
            await deed
    node = f"proxy:{world.vault('elsa').hex()}:{world.alias('karin').hex()}"
    assert world.recipients("elsa", BP, (node,)) == set()
