"""The limit: the same measurements as plaintext typed rows in the same database, with no check before them.

It is made as well as we can: numbers for all that are names, one index that serves every question, large
transactions, the driver's fastest way in, and commits as durable as ours.
"""

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests import postgres
from tests.bench.life import VAULT, Measurement

_TABLE = """
CREATE TABLE measurements (
    vault {big} NOT NULL, category {small} NOT NULL, code {small} NOT NULL, start {big} NOT NULL,
    duration {big} NOT NULL, value {real} NOT NULL, unit {small} NOT NULL,
    source {small} NOT NULL, zone {small} NOT NULL
)
"""
_INDEX = "CREATE INDEX measurements_by_time ON measurements (vault, category, start)"
_TYPES = ("int8", "int2", "int2", "int8", "int8", "float8", "int2", "int2", "int2")
_WITHIN = "FROM measurements WHERE vault = {0} AND category = {0} AND start >= {0} AND start < {0}"
_ROWS = f"SELECT code, start, duration, value, unit, source, zone {_WITHIN} ORDER BY start"
_DAILY = f"""
SELECT (start + CAST(zone AS bigint) * 60000000) / 86400000000 AS day, count(*), sum(value), min(value), max(value)
{_WITHIN} GROUP BY day ORDER BY day
"""
_ALL = "SELECT category, code, start, duration, value, unit, source, zone FROM measurements WHERE vault = {0}"
_AT_ONCE = 10_000


class Plain(ABC):
    """The table in one database, over one open connection."""

    _mark: str
    _connection: Any

    @abstractmethod
    def fill(self, rows: Sequence[Measurement]) -> None:
        """Insert rows in one transaction."""

    @abstractmethod
    def size(self) -> int:
        """Return how many bytes table and index have."""

    @abstractmethod
    def all(self) -> Iterator[tuple[Any, ...]]:
        """Read everything, as it comes."""

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()

    def rows(self, category: int, first: int, end: int) -> list[tuple[Any, ...]]:
        """Read a category's rows between two moments."""
        found: list[tuple[Any, ...]] = self._asked(_ROWS, VAULT, category, first, end).fetchall()
        return found

    def daily(self, category: int, first: int, end: int) -> list[tuple[Any, ...]]:
        """Sum up a category's rows by local day: day, count, sum, least, greatest."""
        found: list[tuple[Any, ...]] = self._asked(_DAILY, VAULT, category, first, end).fetchall()
        return found

    def _asked(self, query: str, *values: int) -> Any:
        return self._connection.execute(query.format(self._mark), values)


class SqlitePlain(Plain):
    """In a file."""

    _mark = "?"

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = sqlite3.connect(path, isolation_level=None)
        for pragma in ("journal_mode=WAL", "synchronous=FULL"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.execute(_TABLE.format(big="INTEGER", small="INTEGER", real="REAL"))
        self._connection.execute(_INDEX)

    def fill(self, rows: Sequence[Measurement]) -> None:
        """Insert rows in one transaction."""
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany("INSERT INTO measurements VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        self._connection.execute("COMMIT")

    def size(self) -> int:
        """Return how many bytes the file has, nothing left in the journal."""
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return self._path.stat().st_size

    def all(self) -> Iterator[tuple[Any, ...]]:
        """Read everything, as it comes."""
        yield from self._asked(_ALL, VAULT)


class PostgresqlPlain(Plain):
    """In a PostgreSQL database."""

    _mark = "%s"

    def __init__(self, url: str) -> None:
        self._connection = postgres.connect(url)
        self._connection.execute(_TABLE.format(big="bigint", small="smallint", real="double precision"))
        self._connection.execute(_INDEX)

    def fill(self, rows: Sequence[Measurement]) -> None:
        """Insert rows in one transaction: COPY in binary is the driver's fastest way (tried: text, executemany)."""
        with self._connection.cursor().copy("COPY measurements FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(_TYPES)
            for row in rows:
                copy.write_row(row)

    def size(self) -> int:
        """Return how many bytes table and index have."""
        found = self._connection.execute("SELECT pg_total_relation_size('measurements')").fetchone()
        assert found is not None
        return int(found[0])

    def all(self) -> Iterator[tuple[Any, ...]]:
        """Read everything, a part at a time."""
        with self._connection.transaction(), self._connection.cursor("everything") as cursor:
            cursor.itersize = _AT_ONCE
            yield from cursor.execute(_ALL.format(self._mark), (VAULT,))
