"""Where the log stands: a SQLite file of its own, or tables beside the vaults' in PostgreSQL. Connections only.

Both take the same SQL, written with ``?`` for a parameter; a transaction is what the statements say (BEGIN, COMMIT).
The drivers are used bare: a statement costs a few microseconds, and every request waits for several.
"""

import contextlib
import functools
import itertools
import select
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import psycopg
from psycopg.types.string import BytesBinaryDumper
from sqlalchemy import make_url

BUSY_MS = 5_000  # how long to wait for another process's write
FAULTS = (sqlite3.Error, psycopg.Error, OSError)

_MOST_IDLE = 4
_PAUSE = 0.01  # seconds
_MOST_ROWS = 256  # of one statement
_TYPES = {int: "int8", bytes: "bytea", str: "text"}
_WAL_PAGES = (
    8_000  # until the journal is folded into the file: pages written again and again are then written once
)
_CACHED_KB = 16_000  # at most: what was just written is read once more, to be listed
#: A server that does not answer is as good as dead: nobody waits longer for it than for another's write.
_PATIENCE = {
    "connect_timeout": 5,
    "tcp_user_timeout": BUSY_MS,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
}
_SETTINGS = f"-c synchronous_commit=on -c lock_timeout={BUSY_MS} -c statement_timeout=60000"


class Cursor(Protocol):
    """What a statement gives."""

    @property
    def rowcount(self) -> int:
        """Return how many rows were written."""

    def fetchone(self) -> Any:
        """Return the next row, None after the last."""

    def fetchall(self) -> list[Any]:
        """Return the rows that are left."""


class Connection(Protocol):
    """One connection, used by one thread at a time; each statement commits unless BEGIN was said."""

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> Cursor:
        """Run a statement."""

    def insert(self, table: str, columns: str, rows: Sequence[Sequence[Any]]) -> None:
        """Insert many rows; the first one tells the columns' types."""

    def close(self) -> None:
        """Close it; what was not committed is gone."""


class Database(Protocol):
    """An engine: how to connect, and how its transactions begin."""

    begin_reading: str  # one snapshot
    begin_writing: str

    def connect(self) -> Connection:
        """Return a new connection.

        Raises:
            FAULTS: there is none to be had.
        """

    def is_stale(self, connection: Connection) -> bool:
        """Tell whether an idle connection is known to be of no more use."""

    def beside(self, cursor: object) -> Connection | None:
        """Return what asks by a caller's cursor on what holds the vaults, where the log's tables stand there too."""


class SQLite:
    """A file; whoever writes holds its lock from BEGIN on, so that numbers are read under it."""

    begin_reading = "BEGIN"
    begin_writing = "BEGIN IMMEDIATE"

    def __init__(self, path: Path) -> None:
        self._path = path

    def connect(self) -> Connection:
        """Open the file; every commit is forced to disk."""
        connection = sqlite3.connect(
            self._path, isolation_level=None, check_same_thread=False, factory=SQLiteConnection
        )
        settings = (
            f"busy_timeout={BUSY_MS}",
            "synchronous=FULL",
            f"cache_size=-{_CACHED_KB}",
        )
        for pragma in settings:
            connection.execute(f"PRAGMA {pragma}")
        write_ahead(connection, BUSY_MS)
        return connection

    def is_stale(self, _connection: Connection) -> bool:
        """Tell that a file's connection is never stale: what is wrong with one shows when it is used."""
        return False

    def beside(self, _cursor: object) -> None:
        """Return nothing: the log is a file of its own."""


def write_ahead(connection: sqlite3.Connection, patience_ms: int) -> None:
    """Let a file have a write-ahead log, which it keeps for good and folds in seldom.

    Two processes that open a new file at once both want it alone, and SQLite waits for neither.
    """
    deadline = time.monotonic() + patience_ms / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(f"PRAGMA wal_autocheckpoint={_WAL_PAGES}")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE)
        else:
            return


class SQLiteConnection(sqlite3.Connection):
    """sqlite3's connection, as this package's statements take it."""

    def insert(self, table: str, columns: str, rows: Sequence[Sequence[Any]]) -> None:
        """Insert many rows by few statements: while one runs, another thread has the interpreter."""
        start = 0
        while start < len(rows):
            count = min(
                _MOST_ROWS, 1 << (len(rows) - start).bit_length() - 1
            )  # so there are few statements to cache
            values = list(itertools.chain.from_iterable(rows[start : start + count]))
            self.execute(_insertion(table, columns, len(rows[0]), count), values)
            start += count


