"""Reading: what a principal may see of a vault, in columns or records.

Sums and newest values are :mod:`sharing.summing`'s, pages :mod:`sharing.paging`'s, whole exports
:mod:`sharing.streaming`'s; all of them begin by :func:`open_segments`.

One snapshot gives head, rules, wraps and sealed bytes; it is closed before the log is awaited; only then are
keys released and records opened, and the rules' finer terms laid over them as masks.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property, partial
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from msgspec.structs import replace
from sqlalchemy import Connection

from audit.events import Activity, Decision, EventKind
from consent.gate import Authorization
from consent.judge import Need, Reason
from consent.nodes import recipients_of
from consent.scope import Kind, Numbers, Scope, Terms
from identity.principal import Principal
from policies.vocabulary import Action, Category, Deed, Purpose
from sharing import compacting, emergency
from sharing.aside import aside
from sharing.house import House
from vault import naming, state
from vault.columns import Columns, join
from vault.days import local_days
from vault.errors import MovedOnError, NoKeyError
from vault.naming import DrawerName
from vault.opening import Opening
from vault.record import Record
from vault.segment import Parts, Segment
from vault.state import Drawer, VaultState
from vault.summary import Summary

T = TypeVar("T")

_DAY = timedelta(days=1)
_MANY_MONTHS = 1200  # beyond that, all shelves are fetched
_LONG = timedelta(days=400)  # a query of so long a time is fetched aside
_MANY_SEGMENTS = 24  # so many are opened aside
_FEW_MONTHS = 24  # so many are asked for together with the drawer
_TRIES = 3
_AT_ONCE = 32  # bodies that are fetched together


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for: categories, codes and FHIR types (all, where empty), local days both included.

    ``month`` (``YYYY-MM``, UTC) asks for what is filed under it, and goes without days. ``emergency`` asks under an
    opening that the asker has made (:mod:`sharing.emergency`). A ``lens`` is laid over what the asker may read whole,
    so that of each category only what it opens is seen (:mod:`sharing.seeing`); it never opens anything.
    """

    categories: tuple[Category, ...] = ()
    first: date | None = None
    last: date | None = None
    codes: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    need: Need = Need.SOME
    purpose: Purpose | None = None
    kind: EventKind = EventKind.READ
    month: str = ""
    emergency: bool = False
    lens: Mapping[Category, Scope] | None = None

    @property
    def has_end(self) -> bool:
        """Tell whether no month can be asked for beyond those that the query names."""
        return bool(self.month) or self.last is not None

    @property
    def terms(self) -> Terms:
        """Codes and days, as masks over columns."""
        return Terms("", self.codes, self.first, self.last)


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
    opened: emergency.Opening | None = None
    drawers: dict[DrawerName, Drawer] = field(default_factory=dict)
    rows: dict[DrawerName, list[Segment]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sealed:
    """The sealed segments of one category that may be read, and what of it is open."""

    category: Category
    scope: Scope
    drawer: Drawer
    rows: Sequence[Segment]


@dataclass(frozen=True, slots=True)
class Opened:
    """Sealed segments whose keys were released: open them one at a time, as often as memory allows.

    Bodies that were not fetched at first are fetched as they are needed, each in a short snapshot.
    """

    authorization: Authorization
    query: Query
    state: VaultState
    sealed: tuple[Sealed, ...]
    _house: House
    _opening: Opening
    _parts: Parts

    @property
    def count(self) -> int:
        """How many segments there are."""
        return sum(len(one.rows) for one in self.sealed)

    def pieces(self) -> Iterator[Columns]:
        """Open segment after segment, category by category, and yield of each what may be seen.

        Raises:
            vault.errors.MovedOnError: a body is no longer there to be fetched.
        """
        for one in self.sealed:
            yield from self.records(one, one.rows)

    def records(
        self, one: Sealed, rows: Sequence[Segment], mark: np.uint64 | None = None
    ) -> Iterator[Columns]:
        """Open some of a category's segments, or of them one record; it raises what :meth:`pieces` does."""
        for at in range(0, len(rows), _AT_ONCE):
            whole = self._whole(one, rows[at : at + _AT_ONCE])
            for _, columns in self._opening.columns(one.drawer, whole):
                some = columns if mark is None else columns.take(columns.fingerprint == mark)
                yield some.take(_mask(self.query, one.scope, some))

    def summaries(self, one: Sealed, rows: Sequence[Segment]) -> Iterator[Summary]:
        """Open some of a category's summaries; what of each may be seen is told by the scope."""
        return self._opening.summaries(one.drawer, rows)

    def _whole(self, one: Sealed, rows: Sequence[Segment]) -> Sequence[Segment]:
        if "body" not in self._parts.absent:
            return rows
        return self._house.database.look_now(
            lambda connection: state.bodies(connection, self.state, one.drawer, rows)
        )

    async def end(self, counts: Mapping[str, int]) -> None:
        """Tell the log what came out; and where it is the owner who opened the drawers, tidy them up."""
        house, shelves = self._house, {one.category: (one.drawer, one.rows) for one in self.sealed}
        head, tidied = await compacting.compact(house, self.authorization, self._opening, self.state, shelves)
        if head is None:
            self.end_now(counts)
        else:
            await house.changed(self.authorization, head, {**counts, **tidied})

    def end_now(self, counts: Mapping[str, int]) -> None:
        """Tell the log what came out, and nothing more."""
        self._house.log.follow(self._house.outcome(self.authorization, counts))


async def read(house: House, principal: Principal, alias: bytes, query: Query) -> Reading:
    """Read records of one citizen.

    Raises:
        consent.gate.Refused: nothing of what is asked may be read.
        vault.errors.NoKeyError: it may, but no key was ever wrapped for the asker; the log has that too.
        vault.errors.TamperedError: the stored rows are not the vault's.
    """

    def work(opened: Opened) -> tuple[Reading, Mapping[str, int]]:
        columns, authorization = (
            join(sorted(opened.pieces(), key=_begin)).in_time_order(),
            opened.authorization,
        )
        found = Reading(authorization, authorization.categories, columns, opened.state.vault)
        return found, {"records": len(columns)}

    return await through(house, principal, alias, query, Parts.BODY, work)


async def find(
    house: House, principal: Principal, alias: bytes, query: Query, fingerprint: int
) -> Record | None:
    """Read one record by its month and its fingerprint, which stands in the clear: no other segment is opened.

    It raises what :func:`read` does.
    """
    opened = await open_segments(house, principal, alias, query, Parts.BODY)
    mark, found = fingerprint.to_bytes(8, "big"), list[Record]()
    for one in opened.sealed:
        rows = [row for row in one.rows if mark in row.fingerprints]
        for columns in opened.records(one, rows, np.uint64(fingerprint)):
            found += columns.records()
    await opened.end({"records": len(found)})
    return found[0] if found else None


async def open_segments(
    house: House, principal: Principal, alias: bytes, query: Query, parts: Parts
) -> Opened:
    """Do all that comes before the first record: snapshot, gate, log, keys. Nothing is opened yet.

    End it by :meth:`Opened.end`. It raises what :func:`read` does.
    """
    snapshot = await _take(house, principal, alias, query, parts)
    authorization = await _authorize(house, principal, snapshot, query)
    await _demand_keys(house, authorization, snapshot, query)
    scopes = ((category, _seen(query, category, scope)) for category, scope in authorization.scopes.items())
    sealed = tuple(
        Sealed(category, scope, snapshot.drawers[category], snapshot.rows[category])
        for category, scope in scopes
        if scope is not None and category in snapshot.drawers
    )
    keys = Opening(authorization, house.keystore, snapshot.state, at=house.clock())
    # Every key that will be needed now, while the receipt is young: a long read outlives it.
    for one in sealed:
        keys.release(one.drawer, one.rows)
    return Opened(authorization, query, snapshot.state, sealed, house, keys, parts)


async def through(
    house: House,
    principal: Principal,
    alias: bytes,
    query: Query,
    parts: Parts,
    work: Callable[[Opened], tuple[T, Mapping[str, int]]],
) -> T:
    """Do the whole of a reading: all that comes before, ``work``, which opens segments, and the log's word of counts.

    Many segments are opened aside. Where bodies that are fetched later have moved on meanwhile (put together with
    others), all is begun anew.
    """
    for _ in range(_TRIES):
        opened = await open_segments(house, principal, alias, query, parts)
        try:
            is_long = opened.count > _MANY_SEGMENTS
            found, counts = await aside(partial(work, opened)) if is_long else work(opened)
        except MovedOnError:
            opened.end_now({})
            continue
        await opened.end(counts)
        return found
    raise MovedOnError("the vault is busy")


async def _take(house: House, principal: Principal, alias: bytes, query: Query, parts: Parts) -> _Snapshot:
    categories, today = query.categories or tuple(Category), house.clock().date()

    def work(connection: Connection, loaded: VaultState) -> _Snapshot:
        opened = None
        if query.emergency:
            opened = emergency.find(connection, loaded, principal, alias, house.clock())
        urgent = opened is not None
        snapshot = _Snapshot(loaded, _recipient_tags(loaded, principal, alias, emergency=urgent), opened)
        fit = (
            categories if urgent else house.may_fit(principal, loaded, Action.READ, categories, query.purpose)
        )
        for category in fit:
            _take_drawer(connection, snapshot, category, query, parts, today)
        return snapshot

    is_long = not query.month and (query.first is None or query.first < today - _LONG)
    return await house.look(alias, work, is_long=is_long)


def _recipient_tags(
    vault_state: VaultState, principal: Principal, alias: bytes, *, emergency: bool
) -> frozenset[bytes]:
    """Name the wraps that the asker could open; at the decoy's, whose owner nobody is, there are none."""
    found = recipients_of(principal, vault_state.vault, owner=alias, emergency=emergency)
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
    of, months = snapshot.state, _months(query, today)
    if months is not None and query.has_end and 0 < len(months) <= _FEW_MONTHS:
        tags = [_tag(of, category, month) for month in months]
        found = state.drawer_with(connection, of, category, tags, parts)
        if found is not None and _has_key(snapshot, found[0]):
            snapshot.drawers[category], snapshot.rows[category] = found
        return
    drawer = state.drawer(connection, of, category)
    if drawer is not None and _has_key(snapshot, drawer):
        wanted = None if months is None else _tags(of, drawer, query, months)
        snapshot.drawers[category] = drawer
        snapshot.rows[category] = state.segments(connection, of, drawer, tags=wanted, parts=parts)


def _has_key(snapshot: _Snapshot, drawer: Drawer) -> bool:
    return any(row.recipient in snapshot.mine for row in drawer.wraps)


def _months(query: Query, today: date) -> range | None:
    """Name the months that the query touches, None for all. A day at either end covers every zone.

    A query without an end reaches a year from now here, and by :func:`_tags` as far as there is anything.
    """
    if query.month:
        number = naming.number_of(query.month)
        return range(number, number + 1)
    if query.first is None:
        return None
    first = naming.month_number(max(query.first, date.min + _DAY) - _DAY)
    end = today + timedelta(days=366) if query.last is None else min(query.last, date.max - _DAY) + _DAY
    months = range(first, naming.month_number(end) + 1)
    return months if len(months) <= _MANY_MONTHS else None


def _tags(vault_state: VaultState, drawer: Drawer, query: Query, months: range) -> list[bytes]:
    """Name the shelves of some months; without an end, since a plan may lie years ahead, also those beyond.

    Shelves tell no month, so these are found by striking out the months before the query.
    """
    tags = {_tag(vault_state, drawer.name, month) for month in months}
    if not query.has_end:
        rest = set(drawer.shelves) - tags
        for month in range(months.start - 1, naming.month_number(date(naming.FIRST_YEAR, 1, 1)) - 1, -1):
            if not rest:
                break
            rest.discard(_tag(vault_state, drawer.name, month))
        tags |= rest
    return list(tags)


def _tag(vault_state: VaultState, name: DrawerName, month: int) -> bytes:
    return naming.month_tag(vault_state.keys, name, naming.month_named(month))


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
    """Ask the gate; what is read under an opening is logged as its, by its id."""
    opening = snapshot.opened
    return await house.ask(
        principal,
        snapshot.state,
        Deed.READ,
        query.kind,
        Activity.READ if opening is None else Activity.EMERGENCY,
        categories=query.categories or tuple(Category),
        purpose=query.purpose,
        need=query.need,
        drawers=snapshot.drawers,
        subject="" if opening is None else opening.id,
        opened=None if opening is None else opening.at,
    )


def _seen(query: Query, category: Category, scope: Scope) -> Scope | None:
    """Return what of a category is shown: all that is open, or under a lens, which needs all, what it lets through."""
    if query.lens is None:
        return scope
    return query.lens.get(category) if scope.whole else None


def _begin(columns: Columns) -> int:
    """Return a piece's first moment: joined by it, months need no sorting."""
    return int(columns.start[0]) if len(columns) else 0


def facts(columns: Columns) -> tuple[list[Kind], Numbers, Numbers, Numbers]:
    """Return what the finer terms of rules ask of rows (``Scope.mask``)."""
    return columns.kinds, columns.shape, local_days(columns.start), columns.fingerprint


def _mask(query: Query, scope: Scope, columns: Columns) -> npt.NDArray[np.bool_]:
    """Tell which rows are asked for and open."""
    seen = np.ones(len(columns), dtype=np.bool_)
    if not (query.terms.whole and scope.whole):
        rows = facts(columns)
        seen = query.terms.mask(*rows) & scope.mask(*rows)
    if query.types:
        seen &= np.array([shape.kind in query.types for shape in columns.shapes], dtype=np.bool_)[
            columns.shape
        ]
    return seen
