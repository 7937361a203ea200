"""Numbers entries, grows the tree, and carries checkpoints out: inside a transaction that its caller holds.

Invariants:
- numbers, time and tree grow under one lock (SQLite's file, PostgreSQL's row of the tip), from the tip that stands
  there: several processes may write one log;
- a tip counts only with the log's signature over its size and root, and never goes back while we live;
- no checkpoint leaves that contradicts one that left before.

Whatever fails here raises, and its caller rolls back. What was written counts once :meth:`Sequencer.settle` is told
that the commit returned.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from audit import merkle, store
from audit.anchor import Anchor
from audit.checkpoint import Checkpoint, CheckpointError, open_checkpoint
from audit.database import Connection
from audit.draft import Draft
from audit.errors import LogUnavailableError
from audit.events import HeadRef
from audit.leaf import NO_DIGEST, NOBODY, drafted
from audit.merkle import Frontier, leaf_hash
from audit.store import Stored, StoredTip
from keys.envelope import microseconds
from keys.primitives import Signer

TOLERATED_STEP_BACK = timedelta(seconds=5)
_TOLERATED_US = TOLERATED_STEP_BACK // timedelta(microseconds=1)
_REMEMBERED_VAULTS = 50_000
_ALL = 1 << 62


Refusals = dict[bytes, LogUnavailableError]  # by entry id


@dataclass(frozen=True, slots=True)
class Tip:
    """The verified edge of the tree, the note that stands in the database, and the last entry's time."""

    frontier: Frontier
    note: str
    at_us: int


@dataclass(slots=True)
class Numbered:
    """What one transaction is about to write: rows as store.ROW has them, and those refused alone."""

    rows: list[tuple[int, bytes, bytes, bytes]] = field(default_factory=list)
    heads: list[tuple[bytes, int, int]] = field(default_factory=list)  # vault, version, number
    refused: Refusals = field(default_factory=dict)
    at_us: int = 0


@dataclass(slots=True)
class _Last:
    """What the next entry of a vault follows on."""

    n: int
    head: HeadRef | None


