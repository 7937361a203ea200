"""The ways into a database: one snapshot to read in, one transaction to change in.

What happens inside is a plain function of a ``Connection``, the same on both engines (docs/adr/0012-postgresql.md):

- it may be run again from its beginning, so it changes nothing but through its connection;
- a change is as if alone in the database: SQLite has one writer at a time; on PostgreSQL what would not come
  out so is undone and run again (SERIALIZABLE);
- it sees what was committed before its first statement: what the snapshot may not be older than, the log's
  newest head above all, is asked first;
- what every request asks, it asks by :func:`rows` within ``look``, without all that SQLAlchemy does around a
  statement and a connection.

A database that is gone, read-only, full or too busy raises DatabaseUnavailableError; the next call tries anew.
"""

import asyncio
import contextlib
import functools
import itertools
import os
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from sqlalchemy import (
    BigInteger,
    Connection,
    Engine,
    Integer,
    LargeBinary,
    Table,
    create_engine,
    event,
    make_url,
)
from sqlalchemy.exc import DBAPIError, DisconnectionError

from audit.database import write_ahead

T = TypeVar("T")

THREADS = 4
TRIES = 20
WAIT_MS = 30_000  # for another's lock
_LONGEST_PAUSE = 0.25
_COPIED = {LargeBinary: "bytea", BigInteger: "int8", Integer: "int4"}


class Fault(StrEnum):
    """Why a database does not serve, for the operator's log."""

    GONE = "it cannot be reached"
    READ_ONLY = "it is read-only"
    FULL = "it is full"
    BUSY = "others keep it busy"


