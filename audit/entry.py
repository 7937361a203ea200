"""An entry as its reader sees it, and the proof that it stands in the log."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from audit import body
from audit.body import SALT_SIZE
from audit.checkpoint import proof_text
from audit.encoding import EncodingError, decode
from audit.events import Event
from audit.leaf import commit, digest_of_sealed
from audit.store import Stored
from keys.envelope import moment
from keys.keystore import KeyStore
from keys.primitives import KeysError


class EntryState(StrEnum):
    """Whether an entry's body can be read."""

    OPEN = "open"
    DESTROYED = "destroyed"  # by erasure or retention: its key, or the sealed body, is gone
    DAMAGED = "damaged"  # it is not what was logged; ``valv audit verify`` tells more


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry; ``event`` is None unless ``state`` is open. ``at`` is the log's time, never going back."""

    seq: int
    id: bytes
    n: int
    at: datetime
    state: EntryState
    event: Event | None


@dataclass(frozen=True, slots=True)
class Inclusion:
    """The proof that an entry stands in the log: against a signed checkpoint, verifiable by anyone."""

    index: int
    size: int
    leaf: bytes
    proof: tuple[bytes, ...]
    checkpoint: str

    def text(self) -> str:
        """Return it as C2SP tlog-proof; the leaf's data rides as ``extra``."""
        return proof_text(self.index, self.proof, self.checkpoint, extra=self.leaf)


def open_rows(rows: Sequence[Stored], scope: str, name: bytes, keystore: KeyStore) -> list[Entry]:
    """Open rows as the reader ``scope``, of pseudonym ``name``, by keys asked of the KeyStore now, once a month."""
    find = functools.cache(functools.partial(body.find_key, keystore, scope))
    entries = []
    for row in rows:
        state, event = _open(row, scope, find) if row.concerns(name) else (EntryState.DAMAGED, None)
        entries.append(Entry(row.seq, row.leaf.entry_id, row.leaf.n, moment(row.leaf.at_us), state, event))
    return entries


def open_row(row: Stored, scope: str, keystore: KeyStore) -> tuple[EntryState, bytes]:
    """Return what a reader can hold to a row's commitment: salt and canonical event; empty if it is not open."""
    return _plain(row, scope, functools.partial(body.find_key, keystore, scope))


def _open(row: Stored, scope: str, find: Callable[[str], bytes | None]) -> tuple[EntryState, Event | None]:
    """Read the event, once all that lies outside it holds."""
    state, plain = _plain(row, scope, find)
    if state is not EntryState.OPEN:
        return state, None
    try:
        return state, decode(plain[SALT_SIZE:])
    except EncodingError:
        return EntryState.DAMAGED, None


def _plain(row: Stored, scope: str, find: Callable[[str], bytes | None]) -> tuple[EntryState, bytes]:
    """Check from outside in: the row by its hash, the sealed body by the row, its commitment by both."""
    if not row.is_intact:
        return EntryState.DAMAGED, b""
    key = find(body.month_of(row.leaf.entry_id))
    if row.sealed is None or key is None:
        return EntryState.DESTROYED, b""
    if digest_of_sealed(row.sealed) != row.leaf.sealed_digest:
        return EntryState.DAMAGED, b""
    try:
        plain = body.open_sealed(row.sealed, entry_id=row.leaf.entry_id, scope=scope, key=key)
    except KeysError:
        return EntryState.DAMAGED, b""
    if commit(plain) != row.leaf.commitment:
        return EntryState.DAMAGED, b""
    return EntryState.OPEN, plain
