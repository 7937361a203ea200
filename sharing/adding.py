"""Adding records: the citizen's own, staff's, a client system's. It needs public halves only.

Whoever adds gets the same reply for a new record and for one that was there, and learns nothing of the rest.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from sqlalchemy import Connection

from audit.events import Activity, Decision, EventKind, HeadRef
from consent.gate import Authorization, NextStep, Refused
from consent.judge import Reason
from identity.principal import Principal
from keys.primitives import fingerprint
from policies.vocabulary import Category, Deed, Purpose
from sharing.house import House
from sharing.reading import SWEDEN
from vault import naming, segment, state
from vault.change import Change, StaleRulesError
from vault.record import Record
from vault.resource import canonical_content
from vault.segment import Place
from vault.state import VaultState

_TRIES = 4


@dataclass(frozen=True, slots=True)
class Added:
    """The records as they now stand, with the ids they have (new or already there)."""

    records: tuple[Record, ...]


async def add(
    house: House,
    principal: Principal,
    alias: bytes,
    records: Sequence[Record],
    *,
    purpose: Purpose | None = None,
) -> Added:
    """Add records, all or none.

    Where the citizen changes the rules between the question and the writing, the question is put again: what
    is revoked before something is written is not written by.

    Raises:
        consent.gate.Refused: one of them may not be added.
        vault.errors.MalformedRecordError: one cannot be stored.
        vault.change.StaleRulesError: the rules change faster than they can be asked about.
    """
    for _ in range(_TRIES):
        try:
            return await _add_once(house, principal, alias, records, purpose)
        except StaleRulesError:
            continue
    raise StaleRulesError("the rules change all the time")


async def _add_once(
    house: House, principal: Principal, alias: bytes, records: Sequence[Record], purpose: Purpose | None
) -> Added:
    vault_state = await house.database.read(lambda connection: house.load(connection, alias))
    categories = tuple(dict.fromkeys(record.category for record in records))
    authorization = await house.ask(
        principal,
        vault_state,
        Deed.ADD,
        EventKind.ADD,
        Activity.WRITE,
        categories=categories,
        purpose=purpose,
    )
    await _check_terms(house, authorization, records)
    marked = [_marked(vault_state, record) for record in records]
    at = house.clock()
    stored, head = await house.database.write(
        lambda connection: _store(house, connection, vault_state, marked, at)
    )
    if head is not None:
        await house.changed(authorization, head, {"stored": stored})
    return Added(tuple(marked))


async def _check_terms(house: House, authorization: Authorization, records: Sequence[Record]) -> None:
    """Refuse where a rule's finer terms (codes, the data's dates) leave a record out, and log that it was."""
    for record in records:
        day = record.start.astimezone(SWEDEN).date()
        if not authorization.scope(record.category).permits(record.code.code, day):
            outcome = house.outcome(authorization, {"stored": 0})
            await house.log.append(replace(outcome, decision=Decision.REFUSE, reason=Reason.NOT_PERMITTED))
            raise Refused(NextStep.ASK_FOR_ACCESS)


def _marked(vault_state: VaultState, record: Record) -> Record:
    return replace(record, fingerprint=fingerprint(vault_state.keys.intake, canonical_content(record)))


def _store(
    house: House, connection: Connection, asked: VaultState, records: Sequence[Record], at: datetime
) -> tuple[int, HeadRef | None]:
    change = house.change(connection, asked.vault, at)
    change.demand_rules(asked.head.rules_version)
    shelves: dict[tuple[Category, str], list[Record]] = {}
    for record in records:
        shelves.setdefault((record.category, record.month), []).append(record)
    stored = sum(_shelve(house, connection, change, key, shelf) for key, shelf in shelves.items())
    return stored, change.finish() if stored else None


def _shelve(
    house: House, connection: Connection, change: Change, key: tuple[Category, str], shelf: list[Record]
) -> int:
    category, month = key
    wanted = house.wanted(change.state, category, change.at)
    generation, public = change.generation_for(category, wanted)
    drawer = change.drawer(category)
    assert drawer is not None  # noqa: S101 generation_for has made it
    tag = naming.month_tag(change.state.keys, category, month)
    there: set[int] = set()
    for row in state.segments(connection, change.state, drawer, tags=[tag]):
        there.update(np.frombuffer(row.fingerprints, dtype=">u8").tolist())
    fresh = {record.fingerprint: record for record in shelf if record.fingerprint not in there}
    if fresh:
        place = Place(change.state.vault, drawer.id, tag, generation, public)
        ordered = sorted(fresh.values(), key=lambda record: record.start)
        change.add(category, [segment.seal(ordered, place, import_id=b"", written=change.at)])
    return len(fresh)
