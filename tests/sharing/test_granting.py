"""What a citizen can say beside who may see which category, as whoever reads and adds meets it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app import demo
from consent.gate import NextStep, Refused
from consent.parse import parse_rule
from consent.rules import Contact, Grantee, Lift, RuleError
from identity.principal import Citizen, Principal, Proxy, Relation
from policies.vocabulary import Action, Category, GranteeKind
from sharing import granting, history, outlook, paging, reading, receipts, seeing, summing
from sharing.granting import NoSuchRuleError, Wish
from sharing.house import author_of
from sharing.paging import Wish as PageWish
from sharing.reading import Query
from tests.world import START, World, pressure, weight
from vault.errors import NoKeyError
from vault.record import Record

BP, WEIGHT = Category.BLOOD_PRESSURE, Category.BODY_WEIGHT
VC = demo.HEALTH_CENTRE
UNIT = Grantee(GranteeKind.UNIT, VC)
_READ = frozenset({Action.READ})


async def entered(world: World) -> None:
    """Give Anna two blood pressures of her own, and one that the nurse took."""
    await world.enter("anna")
    await world.add("anna", "anna", pressure("121", "81"), pressure("122", "82", START - timedelta(days=40)))
    rule = await world.allow("anna", "unit", VC, BP, actions=["add"])
    await world.add("nurse-vc", "anna", by_the_nurse(world))
    await world.revoke("anna", rule)


def by_the_nurse(world: World) -> Record:
    """Return a blood pressure with the nurse as its author."""
    taken = pressure("150", "95", START - timedelta(days=1))
    author = author_of(world.who("nurse-vc"))
    return replace(taken, provenance=replace(taken.provenance, author=author))


async def seen(world: World, who: str = "nurse-vc", *, category: Category = BP) -> list[str]:
    """Return the upper pressures that somebody reads, or nothing where it is refused."""
    try:
        found = await world.read(who, "anna", category)
    except (Refused, NoKeyError):
        return []
    return [str(one.components[0].quantity.value) for one in found.records if one.components[0].quantity]


async def carry_out(world: World, wish: Wish, *, by: str = "anna") -> None:
    """Change Anna's rules."""
    await granting.carry_out(world.house, world.who(by), world.alias("anna"), wish)


class TestWhat:
    """Single records, and where they come from."""

    async def test_one_record_alone(self, world: World) -> None:
        """What is shown is the one, in its list, by its id, and in its sums."""
        await entered(world)
        one, other, _ = (await world.read("anna", "anna", BP)).records
        await world.allow("anna", "unit", VC, BP, records=[one.id])
        assert await seen(world) == ["122"]
        nurse, alias = world.who("nurse-vc"), world.alias("anna")
        for record, there in ((one, True), (other, False)):
            query = Query((BP,), month=record.month)
            found = await reading.find(world.house, nurse, alias, query, record.fingerprint)
            assert (found is not None) is there
        page = await paging.page(world.house, nurse, alias, Query((BP,)), PageWish(10))
        assert (len(page.columns), page.total) == (1, 1)
        sums = await summing.daily(world.house, nurse, alias, Query((BP,)))
        assert {int(day.count.sum()) for day in sums} == {1}

    @pytest.mark.parametrize(
        ("sources", "expected"),
        [
            (["mine"], ["122", "121"]),
            (["device"], []),
            ([f"provider:{demo.REGION_EXEMPEL_CARE}"], ["150"]),
            ([f"unit:{VC}", "mine"], ["122", "150", "121"]),
            ([f"unit:{demo.HOME_CARE}"], []),
        ],
    )
    async def test_by_source(self, world: World, sources: list[str], expected: list[str]) -> None:
        """Mine, a meter's, a provider's; the total and the sums say the same as the records."""
        await entered(world)
        await world.allow("anna", "unit", VC, BP, sources=sources)
        assert await seen(world) == expected
        nurse, alias = world.who("nurse-vc"), world.alias("anna")
        page = await paging.page(world.house, nurse, alias, Query((BP,)), PageWish(1))
        assert page.total == len(expected)
        sums = await summing.daily(world.house, nurse, alias, Query((BP,)))
        assert sum(int(one.count.sum()) for one in sums if one.code == "8480-6") == len(expected)

    async def test_a_block_of_a_providers_data_spares_their_own(self, world: World) -> None:
        """An outer block, as the national contract has it: what a provider wrote, to all but that provider."""
        await entered(world)
        for unit in (VC, demo.HOME_CARE):
            await world.allow("anna", "unit", unit, BP)
        await world.block(
            "anna",
            "network",
            "",
            BP,
            sources=[f"provider:{demo.REGION_EXEMPEL_CARE}"],
            spares=[{"kind": "provider", "id": demo.REGION_EXEMPEL_CARE}],
        )
        assert await seen(world) == ["122", "150", "121"]
        assert await seen(world, "homecare") == ["122", "121"]


