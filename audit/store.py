"""The log's SQL: plain functions of a connection; they never open one and never commit.

The statements are the same on both engines. What differs on PostgreSQL, how an entry waits for its number, stands
in :mod:`audit.pending`.
"""

import itertools
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from audit.database import Connection
from audit.leaf import NOBODY, Leaf, MalformedLeafError
from audit.merkle import FindNode, Nodes, leaf_hash, node_hash

#: Nodes are kept at levels that are multiples of this; what lies between is recomputed.
STRIDE = 8

ROW = "seq, leaf, leaf_hash, sealed"

_END = (1 << 63) - 1  # no entry has this number
_UNKNOWN = Leaf(NOBODY, NOBODY, 0, NOBODY, NOBODY, 0, bytes(32), bytes(32))

_SELECT = f"SELECT {ROW} FROM log_entries "  # noqa: S608 fixed words, here and below
#: Of a vault's newest head in the tree its version, and the entry that is to state it, without its body.
NEWEST_HEAD = """
SELECT version, h.seq, leaf, leaf_hash FROM log_heads AS h LEFT JOIN log_entries AS e ON e.seq = h.seq
WHERE vault = ? ORDER BY version DESC LIMIT 1
"""
_BY_ID = f"{_SELECT}WHERE seq = (SELECT seq FROM log_ids WHERE entry_id = ?)"  # noqa: S608
_LIST_IDS = """
INSERT INTO log_ids (entry_id, seq)
SELECT substr(leaf, 2, 16), seq FROM log_entries WHERE seq >= ? AND seq < ? ORDER BY 1
"""
_RUNS_OF = "SELECT numbers FROM log_names WHERE name = ? AND first < ? ORDER BY first DESC LIMIT ?"
_TO_LIST = "SELECT seq, leaf FROM log_entries WHERE seq >= ? AND seq < ? ORDER BY seq"
_RUN = 512  # entries of one row at most
_VAULT, _PROVIDER, _AUTHORITY = slice(17, 33), slice(41, 57), slice(57, 73)  # in a leaf


class Stored(NamedTuple):
    """One row: its place, its leaf, whether it is what was hashed, and the sealed body if still there."""

    seq: int
    leaf: Leaf  # of zeros if it is none
    is_intact: bool  # as to the hash beside it; the tree itself is verify's matter
    sealed: bytes | None

    def concerns(self, name: bytes) -> bool:
        """Tell whether a vault or an organisation may find it."""
        return name in (self.leaf.vault, self.leaf.provider, self.leaf.authority)


class StoredTip(NamedTuple):
    """The tree's edge as it stands in the database."""

    size: int
    peaks: bytes
    note: str


# --- writing


def add_entries(connection: Connection, rows: Sequence[Sequence[Any]]) -> None:
    """Insert rows whose columns are those of ROW."""
    connection.insert("log_entries", ROW, rows)


def add_heads(connection: Connection, heads: Iterable[tuple[bytes, int, int]]) -> None:
    """Note which entries state a head: vault, version, number."""
    for head in heads:
        connection.execute("INSERT INTO log_heads (vault, version, seq) VALUES (?, ?, ?)", head)


def add_to_lists(connection: Connection, first: int, end: int) -> None:
    """List entries by their ids, and by whom they concern: many at once, since a place in a list costs a page."""
    connection.execute(_LIST_IDS, (first, end))
    runs: dict[bytes, list[int]] = {}
    for seq, leaf in connection.execute(_TO_LIST, (first, end)).fetchall():
        vault, provider, authority = leaf[_VAULT], leaf[_PROVIDER], leaf[_AUTHORITY]
        runs.setdefault(vault, []).append(seq)
        if provider not in (NOBODY, vault):
            runs.setdefault(provider, []).append(seq)
        if authority not in (NOBODY, vault, provider):
            runs.setdefault(authority, []).append(seq)
    rows = [
        (name, run[at], _run(run[at : at + _RUN]))
        for name, run in sorted(runs.items())
        for at in _starts(run)
    ]
    connection.insert("log_names", "name, first, numbers", rows)
    connection.execute("UPDATE log_tip SET listed = ? WHERE one = 1", (end,))


