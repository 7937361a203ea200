"""Who runs an import: fair turns, and a worker that is gone is not waited for."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from importers import intake, lease, wire
from importers.intake import Intake
from importers.lease import LEASE, LostLeaseError, Sign
from policies.vocabulary import Category
from tests.world import World
from vault.database import DatabaseUnavailableError, Fault

FILE = (
    b'<HealthData locale="sv_SE">'
    b'<Record type="HKQuantityTypeIdentifierBodyMass" unit="kg" sourceName="W" value="70.5" '
    b'startDate="2026-03-01 08:00:00 +0100" endDate="2026-03-01 08:00:00 +0100"/></HealthData>'
)


async def waiting(world: World, *owners: str) -> list[bytes]:
    """Let each of these send in a file, a second apart; return the imports' ids."""
    found = []
    for owner in owners:
        found.append(await world.upload(owner, FILE, "export.xml"))
        world.clock.move(seconds=1)
    return found


def claim(world: World, worker: Intake | None = None) -> Any:
    """Let a worker take its turn, but run nothing."""
    return world.house.database.write_now((worker or world.valv.intake)._claim)


async def stored(world: World, owner: str = "anna") -> int:
    """Return how many weights stand in a vault."""
    return len((await world.read(owner, owner, Category.BODY_WEIGHT)).records)


class TestTurns:
    """One citizen's many files hold up nobody else's."""

    async def test_who_comes_once_goes_before_the_next_of_who_comes_often(self, world: World) -> None:
        """Ten files of one citizen, then one of another: the other is second, not eleventh."""
        await world.enter("anna", "bo")
        first, second, others, third = await waiting(world, "anna", "anna", "bo", "anna")
        order = []
        for _ in range(4):
            row = claim(world)
            order.append(row.import_id)
            world.clock.move(seconds=1)
            world.valv.intake._end(row, "done", "")
        assert order == [first, others, second, third]

    async def test_one_import_of_a_vault_runs_at_a_time(self, world: World) -> None:
        """Two would each be told that nothing is there yet."""
        await world.enter("anna")
        await waiting(world, "anna", "anna")
        assert claim(world) is not None
        assert claim(world, world.another_worker()) is None


class TestDeath:
    """A worker whose process is dead is followed at once, one that stands still after its lease."""

    async def test_import_of_a_dead_process_is_taken_up_at_once(self, world: World) -> None:
        """The kernel lets go of its sign, however it died."""
        await world.enter("anna")
        (import_id,) = await waiting(world, "anna")
        with doomed(world.valv.settings.workers) as name:
            take_as(world, name)
            assert world.valv.intake.run_waiting() == 0
        assert world.valv.intake.run_waiting() == 1
        assert world.find_import("anna", import_id).state == "done"

    async def test_lease_of_a_living_worker_holds_till_it_is_over(self, world: World) -> None:
        """It may stand still for good: its sign alone would be waited for without end."""
        await world.enter("anna")
        await waiting(world, "anna")
        assert claim(world) is not None
        world.clock.move(seconds=LEASE.total_seconds() - 1)
        other = world.another_worker()
        assert claim(world, other) is None
        world.clock.move(seconds=2)
        assert claim(world, other) is not None

    async def test_lease_from_before_the_clock_stepped_back_holds_nothing_up(self, world: World) -> None:
        """Else an import would stand still for as long as the step was."""
        await world.enter("anna")
        await waiting(world, "anna")
        world.clock.move(hours=5)
        assert claim(world) is not None
        world.clock.move(hours=-5)
        assert claim(world, world.another_worker()) is not None

    def test_dead_signs_are_tidied_and_the_living_stay(self, tmp_path: Path) -> None:
        """One is left for each worker that ever was."""
        alive = Sign(tmp_path / "workers")
        with doomed(tmp_path / "workers") as name:
            alive.tidy()
            assert len(list((tmp_path / "workers").iterdir())) == 2
        alive.tidy()
        assert [path.name for path in (tmp_path / "workers").iterdir()] == [alive.name.hex()]
        assert alive.is_gone(name)
        assert not alive.is_gone(alive.name)


_HOLD_A_SIGN = (
    "import sys, time; from pathlib import Path; from importers.lease import Sign;"
    "sign = Sign(Path(sys.argv[1])); print(sign.name.hex(), flush=True); time.sleep(600)"
)


