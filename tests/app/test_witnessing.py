"""Witnesses by setting, by HTTP and by command: what is taken, what is refused, and that nobody waits."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from app import cli, witnessing
from app.security import Access
from app.settings import Settings, SettingsError
from app.witness_commands import application
from app.witnessing import Witnessing
from audit.asking import Reply, WitnessAt, WitnessError
from audit.checkpoint import Checkpoint, verifier_key
from audit.cosignature import WitnessKey, open_cosigned
from audit.witness import MOST_BYTES, Asked, Witness
from keys.primitives import Signer
from tests.audit.audit_world import Clock

LOG, SEES = Signer(b"l" * 32), Signer(b"w" * 32)
ORIGIN, KEY = "log.example/one", WitnessKey("witness.example/w1", SEES.public())
OTHER = WitnessKey("witness.example/w2", LOG.public())


def test_witnesses_are_read_from_the_setting() -> None:
    """Address and key each; HTTPS, but on this machine."""
    text = f"https://witness.example/w1/ {KEY} , http://127.0.0.1:8081 {OTHER},"
    assert Settings.read({"VALV_WITNESSES": text}).witnesses == (
        WitnessAt("https://witness.example/w1", KEY),
        WitnessAt("http://127.0.0.1:8081", OTHER),
    )
    assert Settings.read({}).witnesses == ()


@pytest.mark.parametrize(
    "text",
    [
        f"http://witness.example {KEY}",
        f"http://10.0.0.1 {KEY}",
        f"ftp://127.0.0.1 {KEY}",
        f"https:// {KEY}",
        f"https://user:secret@witness.example {KEY}",
        f"https://witness.example?x=1 {KEY}",
        f"https://witness.example/#a {KEY}",
        f"https://[::1 {KEY}",
        f"{KEY}",
        "https://witness.example",
        f"https://witness.example {str(KEY)[:-4]}",
        f"https://witness.example {verifier_key(ORIGIN, LOG.public())}",
        f"https://a.example {KEY}, https://b.example {KEY}",
    ],
)
def test_a_witness_that_cannot_be_asked_is_refused_at_the_start(text: str) -> None:
    """A log's key, plain HTTP to elsewhere, half an address: by the setting's name, without what may be a secret."""
    with pytest.raises(SettingsError, match="VALV_WITNESSES") as told:
        Settings.read({"VALV_WITNESSES": text})
    assert "secret" not in str(told.value)


# --- the witness's own server


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    """A witness of one log."""
    return Witness(tmp_path / "w.db", SEES, name=KEY.name, logs={ORIGIN: LOG.public()}, clock=Clock())


def asked(size: int, root: bytes, *, old: int = 0, origin: str = ORIGIN, signer: Signer = LOG) -> bytes:
    """Return a request."""
    return Asked(old, (), Checkpoint(origin, size, root).signed(signer)).text().encode()


async def test_the_witness_answers_as_the_protocol_says(witness: Witness) -> None:
    """Statuses, types and bodies, in the order in which a log would meet them."""
    root, other = b"r" * 32, b"o" * 32
    async with AsyncTestClient(application(witness)) as client:

        async def post(body: bytes) -> tuple[int, str, str]:
            answer = await client.post("/add-checkpoint", content=body)
            return answer.status_code, answer.headers["content-type"], answer.text

        status, kind, line = await post(asked(7, root))
        assert (status, kind) == (200, "text/plain; charset=utf-8")
        note = Checkpoint(ORIGIN, 7, root).signed(LOG)
        found = open_cosigned(note + line, origin=ORIGIN, public=LOG.public(), witness=KEY)
        assert found.checkpoint.size == 7
        assert await post(asked(7, root)) == (409, "text/x.tlog.size", "7\n")
        assert await post(asked(7, other, old=7)) == (409, "text/x.tlog.size", "7\n")
        assert (await post(asked(9, other, old=7)))[0] == 422
        assert (await post(asked(7, root, old=8)))[0] == 400
        assert (await post(asked(7, root, origin="log.example/two")))[0] == 404
        assert (await post(asked(7, root, signer=SEES)))[0] == 403
        assert (await post(b"hello"))[0] == 400
        assert (await client.get("/add-checkpoint")).status_code == 405
        assert (await client.get("/nothing")).status_code == 404


async def test_an_oversize_request_is_not_read(witness: Witness) -> None:
    """413, and the witness goes on; one that does not say its size is met in tests/flows/test_witness.py."""
    async with AsyncTestClient(application(witness)) as client:
        assert (await client.post("/add-checkpoint", content=b"x" * (MOST_BYTES + 1))).status_code == 413
        assert (await client.post("/add-checkpoint", content=asked(7, b"r" * 32))).status_code == 200


async def test_a_witness_that_cannot_write_signs_nothing(
    witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not on disk is not said."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    async with AsyncTestClient(application(witness)) as client:
        with monkeypatch.context() as patch:
            patch.setattr(Witness, "_moved", full)
            answer = await client.post("/add-checkpoint", content=asked(7, b"r" * 32))
            assert (answer.status_code, answer.text) == (503, "")
        assert (await client.post("/add-checkpoint", content=asked(7, b"o" * 32))).status_code == 200


def test_every_route_of_the_witness_is_declared(witness: Witness) -> None:
    """There are two, and both are anybody's: no request is authenticated but by the log's signature."""
    app: Litestar = application(witness)
    handlers = {
        (route.path, handler.opt["access"])
        for route in app.routes
        for handler in getattr(route, "route_handlers", [])
        if handler.fn.__name__ != "options_handler"
    }
    assert handlers == {("/add-checkpoint", Access.PUBLIC), ("/health", Access.PUBLIC)}
    witness.close()


# --- its commands


def test_key_is_made_once_and_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A second run prints the same key: a witness that changed its key would have forgotten all."""
    monkeypatch.setenv("VALV_DATA", str(tmp_path))
    assert cli.main(["audit", "witness", "key"]) == 2
    assert "--name" in capsys.readouterr().err
    assert cli.main(["audit", "witness", "key", "--name", "not a name"]) == 2
    capsys.readouterr()
    assert cli.main(["audit", "witness", "key", "--name", "witness.example/w1"]) == 0
    first = capsys.readouterr().out
    assert WitnessKey.parse(first).name == "witness.example/w1"
    assert cli.main(["audit", "witness", "key", "--name", "another.example"]) == 0
    assert capsys.readouterr().out == first
    assert os.stat(tmp_path / "witness" / "witness.pem").st_mode & 0o777 == 0o600  # noqa: PTH116 as ls shows it
    assert cli.main(["audit", "witness", "refused"]) == 0
    (tmp_path / "witness" / "witness.vkey").write_text(str(KEY))
    assert cli.main(["audit", "witness", "key"]) == 2
    assert "not of the key beside it" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["--log", "nonsense"], ["--log", str(KEY)]])
