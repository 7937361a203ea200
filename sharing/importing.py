"""What its owner may ask of an import: how it goes, what was rejected, and to undo it."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
from sqlalchemy import Connection

from audit.events import Activity, EventKind, HeadRef
from identity.principal import Principal
from policies.vocabulary import Category, Deed
from sharing import reach
from sharing.house import House
from vault import naming, segment, state
from vault.change import Change, StaleGenerationError
from vault.columns import Columns
from vault.naming import INTAKE_DRAWER, DrawerName
from vault.opening import Opening
from vault.record import Record
from vault.segment import Lock, Parts, Place, Segment
from vault.state import Drawer, VaultState


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """One row that was not taken: where in the file, and why, in English and in Swedish."""

    where: str
    reason: str
    reason_sv: str


#: Fingerprints that other imports claim of one shelf (drawer id, tag), and which: undo leaves these to them.
Claims = dict[tuple[bytes, bytes], dict[int, bytes]]
#: What stays of a segment, and the import that it stays under.
Kept = tuple[Segment, bytes, Columns]


async def manage(house: House, principal: Principal, alias: bytes) -> VaultState:
    """Return the vault to one who may manage its imports; the log has it.

    Raises:
        consent.gate.Refused: the principal may not.
    """
    vault_state = await house.database.read(lambda connection: house.load(connection, alias))
    await house.ask(principal, vault_state, Deed.MANAGE, EventKind.READ, Activity.READ, subject="imports")
    return vault_state


async def follow(house: House, principal: Principal, alias: bytes) -> bytes:
    """Return the vault's id to one who may follow an import under way; the log has refusals only.

    That is asked every second, for counts of a file whose coming in stands in the log; it opens nothing.

    Raises:
        consent.gate.Refused: the principal may not.
    """
    if not await reach.manages(house, principal, alias):
        await manage(house, principal, alias)
    return await house.database.read(lambda connection: house.locate(connection, alias))


async def rejections(
    house: House, principal: Principal, alias: bytes, import_id: bytes
) -> tuple[RejectedRow, ...]:
    """Open the rejected rows of an import; only the owner's side has that drawer's key."""

    def work(connection: Connection) -> tuple[VaultState, Drawer | None, list[Segment]]:
        vault_state = house.load(connection, alias)
        drawer = state.drawer(connection, vault_state, INTAKE_DRAWER)
        tag = naming.month_tag(vault_state.keys, INTAKE_DRAWER, import_id.hex())
        rows = state.segments(connection, vault_state, drawer, tags=[tag]) if drawer else []
        return vault_state, drawer, rows

    vault_state, drawer, rows = await house.database.read(work)
    if drawer is None or not rows:
        return ()
    authorization = await house.ask(
        principal,
        vault_state,
        Deed.MANAGE,
        EventKind.READ,
        Activity.READ,
        subject=import_id.hex(),
        drawers={INTAKE_DRAWER: drawer},
    )
    opening = Opening(authorization, house.keystore, vault_state, at=house.clock())
    found = [record for _, columns in opening.columns(drawer, rows) for record in columns.records()]
    found.sort(key=lambda record: record.fingerprint)
    house.log.follow(house.outcome(authorization, {"rejected": len(found)}))
    return tuple(_rejected(record) for record in found)


def _rejected(record: Record) -> RejectedRow:
    where, reason_sv = json.loads(record.resource)
    return RejectedRow(where, record.text, reason_sv)


async def undo(
    house: House,
    principal: Principal,
    alias: bytes,
    import_id: bytes,
    *,
    claims: Callable[[Connection], Claims],
) -> int:
    """Remove what an import brought and no other import did; return how many records went.

    ``claims`` tells what the others also brought. Those records stay, in a segment of their own, as theirs. It is
    asked again in the transaction that removes: another import may have ended in between.
    """
    for _ in range(3):
        try:
            return await _undo_once(house, principal, alias, import_id, claims)
        except StaleGenerationError:
            continue
    raise StaleGenerationError("the vault is busy")


async def _undo_once(
    house: House, principal: Principal, alias: bytes, import_id: bytes, claims: Callable[[Connection], Claims]
) -> int:
    vault_state, drawers, rows, claimed = await house.database.read(
        lambda connection: _take(house, connection, alias, import_id, claims(connection))
    )
    authorization = await house.ask(
        principal,
        vault_state,
        Deed.MANAGE,
        EventKind.UNDO_IMPORT,
        Activity.DELETE,
        subject=import_id.hex(),
        drawers=drawers,
    )
    opening = Opening(authorization, house.keystore, vault_state, at=house.clock())
    for name, drawer in drawers.items():  # all of them now: the receipt is young for ten seconds
        opening.release(drawer, [row for row in rows[name] if (row.drawer, row.tag) in claimed])
    kept = {name: list(_kept(opening, drawers[name], rows[name], claimed)) for name in drawers}
    at = house.clock()

    def work(connection: Connection) -> tuple[int, HeadRef | None]:
        change = house.change(connection, vault_state.vault, at)  # first: it asks the log before it looks
        if claims(connection) != claimed:
            raise StaleGenerationError("another import came to an end")
        return _apply(house, change, rows, kept)

    removed, head = await house.database.write(work)
    if head is not None:
        await house.changed(authorization, head, {"removed": removed})
    return removed


def _take(
    house: House, connection: Connection, alias: bytes, import_id: bytes, claimed: Claims
) -> tuple[VaultState, dict[DrawerName, Drawer], dict[DrawerName, list[Segment]], Claims]:
    """Take what an import brought, whole only where another claims a part of it: else its marks are enough."""
    vault_state = house.load(connection, alias)
    drawers: dict[DrawerName, Drawer] = {}
    rows: dict[DrawerName, list[Segment]] = {}
    for name in (*Category, INTAKE_DRAWER):
        drawer = state.drawer(connection, vault_state, name)
        if drawer is None:
            continue
        tags = set(state.tags_of_import(connection, vault_state, drawer, import_id))
        disputed = {tag for tag in tags if (drawer.id, tag) in claimed}
        found = state.segments(connection, vault_state, drawer, tags=tags - disputed, parts=Parts.MARKS)
        found += state.segments(connection, vault_state, drawer, tags=disputed, parts=Parts.BODY)
        mine = [row for row in found if row.import_id == import_id]
        if mine:
            drawers[name], rows[name] = drawer, mine
    return vault_state, drawers, rows, claimed


def _kept(opening: Opening, drawer: Drawer, rows: Iterable[Segment], claims: Claims) -> Iterable[Kept]:
    """Open only the segments of which another import claims a part."""
    for row in rows:
        claimed = claims.get((row.drawer, row.tag), {})
        marks = np.frombuffer(row.fingerprints, dtype=">u8").tolist()
        wanted: dict[bytes, list[int]] = {}
        for number, mark in enumerate(marks):
            if mark in claimed:
                wanted.setdefault(claimed[mark], []).append(number)
        for _, columns in opening.columns(drawer, [row] if wanted else []):
            for claimer, numbers in wanted.items():
                yield row, claimer, columns.take(np.array(numbers))


def _apply(
    house: House,
    change: Change,
    rows: dict[DrawerName, list[Segment]],
    kept: dict[DrawerName, list[Kept]],
) -> tuple[int, HeadRef | None]:
    if not rows:
        return 0, None
    removed = 0
    for name, gone in rows.items():
        change.remove(name, gone)
        removed += sum(len(row.fingerprints) // 8 for row in gone if name != INTAKE_DRAWER)
        removed -= _keep(house, change, name, kept[name])
    return removed, change.finish()


def _keep(house: House, change: Change, name: DrawerName, kept: list[Kept]) -> int:
    """Seal what stays anew, under the import that also brought it, so that undoing that one removes it."""
    if not kept:
        return 0
    generation, public = change.generation_for(name, house.wanted(change.state, name, change.at))
    count = 0
    for row, claimer, columns in kept:
        lock = Lock.to(public, vault=row.vault_id, drawer=row.drawer, generation=generation)
        place = Place(lock, row.tag)
        shapes = [
            replace(shape, provenance=replace(shape.provenance, import_id=claimer.hex()))
            for shape in columns.shapes
        ]
        left = replace(columns, shapes=tuple(shapes))
        change.add(name, [segment.seal(left, place, import_id=claimer, written=change.at)])
        count += len(left)
    return count
