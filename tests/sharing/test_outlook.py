"""Who would gain and lose what: told before, and so it is afterwards."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app import demo
from audit.events import EventKind
from consent.gate import Refused
from consent.parse import parse_rule
from consent.rules import Contact, Grantee, Rule
from keys.primitives import KeysError
from policies.vocabulary import Action, Category, GranteeKind
from sharing import accesses, granting, outlook, seeing
from sharing.granting import Wish
from sharing.outlook import Count, Difference, Step
from tests.world import START, World, pressure, weight
from vault.errors import NoKeyError

BP, WEIGHT = Category.BLOOD_PRESSURE, Category.BODY_WEIGHT
VC, HOME = demo.HEALTH_CENTRE, demo.HOME_CARE
UNIT = Grantee(GranteeKind.UNIT, VC)
READ, ADD = Action.READ, Action.ADD


async def entered(world: World) -> None:
    """Give Anna two blood pressures and a weight."""
    await world.enter("anna")
    old = pressure("122", "82", START - timedelta(days=40))
    await world.add("anna", "anna", pressure("121", "81"), old, weight("70.5"))


def rule(world: World, kind: str, to: str, *categories: Category, **terms: Any) -> Rule:
    """Return a rule as Anna would post it."""
    raw = {
        "effect": "allow",
        "grantee": {"kind": kind, "id": to},
        "actions": ["read"],
        "categories": list(categories),
        **terms,
    }
    return parse_rule(raw, id=granting.new_rule_id(), author=world.alias("anna").hex(), created=world.clock())


async def told(world: World, wish: Wish) -> tuple[Difference, ...]:
    """Return what Anna is told of a change."""
    return await outlook.preview(world.house, world.who("anna"), world.alias("anna"), wish)


async def done(world: World, wish: Wish) -> None:
    """Make it so."""
    await granting.carry_out(world.house, world.who("anna"), world.alias("anna"), wish)


class TestPreview:
    """Exactly what a new, changed or revoked rule does."""

    async def test_a_grant_names_the_unit_its_people_and_the_records(self, world: World) -> None:
        """How many people of which unit see how much of what."""
        await entered(world)
        (change,) = await told(world, granting.to_grant(rule(world, "unit", VC, BP, actions=["read", "add"])))
        people = {
            member.id
            for member in world.house.directory().members.values()
            if any(one.unit.id == VC and one.right == "care" for one in member.commissions)
        }
        assert (change.node, change.people) == (f"unit:{VC}", len(people))
        assert change.gains == (Step(READ, BP, Count(0, 2, 2, 0)), Step(ADD, BP))
        assert change.loses == ()

    async def test_nothing_is_saved_and_what_is_read_is_logged(self, world: World) -> None:
        """A look ahead changes nothing, and is no way round the log."""
        await entered(world)
        before = world.load("anna").head
        await told(world, granting.to_grant(rule(world, "unit", VC, BP)))
        assert world.load("anna").rules.rules == ()
        assert world.load("anna").head.rules_version == before.rules_version
        page = await accesses.mine(world.house, world.who("anna"), world.alias("anna"))
        kinds = [one.event.kind for one in page.entries if one.event is not None]
        assert kinds.count(EventKind.READ) == 2  # of the rules, and of what was counted

    @pytest.mark.parametrize(
        ("terms", "count"),
        [
            ({"data_from": START.date().isoformat()}, Count(0, 1, 1, 0)),
            ({"sources": ["mine"]}, Count(0, 2, 2, 0)),
            ({"sources": ["device"]}, Count(0, 0, 0, 0)),
            ({"codes": ["nothing"]}, Count(0, 0, 0, 0)),
        ],
    )
    async def test_finer_terms_count_what_they_leave(
        self, world: World, terms: dict[str, Any], count: Count
    ) -> None:
        """By day from summaries, by source from records."""
        await entered(world)
        (change,) = await told(world, granting.to_grant(rule(world, "unit", VC, BP, **terms)))
        assert change.gains == (Step(READ, BP, count),)

    async def test_a_narrowed_rule_loses_what_it_no_longer_opens(self, world: World) -> None:
        """The same id again: the old terms give way."""
        await entered(world)
        wide = rule(world, "unit", VC, BP, WEIGHT)
        await done(world, granting.to_grant(wide))
        raw = {"data_from": START.date().isoformat()}
        narrow = rule(world, "unit", VC, BP, **raw)
        (change,) = await told(world, granting.to_grant(replace(narrow, id=wide.id), instead_of=wide))
        assert change.gains == ()
        assert change.loses == (Step(READ, BP, Count(2, 1, 0, 1)), Step(READ, WEIGHT, Count(1, 0, 0, 1)))

    async def test_another_rule_that_says_the_same_makes_no_difference(self, world: World) -> None:
        """Against live rules: what stands elsewhere is not gained again, nor lost by revoking one of two."""
        await entered(world)
        first = rule(world, "region", demo.REGION_EXEMPEL, BP)
        second = rule(world, "unit", VC, BP)
        await done(world, granting.to_grant(first))
        assert await told(world, granting.to_grant(second)) == ()
        await done(world, granting.to_grant(second))
        assert await told(world, granting.to_revoke(second)) == ()
        nodes = {one.node for one in await told(world, granting.to_revoke(first))}
        assert f"unit:{VC}" not in nodes
        assert nodes

    async def test_a_grant_to_a_provider_reaches_each_of_its_units(self, world: World) -> None:
        """Also one of which the directory names no staff: whoever comes to work there."""
        await entered(world)
        found = await told(world, granting.to_grant(rule(world, "region", demo.REGION_EXEMPEL, BP)))
        directory = world.house.directory()
        region = f"region:{demo.REGION_EXEMPEL}"
        units = {f"unit:{one.id}" for one in directory.units.values() if region in one.nodes()}
        assert {one.node for one in found} == units
        assert any(one.people == 0 for one in found)

    async def test_a_block_takes_from_all_whom_it_reaches_but_those_it_spares(self, world: World) -> None:
        """A block never gives anything."""
        await entered(world)
        for unit in (VC, HOME):
            await done(world, granting.to_grant(rule(world, "unit", unit, BP)))
        block = rule(world, "network", "", BP, effect="block", spares=[{"kind": "unit", "id": VC}])
        (change,) = await told(world, granting.to_grant(block))
        assert (change.node, change.gains) == (f"unit:{HOME}", ())
        assert change.loses == (Step(READ, BP, Count(2, 0, 0, 2)),)

    async def test_pause_and_contacts_are_told_alike(self, world: World) -> None:
        """One computation for every change of what decides."""
        await entered(world)
        await done(world, granting.to_grant(rule(world, "network", "", BP)))
        listed = granting.to_list(Contact(UNIT, "", START))
        (change,) = await told(world, listed)
        assert (change.node, change.gains) == (f"unit:{VC}", (Step(READ, BP, Count(0, 2, 2, 0)),))
        await done(world, listed)
        (change,) = await told(world, granting.to_pause(START))
        assert change.loses == (Step(READ, BP, Count(2, 0, 0, 2)),)

    async def test_a_rule_that_begins_later_is_looked_at_as_of_then(self, world: World) -> None:
        """Nothing happens today, and the page says what will."""
        await entered(world)
        later = rule(world, "unit", VC, BP, valid_from=(START + timedelta(days=9)).isoformat())
        (change,) = await told(world, granting.to_grant(later))
        assert change.gains == (Step(READ, BP, Count(0, 2, 2, 0)),)

    async def test_what_is_told_is_what_comes(self, world: World) -> None:
        """The nurse then reads exactly the counted records."""
        await entered(world)
        wish = granting.to_grant(rule(world, "unit", VC, BP, data_from=START.date().isoformat()))
        (change,) = await told(world, wish)
        await done(world, wish)
        read = await world.read("nurse-vc", "anna", BP)
        assert change.gains[0].count == Count(0, len(read.records), len(read.records), 0)

    @pytest.mark.parametrize("who", ["bo", "nurse-vc"])
    async def test_nobody_else_is_told(self, world: World, who: str) -> None:
        """Who shares with whom is the citizen's matter."""
        await entered(world)
        await world.enter("bo")
        alias = world.alias("anna")
        for asked in (
            outlook.preview(world.house, world.who(who), alias, granting.to_pause(START)),
            outlook.who_sees(world.house, world.who(who), alias, BP),
            seeing.see_as(world.house, world.who(who), alias, VC),
        ):
            with pytest.raises((Refused, NoKeyError, KeysError)):
                await asked


