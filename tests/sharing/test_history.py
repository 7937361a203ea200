"""Travel in time: who could see what on a day, and a past decision made again from its log entry."""

import contextlib
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest

from app import demo
from audit.errors import NoSuchEntryError
from audit.events import Actor, Decision, Event, EventKind
from consent.ages import start_of
from consent.gate import Refused
from consent.rules import Contact, Grantee, Lift
from identity.principal import Client, Principal, Staff
from policies.engine import INSTALLED, LAW_IN_FORCE, Policies
from policies.vocabulary import Category, GranteeKind
from sharing import again, granting, history, outlook
from sharing.again import Again, Unknown, decide_again
from sharing.granting import Wish
from sharing.history import Reach, State, Stretch
from sharing.house import House
from tests.world import World, pressure
from vault.errors import NoKeyError

BP, WEIGHT = Category.BLOOD_PRESSURE, Category.BODY_WEIGHT
VC, CLINIC = demo.HEALTH_CENTRE, demo.MEDICAL_CLINIC
DAY = date(2026, 3, 2)  # on which the tests' world begins, at ten o'clock Swedish time


async def could(
    world: World, day: date = DAY, *, category: Category = BP, of: str = "anna"
) -> dict[str, Reach]:
    """Return who could see a category of somebody's on a day, by node."""
    house = world.house
    found = await history.who_could(house, world.who(of), world.alias(of), category, day)
    return {one.node: one for one in found}


async def carry_out(world: World, wish: Wish) -> None:
    """Change Anna's rules."""
    await granting.carry_out(world.house, world.who("anna"), world.alias("anna"), wish)


