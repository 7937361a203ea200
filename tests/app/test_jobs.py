"""The queue only wakes: what it loses or is too dead to take is found by the next sweep."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from app import cli, jobs
from app.jobs import Jobs
from app.settings import Settings, SettingsError
from importers.intake import Intake
from tests.world import World

FILE = (
    b'<HealthData locale="sv_SE">'
    b'<Record type="HKQuantityTypeIdentifierBodyMass" unit="kg" sourceName="W" value="70.5" '
    b'startDate="2026-03-01 08:00:00 +0100" endDate="2026-03-01 08:00:00 +0100"/></HealthData>'
)
LIMIT = 30  # seconds, after which a test that waits has failed


@contextmanager
def embedded(world: World) -> Iterator[Jobs]:
    """Run the embedded queue with its worker, as the server does."""
    started = Jobs(world.valv.intake)
    started.start()
    started.work()
    yield started
    started.stop()


def wait_for(what: Callable[[], bool]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + LIMIT
    while not what():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)


class TestEmbedded:
    """The default: a queue in memory, a worker in threads of the server."""

    async def test_woken_worker_runs_what_was_sent_in(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """By the queue alone: here the sweep would come too late."""
        await world.enter("anna")
        monkeypatch.setattr(jobs, "SWEEP_SECONDS", 10 * LIMIT)
        with embedded(world) as queue:
            import_id = await world.upload("anna", FILE, "export.xml")
            queue.wake()
            wait_for(lambda: world.find_import("anna", import_id).state == "done")

    async def test_what_nobody_woke_for_is_swept_up(self, world: World) -> None:
        """The word was lost; the row was not."""
        await world.enter("anna")
        import_id = await world.upload("anna", FILE, "export.xml")
        with embedded(world):
            wait_for(lambda: world.find_import("anna", import_id).state == "done")

    async def test_sweep_that_fails_does_not_end_the_sweeping(
        self, world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A dead database comes back; and the process's log quotes nothing."""
        await world.enter("anna")
        failed: list[bool] = []

        def fails(_: Intake) -> int:
            failed.append(True)
            raise RuntimeError("197503259280")

        with embedded(world):
            with monkeypatch.context() as patch:
                patch.setattr(Intake, "run_waiting", fails)
                wait_for(lambda: bool(failed))
            import_id = await world.upload("anna", FILE, "export.xml")
            wait_for(lambda: world.find_import("anna", import_id).state == "done")
        assert "RuntimeError" in caplog.text
        assert "197503259280" not in caplog.text

    async def test_stopped_worker_starts_nothing_more(self, world: World) -> None:
        """What comes in as the server ends is for the next start."""
        await world.enter("anna")
        with embedded(world) as stopped:
            pass
        import_id = await world.upload("anna", FILE, "export.xml")
        stopped.wake()
        jobs.sweep.run()
        assert world.find_import("anna", import_id).state == "queued"


def test_dead_queue_fails_no_wake_and_is_told_once(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An upload neither fails nor waits for a queue; the operator reads it once, and again after the next death."""
    tried: list[str] = []
    alive = False

    def put(*_: Any, **__: Any) -> None:
        tried.append("put")
        if not alive:
            raise ConnectionRefusedError("amqp://valv:secret@broker")

    monkeypatch.setattr(jobs.sweep, "apply_async", put)
    queue = Jobs(world.valv.intake)
    queue.start()
    for expected, alive in ((1, False), (2, False), (3, True), (4, False)):  # noqa: B007 put() reads it
        queue.wake()
        wait_for(lambda: len(tried) >= expected)  # noqa: B023 called at once
        wait_for(lambda: not queue._asked.is_set())
    queue.stop()
    told = [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]
    assert len(told) == 2
    assert not any("secret" in one for one in told)


def test_broker_that_is_none_is_refused_by_name() -> None:
    """Celery would take other queues, which lose what they hold; the setting's value may hold a password."""
    with pytest.raises(SettingsError, match="VALV_BROKER_URL"):
        Settings.read({"VALV_BROKER_URL": "redis://:secret@broker"})
    taken = Settings.read({"VALV_BROKER_URL": "amqps://valv:secret@broker/valv"})
    assert "secret" not in repr(taken)


def test_worker_without_a_broker_says_who_works(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The server itself; a second worker would be a slip."""
    monkeypatch.delenv("VALV_BROKER_URL", raising=False)
    assert cli.main(["worker"]) == 2
    assert "VALV_BROKER_URL" in capsys.readouterr().err
