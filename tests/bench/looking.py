"""The citizen's page "Vem har tittat?" over a log of many entries of one vault, through the whole application.

The entries are appended as any other. Each page is asked for by one who is logged in, without a socket: timed is
the server's work, from request to the last byte of HTML, with the durable entry that the look itself leaves.
"""

import asyncio
import re
import statistics
import time
from collections.abc import Iterator
from datetime import timedelta

import httpx
from msgspec.structs import replace

from app import login
from app.main import application
from audit.events import Activity, Actor, Event, EventKind
from policies.vocabulary import MEASUREMENTS, Category, Purpose
from tests.bench.sites import Site
from vault import state

ENTRIES = 100_000
LIMIT_MS = 50.0
_GROUP = 100
_PEOPLE = 200
#: What is asked for, and what comes after ``/accesses``. The last finds nothing and looks as far as one page does.
PAGES = {
    "newest": "",
    "one person of many": "?who={who}",
    "one category and purpose": "?category=glucose&purpose=TREAT",
    "a day before all of them": "?first={day}&last={day}&show=all",
    "what is not there": "?category=location&show=all",
}


async def pages(site: Site, entries: int, times: int) -> dict[str, float]:
    """Return the median seconds of each page."""
    await login.enter(site.valv, site.owner)
    await _fill(site, entries)
    transport = httpx.ASGITransport(app=application(site.valv))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as client:
        await _log_in(client)
        first = (await client.get("/accesses")).text
        who = re.findall(r'<option value="([0-9a-f]{16})"', first)[0]
        day = (site.house.clock() - timedelta(days=1)).date().isoformat()
        return {
            name: await _median(client, f"/accesses{query.format(who=who, day=day)}", times)
            for name, query in PAGES.items()
        }


async def _median(client: httpx.AsyncClient, path: str, times: int) -> float:
    spent = []
    for _ in range(times + 1):
        begun = time.perf_counter()
        answer = await client.get(path)
        spent.append(time.perf_counter() - begun)
        if not answer.is_success:
            raise RuntimeError(f"{path}: {answer.status_code}")
    return statistics.median(spent[1:])


async def _log_in(client: httpx.AsyncClient) -> None:
    token = re.search(r'name="_csrf_token" value="([0-9a-f]+)"', (await client.get("/login")).text)
    if token is None:
        raise RuntimeError("no form")
    await client.post("/login", data={"_csrf_token": token[1], "persona": "anna"})


async def _fill(site: Site, entries: int) -> None:
    """Append entries of many staff: acts and their outcomes, as they come."""
    alias = site.alias
    vault = site.house.database.read_now(lambda connection: state.find(connection, alias))
    if vault is None:
        raise RuntimeError("no vault")
    acts = _acts(site, vault)
    for start in range(0, entries, _GROUP):
        group = [next(acts) for _ in range(min(_GROUP, entries - start) // 2)]
        receipts = await asyncio.gather(*(site.house.log.append(one) for one in group))
        ends = (
            replace(one, kind=EventKind.OUTCOME, outcome_of=receipt.entry, counts={"records": 12})
            for one, receipt in zip(group, receipts, strict=True)
        )
        await asyncio.gather(*(site.house.log.append(one) for one in ends))


def _acts(site: Site, vault: bytes) -> Iterator[Event]:
    someone, at, number = Actor.of(site.nurse), site.house.clock(), 0
    while True:
        who = number // 3 % _PEOPLE
        actor = replace(someone, id=f"SE2321009905-BENCH{who}", name=f"Bänk Prövling {who}")
        yield Event(
            kind=EventKind.READ,
            activity=Activity.READ,
            at=at,
            actor=actor,
            vault=vault,
            purpose=Purpose.CARE,
            categories=tuple(one for one in MEASUREMENTS[: 2 + number % 9] if one is not Category.LOCATION),
            policy_hash=site.house.gate.policies.sha256,
        )
        number += 1
