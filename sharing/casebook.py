"""What of an organisation's log its review needs: emergencies and what was done under them, cases, controls.

They are few among very many, and the log finds an organisation's entries in their order only. So a process keeps those
that matter, and reads on from where it last was: the log alone says what is owed, and no row that somebody could
delete. The first look after a start reads the organisation's whole log, aside (docs/adr/0030-cases.md has its cost).
"""

import threading
from dataclasses import dataclass, field

from audit.entry import Entry
from audit.events import Activity, EventKind
from audit.log import AuditLog

_FIRST, _CHUNK = 20, 500  # entries; mostly little is new
_STEPS = frozenset({EventKind.CASE, EventKind.EXPLAIN, EventKind.CONTROL})


@dataclass(slots=True)
class _Book:
    newest: int = -1
    kept: list[Entry] = field(default_factory=list)


class Casebooks:
    """The books of a process, by organisation."""

    def __init__(self) -> None:
        self._books: dict[str, _Book] = {}
        self._lock = threading.Lock()

    def of(self, log: AuditLog, organisation: str) -> tuple[Entry, ...]:
        """Return what matters of an organisation's log up to now, in order; ``organisation`` is an HSA-id or a code.

        Raises:
            audit.errors.LogUnavailableError: the log cannot be read.
        """
        with self._lock:
            book = self._books.setdefault(organisation, _Book())
            new, newest = _since(log, organisation, book.newest)
            book.kept += new
            book.newest = newest
            return tuple(book.kept)


def _since(log: AuditLog, organisation: str, newest: int) -> tuple[list[Entry], int]:
    """Return what matters of what is newer, in order, and how far was looked."""
    found: list[Entry] = []
    before, reached, limit = None, newest, _FIRST
    while True:
        chunk = log.entries_of_organisation(organisation, before_seq=before, limit=limit)
        found += [one for one in chunk if one.seq > newest and _matters(one)]
        if chunk:
            reached = max(reached, chunk[0].seq)
        if len(chunk) < limit or chunk[-1].seq <= newest:
            return found[::-1], reached
        before, limit = chunk[-1].seq, _CHUNK


def _matters(entry: Entry) -> bool:
    event = entry.event
    if event is None:
        return False
    return event.activity is Activity.EMERGENCY or event.kind in _STEPS or event.document is not None
