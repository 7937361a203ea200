"""Reading: what a principal may see of a vault, in columns or records (sums and newest values: sharing/summing.py).

One snapshot gives head, rules, wraps and sealed bytes; it is closed before the log is awaited; only then are
keys released and records opened, and the rules' finer terms laid over them as masks.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cached_property

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from audit.events import Activity, Decision, EventKind
from consent.gate import Authorization
from consent.judge import Need, Reason
from consent.nodes import recipients_of
from consent.scope import Scope, Terms
from identity.principal import Principal
from policies.vocabulary import Action, Category, Deed, Purpose
from sharing.house import House
from vault import naming, state
from vault.columns import Columns, join
from vault.days import local_days
from vault.errors import NoKeyError
from vault.naming import DrawerName
from vault.opening import Opening
from vault.record import Record
from vault.segment import Parts, Segment
from vault.state import Drawer, VaultState
from vault.summary import Summary

_DAY = timedelta(days=1)
_MANY_MONTHS = 1200  # beyond that, all shelves are fetched


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for: categories (all where empty), local days both included, codes (all where empty)."""

    categories: tuple[Category, ...] = ()
    first: date | None = None
    last: date | None = None
    codes: frozenset[str] = frozenset()
    need: Need = Need.SOME
    purpose: Purpose | None = None
    kind: EventKind = EventKind.READ


@dataclass(frozen=True)
class Reading:
    """What was released: the records in time order, and of which categories anything may be read."""

    authorization: Authorization
    categories: tuple[Category, ...]
    columns: Columns
    vault: bytes

    @cached_property
    def records(self) -> tuple[Record, ...]:
        """All of it as records; where there may be many, take those of a page from ``columns``."""
        return tuple(self.columns.records())


