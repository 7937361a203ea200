"""Where the time of one authorised, audited, decrypted read goes, stage by stage, within one process."""

import asyncio
import inspect
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any, cast
from unittest import mock

from litestar import Litestar

from app import security, wiring
from app.fhir import routes
from app.main import application
from app.settings import Settings
from audit.log import AuditLog
from consent import gate
from keys.keystore import KeyStore
from keys.primitives import PrivateKey
from sharing import reading
from tests.bench.client import told
from tests.bench.http import make
from vault import segment

#: Where the time of one read goes: the function that each stage is, by its module. The rest is the framework's.
STAGES: dict[str, tuple[tuple[Any, str], ...]] = {
    "who is asking": ((security, "_from_bearer"),),
    "snapshot": ((reading, "_take"),),
    "decision": ((gate, "judge"),),
    "durable entry": ((AuditLog, "append"),),
    "key": ((KeyStore, "open"), (PrivateKey, "opener")),
    "open": ((segment, "open_key"), (segment, "open_body"), (segment, "open_summary")),
    "mask": ((reading, "_mask"),),
    "encode": ((routes, "to_fhir"), (routes, "answer")),
}


def split(folder: Path, reads: int = 200) -> dict[str, float]:
    """Return the seconds of each stage of one read, one at a time and without HTTP; ``whole`` is all of it."""
    make(folder)
    valv = wiring.open_installation(Settings(folder))
    try:
        return asyncio.run(_split(application(valv), folder, reads))
    finally:
        valv.close()


async def _split(app: Litestar, folder: Path, reads: int) -> dict[str, float]:
    spent = dict.fromkeys(STAGES, 0.0)
    for _ in range(10):
        await _ask(app, folder)
    with ExitStack() as timed:
        for stage, functions in STAGES.items():
            for holder, name in functions:
                replaced = _timed(getattr(holder, name), stage, spent)
                timed.enter_context(mock.patch.object(holder, name, replaced))
        begun = time.perf_counter()
        for _ in range(reads):
            await _ask(app, folder)
        spent["whole"] = time.perf_counter() - begun
    return {stage: seconds / reads for stage, seconds in spent.items()}


def _timed(work: Callable[..., Any], stage: str, spent: dict[str, float]) -> Callable[..., Any]:
    @contextmanager
    def measured() -> Iterator[None]:
        begun = time.perf_counter()
        yield
        spent[stage] += time.perf_counter() - begun

    def called(*arguments: Any, **named: Any) -> Any:
        with measured():
            return work(*arguments, **named)

    async def awaited(*arguments: Any, **named: Any) -> Any:
        with measured():
            return await work(*arguments, **named)

    return awaited if inspect.iscoroutinefunction(work) else called


async def _ask(app: Litestar, folder: Path) -> None:
    """Send the application one request as its server would, without a socket."""
    path, _, query = told(folder)["read"].partition("?")
    headers = [(b"host", b"127.0.0.1:8080"), (b"authorization", f"Bearer {told(folder)['token']}".encode())]
    scope = {
        "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": query.encode(),
        "root_path": "", "scheme": "http", "http_version": "1.1", "headers": headers, "state": {},
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8080), "asgi": {"version": "3.0"},
    }  # fmt: skip
    answers: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        answers.append(message)

    await app(cast("Any", scope), receive, send)
    if answers[0]["status"] != HTTPStatus.OK:
        raise RuntimeError(answers[-1]["body"].decode())
