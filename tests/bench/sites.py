"""An installation on either engine, with one citizen, a nurse whom she lets in, and the plaintext table beside."""

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from app import demo, login, wiring
from app.settings import Settings
from app.wiring import Valv
from consent.parse import parse_rule
from identity.branch import PendingStaff
from identity.principal import Citizen, Principal
from policies.vocabulary import MEASUREMENTS
from sharing import granting
from sharing.house import House
from sharing.reading import Query, open_segments
from tests import postgres
from tests.bench.plain import Plain, PostgresqlPlain, SqlitePlain
from vault import segment
from vault.segment import Parts

_SIZES = """
SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind = 'r'
"""


class Engine(StrEnum):
    """Where the rows stand."""

    SQLITE = "SQLite"
    POSTGRESQL = "PostgreSQL"


@dataclass(frozen=True, slots=True)
class Site:
    """One installation, open; :meth:`Sites.open` makes it."""

    engine: Engine
    valv: Valv
    owner: Citizen
    nurse: Principal
    plain: Plain

    @property
    def house(self) -> House:
        """What every use case stands on."""
        return self.valv.house

    @property
    def alias(self) -> bytes:
        """The alias of the owner."""
        return self.owner.person.alias

    async def allow(self, **terms: Any) -> str:
        """Let the nurse's unit read measurements; return the rule's id."""
        posted = {
            "effect": "allow",
            "grantee": {"kind": "unit", "id": demo.HEALTH_CENTRE},
            "actions": ["read"],
            "categories": list(MEASUREMENTS),
            **terms,
        }
        at = self.house.clock()
        rule = parse_rule(posted, id=granting.new_rule_id(), author=self.alias.hex(), created=at)
        await granting.grant(self.house, self.owner, self.alias, rule)
        return rule.id

    def size(self) -> int:
        """Return how many bytes the installation has in all: vaults, log, directory, keys."""
        settings = self.valv.settings
        files = list(settings.data.glob("*.db"))
        for path in files:
            with closing(sqlite3.connect(path)) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        rows = 0
        if self.engine is Engine.POSTGRESQL:
            with postgres.connect(settings.database_url) as connection:
                (rows,) = connection.execute(_SIZES).fetchall()[0]
        return int(rows) + sum(path.stat().st_size for path in files)


@contextmanager
def open_site(engine: Engine) -> Iterator[Site]:
    """Make an installation and the empty table beside it, on a server of their own; all goes at the end."""
    with TemporaryDirectory(prefix="valv-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        match engine:
            case Engine.SQLITE:
                plain: Plain = SqlitePlain(folder / "plain.db")
                url = ""
            case Engine.POSTGRESQL:
                server = stack.enter_context(closing(postgres.Server(durable=True)))
                plain = PostgresqlPlain(server.create())
                url = server.create()
        stack.enter_context(closing(plain))
        settings = Settings(folder / "data", database_url=url)
        wiring.create(settings, demo=True)
        valv = stack.enter_context(closing(wiring.open_installation(settings)))
        yield Site(engine, valv, _citizen(valv), _persona(valv, "nurse-vc"), plain)


async def look_through(house: House, owner: Citizen) -> None:
    """Let the citizen look at all she has, as often as it takes until all of it is in order."""
    rough = True
    while rough:
        opened = await open_segments(house, owner, owner.person.alias, Query(), Parts.SUMMARY)
        await opened.end({"summaries": opened.count})
        rough = not all(segment.is_settled(row) for one in opened.sealed for row in one.rows)


async def enter(site: Site) -> None:
    """Let the citizen log in, which makes her vault."""
    await login.enter(site.valv, site.owner)


def _citizen(valv: Valv) -> Citizen:
    found = _persona(valv, "anna")
    assert isinstance(found, Citizen)
    return found


def _persona(valv: Valv, name: str) -> Principal:
    found = demo.principal_of(name, directory=valv.house.directory(), keystore=valv.house.keystore)
    assert not isinstance(found, PendingStaff)
    return found