@contextmanager
def doomed(folder: Path) -> Iterator[bytes]:
    """Hold a sign in another process, which is killed at the end."""
    command = [sys.executable, "-c", _HOLD_A_SIGN, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield bytes.fromhex(process.stdout.readline())
        process.kill()


def take_as(world: World, name: bytes) -> None:
    """Claim what waits in another worker's name."""
    worker = world.another_worker()
    worker._sign.name = name
    assert claim(world, worker) is not None


class TestEnd:
    """A child ends within a look of its being unwanted, and what it was not at fault for is not counted."""

    @pytest.fixture(autouse=True)
    def _look_often(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(intake, "LOOK", intake.LOOK / 50)

    async def test_cancel_ends_a_child_that_says_nothing(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It may read for long before it has anything to commit."""
        await world.enter("anna")
        (import_id,) = await waiting(world, "anna")
        listening = silent(monkeypatch)
        running = asyncio.create_task(asyncio.to_thread(world.valv.intake.run_waiting))
        await asyncio.to_thread(listening.wait)
        await world.undo("anna", import_id)
        assert await running == 1
        told = world.find_import("anna", import_id)
        assert (told.state, told.attempts) == ("cancelled", 0)
        assert await stored(world) == 0

    async def test_worker_told_to_stop_gives_back_what_runs(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A restart costs no lease and no try, and another worker goes on at once."""
        await world.enter("anna")
        (import_id,) = await waiting(world, "anna")
        stopping = world.another_worker()
        with monkeypatch.context() as patch:
            listening = silent(patch)
            running = asyncio.create_task(asyncio.to_thread(stopping.run_waiting))
            await asyncio.to_thread(listening.wait)
            stopping.stop()
            assert await running == 1
        given_back = world.find_import("anna", import_id)
        assert (given_back.state, given_back.attempts) == ("queued", 0)
        assert stopping.run_waiting() == 0
        assert await asyncio.to_thread(world.valv.intake.run_waiting) == 1
        assert await stored(world) == 1

    async def test_database_that_is_down_costs_no_try(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """However often it goes down while a long import runs."""
        await world.enter("anna")
        (import_id,) = await waiting(world, "anna")

        def down(*_: Any) -> None:
            raise DatabaseUnavailableError(Fault.GONE)

        with monkeypatch.context() as patch:
            patch.setattr(Intake, "_commit", down)
            for _ in range(intake.MAX_ATTEMPTS + 1):
                assert await asyncio.to_thread(world.valv.intake.run_waiting) == 1
                world.clock.move(seconds=31)
        assert await asyncio.to_thread(world.valv.intake.run_waiting) == 1
        assert world.find_import("anna", import_id).state == "done"
        assert await stored(world) == 1

    async def test_fault_of_our_own_ends_in_a_failed_import(
        self, world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Not in one that is tried for ever; and the log of the process quotes nothing."""
        await world.enter("anna")
        (import_id,) = await waiting(world, "anna")

        def broken(*_: Any) -> None:
            raise KeyError("197503259280")

        monkeypatch.setattr(Intake, "_commit", broken)
        await asyncio.to_thread(world.valv.intake.run_waiting)
        told = world.find_import("anna", import_id)
        assert (told.state, told.attempts) == ("failed", intake.MAX_ATTEMPTS)
        assert "KeyError" in caplog.text
        assert "197503259280" not in caplog.text

    async def test_run_that_lost_its_import_changes_nothing(self, world: World) -> None:
        """Neither its counts, nor its state, nor its lease."""
        await world.enter("anna")
        (import_id,) = await waiting(world, "anna")
        row = claim(world)
        await world.undo("anna", import_id)
        assert not world.house.database.read_now(lambda connection: lease.is_ours(connection, row))
        with pytest.raises(LostLeaseError):
            world.valv.intake._end(row, "done", "")
        assert world.find_import("anna", import_id).state == "cancelled"


def silent(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Let the child say nothing until it ends; the event is set when somebody waits for its word."""
    listening = threading.Event()

    def listen(pipe: Any) -> Any:
        listening.set()
        while pipe.read(1):
            pass
        raise wire.BrokenPipeToChildError("the other side is gone")

    class Waits(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, _args: Any, **kwargs: Any) -> None:
            super().__init__(["sleep", "600"], **kwargs)

    monkeypatch.setattr(wire, "from_child", listen)
    monkeypatch.setattr(subprocess, "Popen", Waits)
    return listening
