"""Leaving a unit or a provider, and the new unit's equivalents: proposed, and granted only where they are ticked."""

from datetime import timedelta

import pytest

from app import demo
from audit.events import EventKind
from consent.gate import Refused
from consent.moving import Missing
from consent.rules import Contact, Grantee, Rule, RuleError
from identity.directory import NotInDirectoryError
from identity.principal import Principal
from policies.vocabulary import Action, Category, GranteeKind
from sharing import accesses, granting, moving, outlook
from sharing.granting import NoSuchRuleError
from sharing.moving import Proposal
from tests.sharing.test_granting import bo, mandate
from tests.world import START, World, pressure
from vault.errors import NoKeyError

BP = Category.BLOOD_PRESSURE
VC, NEW = demo.HEALTH_CENTRE, demo.PROVKOPING_HEALTH_CENTRE
HEART = demo.HEART_CLINIC
UNIT = Grantee(GranteeKind.UNIT, VC)
PROVIDER = Grantee(GranteeKind.PROVIDER, demo.REGION_EXEMPEL_CARE)
REGION = Grantee(GranteeKind.REGION, demo.REGION_EXEMPEL)


async def entered(world: World) -> None:
    """Give Anna two blood pressures, one of them old."""
    await world.enter("anna")
    await world.add("anna", "anna", pressure("121", "81"), pressure("122", "82", START - timedelta(days=40)))


async def seen(world: World, who: str | Principal) -> int:
    """Return how many blood pressures somebody reads; -1 where it is refused."""
    try:
        return len((await world.read(who, "anna", BP)).records)
    except (Refused, NoKeyError):
        return -1


async def leave(world: World, place: Grantee, by: str | Principal = "anna") -> None:
    """Leave a place."""
    await moving.leave(world.house, world.who(by), world.alias("anna"), place)


async def proposed(world: World, place: Grantee, unit: str) -> tuple[Proposal, ...]:
    """Return what is proposed to Anna."""
    return await moving.proposals(world.house, world.who("anna"), world.alias("anna"), place, unit)


async def accept(world: World, place: Grantee, unit: str, *keys: str) -> None:
    """Let Anna accept some of it."""
    await moving.accept(world.house, world.who("anna"), world.alias("anna"), place, unit, keys)


async def test_leaving_ends_what_hung_there_and_leaves_the_rest(world: World) -> None:
    """In one change; blocks, wider shares and others' stay as they were, and no key is left behind."""
    await entered(world)
    await granting.carry_out(
        world.house,
        world.who("anna"),
        world.alias("anna"),
        granting.to_list(Contact(UNIT, "fast vårdkontakt", START)),
    )
    ended = [
        await world.allow("anna", "unit", VC, BP),
        await world.allow("anna", "role", f"{VC}/Distriktssköterska", BP),
        await world.allow("anna", "person", "SE2321009905-TESTP001", BP),
    ]
    kept = [
        await world.allow("anna", "unit", demo.HOME_CARE, BP),
        await world.allow("anna", "person", "SE2321009905-TESTP002", BP),  # works at another unit too
        await world.block("anna", "unit", VC, Category.MENTAL_HEALTH),
    ]
    before = world.load("anna").rules
    wish = moving.to_leave(world.house, UNIT)
    (lost,) = await outlook.preview(world.house, world.who("anna"), world.alias("anna"), wish)
    assert (lost.node, lost.gains, len(lost.loses)) == (f"unit:{VC}", (), 1)
    assert await seen(world, "nurse-vc") == 2
    await leave(world, UNIT)
    after = world.load("anna").rules
    assert [one.id for one in before.rules] == ended + kept
    assert [one.id for one in after.rules] == kept
    assert (after.contacts, after.version) == ((), before.version + 1)
    assert (await seen(world, "nurse-vc"), await seen(world, "homecare")) == (-1, 2)
    await world.revoke("anna", kept[1])
    assert world.recipients("anna", BP, (f"unit:{VC}",)) == set()