class TestWhoCould:
    """By day, and why."""

    async def test_who_had_a_rule_that_day_could(self, world: World) -> None:
        """From the day that it was made to the day that it was revoked, both included, and no other."""
        await world.enter("anna")
        world.clock.move(days=1)
        rule = await world.allow("anna", "unit", VC, BP)
        world.clock.move(days=2)
        await world.revoke("anna", rule)
        days = [DAY + timedelta(days=n) for n in range(-1, 6)]
        found = [(await could(world, day)).get(f"unit:{VC}") for day in days]
        assert [one is not None for one in found] == [False, False, True, True, True, False, False]
        assert all(one is None or (one.allows, one.could) == ((rule,), True) for one in found)
        assert not await could(world, DAY + timedelta(days=1), category=WEIGHT)

    async def test_block_that_stood_against_it_is_told(self, world: World) -> None:
        """A whole one for the whole day; where it was laid aside for an hour, they could."""
        await world.enter("anna")
        allowed = await world.allow("anna", "unit", VC, BP)
        world.clock.move(days=1)
        blocked = await world.block("anna", "provider", demo.REGION_EXEMPEL_CARE, BP)
        world.clock.move(days=1)
        found = (await could(world, DAY + timedelta(days=2)))[f"unit:{VC}"]
        assert found.name == world.house.directory().node_name(f"unit:{VC}")
        day = (start_of(DAY + timedelta(days=2)), start_of(DAY + timedelta(days=3)))
        assert found.stretches == (Stretch(*day, (allowed,), (blocked,), could=False),)
        rule = next(one for one in world.load("anna").rules.rules if one.id == blocked)
        lift = Lift(world.clock() + timedelta(hours=1))
        await carry_out(world, granting.to_lift(rule, lift, world.clock()))
        found = (await could(world, DAY + timedelta(days=2)))[f"unit:{VC}"]
        turns = (day[0], world.clock(), lift.until, day[1])
        assert [(one.since, one.until) for one in found.stretches] == list(pairwise(turns))
        assert [one.could for one in found.stretches] == [False, True, False]
        assert [one.blocks for one in found.stretches] == [(blocked,), (), (blocked,)]
        assert not (await could(world, DAY + timedelta(days=3)))[f"unit:{VC}"].could

    async def test_hour_within_the_day_counts(self, world: World) -> None:
        """Rules begin and end within days."""
        await world.enter("anna")
        begin = world.clock() + timedelta(hours=2)
        await world.allow(
            "anna",
            "unit",
            VC,
            BP,
            valid_from=begin.isoformat(),
            valid_to=(begin + timedelta(hours=1)).isoformat(),
        )
        found = await could(world)
        assert set(found) == {f"unit:{VC}"}
        (one,) = found[f"unit:{VC}"].stretches
        assert (one.since, one.until) == (begin, begin + timedelta(hours=1))
        assert not await could(world, DAY + timedelta(days=1))

    async def test_today_is_what_who_sees_tells(self, world: World) -> None:
        """One computation: at this moment of the day stand just those, and for the same rules."""
        await world.enter("anna")
        nurse = world.who("nurse-vc")
        assert isinstance(nurse, Staff)
        await world.allow("anna", "region", demo.REGION_EXEMPEL, BP)
        await world.allow("anna", "role", f"{VC}/{nurse.title}", BP, WEIGHT)
        await world.block("anna", "unit", CLINIC, BP)
        await world.block("anna", "person", nurse.id, BP, data_to=DAY.isoformat())
        now = await outlook.who_sees(world.house, world.who("anna"), world.alias("anna"), BP)
        told = await history.who_could(world.house, world.who("anna"), world.alias("anna"), BP, DAY)
        at = world.clock()
        then = [
            (one.node, one.people, stretch.allows)
            for one in told
            for stretch in one.stretches
            if stretch.could and stretch.since <= at < stretch.until
        ]
        assert len({node for node, _, _ in then}) > 1
        assert sorted(then) == sorted((one.node, one.people, one.rules) for one in now)

    async def test_network_is_the_contacts_of_that_day(self, world: World) -> None:
        """And role and person by the units they stand under; nobody while sharing is paused."""
        await world.enter("anna")
        await world.allow("anna", "network", "", BP)
        assert not await could(world)
        world.clock.move(days=1)
        listed = Contact(Grantee(GranteeKind.UNIT, CLINIC), "fast vårdkontakt", world.clock())
        await carry_out(world, granting.to_list(listed))
        nurse = world.who("nurse-vc")
        assert isinstance(nurse, Staff)
        role = f"{VC}/{nurse.title}"
        await world.allow("anna", "role", role, BP)
        await world.allow("anna", "person", nurse.id, BP)
        tomorrow = DAY + timedelta(days=1)
        assert set(await could(world, tomorrow)) == {f"unit:{CLINIC}", f"unit:{VC}"}
        blocked = await world.block("anna", "unit", VC, BP)
        world.clock.move(days=1)
        found = await could(world, DAY + timedelta(days=2))
        assert {node: one.could for node, one in found.items()} == {
            f"unit:{CLINIC}": True,
            f"unit:{VC}": False,
        }
        assert found[f"unit:{VC}"].blocks == (blocked,)
        await carry_out(world, granting.to_pause(world.clock()))
        assert set(await could(world, DAY + timedelta(days=2))) == set(found)
        assert not await could(world, DAY + timedelta(days=3))

    async def test_guardian_needs_no_rule(self, world: World) -> None:
        """Until the child is thirteen."""
        await world.enter("elsa")
        house, karin = world.house, world.who("karin", for_="elsa")
        found = await history.who_could(house, karin, world.alias("elsa"), BP, DAY)
        assert [(one.node, one.by_law) for one in found] == [(f"proxy:{world.alias('karin').hex()}", True)]
        assert found[0].could
        assert not await history.who_could(house, karin, world.alias("elsa"), BP, date(2036, 1, 1))

    async def test_only_who_manages_the_rules_may_ask(self, world: World) -> None:
        """And each asking is in the log."""
        await world.enter("anna")
        house, nurse = world.house, world.who("nurse-vc")
        with pytest.raises(Refused):
            await history.who_could(house, nurse, world.alias("anna"), BP, DAY)
        with pytest.raises(Refused):
            await history.of_rules(house, nurse, world.alias("anna"))
        before = len(entries(world))
        await could(world)
        assert [(one.kind, one.subject) for one in entries(world)[before:]] == [(EventKind.READ, "rules")]


async def test_history_tells_what_each_version_changed(world: World) -> None:
    """By the ids of rules; the newest first."""
    await world.enter("anna")
    first = await world.allow("anna", "unit", VC, BP)
    second = await world.block("anna", "unit", CLINIC, BP)
    rule = next(one for one in world.load("anna").rules.rules if one.id == second)
    await carry_out(world, granting.to_lift(rule, Lift(world.clock() + timedelta(days=1)), world.clock()))
    await carry_out(world, granting.to_list(Contact(Grantee(GranteeKind.UNIT, VC), "", world.clock())))
    await carry_out(world, granting.to_pause(world.clock()))
    await world.revoke("anna", first)
    found = await history.of_rules(world.house, world.who("anna"), world.alias("anna"))
    told = [(one.number, one.added, one.removed, one.changed, one.contacts, one.paused) for one in found]
    assert told == [
        (7, (), (first,), (), False, True),
        (6, (), (), (), False, True),
        (5, (), (), (), True, False),
        (4, (), (), (second,), False, False),
        (3, (second,), (), (), False, False),
        (2, (first,), (), (), False, False),
        (1, (), (), (), False, False),
    ]
    assert all(one.since is not None for one in found)


