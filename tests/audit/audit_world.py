"""A small cast for the log's tests: a clock to move, a citizen, a nurse, a home-care worker, their events."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import NullPool, create_engine

from audit.events import Activity, Actor, Event, EventKind, HeadRef
from audit.log import AuditLog
from audit.tables import LogTable
from identity.principal import (
    Authority,
    AuthorityKind,
    Citizen,
    Commission,
    CommissionRight,
    Person,
    Provider,
    ProviderKind,
    Staff,
    System,
    Unit,
)
from keys.keystore import KeyStore
from policies.vocabulary import Category, Purpose
from tests import postgres

ORIGIN = "halsovalvet.example/log"
START = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)
ANNA, BO = b"A" * 16, b"B" * 16  # vault ids


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    at: datetime = START

    def __call__(self) -> datetime:
        """Return the time."""
        return self.at

    def move(self, by: timedelta) -> None:
        """Move it, either way."""
        self.at += by


def _nurse() -> Actor:
    region = Authority(AuthorityKind.REGION, "SE2321000016-1000", "Region Exempel")
    provider = Provider("SE2321000016-2000", "Exempel primärvård", ProviderKind.CARE, region)
    unit = Unit("SE2321000016-3000", "Vårdcentralen Björken", provider)
    commission = Commission(
        "SE2321000016-4000", "Distriktssköterska", Purpose.CARE, CommissionRight.CARE, unit
    )
    return Actor.of(
        Staff("SE2321000016-5000", "Siv Sköterska", "Distriktssköterska", "Sjuksköterska", commission)
    )


def _citizen() -> Actor:
    return Actor.of(Citizen(Person(b"a" * 16, "Anna Exempel", date(1980, 1, 1))))


NURSE, CITIZEN = _nurse(), _citizen()
SYSTEM = Actor.of(System("compactor", "import 1"))


def event(at: datetime, *, vault: bytes | None = ANNA, actor: Actor = NURSE, **more: Any) -> Event:
    """Return a read of blood pressure unless told otherwise."""
    given: dict[str, Any] = {
        "kind": EventKind.READ,
        "activity": Activity.READ,
        "purpose": Purpose.CARE,
        "categories": (Category.BLOOD_PRESSURE,),
        "rules": ("rule-1",),
        "policy_hash": "ab" * 32,
    }
    return Event(at=at, actor=actor, vault=vault, **(given | more))


def head(version: int, fill: bytes = b"") -> HeadRef:
    """Return a head of a version."""
    return HeadRef(version, (fill or bytes((version,))) * 32)


@dataclass
class House:
    """One log with its folder, keys and clock; ``open`` gives a further process's view of the same log.

    It stands in a file of the folder, or where ``url`` says so in PostgreSQL.
    """

    folder: Path
    keystore: KeyStore
    clock: Clock
    url: str = ""

    @property
    def path(self) -> Path:
        """The log's file."""
        return self.folder / "log.db"

    @property
    def store(self) -> Path | str:
        """Where the log stands."""
        return self.url or self.path

    def make(self) -> None:
        """Make the log's tables where there are none."""
        engine = create_engine(self.url or f"sqlite:///{self.path}", poolclass=NullPool)
        LogTable.metadata.create_all(engine)

    def sql(self, statement: str, *parameters: object) -> list[Any]:
        """Do what whoever may write the database can do; return what it gives."""
        if self.url:
            with closing(postgres.connect(self.url)) as server:
                done = server.execute(statement.replace("?", "%s").encode(), parameters, binary=True)
                return done.fetchall() if done.description else []
        with closing(sqlite3.connect(self.path, isolation_level=None)) as file:
            return file.execute(statement, parameters).fetchall()

    @property
    def outside(self) -> Path:
        """The folder of checkpoints."""
        return self.folder / "checkpoints"

    def open(self, **more: Any) -> AuditLog:
        """Open the log, with checkpoints only at the end unless told otherwise."""
        self.make()
        given: dict[str, Any] = {"checkpoint_every": timedelta(hours=1)}
        return AuditLog.open(
            self.store,
            self.keystore,
            origin=ORIGIN,
            checkpoint_dir=self.outside,
            clock=self.clock,
            **(given | more),
        )

    @property
    def public(self) -> bytes:
        """The log's public key."""
        return self.keystore.log_signer().public()
