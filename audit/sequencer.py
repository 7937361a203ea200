"""Numbers entries and grows the tree: one group of drafts, one durable transaction.

Invariants:
- numbers, time and tree grow under the file's write lock (BEGIN IMMEDIATE), from the tip that stands there:
  several processes may write one log;
- a tip counts only with the log's signature over its size and root, and never goes back while we live;
- no checkpoint leaves that contradicts one that left before.

Whatever fails here raises, and leaves nothing written. On PostgreSQL the sealer will do this work, over
entries that the writers made durable before.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine

from audit import merkle, store
from audit.anchor import Anchor
from audit.body import Body, Readers, Sealer, month_of
from audit.checkpoint import Checkpoint, CheckpointError, open_checkpoint
from audit.errors import LogUnavailableError
from audit.events import HeadRef
from audit.leaf import NO_DIGEST, NOBODY, Leaf, digest_of_sealed
from audit.merkle import Frontier, Node
from audit.store import StoredTip
from keys.envelope import microseconds, moment
from keys.primitives import Signer

TOLERATED_STEP_BACK = timedelta(seconds=5)
_REMEMBERED_VAULTS = 50_000


@dataclass(slots=True)
class Draft:
    """An entry on its way in, already sealed under the keys of the month in which it was made."""

    entry_id: bytes
    body: Body
    readers: Readers
    head: HeadRef | None
    month: str
    sealed: bytes


@dataclass(frozen=True, slots=True)
class Written:
    """What one transaction did: the drafts that are durable now, their time, and those refused alone."""

    at_us: int
    drafts: list[Draft]
    refused: list[tuple[Draft, LogUnavailableError]]


@dataclass(frozen=True, slots=True)
class _Tip:
    """The verified edge of the tree, the note that stands in the database, and the last entry's time."""

    frontier: Frontier
    note: str
    at_us: int


@dataclass(slots=True)
class _Group:
    """What one transaction is about to write."""

    rows: list[dict[str, object]] = field(default_factory=list)
    leaves: list[bytes] = field(default_factory=list)
    drafts: list[Draft] = field(default_factory=list)
    refused: list[tuple[Draft, LogUnavailableError]] = field(default_factory=list)


@dataclass(slots=True)
class _Last:
    """What the next entry of a vault follows on."""

    n: int
    head: HeadRef | None


