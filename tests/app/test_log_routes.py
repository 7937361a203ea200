"""The log's tree over HTTP: public, cacheable, in the specification's form; and nothing else of the log."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from app import wiring
from app.errors import TooManyRequestsError
from app.log_routes import Turns
from app.main import application
from app.settings import Settings
from app.wiring import Valv
from audit.asking import WitnessAt
from audit.checkpoint import Checkpoint, open_checkpoint
from audit.cosignature import WitnessKey, cosign, open_cosigned
from audit.errors import LogUnavailableError
from audit.witnessed import Witnessed
from keys.primitives import Signer
from tests import postgres

SEES = Signer(b"w" * 32)
KEY = WitnessKey("witness.example/w1", SEES.public())


@pytest.fixture(scope="module")
def settings(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Make one demo installation on each engine."""
    made = Settings(
        tmp_path_factory.mktemp("log") / "data",
        allowed_hosts=("testserver.local",),
        database_url=postgres.shared().create() if engine == "postgresql" else "",
        witnesses=(WitnessAt("http://127.0.0.1:9", KEY),),
    )
    wiring.create(made, demo=True)
    return made


@pytest.fixture
async def valv(settings: Settings) -> AsyncIterator[Valv]:
    """Open it."""
    opened = wiring.open_installation(settings)
    yield opened
    opened.close()


@pytest.fixture
async def client(valv: Valv) -> AsyncIterator[AsyncTestClient[Litestar]]:
    """Give somebody whom nobody knows."""
    async with AsyncTestClient(application(valv), base_url="http://testserver.local") as made:
        yield made


async def test_anybody_gets_the_checkpoint_and_its_tile(
    client: AsyncTestClient[Litestar], valv: Valv
) -> None:
    """Without login or key: the note, then the hashes that make its root."""
    answer = await client.get("/log/checkpoint")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert answer.headers["cache-control"] == "public, max-age=2"
    origin, public = valv.house.log.identity
    head = open_checkpoint(answer.text, origin=origin, public=public)
    assert 0 < head.size < 256
    tile = await client.get(f"/log/tile/0/000.p/{head.size}")
    assert (tile.status_code, tile.headers["content-type"]) == (200, "application/octet-stream")
    assert tile.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert len(tile.content) == 32 * head.size
    assert "set-cookie" not in {**answer.headers, **tile.headers}


async def test_checkpoint_bears_the_words_of_witnesses_on_it(
    client: AsyncTestClient[Litestar], valv: Valv
) -> None:
    """Of those on this very one; what an older one bears is not put under a newer."""
    origin, public = valv.house.log.identity
    head, note = valv.house.log.newest_checkpoint()
    kept = Witnessed(valv.settings.checkpoints, origin=origin, public=public)
    kept.keep(note + cosign(head.text(), SEES, KEY.name, at=valv.house.clock()), KEY)
    told = (await client.get("/log/checkpoint")).text
    assert open_cosigned(told, origin=origin, public=public, witness=KEY).checkpoint == head
    valv.house.log.checkpoint()
    if valv.house.log.newest_checkpoint()[0] != head:
        assert KEY.name not in (await client.get("/log/checkpoint")).text


ODD = (
    "/log",
    "/log/",
    "/log/tile",
    "/log/tile/",
    "/log/tile/0",
    "/log/tile/0/000",
    "/log/tile/0/001.p/1",
    "/log/tile/1/000.p/1",
    "/log/tile/0/000.p/0",
    "/log/tile/0/000.p/256",
    "/log/tile/0/0",
    "/log/tile/64/000",
    "/log/tile/00/000.p/1",
    "/log/tile/entries/000.p/1",
    "/log/tile/entries/000",
    "/log/tile/0/%2e%2e/%2e%2e/checkpoint",
    "/log/tile/0/x999/x999/x999/x999/x999/999",
    "/log/checkpoint/1",
    "/log/latest",
)


async def test_odd_paths_lead_nowhere(client: AsyncTestClient[Litestar]) -> None:
    """404, kept by no cache: what is not there yet may come."""
    for path in ODD:
        answer = await client.get(path)
        assert (path, answer.status_code, answer.headers["cache-control"]) == (path, 404, "no-store")


async def test_nobody_writes_there(client: AsyncTestClient[Litestar]) -> None:
    """The tree grows by what happens in the house alone."""
    for path in ("/log/checkpoint", "/log/tile/0/000.p/1"):
        for method in ("POST", "PUT", "DELETE"):
            assert (await client.request(method, path)).status_code == 405


async def test_a_log_that_cannot_be_read_is_no_empty_log(
    client: AsyncTestClient[Litestar], valv: Valv, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 without the cause, kept by no cache."""

    def fails(*_: object) -> None:
        raise LogUnavailableError("the log or its keys cannot be reached")

    monkeypatch.setattr(type(valv.house.log), "newest_checkpoint", fails)
    answer = await client.get("/log/checkpoint")
    assert (answer.status_code, answer.headers["cache-control"]) == (503, "no-store")
    assert "keys" not in answer.text


async def test_whoever_fetches_much_waits_for_others_who_fetch() -> None:
    """Two at a time, so many in the queue, and then no more: no stranger takes the server's threads."""
    turns, go, inside = Turns(), asyncio.Event(), 0

    async def fetch() -> None:
        nonlocal inside
        async with turns:
            inside += 1
            await go.wait()

    tasks = [asyncio.create_task(fetch()) for _ in range(66)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert inside == 2
    with pytest.raises(TooManyRequestsError):
        await fetch()
    go.set()
    await asyncio.gather(*tasks)
    assert inside == 66
    async with turns:
        pass


def test_the_log_of_another_is_not_what_is_read(tmp_path: Path) -> None:
    """A cosigned checkpoint of another log in the folder counts as none."""
    kept = Witnessed(tmp_path, origin="log.example/one", public=SEES.public())
    head = Checkpoint("log.example/two", 1, bytes(32))
    note = head.signed(SEES) + cosign(head.text(), SEES, KEY.name, at=wiring.wall_clock())
    (tmp_path / f"cosigned.{KEY.id.hex()}").write_text(note)
    assert kept.newest(KEY) is None
