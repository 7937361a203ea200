"""A vault as one snapshot shows it, checked against its head before anything is believed.

Use inside one read or write transaction: :func:`load`, then :func:`drawer` and :func:`segments` for what is
needed. What they return has been counted by the head; anything else raises TamperedError.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, select

from audit.events import HeadRef
from consent.codec import open_rules
from consent.recent import Recent
from consent.rules import RuleSet
from keys import envelope, primitives
from keys.envelope import context
from keys.keystore import KeyStore, VaultKeys
from vault import head as heads
from vault import naming, segment
from vault.database import places, rows
from vault.errors import Finding, MovedOnError, NoVaultError, TamperedError
from vault.head import DrawerDigests, Head, SealedWrap
from vault.naming import DrawerName
from vault.segment import Parts, Segment
from vault.tables import SegmentRow

_SEGMENTS = SegmentRow.__table__  # type: ignore[attr-defined]

_FIND = "SELECT vault_id FROM aliases WHERE alias = ?"
_LOAD = "SELECT head, head_mac, rules, profile FROM vaults WHERE vault_id = ?"
_FETCH = """
SELECT vault_id, head, head_mac, rules, profile FROM vaults
WHERE vault_id = coalesce((SELECT vault_id FROM aliases WHERE alias = ?), ?)
"""
_MANIFEST, _PUBLIC, _WRAP, _SEGMENT = range(4)
_DRAWER = """
SELECT {wrap}, generation, recipient, sealed{more} FROM wraps WHERE vault_id = ? AND drawer = ?
UNION ALL SELECT {public}, generation, NULL, public{more} FROM generations WHERE vault_id = ? AND drawer = ?
UNION ALL SELECT {manifest}, 0, NULL, manifest{more} FROM drawers WHERE vault_id = ? AND drawer = ?
"""
_numbered = partial(_DRAWER.format, manifest=_MANIFEST, public=_PUBLIC, wrap=_WRAP)
_DRAWER_ALONE = _numbered(more="")
_DRAWER_TOO = _numbered(more=", NULL" * len(Segment._fields))
_EMPTY = "substr(tag, 1, 0)"  # no bytes, in both engines' words
_LIVE = {
    parts: ", ".join(_EMPTY if name in parts.absent else name for name in Segment._fields) for parts in Parts
}
_LAGGING = """
SELECT drawer, count(*) FROM segments WHERE vault_id = ? AND generation < (
    SELECT max(generation) FROM generations
    WHERE generations.vault_id = segments.vault_id AND generations.drawer = segments.drawer
) GROUP BY drawer
"""
_AT_ONCE = 500  # shelves of a statement
_ON_SHELVES = "FROM segments WHERE vault_id = ? AND drawer = ? AND tag IN"


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
    wraps: tuple[SealedWrap, ...]
    shelves: dict[bytes, bytes]

    @property
    def current(self) -> int:
        """The generation that new segments are sealed to."""
        return max(self.publics)


@dataclass(frozen=True, slots=True)
class VaultState:
    """One verified vault; ``owner`` is the alias of the person whose number is in the profile."""

    vault: bytes
    owner: bytes
    keys: VaultKeys
    head: Head
    rules: RuleSet
    profile: Profile


class VaultBytes(NamedTuple):
    """A vault's row, nothing of it verified."""

    head: bytes
    mac: bytes
    rules: bytes
    profile: bytes


@dataclass(frozen=True, slots=True)
class _Seen:
    """A vault's row as it was verified, and what it came to: true of the very same bytes under the same keys."""

    row: VaultBytes
    ref: HeadRef
    state: VaultState


#: What was verified lately. A vault's row is read all the same, and what it came to is taken from here only where it
#: is, byte for byte, the one that the check passed; a drawer is taken where the head states the very digests that it
#: had. So neither is older than the caller's snapshot.
_VAULTS_SEEN = Recent[_Seen](2048)
_DRAWERS_SEEN = Recent[tuple[DrawerDigests, Drawer]](2048)


def find(connection: Connection, alias: bytes) -> bytes | None:
    """Return the vault that a person's alias leads to."""
    found = rows(connection, _FIND, (alias,))
    return found[0][0] if found else None


def load(connection: Connection, keystore: KeyStore, vault: bytes, *, logged: HeadRef | None) -> VaultState:
    """Load and verify a vault's head, rules and profile. Read ``logged`` from the log *before* the snapshot.

    Raises:
        NoVaultError: there is no such vault.
        TamperedError: head, rules or profile are not those that were last written.
    """
    found = rows(connection, _LOAD, (vault,))
    if not found:
        raise NoVaultError("no such vault")
    return verified(VaultBytes(*found[0]), vault, keystore, logged=logged)