async def test_what_can_be_left_is_what_something_hangs_on(world: World) -> None:
    """Narrow to wide, with how much hangs there; what hangs on nothing cannot be left."""
    await entered(world)
    await world.allow("anna", "unit", VC, BP)
    await world.allow("anna", "provider", demo.REGION_EXEMPEL_CARE, BP)
    found = await moving.places(world.house, world.who("anna"), world.alias("anna"))
    assert [(one.grantee, one.rules, one.contacts) for one in found] == [
        (UNIT, 1, 0),
        (PROVIDER, 2, 0),
        (REGION, 2, 0),
    ]
    with pytest.raises(NoSuchRuleError):
        await leave(world, Grantee(GranteeKind.UNIT, demo.HOME_CARE))
    with pytest.raises(RuleError, match=r"from\.kind"):
        await leave(world, Grantee(GranteeKind.PERSON, "SE2321009905-TESTP001"))


async def test_nobody_at_the_new_unit_sees_anything_before_it_is_accepted_and_then_exactly_that(
    world: World,
) -> None:
    """What was not ticked is not granted; what was has every term that the old rule had."""
    await entered(world)
    narrow = await world.allow("anna", "unit", VC, BP, data_from=START.date().isoformat(), sources=["mine"])
    wide = await world.allow("anna", "unit", VC, Category.BODY_WEIGHT, Category.GLUCOSE)
    old = {one.id: one for one in world.load("anna").rules.rules}
    await leave(world, UNIT)
    found = {one.key: one for one in await proposed(world, UNIT, HEART)}
    assert set(found) == {narrow, wide}
    (change,) = found[narrow].changes
    assert (change.node, [(s.action, s.category, s.count and s.count.gained) for s in change.gains]) == (
        f"unit:{HEART}",
        [(Action.READ, BP, 1)],
    )
    assert (await seen(world, "doctor-hospital"), world.load("anna").rules.rules) == (-1, ())
    world.clock.move(days=3)
    await accept(world, UNIT, HEART, narrow)
    assert await seen(world, "doctor-hospital") == 1
    (rule,) = world.load("anna").rules.rules
    same = {name: getattr(rule, name) for name in Rule.__dataclass_fields__}
    was = {name: getattr(old[narrow], name) for name in Rule.__dataclass_fields__}
    assert {name for name in same if same[name] != was[name]} == {"id", "grantee", "created"}
    assert rule.grantee == Grantee(GranteeKind.UNIT, HEART)


async def test_proposals_can_be_asked_for_again_and_what_was_accepted_is_not_among_them(world: World) -> None:
    """The browser may have been closed in between; what was left stays left."""
    await entered(world)
    first = await world.allow("anna", "unit", VC, BP)
    second = await world.allow("anna", "unit", VC, Category.GLUCOSE)
    await leave(world, UNIT)
    await accept(world, UNIT, HEART, first)
    world.clock.move(days=10)
    await world.allow("anna", "unit", demo.HOME_CARE, BP)
    assert [one.key for one in await proposed(world, UNIT, HEART)] == [second]
    with pytest.raises(RuleError, match="accept"):
        await accept(world, UNIT, HEART, first)
    with pytest.raises(RuleError, match="accept"):
        await accept(world, UNIT, HEART, second, "f" * 32)
    assert len(world.load("anna").rules.rules) == 2
    (left,) = await moving.left_lately(world.house, world.who("anna"), world.alias("anna"))
    assert (left.grantee, left.at) == (UNIT, START)
    world.clock.move(days=80)
    assert await moving.left_lately(world.house, world.who("anna"), world.alias("anna")) == ()
    assert [one.key for one in await proposed(world, UNIT, HEART)] == [second]


async def test_what_has_no_equivalent_is_said_and_cannot_be_accepted(world: World) -> None:
    """A person, a system, a title that nobody there has; a provider becomes the new unit's provider."""
    await entered(world)
    person = await world.allow("anna", "person", "SE2321009905-TESTP001", BP)
    role = await world.allow("anna", "role", f"{VC}/Distriktssköterska", BP)
    meter = await world.allow("anna", "client", "client-meter", BP, actions=["add"])
    provider = await world.allow("anna", "provider", demo.REGION_EXEMPEL_CARE, BP)
    await leave(world, REGION)
    found = {one.key: one.new for one in await proposed(world, REGION, HEART)}
    assert (found[person], found[role], found[meter]) == (Missing.PERSON, Missing.TITLE, Missing.SYSTEM)
    new = found[provider]
    assert isinstance(new, Rule)
    assert new.grantee == Grantee(GranteeKind.PROVIDER, demo.REGION_PROVLANDET_CARE)
    with pytest.raises(RuleError, match="accept"):
        await accept(world, REGION, HEART, person)


