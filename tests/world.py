"""One simulated small country: a demo installation in a folder of its own, with a clock to move.

Personas are those of ``app.demo``; everything goes the real way, through the gate and the log, to sealed rows.
Making an installation and stretching its passphrase cost a second each: one template is made a session and
engine, and copied, and the stretched passphrase is remembered.
"""

import asyncio
import functools
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from app import demo, login, wiring
from app.models import METADATA
from app.settings import Settings
from app.wiring import Valv
from audit.events import Activity, EventKind
from consent.parse import parse_rule
from identity import branch_store
from identity.branch import PendingStaff
from identity.principal import Citizen, Principal, Proxy
from importers import intake
from importers.intake import Intake, Upload
from importers.tables import ImportRow
from importers.upload import UploadWriter
from keys import primitives
from keys.envelope import microseconds
from policies.vocabulary import Category, Deed
from sharing import adding, granting, importing, reading
from sharing.house import House, author_of
from sharing.reading import Query, Reading
from tests import postgres
from vault import naming, state
from vault.measures import BLOOD_PRESSURE_PANEL, DIASTOLIC, LOINC, SYSTOLIC
from vault.naming import DrawerName
from vault.record import Author, AuthorKind, Code, Component, Origin, Provenance, Quantity, Record
from vault.segment import Segment
from vault.state import Drawer, VaultState

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
WEIGHT = Code(LOINC, "29463-7", "Body weight")

_real_stretch = primitives.stretch


@functools.cache
def _stretched(passphrase: str, *, salt: bytes) -> bytes:
    return _real_stretch(passphrase, salt=salt)


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: datetime = START) -> None:
        self._now = now
        #: Called before time passes: what would have happened meanwhile must have happened.
        self.meanwhile: Callable[[], None] = lambda: None

    def __call__(self) -> datetime:
        """Tell the time."""
        return self._now

    @property
    def now(self) -> datetime:
        """The time."""
        return self._now

    @now.setter
    def now(self, now: datetime) -> None:
        self.meanwhile()
        self._now = now

    def move(self, **by: float) -> None:
        """Let time pass (the arguments of ``timedelta``)."""
        self.now += timedelta(**by)


