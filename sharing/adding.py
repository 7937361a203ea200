"""Adding records: the citizen's own, staff's, a client system's. It needs public halves only.

Whoever adds gets the same reply for a new record and for one that was there, and learns nothing of the rest.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np
from msgspec.structs import replace
from sqlalchemy import Connection

from audit.events import Activity, Decision, EventKind, HeadRef
from consent.gate import Authorization, Refused, next_step
from consent.judge import Need, Reason
from consent.scope import Mask
from identity.principal import Principal
from policies.vocabulary import Category, Deed, Purpose
from sharing.house import House
from sharing.reading import facts
from vault import marks, naming, segment, state
from vault.change import Change, StaleRulesError
from vault.columns import Columns, Ints, read_marks
from vault.record import Record
from vault.segment import Lock, Parts, Place
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
    sorted_in = sorted_by_category(marked)
    at = house.clock()
    stored, head = await house.database.write(
        lambda connection: _store(house, connection, vault_state, sorted_in, at)
    )
    if head is not None:
        await house.changed(authorization, head, {"stored": stored})
    return Added(marked, taken)


def _categories(columns: Columns) -> tuple[Category, ...]:
    used = np.bincount(columns.shape).nonzero()[0]
    return tuple(dict.fromkeys(columns.shapes[number].category for number in used.tolist()))


def _permitted(authorization: Authorization, columns: Columns) -> Mask:
    """Tell which records may be added, by category and by the rules' finer terms (codes, the data's dates)."""
    scopes = {category: authorization.scopes.get(category) for category in _categories(columns)}
    if all(scope is not None and scope.whole for scope in scopes.values()):
        return np.ones(len(columns), dtype=np.bool_)
    taken = np.zeros(len(columns), dtype=np.bool_)
    for category, rows in _by_category(columns):
        if (scope := scopes[category]) is not None:
            mine = columns.take(rows)
            taken[rows] = scope.mask(*facts(mine))
    return taken


def _by_category(columns: Columns) -> Iterator[tuple[Category, Ints]]:
    """Return the rows of each category, in the order in which they came."""
    names = list(dict.fromkeys(shape.category for shape in columns.shapes))
    number = np.array([names.index(shape.category) for shape in columns.shapes], dtype=np.uint8)[
        columns.shape
    ]
    ends = np.cumsum(np.bincount(number, minlength=len(names)))
    for name, rows in zip(names, np.split(np.argsort(number, kind="stable"), ends[:-1]), strict=True):
        if len(rows):
            yield name, rows


async def _log_refused(house: House, authorization: Authorization, refused: Columns, need: Need) -> None:
    """Log what may not be added: as the outcome of the whole where all or none is added, else beside it."""
    outcome = house.outcome(authorization, {"stored": 0})
    outcome = replace(outcome, decision=Decision.REFUSE, reason=Reason.NOT_PERMITTED)
    if need is Need.EVERY:
        await house.log.append(outcome)
        raise Refused(next_step(authorization.ask.principal, Deed.ADD))
    beside = replace(outcome, kind=EventKind.ADD, outcome_of=None, categories=_categories(refused))
    await house.log.append(beside)


def sorted_by_category(columns: Columns) -> dict[Category, Columns]:
    """Return each category's rows by moment; of several that are alike, the first stays."""
    found = {}
    for category, which in _by_category(columns):
        rows = columns.take(which)
        ranked = np.sort(rows.fingerprint)
        if np.any(ranked[1:] == ranked[:-1]):
            rows = rows.take(np.sort(np.unique(rows.fingerprint, return_index=True)[1]))
        found[category] = rows.in_time_order()
    return found


def _store(
    house: House,
    connection: Connection,
    asked: VaultState,
    sorted_in: dict[Category, Columns],
    at: datetime,
) -> tuple[int, HeadRef | None]:
    change = house.change(connection, asked.vault, at)
    change.demand_rules(asked.head.rules_version)
    stored = put(house, connection, change, sorted_in)
    return stored, change.finish() if stored else None


def put(house: House, connection: Connection, change: Change, sorted_in: Mapping[Category, Columns]) -> int:
    """Put rows (:func:`sorted_by_category`) into a change that is under way; return how many were not there yet.

    Where there are none, the change stays without any: a generation that no head counts would shut the drawer.
    """
    stored = 0
    for category, rows in sorted_in.items():
        new = _fresh(connection, change, category, rows)
        if len(new):
            shelves = _shelves(house, change, category, new)
            change.add(category, segment.seal_all(new, shelves, import_id=b"", written=change.at))
            stored += len(new)
    return stored


def _fresh(connection: Connection, change: Change, category: Category, rows: Columns) -> Columns:
    """Return the rows of a category that are not there yet."""
    drawer = change.drawer(category)
    if drawer is None:
        return rows
    months = naming.months_of(rows.start)
    tags = {month: _tag(change, category, month) for month, _, _ in months}
    known: dict[bytes, list[bytes]] = {}
    for row in state.segments(connection, change.state, drawer, tags=tags.values(), parts=Parts.MARKS):
        known.setdefault(row.tag, []).append(row.fingerprints)
    if not known:
        return rows
    is_new = np.ones(len(rows), dtype=np.bool_)
    for month, begin, end in months:
        if found := known.get(tags[month]):
            there = read_marks(b"".join(found))
            is_new[begin:end] = np.isin(rows.fingerprint[begin:end], there, invert=True)
    return rows.take(is_new)


def _shelves(house: House, change: Change, category: Category, rows: Columns) -> list[tuple[Place, int]]:
    """Return where each month's rows go and end, under the generation that is to be added to."""
    generation, public = change.generation_for(category, house.wanted(change.state, category, change.at))
    keys, vault = change.state.keys, change.state.vault
    drawer = naming.drawer_id(keys, category)
    lock = Lock.to(public, vault=vault, drawer=drawer, generation=generation)
    return [
        (Place(lock, _tag(change, category, month)), end) for month, _, end in naming.months_of(rows.start)
    ]


def _tag(change: Change, category: Category, month: int) -> bytes:
    return naming.month_tag(change.state.keys, category, naming.month_named(month))