def fetch(connection: Connection, alias: bytes, decoy: bytes) -> tuple[bytes, VaultBytes]:
    """Find the vault that an alias leads to, or the decoy, and its row, to be :func:`verified`.

    Raises:
        NoVaultError: there is no such vault.
    """
    found = rows(connection, _FETCH, (alias, decoy))
    if not found:
        raise NoVaultError("no such vault")
    vault, *row = found[0]
    return vault, VaultBytes(*row)


def verified(row: VaultBytes, vault: bytes, keystore: KeyStore, *, logged: HeadRef | None) -> VaultState:
    """Verify a vault's row, as :func:`load` does."""
    keys, before = keystore.vault_keys(vault), _VAULTS_SEEN.get(vault)
    seen = before if before is not None and (before.row, before.state.keys) == (row, keys) else None
    if seen is None:
        seen = _seen(row, keys, keystore, before)
    _VAULTS_SEEN.keep(vault, seen)
    heads.demand_newest(seen.ref, logged)
    return seen.state


def _seen(row: VaultBytes, keys: VaultKeys, keystore: KeyStore, before: "_Seen | None") -> "_Seen":
    """Verify and open a vault's row; rules that stand there as they were before are not opened again."""
    head = heads.verify(row.head, row.mac, vault=keys.vault, keystore=keystore)
    if heads.digest_of(row.rules) != head.rules:
        raise TamperedError(Finding.CHANGED_RULES)
    if heads.digest_of(row.profile) != head.profile:
        raise TamperedError(Finding.CHANGED_PROFILE)
    as_before = before is not None and (before.row.rules, before.state.keys) == (row.rules, keys)
    rules = before.state.rules if before is not None and as_before else open_rules(keys, row.rules)
    if rules.version != head.rules_version:
        raise TamperedError(Finding.CHANGED_RULES)
    profile = open_profile(keys, row.profile)
    return _Seen(
        row, head.ref(), VaultState(keys.vault, keystore.alias(profile.number), keys, head, rules, profile)
    )


def drawer(connection: Connection, state: VaultState, name: DrawerName) -> Drawer | None:
    """Load and verify one drawer, or None where the vault has none of that name.

    Raises:
        TamperedError: its public halves, wraps or manifest are not those that the head counts.
    """
    drawer_id = naming.drawer_id(state.keys, name)
    if drawer_id not in state.head.drawers:
        return None
    return _drawer(state, name, drawer_id, rows(connection, _DRAWER_ALONE, (state.vault, drawer_id) * 3))


def drawer_with(
    connection: Connection, state: VaultState, name: DrawerName, tags: Sequence[bytes], parts: Parts
) -> tuple[Drawer, list[Segment]] | None:
    """Do what :func:`drawer` and then :func:`segments` do by one statement, which on PostgreSQL is half the way.

    A drawer that was verified before, and that the head states as it was then, is not fetched again: thirty years of
    shelves are 17 kB.

    Raises:
        TamperedError: as they do.
    """
    drawer_id = naming.drawer_id(state.keys, name)
    if drawer_id not in state.head.drawers:
        return None
    seen = _DRAWERS_SEEN.get(state.vault + drawer_id)
    if seen is not None and seen[0] == state.head.drawers[drawer_id]:
        _DRAWERS_SEEN.keep(state.vault + drawer_id, seen)
        return seen[1], segments(connection, state, seen[1], tags=tags, parts=parts)
    live = f"SELECT {_SEGMENT}, 0, NULL, NULL, {_LIVE[parts]} {_ON_SHELVES} ({places(len(tags))})"
    asked = (state.vault, drawer_id, *tags) + (state.vault, drawer_id) * 3
    found = rows(connection, f"{live} UNION ALL {_DRAWER_TOO}", asked)
    of = _drawer(state, name, drawer_id, [row[:4] for row in found if row[0] != _SEGMENT])
    listed = [Segment(*row[4:]) for row in found if row[0] == _SEGMENT]
    return of, _held(of, [tag for tag in tags if tag in of.shelves], listed, parts)


