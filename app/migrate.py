"""Brings a database to the newest revision of its history: the vaults' and the log's are two (app/migrations).

On SQLite each has a file of its own; in one PostgreSQL database the log's tables are those named ``log_…``.
A run is one transaction, under a lock: several processes may start at once.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, MetaData

from app.models import METADATA
from audit.tables import LogTable
from vault.database import Database

_LOG = "log_"
_LOCK = 0x76616C76  # "valv"


@dataclass(frozen=True, slots=True)
class History:
    """One line of revisions, the tables that they make, and where a database keeps which of them it is at."""

    name: str
    metadata: MetaData
    version_table: str

    def options(self) -> dict[str, Any]:
        """Return how alembic is to look at a database that the other history may share."""
        return {
            "target_metadata": self.metadata,
            "version_table": self.version_table,
            "include_name": self._is_ours,
            "compare_type": True,
            "render_as_batch": True,  # SQLite cannot alter a table in place
        }

    def _is_ours(self, name: str | None, kind: str, _parents: object) -> bool:
        return kind != "table" or (name or "").startswith(_LOG) == (self.name == LOG.name)


VAULT = History("vault", METADATA, "alembic_version")
LOG = History("log", LogTable.metadata, f"{_LOG}alembic_version")
HISTORIES = (VAULT, LOG)


def upgrade(database: Database, log: Path | str) -> None:
    """Run every migration that an installation's databases lack: the vaults', and the log's wherever it stands.

    Raises:
        vault.database.DatabaseUnavailableError: a database does not serve.
    """
    _bring_up(VAULT, database)
    if isinstance(log, str):  # PostgreSQL's URL: one database holds both
        _bring_up(LOG, database)
        return
    file = Database(log)
    try:
        _bring_up(LOG, file)
    finally:
        file.close()


def _bring_up(history: History, database: Database) -> None:
    if database.read_now(lambda reading: revision_of(history, reading)) != _newest(history):
        move(history, database.engine)


def move(history: History, engine: Engine, revision: str = "head") -> None:
    """Bring a database to a revision of one history, upwards, or down to it."""
    config = configuration(history)
    with _alone(engine) as connection:
        config.attributes["connection"] = connection
        known = [*revisions(history), "head"]
        at = revision_of(history, connection)
        down = at is not None and (revision == "base" or known.index(revision) < known.index(at))
        (command.downgrade if down else command.upgrade)(config, revision)


def revision_of(history: History, connection: Connection) -> str | None:
    """Return which revision a database is at; None before the first."""
    return MigrationContext.configure(connection, opts=history.options()).get_current_revision()


def revisions(history: History) -> list[str]:
    """Return a history's revisions, oldest first."""
    scripts = ScriptDirectory.from_config(configuration(history))
    return [one.revision for one in reversed(list(scripts.walk_revisions()))]


def configuration(history: History) -> Config:
    """Return alembic's configuration for one history; a new revision is made by ``alembic.command.revision``."""
    config = Config()
    config.set_main_option("script_location", "app:migrations")
    config.set_main_option("version_locations", f"app:migrations/{history.name}")
    config.set_main_option("path_separator", "newline")
    config.attributes["history"] = history
    return config


@contextmanager
def _alone(engine: Engine) -> Iterator[Connection]:
    """Hold one transaction while no other process migrates; what another has done meanwhile is seen."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:  # the lock is the session's, and held before the transaction begins to look
            connection.exec_driver_sql(f"SELECT pg_advisory_lock({_LOCK})")
            connection.exec_driver_sql("BEGIN")
        yield connection
        connection.exec_driver_sql("COMMIT")
        if engine.dialect.name != "sqlite":
            connection.exec_driver_sql(f"SELECT pg_advisory_unlock({_LOCK})")


@cache
def _newest(history: History) -> str:
    return revisions(history)[-1]
