"""The log's SQL: plain functions of a connection; they never open an engine and never commit.

The statements are portable. What differs on PostgreSQL is who numbers: there entries are written first and
one sealer sequences them; here the writer holds the file's write lock while it numbers.
"""

import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Table, bindparam, insert, literal_column, select, union, update

from audit.leaf import Leaf
from audit.merkle import FindNode, Node, node_hash
from audit.tables import CheckpointRow, EntryRow, NodeRow, TipRow

#: Nodes are kept at levels that are multiples of this; what lies between is recomputed.
STRIDE = 8

_entries: Table = EntryRow.__table__  # type: ignore[attr-defined]
_nodes: Table = NodeRow.__table__  # type: ignore[attr-defined]
_tip: Table = TipRow.__table__  # type: ignore[attr-defined]
_checkpoints: Table = CheckpointRow.__table__  # type: ignore[attr-defined]

_SOME_HEAD = _entries.c.head_version > literal_column("0")  # as written in the partial index

_LAST_N = (
    select(_entries.c.n).where(_entries.c.vault == bindparam("vault")).order_by(_entries.c.n.desc()).limit(1)
)
_NEWEST_HEAD = (
    select(_entries)
    .where(_entries.c.vault == bindparam("vault"), _SOME_HEAD)
    .order_by(_entries.c.head_version.desc())
    .limit(1)
)
# built once: building a statement costs more than running it
_ADD_ENTRIES, _ADD_NODES, _ADD_TIP = insert(_entries), insert(_nodes), insert(_tip)
_TIP = select(_tip.c.size, _tip.c.peaks, _tip.c.note)
_MOVE_TIP = (
    update(_tip)
    .where(_tip.c.one == 1)
    .values(size=bindparam("to_size"), peaks=bindparam("to_peaks"), note=bindparam("to_note"))
)


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


def add_entries(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Insert a group's rows."""
    connection.execute(_ADD_ENTRIES, rows)


def row_of(seq: int, leaf: Leaf, leaf_hash: bytes, sealed: bytes) -> dict[str, Any]:
    """Return the row of one entry."""
    return {
        "seq": seq,
        "entry_id": leaf.entry_id,
        "vault": leaf.vault,
        "n": leaf.n,
        "provider": leaf.provider,
        "authority": leaf.authority,
        "at_us": leaf.at_us,
        "commitment": leaf.commitment,
        "sealed_digest": leaf.sealed_digest,
        "head_version": leaf.head_version,
        "head_digest": leaf.head_digest,
        "leaf_hash": leaf_hash,
        "sealed": sealed,
    }


def add_nodes(connection: Connection, nodes: Sequence[Node]) -> None:
    """Keep those of the completed nodes whose level is kept."""
    rows = [
        {"level": level, "idx": index, "hash": node} for level, index, node in nodes if level % STRIDE == 0
    ]
    if rows:
        connection.execute(_ADD_NODES, rows)


def put_tip(connection: Connection, tip: StoredTip) -> None:
    """Replace the tree's edge."""
    values = tip._asdict()
    moved = connection.execute(_MOVE_TIP, {f"to_{name}": value for name, value in values.items()})
    if moved.rowcount == 0:
        connection.execute(_ADD_TIP, {"one": 1, **values})


def add_checkpoint(connection: Connection, size: int, note: str) -> None:
    """Keep a checkpoint that was written outside; one that is there stays."""
    if connection.execute(select(_checkpoints.c.size).where(_checkpoints.c.size == size)).first() is None:
        connection.execute(insert(_checkpoints).values(size=size, note=note))


# --- reading


def tip(connection: Connection) -> StoredTip | None:
    """Return the tree's edge, None in a new file."""
    row = connection.execute(_TIP).first()
    return None if row is None else StoredTip(row.size, row.peaks, row.note)


def last_seq(connection: Connection) -> int | None:
    """Return the greatest number in the log."""
    found: int | None = connection.execute(
        select(_entries.c.seq).order_by(_entries.c.seq.desc()).limit(1)
    ).scalar()
    return found


def last_n(connection: Connection, vault: bytes) -> int:
    """Return a vault's last running number, 0 if it has none."""
    found: int | None = connection.execute(_LAST_N, {"vault": vault}).scalar()
    return found or 0


def newest_head(connection: Connection, vault: bytes) -> Stored | None:
    """Return the entry that states a vault's newest head."""
    return _stored(connection.execute(_NEWEST_HEAD, {"vault": vault}).first())


def by_seq(connection: Connection, seq: int) -> Stored | None:
    """Return one entry by its place."""
    return _stored(connection.execute(select(_entries).where(_entries.c.seq == seq)).first())


def by_id(connection: Connection, entry_id: bytes) -> Stored | None:
    """Return one entry by its id."""
    return _stored(connection.execute(select(_entries).where(_entries.c.entry_id == entry_id)).first())


def of_vault(connection: Connection, vault: bytes, *, before: int | None, limit: int) -> list[Stored]:
    """Return a vault's entries, newest first."""
    query = select(_entries).where(_entries.c.vault == vault).order_by(_entries.c.n.desc()).limit(limit)
    if before is not None:
        query = query.where(_entries.c.seq < before)
    return [_must(row) for row in connection.execute(query)]


def of_organisation(
    connection: Connection, organisation: bytes, *, before: int | None, limit: int
) -> list[Stored]:
    """Return what an organisation's staff and systems did, as provider or authority, newest first."""
    found = []
    for column in (_entries.c.provider, _entries.c.authority):
        query = select(_entries.c.seq).where(column == organisation)
        if before is not None:
            query = query.where(_entries.c.seq < before)
        found.append(select(query.order_by(_entries.c.seq.desc()).limit(limit).subquery().c.seq))
    places = union(*found).subquery()
    rows = select(_entries).join(places, places.c.seq == _entries.c.seq)
    return [_must(row) for row in connection.execute(rows.order_by(_entries.c.seq.desc()).limit(limit))]


def newest_checkpoint(connection: Connection) -> str | None:
    """Return the note of the newest checkpoint that was written outside."""
    found: str | None = connection.execute(
        select(_checkpoints.c.note).order_by(_checkpoints.c.size.desc()).limit(1)
    ).scalar()
    return found


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
        place, chosen = _nodes.c.idx, select(_nodes.c.hash).where(_nodes.c.level == level)
    else:
        place, chosen = _entries.c.seq, select(_entries.c.leaf_hash)
    query = chosen.where(place >= first, place < first + count).order_by(place)
    hashes = list(connection.execute(query).scalars())
    if len(hashes) != count:
        raise LookupError("the tree lacks a hash")
    return hashes


def _stored(row: Row[Any] | None) -> Stored | None:
    return None if row is None else _must(row)


def _must(row: Row[Any]) -> Stored:
    leaf = Leaf(
        entry_id=row.entry_id,
        vault=row.vault,
        n=row.n,
        provider=row.provider,
        authority=row.authority,
        at_us=row.at_us,
        commitment=row.commitment,
        sealed_digest=row.sealed_digest,
        head_version=row.head_version,
        head_digest=row.head_digest,
    )
    return Stored(row.seq, leaf, row.leaf_hash, row.sealed)