async def test_life_of_a_rule_is_what_changed_it(world: World) -> None:
    """Made, laid aside, ended: versions that other rules made are not among them."""
    await world.enter("anna")
    blocked = await world.block("anna", "unit", CLINIC, BP)
    rule = next(one for one in world.load("anna").rules.rules if one.id == blocked)
    await world.allow("anna", "unit", VC, BP)
    world.clock.move(hours=1)
    lift = Lift(world.clock() + timedelta(days=1))
    await carry_out(world, granting.to_lift(rule, lift, world.clock()))
    await world.revoke("anna", blocked)
    found = await history.of_rule(world.house, world.who("anna"), world.alias("anna"), blocked)
    at = world.clock()
    assert found == (
        State(2, at - timedelta(hours=1), rule),
        State(4, at, replace(rule, lifts=(lift,))),
        State(5, at, None),
    )
    with pytest.raises(granting.NoSuchRuleError):
        await history.of_rule(world.house, world.who("anna"), world.alias("anna"), "0" * 32)
    with pytest.raises(Refused):
        await history.of_rule(world.house, world.who("nurse-vc"), world.alias("anna"), blocked)


# --- decisions made again


def entries(world: World) -> list[Event]:
    """Return what stands in Anna's log, the oldest first."""
    world.seal_log()
    found = world.house.log.entries_of_vault(world.vault("anna"), before_seq=None, limit=1000)
    return [one.event for one in reversed(found) if one.event is not None]


async def newest(world: World, kind: EventKind) -> tuple[Event | None, Again | Unknown]:
    """Decide the newest entry of a kind again."""
    world.seal_log()
    found = world.house.log.entries_of_vault(world.vault("anna"), before_seq=None, limit=1000)
    entry = next(one for one in found if one.event is not None and one.event.kind is kind)
    return await decide_again(world.house, world.who("anna"), world.alias("anna"), entry.id)


async def tried(world: World, who: str | Principal, *categories: Category, **query: Any) -> None:
    """Read, whatever comes of it."""
    with contextlib.suppress(Refused, NoKeyError):
        await world.read(who, "anna", *categories, **query)


