"""Where the verifier reads from: one snapshot of a log's tables, on SQLite or on PostgreSQL, in plain tuples.

A path is a SQLite file, a text the address of a PostgreSQL database. The database is not trusted: entries are
read from the table itself in the order of ``seq``, and what stands in its indexes is held against it.
"""

import abc
import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar

from audit.verify_findings import Findings
from audit.verify_indexes import Index, Total

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


def opened(log: Path | str, snapshot: str = "") -> AbstractContextManager[Source]:
    """Open the log as it stands, or as another connection sees it.

    Raises:
        UnreadableError: here or anywhere inside, whatever the driver said.
    """
    if isinstance(log, Path):
        from audit.verify_sqlite import SQLite  # noqa: PLC0415 it knows this module

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
