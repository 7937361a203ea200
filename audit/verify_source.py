"""Where the verifier reads from: one snapshot of a log's tables, on SQLite or on PostgreSQL, in plain tuples.

A path is a SQLite file, a text the address of a PostgreSQL database. The database is not trusted: entries are
read from the table itself in the order of ``seq``, and what stands in its indexes is held against it.
"""

import abc
import contextlib
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar

from audit.verify_findings import Fault, Findings
from audit.verify_indexes import Index, Total, ascends, pack, table_of, total

#: The leaf's ten fields in its own order, then what stands beside them.
COLUMNS = (
    "entry_id, vault, n, provider, authority, at_us, commitment, sealed_digest, head_version, head_digest, "
    "leaf_hash, sealed, seq"
)
SEQ = 12
#: Which an index may be of: whole numbers and byte strings of one length.
INDEXED = {"entry_id", "vault", "n", "provider", "authority", "at_us", "head_version", "seq"}
TABLES = {"log_entries", "log_nodes", "log_tip", "log_checkpoints"}
#: Rows at a time: few enough to stay near the processor while they are hashed.
BATCH = 128
INDEX_BATCH = 512
_MAPPED = 1 << 40  # bytes: as many as SQLite allows

Row = tuple[Any, ...]


class UnreadableError(Exception):
    """The database cannot be read to its end; the text is the error's kind."""


class Source(abc.ABC):
    """One snapshot."""

    errors: ClassVar[tuple[type[Exception], ...]]

    @abc.abstractmethod
    def snapshot(self) -> str:
        """Name it for further connections."""

    @abc.abstractmethod
    def all(self, query: str, *values: object) -> list[Row]:
        """Return all rows of a short answer; ``%s`` stands for a value."""

    @abc.abstractmethod
    def entries(self, first: int, last: int) -> Iterator[list[Row]]:
        """Yield the entries with a number from first to last in order, some at a time."""

    @abc.abstractmethod
    def check_code(self, findings: Findings) -> None:
        """Look for what could change or hide rows behind the log's back, and for missing tables."""

    def indexes(self, findings: Findings) -> list[Index]:  # noqa: ARG002 as SQLite needs it
        """Return the indexes that whoever walks the entries is to hold to them."""
        return []

    def total(self, index: Index, last: int, key: bytes) -> Total:
        """Sum up what an index holds, up to an entry."""
        raise NotImplementedError

    @abc.abstractmethod
    def check_indexes(self, findings: Findings) -> None:
        """Hold the other indexes to their tables: people read by the indexes."""

    @abc.abstractmethod
    def waiting(self) -> tuple[int, int | None]:
        """Return how many entries are not yet sequenced, and since when the oldest waits, in microseconds."""

    @abc.abstractmethod
    def close(self) -> None:
        """Give the connection back."""

    def extent(self) -> tuple[int, int]:
        """Return how many entries there are, and the highest number."""
        ((count, last),) = self.all("SELECT count(*), max(seq) FROM log_entries")
        return count, -1 if last is None else last

    def nodes(self, level: int, first: int, end: int) -> dict[int, Any]:
        """Return the stored nodes of a level, by place."""
        query = "SELECT idx, hash FROM log_nodes WHERE level = %s AND idx >= %s AND idx < %s"
        return dict(self.all(query, level, first, end))


class SQLite(Source):
    """A file, read only."""

    errors = (sqlite3.Error,)

    def __init__(self, path: Path, _snapshot: str) -> None:
        address = f"{path.resolve().as_uri()}?mode=ro"
        self._connection = sqlite3.connect(address, uri=True, isolation_level=None)
        self._connection.execute("PRAGMA cache_size = -65536")  # KiB
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
        cursor = self._connection.execute(query, (first, last))
        while rows := cursor.fetchmany(BATCH):
            yield rows

    def _map(self, size: int) -> None:
        """Read the file through memory, which spares a call for each page."""
        self._connection.execute(f"PRAGMA mmap_size = {size}").fetchall()

    def check_code(self, findings: Findings) -> None:
        """No trigger, no view."""
        kinds: dict[str, str] = dict(self._connection.execute("SELECT name, type FROM sqlite_master"))
        tables = {name for name, kind in kinds.items() if kind == "table"}
        if not (tables >= TABLES and set(kinds.values()) <= {"table", "index"}):
            findings.add("database", Fault.FOREIGN_CODE)

    def indexes(self, findings: Findings) -> list[Index]:
        """Return the entries' indexes; each is of columns that are in the leaf, or is no index of the log's."""
        found = []
        names = COLUMNS.split(", ")
        for _, name, _, _, is_partial in self._connection.execute("PRAGMA index_list(log_entries)"):
            told = self._connection.execute("SELECT name FROM pragma_index_info(?)", (name,))
            places = tuple(names.index(column) if column in INDEXED else -1 for (column,) in told)
            if -1 in places:
                findings.add(f"index {name}", Fault.FOREIGN_CODE)
            else:
                found.append(
                    Index(name, (*(place for place in places if place != SEQ), SEQ), bool(is_partial))
                )
        return found

    def check_indexes(self, findings: Findings) -> None:
        """Let SQLite do it for the other tables, which are small."""
        for table in sorted(TABLES - {"log_entries"}):
            for (text,) in self._connection.execute(f"PRAGMA integrity_check({table})"):
                if text != "ok":
                    findings.add("database", Fault.INCONSISTENT_FILE, str(text))

    def total(self, index: Index, last: int, key: bytes) -> Total:
        """Read the index alone, in its own order."""
        columns = ", ".join(COLUMNS.split(", ")[place] for place in index.places)
        query = f'SELECT {columns} FROM log_entries INDEXED BY "{index.name.replace(chr(34), chr(34) * 2)}"'  # noqa: S608
        condition = "seq <= ?" + (" AND head_version > 0" if index.is_of_heads else "")
        found, before = Total(), b""
        self._map(0)
        try:
            cursor = self._connection.execute(f"{query} WHERE {condition}", (last,))
            while rows := cursor.fetchmany(INDEX_BATCH):
                table = table_of([pack(column) for column in zip(*rows, strict=True)], len(rows))
                if not ascends(table, before):
                    return Total(fault="out of order")
                before = table[-1].tobytes()
                found.add(total(table, key))
        except (TypeError, ValueError, struct.error):
            return Total(fault="not what can be in an entry")
        return found

    def waiting(self) -> tuple[int, int | None]:
        """Nothing waits: an entry is sequenced in the transaction that makes it durable."""
        return 0, None

    def close(self) -> None:
        """Give the file back."""
        self._connection.close()


def opened(log: Path | str, snapshot: str = "") -> AbstractContextManager[Source]:
    """Open the log as it stands, or as another connection sees it.

    Raises:
        UnreadableError: here or anywhere inside, whatever the driver said.
    """
    if isinstance(log, Path):
        return _opened(SQLite, log, snapshot)
    from audit.verify_postgresql import PostgreSQL  # noqa: PLC0415 its driver takes longer to load than most logs

    return _opened(PostgreSQL, log, snapshot)


@contextlib.contextmanager
def _opened(kind: Any, log: Path | str, snapshot: str) -> Iterator[Source]:
    try:
        with contextlib.closing(kind(log, snapshot)) as source:
            yield source
    except kind.errors as error:
        raise UnreadableError(type(error).__name__) from None
