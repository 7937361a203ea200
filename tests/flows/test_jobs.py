"""Jobs over real processes: whoever is killed, each record is stored once."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.jobs import CELERY
from app.settings import Settings
from tests import postgres, rabbitmq
from tests.flows.conftest import Server, start, stop
from tests.flows.test_main_job_api import Caller
from tests.world import attack

pytestmark = pytest.mark.slow
ROWS = 30_000
LIMIT = 120  # seconds, after which a test that waits has failed
_FIRST = datetime(2001, 1, 1, tzinfo=UTC)
_ROW = (
    '<Record type="HKQuantityTypeIdentifierBodyMass" unit="kg" sourceName="W" value="{value}" '
    'startDate="{at}" endDate="{at}"/>\n'
)


def export(rows: int, *, day: int = 0) -> bytes:
    """Write an export of so many weights, an hour apart."""
    moments = (_FIRST + timedelta(days=day, hours=n) for n in range(rows))
    written = (
        _ROW.format(value=60 + n % 400 / 10, at=f"{at:%Y-%m-%d %H:%M:%S} +0000")
        for n, at in enumerate(moments)
    )
    return f'<HealthData locale="sv_SE">\n{"".join(written)}</HealthData>'.encode()


@dataclass(frozen=True, slots=True)
class House:
    """One installation, its server, and those who send files to it."""

    server: Server
    settings: dict[str, str] = field(default_factory=dict)
    _clients: list[httpx.Client] = field(default_factory=list)

    @contextlib.contextmanager
    def worker(self) -> Iterator["subprocess.Popen[str]"]:
        """Run ``valv worker`` till the end of the block."""
        environment = {**os.environ, **self.settings, "VALV_DATA": str(self.server.data)}
        command = [sys.executable, "-m", "app.cli", "worker"]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline()
            yield process
            process.terminate()

    def as_(self, persona: str) -> "Sender":
        """Return a citizen with their token."""
        self._clients.append(httpx.Client(base_url=self.server.url, timeout=60))
        return Sender(Caller(self._clients[-1], persona).http)

    def close(self) -> None:
        """End the server, and those who talk to it."""
        for client in self._clients:
            client.close()
        stop(self.server)

    def stored(self) -> int:
        """Return how many imported records stand in the database, those that stand there twice counted twice."""
        settings = Settings(self.server.data, database_url=self.settings.get("VALV_DATABASE_URL", ""))
        query = "SELECT coalesce(sum(length(fingerprints) / 8), 0) FROM segments WHERE import_id <> ?"
        with attack(settings) as attacker:
            return int(attacker.execute(query, (b"",)).fetchone()[0])


@dataclass(frozen=True, slots=True)
class Sender:
    """A citizen who sends in files."""

    http: httpx.Client

    def send(self, file: bytes) -> str:
        """Send in a file; return the import's address."""
        answer = self.http.post("/api/imports", files={"file": ("export.xml", file)})
        assert answer.status_code == 202, answer.text
        return str(answer.headers["location"])

    def state(self, address: str) -> dict[str, Any]:
        """Return how an import stands."""
        return dict(self.http.get(address).json())

    def until(self, address: str, what: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Follow an import until something is true of it."""
        deadline = time.monotonic() + LIMIT
        while not what(told := self.state(address)):
            assert time.monotonic() < deadline, told
            time.sleep(0.02)
        return told

    def end(self, address: str) -> dict[str, Any]:
        """Follow an import to its end."""
        return self.until(address, lambda told: told["state"] not in {"queued", "running"})

    def undo(self, address: str) -> None:
        """Cancel or undo an import."""
        assert self.http.delete(address).status_code == 204
        assert self.state(address)["state"] == "cancelled"


def runs(told: dict[str, Any]) -> bool:
    """Tell whether an import is in the middle of its work; one that is over was not caught."""
    assert told["state"] in {"queued", "running"}, told
    return told["state"] == "running" and int(told["read"]) > 0


@pytest.fixture(scope="module")
def broker() -> Iterator[rabbitmq.Server]:
    """Return the run's RabbitMQ."""
    if rabbitmq.MISSING:
        pytest.skip(rabbitmq.MISSING)
    node = rabbitmq.Server()
    yield node
    node.close()


@pytest.fixture(scope="module")
def house(
    broker: rabbitmq.Server, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    """Return an installation as in production, where PostgreSQL is at hand; it has no worker yet."""
    settings = {"VALV_BROKER_URL": broker.url}
    if not postgres.MISSING:
        settings["VALV_DATABASE_URL"] = request.getfixturevalue("postgresql").create()
    made = House(start(tmp_path_factory.mktemp("jobs") / "data", **settings), settings)
    yield made
    made.close()


class TestRabbitMQ:
    """The server takes files in, the workers work."""

    def test_import_waits_for_a_worker_and_may_be_cancelled_till_then(self, house: House) -> None:
        """The server does none of it."""
        bo = house.as_("bo")
        cancelled, kept = bo.send(export(10)), bo.send(export(10))
        bo.undo(cancelled)
        time.sleep(2)
        assert bo.state(kept)["state"] == "queued"
        with house.worker():
            assert bo.end(kept)["stored"] == 10
        assert bo.state(cancelled)["state"] == "cancelled"
        bo.undo(kept)
        assert house.stored() == 0

    def test_killed_worker_is_followed_by_another_and_each_record_is_stored_once(self, house: House) -> None:
        """Whatever it had stored is known again, and nobody waits for a lease to pass."""
        bo = house.as_("bo")
        with house.worker() as dying:
            sent = bo.send(export(ROWS))
            bo.until(sent, runs)
            with house.worker():
                dying.kill()
                told = bo.end(sent)
        assert (told["state"], told["stored"], told["duplicates"]) == ("done", ROWS, 0)
        assert told["position"] == told["size"]
        assert house.stored() == ROWS
        bo.undo(sent)

    def test_cancel_ends_a_running_import_and_leaves_nothing(self, house: House) -> None:
        """And its worker goes on with the next."""
        bo = house.as_("bo")
        with house.worker():
            sent = bo.send(export(ROWS))
            bo.until(sent, runs)
            bo.undo(sent)
            following = bo.send(export(10))
            assert bo.end(following)["stored"] == 10
        assert house.stored() == 10
        bo.undo(following)

    def test_two_workers_do_each_job_once(self, house: House) -> None:
        """Of several citizens, all at once."""
        people = [house.as_(one) for one in ("bo", "karin")]
        with house.worker(), house.worker():
            sent = [(one, one.send(export(50, day=10 * n))) for n in range(3) for one in people]
            ended = [one.end(address) for one, address in sent]
        assert [(told["state"], told["stored"]) for told in ended] == [("done", 50)] * 6
        assert house.stored() == 6 * 50
        for one, address in sent:
            one.undo(address)

    def test_dead_broker_holds_nothing_up_and_is_used_again_when_it_is_back(
        self, house: House, broker: rabbitmq.Server
    ) -> None:
        """It dies in the middle of the work; files come in and are read; nobody restarts anything."""
        bo = house.as_("bo")
        with house.worker():
            during = bo.send(export(ROWS))
            bo.until(during, runs)
            broker.kill()
            assert bo.end(during)["stored"] == ROWS
            meanwhile = bo.send(export(10, day=4000))
            assert bo.end(meanwhile)["stored"] == 10
            broker.start()
            deadline = time.monotonic() + LIMIT
            while listeners(broker) != 1:
                assert time.monotonic() < deadline, "the worker does not listen again"
                time.sleep(0.2)
            after = bo.send(export(10, day=4001))
            assert bo.end(after)["stored"] == 10
        assert house.stored() == ROWS + 20
        for sent in (during, meanwhile, after):
            bo.undo(sent)


def listeners(broker: rabbitmq.Server) -> int:
    """Return how many workers listen to the queue."""
    with CELERY.connection_for_read(broker.url) as connection, contextlib.suppress(connection.channel_errors):
        return int(connection.default_channel.queue_declare("valv", passive=True).consumer_count)
    return 0


def test_killed_server_goes_on_with_an_import_when_it_comes_back(tmp_path: Path) -> None:
    """The embedded default: its worker dies with it."""
    house = House(start(tmp_path / "data"))
    bo = house.as_("bo")
    sent = bo.send(export(ROWS))
    bo.until(sent, runs)
    house.server.process.kill()
    house.close()
    again = House(start(tmp_path / "data"))
    told = again.as_("bo").end(sent)
    assert (told["state"], told["stored"], told["duplicates"]) == ("done", ROWS, 0)
    assert again.stored() == ROWS
    again.close()
