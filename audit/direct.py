"""The log on SQLite: an entry has its number and stands in the tree when its group is committed; it is listed later.

Invariant: the file's write lock is held from before the tip is read until the commit, so that several processes may
write one log. Whatever fails leaves nothing written.
"""

import itertools
import threading
from collections.abc import Sequence

from audit import store
from audit.database import Connection, Database, Kept
from audit.draft import Draft
from audit.events import HeadRef
from audit.ledger import Written
from audit.sequencer import Sequencer, stated_head
from keys.envelope import moment

SEAL_EVERY = 0.25  # seconds
MOST_AT_ONCE = 4096  # entries, listed while nobody else can write


class DirectLedger:
    """One file; the writer's thread, the keeper's and readers' take turns."""

    is_pending = False
    seals_every = SEAL_EVERY

    def __init__(self, database: Database, sequencer: Sequencer) -> None:
        self._sequencer = sequencer
        self._turn = threading.Lock()
        self._kept = Kept(database, on_failure=sequencer.forget)

    def commit(self, drafts: Sequence[Draft]) -> Written:
        """Number a group and write it; when this returns, it is on disk."""
        with self._turn:
            with self._kept.transaction() as connection:
                tip = self._sequencer.tip(connection)
                at_us = self._sequencer.time(tip.at_us)
                timed = zip(itertools.repeat(at_us), drafts, strict=False)
                numbered = self._sequencer.number(connection, tip, timed)
                if numbered.rows:
                    tip = self._sequencer.write(connection, tip, numbered)
            self._sequencer.settle(tip)
        return Written(moment(at_us), numbered.refused)

    def seal(self, *, wait: bool) -> bool:  # noqa: ARG002 as the other engine needs it
        """List what is written, for those who look for entries: many at once, which costs a tenth of one by one."""
        with self._turn, self._kept.lent() as connection:
            size, listed = store.listed(connection)
        for _ in range(listed, size, MOST_AT_ONCE):
            with self._turn, self._kept.transaction() as connection:
                self._sequencer.enlist(connection, MOST_AT_ONCE)
        return listed < size

    def checkpoint(self) -> None:
        """Carry a checkpoint out of the file."""
        with self._turn:
            with self._kept.transaction() as connection:
                tip = self._sequencer.checkpoint(connection)
            self._sequencer.settle(tip)

    def newest_head(self, connection: Connection, vault: bytes) -> HeadRef | None:
        """Return the newest head that the log states for a vault's pseudonym."""
        found = store.newest_head(connection, vault)
        return None if found is None else stated_head(vault, *found)

    def close(self) -> None:
        """Give the file back."""
        self._kept.close()
