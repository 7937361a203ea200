"""Emergency access: who may, what it opens, what it leaves shut, and what the citizen is told."""

from datetime import timedelta

import pytest

from app import demo
from audit.events import Activity, EventKind
from consent.gate import Refused
from consent.rules import RuleError
from identity.principal import Staff
from policies.engine import INSTALLED, LAW_IN_FORCE, Policies
from policies.vocabulary import Category
from sharing import accesses, emergency
from sharing.emergency import Blocked, Opened
from tests.world import START, World, pressure, weight
from vault.errors import NoKeyError

BP, WEIGHT = Category.BLOOD_PRESSURE, Category.BODY_WEIGHT
REASON = "Medvetslös på akuten, ingen anhörig nås"


async def entered(world: World) -> None:
    """Give Anna a blood pressure and a weight, and nobody a right to either."""
    await world.enter("anna")
    await world.add("anna", "anna", pressure("121", "81"), weight("70.5"))


async def opened(world: World, who: str = "doctor-hospital", reason: str = REASON) -> Opened:
    """Let somebody open Anna's vault."""
    staff = world.who(who)
    assert isinstance(staff, Staff)
    return await emergency.open_vault(world.house, staff, world.alias("anna"), reason)


async def reads(world: World, who: str = "doctor-hospital", *, urgent: bool = True) -> set[Category]:
    """Return the categories that somebody reads, none where it is refused."""
    try:
        found = await world.read(who, "anna", emergency=urgent)
    except (Refused, NoKeyError):
        return set()
    return {one.category for one in found.records}


async def test_what_is_not_blocked_is_open_for_an_hour_to_who_opened_it(world: World) -> None:
    """Not before, not without saying so, not to a colleague, and no longer."""
    await entered(world)
    assert await reads(world) == set()
    await opened(world)
    assert await reads(world) == {BP, WEIGHT}
    assert await reads(world, urgent=False) == set()
    assert await reads(world, "nurse-vc") == set()
    world.clock.now = START + timedelta(minutes=59)
    assert await reads(world) == {BP, WEIGHT}
    world.clock.now = START + timedelta(minutes=60)
    assert await reads(world) == set()


async def test_a_blocked_category_stays_shut(world: World) -> None:
    """In the vault only the citizen lifts a block, whatever the need."""
    await entered(world)
    await world.block("anna", "network", "", WEIGHT)
    await opened(world)
    assert await reads(world) == {BP}


async def test_no_said_in_advance_leaves_no_key(world: World) -> None:
    """For some categories or all; policies that permit everything change nothing."""
    await entered(world)
    await world.block("anna", "emergency", "", BP)
    await opened(world)
    assert await reads(world) == {WEIGHT}
    await world.block("anna", "emergency", "", *Category)
    assert await reads(world) == set()
    text = {"a.cedar": '@id("all") permit (principal, action, resource);'}
    schema = INSTALLED.joinpath("vault.cedarschema").read_text("utf-8")
    gate = world.house.gate
    object.__setattr__(gate, "policies", Policies(text, schema))
    assert await reads(world) == set()


@pytest.mark.parametrize("who", ["homecare", "nurse-without-licence"])
async def test_who_is_not_licensed_or_no_vardgivare_may_not(world: World, who: str) -> None:
    """Lag (2022:913) 3:5: never an omsorgsgivare. The refusal stands in the log."""
    await entered(world)
    staff = world.who("homecare" if who == "homecare" else "nurse-vc")
    assert isinstance(staff, Staff)
    if who != "homecare":
        staff = Staff(staff.id, staff.name, staff.title, "", staff.commission)
    with pytest.raises(Refused):
        await emergency.open_vault(world.house, staff, world.alias("anna"), REASON)
    page = await accesses.mine(world.house, world.who("anna"), world.alias("anna"))
    tried = [one.event for one in page.entries if one.event and one.event.kind is EventKind.EMERGENCY]
    assert [one.decision for one in tried] == ["refuse"]


@pytest.mark.parametrize("reason", ["", "akut", " " * 20, "x" * 1001])
async def test_a_reason_is_given(world: World, reason: str) -> None:
    """Who cannot say why has no emergency."""
    await entered(world)
    with pytest.raises(RuleError, match="reason"):
        await opened(world, reason=reason)
    assert await reads(world) == set()


async def test_the_citizen_is_told_at_once_by_whom_and_why(world: World) -> None:
    """In the log, as the national contract names it, and with the reason, which stays sealed."""
    await entered(world)
    made = await opened(world)
    anna, alias = world.who("anna"), world.alias("anna")
    (told,) = await emergency.openings_of(world.house, anna, alias)
    assert (told.id, told.reason, told.unit_id) == (made.opening.id, REASON, demo.HEART_CLINIC)
    page = await accesses.mine(world.house, anna, alias)
    (entry,) = [one.event for one in page.entries if one.event and one.event.kind is EventKind.EMERGENCY]
    assert (entry.activity, entry.subject, entry.actor.unit_id) == (
        Activity.EMERGENCY,
        made.opening.id,
        demo.HEART_CLINIC,
    )
    with pytest.raises(Refused):
        await emergency.openings_of(world.house, world.who("doctor-hospital"), alias)


async def test_who_has_no_vault_is_opened_like_any_other(world: World) -> None:
    """Nothing tells that there is nothing."""
    await entered(world)
    staff = world.who("doctor-hospital")
    assert isinstance(staff, Staff)
    made = await emergency.open_vault(world.house, staff, bytes(16), REASON)
    assert made.blocked == ()


async def test_told_whom_to_ask_where_the_policy_says_so(world: World) -> None:
    """The provider who answers for what is blocked; the citizen's own entries name nobody."""
    await entered(world)
    provider = demo.REGION_EXEMPEL_CARE
    await world.block("anna", "network", "", BP, sources=[f"provider:{provider}"])
    name = world.house.directory().provider(provider).name
    assert (await opened(world)).blocked == (Blocked(provider, name),)
    await world.block("anna", "network", "", WEIGHT)
    assert (await opened(world)).blocked == (Blocked("", ""), Blocked(provider, name))


async def test_told_nothing_where_the_policy_says_so(world: World) -> None:
    """EHDS art. 8: with and without a block the answer is the same."""
    await entered(world)
    object.__setattr__(
        world.house.gate, "policies", Policies.load(INSTALLED, {**LAW_IN_FORCE, "blocked-data": "untold"})
    )
    assert (await opened(world)).blocked is None
    await world.block("anna", "network", "", WEIGHT)
    assert (await opened(world)).blocked is None
    assert await reads(world) == {BP}
