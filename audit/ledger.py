"""How entries get onto an engine: what the writer, the keeper and the log ask of it.

Two do it: :class:`audit.direct.DirectLedger` on SQLite, :class:`audit.pending.PendingLedger` on PostgreSQL.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from audit.database import Connection
from audit.draft import Draft
from audit.events import HeadRef
from audit.sequencer import Refusals


@dataclass(frozen=True, slots=True)
class Written:
    """What one commit did: all its drafts are durable at this time, but for those refused alone."""

    at: datetime
    refused: Refusals


class Ledger(Protocol):
    """Every method may raise whatever its engine raises; then nothing was done, or nobody can tell."""

    is_pending: bool  # an entry is durable before it has its number
    seals_every: float  # seconds between two looks for entries that are not yet sealed

    def commit(self, drafts: Sequence[Draft]) -> Written:
        """Make a group durable; the writer's thread alone calls it."""

    def seal(self, *, wait: bool) -> bool:
        """Number and list what is durable, for whoever looks for entries; tell whether there was anything.

        Without ``wait`` another who is at it may finish.
        """

    def checkpoint(self) -> None:
        """Carry a checkpoint out of the database."""

    def newest_head(self, connection: Connection, vault: bytes) -> HeadRef | None:
        """Return the newest head that was logged under a vault's pseudonym, numbered or not."""

    def close(self) -> None:
        """Close its connections."""