@dataclass
class World:
    """The country. A citizen or member of staff is named by persona id, or given as a principal."""

    settings: Settings
    clock: Clock
    valv: Valv
    _opened: list[Valv] = field(default_factory=list)

    @classmethod
    def copy_of(cls, template: Settings, folder: Path, *, now: datetime = START) -> "World":
        """Open a copy of an installation that is closed."""
        shutil.copytree(template.data, folder)
        url = postgres.shared().copy(template.database_url) if template.database_url else ""
        clock, settings = Clock(now), replace(template, data=folder, database_url=url)
        made = cls(settings, clock, _open(settings, clock))
        if url:
            clock.meanwhile = made.seal_log
        return made

    @property
    def folder(self) -> Path:
        """Where keys, uploads and, on SQLite, the databases lie."""
        return self.settings.data

    @property
    def house(self) -> House:
        """What every use case stands on."""
        return self.valv.house

    def another_process(self) -> Valv:
        """Open the same installation a second time, as another process would."""
        opened = _open(self.settings, self.clock)
        self._opened.append(opened)
        return opened

    def seal_log(self) -> None:
        """Let what waits for its place in the log have it, as it would have within the second on any real clock."""
        for opened in (self.valv, *self._opened):
            opened.house.log.checkpoint()

    def close(self) -> None:
        """Give files and connections back."""
        for opened in (self.valv, *self._opened):
            opened.close()

    def remove(self) -> None:
        """Close it, and remove what does not lie in its folder."""
        self.close()
        if self.settings.database_url:
            postgres.shared().give_back(self.settings.database_url)

    # People.

    def who(
        self, persona: str | Principal, *, commission: str | None = None, for_: str | None = None
    ) -> Principal:
        """Return a persona's principal: staff on a commission, a citizen in their own matter or another's."""
        if not isinstance(persona, str):
            return persona
        found = demo.principal_of(
            persona,
            directory=self.house.directory(),
            keystore=self.house.keystore,
            commission=commission,
            acting_for=for_,
        )
        assert not isinstance(found, PendingStaff)
        return found

    def alias(self, persona: str) -> bytes:
        """Return the alias of a citizen."""
        match self.who(persona):
            case Citizen(person):
                return person.alias
            case other:
                raise TypeError(other)

    async def enter(self, *personas: str) -> None:
        """Let citizens log in: the first time makes their vault."""
        for persona in personas:
            await login.enter(self.valv, self.who(persona))

    # What people do.

    async def add(self, by: str | Principal, about: str, *records: Record) -> tuple[Record, ...]:
        """Add records to a citizen's vault; return them as they now stand."""
        return (await adding.add(self.house, self.who(by), self.alias(about), records)).records

    async def read(self, by: str | Principal, about: str, *categories: Category, **query: Any) -> Reading:
        """Read a citizen's records."""
        return await reading.read(self.house, self.who(by), self.alias(about), Query(categories, **query))

    async def allow(self, owner: str, kind: str, node: str, *categories: Category, **terms: Any) -> str:
        """Let somebody read (or what ``actions`` says); return the rule's id."""
        return await self.rule(owner, "allow", kind, node, *categories, **terms)

    async def block(self, owner: str, kind: str, node: str, *categories: Category, **terms: Any) -> str:
        """Block somebody from reading; return the rule's id."""
        return await self.rule(owner, "block", kind, node, *categories, **terms)

    async def rule(
        self, owner: str, effect: str, kind: str, node: str, *categories: Category, **terms: Any
    ) -> str:
        """Put a rule in force, as posted; return its id."""
        alias = self.alias(owner)
        posted = {
            "effect": effect,
            "grantee": {"kind": kind, "id": node},
            "actions": ["read"],
            "categories": list(categories),
            **terms,
        }
        rule = parse_rule(posted, id=granting.new_rule_id(), author=alias.hex(), created=self.clock())
        await granting.grant(self.house, self.who(owner), alias, rule)
        return rule.id

    async def revoke(self, owner: str, rule_id: str) -> None:
        """End a rule."""
        await granting.revoke(self.house, self.who(owner), self.alias(owner), rule_id)

    # Imports.

    async def upload(
        self, owner: str | Principal, data: bytes, name: str, *, about: str = "", rehearse: bool = False
    ) -> bytes:
        """Seal an upload and queue it, as the pages do; return the import's id."""
        principal, import_id = self.who(owner), os.urandom(16)
        alias = self.alias(about or str(owner))
        loaded = await self.house.database.read(lambda connection: self.house.load(connection, alias))
        authorization = await self.house.ask(
            principal, loaded, Deed.MANAGE, EventKind.IMPORT, Activity.WRITE, subject=import_id.hex()
        )
        writer = UploadWriter(self.valv.intake.path(import_id), import_id, limit=1 << 40)
        writer.write(data)
        writer.finish()
        author, now = author_of(principal), microseconds(self.clock())
        told = Upload(
            key=writer.key,
            filename=name,
            entry=authorization.receipt.entry,
            author=(author.kind, author.id, author.name, author.organisation),
            on_behalf_of=principal.citizen.name if isinstance(principal, Proxy) else "",
        )
        row = ImportRow(
            vault_id=loaded.vault,
            import_id=import_id,
            state="queued",
            rehearse=rehearse,
            format="",
            sealed=intake.seal_upload(self.house.keystore, loaded.vault, import_id, told),
            created_us=now,
            updated_us=now,
            size=writer.size,
        )
        await self.house.database.write(lambda connection: intake.queue(connection, row))
        return import_id

    async def import_file(self, owner: str, data: bytes, name: str, *, rehearse: bool = False) -> ImportRow:
        """Upload a file, run the import to its end, and return how it went."""
        import_id = await self.upload(owner, data, name, rehearse=rehearse)
        await asyncio.to_thread(self.valv.intake.run_waiting)
        return self.find_import(owner, import_id)

    def find_import(self, owner: str, import_id: bytes) -> ImportRow:
        """Return how an import stands."""
        vault = self.vault(owner)
        row = self.house.database.read_now(lambda connection: intake.find(connection, vault, import_id))
        assert row is not None
        return row

    async def undo(self, owner: str, import_id: bytes) -> int:
        """Cancel and undo an import, as the machine interface does; return how many records went."""
        vault = self.vault(owner)

        def claims(connection: Any) -> Any:
            return intake.claims_of_others(connection, vault, import_id)

        await self.house.database.write(
            lambda connection: intake.cancel(connection, vault, import_id, at=self.clock())
        )
        return await importing.undo(self.house, self.who(owner), self.alias(owner), import_id, claims=claims)

    def another_worker(self) -> Intake:
        """Return a second worker on the same installation."""
        house = self.house
        return Intake(
            house.database,
            house.keystore,
            house.log,
            uploads=self.valv.settings.uploads,
            workers=self.valv.settings.workers,
            wanted=house.wanted,
            clock=self.clock,
        )

    # What stands in the rows.

    def vault(self, persona: str) -> bytes:
        """Return the id of a citizen's vault."""
        alias = self.alias(persona)
        found = self.house.database.read_now(lambda connection: state.find(connection, alias))
        assert found is not None
        return found

    def load(self, persona: str) -> VaultState:
        """Load and verify a citizen's vault."""
        alias = self.alias(persona)
        return self.house.database.read_now(lambda connection: self.house.load(connection, alias))

    def drawer(self, persona: str, name: DrawerName) -> tuple[VaultState, Drawer, list[Segment]]:
        """Load and verify one drawer that is there, with all its segments."""
        alias = self.alias(persona)

        def work(connection: Any) -> tuple[VaultState, Drawer, list[Segment]]:
            loaded = self.house.load(connection, alias)
            drawer = state.drawer(connection, loaded, name)
            assert drawer is not None
            return loaded, drawer, state.segments(connection, loaded, drawer)

        return self.house.database.read_now(work)

    def recipients(self, persona: str, name: DrawerName, nodes: tuple[str, ...]) -> set[tuple[str, int]]:
        """Return which of these recipients hold a wrap, of which generation."""
        loaded, drawer, _ = self.drawer(persona, name)
        tags = {naming.recipient_tag(loaded.keys, node): node for node in nodes}
        return {(tags[row.recipient], row.generation) for row in drawer.wraps if row.recipient in tags}

    @contextmanager
    def attacker(self) -> Iterator["Attacker"]:
        """Write the database behind the product's back; committed at the end."""
        with attack(self.settings) as attacker:
            yield attacker

    def copy_database(self) -> "Backup":
        """Return the vaults' tables whole, as a backup of this moment would hold them."""
        with self.valv.house.database.engine.connect() as connection:
            return {
                table.name: [dict(row) for row in connection.execute(table.select()).mappings()]
                for table in METADATA.sorted_tables
            }

    def restore_database(self, backup: "Backup") -> None:
        """Put a backup back in place of what is there."""

        def work(connection: Connection) -> None:
            for table in METADATA.sorted_tables:
                connection.execute(table.delete())
                if backup[table.name]:
                    connection.execute(table.insert(), backup[table.name])

        self.valv.house.database.write_now(work)


