"""The verifier's reading from a SQLite file: the table in its own order, and each index of the entries by itself.

An index is read run by run, all entries of one vault or organisation, as people read it; or key by key. SQLite joins
the numbers into one text of 16 digits each: handed over row by row, they would take longer than the hashing.
"""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from audit.verify_findings import Fault, Findings
from audit.verify_indexes import Index, Table, Total, ascends, numbers_of, packed, table_of, total
from audit.verify_source import BATCH, COLUMNS, SEQ, TABLES, Row, Source

_PAGE = 4096  # entries of an index at a time
_MAPPED = 1 << 40  # bytes: as many as SQLite allows
_PSEUDONYM = 16
_TENS = 10**15  # added to a number, it has 16 digits
#: The columns that an index of the log's may be of.
_RUNS = {("provider", "seq"), ("authority", "seq"), ("vault", "n"), ("vault", "head_version")}
_KEYS = {("entry_id",)}


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
        cursor = self._connection.execute(query, (first, last))
        while rows := cursor.fetchmany(BATCH):
            yield rows

    def check_code(self, findings: Findings) -> None:
        """No trigger, no view."""
        kinds: dict[str, str] = dict(self._connection.execute("SELECT name, type FROM sqlite_master"))
        tables = {name for name, kind in kinds.items() if kind == "table"}
        if not (tables >= TABLES and set(kinds.values()) <= {"table", "index"}):
            findings.add("database", Fault.FOREIGN_CODE)

    def check_indexes(self, findings: Findings) -> None:
        """Let SQLite do it for the other tables, which are small."""
        for table in sorted(TABLES - {"log_entries"}):
            for (text,) in self._connection.execute(f"PRAGMA integrity_check({table})"):
                if text != "ok":
                    findings.add("database", Fault.INCONSISTENT_FILE, str(text))

    def indexes(self, findings: Findings) -> list[Index]:
        """Return the entries' indexes."""
        found = []
        for _, name, _, _, is_partial in self._connection.execute("PRAGMA index_list(log_entries)"):
            columns = self.all("SELECT name FROM pragma_index_info(%s)", name)
            names = tuple(column for (column,) in columns)
            if names in _RUNS | _KEYS:
                places = [COLUMNS.split(", ").index(column) for column in names if column != "seq"]
                found.append(Index(name, (*places, SEQ), bool(is_partial)))
            else:
                findings.add(f"index {name}", Fault.FOREIGN_CODE)
        return found

    def total(self, index: Index, last: int, key: bytes) -> Total:
        """Read the index alone."""
        self._map(0)
        lead, *numbers = (COLUMNS.split(", ")[place] for place in index.places)
        quoted = index.name.replace('"', '""')
        entries = f'log_entries INDEXED BY "{quoted}" WHERE seq <= {last}'
        if index.is_of_heads:
            entries += " AND head_version > 0"
        tables = self._keys(entries, lead) if (lead,) in _KEYS else self._runs(entries, lead, numbers)
        found = Total()
        try:
            for table in tables:
                found.add(total(table, key))
        except ValueError as error:
            return Total(fault=str(error))
        return found

    def _runs(self, entries: str, lead: str, numbers: list[str]) -> Iterator[Table]:
        """Yield an index whose rows are a pseudonym and numbers, the first of which ascends."""
        find = f"SELECT {lead} FROM {entries} AND {lead} > ? ORDER BY {lead} LIMIT 1"  # noqa: S608 our own words
        first, digits = numbers[0], " || ".join(f"({number} + {_TENS})" for number in numbers)
        read = f"""
        SELECT CAST(group_concat({digits}, '') AS BLOB), count(*), max(typeof({first}) <> 'integer')
        FROM (SELECT {", ".join(numbers)} FROM {entries} AND {lead} = ? AND {first} > ? LIMIT {_PAGE})
        """  # noqa: S608
        run = b""
        while found := self._connection.execute(find, (run,)).fetchone():
            (run,) = found
            after, rows = -1, _PAGE
            while rows == _PAGE:
                text, rows, is_odd = self._connection.execute(read, (run, after)).fetchone()
                if not rows:
                    break
                columns = numbers_of(text, rows, len(numbers))
                if is_odd or not ascends(columns[0], after) or len(run) != _PSEUDONYM:
                    raise ValueError("out of order, or not what can be in an entry")
                after = int(columns[0][-1])
                yield table_of([run * rows, *map(packed, columns)], rows)

    def _keys(self, entries: str, lead: str) -> Iterator[Table]:
        """Yield an index whose rows are a key and an entry's number."""
        read = f"""
        SELECT CAST(group_concat({lead}, '') AS BLOB), CAST(group_concat(seq + {_TENS}, '') AS BLOB), count(*),
               min(length({lead})) = {_PSEUDONYM} AND max(length({lead})) = {_PSEUDONYM}
        FROM (SELECT {lead}, seq FROM {entries} AND {lead} > ? LIMIT {_PAGE})
        """  # noqa: S608
        after, rows = b"", _PAGE
        while rows == _PAGE:
            keys, text, rows, is_even = self._connection.execute(read, (after,)).fetchone()
            if not rows:
                return
            table = table_of([keys, *map(packed, numbers_of(text, rows, 1))], rows)
            if not is_even or not ascends(table[:, :2].copy().view(f"S{_PSEUDONYM}")[:, 0], after):
                raise ValueError("out of order, or not what can be in an entry")
            after = keys[-_PSEUDONYM:]
            yield table

    def _map(self, size: int) -> None:
        """Read the file through memory, which spares a call for each page."""
        self._connection.execute(f"PRAGMA mmap_size = {size}").fetchall()

    def waiting(self) -> tuple[int, int | None]:
        """Nothing waits: an entry is sequenced in the transaction that makes it durable."""
        return 0, None

    def close(self) -> None:
        """Give the file back."""
        self._connection.close()