class DatabaseUnavailableError(Exception):
    """The database does not serve now. A change was not made, or, where it went at the very end, made whole."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(f"the database does not serve: {fault.value}")
        self.fault = fault


class Database:
    """One SQLite file in WAL mode, or one PostgreSQL database. A commit is durable when it returns."""

    def __init__(self, store: Path | str) -> None:
        self._kind = _SQLITE if isinstance(store, Path) else _POSTGRESQL
        self.engine: Engine = self._kind.engine(str(store))
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="database")
        self._kept: deque[Connection] = deque()
        self._faults = 0
        event.listen(self.engine, "checkout", self._renew)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in one snapshot: on SQLite inline, since a thread costs more than a short read."""
        if self._kind is _SQLITE:
            return self.read_now(work)
        return await self._in_thread(self.read_now, work)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in one transaction; commit or nothing."""
        return await self._in_thread(self.write_now, work)

    async def look(self, work: Callable[[Connection], T]) -> T:
        """Run ``work``, which asks by :func:`rows`, where :meth:`read` would."""
        if self._kind is _SQLITE:
            return self.look_now(work)
        return await self._in_thread(self.look_now, work)

    def read_now(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in one snapshot, from a thread of its own (jobs, commands) or inside another's work."""
        return self._run(lambda: self._within(self._kind.begin_reading, "ROLLBACK", work), has_begun=True)

    def look_now(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` on a connection that is kept ready; each statement is a snapshot of its own, or :meth:`snapshot`
        makes one of several. It reads only, and may be run again from its beginning.
        """  # noqa: D205
        return self._run(lambda: self._on_kept(work))

    @contextlib.contextmanager
    def snapshot(self, connection: Connection) -> Iterator[None]:
        """Let what is asked within :meth:`look` be of one moment, that of the first statement."""
        driver = _driver(connection)
        driver.execute(self._kind.begin_reading)
        yield
        driver.execute("ROLLBACK")

    def write_now(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in one transaction, from a thread of its own."""
        return self._run(lambda: self._within(self._kind.begin_writing, "COMMIT", work), has_begun=True)

    def close(self) -> None:
        """Give file and connections back."""
        self._threads.shutdown()
        self.let_go()

    def let_go(self) -> None:
        """Close every connection that nobody uses now."""
        self._let_kept_go()
        self.engine.dispose()

    async def _in_thread(
        self, run: Callable[[Callable[[Connection], T]], T], work: Callable[[Connection], T]
    ) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, run, work)

    def _run(self, once: Callable[[], T], *, has_begun: bool = False) -> T:
        """Run it, and again where that may help: BEGIN has found a dead connection out, a look has not."""
        for attempt in itertools.count(1):
            try:
                return once()
            except (DBAPIError, sqlite3.Error, psycopg.Error) as error:
                told = getattr(error, "orig", error)
                fault = self._kind.fault(told)
                if fault not in {None, Fault.BUSY}:
                    self._faults += 1
                    self._let_kept_go()
                is_dead = not has_begun and attempt == 1 and fault is Fault.GONE
                if attempt >= self._kind.tries(told) and not is_dead:
                    if fault is None:
                        raise
                    raise DatabaseUnavailableError(fault) from None
            _pause(attempt)
        raise AssertionError

    def _within(self, begin: str, end: str, work: Callable[[Connection], T]) -> T:
        with self.engine.connect() as connection:  # whose end undoes what was not ended
            _begin(connection, begin)
            result = work(connection)
            connection.exec_driver_sql(end)
            return result

    def _on_kept(self, work: Callable[[Connection], T]) -> T:
        kept = self._kept
        try:
            connection = kept.pop()
        except IndexError:
            connection = self.engine.connect()
        try:
            result = work(connection)
            if connection.in_transaction():  # one of SQLAlchemy's own, where it was asked after all
                connection.rollback()
        except BaseException:
            connection.close()  # the pool undoes what was not ended
            raise
        if kept is self._kept:
            kept.append(connection)
        else:  # it was made before a fault
            connection.close()
        return result

    def _let_kept_go(self) -> None:
        kept, self._kept = self._kept, deque()
        while kept:
            kept.pop().close()

    def _renew(self, _connection: Any, record: Any, _proxy: Any) -> None:
        """Use no connection again that was made before a fault: it may keep what was wrong with its server."""
        if record.info.setdefault("faults", self._faults) != self._faults:
            raise DisconnectionError


def rows(connection: Connection, sql: str, parameters: Sequence[Any]) -> list[Any]:
    """Run a query as :func:`run` does; rows are tuples, bytes come as bytes."""
    found: list[Any] = run(connection, sql, parameters).fetchall()
    return found


def run(connection: Connection, sql: str, parameters: Sequence[Any]) -> Any:
    """Run a statement, written with ``?`` for a parameter, by the driver alone: a tenth of what SQLAlchemy takes.

    What goes wrong is the driver's own error.
    """
    driver = _driver(connection)
    if isinstance(driver, sqlite3.Connection):
        return driver.execute(sql, parameters)
    with _told(connection):
        return _kept_cursor(connection).execute(_translated(sql), parameters)


def run_each(connection: Connection, sql: str, values: Sequence[Sequence[Any]]) -> None:
    """Run a statement once for each of ``values``, as :func:`run` does; on PostgreSQL without waiting in between."""
    driver = _driver(connection)
    if isinstance(driver, sqlite3.Connection):
        driver.executemany(sql, values)
        return
    with _told(connection):
        _kept_cursor(connection).executemany(_translated(sql), values)


def insert(connection: Connection, table: Table, values: Sequence[Sequence[Any]]) -> None:
    """Insert many rows by the driver alone, each with a value for all of the table's columns; on PostgreSQL by COPY."""
    driver, names = _driver(connection), ", ".join(table.columns.keys())
    if isinstance(driver, sqlite3.Connection):
        driver.executemany(f"INSERT INTO {table} ({names}) VALUES ({places(len(table.columns))})", values)  # noqa: S608
        return
    statement = f"COPY {table} ({names}) FROM STDIN (FORMAT BINARY)"
    with _told(connection), driver.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types([_COPIED[type(column.type)] for column in table.columns])
        for row in values:
            copy.write_row(row)


@contextlib.contextmanager
def _told(connection: Connection) -> Iterator[None]:
    """Tell SQLAlchemy where the driver's connection broke."""
    try:
        yield
    except psycopg.Error:
        if _driver(connection).closed:
            connection.invalidate()
        raise


def cursor_of(connection: Connection) -> "psycopg.Cursor[Any] | None":
    """Return the cursor by which :func:`rows` asks PostgreSQL on a connection; None on SQLite."""
    return None if isinstance(_driver(connection), sqlite3.Connection) else _kept_cursor(connection)


def _kept_cursor(connection: Connection) -> "psycopg.Cursor[Any]":
    """Return the connection's own cursor, kept as long as it: to make one costs half as much as a statement."""
    kept: psycopg.Cursor[Any] | None = connection.info.get("cursor")
    if kept is None:
        kept = connection.info["cursor"] = _driver(connection).cursor(binary=True)
    return kept


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection


def places(count: int) -> str:
    """Return a parameter's place for each of ``count`` values, as ``IN (…)`` takes them."""
    return ", ".join("?" * count)


@functools.lru_cache(1024)  # lists of tags and ids are of many lengths
def _translated(sql: str) -> bytes:
    return sql.replace("?", "%s").encode()


def _begin(connection: Connection, begin: str) -> None:
    """Say BEGIN; where the server has closed the connection since it was last used, on a new one."""
    try:
        connection.exec_driver_sql(begin)
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
        connection.rollback()
        connection.exec_driver_sql(begin)


def _pause(attempt: int) -> None:
    """Let the others finish, the longer the oftener we met, and not all of us alike."""
    chance = int.from_bytes(os.urandom(2)) / 0xFFFF
    time.sleep(chance * min(_LONGEST_PAUSE, 0.005 * 2**attempt))


# --- what is different about each engine


@dataclass(frozen=True, slots=True)
class _Kind:
    """How an engine is opened, how it says BEGIN, and what its errors mean."""

    engine: Callable[[str], Engine]
    begin_reading: str
    begin_writing: str
    tries: Callable[[Any], int]
    fault: Callable[[Any], Fault | None]


def _sqlite_engine(path: str) -> Engine:
    engine = create_engine(f"sqlite:///{path}", hide_parameters=True)
    event.listen(engine, "connect", _prepare)
    return engine


def _prepare(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves: the driver's own would be deferred
    for pragma in (f"busy_timeout={WAIT_MS}", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")
    write_ahead(connection, WAIT_MS)


#: SQLite's primary result codes (its documentation, "Result and Error Codes"). What is not here is our own mistake.
_SQLITE_FAULTS = {
    3: Fault.READ_ONLY,  # PERM
    5: Fault.BUSY,
    6: Fault.BUSY,  # LOCKED
    8: Fault.READ_ONLY,
    10: Fault.GONE,  # IOERR
    11: Fault.GONE,  # CORRUPT
    13: Fault.FULL,
    14: Fault.GONE,  # CANTOPEN
    15: Fault.BUSY,  # PROTOCOL
    26: Fault.GONE,  # NOTADB
}


def _sqlite_fault(error: Any) -> Fault | None:
    return _SQLITE_FAULTS.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)


_SQLITE = _Kind(_sqlite_engine, "BEGIN", "BEGIN IMMEDIATE", lambda _: 1, _sqlite_fault)


def _postgresql_engine(url: str) -> Engine:
    """Open a pool without an upper limit of its own.

    Threads are the limit (each holds at most two connections): a limit that one of them could wait at, while
    it holds the connection that another waits for, would stop both.
    """
    own = {key: value for key, value in _CONNECT.items() if key not in make_url(url).query}
    return create_engine(
        url,
        connect_args=own,
        isolation_level="AUTOCOMMIT",  # we say BEGIN ourselves
        pool_size=THREADS,
        max_overflow=-1,
        pool_use_lifo=True,
        hide_parameters=True,
    )


#: libpq's: a server that went without a word is missed within seconds, and nobody waits for ever for a lock.
_CONNECT: dict[str, Any] = {
    "application_name": "valv",
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "options": f"-c lock_timeout={WAIT_MS} -c idle_in_transaction_session_timeout={2 * WAIT_MS}",
}
#: How often a change is run that another crossed. A key that is there already may be another's who came first;
#: a connection that may not write may be older than the server's present mind.
_TRIES = {"40001": TRIES, "40P01": TRIES, "23505": 3, "25006": 2}
#: SQLSTATE, or its first two letters: PostgreSQL 15, appendix A.
_POSTGRESQL_FAULTS = {
    "40001": Fault.BUSY,
    "40P01": Fault.BUSY,
    "55P03": Fault.BUSY,  # lock_timeout
    "57014": Fault.BUSY,  # statement_timeout
    "25006": Fault.READ_ONLY,
    "25P03": Fault.GONE,  # we held a transaction too long
    "53100": Fault.FULL,
    "08": Fault.GONE,
    "28": Fault.GONE,  # it does not let us in
    "53": Fault.BUSY,
    "55": Fault.GONE,
    "57": Fault.GONE,
    "58": Fault.GONE,
    "XX": Fault.GONE,
}


def _postgresql_fault(error: Any) -> Fault | None:
    code = getattr(error, "sqlstate", None)
    if code is None:  # no word from the server: the connection broke, or was never made
        return Fault.GONE if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError) else None
    return _POSTGRESQL_FAULTS.get(code) or _POSTGRESQL_FAULTS.get(code[:2])


_POSTGRESQL = _Kind(
    _postgresql_engine,
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    "BEGIN ISOLATION LEVEL SERIALIZABLE",
    lambda error: _TRIES.get(getattr(error, "sqlstate", None) or "", 1),
    _postgresql_fault,
)