class TestContacts:
    """Who is listed, and what hangs on it."""

    async def test_the_network_is_those_who_are_listed(self, world: World) -> None:
        """A grant to my contacts reaches the next one listed, and leaves who is struck."""
        await entered(world)
        await world.allow("anna", "network", "", BP)
        assert await seen(world) == []
        await carry_out(world, granting.to_list(Contact(UNIT, "fast vårdkontakt", START)))
        assert (len(await seen(world)), await seen(world, "homecare")) == (3, [])
        await carry_out(world, granting.to_unlist(UNIT))
        assert await seen(world) == []
        with pytest.raises(NoSuchRuleError):
            await carry_out(world, granting.to_unlist(UNIT))

    async def test_while_a_care_relation_is_on_record(self, world: World) -> None:
        """It ends on its day, with no job run; the same contact again takes it up."""
        await entered(world)
        await world.allow("anna", "unit", VC, BP, while_related=True)
        assert await seen(world) == []
        until = START + timedelta(days=7)
        await carry_out(world, granting.to_list(Contact(UNIT, "", START, until)))
        assert len(await seen(world)) == 3
        world.clock.now = until
        assert await seen(world) == []
        await carry_out(world, granting.to_list(Contact(UNIT, "", START)))
        assert len(await seen(world)) == 3


class TestPauseAndLift:
    """One button, and a block laid aside."""

    async def test_a_pause_closes_everything_and_is_taken_up_as_it_was(self, world: World) -> None:
        """Reading and adding; the owner's own is not sharing."""
        await entered(world)
        await world.allow("anna", "unit", VC, BP, actions=["read", "add"])
        await carry_out(world, granting.to_pause(world.clock()))
        assert (await seen(world), len(await seen(world, "anna"))) == ([], 3)
        with pytest.raises(Refused):
            await world.add("nurse-vc", "anna", pressure("130", "80"))
        nodes = (f"unit:{VC}", f"owner:{world.vault('anna').hex()}")
        assert {node for node, _ in world.recipients("anna", BP, nodes)} == {nodes[1]}
        await carry_out(world, granting.to_pause(None))
        assert len(await seen(world)) == 3

    async def test_a_block_is_laid_aside_for_a_time_and_for_one_unit(self, world: World) -> None:
        """Then it holds again by itself; or at once, when it is put back."""
        await entered(world)
        await world.allow("anna", "unit", VC, BP)
        await world.allow("anna", "unit", demo.HOME_CARE, BP)
        block = await granting.find_rule(
            world.house, world.who("anna"), world.alias("anna"), await world.block("anna", "network", "", BP)
        )
        assert await seen(world) == []
        now = world.clock()
        await carry_out(world, granting.to_lift(block, Lift(now + timedelta(hours=2), UNIT), now))
        assert (len(await seen(world)), await seen(world, "homecare")) == (3, [])
        world.clock.move(hours=2)
        assert await seen(world) == []
        now = world.clock()
        await carry_out(world, granting.to_lift(block, Lift(now + timedelta(hours=2)), now))
        assert (len(await seen(world)), len(await seen(world, "homecare"))) == (3, 3)
        await carry_out(world, granting.to_lift(block, None, now))
        assert (await seen(world), await seen(world, "homecare")) == ([], [])

    async def test_what_cannot_be_lifted_is_said(self, world: World) -> None:
        """An allow, a time that is over; and emergency access, to which the no is simply taken back."""
        await entered(world)
        anna, alias, now = world.who("anna"), world.alias("anna"), world.clock()
        made = [
            await world.allow("anna", "unit", VC, BP),
            await world.block("anna", "emergency", "", BP),
            await world.block("anna", "unit", VC, BP),
        ]
        allow, no, block = [await granting.find_rule(world.house, anna, alias, one) for one in made]
        later = Lift(now + timedelta(hours=1))
        for rule, lift in ((allow, later), (no, later), (block, Lift(now))):
            with pytest.raises(RuleError, match="until"):
                granting.to_lift(rule, lift, now)


