"""A vault as one snapshot shows it, checked against its head before anything is believed.

Use inside one read or write transaction: :func:`load`, then :func:`drawer` and :func:`segments` for what is
needed. What they return has been counted by the head; anything else raises TamperedError.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, LargeBinary, literal, select

from audit.events import HeadRef
from consent.codec import OpenedRules
from consent.rules import RuleSet
from keys import envelope, primitives
from keys.envelope import context
from keys.keystore import KeyStore, VaultKeys
from vault import head as heads
from vault import naming, segment
from vault.errors import Finding, NoVaultError, TamperedError
from vault.head import Head
from vault.naming import DrawerName
from vault.segment import Parts, Segment
from vault.tables import AliasRow, DrawerRow, GenerationRow, SegmentRow, VaultRow, WrapRow

_VAULTS = VaultRow.__table__  # type: ignore[attr-defined]
_ALIASES = AliasRow.__table__  # type: ignore[attr-defined]
_DRAWERS = DrawerRow.__table__  # type: ignore[attr-defined]
_GENERATIONS = GenerationRow.__table__  # type: ignore[attr-defined]
_WRAPS = WrapRow.__table__  # type: ignore[attr-defined]
_RULES = OpenedRules()
_SEGMENTS = SegmentRow.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Profile:
    """Who owns the vault, sealed beside the rules: what policies ask about, before anything is opened.

    ``guardians`` are aliases of those who represent a child; ``controller`` is the personuppgiftsansvarig.
    """

    number: str
    name: str
    birth_date: date
    protected: bool
    controller: str
    guardians: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Drawer:
    """One drawer: its public halves by generation, its wraps, and the digest of each shelf by tag."""

    name: DrawerName
    id: bytes
    publics: dict[int, bytes]
    wraps: tuple[WrapRow, ...]
    shelves: dict[bytes, bytes]

    @property
    def current(self) -> int:
        """The generation that new segments are sealed to."""
        return max(self.publics)


@dataclass(frozen=True, slots=True)
class VaultState:
    """One verified vault."""

    vault: bytes
    keys: VaultKeys
    head: Head
    rules: RuleSet
    profile: Profile


def find(connection: Connection, alias: bytes) -> bytes | None:
    """Return the vault that a person's alias leads to."""
    found = connection.execute(select(_ALIASES.c.vault_id).where(_ALIASES.c.alias == alias)).scalar()
    return None if found is None else bytes(found)


def load(connection: Connection, keystore: KeyStore, vault: bytes, *, logged: HeadRef | None) -> VaultState:
    """Load and verify a vault's head, rules and profile. Read ``logged`` from the log *before* the snapshot.

    Raises:
        NoVaultError: there is no such vault.
        TamperedError: head, rules or profile are not those that were last written.
    """
    row = connection.execute(select(_VAULTS).where(_VAULTS.c.vault_id == vault)).one_or_none()
    if row is None:
        raise NoVaultError("no such vault")
    head = heads.verify(row.head, row.head_mac, vault=vault, keystore=keystore, logged=logged)
    if heads.digest_of(row.rules) != head.rules:
        raise TamperedError(Finding.CHANGED_RULES)
    if heads.digest_of(row.profile) != head.profile:
        raise TamperedError(Finding.CHANGED_PROFILE)
    keys = keystore.vault_keys(vault)
    rules = _RULES.of(keys, row.rules)
    if rules.version != head.rules_version:
        raise TamperedError(Finding.CHANGED_RULES)
    return VaultState(vault, keys, head, rules, open_profile(keys, row.profile))


