"""One authorised, audited, decrypted read over HTTP, beside the same server returning a plaintext row.

- :func:`make` makes an installation in a folder: a citizen with a year of weights, a nurse with a grant, and the
  same weights as plaintext rows;
- ``python -m tests.bench.http serve <folder> <port>`` serves the product's own application in a process of its
  own, with one route more: a plaintext row by its key, same middlewares and headers, no check. It is composed
  here, and the product has no such route;
- :mod:`tests.bench.client` is the client, in a process of its own too;
- :func:`measure` drives both routes in turn; :mod:`tests.bench.one_read` tells where the time of one read goes.

No key is kept between requests: each opens its wrap anew by the KeyStore, against its own receipt.
"""

import asyncio
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import cast

from litestar import Response, get
from sqlalchemy import Column, Float, Integer, MetaData, String, Table, bindparam, insert, select

from app import demo, login, wiring
from app.main import application
from app.security import Access
from app.serving import serve_forever
from app.settings import Settings
from app.wiring import Valv
from consent.parse import parse_rule
from identity import bearer
from identity.branch import PendingStaff
from identity.principal import Citizen, Principal
from policies.vocabulary import Category
from sharing import adding, granting
from sharing.house import author_of
from tests.bench.sites import look_through
from vault.database import Database
from vault.measures import LOINC
from vault.record import Code, Origin, Provenance, Quantity, Record

WEEKS = 52
ROUNDS = 3
_MODULE = "tests.bench.http"
_START_SECONDS = 60
_WEIGHT = Code(LOINC, "29463-7", "Body weight")
_PLAIN = Table(
    "plain",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("code", String),
    Column("start_us", Integer),
    Column("value", Float),
    Column("unit", String),
)
_ONE = select(_PLAIN).where(_PLAIN.c.id == bindparam("id"))


def measure(folder: Path, connections: int, seconds: float) -> tuple[float, float]:
    """Return requests per second of the real read and of the plaintext row, both at so many connections.

    ``folder`` is made where it is not there. The two are driven in turn, so that both meet the same noise.
    """
    make(folder)
    counts = {"read": 0, "plain": 0}
    spent = {"read": 0.0, "plain": 0.0}
    with _server(folder) as port:
        for which in counts:
            _drive(port, 2, 0.5, folder, which)  # both warm
        for _ in range(ROUNDS):
            for which in counts:
                done, took = _drive(port, connections, seconds / ROUNDS, folder, which)
                counts[which] += done
                spent[which] += took
    return counts["read"] / spent["read"], counts["plain"] / spent["plain"]


# --- the installation


def make(folder: Path) -> None:
    """Make the installation, once; ``request.json`` says what is asked and with which token."""
    if (folder / "request.json").exists():
        return
    settings = Settings(folder)
    wiring.create(settings, demo=True)
    valv = wiring.open_installation(settings)
    try:
        asked = asyncio.run(_fill(valv))
    finally:
        valv.close()
    _fill_plain(folder)
    (folder / "request.json").write_text(json.dumps(asked))


async def _fill(valv: Valv) -> dict[str, str]:
    house, now = valv.house, datetime.now(UTC)
    anna, nurse = _persona(valv, "anna"), _persona(valv, "nurse-vc")
    assert isinstance(anna, Citizen)
    alias = anna.person.alias
    await login.enter(valv, anna)
    weights = [_weight(anna, now - timedelta(weeks=back)) for back in range(WEEKS)]
    added = await adding.add(house, anna, alias, weights)
    posted = {
        "effect": "allow",
        "grantee": {"kind": "unit", "id": demo.HEALTH_CENTRE},
        "actions": ["read"],
        "categories": [Category.BODY_WEIGHT],
    }
    rule = parse_rule(posted, id=granting.new_rule_id(), author=alias.hex(), created=now)
    await granting.grant(house, anna, alias, rule)
    await look_through(house, anna)
    return {
        "read": f"/fhir/Observation/{added.records[0].id}?patient={alias.hex()}",
        "plain": f"/bench/plain/{WEEKS}",
        "token": bearer.issue(valv.issuer, house.keystore, nurse, at=now),
    }


def _persona(valv: Valv, name: str) -> Principal:
    found = demo.principal_of(name, directory=valv.house.directory(), keystore=valv.house.keystore)
    assert not isinstance(found, PendingStaff)
    return found


def _weight(who: Principal, at: datetime) -> Record:
    value = Quantity(Decimal("72.4"), "kg")
    provenance = Provenance(author_of(who), Origin.FORM, at)
    return Record(
        Category.BODY_WEIGHT, "Observation", _WEIGHT, at, provenance, quantity=value, canonical=value
    )


def _fill_plain(folder: Path) -> None:
    plain = Database(folder / "plain.db")
    now = int(time.time() * 1_000_000)
    rows = [
        {"id": number, "code": _WEIGHT.code, "start_us": now - number, "value": 72.4, "unit": "kg"}
        for number in range(1, WEEKS + 1)
    ]
    _PLAIN.metadata.create_all(plain.engine)
    plain.write_now(lambda connection: connection.execute(insert(_PLAIN), rows))
    plain.close()


# --- the server


def serve(folder: Path, port: int) -> None:
    """Serve the product's application and, beside it, the plaintext row."""
    app = application(wiring.open_installation(Settings(folder, port=port)))
    plain = Database(folder / "plain.db")

    @get("/bench/plain/{number:int}", opt={"access": Access.PUBLIC})
    async def row(number: int) -> Response[bytes]:
        found = await plain.read(lambda reading: reading.execute(_ONE, {"id": number}).mappings().one())
        return Response(json.dumps(dict(found)).encode(), media_type="application/json")

    app.register(row)
    serve_forever(app, host="127.0.0.1", port=port)


@contextmanager
def _server(folder: Path) -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = cast("int", free.getsockname()[1])
    process = subprocess.Popen([sys.executable, "-m", _MODULE, "serve", str(folder), str(port)])
    try:
        _await(port)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=_START_SECONDS)


def _await(port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health"):
                return
        except urllib.error.URLError:
            time.sleep(0.1)
    raise TimeoutError("the server did not start")


# --- the client


def _drive(port: int, connections: int, seconds: float, folder: Path, which: str) -> tuple[int, float]:
    asked = [str(port), str(connections), str(seconds), str(folder), which]
    command = [sys.executable, "-m", "tests.bench.client", *asked]
    done, took = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return done, took


def main(arguments: list[str]) -> None:
    """Be the server."""
    match arguments:
        case ["serve", folder, port]:
            serve(Path(folder), int(port))
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
