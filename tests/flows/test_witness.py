"""Two processes on one machine: one installation logs, the other watches over it, and an old copy is put back."""

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from audit.checkpoint import parse_verifier_key
from audit.cosignature import WitnessKey, open_cosigned
from audit.tiles import Tile
from tests.audit.test_merkle import naive_root
from tests.flows.conftest import START_SECONDS, Server, start, stop

WITNESS = [sys.executable, "-m", "app.cli", "audit", "witness"]


@dataclass
class Watching:
    """A witness's process, its address and its key."""

    folder: Path
    log: str
    port: int
    key: str
    process: "subprocess.Popen[bytes]"

    @property
    def setting(self) -> dict[str, str]:
        """What the installation that is watched over is told."""
        return {"VALV_WITNESSES": f"http://127.0.0.1:{self.port} {self.key}"}

    def run(self) -> None:
        """Start the process, and wait until it serves."""
        command = [*WITNESS, "serve", "--data", str(self.folder), "--log", self.log]
        self.process = subprocess.Popen(command, env={"VALV_PORT": str(self.port), "PYTHONPATH": "."})
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            try:
                httpx.get(f"http://127.0.0.1:{self.port}/health")
            except httpx.TransportError:
                time.sleep(0.1)
            else:
                return
        raise AssertionError("the witness did not start")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """An installation, made by a first start."""
    first = start(tmp_path / "data")
    yield first
    stop(first)