def _starts(run: Sequence[int]) -> range:
    return range(0, len(run), _RUN)


def _run(seqs: Sequence[int]) -> bytes:
    return struct.pack(f">{len(seqs)}Q", *seqs)


def add_nodes(connection: Connection, complete: Iterable[Nodes]) -> None:
    """Keep those of the completed nodes whose level is kept."""
    for level, first, hashes in complete:
        if level % STRIDE == 0:
            for index, node in enumerate(hashes, first):
                connection.execute(
                    "INSERT INTO log_nodes (level, idx, hash) VALUES (?, ?, ?)", (level, index, node)
                )


def put_tip(connection: Connection, tip: StoredTip) -> None:
    """Replace the tree's edge."""
    moved = connection.execute("UPDATE log_tip SET size = ?, peaks = ?, note = ? WHERE one = 1", tip)
    if moved.rowcount == 0:
        connection.execute("INSERT INTO log_tip (one, size, peaks, note, listed) VALUES (1, ?, ?, ?, 0)", tip)


def add_checkpoint(connection: Connection, size: int, note: str) -> None:
    """Keep a checkpoint that was written outside; one that is there stays."""
    connection.execute(
        "INSERT INTO log_checkpoints (size, note) VALUES (?, ?) ON CONFLICT (size) DO NOTHING", (size, note)
    )


# --- reading


def tip(connection: Connection) -> StoredTip | None:
    """Return the tree's edge, None in a new file."""
    row = connection.execute("SELECT size, peaks, note FROM log_tip WHERE one = 1").fetchone()
    return None if row is None else StoredTip(*row)


def listed(connection: Connection) -> tuple[int, int]:
    """Return how many entries there are, and how many of them, the first ones, are listed."""
    row = connection.execute("SELECT size, listed FROM log_tip WHERE one = 1").fetchone()
    return (0, 0) if row is None else (row[0], row[1])


def last_seq(connection: Connection) -> int | None:
    """Return the greatest number in the log."""
    row = connection.execute("SELECT seq FROM log_entries ORDER BY seq DESC LIMIT 1").fetchone()
    return None if row is None else int(row[0])


def last_n(connection: Connection, vault: bytes) -> int:
    """Return a vault's last running number, 0 if it has none; all its entries must be listed."""
    found = of_name(connection, vault, before=None, limit=1)
    return found[0].leaf.n if found else 0


def newest_head(connection: Connection, vault: bytes) -> tuple[int, Stored] | None:
    """Return the version of a vault's newest head, and the entry that is to state it, without its body."""
    row = connection.execute(NEWEST_HEAD, (vault,)).fetchone()
    return None if row is None else headed(*row)


def headed(version: int, seq: int, leaf: bytes | None, hashed: bytes | None) -> tuple[int, Stored]:
    """Read a row of :data:`NEWEST_HEAD`."""
    return version, _stored((seq, leaf, hashed, None))


def by_seq(connection: Connection, seq: int) -> Stored | None:
    """Return one entry by its place."""
    return _found(connection.execute(_SELECT + "WHERE seq = ?", (seq,)).fetchone())


def first_after(connection: Connection, at_us: int) -> int:
    """Return the number of the first entry that is younger than a time; the log's times never go back."""
    low, high = 0, listed(connection)[0]
    while low < high:
        middle = (low + high) // 2
        found = by_seq(connection, middle)
        if found is None:
            raise LookupError("the log lacks an entry")
        low, high = (middle + 1, high) if found.leaf.at_us <= at_us else (low, middle)
    return low


def by_id(connection: Connection, entry_id: bytes) -> Stored | None:
    """Return one entry by its id."""
    return _found(connection.execute(_BY_ID, (entry_id,)).fetchone())


