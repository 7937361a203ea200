"""The verifier's reading from a SQLite file: each table in its own order."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from audit.verify_findings import Fault, Findings
from audit.verify_lists import LISTS
from audit.verify_source import BATCH, COLUMNS, TABLES, Row, Source

_MAPPED = 1 << 40  # bytes: as many as SQLite allows


class SQLite(Source):
    """A file, read only."""

    errors = (sqlite3.Error,)

    def __init__(self, path: Path, _snapshot: str) -> None:
        address = f"{path.resolve().as_uri()}?mode=ro"
        self._connection = sqlite3.connect(address, uri=True, isolation_level=None)
        self._connection.execute("BEGIN")

    def snapshot(self) -> str:
        """None can be had twice; but the entries that one has are in every later one."""
        return ""

    def all(self, query: str, *values: object) -> list[Row]:
        """Return all rows of a short answer."""
        return self._connection.execute(query.replace("%s", "?"), values).fetchall()

    def entries(self, first: int, last: int) -> Iterator[list[Row]]:
        """Yield entries in order: the table is its own order, and no index is asked."""
        query = f"SELECT {COLUMNS} FROM log_entries NOT INDEXED WHERE seq BETWEEN ? AND ? ORDER BY seq"  # noqa: S608
        self._map(0)  # what the last block was read through is given back
        self._map(_MAPPED)
        yield from self._read(query, BATCH, first, last)

    def count(self) -> None:
        """Return nothing: the table is read in its own order."""

    def rows(self, query: str, count: int) -> Iterator[list[Row]]:
        """Yield a long answer, some rows at a time."""
        self._map(0)
        yield from self._read(query, count)

    def _read(self, query: str, count: int, *values: object) -> Iterator[list[Row]]:
        cursor = self._connection.execute(query, values)
        while rows := cursor.fetchmany(count):
            yield rows

    def check_code(self, findings: Findings) -> None:
        """No trigger, no view, and no index but those of keys: the log's tables need none."""
        objects = self.all("SELECT name, type, tbl_name FROM sqlite_master")
        tables = {name for name, kind, _ in objects if kind == "table"}
        if not (tables >= TABLES and {kind for _, kind, _ in objects} <= {"table", "index"}):
            findings.add("database", Fault.FOREIGN_CODE)
        for name, kind, table in objects:
            if kind == "index" and table in TABLES and not name.startswith("sqlite_autoindex_"):
                findings.add(f"index {name}", Fault.FOREIGN_CODE)

    def check_indexes(self, findings: Findings) -> None:
        """Let SQLite do it for the tables that are no lists, and small."""
        for table in sorted(TABLES - {"log_entries", *(kind.table for kind in LISTS)}):
            for (text,) in self._connection.execute(f"PRAGMA integrity_check({table})"):
                if text != "ok":
                    findings.add("database", Fault.INCONSISTENT_FILE, str(text))

    def _map(self, size: int) -> None:
        """Read the file through memory, which spares a call for each page."""
        self._connection.execute(f"PRAGMA mmap_size = {size}").fetchall()

    def waiting(self) -> tuple[int, int | None]:
        """Nothing waits: an entry is sequenced in the transaction that makes it durable."""
        return 0, None

    def close(self) -> None:
        """Give the file back."""
        self._connection.close()