class TestAgain:
    """A decision comes out as it was logged, whatever the rules are now."""

    async def test_permit_is_made_again_after_the_rule_is_gone(self, world: World) -> None:
        """By the version of then; the rule that gave it is shown as it was."""
        await world.enter("anna")
        await world.add("anna", "anna", pressure("121", "81"))
        rule = await world.allow("anna", "unit", VC, BP)
        await world.read("nurse-vc", "anna", BP)
        world.clock.move(days=3)
        await world.revoke("anna", rule)
        event, made = await newest_of_staff(world)
        assert isinstance(made, Again)
        assert made.agrees
        assert (made.made.decision, made.made.rules, made.version) == (Decision.PERMIT, (rule,), 2)
        assert [one.id for one in made.rules] == [rule]
        assert event is not None
        assert event.rules_version == 2

    @pytest.mark.parametrize("categories", [(BP,), (BP, WEIGHT), ()])
    async def test_refusal_is_made_again(self, world: World, categories: tuple[Category, ...]) -> None:
        """For no consent, and for a block, which is named."""
        await world.enter("anna")
        await tried(world, "nurse-vc", *categories)
        _, made = await newest_of_staff(world)
        assert isinstance(made, Again)
        assert (made.agrees, made.made.decision, made.rules) == (True, Decision.REFUSE, ())
        await world.allow("anna", "unit", VC, BP)
        blocked = await world.block("anna", "network", "", BP, WEIGHT)
        await tried(world, "nurse-vc", *categories)
        await world.revoke("anna", blocked)
        _, made = await newest_of_staff(world)
        assert isinstance(made, Again)
        assert (made.agrees, made.made.decision) == (True, Decision.REFUSE)

    async def test_adding_viewing_and_the_owners_own_come_out_too(self, world: World) -> None:
        """Whoever asked, and for whatever of it."""
        await world.enter("anna")
        await world.allow("anna", "unit", VC, BP, actions=["add"])
        await world.allow("anna", "client", "client-meter", WEIGHT, actions=["add"])
        await world.add("nurse-vc", "anna", pressure("121", "81"))
        client = world.who("client-meter")
        assert isinstance(client, Client)
        with pytest.raises(Refused):
            await world.add(client, "anna", pressure("121", "81"))
        await world.read("anna", "anna", BP)
        for entry in log_of(world):
            event = entry.event
            if event is None or not event.categories or event.kind not in {EventKind.READ, EventKind.ADD}:
                continue
            _, made = await decide_again(world.house, world.who("anna"), world.alias("anna"), entry.id)
            assert isinstance(made, Again), event
            assert made.agrees, (event, made)

    async def test_what_is_no_decision_about_records_is_told_so(self, world: World) -> None:
        """A change of rules, a look at the log."""
        await world.enter("anna")
        await world.allow("anna", "unit", VC, BP)
        _, made = await newest(world, EventKind.GRANT)
        assert made is Unknown.OTHER_MATTER

    async def test_other_policies_are_not_guessed_at(self, world: World) -> None:
        """The law of then is not at hand."""
        await world.enter("anna")
        await tried(world, "nurse-vc", BP)
        others = Policies.load(INSTALLED, {**LAW_IN_FORCE, "emergency": "day"})
        house = replace(world.house, gate=replace(world.house.gate, policies=others))
        _, made = await newest_of_staff(world, house)
        assert made is Unknown.OTHER_POLICIES

    async def test_disagreement_is_told(self, world: World) -> None:
        """Were a log to say what the rules of the time did not."""
        await world.enter("anna")
        await tried(world, "nurse-vc", BP)
        event = next(one for one in reversed(entries(world)) if one.kind is EventKind.READ)
        forged = Event(
            kind=event.kind,
            activity=event.activity,
            at=event.at,
            actor=event.actor,
            vault=event.vault,
            purpose=event.purpose,
            categories=event.categories,
            rules_version=event.rules_version,
            policy_hash=event.policy_hash,
        )
        loaded, house = world.load("anna"), world.house
        made = again._again(
            forged, world.who("nurse-vc"), house.subject(loaded), loaded.rules, house.gate.policies
        )
        assert isinstance(made, Again)
        assert (made.agrees, made.logged.decision, made.made.decision) == (
            False,
            Decision.PERMIT,
            Decision.REFUSE,
        )

    def test_actor_without_facts_is_nobody(self, world: World) -> None:
        """What an entry does not tell of who asked is not made up."""
        directory = world.house.directory()
        for persona in ("nurse-vc", "client-meter", "anna"):
            assert again._principal(Actor.of(world.who(persona)), directory) is not None
        nurse = Actor.of(world.who("nurse-vc"))
        for missing in ("right", "purpose", "authority_kind", "provider_kind"):
            fields = {name: getattr(nurse, name) for name in nurse.__struct_fields__} | {missing: ""}
            assert again._principal(Actor(**fields), directory) is None

    async def test_only_who_reads_the_log_may_ask(self, world: World) -> None:
        """Nobody else, and of no other vault's entries."""
        await world.enter("anna", "bo")
        await tried(world, "nurse-vc", BP)
        entry = next(one for one in log_of(world) if one.event and one.event.kind is EventKind.READ)
        with pytest.raises(Refused):
            await decide_again(world.house, world.who("nurse-vc"), world.alias("anna"), entry.id)
        with pytest.raises(NoSuchEntryError):
            await decide_again(world.house, world.who("bo"), world.alias("bo"), entry.id)


def log_of(world: World) -> list[Any]:
    """Return Anna's entries, the newest first."""
    world.seal_log()
    return world.house.log.entries_of_vault(world.vault("anna"), before_seq=None, limit=1000)


async def newest_of_staff(world: World, house: House | None = None) -> tuple[Event | None, Again | Unknown]:
    """Decide the newest read by staff again."""
    entry = next(
        one
        for one in log_of(world)
        if one.event is not None and one.event.kind is EventKind.READ and one.event.actor.unit_id
    )
    return await decide_again(house or world.house, world.who("anna"), world.alias("anna"), entry.id)