class PostgreSQL:
    """A database, by its ``postgresql+psycopg://`` URL."""

    begin_reading = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
    begin_writing = "BEGIN ISOLATION LEVEL READ COMMITTED"

    def __init__(self, url: str) -> None:
        made = make_url(url)
        self._to = made.translate_connect_args(username="user", database="dbname") | dict(made.query)

    def connect(self) -> "PostgreSQLConnection":
        """Connect; a commit returns when it is on disk, whatever the server's own setting."""
        given: dict[str, Any] = (
            _PATIENCE | {"options": _SETTINGS, "application_name": "halsovalvet-log"} | self._to
        )
        bare = psycopg.connect(**given, autocommit=True)
        # It would take the DB-API's Binary for bytes, whose dumper is slower.
        bare.adapters.register_dumper(bytes, BytesBinaryDumper)
        return PostgreSQLConnection(bare.cursor(binary=True))

    def is_stale(self, connection: Connection) -> bool:
        """Tell whether an idle connection has something to say: that the server closed it."""
        return isinstance(connection, PostgreSQLConnection) and connection.has_news()

    def beside(self, cursor: object) -> "PostgreSQLConnection | None":
        """Return what asks by the caller's cursor: vaults and log stand in one database."""
        return PostgreSQLConnection(cursor) if isinstance(cursor, psycopg.Cursor) else None


class PostgreSQLConnection:
    """psycopg's connection, as this package's statements take it, by one binary cursor: to make one costs as much
    as half a statement.
    """  # noqa: D205

    def __init__(self, cursor: "psycopg.Cursor[Any]") -> None:
        self.bare = cursor.connection
        self._cursor = cursor

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> Cursor:
        """Run a statement; bytes come as bytes. What one gives is read before the next is run."""
        return self._cursor.execute(_translated(sql), parameters)

    def insert(self, table: str, columns: str, rows: Sequence[Sequence[Any]]) -> None:
        """Insert many rows by COPY: alone, it is one transaction and two round trips."""
        statement = f"COPY {table} ({columns}) FROM STDIN (FORMAT BINARY)".encode()
        with self.bare.cursor() as cursor, cursor.copy(statement) as copy:
            copy.set_types([_TYPES[type(value)] for value in rows[0]])
            for row in rows:
                copy.write_row(row)

    def has_news(self) -> bool:
        """Tell whether the server spoke unasked."""
        if self.bare.closed:
            return True
        asked = select.poll()  # select.select takes no descriptor above 1023, and a busy server has more
        asked.register(self.bare.fileno(), select.POLLIN)
        return bool(asked.poll(0))

    def close(self) -> None:
        """Close it."""
        self.bare.close()


@functools.cache
def _insertion(table: str, columns: str, width: int, count: int) -> str:
    row = f"({', '.join('?' * width)})"
    return f"INSERT INTO {table} ({columns}) VALUES {', '.join([row] * count)}"  # noqa: S608 our own words


@functools.cache
def _translated(sql: str) -> bytes:
    return sql.replace("?", "%s").encode()


class Kept:
    """One connection, kept for one thread's writing at a time, and replaced after any failure."""

    def __init__(self, database: Database, *, on_failure: Callable[[], None]) -> None:
        self._database = database
        self._on_failure = on_failure
        self._connection: Connection | None = None

    @contextlib.contextmanager
    def lent(self) -> Iterator[Connection]:
        """Give the connection; each statement commits."""
        try:
            if self._connection is None or self._database.is_stale(self._connection):
                self.close()
                self._connection = self._database.connect()
            yield self._connection
        except BaseException:
            self.close()
            self._on_failure()
            raise

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Run a transaction: when it ends without an exception, it is on disk."""
        with self.lent() as connection:
            connection.execute(self._database.begin_writing)
            yield connection
            connection.execute("COMMIT")

    def close(self) -> None:
        """Close it; what was not committed is gone."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Pool:
    """Idle connections, for whoever reads: a thread takes one, and puts it back whole."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._idle: deque[Connection] = deque()
        self._closed = False

    @contextlib.contextmanager
    def lent(self, beside: object = None) -> Iterator[Connection]:
        """Lend a connection; after a fault none of the idle ones is trusted any more.

        Whoever is just asking the vaults' database is lent their own, if that leads to the log too: on PostgreSQL a
        server's process that was idle takes twice as long to answer.
        """
        own = self._database.beside(beside)
        if own is not None:
            yield own
            return
        connection = self._taken()
        try:
            yield connection
        except FAULTS:
            connection.close()
            self._close_idle()
            raise
        except BaseException:
            self._put(connection)
            raise
        self._put(connection)

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Lend a connection for several statements over one state of the log."""
        with self.lent() as connection:
            connection.execute(self._database.begin_reading)
            try:
                yield connection
            finally:
                connection.execute("ROLLBACK")

    def close(self) -> None:
        """Close what is idle now, and whatever comes back."""
        self._closed = True
        self._close_idle()

    def _taken(self) -> Connection:
        with contextlib.suppress(IndexError):
            while True:
                connection = self._idle.pop()
                if not self._database.is_stale(connection):
                    return connection
                connection.close()
        return self._database.connect()

    def _put(self, connection: Connection) -> None:
        if self._closed or len(self._idle) >= _MOST_IDLE:
            connection.close()
        else:
            self._idle.append(connection)

    def _close_idle(self) -> None:
        with contextlib.suppress(IndexError):
            while True:
                self._idle.pop().close()
