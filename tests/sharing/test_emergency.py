"""Emergency access: who may, what it opens, what it leaves shut, and what the citizen is told."""

from datetime import timedelta

import pytest

from app import demo
from audit.events import Activity, EventKind
from consent.gate import Refused
from consent.judge import Need
from consent.rules import RuleError
from identity.principal import Staff
from policies.engine import INSTALLED, LAW_IN_FORCE, Policies
from policies.vocabulary import Category
from sharing import accesses, emergency, openings, reach, reading
from sharing.emergency import Blocked, Opened
from sharing.reach import Met
from sharing.reading import Query
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
    (told,) = (await openings.told(world.house, anna, alias)).openings
    assert told.opening is not None
    assert (told.id, told.opening.reason, told.opening.unit_id) == (
        made.opening.id,
        REASON,
        demo.HEART_CLINIC,
    )
    page = await accesses.mine(world.house, anna, alias)
    (entry,) = [one.event for one in page.entries if one.event and one.event.kind is EventKind.EMERGENCY]
    assert (entry.activity, entry.subject, entry.actor.unit_id) == (
        Activity.EMERGENCY,
        made.opening.id,
        demo.HEART_CLINIC,
    )
    with pytest.raises(Refused):
        await openings.told(world.house, world.who("doctor-hospital"), alias)


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
    choose(world, "blocked-data", "untold")
    assert (await opened(world)).blocked is None
    await world.block("anna", "network", "", WEIGHT)
    assert (await opened(world)).blocked is None
    assert await reads(world) == {BP}


def choose(world: World, setting: str, choice: str) -> None:
    """Have another choice of policies in force."""
    object.__setattr__(
        world.house.gate, "policies", Policies.load(INSTALLED, {**LAW_IN_FORCE, setting: choice})
    )


BLOCKS = {
    "everyone": ("network", ""),
    "emergencies": ("emergency", ""),
    "the-unit": ("unit", demo.HEART_CLINIC),
    "the-provider": ("provider", demo.REGION_PROVLANDET_CARE),
}


@pytest.mark.parametrize("need", Need)
@pytest.mark.parametrize("block", BLOCKS)
async def test_untold_a_blocked_category_is_as_an_empty_one(world: World, block: str, need: Need) -> None:
    """Asked for alone or among others: the same answer as of one with nothing in it, or of one who is not here."""
    choose(world, "blocked-data", "untold")
    await entered(world)
    kind, node = BLOCKS[block]
    await world.block("anna", kind, node, WEIGHT)
    await opened(world)
    doctor = world.who("doctor-hospital")
    assert isinstance(doctor, Staff)
    await emergency.open_vault(world.house, doctor, bytes(16), REASON)
    for asked in ((WEIGHT,), (WEIGHT, Category.GLUCOSE)):
        found = await world.read(doctor, "anna", *asked, emergency=True, need=need)
        absent = await reading.read(world.house, doctor, bytes(16), Query(asked, emergency=True, need=need))
        assert (found.records, absent.records) == ((), ())
    both = await world.read(doctor, "anna", BP, WEIGHT, emergency=True, need=need)
    assert {one.category for one in both.records} == {BP}


async def test_untold_the_citizens_log_still_says_that_the_block_held(world: World) -> None:
    """What is kept from staff is the citizen's to know; and no drawer is named in the receipt."""
    choose(world, "blocked-data", "untold")
    await entered(world)
    block = await world.block("anna", "unit", demo.HEART_CLINIC, WEIGHT)
    await opened(world)
    found = await world.read("doctor-hospital", "anna", WEIGHT, emergency=True)
    assert (found.authorization.receipt.opens.drawers, found.authorization.scopes) == ((), {})
    page = await accesses.mine(world.house, world.who("anna"), world.alias("anna"))
    tried = [one.event for one in page.entries if one.event and one.event.kind is EventKind.READ]
    assert (tried[0].decision, tried[0].rules, tried[0].categories) == ("refuse", (block,), (WEIGHT,))


async def test_untold_hides_nothing_but_what_an_opening_asks_for(world: World) -> None:
    """Without one, after its time, and by one who may not open, no is no."""
    choose(world, "blocked-data", "untold")
    await entered(world)
    await world.block("anna", "network", "", WEIGHT)
    for who in ("doctor-hospital", "nurse-vc", "homecare"):
        with pytest.raises(Refused):
            await world.read(who, "anna", WEIGHT, emergency=True)
    await opened(world)
    with pytest.raises(Refused):
        await world.read("doctor-hospital", "anna", WEIGHT)
    world.clock.move(hours=1)
    with pytest.raises(Refused):
        await world.read("doctor-hospital", "anna", WEIGHT, emergency=True)


