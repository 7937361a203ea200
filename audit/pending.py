"""The log on PostgreSQL: an entry is durable first, and numbered soon after, by whichever process comes to it.

A lock on the head of the chain for each group would let one process wait for another's disk. So each process's
writer makes its groups durable in ``log_pending``, without a lock: under an id of its own, with a running number
from 1, a row for each group, MACed. *Sealing* is one transaction under the lock of the tip's row: it takes rows out of
``log_pending``, checks them, numbers their entries in the order of their time, grows the tree as the other engine does,
and lists them.

Invariants:
- what was acknowledged is sealed or sealing refuses: every row's MAC holds, and each writer's numbers follow on the
  last one sealed (``log_writers``, MACed too) without a gap and without a repetition;
- a receipt's promise is 60 seconds: while an entry waits for longer, no other is accepted;
- after a failure that leaves a commit in doubt, the process goes on as a new writer, so that no number is used twice.
"""

import contextlib
import functools
import itertools
import logging
import os
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from operator import itemgetter
from typing import NamedTuple

from audit import store
from audit.database import Connection, Database, Kept
from audit.draft import Draft
from audit.errors import LogUnavailableError
from audit.events import HeadRef
from audit.leaf import NO_DIGEST, NOBODY
from audit.ledger import Written
from audit.sequencer import Refusals, Sequencer, Tip, stated_head
from keys.envelope import context, microseconds, moment
from keys.primitives import same, tag

PROMISE = timedelta(seconds=60)
SEAL_EVERY = 0.25  # seconds: a transaction costs as much as sixty entries, and whoever reads seals first
MOST_AT_ONCE = 64  # rows of one transaction, and those of the last one's time

_COLUMNS = "writer, wseq, at_us, vault, head_version, entries, mac"
_TAKE = f"""
DELETE FROM log_pending WHERE at_us <= (
    SELECT max(at_us) FROM (SELECT at_us FROM log_pending ORDER BY at_us LIMIT {MOST_AT_ONCE}) AS oldest
) RETURNING {_COLUMNS}
"""  # noqa: S608 fixed words, here and below
_NEWEST_HEADS = f"""
SELECT FALSE, leaf_hash, seq, 0, leaf, version, NULL, NULL FROM ({store.NEWEST_HEAD}) AS sealed UNION ALL (
    SELECT TRUE, {_COLUMNS} FROM log_pending WHERE vault = ? AND head_version > 0
    ORDER BY head_version DESC, at_us LIMIT 1
)
"""  # noqa: S608
_KEEP_LAST = """
INSERT INTO log_writers (writer, last, mac) VALUES (?, ?, ?)
ON CONFLICT (writer) DO UPDATE SET last = excluded.last, mac = excluded.mac
"""
_LABEL, _MESSAGE = context("log-pending"), struct.Struct(">16sQQ16sQ")
_ENTRY = struct.Struct(
    ">16s16s32s64sQ32sI"
)  # a draft's fields, and how long the sealed record is that follows
_ID_SIZE = 16
_LOCK = "SELECT size FROM log_tip WHERE one = 1 FOR UPDATE"
_LOCK_IF_FREE = f"{_LOCK} SKIP LOCKED"

_logger = logging.getLogger("audit")


class Row(NamedTuple):
    """One row of ``log_pending``: a group of entries, or one that states a head of ``vault``."""

    writer: bytes
    wseq: int
    at_us: int
    vault: bytes
    head_version: int
    entries: bytes
    mac: bytes

    def drafts(self) -> Iterator[Draft]:
        """Yield the entries as they go into the tree."""
        start, raw = 0, self.entries
        while start < len(raw):
            entry_id, vault, organisations, digests, version, digest, size = _ENTRY.unpack_from(raw, start)
            start += _ENTRY.size + size
            head = HeadRef(version, digest) if version else None
            yield Draft(entry_id, vault, organisations, digests, raw[start - size : start], head)


class _Own:
    """This process as a writer: its id, how far it has written, and since when something of it waits."""

    def __init__(self) -> None:
        self.id = os.urandom(16)
        self.written = 0
        self.sealed = 0
        self.waits_since = 0  # µs; it says something only while more is written than sealed


