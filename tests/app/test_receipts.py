"""What a citizen takes along, over HTTP: for whom, logged, and checked by the program as it is served."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from app.main import application
from audit.events import EventKind
from policies.engine import INSTALLED, LAW_IN_FORCE, Policies
from policies.vocabulary import Category
from tests.app.test_odd_input import bearer
from tests.world import World, pressure

Client = AsyncTestClient[Litestar]


@pytest.fixture
async def client(world: World) -> AsyncIterator[Client]:
    """Serve the country over HTTP, with Anna and Bo in it."""
    await world.enter("anna", "bo")
    await world.add("anna", "anna", pressure("121", "81"))
    async with AsyncTestClient(application(world.valv), base_url="http://127.0.0.1") as served:
        yield served


async def get(client: Client, path: str, *, by: str = "anna") -> httpx.Response:
    """Ask as somebody."""
    return await client.get(path, headers=await bearer(client, by))


async def first(client: Client) -> str:
    """Return the id of Anna's oldest entry."""
    told: list[dict[str, Any]] = (await get(client, "/api/accesses")).json()
    return str(told[-1]["id"])


def days(world: World) -> str:
    """Return a query for today."""
    today = world.house.clock().date()
    return f"from={today - timedelta(days=1)}&to={today}"


async def test_served_program_verifies_what_is_served(world: World, client: Client, tmp_path: Path) -> None:
    """All that a citizen downloads, run with nothing else; the key and the program need no login."""
    names = {
        "receipt.json": await get(client, f"/api/accesses/{await first(client)}/receipt"),
        "silence.json": await get(client, f"/api/accesses/silence?{days(world)}"),
        "verify.py": await client.get("/verify.py"),
        "verify.key": await client.get("/verify.key"),
    }
    for name, answer in names.items():
        assert answer.status_code == 200, name
        (tmp_path / name).write_bytes(answer.content)
    command = [
        *(sys.executable, "-I", "-S", "verify.py", "receipt.json", "silence.json", "--key", "verify.key"),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", check=False)  # noqa: ASYNC221
    assert done.returncode == 0, done.stdout + done.stderr
    assert "om samma valv" in done.stdout
    text = (tmp_path / "receipt.json").read_text()
    assert "19750325" not in text
    assert list(json.loads(text)) == ["what", "format", "proof", "salt", "event"]


async def test_asking_is_logged(world: World, client: Client) -> None:
    """With the entry that it was about, before anything is given."""
    entry = await first(client)
    await get(client, f"/api/accesses/{entry}/receipt")
    await get(client, f"/api/accesses/silence?{days(world)}")
    vault = world.vault("anna")
    events = [one.event for one in world.house.log.entries_of_vault(vault, limit=10) if one.event is not None]
    asked = {event.subject for event in events if event.kind is EventKind.READ_LOG}
    assert {entry, "silence"} <= asked


async def test_nobody_else_gets_a_receipt_or_a_silence_proof(world: World, client: Client) -> None:
    """Another citizen's entry is absent; staff and strangers are refused."""
    entry = await first(client)
    assert (await get(client, f"/api/accesses/{entry}/receipt", by="bo")).status_code == 404
    assert (await get(client, f"/api/accesses/{'0' * 32}/receipt")).status_code == 404
    for path in (f"/api/accesses/{entry}/receipt", f"/api/accesses/silence?{days(world)}"):
        assert (await get(client, path, by="nurse-vc")).status_code in {400, 403}
        assert (await client.get(path)).status_code == 401
    for path in (f"/accesses/{entry}/receipt", f"/accesses/silence?{days(world)}", "/accesses/proof"):
        assert (await client.get(path, follow_redirects=False)).headers["location"] == "/login"


@pytest.mark.parametrize(
    "query",
    [
        "",
        "from=2026-01-01",
        "from=x&to=y",
        "from=2026-02-01&to=2026-01-01",
        "from=2026-01-01&to=9999-12-31",
        "from=0001-01-01&to=2026-01-01",
        "from=2026-1-1&to=2026-01-02",
        "from=2026-02-30&to=2026-03-01",
    ],
)
async def test_odd_period_is_refused(client: Client, query: str) -> None:
    """One that is not over by today cannot be counted; the edge of the calendar is no error of ours."""
    assert (await get(client, f"/api/accesses/silence?{query}")).status_code == 400


async def test_receipt_fails_closed_where_the_log_does(
    world: World, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be logged is not given."""
    entry = await first(client)
    headers = await bearer(client, "anna")

    async def down(*_args: object, **_more: object) -> None:
        from audit.errors import LogUnavailableError  # noqa: PLC0415 here alone

        raise LogUnavailableError("down")

    monkeypatch.setattr(world.house.log, "append", down)
    answer = await client.get(f"/api/accesses/{entry}/receipt", headers=headers)
    assert answer.status_code == 503
    assert "proof" not in answer.json()


async def test_where_a_name_is_kept_back_the_receipt_has_no_opening(world: World, client: Client) -> None:
    """The proof alone: an opening is whole or not at all, and would tell the name. One's own act has its opening."""
    await world.allow("anna", "unit", "SE2321009905-TESTVE1", Category.BLOOD_PRESSURE)
    await world.read("nurse-vc", "anna")
    gate = world.house.gate
    law = {**LAW_IN_FORCE, "staff-names": "role"}
    object.__setattr__(gate, "policies", Policies.load(INSTALLED, law))
    told = {one["id"]: one for one in (await get(client, "/api/accesses")).json()}
    for id_, one in told.items():
        answer = await get(client, f"/api/accesses/{id_}/receipt")
        assert (answer.json()["event"] is None) == (one["actor"]["kind"] == "staff"), one
        assert "Nina" not in answer.text
