"""A server as its users meet it: started as a process of its own, on a demo installation of its own."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

START_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: its address, its data folder, and its process."""

    url: str
    data: Path
    process: "subprocess.Popen[bytes]"

    def valv(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run an operator's command on the same data."""
        return subprocess.run(
            [sys.executable, "-m", "app.cli", *arguments],
            env={**os.environ, "VALV_DATA": str(self.data)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


def start(data: Path) -> Server:
    """Start ``valv demo`` and wait until it serves."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "VALV_DATA": str(data), "VALV_PORT": str(port)}
    process = subprocess.Popen([sys.executable, "-m", "app.cli", "demo"], env=environment)
    server = Server(f"http://127.0.0.1:{port}", data, process)
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
