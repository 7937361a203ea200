"""The log on SQLite: an entry has its number and stands in the tree when its group is committed.

Invariant: the file's write lock is held from before the tip is read until the commit, so that several processes may
write one log. Whatever fails leaves nothing written.
"""

import itertools
import threading
from collections.abc import Sequence

from audit import store
from audit.database import Connection, Database, Kept
from audit.errors import LogUnavailableError
from audit.events import HeadRef
from audit.ledger import Written
from audit.sequencer import Draft, Sequencer
from keys.envelope import moment


class DirectLedger:
    """One file; the writer's thread and the keeper's take turns."""

    is_pending = False
    seals_every: float | None = None

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
                    store.add_entries(connection, numbered.rows)
                    tip = self._sequencer.grow(connection, tip, numbered.leaves, at_us)
            self._sequencer.settle(tip)
        return Written(moment(at_us), numbered.refused)

    def seal(self, *, wait: bool) -> bool:  # noqa: ARG002 as the other engine needs it
        """Do nothing: every entry has its number."""
        return False

    def checkpoint(self) -> None:
        """Carry a checkpoint out of the file."""
        with self._turn:
            with self._kept.transaction() as connection:
                tip = self._sequencer.checkpoint(connection)
            self._sequencer.settle(tip)

    def newest_head(self, connection: Connection, vault: bytes) -> HeadRef | None:
        """Return the newest head that the log states for a vault's pseudonym."""
        return stated_head(connection, vault)

    def close(self) -> None:
        """Give the file back."""
        self._kept.close()


def stated_head(connection: Connection, vault: bytes) -> HeadRef | None:
    """Return the newest head in the tree for a vault's pseudonym.

    Raises:
        LogUnavailableError: the entry that states it is not what was logged.
    """
    found = store.newest_head(connection, vault)
    if found is None:
        return None
    if not found.is_intact:
        raise LogUnavailableError("an entry is not what was logged")
    return HeadRef(found.leaf.head_version, found.leaf.head_digest)
