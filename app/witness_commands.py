"""``valv audit witness``: watch over other installations' logs. It opens no installation, and no vault."""

import argparse
import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from litestar import Litestar, MediaType, Request, Response, get, post
from litestar.datastructures import State

from app import security
from app.security import Access
from app.serving import serve_forever
from app.settings import Settings, SettingsError
from app.wiring import wall_clock
from audit.checkpoint import CheckpointError, parse_verifier_key
from audit.cosignature import WitnessKey
from audit.database import FAULTS
from audit.witness import MOST_BYTES, Answer, Status, Witness
from keys.primitives import KeysError, Signer, random_key

_KEY, _NAME, _STATE = "witness.pem", "witness.vkey", "witness.db"
_SIZE_TYPE = "text/x.tlog.size"

Add = Callable[..., argparse.ArgumentParser]


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", add_one: Add) -> None:
    """Add the commands."""
    key = add_one(commands, "key", _key, "print the witness's verifier key; made where there is none")
    key.add_argument(
        "--name", help="of a new key: a host name and path without scheme, as witness.example/w1"
    )
    serve = add_one(commands, "serve", _serve, "cosign the checkpoints of the logs that are named")
    serve.add_argument(
        "--log", action="append", metavar="VKEY", help="a log's verifier key; once for each log"
    )
    refused = add_one(commands, "refused", _refused, "list what a log signed and the witness refused")
    for one in (key, serve, refused):
        one.add_argument("--data", type=Path, help="the witness's folder; default: VALV_DATA/witness")


def application(witness: Witness) -> Litestar:
    """Return the application that serves one witness."""

    @asynccontextmanager
    async def running(_app: Litestar) -> AsyncIterator[None]:
        try:
            yield
        finally:
            witness.close()

    return Litestar(
        route_handlers=[add_checkpoint, health],
        guards=[security.guard],
        before_send=[security.add_headers],
        logging_config=None,
        openapi_config=None,
        state=State({"witness": witness}),
        lifespan=[running],
        debug=False,
    )


@post("/add-checkpoint", opt={"access": Access.PUBLIC}, request_max_body_size=MOST_BYTES, status_code=200)
async def add_checkpoint(request: Request[Any, Any, State]) -> Response[str]:
    """Cosign a checkpoint of a known log, if it only grew (C2SP tlog-witness)."""
    witness: Witness = request.app.state.witness
    raw = await request.body()
    try:
        answer: Answer = await asyncio.to_thread(witness.add_checkpoint, raw)
    except FAULTS:
        return Response("", status_code=503, media_type=MediaType.TEXT)
    # by the header itself: the framework would add a charset, and this type has none
    named = {"Content-Type": _SIZE_TYPE} if answer.status is Status.OTHER_SIZE else None
    return Response(answer.body, status_code=int(answer.status), media_type=MediaType.TEXT, headers=named)


@get("/health", opt={"access": Access.PUBLIC}, media_type=MediaType.TEXT, sync_to_thread=False)
def health() -> str:
    """Whether the process serves."""
    return "ok"


def _key(settings: Settings, chosen: argparse.Namespace) -> int:
    folder = _folder(settings, chosen)
    if not (folder / _KEY).exists():
        if not chosen.name:
            raise SettingsError("--name: there is no key yet; name the new one, as witness.example/w1")
        signer = Signer(random_key())
        text = _named(chosen.name, signer)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(folder / _NAME, f"{text}\n".encode(), mode=0o644)
        _write(folder / _KEY, signer.pem(), mode=0o600)
    print(_loaded(folder)[1])  # noqa: T201 a command's answer
    return 0


def _serve(settings: Settings, chosen: argparse.Namespace) -> int:
    if not chosen.log:
        raise SettingsError("--log: name each log by its verifier key (VALV_DATA/checkpoints/verifier-key)")
    witness = _opened(_folder(settings, chosen), dict(map(_log, chosen.log)))
    print(f"vittne / witness: http://{settings.host}:{settings.port}", flush=True)  # noqa: T201
    serve_forever(application(witness), host=settings.host, port=settings.port)
    return 0


def _refused(settings: Settings, chosen: argparse.Namespace) -> int:
    witness = _opened(_folder(settings, chosen), {})
    found = witness.refusals()
    witness.close()
    for one in found:
        print(f"{one.origin}: {one.status} {one.size}, {one.known} känd / known\n{one.note}")  # noqa: T201
    return 1 if found else 0


def _opened(folder: Path, logs: dict[str, bytes]) -> Witness:
    signer, key = _loaded(folder)
    return Witness(folder / _STATE, signer, name=key.name, logs=logs, clock=wall_clock)


def _folder(settings: Settings, chosen: argparse.Namespace) -> Path:
    folder: Path = chosen.data or settings.data / "witness"
    return folder


def _loaded(folder: Path) -> tuple[Signer, WitnessKey]:
    try:
        signer = Signer.from_pem((folder / _KEY).read_bytes())
        key = WitnessKey.parse((folder / _NAME).read_text())
    except (CheckpointError, KeysError) as error:
        raise SettingsError(f"{folder}: {error}") from None
    if key.public != signer.public():
        raise SettingsError(f"{folder}: {_NAME} is not of the key beside it")
    return signer, key


def _named(name: str, signer: Signer) -> str:
    try:
        return str(WitnessKey(name, signer.public()))
    except CheckpointError as error:
        raise SettingsError(f"--name: {error}") from None


def _log(text: str) -> tuple[str, bytes]:
    try:
        return parse_verifier_key(text)
    except CheckpointError as error:
        raise SettingsError(f"--log: {error}") from None


def _write(path: Path, content: bytes, *, mode: int) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as opened:
        opened.write(content)