def of_name(connection: Connection, name: bytes, *, before: int | None, limit: int) -> list[Stored]:
    """Return the entries that concern a vault or an organisation, newest first."""
    seqs = list(itertools.islice(_seqs_of(connection, name, _END if before is None else before), limit))
    if not seqs:
        return []
    asked = seqs + seqs[-1:] * (limit - len(seqs))  # one statement for all pages of a size
    query = f"{_SELECT}WHERE seq IN ({', '.join('?' * limit)}) ORDER BY seq DESC"
    return [_stored(row) for row in connection.execute(query, asked).fetchall()]


def _seqs_of(connection: Connection, name: bytes, before: int) -> Iterator[int]:
    """Yield the numbers of the entries that concern somebody, newest first, by ever more runs."""
    first, count, rows = before, 2, [(b"",)]
    while rows:
        rows = connection.execute(_RUNS_OF, (name, first, count)).fetchall()
        for (numbers,) in rows:
            run = struct.unpack(f">{len(numbers) // 8}Q", numbers)
            yield from (seq for seq in reversed(run) if seq < before)
            first = run[0]
        count *= 4


def seqs_of(connection: Connection, name: bytes) -> list[int]:
    """Return the numbers of all entries that concern a vault or an organisation, the oldest first."""
    return list(_seqs_of(connection, name, _END))[::-1]


def first_with_body(connection: Connection, end: int) -> Stored | None:
    """Return the first entry before a number that still has a body."""
    query = f"{_SELECT}WHERE seq < ? AND sealed IS NOT NULL ORDER BY seq LIMIT 1"
    return _found(connection.execute(query, (end,)).fetchone())


def take_bodies(connection: Connection, begin: int, end: int) -> int:
    """Take the bodies of the entries from one number to another away; return how many there were."""
    query = "UPDATE log_entries SET sealed = NULL WHERE seq >= ? AND seq < ? AND sealed IS NOT NULL"
    return connection.execute(query, (begin, end)).rowcount


def newest_checkpoint(connection: Connection) -> str | None:
    """Return the note of the newest checkpoint that was written outside."""
    row = connection.execute("SELECT note FROM log_checkpoints ORDER BY size DESC LIMIT 1").fetchone()
    return None if row is None else str(row[0])


def finder(connection: Connection) -> FindNode:
    """Return the function by which proofs find nodes.

    Raises:
        LookupError: a hash that should be there is not.
    """

    def find(level: int, index: int) -> bytes:
        below = level % STRIDE
        hashes = kept(connection, level - below, index << below, 1 << below)
        while len(hashes) > 1:
            hashes = [node_hash(hashes[i], hashes[i + 1]) for i in range(0, len(hashes), 2)]
        return hashes[0]

    return find


def kept(connection: Connection, level: int, first: int, count: int) -> list[bytes]:
    """Return hashes of a level that is kept.

    Raises:
        LookupError: one is not there.
    """
    if level:
        query = "SELECT hash FROM log_nodes WHERE level = ? AND idx >= ? AND idx < ? ORDER BY idx"
        found = connection.execute(query, (level, first, first + count))
    else:
        query = "SELECT leaf_hash FROM log_entries WHERE seq >= ? AND seq < ? ORDER BY seq"
        found = connection.execute(query, (first, first + count))
    hashes = [one for (one,) in found.fetchall()]
    if len(hashes) != count:
        raise LookupError("the tree lacks a hash")
    return hashes


def _found(row: Sequence[Any] | None) -> Stored | None:
    return None if row is None else _stored(row)


def _stored(row: Sequence[Any]) -> Stored:
    seq, data, stored_hash, sealed = row
    try:
        return Stored(seq, Leaf.decode(data), leaf_hash(data) == stored_hash, sealed)
    except MalformedLeafError:
        return Stored(seq, _UNKNOWN, False, sealed)
