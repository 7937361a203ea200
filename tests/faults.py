"""What may happen to a database while a process has it open, on each engine, and that it passes."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import event

from tests import postgres
from vault.database import Database, Fault


@contextmanager
def happens(fault: Fault, database: Database) -> Iterator[None]:
    """Let it happen, and end when the block does; the process is told nothing."""
    with _FAULTS[database.engine.dialect.name, fault](database):
        yield


@contextmanager
def _gone_postgresql(_: Database) -> Iterator[None]:
    postgres.shared().stop()
    try:
        yield
    finally:
        postgres.shared().start()


@contextmanager
def _read_only_postgresql(database: Database) -> Iterator[None]:
    url = _url(database)
    name = database.engine.url.database
    with postgres.connect(url) as session:
        session.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    postgres.shared().cut_off(url)
    try:
        yield
    finally:
        with postgres.connect(url) as session:
            session.execute("SET default_transaction_read_only = off")
            session.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")


@contextmanager
def _full_postgresql(database: Database) -> Iterator[None]:
    """Answer as a server does whose disk is full, since a full disk would be full for every test."""
    with postgres.connect(_url(database)) as session:
        session.execute(
            "CREATE FUNCTION is_full() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'No space left on device' USING ERRCODE = '53100'; END $$"
        )
        for table in _WRITTEN:
            session.execute(
                f"CREATE TRIGGER is_full BEFORE INSERT OR UPDATE ON {table} EXECUTE FUNCTION is_full()"
            )
    try:
        yield
    finally:
        with postgres.connect(_url(database)) as session:
            session.execute("DROP FUNCTION is_full() CASCADE")


@contextmanager
def _gone_sqlite(database: Database) -> Iterator[None]:
    database.let_go()
    file = Path(str(database.engine.url.database))
    away = file.rename(file.with_suffix(".away"))
    file.mkdir()
    try:
        yield
    finally:
        file.rmdir()
        away.rename(file)


@contextmanager
def _with_pragma(database: Database, pragma: str) -> Iterator[None]:
    def said(connection: Any, _record: object) -> None:
        connection.execute(f"PRAGMA {pragma}")

    event.listen(database.engine, "connect", said)
    database.let_go()
    try:
        yield
    finally:
        event.remove(database.engine, "connect", said)


def _read_only_sqlite(database: Database) -> AbstractContextManager[None]:
    return _with_pragma(database, "query_only = ON")


def _full_sqlite(database: Database) -> AbstractContextManager[None]:
    return _with_pragma(database, "max_page_count = 1")  # SQLite takes the least that the file already has


def _url(database: Database) -> str:
    return database.engine.url.render_as_string(hide_password=False)


_WRITTEN = ("segments", "sessions", "imports", "access_requests", "lookups")
_FAULTS: dict[tuple[str, Fault], Callable[[Database], AbstractContextManager[None]]] = {
    ("postgresql", Fault.GONE): _gone_postgresql,
    ("postgresql", Fault.READ_ONLY): _read_only_postgresql,
    ("postgresql", Fault.FULL): _full_postgresql,
    ("sqlite", Fault.GONE): _gone_sqlite,
    ("sqlite", Fault.READ_ONLY): _read_only_sqlite,
    ("sqlite", Fault.FULL): _full_sqlite,
}