class Sequencer:
    """Used by one thread at a time: the log's writer."""

    def __init__(
        self,
        engine: Engine,
        *,
        sealer: Sealer,
        signer: Signer,
        origin: str,
        anchor: Anchor,
        clock: Callable[[], datetime],
    ) -> None:
        self._engine = engine
        self._sealer = sealer
        self._signer = signer
        self._public = signer.public()
        self._origin = origin
        self._anchor = anchor
        self._clock = clock
        self._tip: _Tip | None = None
        self._known: dict[bytes, _Last] = {}

    def forget(self) -> None:
        """After a failure: read all anew, over a new connection; the tip stays, as a mark not to go under."""
        self._known.clear()
        self._engine.dispose()

    def commit(self, drafts: Iterable[Draft]) -> Written:
        """Write a group; when this returns, it is on disk.

        Raises:
            Exception: nothing was written (or nobody can tell), and nobody may be told that it was.
        """
        if len(self._known) >= _REMEMBERED_VAULTS:
            self._known.clear()
        with self._engine.connect() as connection, _transaction(connection):
            tip = self._read_tip(connection)
            at_us = self._time(tip)
            group = self._sequence(connection, drafts, tip.frontier.size, at_us)
            if group.rows:
                frontier, nodes = tip.frontier.append(group.leaves)
                store.add_entries(connection, group.rows)
                tip = self._put(connection, frontier, nodes, at_us)
        self._tip = tip
        return Written(at_us, group.drafts, group.refused)

    def write_checkpoint(self) -> None:
        """Carry the tip out of the database.

        Raises:
            CheckpointError: it contradicts what was carried out before.
        """
        with self._engine.connect() as connection, _transaction(connection):
            self._anchor.prepare()
            tip = self._read_tip(connection)
            if not tip.note:
                tip = self._put(connection, Frontier(), (), 0)
            before = self._anchor.newest()
            if before is None or before.size != tip.frontier.size:
                self._check_growth(connection, before, tip)
                self._anchor.keep(tip.frontier.size, tip.note)
            elif before.root != tip.frontier.root():
                raise CheckpointError("the log contradicts its checkpoint outside the database")
            store.add_checkpoint(connection, tip.frontier.size, tip.note)
        self._tip = tip

    def _check_growth(self, connection: Connection, before: Checkpoint | None, tip: _Tip) -> None:
        if before is None:
            return
        if before.size > tip.frontier.size:
            raise CheckpointError("the log is behind its checkpoint outside the database")
        if merkle.root_at(before.size, store.finder(connection)) != before.root:
            raise CheckpointError("the log contradicts its checkpoint outside the database")

    def _read_tip(self, connection: Connection) -> _Tip:
        found, mine = store.tip(connection), self._tip
        if (
            mine is not None
            and found is not None
            and found.note == mine.note
            and found.size == mine.frontier.size
        ):
            return mine
        self._known.clear()  # another process wrote
        if found is None:
            if mine is not None or store.last_seq(connection) is not None:
                raise CheckpointError("the log's tip is gone")
            return _Tip(Frontier(), "", 0)
        head = open_checkpoint(found.note, origin=self._origin, public=self._public)
        frontier = Frontier.decode(found.size, found.peaks)
        if (head.size, head.root) != (frontier.size, frontier.root()):
            raise CheckpointError("the log's tip is not the one that was signed")
        if mine is not None and frontier.size <= mine.frontier.size:
            raise CheckpointError("the log went back")
        return _Tip(frontier, found.note, self._time_of_last(connection, frontier.size))

    def _time_of_last(self, connection: Connection, size: int) -> int:
        if size == 0:
            return 0
        last = store.by_seq(connection, size - 1)
        if last is None or not last.is_intact:
            raise CheckpointError("the log's last entry is gone or changed")
        return last.leaf.at_us

    def _time(self, tip: _Tip) -> int:
        now = microseconds(self._clock())
        if now < tip.at_us - TOLERATED_STEP_BACK // timedelta(microseconds=1):
            raise LogUnavailableError("the clock has stepped back")
        return max(now, tip.at_us)

    def _sequence(self, connection: Connection, drafts: Iterable[Draft], size: int, at_us: int) -> _Group:
        group, month = _Group(), month_of(moment(at_us))
        for draft in drafts:
            last = self._last_of(connection, draft.readers.vault)
            try:
                head = _head_to_state(draft, last)
            except LogUnavailableError as fault:
                group.refused.append((draft, fault))
                continue
            if draft.month != month:  # a month began, or another process's clock is ahead
                draft.sealed = self._sealer.seal(draft.entry_id, draft.body, draft.readers, month=month)
                draft.month = month
            last.n, last.head = last.n + 1, head or last.head
            leaf = _leaf(draft, last.n, at_us, head)
            leaf_hash = leaf.hash()
            group.rows.append(store.row_of(size + len(group.rows), leaf, leaf_hash, draft.sealed))
            group.leaves.append(leaf_hash)
            group.drafts.append(draft)
        return group

    def _last_of(self, connection: Connection, vault: bytes) -> _Last:
        last = self._known.get(vault)
        if last is None:
            found = store.newest_head(connection, vault) if vault != NOBODY else None
            head = None if found is None else HeadRef(found.leaf.head_version, found.leaf.head_digest)
            last = _Last(store.last_n(connection, vault), head)
            self._known[vault] = last
        return last

    def _put(self, connection: Connection, frontier: Frontier, nodes: Sequence[Node], at_us: int) -> _Tip:
        note = Checkpoint(self._origin, frontier.size, frontier.root()).signed(self._signer)
        store.add_nodes(connection, nodes)
        store.put_tip(connection, StoredTip(frontier.size, frontier.encode(), note))
        return _Tip(frontier, note, at_us)


def _head_to_state(draft: Draft, last: _Last) -> HeadRef | None:
    """Return the head for the leaf: only a newer one, since two writers may come in the other order."""
    if draft.head is None or last.head is None or draft.head.version > last.head.version:
        return draft.head
    if draft.head.version == last.head.version and draft.head.digest != last.head.digest:
        raise LogUnavailableError("the log holds another head of this version")
    return None


def _leaf(draft: Draft, n: int, at_us: int, head: HeadRef | None) -> Leaf:
    return Leaf(
        entry_id=draft.entry_id,
        vault=draft.readers.vault,
        n=n,
        provider=draft.readers.provider,
        authority=draft.readers.authority,
        at_us=at_us,
        commitment=draft.body.commitment,
        sealed_digest=digest_of_sealed(draft.sealed),
        head_version=head.version if head else 0,
        head_digest=head.digest if head else NO_DIGEST,
    )


@contextlib.contextmanager
def _transaction(connection: Connection) -> Iterator[None]:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.exec_driver_sql("ROLLBACK")
        raise
    connection.exec_driver_sql("COMMIT")
