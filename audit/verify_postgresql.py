"""The verifier's reading from PostgreSQL: one snapshot, exported, so that every connection sees the same."""

from collections.abc import Iterator

import psycopg
from psycopg import IsolationLevel

from audit.verify_findings import Fault, Findings
from audit.verify_source import BATCH, COLUMNS, SEQ, TABLES, Row, Source

_OURS = TABLES | {"log_pending", "log_writers"}
_FOREIGN = """
SELECT count(*) FROM unnest(%s::text[]) AS name LEFT JOIN pg_class ON pg_class.oid = to_regclass(name)
WHERE relkind IS DISTINCT FROM 'r' OR relhasrules OR relhassubclass OR relrowsecurity
   OR EXISTS (SELECT 1 FROM pg_trigger WHERE tgrelid = pg_class.oid AND NOT tgisinternal)
"""
_INDEXES = """
SELECT indexrelid::regclass::text, indisvalid AND relam = (SELECT oid FROM pg_am WHERE amname = 'btree')
FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
WHERE indrelid = ANY(%s::regclass[]) ORDER BY 1
"""
_MAY_CHECK = "SELECT has_function_privilege(to_regprocedure('bt_index_check(regclass, boolean)'), 'EXECUTE')"
_BY_TABLE = "SET LOCAL enable_indexscan = off; SET LOCAL enable_indexonlyscan = off; SET LOCAL enable_bitmapscan = off"


class PostgreSQL(Source):
    """A database that also holds the log."""

    errors = (psycopg.Error,)

    def __init__(self, address: str, snapshot: str) -> None:
        self._connection = psycopg.connect(address.replace("postgresql+psycopg://", "postgresql://", 1))
        self._connection.isolation_level = IsolationLevel.REPEATABLE_READ
        self._connection.read_only = True
        if snapshot:
            self._connection.execute(f"SET TRANSACTION SNAPSHOT '{snapshot}'")
        self._connection.execute(
            "SET LOCAL enable_sort = off"
        )  # a million rows of a kilobyte, by their own key

    def snapshot(self) -> str:
        """Name this connection's snapshot for others."""
        ((name,),) = self.all("SELECT pg_export_snapshot()")
        return str(name)

    def all(self, query: str, *values: object) -> list[Row]:
        """Return all rows of a short answer."""
        return self._connection.execute(query.encode(), values, binary=True).fetchall()

    def entries(self, first: int, last: int) -> Iterator[list[Row]]:
        """Yield entries in order, by the primary key: what it might hide, :meth:`count` has counted."""
        query = f"SELECT {COLUMNS} FROM log_entries WHERE seq BETWEEN %s AND %s ORDER BY seq LIMIT {BATCH}"  # noqa: S608 our words
        while rows := self.all(query, first, last):
            yield rows
            # By an index that leads nowhere; that entries are missing shows at the end.
            if rows[-1][SEQ] < first:
                return
            first = rows[-1][SEQ] + 1

    def rows(self, query: str, count: int) -> Iterator[list[Row]]:
        """Yield a long answer, some rows at a time; in a list's order it is read by the list's own index."""
        with self._connection.cursor("rows", binary=True) as cursor:
            cursor.execute(query.encode())
            while rows := cursor.fetchmany(count):
                yield rows

    def check_code(self, findings: Findings) -> None:
        """No trigger, rule, heir, filter or view in a table's place."""
        if self.all(_FOREIGN, sorted(_OURS)) != [(0,)]:
            findings.add("database", Fault.FOREIGN_CODE)

    def check_indexes(self, findings: Findings) -> None:
        """Let the extension amcheck do it where we may; the primary key is held to the table's count in any case."""
        if self.all(_MAY_CHECK) == [(True,)]:
            for name, is_usable in self.all(_INDEXES, sorted(_OURS)):
                if is_usable:
                    self._check_index(name, findings)
                else:
                    findings.add(f"index {name}", Fault.INCONSISTENT_FILE, "of no use")

    def count(self) -> int:
        """Return how many entries there are by the table itself; they are read by its primary key, and counted then."""
        with self._connection.transaction(force_rollback=True):
            self._connection.execute(_BY_TABLE)
            ((count,),) = self.all("SELECT count(*) FROM log_entries")
            return int(count)

    def _check_index(self, name: str, findings: Findings) -> None:
        try:
            with self._connection.transaction():
                self.all("SELECT bt_index_check(%s::regclass, true)", name)
        except psycopg.errors.IndexCorrupted as error:
            findings.add("database", Fault.INCONSISTENT_FILE, str(error).partition("\n")[0])

    def waiting(self) -> tuple[int, int | None]:
        """Count what the writers have made durable and nobody has sequenced yet."""
        ((count, oldest_us),) = self.all("SELECT count(*), min(at_us) FROM log_pending")
        return count, oldest_us

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()
