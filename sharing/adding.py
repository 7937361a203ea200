"""Adding records: the citizen's own, staff's, a client system's. It needs public halves only.

Whoever adds gets the same reply for a new record and for one that was there, and learns nothing of the rest.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from sqlalchemy import Connection

from audit.events import Activity, Decision, EventKind, HeadRef
from consent.gate import Authorization, NextStep, Refused
from consent.judge import Need, Reason
from consent.scope import Mask
from identity.principal import Principal
from policies.vocabulary import Category, Deed, Purpose
from sharing.house import House
from vault import marks, naming, segment, state
from vault.change import Change, StaleRulesError
from vault.columns import Columns
from vault.days import local_days
from vault.record import Record
from vault.segment import Lock, Parts, Place, Segment
from vault.state import VaultState

_TRIES = 4


@dataclass(frozen=True)
class Added:
    """What was added, as it now stands, with the ids it has (new or already there).

    ``taken`` tells which of what came that is; all of it, unless only some was asked for.
    """

    columns: Columns
    taken: Mask

    @cached_property
    def records(self) -> tuple[Record, ...]:
        """The same as records, in the order in which they came."""
        return tuple(self.columns.records())


class _Shelf(NamedTuple):
    """Rows of one month."""

    month: str
    rows: Columns


async def add(
    house: House,
    principal: Principal,
    alias: bytes,
    records: Sequence[Record] | Columns,
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
    columns = records if isinstance(records, Columns) else Columns.of(records)
    return await _add(house, principal, alias, columns, purpose, Need.EVERY)


async def add_some(
    house: House, principal: Principal, alias: bytes, columns: Columns, *, purpose: Purpose | None = None
) -> Added:
    """Add those of many records that may be added; what is left out is in the log as refused.

    Raises:
        consent.gate.Refused: none of them may be added.
        vault.change.StaleRulesError: the rules change faster than they can be asked about.
    """
    return await _add(house, principal, alias, columns, purpose, Need.SOME)


async def _add(
    house: House, principal: Principal, alias: bytes, columns: Columns, purpose: Purpose | None, need: Need
) -> Added:
    for _ in range(_TRIES):
        try:
            return await _add_once(house, principal, alias, columns, purpose, need)
        except StaleRulesError:
            continue
    raise StaleRulesError("the rules change all the time")


async def _add_once(
    house: House, principal: Principal, alias: bytes, columns: Columns, purpose: Purpose | None, need: Need
) -> Added:
    vault_state = await house.database.read(lambda connection: house.load(connection, alias))
    authorization = await house.ask(
        principal,
        vault_state,
        Deed.ADD,
        EventKind.ADD,
        Activity.WRITE,
        categories=_categories(columns),
        purpose=purpose,
        need=need,
    )
    taken = _permitted(authorization, columns)
    if not taken.all():
        await _log_refused(house, authorization, columns.take(~taken), need)
    marked = marks.marked(columns.take(taken), vault_state.keys.intake)
    shelved = {category: list(_shelves(marked, category)) for category in _categories(marked)}
    at = house.clock()
    stored, head = await house.database.write(
        lambda connection: _store(house, connection, vault_state, shelved, at)
    )
    if head is not None:
        await house.changed(authorization, head, {"stored": stored})
    return Added(marked, taken)


def _categories(columns: Columns) -> tuple[Category, ...]:
    return tuple(dict.fromkeys(columns.shapes[number].category for number in np.unique(columns.shape)))


def _permitted(authorization: Authorization, columns: Columns) -> Mask:
    """Tell which records may be added, by category and by the rules' finer terms (codes, the data's dates)."""
    codes, days = [shape.code.code for shape in columns.shapes], local_days(columns.start)
    taken = np.zeros(len(columns), dtype=np.bool_)
    for number in np.unique(columns.shape):
        scope = authorization.scopes.get(columns.shapes[number].category)
        if scope is not None:
            rows = columns.shape == number
            taken[rows] = scope.mask(codes, columns.shape[rows], days[rows])
    return taken


async def _log_refused(house: House, authorization: Authorization, refused: Columns, need: Need) -> None:
    """Log what may not be added: as the outcome of the whole where all or none is added, else beside it."""
    outcome = house.outcome(authorization, {"stored": 0})
    outcome = replace(outcome, decision=Decision.REFUSE, reason=Reason.NOT_PERMITTED)
    if need is Need.EVERY:
        await house.log.append(outcome)
        raise Refused(NextStep.ASK_FOR_ACCESS)
    beside = replace(outcome, kind=EventKind.ADD, outcome_of=None, categories=_categories(refused))
    await house.log.append(beside)


def _shelves(columns: Columns, category: Category) -> Iterator[_Shelf]:
    """Sort one category's rows by month and moment; of several that are alike, the first stays."""
    mine = np.array([shape.category is category for shape in columns.shapes])[columns.shape]
    rows = columns.take(mine)
    ranked = np.sort(rows.fingerprint)
    if np.any(ranked[1:] == ranked[:-1]):
        rows = rows.take(np.unique(rows.fingerprint, return_index=True)[1])
    ordered = rows.in_time_order()
    months = naming.month_numbers(ordered.start)
    begins = [0, *(np.flatnonzero(np.diff(months)) + 1).tolist(), len(ordered)]
    for first, end in pairwise(begins if len(ordered) else []):
        yield _Shelf(naming.month_named(int(months[first])), ordered.between(first, end))


def _store(
    house: House,
    connection: Connection,
    asked: VaultState,
    shelved: dict[Category, list[_Shelf]],
    at: datetime,
) -> tuple[int, HeadRef | None]:
    change = house.change(connection, asked.vault, at)
    change.demand_rules(asked.head.rules_version)
    stored = sum(
        _store_category(house, connection, change, category, shelves) for category, shelves in shelved.items()
    )
    return stored, change.finish() if stored else None


def _store_category(
    house: House, connection: Connection, change: Change, category: Category, shelves: list[_Shelf]
) -> int:
    wanted = house.wanted(change.state, category, change.at)
    generation, public = change.generation_for(category, wanted)
    drawer = change.drawer(category)
    assert drawer is not None  # noqa: S101 generation_for has made it
    tags = [naming.month_tag(change.state.keys, category, shelf.month) for shelf in shelves]
    there = _there(state.segments(connection, change.state, drawer, tags=tags, parts=Parts.MARKS))
    lock = Lock.to(public, vault=change.state.vault, drawer=drawer.id, generation=generation)
    stored, sealed = 0, []
    for tag, shelf in zip(tags, shelves, strict=True):
        fresh = shelf.rows.take(~np.isin(shelf.rows.fingerprint, there.get(tag, _NONE)))
        place = Place(lock, tag)
        sealed += segment.seal_all(fresh, place, import_id=b"", written=change.at)
        stored += len(fresh)
    if sealed:
        change.add(category, sealed)
    return stored


_NONE = np.zeros(0, dtype=np.uint64)


def _there(rows: Sequence[Segment]) -> dict[bytes, np.ndarray]:
    """Return the fingerprints that stand on each shelf."""
    found: dict[bytes, list[bytes]] = {}
    for row in rows:
        found.setdefault(row.tag, []).append(row.fingerprints)
    return {tag: np.frombuffer(b"".join(raw), dtype=">u8").astype(np.uint64) for tag, raw in found.items()}