class TestNow:
    """Who can see this, and what a unit sees."""

    async def test_who_sees_a_category_and_by_which_rule(self, world: World) -> None:
        """Units, people, actions, rules."""
        await entered(world)
        one = await world.allow("anna", "unit", VC, BP, actions=["read", "add"])
        other = await world.allow("anna", "unit", HOME, BP, actions=["add"])
        found = await outlook.who_sees(world.house, world.who("anna"), world.alias("anna"), BP)
        assert {(seer.node, seer.action, seer.rules) for seer in found} == {
            (f"unit:{VC}", READ, (one,)),
            (f"unit:{VC}", ADD, (one,)),
            (f"unit:{HOME}", ADD, (other,)),
        }
        assert await outlook.who_sees(world.house, world.who("anna"), world.alias("anna"), WEIGHT) == ()

    async def test_who_sees_one_record(self, world: World) -> None:
        """The rule's finer terms decide for the record that is asked about."""
        await entered(world)
        old, new = (await world.read("anna", "anna", BP)).records
        rule_id = await world.allow("anna", "unit", VC, BP, data_from=START.date().isoformat())
        anna, alias = world.who("anna"), world.alias("anna")
        (seer,) = await outlook.who_sees(world.house, anna, alias, BP, record=new)
        assert (seer.node, seer.rules) == (f"unit:{VC}", (rule_id,))
        assert await outlook.who_sees(world.house, anna, alias, BP, record=old) == ()

    async def test_see_as_a_unit(self, world: World) -> None:
        """Of everything there is, how much is theirs."""
        await entered(world)
        await world.allow("anna", "unit", VC, BP, data_from=START.date().isoformat())
        found = await seeing.see_as(world.house, world.who("anna"), world.alias("anna"), VC)
        assert {name: (count.before, count.after) for name, count in found.items() if count.before} == {
            BP: (2, 1),
            WEIGHT: (1, 0),
        }
