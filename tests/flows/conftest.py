"""A server as its users meet it: started as a process of its own, on a demo installation of its own."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests import postgres

START_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: its address, its data folder, and its process."""

    url: str
    data: Path
    process: "subprocess.Popen[bytes]"
    settings: dict[str, str] = field(default_factory=dict)

    def valv(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run an operator's command on the same data."""
        return subprocess.run(
            [sys.executable, "-m", "app.cli", *arguments],
            env={**os.environ, "VALV_DATA": str(self.data), **self.settings},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


def start(data: Path, **settings: str) -> Server:
    """Start ``valv demo`` and wait until it serves."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "VALV_DATA": str(data), "VALV_PORT": str(port), **settings}
    process = subprocess.Popen([sys.executable, "-m", "app.cli", "demo"], env=environment)
    server = Server(f"http://127.0.0.1:{port}", data, process, settings)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{server.url}/health").text == "ok":
                return server
        except httpx.TransportError:
            time.sleep(0.1)
    process.kill()
    raise AssertionError("the server did not start")


def stop(server: Server) -> None:
    """End the server as its operator would."""
    server.process.terminate()
    server.process.wait(timeout=30)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Give one server to a module's tests."""
    running = start(tmp_path_factory.mktemp("flow") / "data")
    yield running
    stop(running)


@pytest.fixture(scope="module")
def either(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Give one server on each engine to a module's tests."""
    settings = {"VALV_DATABASE_URL": postgres.shared().create()} if engine == "postgresql" else {}
    running = start(tmp_path_factory.mktemp("flow") / "data", **settings)
    yield running
    stop(running)
