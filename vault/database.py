"""The ways into a database: one snapshot to read in, one transaction to change in.

What happens inside is a plain function of a ``Connection``. On SQLite a short read runs inline and a write in
a thread (it may wait for another process); on PostgreSQL the same functions will run by ``run_sync``.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event

T = TypeVar("T")


class Database:
    """One SQLite file in WAL mode. A commit is durable when it returns (``synchronous=FULL``)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.engine: Engine = create_engine(
            f"sqlite:///{path}", connect_args={"timeout": 30}, hide_parameters=True
        )
        event.listen(self.engine, "connect", _prepare)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in one snapshot."""
        return self.read_now(work)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in one transaction that holds the write lock from its start; commit or nothing."""
        return await asyncio.to_thread(self.write_now, work)

    def read_now(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in one snapshot, from a thread of its own (jobs, commands)."""
        with self.engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            try:
                return work(connection)
            finally:
                connection.exec_driver_sql("ROLLBACK")

    def write_now(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in one transaction, from a thread of its own."""
        with self.engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                result = work(connection)
            except BaseException:
                connection.exec_driver_sql("ROLLBACK")
                raise
            connection.exec_driver_sql("COMMIT")
            return result

    def close(self) -> None:
        """Give the file back."""
        self.engine.dispose()


def _prepare(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves: the driver's own would be deferred
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000"):
        connection.execute(f"PRAGMA {pragma}")
