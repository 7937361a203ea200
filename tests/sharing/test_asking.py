"""Staff ask, the citizen answers: no unit takes the others' places, and the answer tells nobody anything."""

from datetime import timedelta

import pytest
from sqlalchemy import event

from app import demo
from consent.rules import RuleError
from identity.principal import Staff
from policies.vocabulary import Action, Category, Purpose
from sharing import asking
from sharing.asking import AccessRequest, NoSuchRequestError
from tests.world import World

WEIGHT = Category.BODY_WEIGHT


async def ask(world: World, who: str, alias: bytes) -> str:
    """Let a member of staff ask to read body weight."""
    staff = world.who(who)
    assert isinstance(staff, Staff)
    asked = {"categories": (WEIGHT,), "actions": (Action.READ,), "purpose": Purpose.CARE}
    return await asking.ask(world.house, staff, alias, **asked)  # type: ignore[arg-type]


async def requests(world: World) -> tuple[AccessRequest, ...]:
    """Return what is asked of Anna."""
    return await asking.requests_of(world.house, world.who("anna"), world.alias("anna"))


async def test_one_unit_cannot_take_the_places_of_others(world: World) -> None:
    """Twenty requests of one unit would keep the hospital's from ever being seen."""
    await world.enter("anna")
    for _ in range(asking.OPEN_AT_ONCE + 1):
        await ask(world, "nurse-vc", world.alias("anna"))
    await ask(world, "doctor-hospital", world.alias("anna"))
    found = await requests(world)
    assert len(found) == asking.OPEN_OF_ONE_UNIT + 1
    asker = world.who("doctor-hospital")
    assert isinstance(asker, Staff)
    assert asker.id in {one.staff_id for one in found}


async def test_asking_writes_to_disk_also_where_there_is_no_room(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The decoy's places are always taken: a commit that has nothing to write would be quicker, and so tell."""
    monkeypatch.setattr(asking, "OPEN_AT_ONCE", 1)
    await world.enter("anna")
    absent = bytes(16)
    await ask(world, "nurse-vc", absent)
    written: list[str] = []

    @event.listens_for(world.house.database.engine, "after_cursor_execute")
    def heard(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        written.append(statement.split(maxsplit=1)[0])

    await ask(world, "nurse-vc", world.alias("anna"))
    there = [word for word in written if word in {"INSERT", "UPDATE"}]
    written.clear()
    await ask(world, "doctor-hospital", absent)
    gone = [word for word in written if word in {"INSERT", "UPDATE"}]
    assert (len(there), len(gone)) == (1, 1)


async def test_request_accepted_twice_makes_one_rule(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process may end between the rule and the note that the request is answered."""
    await world.enter("anna")
    request_id = await ask(world, "nurse-vc", world.alias("anna"))

    async def dies(*_args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(asking, "_answer", dies)
        with pytest.raises(KeyboardInterrupt):
            await asking.accept(world.house, world.who("anna"), world.alias("anna"), request_id)
    world.clock.move(seconds=timedelta(seconds=5).total_seconds())
    await asking.accept(world.house, world.who("anna"), world.alias("anna"), request_id)
    assert len(world.load("anna").rules.rules) == 1
    assert await requests(world) == ()
    await world.read("nurse-vc", "anna", WEIGHT)


async def test_a_request_is_narrowed_and_never_widened(world: World) -> None:
    """Fewer categories, a shorter time; more than was asked for is refused by its field, and nothing is shared."""
    await world.enter("anna")
    staff = world.who("nurse-vc")
    assert isinstance(staff, Staff)
    wish = (Category.BODY_WEIGHT, Category.GLUCOSE)
    request_id = await asking.ask(
        world.house,
        staff,
        world.alias("anna"),
        categories=wish,
        actions=(Action.READ,),
        purpose=Purpose.CARE,
    )
    anna, alias = world.who("anna"), world.alias("anna")
    for terms, field in (
        ({"categories": ["body-weight", "sleep"]}, "categories"),
        ({"actions": ["read", "add"]}, "actions"),
        ({"grantee": {"kind": "region", "id": demo.REGION_EXEMPEL}}, "grantee"),
        ({"valid_to": "i morgon"}, "valid_to"),
    ):
        with pytest.raises(RuleError, match=f"^{field}"):
            await asking.accept(world.house, anna, alias, request_id, terms)
    assert world.load("anna").rules.rules == ()
    last = (world.clock() + timedelta(days=30)).date().isoformat()
    narrow = {"categories": ["body-weight"], "valid_to": last}
    rule = await asking.accept(world.house, anna, alias, request_id, narrow)
    assert world.load("anna").rules.rules == (rule,)
    assert set(rule.categories) == {Category.BODY_WEIGHT}
    assert rule.valid_to is not None
    assert await requests(world) == ()


async def test_an_unanswered_request_lapses(world: World) -> None:
    """It is shown no more, cannot be accepted, and takes nobody's place."""
    await world.enter("anna")
    first = await ask(world, "nurse-vc", world.alias("anna"))
    for _ in range(asking.OPEN_OF_ONE_UNIT - 1):
        await ask(world, "nurse-vc", world.alias("anna"))
    world.clock.now += asking.LAPSES
    assert await requests(world) == ()
    with pytest.raises(NoSuchRequestError):
        await asking.accept(world.house, world.who("anna"), world.alias("anna"), first)
    again = await ask(world, "nurse-vc", world.alias("anna"))
    assert [one.id for one in await requests(world)] == [again]


async def test_staff_cannot_ask_to_act_for_the_citizen(world: World) -> None:
    """That is a proxy's, whom the citizen names."""
    await world.enter("anna")
    staff = world.who("nurse-vc")
    assert isinstance(staff, Staff)
    with pytest.raises(RuleError, match="actions"):
        await asking.ask(
            world.house,
            staff,
            world.alias("anna"),
            categories=(WEIGHT,),
            actions=(Action.READ, Action.MANAGE),
            purpose=Purpose.CARE,
        )
