"""What happens between the question and the writing: nobody writes by what was revoked, nothing is kept twice."""

import asyncio
from typing import Any

import pytest

from app import demo
from consent.gate import Refused
from policies.vocabulary import Category
from sharing import adding, importing
from sharing.house import House
from tests.world import World, weight
from vault.change import StaleRulesError

WEIGHT = Category.BODY_WEIGHT
EXPORT = (
    '<HealthData locale="sv_SE">'
    '<Record type="HKQuantityTypeIdentifierBodyMass" unit="kg" sourceName="W" value="{}" '
    'startDate="2026-03-01 08:00:00 +0100" endDate="2026-03-01 08:00:00 +0100"/></HealthData>'
)


async def test_nothing_is_added_by_a_rule_that_is_revoked_before_it_is_written(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The permit was given on a snapshot; the citizen revoked, and the addition came after."""
    await world.enter("anna")
    rule = await world.allow("anna", "unit", demo.HEALTH_CENTRE, WEIGHT, actions=["add"])
    real = House.ask

    async def asks(self: House, principal: Any, *args: Any, **terms: Any) -> Any:
        answer = await real(self, principal, *args, **terms)
        if principal == world.who("nurse-vc"):
            await world.revoke("anna", rule)
        return answer

    monkeypatch.setattr(House, "ask", asks)
    with pytest.raises(Refused):
        await world.add("nurse-vc", "anna", weight("70.0"))
    monkeypatch.undo()
    assert not (await world.read("anna", "anna", WEIGHT)).records


async def test_another_rule_in_between_only_asks_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is still permitted is written, and written once."""
    await world.enter("anna")
    await world.allow("anna", "unit", demo.HEALTH_CENTRE, WEIGHT, actions=["add"])
    real = House.ask
    done: list[bool] = []

    async def asks(self: House, principal: Any, *args: Any, **terms: Any) -> Any:
        answer = await real(self, principal, *args, **terms)
        if principal == world.who("nurse-vc") and not done:
            done.append(True)
            await world.allow("anna", "unit", demo.HOME_CARE, WEIGHT)
        return answer

    monkeypatch.setattr(House, "ask", asks)
    await world.add("nurse-vc", "anna", weight("70.0"))
    monkeypatch.undo()
    assert len((await world.read("anna", "anna", WEIGHT)).records) == 1


async def test_rules_that_never_rest_end_in_a_refusal_to_go_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It must end, and must not write."""
    await world.enter("anna")
    real = adding._store

    def stores(*_args: object) -> None:
        raise StaleRulesError("again")

    monkeypatch.setattr(adding, "_store", stores)
    with pytest.raises(StaleRulesError):
        await world.add("anna", "anna", weight("70.0"))
    monkeypatch.setattr(adding, "_store", real)
    assert not (await world.read("anna", "anna", WEIGHT)).records


async def test_import_undone_twice_at_once_keeps_what_another_brought_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both had read the segment before either removed it; what stays of it must not be sealed anew twice."""
    await world.enter("anna")
    first = await world.import_file("anna", EXPORT.format("70.5").encode(), "a.xml")
    await world.import_file("anna", EXPORT.format("70.5").encode(), "b.xml")
    real, both = importing._apply, asyncio.Event()
    waiting: list[object] = []
    asks = House.ask

    async def meet(self: House, *args: Any, **terms: Any) -> Any:
        answer = await asks(self, *args, **terms)
        waiting.append(answer)
        if len(waiting) == 2:
            both.set()
        await asyncio.wait_for(both.wait(), 20)
        return answer

    monkeypatch.setattr(House, "ask", meet)
    await asyncio.gather(world.undo("anna", first.import_id), world.undo("anna", first.import_id))
    monkeypatch.undo()
    assert importing._apply is real
    found = (await world.read("anna", "anna", WEIGHT)).records
    assert [str(record.quantity.value) for record in found if record.quantity] == ["70.5"]