def test_a_witness_of_nothing_is_not_served(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str]
) -> None:
    """Each log is named by its own key; a witness's key is none."""
    monkeypatch.setenv("VALV_DATA", str(tmp_path))
    assert cli.main(["audit", "witness", "key", "--name", "witness.example/w1"]) == 0
    assert cli.main(["audit", "witness", "serve", *arguments]) == 2
    assert "--log" in capsys.readouterr().err


# --- how the log reaches it


class Elsewhere(BaseHTTPRequestHandler):
    """Answers with what the test wants."""

    status, body, location = 200, b"", ""

    def do_POST(self) -> None:
        """Answer."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.status)
        if self.location:
            self.send_header("Location", self.location)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: object) -> None:
        """Be silent."""


@pytest.fixture
def elsewhere() -> Iterator[Callable[..., str]]:
    """Return how to have an answer waiting; gives its URL."""
    servers: list[HTTPServer] = []

    def serve(status: int, body: bytes, location: str = "") -> str:
        kind = type("Answer", (Elsewhere,), {"status": status, "body": body, "location": location})
        server = HTTPServer(("127.0.0.1", 0), kind)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}/add-checkpoint"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def test_what_comes_back_is_handed_on(elsewhere: Callable[..., str]) -> None:
    """Status and body, and no redirect is followed: the settings say where to ask."""
    assert witnessing.post(elsewhere(409, b"17\n"), b"x") == Reply(409, b"17\n")
    target = elsewhere(200, b"never")
    assert witnessing.post(elsewhere(302, b"", target), b"x").status == 302


def test_too_long_an_answer_is_cut_off(elsewhere: Callable[..., str]) -> None:
    """No witness fills the server's memory."""
    with pytest.raises(WitnessError, match="too much"):
        witnessing.post(elsewhere(200, b"x" * 20_000), b"x")


def test_a_witness_that_is_down_is_an_error_of_its_own() -> None:
    """So that it is told from all else."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(WitnessError, match="cannot be reached"):
        witnessing.post(f"http://127.0.0.1:{port}/add-checkpoint", b"x")


class Faulty:
    """Asks in vain, by one fault after the other, and says when it was asked."""

    def __init__(self, faults: list[Exception]) -> None:
        self.witnesses = (WitnessAt("http://127.0.0.1:9", KEY),) * len(faults)
        self._faults = iter(faults)
        self.all_asked = threading.Event()

    def ask(self, _: WitnessAt) -> None:
        """Fail."""
        fault = next(self._faults)
        if isinstance(fault, KeyboardInterrupt | ZeroDivisionError):
            self.all_asked.set()
        raise fault


def test_no_fault_ends_the_asking(caplog: pytest.LogCaptureFixture) -> None:
    """Each next witness is asked; what fails again in the same way is told once, and no content is told."""
    asking = Faulty(
        [
            WitnessError("it answered 503"),
            WitnessError("again"),
            OSError("secret"),
            ZeroDivisionError("secret"),
        ]
    )
    asks = Witnessing(asking)  # type: ignore[arg-type]
    asks.start()
    assert asking.all_asked.wait(10)
    asks.stop()
    told = caplog.text
    assert told.count("has not cosigned") == 1
    assert "ZeroDivisionError" in told
    assert "secret" not in told
