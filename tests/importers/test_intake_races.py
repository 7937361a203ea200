"""Imports beside imports, values and undo: nothing is stored twice, and nothing that anyone brought is lost."""

import asyncio
import contextlib
import threading
from typing import Any

import pytest

from importers.intake import Intake
from importers.lease import LostLeaseError
from policies.vocabulary import Category
from sharing.house import House
from tests.world import World

WEIGHT = Category.BODY_WEIGHT
FILE = (
    b'<HealthData locale="sv_SE">'
    b'<Record type="HKQuantityTypeIdentifierBodyMass" unit="kg" sourceName="W" value="70.5" '
    b'startDate="2026-03-01 08:00:00 +0100" endDate="2026-03-01 08:00:00 +0100"/></HealthData>'
)


async def values(world: World) -> list[str]:
    """Return Anna's weights as they stand."""
    found = await world.read("anna", "anna", WEIGHT)
    return [str(record.quantity.value) for record in found.records if record.quantity]


def meanwhile(monkeypatch: pytest.MonkeyPatch, happens: Any) -> None:
    """Let something happen once, just after the child was told what stands on a shelf."""
    real = Intake._shelf
    done: list[bool] = []

    def instead(self: Intake, *args: Any) -> Any:
        shelf = real(self, *args)
        if not done:
            done.append(True)
            happens()
        return shelf

    monkeypatch.setattr(Intake, "_shelf", instead)


async def test_same_file_in_two_imports_at_once_is_stored_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two workers would each be told that nothing is there, and each store it."""
    await world.enter("anna")
    imports = [await world.upload("anna", FILE, name) for name in ("a.xml", "b.xml")]
    both, real = threading.Barrier(2), Intake._shelf

    def meet(self: Intake, *args: Any) -> Any:
        shelf = real(self, *args)
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(timeout=3)
        return shelf

    monkeypatch.setattr(Intake, "_shelf", meet)
    workers = (world.valv.intake, world.another_worker())
    await asyncio.gather(*(asyncio.to_thread(worker.run_waiting) for worker in workers))
    world.valv.intake.run_waiting()
    assert await values(world) == ["70.5"]
    told = [world.find_import("anna", one) for one in imports]
    assert sorted((one.state, one.stored, one.duplicates) for one in told) == [("done", 0, 1), ("done", 1, 0)]


async def test_value_added_under_a_running_import_is_not_brought_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The child was told what was there before it was."""
    await world.enter("anna")
    told = await world.import_file("anna", FILE, "a.xml")
    (record,) = (await world.read("anna", "anna", WEIGHT)).records
    await world.undo("anna", told.import_id)
    meanwhile(monkeypatch, lambda: asyncio.run(world.add("anna", "anna", record)))
    again = await world.import_file("anna", FILE, "b.xml")
    assert (again.state, again.stored, again.duplicates) == ("done", 0, 1)
    assert await values(world) == ["70.5"]


async def test_undo_under_a_running_import_loses_nothing_that_it_brings(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The child was told that the value is there; then it went with the import that had stored it."""
    await world.enter("anna")
    first = await world.import_file("anna", FILE, "a.xml")
    meanwhile(monkeypatch, lambda: asyncio.run(world.undo("anna", first.import_id)))
    second = await world.import_file("anna", FILE, "b.xml")
    assert (second.state, second.stored, second.duplicates) == ("done", 1, 0)
    assert await values(world) == ["70.5"]


async def test_import_that_ends_during_an_undo_keeps_what_it_brought(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who claims what was asked before the other import had said so."""
    await world.enter("anna")
    first = await world.import_file("anna", FILE, "a.xml")
    second = await world.upload("anna", FILE, "b.xml")
    real = House.ask
    done: list[bool] = []

    async def asks(self: House, *args: Any, **terms: Any) -> Any:
        answer = await real(self, *args, **terms)
        if not done:
            done.append(True)
            await asyncio.to_thread(world.valv.intake.run_waiting)
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(House, "ask", asks)
        assert await world.undo("anna", first.import_id) == 0
    assert world.find_import("anna", second).duplicates == 1
    assert await values(world) == ["70.5"]


async def test_claim_that_was_lost_is_lost_to_the_same_process_too(world: World) -> None:
    """Two threads of one worker must not both go on with one import."""
    await world.enter("anna")
    await world.upload("anna", FILE, "a.xml")
    worker, database = world.valv.intake, world.house.database
    earlier = database.write_now(worker._claim)
    world.clock.move(seconds=31)
    later = database.write_now(worker._claim)
    assert earlier is not None
    assert later is not None
    with pytest.raises(LostLeaseError):
        database.write_now(lambda connection: worker._update(connection, earlier, {}))
    database.write_now(lambda connection: worker._update(connection, later, {}))


async def test_imports_of_different_vaults_run_beside_each_other(world: World) -> None:
    """One vault's long import holds up nobody else's."""
    await world.enter("anna", "bo")
    for who, name in (("anna", "a.xml"), ("anna", "b.xml"), ("bo", "c.xml")):
        await world.upload(who, FILE, name)
        world.clock.move(seconds=1)
    claim = world.valv.intake._claim
    claimed = [world.house.database.write_now(claim) for _ in range(3)]
    assert [None if row is None else row.vault_id for row in claimed] == [
        world.vault("anna"),
        world.vault("bo"),
        None,
    ]
