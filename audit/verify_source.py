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
from audit.verify_lists import LISTS, Extent, List, Total, read

COLUMNS = "leaf, leaf_hash, sealed, seq"
SEQ = 3  # the place of the number among them
TABLES = {"log_entries", "log_nodes", "log_tip", "log_checkpoints", *(kind.table for kind in LISTS)}
#: Rows at a time: few enough to stay near the processor while they are hashed.
BATCH = 256
LIST_BATCH = 1024

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

    @abc.abstractmethod
    def rows(self, query: str, count: int) -> Iterator[list[Row]]:
        """Yield a long answer, so many rows at a time."""

    def total(self, kind: List, seen: Extent, key: bytes) -> Total:
        """Sum up what a list holds of the entries that were seen; it holds of others what is younger, and no more."""
        found, end, most = Total(), seen.of(kind), self.extent().of(kind)
        query = f"SELECT {', '.join(kind.columns)} FROM {kind.table} ORDER BY {', '.join(kind.order)}"  # noqa: S608
        last: list[Row] = []
        try:
            for rows in self.rows(query, LIST_BATCH):
                read(kind, [*last, rows[0]], before=most)  # in order there too
                found.add(read(kind, rows, before=most).total(key, before=end))
                last = rows[-1:]
        except (ValueError, TypeError, OverflowError) as error:
            return Total(fault=str(error))
        return found

    @abc.abstractmethod
    def check_indexes(self, findings: Findings) -> None:
        """Let the database hold its indexes to its tables, where it can."""

    @abc.abstractmethod
    def waiting(self) -> tuple[int, int | None]:
        """Return how many entries are not yet sequenced, and since when the oldest waits, in microseconds."""

    @abc.abstractmethod
    def close(self) -> None:
        """Give the connection back."""

    def extent(self) -> Extent:
        """Return how far the snapshot says that it goes."""
        found = self.all("SELECT size, listed FROM log_tip WHERE one = 1")
        is_told = [list(map(type, row)) for row in found] == [[int, int]]
        return Extent(*found[0]) if is_told else Extent(0, 0)

    @abc.abstractmethod
    def count(self) -> int | None:
        """Return how many entries there are by the table itself; None where they are read from nothing else."""

    def last(self) -> int | None:
        """Return the highest number of an entry, None where there is none."""
        ((last,),) = self.all("SELECT max(seq) FROM log_entries")
        return None if last is None else int(last)

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