class PendingLedger:
    """One database's log; the writer's thread commits, the keeper's and readers' take turns in sealing."""

    is_pending = True
    seals_every = SEAL_EVERY

    def __init__(
        self, database: Database, sequencer: Sequencer, *, key: bytes, clock: Callable[[], datetime]
    ) -> None:
        self._sequencer = sequencer
        self._key = key
        self._clock = clock
        self._own = _Own()
        self._last_us = 0
        self._oldest_us: int | None = None
        self._writing = Kept(database, on_failure=self._begin_anew)
        self._turn = threading.Lock()
        self._sealing = Kept(database, on_failure=sequencer.forget)

    # --- the writer's thread

    def commit(self, drafts: Sequence[Draft]) -> Written:
        """Make a group durable; when this returns, it is on disk, and will be sealed within the promise."""
        self._check_promise()
        at_us = self._sequencer.time(max(self._last_us, self._sequencer.last_us))
        with self._writing.lent() as connection:
            own = self._own
            refused = self._forks(connection, drafts)
            rows = list(self._rows(own, [one for one in drafts if one.entry_id not in refused], at_us))
            if rows:  # one statement, and so one transaction and one way to the server and back
                connection.execute(_add(len(rows)), list(itertools.chain.from_iterable(rows)))
        # These are the first that wait; the keeper may have sealed them already.
        if own.sealed >= own.written:
            own.waits_since = at_us
        own.written += len(rows)
        self._last_us = at_us
        return Written(moment(at_us), refused)

    def _rows(self, own: _Own, drafts: Sequence[Draft], at_us: int) -> Iterator[Row]:
        """Yield all entries that state no head in one row, and each of the others in its own."""
        groups = [(NOBODY, 0, [draft for draft in drafts if draft.head is None])]
        groups += [(draft.vault, draft.head.version, [draft]) for draft in drafts if draft.head is not None]
        for wseq, (vault, version, group) in enumerate(filter(itemgetter(2), groups), own.written + 1):
            row = Row(own.id, wseq, at_us, vault, version, b"".join(map(_encoded, group)), b"")
            yield row._replace(mac=tag(self._key, _message(row)))

    def _forks(self, connection: Connection, drafts: Sequence[Draft]) -> Refusals:
        """Refuse heads of which the log holds another of the same version; few entries state one."""
        refused = {}
        for draft in drafts:
            newest = draft.head and self.newest_head(connection, draft.vault)
            if newest and draft.head and newest.version == draft.head.version and newest != draft.head:
                refused[draft.entry_id] = LogUnavailableError("the log holds another head of this version")
        return refused

    def _check_promise(self) -> None:
        """Accept nothing while an entry waits for longer than was promised, if it cannot be sealed now."""
        if self._is_late():
            with contextlib.suppress(Exception):  # whatever it is, the keeper tells the operator
                self.seal(wait=True)
            if self._is_late():
                raise LogUnavailableError("entries have waited too long for their place in the log")

    def _is_late(self) -> bool:
        own, since = self._own, [] if self._oldest_us is None else [self._oldest_us]
        if own.sealed < own.written:
            since.append(own.waits_since)
        return bool(since) and microseconds(self._clock()) - min(since) > PROMISE // timedelta(microseconds=1)

    def _begin_anew(self) -> None:
        self._own = _Own()

    # --- any thread, in turn

    def seal(self, *, wait: bool) -> bool:
        """Number what is durable now, oldest first; what comes meanwhile waits for the next time.

        Raises:
            LogUnavailableError: a row was changed, removed or repeated; nothing of its transaction is done.
        """
        with self._turn:
            sealed = count = self._seal_some(wait=wait)
            while count >= MOST_AT_ONCE:
                sealed += (count := self._seal_some(wait=wait))
        return sealed > 0

    def checkpoint(self) -> None:
        """Carry a checkpoint out of the database; the first one makes the tip's row."""
        with self._turn:
            with self._sealing.transaction() as connection:
                if connection.execute(_LOCK).fetchone() is None:
                    connection.execute("LOCK TABLE log_tip IN SHARE ROW EXCLUSIVE MODE")
                tip = self._sequencer.checkpoint(connection)
            self._sequencer.settle(tip)

    def newest_head(self, connection: Connection, vault: bytes) -> HeadRef | None:
        """Return a vault's newest head: that of the tree or one that waits, both looked for at one moment."""
        stated = waiting = None
        for waits, *columns in connection.execute(_NEWEST_HEADS, (vault, vault)).fetchall():
            if waits:
                row = Row(*columns)
                self._check_mac(row)
                waiting = next(row.drafts()).head
            else:
                hashed, seq, _, leaf, version, *_ = columns
                stated = stated_head(vault, *store.headed(version, seq, leaf, hashed))
        if waiting is None or stated is None:
            return waiting or stated
        return max(stated, waiting, key=lambda head: head.version)

    def close(self) -> None:
        """Close both connections."""
        self._writing.close()
        self._sealing.close()

    def _seal_some(self, *, wait: bool) -> int:
        """Seal the oldest rows; return how many there were: fewer than :data:`MOST_AT_ONCE` are all."""
        own, written = self._own, self._own.written
        with self._sealing.lent() as connection:
            (self._oldest_us,) = connection.execute("SELECT min(at_us) FROM log_pending").fetchone()
        if self._oldest_us is None and own.sealed == written:
            return 0
        with self._sealing.transaction() as connection:
            locked = connection.execute(_LOCK if wait else _LOCK_IF_FREE).fetchone()
            if locked is None and not wait:
                return 0  # another process is at it
            rows = sorted(Row(*row) for row in connection.execute(_TAKE).fetchall())
            lasts = self._checked(connection, rows, own)
            if len(rows) < MOST_AT_ONCE and lasts[own.id] < written:
                raise _tampered("removed")
            tip = self._sequence(connection, rows)
            for writer in {row.writer for row in rows}:
                connection.execute(_KEEP_LAST, (writer, lasts[writer], self._mac_of(writer, lasts[writer])))
        self._sequencer.settle(tip)
        self._oldest_us, own.sealed = None, lasts[own.id]
        return len(rows)

    def _sequence(self, connection: Connection, rows: Sequence[Row]) -> Tip:
        sequencer = self._sequencer
        tip = sequencer.tip(connection)
        if not rows:
            return tip
        timed = [
            (max(tip.at_us, row.at_us), draft) for row in sorted(rows, key=_by_time) for draft in row.drafts()
        ]
        numbered = sequencer.number(connection, tip, timed)
        # One that was refused was acknowledged, so it gets its place; the head that it states does not count.
        if numbered.refused:
            _logger.error("two heads of one version of a vault became durable at once")
            sequencer.forget()
            for _, draft in timed:
                draft.head = None if draft.entry_id in numbered.refused else draft.head
            numbered = sequencer.number(connection, tip, timed)
        tip = sequencer.write(connection, tip, numbered)
        sequencer.enlist(connection)
        return tip

    def _checked(self, connection: Connection, rows: Sequence[Row], own: _Own) -> dict[bytes, int]:
        """Check rows, sorted by writer and number; return each writer's last number after them."""
        writers = {row.writer for row in rows} | {own.id}
        lasts = dict.fromkeys(writers, 0)
        query = "SELECT writer, last, mac FROM log_writers WHERE writer = ANY(?)"
        for writer, last, mac in connection.execute(query, (list(writers),)).fetchall():
            if not same(mac, self._mac_of(writer, last)):
                raise _tampered("changed")
            lasts[writer] = last
        for row in rows:
            self._check_mac(row)
            if row.wseq != lasts[row.writer] + 1:
                raise _tampered("removed" if row.wseq > lasts[row.writer] else "repeated")
            lasts[row.writer] = row.wseq
        return lasts

    def _check_mac(self, row: Row) -> None:
        try:
            holds = same(row.mac, tag(self._key, _message(row)))
        except struct.error:
            holds = False
        if not holds:
            raise _tampered("changed")

    def _mac_of(self, writer: bytes, last: int) -> bytes:
        return tag(self._key, context("log-writer", writer, last))


@functools.cache
def _add(count: int) -> str:
    row = f"({', '.join('?' * len(Row._fields))})"
    return f"INSERT INTO log_pending ({_COLUMNS}) VALUES {', '.join([row] * count)}"  # noqa: S608


def _encoded(draft: Draft) -> bytes:
    version, digest = (draft.head.version, draft.head.digest) if draft.head else (0, NO_DIGEST)
    fields = (
        draft.entry_id,
        draft.vault,
        draft.organisations,
        draft.digests,
        version,
        digest,
        len(draft.sealed),
    )
    return _ENTRY.pack(*fields) + draft.sealed


def _message(row: Row) -> bytes:
    """Return what a row's MAC is over.

    Raises:
        struct.error: a column has another size than its own.
    """
    if (len(row.writer), len(row.vault)) != (_ID_SIZE, _ID_SIZE):
        raise struct.error
    return _LABEL + _MESSAGE.pack(row.writer, row.wseq, row.at_us, row.vault, row.head_version) + row.entries


def _by_time(row: Row) -> tuple[int, bytes, int]:
    return row.at_us, row.writer, row.wseq


def _tampered(how: str) -> LogUnavailableError:
    return LogUnavailableError(f"an entry that waits for its place in the log was {how}")