def _drawer(state: VaultState, name: DrawerName, drawer_id: bytes, found: list[Any]) -> Drawer:
    """Verify a drawer's rows, and remember what they came to."""
    told = state.head.drawers[drawer_id]
    manifest = next((value for kind, _, _, value in found if kind == _MANIFEST), None)
    publics = {generation: value for kind, generation, _, value in found if kind == _PUBLIC}
    wraps = [
        SealedWrap(generation, recipient, value)
        for kind, generation, recipient, value in found
        if kind == _WRAP
    ]
    if manifest is None or heads.digest_of(manifest) != told.manifest:
        raise TamperedError(Finding.CHANGED_MANIFEST)
    if heads.digest_generations(publics) != told.generations:
        raise TamperedError(Finding.CHANGED_PUBLIC_HALF)
    if heads.digest_wraps(wraps) != told.wraps:
        raise TamperedError(Finding.CHANGED_WRAPS)
    verified = Drawer(name, drawer_id, publics, tuple(wraps), heads.decode_manifest(manifest))
    _DRAWERS_SEEN.keep(state.vault + drawer_id, (told, verified))
    return verified


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
    live: list[Segment] = []
    for at in range(0, len(wanted), _AT_ONCE):
        some = wanted[at : at + _AT_ONCE]
        query = f"SELECT {_LIVE[parts]} {_ON_SHELVES} ({places(len(some))})"
        live += [Segment(*row) for row in rows(connection, query, (state.vault, of.id, *some))]
    return _held(of, wanted, live, parts)


def _held(of: Drawer, wanted: Sequence[bytes], found: Sequence[Segment], parts: Parts) -> list[Segment]:
    """Hold segments to the shelves under the wanted tags; on a shelf that nothing counts there is nothing."""
    by_tag: dict[bytes, list[Segment]] = {tag: [] for tag in wanted}
    live = [row for row in found if row.tag in by_tag]
    for row in live:
        by_tag[row.tag].append(row)
    for tag, shelf in by_tag.items():
        if not shelf:
            raise TamperedError(Finding.MISSING_SEGMENT)
        if not primitives.same(segment.shelf_digest(shelf, parts), of.shelves[tag]):
            raise TamperedError(Finding.FORGED_SEGMENT)
    return live


def bodies(connection: Connection, state: VaultState, of: Drawer, briefs: Sequence[Segment]) -> list[Segment]:
    """Fetch what segments that were loaded without their bodies lack: bodies and fingerprints.

    Their digests were held to the head when they were loaded, in an earlier snapshot maybe; bodies never change.

    Raises:
        MovedOnError: one of them is gone since (put together with others, removed, erased).
        TamperedError: a body is not the one that the head counted.
    """
    ids, tags = [row.segment for row in briefs], list({row.tag for row in briefs})
    on_shelves = f"{_ON_SHELVES} ({places(len(tags))}) AND segment IN ({places(len(ids))})"
    query = f"SELECT segment, body, fingerprints {on_shelves}"
    found = {one[0]: one[1:] for one in rows(connection, query, (state.vault, of.id, *tags, *ids))}
    if len(found) != len(ids):
        raise MovedOnError("a segment is gone since its vault was loaded")
    whole = []
    for row in briefs:
        body, fingerprints = found[row.segment]
        whole.append(row._replace(body=body, fingerprints=fingerprints))
        segment.digest(whole[-1], Parts.BODY)
    return whole


def sizes(connection: Connection, state: VaultState, of: Drawer, tags: Iterable[bytes]) -> dict[bytes, int]:
    """Tell how many records each segment on some shelves says that it has, by segment; nothing is verified."""
    query = select(_SEGMENTS.c.segment, func.length(_SEGMENTS.c.fingerprints)).where(
        *_at(_SEGMENTS, state, of.id), _SEGMENTS.c.tag.in_(list(tags))
    )
    return {bytes(row[0]): row[1] // 8 for row in connection.execute(query)}


def behind(connection: Connection, state: VaultState, of: Drawer) -> dict[bytes, int]:
    """Tell how many segments of each shelf say that an older generation locks them; nothing is verified."""
    segments = _SEGMENTS.c
    is_old = segments.generation != of.current
    query = select(segments.tag, func.count()).where(*_at(_SEGMENTS, state, of.id), is_old)
    return {bytes(tag): count for tag, count in connection.execute(query.group_by(segments.tag))}


def lagging(connection: Connection, state: VaultState) -> dict[bytes, int]:
    """Tell how many segments of each drawer say that an older generation locks them; nothing is verified."""
    return dict(rows(connection, _LAGGING, (state.vault,)))


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