async def test_a_contact_is_struck_and_its_equivalent_listed_only_when_accepted(world: World) -> None:
    """A rule that holds while they are a contact needs both; a contact whose last day has come is not proposed."""
    await entered(world)
    until = START + timedelta(days=20)
    await granting.carry_out(
        world.house,
        world.who("anna"),
        world.alias("anna"),
        granting.to_list(Contact(UNIT, "fast läkarkontakt", START, until)),
    )
    rule = await world.allow("anna", "unit", VC, BP, while_related=True)
    assert await seen(world, "nurse-vc") == 2
    await leave(world, UNIT)
    await accept(world, UNIT, HEART, rule)
    assert await seen(world, "doctor-hospital") == -1
    world.clock.move(days=1)
    await accept(world, UNIT, HEART, f"unit:{VC}")
    assert await seen(world, "doctor-hospital") == 2
    (contact,) = world.load("anna").rules.contacts
    assert contact == Contact(Grantee(GranteeKind.UNIT, HEART), "fast läkarkontakt", world.clock(), until)
    await granting.carry_out(
        world.house, world.who("anna"), world.alias("anna"), granting.to_unlist(contact.grantee)
    )
    assert [one.key for one in await proposed(world, UNIT, HEART)] == [f"unit:{VC}"]
    world.clock.now = until
    assert await proposed(world, UNIT, HEART) == ()


async def test_what_is_not_there_is_refused(world: World) -> None:
    """A place that was never left, and a unit that is none."""
    await entered(world)
    await world.allow("anna", "unit", VC, BP)
    with pytest.raises(NoSuchRuleError):
        await proposed(world, UNIT, HEART)
    await leave(world, UNIT)
    with pytest.raises(NotInDirectoryError):
        await proposed(world, UNIT, "SE0000000000-NONE")


async def test_one_act_stands_in_the_log(world: World) -> None:
    """Under its own word, naming the place; each acceptance is a grant like any other."""
    await entered(world)
    rule = await world.allow("anna", "unit", VC, BP)
    await leave(world, UNIT)
    await accept(world, UNIT, HEART, rule)
    page = await accesses.mine(world.house, world.who("anna"), world.alias("anna"))
    told = [(one.event.kind, one.event.subject) for one in page.entries if one.event is not None]
    assert told.count((EventKind.MOVE, f"unit:{VC}")) == 1
    new = world.load("anna").rules.rules[0].id
    assert (EventKind.GRANT, new) in told


async def test_who_may_leave_for_another(world: World) -> None:
    """A guardian for a child; a representative of some of it not for all; nobody else, and nothing is told."""
    await entered(world)
    await world.enter("bo", "karin", "elsa")
    await world.allow("anna", "unit", VC, BP)
    await mandate(world, "read", "manage")
    before = world.load("anna").rules
    for who in (bo(world), world.who("bo"), world.who("nurse-vc"), world.who("client-meter")):
        with pytest.raises(Refused):
            await leave(world, UNIT, who)
    for who in (world.who("bo"), world.who("nurse-vc")):
        with pytest.raises(Refused):
            await moving.places(world.house, who, world.alias("anna"))
        with pytest.raises(Refused):
            await moving.proposals(world.house, who, world.alias("anna"), UNIT, HEART)
    assert world.load("anna").rules == before
    karin, elsa = world.who("karin", for_="elsa"), world.alias("elsa")
    raw = Rule(
        granting.new_rule_id(),
        before.rules[0].effect,
        UNIT,
        frozenset({Action.READ}),
        frozenset({BP}),
        world.clock(),
        elsa.hex(),
    )
    await granting.grant(world.house, karin, elsa, raw)
    await moving.leave(world.house, karin, elsa, UNIT)
    assert world.load("elsa").rules.rules == ()