async def test_told_a_blocked_category_is_refused(world: World) -> None:
    """The law in force: that something is blocked may be known, so it need not look empty."""
    await entered(world)
    await world.block("anna", "network", "", WEIGHT)
    await opened(world)
    with pytest.raises((Refused, NoKeyError)):
        await world.read("doctor-hospital", "anna", WEIGHT, emergency=True)


@pytest.mark.parametrize(("choice", "hours"), [("hour", 1), ("day", 24)])
async def test_how_long_it_lasts_is_what_the_policies_say(world: World, choice: str, hours: int) -> None:
    """The time that is shown is the one that holds, to the minute; who may not open is told none."""
    choose(world, "emergency", choice)
    await entered(world)
    doctor, home = world.who("doctor-hospital"), world.who("homecare")
    assert isinstance(doctor, Staff)
    assert isinstance(home, Staff)
    assert emergency.lasts(world.house, doctor) == timedelta(hours=hours)
    assert emergency.lasts(world.house, home) is None
    made = await opened(world)
    assert made.ends == START + timedelta(hours=hours)
    world.clock.now = made.ends - timedelta(seconds=1)
    under = await emergency.under(world.house, doctor, world.alias("anna"))
    assert under is not None
    assert (under.is_over, under.ends, await reads(world)) == (False, made.ends, {BP, WEIGHT})
    world.clock.now = made.ends
    under = await emergency.under(world.house, doctor, world.alias("anna"))
    assert await reads(world) == set()
    assert under is None or under.is_over


async def test_an_opening_is_one_persons_of_one_citizen(world: World) -> None:
    """Neither a colleague's, nor of another: also of two who are both not here, whose rows lie together."""
    await entered(world)
    doctor, nurse = world.who("doctor-hospital"), world.who("nurse-vc")
    assert isinstance(doctor, Staff)
    assert isinstance(nurse, Staff)
    absent, other = bytes(16), bytes([1] * 16)
    await emergency.open_vault(world.house, doctor, absent, REASON)
    found = await emergency.under(world.house, doctor, absent)
    assert found is not None
    assert (found.opening.reason, found.blocked, found.is_over) == (REASON, (), False)
    assert await emergency.under(world.house, doctor, other) is None
    assert await emergency.under(world.house, nurse, absent) is None
    with pytest.raises(Refused):
        await reading.read(world.house, doctor, other, Query(emergency=True))


async def test_what_consent_gives_no_opening_takes_away(world: World) -> None:
    """A no to emergencies is no no to what was shared."""
    await entered(world)
    await world.allow("anna", "unit", demo.HEART_CLINIC, BP)
    await world.block("anna", "emergency", "", BP)
    await opened(world)
    doctor = world.who("doctor-hospital")
    assert isinstance(doctor, Staff)
    under = await emergency.under(world.house, doctor, world.alias("anna"))
    assert under is not None
    met = await reach.meet_in_emergency(world.house, doctor, world.alias("anna"), under)
    assert {one.category for one in met.latest} == {BP, WEIGHT}
    assert (BP in met.urgent, WEIGHT in met.urgent, BP in met.readable) == (False, True, True)
    assert met.name == "Anna Exempelsson"


@pytest.mark.parametrize("choice", ["told", "untold"])
async def test_a_name_is_told_only_where_something_else_tells_of_the_vault(world: World, choice: str) -> None:
    """An empty vault, a citizen with none, and, untold, one where all is blocked, are met alike."""
    choose(world, "blocked-data", choice)
    await entered(world)
    await world.enter("bo")
    doctor = world.who("doctor-hospital")
    assert isinstance(doctor, Staff)

    async def met(alias: bytes) -> Met:
        await emergency.open_vault(world.house, doctor, alias, REASON)
        under = await emergency.under(world.house, doctor, alias)
        assert under is not None
        return await reach.meet_in_emergency(world.house, doctor, alias, under)

    nobody = await met(bytes(16))
    assert nobody == await met(world.alias("bo"))
    assert nobody.name == ""
    assert (await met(world.alias("anna"))).name == "Anna Exempelsson"
    await world.block("anna", "network", "", *Category)
    if choice == "untold":
        assert await met(world.alias("anna")) == nobody
    else:
        with pytest.raises((Refused, NoKeyError)):
            await met(world.alias("anna"))