class Sequencer:
    """Used by one thread at a time; whoever calls holds the lock."""

    def __init__(self, *, signer: Signer, origin: str, anchor: Anchor, clock: Callable[[], datetime]) -> None:
        self._signer = signer
        self._public = signer.public()
        self._origin = origin
        self._anchor = anchor
        self._clock = clock
        self._tip: Tip | None = None
        self._known: dict[bytes, _Last] = {}

    @property
    def last_us(self) -> int:
        """The newest entry's time, as far as this process knows."""
        return 0 if self._tip is None else self._tip.at_us

    def forget(self) -> None:
        """After a failure: read all anew; the tip stays, as a mark not to go under."""
        self._known.clear()

    def settle(self, tip: Tip) -> None:
        """Go on from what was just committed."""
        self._tip = tip

    def time(self, last_us: int) -> int:
        """Return the time that an entry after one at ``last_us`` gets.

        Raises:
            LogUnavailableError: the clock is further behind than a correction explains.
        """
        now = microseconds(self._clock())
        if now < last_us - _TOLERATED_US:
            raise LogUnavailableError("the clock has stepped back")
        return max(now, last_us)

    def tip(self, connection: Connection) -> Tip:
        """Return the tip that stands there, verified unless it is our own.

        Raises:
            CheckpointError: it is not one that the log signed, or it went back.
        """
        found, mine = store.tip(connection), self._tip
        if (
            mine is not None
            and found is not None
            and (found.note, found.size) == (mine.note, mine.frontier.size)
        ):
            return mine
        self._known.clear()  # another process wrote
        if found is None:
            if mine is not None or store.last_seq(connection) is not None:
                raise CheckpointError("the log's tip is gone")
            return Tip(Frontier(), "", 0)
        head = open_checkpoint(found.note, origin=self._origin, public=self._public)
        frontier = Frontier.decode(found.size, found.peaks)
        if (head.size, head.root) != (frontier.size, frontier.root()):
            raise CheckpointError("the log's tip is not the one that was signed")
        if mine is not None and frontier.size <= mine.frontier.size:
            raise CheckpointError("the log went back")
        return Tip(frontier, found.note, self._time_of_last(connection, frontier.size))

    def number(self, connection: Connection, tip: Tip, drafts: Iterable[tuple[int, Draft]]) -> Numbered:
        """Number drafts, each with its time, which may only grow; nothing is written yet but lists of what was."""
        if len(self._known) >= _REMEMBERED_VAULTS:
            self._known.clear()
        numbered, seq = Numbered(at_us=tip.at_us), tip.frontier.size
        for at_us, draft in drafts:
            last = self._known.get(draft.vault) or self._last_of(connection, draft.vault)
            version, digest = 0, NO_DIGEST
            if draft.head is not None:
                try:
                    head = _head_to_state(draft.head, last.head)
                except LogUnavailableError as fault:
                    numbered.refused[draft.entry_id] = fault
                    continue
                if head is not None:
                    version, digest, last.head = head.version, head.digest, head
                    numbered.heads.append((draft.vault, version, seq))
            last.n += 1
            names = draft.entry_id, draft.vault, last.n, draft.organisations
            data = drafted(*names, at_us, draft.digests, version, digest)
            numbered.rows.append((seq, data, leaf_hash(data), draft.sealed))
            numbered.at_us, seq = at_us, seq + 1
        return numbered

    def write(self, connection: Connection, tip: Tip, numbered: Numbered) -> Tip:
        """Write what was numbered, and the tree that grows by it."""
        store.add_entries(connection, numbered.rows)
        store.add_heads(connection, numbered.heads)
        return self._grow(connection, tip, [hashed for _, _, hashed, _ in numbered.rows], numbered.at_us)

    def enlist(self, connection: Connection, most: int = _ALL) -> None:
        """List so many more of the entries by their ids and by whom they concern."""
        size, listed = store.listed(connection)
        if listed < size:
            store.add_to_lists(connection, listed, min(size, listed + most))

    def _grow(self, connection: Connection, tip: Tip, leaves: Sequence[bytes], at_us: int) -> Tip:
        """Grow the tree, and sign its new edge."""
        frontier, nodes = tip.frontier.append(leaves)
        note = Checkpoint(self._origin, frontier.size, frontier.root()).signed(self._signer)
        store.add_nodes(connection, nodes)
        store.put_tip(connection, StoredTip(frontier.size, frontier.encode(), note))
        return Tip(frontier, note, at_us)

    def checkpoint(self, connection: Connection) -> Tip:
        """Carry the tip out of the database, and return it.

        Raises:
            CheckpointError: it contradicts what was carried out before.
        """
        self._anchor.prepare()
        tip = self.tip(connection)
        if not tip.note:
            tip = self._grow(connection, tip, (), 0)
        before = self._anchor.newest()
        if before is None or before.size != tip.frontier.size:
            self._check_growth(connection, before, tip)
            self._anchor.keep(tip.frontier.size, tip.note)
        elif before.root != tip.frontier.root():
            raise CheckpointError("the log contradicts its checkpoint outside the database")
        store.add_checkpoint(connection, tip.frontier.size, tip.note)
        return tip

    def _check_growth(self, connection: Connection, before: Checkpoint | None, tip: Tip) -> None:
        if before is None:
            return
        if before.size > tip.frontier.size:
            raise CheckpointError("the log is behind its checkpoint outside the database")
        if merkle.root_at(before.size, store.finder(connection)) != before.root:
            raise CheckpointError("the log contradicts its checkpoint outside the database")

    def _time_of_last(self, connection: Connection, size: int) -> int:
        if size == 0:
            return 0
        last = store.by_seq(connection, size - 1)
        if last is None or not last.is_intact:
            raise CheckpointError("the log's last entry is gone or changed")
        return last.leaf.at_us

    def _last_of(self, connection: Connection, vault: bytes) -> _Last:
        """Look for what a vault's next entry follows on; what is not listed is of vaults that are known, or of none."""
        if not self._known:
            self.enlist(connection)
        found = store.newest_head(connection, vault) if vault != NOBODY else None
        head = None if found is None else HeadRef(found[0], found[1].leaf.head_digest)
        last = self._known[vault] = _Last(store.last_n(connection, vault), head)
        return last


def _head_to_state(head: HeadRef, last: HeadRef | None) -> HeadRef | None:
    """Return the head for the leaf: only a newer one, since two writers may come in the other order."""
    if last is None or head.version > last.version:
        return head
    if head.version == last.version and head.digest != last.digest:
        raise LogUnavailableError("the log holds another head of this version")
    return None


def stated_head(vault: bytes, version: int, entry: Stored) -> HeadRef:
    """Return the head that an entry of the tree states of a vault's pseudonym.

    Raises:
        LogUnavailableError: the entry is not what was logged.
    """
    leaf = entry.leaf
    if not entry.is_intact or (leaf.vault, leaf.head_version) != (vault, version):
        raise LogUnavailableError("an entry is not what was logged")
    return HeadRef(version, leaf.head_digest)