def drawer(connection: Connection, state: VaultState, name: DrawerName) -> Drawer | None:
    """Load and verify one drawer, or None where the vault has none of that name.

    Raises:
        TamperedError: its public halves, wraps or manifest are not those that the head counts.
    """
    drawer_id = naming.drawer_id(state.keys, name)
    told = state.head.drawers.get(drawer_id)
    if told is None:
        return None
    manifest = connection.execute(
        select(_DRAWERS.c.manifest).where(*_at(_DRAWERS, state, drawer_id))
    ).scalar()
    generations = [
        GenerationRow(**row)
        for row in connection.execute(
            select(_GENERATIONS).where(*_at(_GENERATIONS, state, drawer_id))
        ).mappings()
    ]
    wraps = [
        WrapRow(**row)
        for row in connection.execute(select(_WRAPS).where(*_at(_WRAPS, state, drawer_id))).mappings()
    ]
    if manifest is None or heads.digest_of(manifest) != told.manifest:
        raise TamperedError(Finding.CHANGED_MANIFEST)
    if heads.digest_generations(generations) != told.generations:
        raise TamperedError(Finding.CHANGED_PUBLIC_HALF)
    if heads.digest_wraps(wraps) != told.wraps:
        raise TamperedError(Finding.CHANGED_WRAPS)
    publics = {row.generation: row.public for row in generations}
    return Drawer(name, drawer_id, publics, tuple(wraps), heads.decode_manifest(manifest))


def segments(
    connection: Connection,
    state: VaultState,
    of: Drawer,
    *,
    tags: Iterable[bytes] | None = None,
    parts: Parts = Parts.BODY,
) -> list[Segment]:
    """Load and verify the live segments under the wanted tags, or all.

    Raises:
        TamperedError: a segment is forged, missing, or should not be there.
    """
    wanted = list(of.shelves) if tags is None else [tag for tag in tags if tag in of.shelves]
    rows: list[Segment] = []
    for at in range(0, len(wanted), 500):
        rows += _segment_rows(connection, state, of, wanted[at : at + 500], parts)
    by_tag: dict[bytes, list[Segment]] = {tag: [] for tag in wanted}
    for row in rows:
        by_tag[row.tag].append(row)
    for tag, shelf in by_tag.items():
        if not shelf:
            raise TamperedError(Finding.MISSING_SEGMENT)
        if not primitives.same(segment.shelf_digest(shelf, parts), of.shelves[tag]):
            raise TamperedError(Finding.FORGED_SEGMENT)
    return rows


def tags_of_import(connection: Connection, state: VaultState, of: Drawer, import_id: bytes) -> list[bytes]:
    """Return the shelves where an import's segments stand; verify them by :func:`segments`."""
    query = select(_SEGMENTS.c.tag).where(*_at(_SEGMENTS, state, of.id), _SEGMENTS.c.import_id == import_id)
    return [bytes(tag) for tag in connection.execute(query.distinct()).scalars()]


def seal_profile(keys: VaultKeys, profile: Profile) -> bytes:
    """Seal a profile under the vault's rules key."""
    fields: dict[str, Any] = {
        "number": profile.number,
        "name": profile.name,
        "birth_date": profile.birth_date.isoformat(),
        "protected": profile.protected,
        "controller": profile.controller,
        "guardians": [alias.hex() for alias in profile.guardians],
    }
    return envelope.seal_box(keys.rules, json.dumps(fields).encode(), bound_to=context("profile", keys.vault))


def open_profile(keys: VaultKeys, sealed: bytes) -> Profile:
    """Open a profile."""
    fields = json.loads(envelope.open_box(keys.rules, sealed, bound_to=context("profile", keys.vault)))
    fields["birth_date"] = date.fromisoformat(fields["birth_date"])
    fields["guardians"] = tuple(bytes.fromhex(alias) for alias in fields["guardians"])
    return Profile(**fields)


def _at(table: Any, state: VaultState, drawer_id: bytes) -> tuple[Any, Any]:
    return table.c.vault_id == state.vault, table.c.drawer == drawer_id


def _segment_rows(
    connection: Connection, state: VaultState, of: Drawer, tags: Sequence[bytes], parts: Parts
) -> list[Segment]:
    columns = list(_SEGMENTS.c)
    empty = literal(b"", LargeBinary)
    columns = [empty.label(c.name) if c.name in parts.absent else c for c in columns]
    query = select(*columns).where(*_at(_SEGMENTS, state, of.id), _SEGMENTS.c.tag.in_(tags))
    return [Segment(**row) for row in connection.execute(query).mappings()]
