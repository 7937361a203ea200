"""The client of :mod:`tests.bench.http`, in a process of its own: bare HTTP/1.1 over kept-alive connections.

    python -m tests.bench.client <port> <connections> <seconds> <folder> <which>

Each connection has one request on its way at a time; anything but 200 ends the run. It stands on the standard
library alone, so that it starts at once.
"""

import asyncio
import functools
import json
import sys
import time
from pathlib import Path
from typing import cast


class _Client(asyncio.Protocol):
    """One kept-alive connection with one request on its way; anything but 200 ends the run."""

    def __init__(self, request: bytes, until: float, done: asyncio.Future[int]) -> None:
        self._request = request
        self._until = until
        self._done = done
        self._got = b""
        self._count = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, found, body = self._got.partition(b"\r\n\r\n")
        if not found or len(body) < _length(head):
            return
        if not head.startswith(b"HTTP/1.1 200 "):
            self._done.set_exception(RuntimeError(self._got.decode()))
            self._transport.close()
            return
        self._got = b""
        self._count += 1
        if time.perf_counter() < self._until:
            self._transport.write(self._request)
        else:
            self._transport.close()
            self._done.set_result(self._count)


def _length(head: bytes) -> int:
    return int(head.lower().partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0])


async def drive(port: int, connections: int, seconds: float, request: bytes) -> tuple[int, float]:
    """Return how many answers came, and in how long."""
    loop = asyncio.get_running_loop()
    begun = time.perf_counter()
    waiting = [loop.create_future() for _ in range(connections)]
    for done in waiting:
        client = _Client(request, begun + seconds, done)
        await loop.create_connection(functools.partial(_same, client), "127.0.0.1", port)
    return sum(await asyncio.gather(*waiting)), time.perf_counter() - begun


def _same(client: _Client) -> _Client:
    return client


@functools.cache
def told(folder: Path) -> dict[str, str]:
    """Return what :func:`make` wrote down: both requests and the token."""
    return cast("dict[str, str]", json.loads((folder / "request.json").read_text()))


def _request(folder: Path, which: str, port: int) -> bytes:
    asked = told(folder)
    lines = [
        f"GET {asked[which]} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        f"Authorization: Bearer {asked['token']}",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def main(arguments: list[str]) -> None:
    """Drive, and print how many answers came, and in how long."""
    port, connections, seconds, folder, which = arguments
    request = _request(Path(folder), which, int(port))
    counted = asyncio.run(drive(int(port), int(connections), float(seconds), request))
    sys.stdout.write(json.dumps(counted))


if __name__ == "__main__":
    main(sys.argv[1:])