#: The rows of each table.
Backup = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Attacker:
    """A connection of somebody else's to the vaults' database; ``?`` stands for a value, on both engines."""

    connection: Any
    placeholder: str

    def execute(self, statement: str, values: Sequence[object] = ()) -> Any:
        """Run one statement; return its cursor."""
        return self.connection.execute(statement.replace("?", self.placeholder), tuple(values))


@contextmanager
def attack(settings: Settings) -> Iterator[Attacker]:
    """Write an installation's database behind the product's back; committed at the end."""
    if settings.database_url:
        with closing(postgres.connect(settings.database_url)) as session, session.transaction():
            yield Attacker(session, "%s")
        return
    with closing(sqlite3.connect(settings.database, timeout=10)) as file:
        yield Attacker(file, "?")
        file.commit()


# Records.

TEST_PROVENANCE = Provenance(Author(AuthorKind.CITIZEN, "ab" * 16, "Anna Exempelsson"), Origin.FORM, START)


def weight(kilograms: str, at: datetime = START) -> Record:
    """Return a body weight."""
    value = Quantity(Decimal(kilograms), "kg")
    return Record(
        Category.BODY_WEIGHT, "Observation", WEIGHT, at, TEST_PROVENANCE, quantity=value, canonical=value
    )


def pressure(systolic: str, diastolic: str, at: datetime = START) -> Record:
    """Return a blood pressure."""
    upper, lower = Quantity(Decimal(systolic), "mm[Hg]"), Quantity(Decimal(diastolic), "mm[Hg]")
    return Record(
        Category.BLOOD_PRESSURE,
        "Observation",
        BLOOD_PRESSURE_PANEL,
        at,
        TEST_PROVENANCE,
        components=(Component(SYSTOLIC, upper, upper), Component(DIASTOLIC, lower, lower)),
    )


# Installations.


def make_template(folder: Path, engine: str) -> Settings:
    """Make the installation that worlds are copied from."""
    url = postgres.shared().create() if engine == "postgresql" else ""
    settings = Settings(folder, database_url=url)
    wiring.create(settings, demo=True, clock=Clock())
    return settings


def _open(settings: Settings, clock: Clock) -> Valv:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(primitives, "stretch", _stretched)
        valv = wiring.open_installation(settings, clock=clock)
    _give_directory(valv)
    return valv


#: What a process knows of each template's directory, by the name of its demo.
_directories: dict[str, Any] = {}


def _give_directory(valv: Valv) -> None:
    """Let a copy begin with what is known of its template's directory: to verify all of it takes a tenth of a second.

    What has changed since is loaded as in a process that has run since then.
    """
    engine, keystore = valv.house.database.engine, valv.house.keystore
    if valv.origin in _directories:
        branch_store._loaded[engine] = (keystore, _directories[valv.origin])
    else:
        valv.house.directory()
        _directories[valv.origin] = branch_store._loaded[engine][1]