@pytest.fixture
def watching(server: Server, tmp_path: Path) -> Iterator[Watching]:
    """A witness that knows the installation's log, in a folder of its own, without a vault."""
    folder = tmp_path / "witness"
    made = subprocess.run(
        [*WITNESS, "key", "--data", str(folder), "--name", "witness.example/w1"],
        capture_output=True,
        text=True,
        check=True,
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (server.data / "checkpoints/verifier-key").read_text().strip()
    running = Watching(folder, log, port, made.stdout.strip(), server.process)
    running.run()
    yield running
    running.process.terminate()
    running.process.wait(timeout=30)


def grow(server: Server, count: int) -> None:
    """Let people log in, which is logged."""
    with httpx.Client(base_url=server.url, timeout=60) as http:
        for _ in range(count):
            assert http.post("/demo/token", json={"persona": "anna"}).is_success


def waited(path: Path, *, size: int = 0) -> str:
    """Wait until a file of the checkpoints' folder is there, and of that size or more."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if path.exists() and int((path.read_text().split("\n")[1:2] or ["0"])[0]) >= size:
            return path.read_text()
        time.sleep(0.1)
    raise AssertionError(f"{path.name} did not come")


def review(server: Server) -> str:
    """Return the page of a supervisor who logs in."""
    with httpx.Client(base_url=server.url, timeout=60, follow_redirects=True) as http:
        token = re.search(r'name="_csrf_token" value="([0-9a-f]+)"', http.get("/login").text)
        assert token is not None
        http.post("/login", data={"_csrf_token": token[1], "persona": "supervisor-region"})
        return http.get("/review").text


def again(server: Server, **settings: str) -> Server:
    """Start the installation once more."""
    return start(server.data, **settings)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["rolled-back", "forked"])
def test_an_old_copy_put_back_is_refused_and_shown(
    server: Server, watching: Watching, tmp_path: Path, kind: str
) -> None:
    """Database and folder of checkpoints are consistent with each other; only the witness knows better."""
    identity = WitnessKey.parse(watching.key).id.hex()
    cosigned, alarm = (server.data / "checkpoints" / f"{name}.{identity}" for name in ("cosigned", "alarm"))
    stop(server)
    shutil.copytree(server.data, copy := tmp_path / "copy")

    # watched over: it is cosigned, the page and the operator see it, and others can verify it
    running = again(server, **watching.setting)
    waited(cosigned)
    grow(running, 5)
    assert "Vittnet witness.example/w1 intygade loggen senast" in review(running)
    assert "Larm om loggen" not in review(running)
    stop(running)
    told = Server("", server.data, server.process, watching.setting).valv("doctor")
    assert told.returncode == 0, told.stdout
    assert "witness.example/w1" in told.stdout
    seen = int(cosigned.read_text().split("\n")[1])
    verified = running.valv("audit", "verify", "--witness", watching.key)
    assert (verified.returncode, verified.stderr) == (0, "")
    assert "last cosigned by a witness" in verified.stdout

    # the copy is put back; forked, it grows otherwise before anybody asks
    shutil.rmtree(server.data)
    shutil.copytree(copy, server.data)
    if kind == "forked":
        other = again(server)
        grow(other, seen + 1)
        stop(other)
    assert running.valv("audit", "verify").returncode == 0, "by themselves they show nothing"

    # refused and shown, while the house goes on
    running = again(server, **watching.setting)
    deadline = time.monotonic() + START_SECONDS
    while not alarm.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    said = json.loads(alarm.read_text())
    assert said["kind"] == kind
    assert said["known"] == seen
    page = review(running)
    words = {"rolled-back": "har sett fler poster i loggen", "forked": "har sett andra poster i loggen"}
    assert "Larm om loggen" in page
    assert words[kind] in page
    stop(running)
    told = running.valv("doctor")
    assert told.returncode == 1
    assert f"LARM / ALARM  witness.example/w1: {kind}" in told.stdout
    verified = running.valv("audit", "verify", "--witness", watching.key)
    assert verified.returncode == 1
    assert "a witness has refused the log" in verified.stdout
    listed = subprocess.run(
        [*WITNESS, "refused", "--data", str(watching.folder)], capture_output=True, text=True, check=False
    )
    assert listed.returncode == 1
    assert said["note"].split("\n")[0] in listed.stdout


@pytest.mark.slow
def test_a_witness_that_is_killed_remembers_and_one_that_is_down_stops_nobody(
    server: Server, watching: Watching
) -> None:
    """Killed after each answer, it knows what it cosigned; killed for good, the house serves as before."""
    stop(server)
    identity = WitnessKey.parse(watching.key).id.hex()
    cosigned, size = server.data / "checkpoints" / f"cosigned.{identity}", 0
    for _ in range(3):
        running = again(server, **watching.setting)
        grow(running, 2)
        stop(running)
        assert running.valv("doctor").returncode == 0
        known = int(waited(cosigned, size=size + 1).split("\n")[1])
        watching.process.send_signal(signal.SIGKILL)
        watching.process.wait(timeout=30)
        watching.run()
        answer = httpx.post(
            f"http://127.0.0.1:{watching.port}/add-checkpoint", content=f"old 0\n\n{cosigned.read_text()}"
        )
        assert (answer.status_code, answer.text) == (409, f"{known}\n")
        assert answer.headers["content-type"] == "text/x.tlog.size"
        size = known
    endless = (b"x" * 1024 for _ in range(200))
    url = f"http://127.0.0.1:{watching.port}/add-checkpoint"
    assert httpx.post(url, content=endless).status_code == 413

    watching.process.send_signal(signal.SIGKILL)
    watching.process.wait(timeout=30)
    running = again(server, **watching.setting)
    grow(running, 3)
    assert "intygade loggen senast" in review(running)
    with httpx.Client(base_url=running.url) as http:
        note = http.get("/log/checkpoint").text
        count = int(note.split("\n")[1])
        hashes = http.get(f"/log/tile/{Tile(0, 0, count).path}").content
    origin, public = parse_verifier_key(watching.log)
    leaves = [hashes[at : at + 32] for at in range(0, len(hashes), 32)]
    old = open_cosigned(
        cosigned.read_text(), origin=origin, public=public, witness=WitnessKey.parse(watching.key)
    )
    assert naive_root(leaves[: old.checkpoint.size]) == old.checkpoint.root
    stop(running)
    told = running.valv("doctor")
    assert told.returncode == 0
    assert "does not answer" in told.stdout
