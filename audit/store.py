"""The log's SQL: plain functions of a connection; they never open one and never commit.

The statements are the same on both engines. What differs on PostgreSQL, how an entry waits for its number, stands
in :mod:`audit.pending`.
"""

import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

from audit.database import Connection
from audit.leaf import Leaf
from audit.merkle import FindNode, Node, node_hash

#: Nodes are kept at levels that are multiples of this; what lies between is recomputed.
STRIDE = 8

LEAF = "entry_id, vault, n, provider, authority, at_us, commitment, sealed_digest, head_version, head_digest"
ROW = f"seq, {LEAF}, leaf_hash, sealed"

_END = (1 << 63) - 1  # no entry has this number
_LEAF_ENDS = 1 + len(Leaf._fields)

_SELECT = f"SELECT {ROW} FROM log_entries "  # noqa: S608 fixed words, here and below
_NEWEST_HEAD = _SELECT + "WHERE vault = ? AND head_version > 0 ORDER BY head_version DESC LIMIT 1"
_OF_VAULT = _SELECT + "WHERE vault = ? AND seq < ? ORDER BY n DESC LIMIT ?"
_OF_ORGANISATION = f"""
SELECT {ROW} FROM log_entries WHERE seq IN (
    SELECT seq FROM (SELECT seq FROM log_entries WHERE provider = ? AND seq < ? ORDER BY seq DESC LIMIT ?) AS p
    UNION
    SELECT seq FROM (SELECT seq FROM log_entries WHERE authority = ? AND seq < ? ORDER BY seq DESC LIMIT ?) AS a
) ORDER BY seq DESC LIMIT ?
"""  # noqa: S608


class Stored(NamedTuple):
    """One row: its place, its leaf, the hash that was stored, and the sealed body if still there."""

    seq: int
    leaf: Leaf
    leaf_hash: bytes
    sealed: bytes | None

    @property
    def is_intact(self) -> bool:
        """Tell whether the row hashes to what was stored beside it (the tree itself is verify's matter)."""
        try:
            return self.leaf.is_well_formed() and self.leaf.hash() == self.leaf_hash
        except (struct.error, TypeError):
            return False


class StoredTip(NamedTuple):
    """The tree's edge as it stands in the database."""

    size: int
    peaks: bytes
    note: str


# --- writing


def add_entries(connection: Connection, rows: Sequence[Sequence[Any]]) -> None:
    """Insert rows whose columns are those of ROW."""
    connection.insert("log_entries", ROW, rows)


def add_nodes(connection: Connection, nodes: Sequence[Node]) -> None:
    """Keep those of the completed nodes whose level is kept."""
    for node in nodes:
        if node[0] % STRIDE == 0:
            connection.execute("INSERT INTO log_nodes (level, idx, hash) VALUES (?, ?, ?)", node)


def put_tip(connection: Connection, tip: StoredTip) -> None:
    """Replace the tree's edge."""
    moved = connection.execute("UPDATE log_tip SET size = ?, peaks = ?, note = ? WHERE one = 1", tip)
    if moved.rowcount == 0:
        connection.execute("INSERT INTO log_tip (one, size, peaks, note) VALUES (1, ?, ?, ?)", tip)


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


def last_seq(connection: Connection) -> int | None:
    """Return the greatest number in the log."""
    row = connection.execute("SELECT seq FROM log_entries ORDER BY seq DESC LIMIT 1").fetchone()
    return None if row is None else int(row[0])


def last_n(connection: Connection, vault: bytes) -> int:
    """Return a vault's last running number, 0 if it has none."""
    row = connection.execute(
        "SELECT n FROM log_entries WHERE vault = ? ORDER BY n DESC LIMIT 1", (vault,)
    ).fetchone()
    return 0 if row is None else int(row[0])


def newest_head(connection: Connection, vault: bytes) -> Stored | None:
    """Return the entry that states a vault's newest head."""
    return _stored(connection.execute(_NEWEST_HEAD, (vault,)).fetchone())


def by_seq(connection: Connection, seq: int) -> Stored | None:
    """Return one entry by its place."""
    return _stored(connection.execute(_SELECT + "WHERE seq = ?", (seq,)).fetchone())


def by_id(connection: Connection, entry_id: bytes) -> Stored | None:
    """Return one entry by its id."""
    return _stored(connection.execute(_SELECT + "WHERE entry_id = ?", (entry_id,)).fetchone())


def of_vault(connection: Connection, vault: bytes, *, before: int | None, limit: int) -> list[Stored]:
    """Return a vault's entries, newest first."""
    end = _END if before is None else before
    return [_must(row) for row in connection.execute(_OF_VAULT, (vault, end, limit)).fetchall()]


def of_organisation(
    connection: Connection, organisation: bytes, *, before: int | None, limit: int
) -> list[Stored]:
    """Return what an organisation's staff and systems did, as provider or authority, newest first."""
    page = organisation, _END if before is None else before, limit
    return [_must(row) for row in connection.execute(_OF_ORGANISATION, (*page, *page, limit)).fetchall()]


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
        hashes = _kept(connection, level - below, index << below, 1 << below)
        while len(hashes) > 1:
            hashes = [node_hash(hashes[i], hashes[i + 1]) for i in range(0, len(hashes), 2)]
        return hashes[0]

    return find


def _kept(connection: Connection, level: int, first: int, count: int) -> list[bytes]:
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


def _stored(row: Sequence[Any] | None) -> Stored | None:
    return None if row is None else _must(row)


def _must(row: Sequence[Any]) -> Stored:
    return Stored(row[0], Leaf(*row[1:_LEAF_ENDS]), row[_LEAF_ENDS], row[_LEAF_ENDS + 1])
