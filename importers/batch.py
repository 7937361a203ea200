"""What an import's child said since the last commit, and how that is held against the vault before it is kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from sqlalchemy import Connection, delete, insert, select

from importers.tables import ImportClaimRow
from importers.wire import BrokenPipeToChildError, Claim, Progress
from policies.vocabulary import Category
from vault import naming, state
from vault.change import Change, StaleGenerationError
from vault.columns import Marks, read_marks
from vault.naming import INTAKE_DRAWER, DrawerName
from vault.segment import Parts, Segment
from vault.state import Drawer, VaultState

_CLAIMS = ImportClaimRow.__table__  # type: ignore[attr-defined]
#: A shelf: its drawer's name and its tag.
At = tuple[str, bytes]
#: Each shelf's digest.
Digests = dict[At, bytes]


@dataclass(slots=True)
class Batch:
    """Segments and claims, by drawer and shelf; and each shelf's digest when it was last looked at."""

    rows: dict[str, list[Segment]] = field(default_factory=dict)
    claims: dict[tuple[str, str], list[bytes]] = field(default_factory=dict)
    progress: Progress | None = None
    shelves: Digests = field(default_factory=dict)

    def __len__(self) -> int:
        return sum(map(len, self.rows.values())) + sum(map(len, self.claims.values()))

    def add(self, name: str, row: Segment, *, import_id: bytes) -> None:
        """Take a sealed segment.

        Raises:
            BrokenPipeToChildError: it is of another import, or of a shelf that the child did not ask for.
        """
        if row.import_id != import_id or (name, row.tag) not in self.shelves:
            raise BrokenPipeToChildError("the import child sealed what it was not asked to")
        self.rows.setdefault(name, []).append(row)

    def claim(self, claim: Claim) -> None:
        """Take a claim."""
        self.claims.setdefault((claim.name, claim.month), []).append(claim.fingerprints)

    def marks_of_claims(self, vault_state: VaultState) -> dict[At, Marks]:
        """Return what is claimed of each shelf."""
        keys = vault_state.keys
        return {
            (name, naming.month_tag(keys, named(name), month)): np.unique(read_marks(b"".join(claimed)))
            for (name, month), claimed in self.claims.items()
        }


def named(name: str) -> DrawerName:
    """Return the drawer that the child means: a category's, or the intake drawer."""
    try:
        return name if name == INTAKE_DRAWER else Category(name)
    except ValueError:
        raise BrokenPipeToChildError("the import child named an unknown drawer") from None


def hold(connection: Connection, change: Change, batch: Batch, claimed: Mapping[At, Marks]) -> None:
    """Hold what the child was told of each shelf to what stands there now.

    Raises:
        StaleGenerationError: somebody has since added what it brings, or removed what it found there.
    """
    brought: dict[At, list[bytes]] = {at: [] for at in claimed}
    for name, rows in batch.rows.items():
        for row in rows:
            brought.setdefault((name, row.tag), []).append(row.fingerprints)
    for (name, tag), fingerprints in brought.items():
        found = change.drawer(named(name))
        if found is None or found.shelves.get(tag, b"") == batch.shelves.get((name, tag), b""):
            continue
        rows = state.segments(connection, change.state, found, tags=[tag], parts=Parts.MARKS)
        there = read_marks(b"".join(row.fingerprints for row in rows))
        ours = read_marks(b"".join(fingerprints))
        wanted = claimed.get((name, tag), _NONE)
        if np.isin(ours, there).any() or not np.isin(wanted, np.concatenate((there, ours))).all():
            raise StaleGenerationError("the shelf moved on")


_NONE: Marks = np.zeros(0, dtype=np.uint64)


def keep_claims(
    connection: Connection, vault_state: VaultState, import_id: bytes, claimed: Mapping[At, Marks]
) -> None:
    """Add to what an import claims, shelf by shelf."""
    for name in dict.fromkeys(name for name, _ in claimed):
        mine = {tag: marks for (of, tag), marks in claimed.items() if of == name}
        at = {
            "vault_id": vault_state.vault,
            "import_id": import_id,
            "drawer": naming.drawer_id(vault_state.keys, named(name)),
        }
        where = [*(_CLAIMS.c[column] == value for column, value in at.items()), _CLAIMS.c.tag.in_(list(mine))]
        old = connection.execute(select(_CLAIMS.c.tag, _CLAIMS.c.fingerprints).where(*where)).all()
        for tag, fingerprints in old:
            mine[bytes(tag)] = np.union1d(mine[bytes(tag)], read_marks(fingerprints))
        connection.execute(delete(_CLAIMS).where(*where))
        rows = [
            {**at, "tag": tag, "fingerprints": marks.astype(">u8").tobytes()} for tag, marks in mine.items()
        ]
        connection.execute(insert(_CLAIMS), rows)


def told_marks(
    connection: Connection, vault_state: VaultState, found: Drawer | None, tags: list[bytes], import_id: bytes
) -> tuple[list[bytes], list[bytes]]:
    """Return what stands on each shelf: all others' fingerprints, and this import's own."""
    theirs: dict[bytes, list[bytes]] = {tag: [] for tag in tags}
    own: dict[bytes, list[bytes]] = {tag: [] for tag in tags}
    if found is not None:
        for row in state.segments(connection, vault_state, found, tags=tags, parts=Parts.MARKS):
            (own if row.import_id == import_id else theirs)[row.tag].append(row.fingerprints)
    return [b"".join(theirs[tag]) for tag in tags], [b"".join(own[tag]) for tag in tags]