async def test_one_who_may_add_some_is_refused_the_rest_as_where_nobody_is(world: World) -> None:
    """What a client system may do next must not tell it that the citizen lets it in for something else."""
    await entered(world)
    await world.allow("anna", "client", "client-meter", BP, actions=["add"], data_from="2026-03-02")
    await world.add("client-meter", "anna", pressure("121", "81"))
    steps = []
    for about in ("anna", "bo"):
        with pytest.raises(Refused) as refused:
            await world.add("client-meter", about, pressure("122", "82", START - timedelta(days=9)))
        steps.append(refused.value.next_step)
    assert steps == [NextStep.NOTHING] * 2


async def mandate(world: World, *actions: str, **terms: Any) -> str:
    """Let Bo act for Anna."""
    return await world.allow(
        "anna",
        "proxy",
        world.alias("bo").hex(),
        BP,
        actions=list(actions),
        **{"relation": "representative", **terms},
    )


def bo(world: World, relation: Relation = Relation.REPRESENTATIVE) -> Principal:
    """Return Bo as he acts for Anna."""
    match world.who("bo"), world.who("anna"):
        case Citizen(person), Citizen(anna):
            return Proxy(person, anna, relation)
        case other:
            raise TypeError(other)


class TestMandate:
    """One whom the citizen lets act for them."""

    async def test_a_mandate_opens_what_it_names_in_its_time(self, world: World) -> None:
        """Scope and period, by policy and by key."""
        await entered(world)
        await world.enter("bo")
        await world.add("anna", "anna", weight("70.5"))
        end = START + timedelta(days=5)
        await mandate(world, "read", valid_to=end.isoformat())
        assert len((await world.read(bo(world), "anna", BP)).records) == 3
        for deed in (
            world.read(bo(world), "anna", WEIGHT),
            world.add(bo(world), "anna", pressure("1", "1")),
            granting.rules_of(world.house, bo(world), world.alias("anna")),
        ):
            with pytest.raises(Refused):
                await deed
        world.clock.now = end
        with pytest.raises(Refused):
            await world.read(bo(world), "anna", BP)

    async def test_a_representative_shares_what_the_mandate_names_and_never_blocks(
        self, world: World
    ) -> None:
        """A grant of what is theirs to manage; not of more, and no block, made or lifted."""
        await entered(world)
        await world.enter("bo")
        await mandate(world, "read", "manage")
        alias = world.alias("anna")

        async def put(effect: str, *categories: Category) -> None:
            raw = {
                "effect": effect,
                "grantee": {"kind": "unit", "id": VC},
                "actions": ["read"],
                "categories": list(categories),
            }
            rule = parse_rule(
                raw, id=granting.new_rule_id(), author=world.alias("bo").hex(), created=world.clock()
            )
            await granting.grant(world.house, bo(world), alias, rule)

        await put("allow", BP)
        assert len(await seen(world)) == 3
        for effect, categories in (("allow", (BP, WEIGHT)), ("block", (BP,))):
            with pytest.raises(Refused):
                await put(effect, *categories)
        block = await world.block("anna", "unit", VC, BP)
        with pytest.raises(Refused):
            await granting.revoke(world.house, bo(world), alias, block)

    async def test_a_representative_of_some_of_it_decides_nothing_about_all_of_it(self, world: World) -> None:
        """Neither pause nor contacts, which reach other categories; nor who else acts for the citizen."""
        await entered(world)
        await world.enter("bo")
        rule_id = await mandate(world, "read", "manage")
        alias, rules = world.alias("anna"), world.load("anna").rules
        (own,) = (one for one in rules.rules if one.id == rule_id)
        another = replace(own, id=granting.new_rule_id(), grantee=Grantee(GranteeKind.PROXY, "ab" * 16))
        for wish in (
            granting.to_pause(world.clock()),
            granting.to_close("a plan"),
            granting.to_list(Contact(UNIT, "", START)),
            granting.to_grant(another),
            granting.to_revoke(own),
        ):
            with pytest.raises(Refused):
                await granting.carry_out(world.house, bo(world), alias, wish)
        assert world.load("anna").rules == rules
        assert (await granting.rules_of(world.house, bo(world), alias)).rules == rules.rules

    async def test_a_mandate_to_manage_is_of_whole_categories(self, world: World) -> None:
        """Who sees some of a category by mandate must not be able to share all of it."""
        await entered(world)
        for terms in ({"codes": ["85354-9"]}, {"sources": ["device"]}, {"data_from": "2026-01-01"}):
            with pytest.raises(RuleError, match="actions: manage"):
                await mandate(world, "read", "manage", **terms)
            await mandate(world, "read", **terms)

    async def test_who_changes_a_rule_must_be_one_who_may_end_it(self, world: World) -> None:
        """Else a mandate for one category ends a rule of two, or the owner's own mandates, by writing over it."""
        await entered(world)
        await world.enter("bo")
        own_id = await mandate(world, "read", "manage")
        wide_id = await world.allow("anna", "unit", VC, BP, WEIGHT)
        alias, rules = world.alias("anna"), world.load("anna").rules
        for old_id in (own_id, wide_id):
            (old,) = (one for one in rules.rules if one.id == old_id)
            new = replace(old, grantee=UNIT, relation=None, actions=_READ, categories=frozenset({BP}))
            with pytest.raises(Refused):
                await granting.carry_out(
                    world.house, bo(world), alias, granting.to_grant(new, instead_of=old)
                )
            with pytest.raises(NoSuchRuleError):
                await granting.carry_out(world.house, bo(world), alias, granting.to_grant(new))
        assert world.load("anna").rules == rules

    async def test_a_block_of_all_staff_leaves_whom_the_citizen_lets_act_for_them(self, world: World) -> None:
        """The network is care's; a key that followed it otherwise than the gate would lock a representative out."""
        await entered(world)
        await world.enter("bo")
        await mandate(world, "read", "manage")
        await world.block("anna", "network", "", BP)
        assert len((await world.read(bo(world), "anna", BP)).records) == 3
        assert await seen(world) == []

    async def test_a_relative_looks_and_manages_nothing(self, world: World) -> None:
        """However the rule was written: by the law too, where the reading of what is posted would not hold."""
        await entered(world)
        await world.enter("bo")
        alias, relative = world.alias("anna"), bo(world, Relation.RELATIVE)
        with pytest.raises(RuleError, match="actions: a relative"):
            await mandate(world, "read", "manage", relation="relative")
        rule_id = await mandate(world, "read", relation="relative")
        (rule,) = (one for one in world.load("anna").rules.rules if one.id == rule_id)
        wider = replace(rule, actions=frozenset({Action.READ, Action.MANAGE}))
        wish = granting.to_grant(wider, instead_of=rule)
        await granting.carry_out(world.house, world.who("anna"), alias, wish)
        assert len((await world.read(relative, "anna", BP)).records) == 3
        with pytest.raises(Refused):
            await granting.rules_of(world.house, relative, alias)

    async def test_a_relatives_rule_is_no_ombuds(self, world: World) -> None:
        """Else one whose mandate is over would go on as ombud by what they have as a relative, and the log say so."""
        await entered(world)
        await world.enter("bo")
        await mandate(world, "read", relation="relative")
        with pytest.raises(Refused):
            await world.read(bo(world), "anna", BP)
        await world.block("anna", "proxy", world.alias("bo").hex(), BP, relation="representative")
        with pytest.raises(Refused):
            await world.read(bo(world, Relation.RELATIVE), "anna", BP)

    async def test_one_who_manages_some_of_it_is_told_of_the_rules_about_that_alone(
        self, world: World
    ) -> None:
        """Whom a citizen sees for other things is nothing that the mandate is about."""
        await entered(world)
        await world.enter("bo")
        await mandate(world, "read", "manage")
        alias = world.alias("anna")
        both = await world.allow("anna", "unit", VC, BP, WEIGHT)
        other = await world.allow("anna", "unit", VC, WEIGHT)
        await granting.carry_out(
            world.house, world.who("anna"), alias, granting.to_list(Contact(UNIT, "", START))
        )
        seen = await granting.rules_of(world.house, bo(world), alias)
        assert {rule.id: rule.categories for rule in seen.rules}[both] == {BP}
        assert other not in {rule.id for rule in seen.rules}
        assert seen.contacts == ()
        with pytest.raises(Refused):
            await outlook.who_sees(world.house, bo(world), alias, WEIGHT)
        assert await outlook.who_sees(world.house, bo(world), alias, BP)
        assert set(await seeing.see_as(world.house, bo(world), alias, VC)) == {BP}
        told = await history.of_rules(world.house, bo(world), alias)
        assert other not in {one for version in told for one in (*version.added, *version.changed)}
        with pytest.raises(Refused):
            await history.who_could(world.house, bo(world), alias, WEIGHT, START.date())
        with pytest.raises(NoSuchRuleError):
            await receipts.of_rule(world.house, bo(world), alias, both)
