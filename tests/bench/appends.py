"""Durable appends a second: the log's, beside a bare group commit of the same bytes.

The bare one does what a writer of rows must do, and no more: one thread takes what waits, inserts it, commits, and
wakes its waiters once a group. Its row has the columns of an entry of the log, of the same size: nothing is encoded,
sealed, hashed or signed, and nothing but the number is indexed. Both force each commit to disk, over connections
made alike. What ours does later than the entry, it does in the same seconds: its lists, and on PostgreSQL its numbers.
"""

import asyncio
import contextlib
import os
import queue
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Column, MetaData, NullPool, Table, create_engine

from audit.database import Connection, PostgreSQL, SQLite
from audit.encoding import encode
from audit.events import Activity, Actor, ActorKind, Event, EventKind
from audit.log import AuditLog
from audit.store import ROW
from audit.tables import LogTable
from keys.keystore import KeyStore
from policies.vocabulary import Category, Purpose

CLIENTS = (1, 8, 32, 64)

_NURSE = Actor(
    kind=ActorKind.STAFF,
    id="SE2321000016-5000",
    name="Siv Sköterska",
    title="Distriktssköterska",
    commission="SE2321000016-4000",
    unit_id="SE2321000016-3000",
    unit_name="Vårdcentralen Björken",
    provider_id="SE2321000016-2000",
    provider_name="Exempel primärvård",
    provider_kind="care",
    authority_id="SE2321000016-1000",
)
_SEALING = 2 + 3 * 63 + 30 + 32  # three readers' wraps, the box, the salt
_LEAF, _HASH = 185, 32
_BARE = MetaData()
Table(
    "bare",
    _BARE,
    *(
        Column(column.name, column.type, primary_key=column.name == "seq")
        for column in LogTable.metadata.tables["log_entries"].columns
    ),
)
_SMALLEST = 5  # appends before a figure says anything

_Append = Callable[[int], Awaitable[object]]
_Content = tuple[bytes, ...]
_Waiting = tuple[_Content, "asyncio.Future[None]"]


async def ours(store: Path | str, clients: int, seconds: float) -> float:
    """Append to a log of its own, in a folder or in an empty database; return appends per second."""
    with TemporaryDirectory(prefix="valv-appends-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        keystore = KeyStore.create(folder / "keystore.db", "a passphrase", clock=_now)
        place = store if isinstance(store, str) else store / f"log-{time.monotonic_ns()}.db"
        _make(place, LogTable.metadata)
        log = AuditLog.open(
            place, keystore, origin="bench/log", checkpoint_dir=folder / "checkpoints", clock=_now
        )
        stack.callback(log.close)
        events = [_event(number.to_bytes(16, "big")) for number in range(clients)]
        for event in events:
            await log.append(event)  # the month's keys are made once
        return await _rate(lambda client: log.append(events[client]), clients, seconds)


async def bare(store: Path | str, clients: int, seconds: float) -> float:
    """Append rows of the same bytes to a table of their own; return appends per second."""
    place = store if isinstance(store, str) else store / f"bare-{time.monotonic_ns()}.db"
    _make(place, _BARE)
    sealed = _SEALING + len(encode(_event(bytes(16))))
    content = os.urandom(_LEAF), os.urandom(_HASH), os.urandom(sealed)
    rows = _Bare((PostgreSQL(place) if isinstance(place, str) else SQLite(place)).connect())
    with contextlib.closing(rows):
        return await _rate(lambda _client: rows.append(content), clients, seconds)


async def _rate(append: _Append, clients: int, seconds: float) -> float:
    begun, done = time.perf_counter(), 0

    async def one(client: int) -> None:
        nonlocal done
        while time.perf_counter() < begun + seconds or done < _SMALLEST:
            await append(client)
            done += 1

    await asyncio.gather(*map(one, range(clients)))
    return done / (time.perf_counter() - begun)


class _Bare:
    """A table and the thread that commits to it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._number = 0
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def append(self, content: _Content) -> "asyncio.Future[None]":
        """Return what is done when the row is on disk."""
        waiter = asyncio.get_running_loop().create_future()
        self._queue.put((content, waiter))
        return waiter

    def close(self) -> None:
        """Stop."""
        self._queue.put(None)
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        while group := self._taken():
            self._connection.execute("BEGIN")
            rows = [(self._number + place, *content) for place, (content, _) in enumerate(group)]
            self._connection.insert("bare", ROW, rows)
            self._connection.execute("COMMIT")
            self._number += len(group)
            waiters = [waiter for _, waiter in group]
            waiters[0].get_loop().call_soon_threadsafe(_settle, waiters)

    def _taken(self) -> "list[_Waiting]":
        """Wait for one, and take what else is there; nothing at the end."""
        group = []
        item = self._queue.get()
        with contextlib.suppress(queue.Empty):
            while item is not None:
                group.append(item)
                item = self._queue.get_nowait()
        return group


def _settle(waiters: "Sequence[asyncio.Future[None]]") -> None:
    for waiter in waiters:
        waiter.set_result(None)


def _make(store: Path | str, tables: MetaData) -> None:
    """Make tables anew."""
    engine = create_engine(store if isinstance(store, str) else f"sqlite:///{store}", poolclass=NullPool)
    tables.drop_all(engine)
    tables.create_all(engine)


def _event(vault: bytes) -> Event:
    return Event(
        EventKind.READ,
        Activity.READ,
        _now(),
        _NURSE,
        vault,
        Purpose.CARE,
        (Category.BLOOD_PRESSURE,),
        rules=("rule-1",),
        policy_hash="ab" * 32,
    )


def _now() -> datetime:
    return datetime.now(UTC)