@dataclass(slots=True)
class _Snapshot:
    state: VaultState
    mine: frozenset[bytes]
    drawers: dict[DrawerName, Drawer] = field(default_factory=dict)
    rows: dict[DrawerName, list[Segment]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Opened:
    """Sealed segments whose keys were released: open them one at a time, as often as memory allows."""

    authorization: Authorization
    query: Query
    vault: bytes
    _opening: Opening
    _snapshot: _Snapshot

    def pieces(self) -> Iterator[Columns]:
        """Open segment after segment, category by category, and yield of each what may be seen."""
        for category, scope in self.authorization.scopes.items():
            if category not in self._snapshot.drawers:
                continue
            rows = self._snapshot.rows[category]
            for _, columns in self._opening.columns(self._snapshot.drawers[category], rows):
                yield columns.take(_mask(self.query, scope, columns))

    def summaries(self) -> Iterator[tuple[Category, Scope, Summary]]:
        """Open the summaries; what of each may be seen is told by the scope."""
        for category, scope in self.authorization.scopes.items():
            if category not in self._snapshot.drawers:
                continue
            rows = self._snapshot.rows[category]
            for summary in self._opening.summaries(self._snapshot.drawers[category], rows):
                yield category, scope, summary


async def read(house: House, principal: Principal, alias: bytes, query: Query) -> Reading:
    """Read records of one citizen.

    Raises:
        consent.gate.Refused: nothing of what is asked may be read.
        vault.errors.NoKeyError: it may, but no key was ever wrapped for the asker; the log has that too.
        vault.errors.TamperedError: the stored rows are not the vault's.
    """
    opened = await open_segments(house, principal, alias, query, Parts.BODY)
    columns = join(list(opened.pieces())).in_time_order()
    released(house, opened, {"records": len(columns)})
    return Reading(opened.authorization, opened.authorization.categories, columns, opened.vault)


async def open_segments(
    house: House, principal: Principal, alias: bytes, query: Query, parts: Parts
) -> Opened:
    """Do all that comes before the first record: snapshot, gate, log, keys. Nothing is opened yet.

    End it by :func:`released`, which tells the log what came out. It raises what :func:`read` does.
    """
    snapshot = await _take(house, principal, alias, query, parts)
    authorization = await _authorize(house, principal, snapshot, query)
    await _demand_keys(house, authorization, snapshot, query)
    opening = _open(house, authorization, snapshot)
    return Opened(authorization, query, snapshot.state.vault, opening, snapshot)


def released(house: House, opened: Opened, counts: Mapping[str, int]) -> None:
    """Tell the log what came out."""
    house.log.follow(house.outcome(opened.authorization, counts))


async def _take(house: House, principal: Principal, alias: bytes, query: Query, parts: Parts) -> _Snapshot:
    categories, today = query.categories or tuple(Category), house.clock().date()

    def work(connection: Connection) -> _Snapshot:
        loaded = house.load(connection, alias)
        snapshot = _Snapshot(loaded, _recipient_tags(loaded, principal, alias))
        for category in house.may_fit(principal, loaded, Action.READ, categories, query.purpose):
            _take_drawer(connection, snapshot, category, query, parts, today)
        return snapshot

    return await house.database.read(work)


def _recipient_tags(vault_state: VaultState, principal: Principal, alias: bytes) -> frozenset[bytes]:
    """Name the wraps that the asker could open; at the decoy's, whose owner nobody is, there are none."""
    found = recipients_of(principal, vault_state.vault, owner=alias)
    return frozenset(naming.recipient_tag(vault_state.keys, recipient) for recipient in found)


def _take_drawer(
    connection: Connection,
    snapshot: _Snapshot,
    category: Category,
    query: Query,
    parts: Parts,
    today: date,
) -> None:
    """Take the sealed rows of one drawer, if the asker has a key to it at all."""
    drawer = state.drawer(connection, snapshot.state, category)
    if drawer is None or not any(row.recipient in snapshot.mine for row in drawer.wraps):
        return
    tags = _tags(snapshot.state, drawer, query, today)
    snapshot.drawers[category] = drawer
    snapshot.rows[category] = state.segments(connection, snapshot.state, drawer, tags=tags, parts=parts)


def _tags(vault_state: VaultState, drawer: Drawer, query: Query, today: date) -> list[bytes] | None:
    """Name the shelves of the months that the query touches, or all. A day at either end covers every zone.

    A query without an end reaches as far as there is anything, since a plan may lie years ahead. Shelves tell
    no month, so those beyond a year from now are found by striking out the months before the query.
    """
    if query.first is None:
        return None
    first = naming.month_number(max(query.first, date.min + _DAY) - _DAY)
    end = today + timedelta(days=366) if query.last is None else min(query.last, date.max - _DAY) + _DAY
    months = range(first, naming.month_number(end) + 1)
    if len(months) > _MANY_MONTHS:
        return None
    tags = {_tag(vault_state, drawer, month) for month in months}
    if query.last is None:
        rest = set(drawer.shelves) - tags
        for month in range(first - 1, naming.month_number(date(naming.FIRST_YEAR, 1, 1)) - 1, -1):
            if not rest:
                break
            rest.discard(_tag(vault_state, drawer, month))
        tags |= rest
    return list(tags)


def _tag(vault_state: VaultState, drawer: Drawer, month: int) -> bytes:
    return naming.month_tag(vault_state.keys, drawer.name, naming.month_named(month))


async def _demand_keys(house: House, authorization: Authorization, snapshot: _Snapshot, query: Query) -> None:
    """Refuse rather than show nothing where there is something that the asker has no key to.

    It happens where a rule outran its keys: a person who was named has since got a new unit.
    """
    loaded = snapshot.state
    locked = {
        category
        for category in authorization.categories
        if naming.drawer_id(loaded.keys, category) in loaded.head.drawers and category not in snapshot.drawers
    }
    if locked and (query.need is Need.EVERY or locked == set(authorization.categories)):
        outcome = house.outcome(authorization, {"records": 0})
        await house.log.append(replace(outcome, decision=Decision.REFUSE, reason=Reason.NOT_PERMITTED))
        raise NoKeyError("no consent, no wrap")


async def _authorize(house: House, principal: Principal, snapshot: _Snapshot, query: Query) -> Authorization:
    return await house.ask(
        principal,
        snapshot.state,
        Deed.READ,
        query.kind,
        Activity.READ,
        categories=query.categories or tuple(Category),
        purpose=query.purpose,
        need=query.need,
        drawers=snapshot.drawers,
    )


def _open(house: House, authorization: Authorization, snapshot: _Snapshot) -> Opening:
    """Release every key that will be needed now, while the receipt is young: a long read outlives it."""
    opening = Opening(authorization, house.keystore, snapshot.state, at=house.clock())
    for category in authorization.scopes:
        if category in snapshot.drawers:
            opening.release(snapshot.drawers[category], snapshot.rows[category])
    return opening


def _mask(query: Query, scope: Scope, columns: Columns) -> npt.NDArray[np.bool_]:
    """Tell which rows are asked for and open."""
    codes, days = [shape.code.code for shape in columns.shapes], local_days(columns.start)
    asked = Terms("", query.codes, query.first, query.last)
    return asked.mask(codes, columns.shape, days) & scope.mask(codes, columns.shape, days)
