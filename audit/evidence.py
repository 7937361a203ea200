"""What a citizen takes along and checks without us: receipts, silence proofs (docs/spec/audit-v1.md, 13 and 14).

Each is one JSON file in one form, whose proofs are C2SP tlog-proofs verbatim. Whoever asks has been let in, and their
asking logged, by the caller. The program that checks them, :mod:`audit.offline_verifier`, is written from the
specification alone and imports nothing of this.
"""

import base64
import bisect
import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from audit import merkle, store
from audit.body import SALT_SIZE
from audit.checkpoint import open_checkpoint
from audit.database import Connection
from audit.entry import Inclusion
from audit.errors import TooManyEntriesError
from audit.leaf import NOBODY, Leaf
from audit.store import Stored

#: Rows in one silence proof; each is a kilobyte or more.
MOST_ROWS = 500

_RECEIPT = "halsovalvet/receipt/v1"
_SILENCE = "halsovalvet/silence/v1"
_WHAT_RECEIPT = (
    "Kvitto på en rad i Hälsovalvets logg. Kontrollera det med verify.py och loggens nyckel. / "
    "Receipt for an entry of Hälsovalvet's log. Check it with verify.py and the log's key."
)
_WHAT_SILENCE = (
    "Bevis för hur många rader Hälsovalvets logg har om ett valv under en tid. Kontrollera det med verify.py "
    "och loggens nyckel. / Proof of how many entries Hälsovalvet's log has about a vault in a period. Check it with "
    "verify.py and the log's key."
)


@dataclass(frozen=True, slots=True)
class Receipt:
    """An entry's proof and opening: ``opening`` is salt and canonical event, empty where they are destroyed."""

    inclusion: Inclusion
    opening: bytes

    def file(self) -> bytes:
        """Return it as a file."""
        salt, event = self.opening[:SALT_SIZE], self.opening[SALT_SIZE:]
        told = {
            "salt": base64.b64encode(salt).decode() if salt else None,
            "event": event.decode() if salt else None,
        }
        return _file({"what": _WHAT_RECEIPT, "format": _RECEIPT, "proof": self.inclusion.text(), **told})


@dataclass(frozen=True, slots=True)
class Silence:
    """A vault's rows without a gap, from the last before a period (or the very first) to the first after it."""

    begin_us: int
    end_us: int
    rows: tuple[Inclusion, ...]

    def file(self) -> bytes:
        """Return it as a file."""
        proofs = [row.text() for row in self.rows]
        period = {"from": self.begin_us, "to": self.end_us}
        return _file({"what": _WHAT_SILENCE, "format": _SILENCE, **period, "proofs": proofs})

    @property
    def within(self) -> int:
        """How many rows there are in the period."""
        return len(self._leaves())

    @property
    def by_organisations(self) -> int:
        """How many of them are acts of an organisation: its staff or systems."""
        return sum(leaf.provider != NOBODY for leaf in self._leaves())

    def _leaves(self) -> list[Leaf]:
        leaves = (Leaf.decode(row.leaf) for row in self.rows)
        return [leaf for leaf in leaves if self.begin_us <= leaf.at_us < self.end_us]


def prove(
    connection: Connection, rows: Sequence[Stored], *, origin: str, public: bytes
) -> list[Inclusion] | None:
    """Prove rows against the newest checkpoint; None if it does not cover them all.

    Raises:
        audit.merkle.ProofError: the tree as stored does not prove one of them.
    """
    note = store.newest_checkpoint(connection) or ""
    head = open_checkpoint(note, origin=origin, public=public)
    if any(row.seq >= head.size for row in rows):
        return None
    find, proven = functools.cache(store.finder(connection)), []
    for row in rows:
        proof, data = merkle.inclusion_proof(row.seq, head.size, find), row.leaf.encode()
        merkle.check_inclusion(row.seq, head.size, merkle.leaf_hash(data), proof, head.root)
        proven.append(Inclusion(row.seq, head.size, data, tuple(proof), note))
    return proven


def around(connection: Connection, name: bytes, begin: int, end: int) -> tuple[list[Stored], int]:
    """Return a vault's rows around a period, and where it ends: at the newest row if it is not over.

    Since times never go back, the period's edges are found by halving.

    Raises:
        audit.errors.TooManyEntriesError: there are more than one file is to hold.
        LookupError: a row that is listed is not there, or is another vault's.
    """
    seqs = store.seqs_of(connection, name)

    def row(seq: int) -> Stored:
        found = store.by_seq(connection, seq)
        if found is None or found.leaf.vault != name:
            raise LookupError("the list names what is not there")
        return found

    def at(seq: int) -> int:
        return row(seq).leaf.at_us

    ends = min(end, at(seqs[-1]) if seqs else end)
    first, last = bisect.bisect_left(seqs, begin, key=at), bisect.bisect_left(seqs, ends, key=at)
    if last - first > MOST_ROWS:
        raise TooManyEntriesError("more entries than one proof holds: ask for a shorter period")
    return [row(seq) for seq in seqs[max(0, first - 1) : last + 1]], ends


def _file(told: dict[str, Any]) -> bytes:
    return (json.dumps(told, ensure_ascii=False, indent=1) + "\n").encode()
