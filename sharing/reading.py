"""Reading: what a principal may see of a vault, in whole records, as summaries, or as a list of what is there.

One snapshot gives head, rules, wraps and sealed bytes; it is closed before the log is awaited; only then are
keys released and records opened, and the rules' finer terms laid over them as masks.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from audit.events import Activity, Decision, EventKind
from consent.gate import Authorization
from consent.judge import Need, Reason
from consent.nodes import recipients_of
from identity.principal import Principal
from policies.vocabulary import Action, Category, Deed, Purpose
from sharing.house import House
from vault import naming, state
from vault.errors import NoKeyError
from vault.naming import DrawerName
from vault.opening import Opening
from vault.record import Record
from vault.segment import Parts, Segment, Summary
from vault.state import Drawer, VaultState

SWEDEN = ZoneInfo("Europe/Stockholm")
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


@dataclass(frozen=True, slots=True)
class Reading:
    """What was released: the records in time order, and of which categories anything may be read."""

    authorization: Authorization
    categories: tuple[Category, ...]
    records: tuple[Record, ...]
    vault: bytes


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest record of a code in a category, from summaries: local start, shown value, unit, how many."""

    category: Category
    code: str
    start: datetime
    value: str
    unit: str
    count: int


@dataclass(slots=True)
class _Snapshot:
    state: VaultState
    mine: frozenset[bytes]
    drawers: dict[DrawerName, Drawer] = field(default_factory=dict)
    rows: dict[DrawerName, list[Segment]] = field(default_factory=dict)


async def read(house: House, principal: Principal, alias: bytes, query: Query) -> Reading:
    """Read records of one citizen.

    Raises:
        consent.gate.Refused: nothing of what is asked may be read.
        vault.errors.NoKeyError: it may, but no key was ever wrapped for the asker; the log has that too.
        vault.errors.TamperedError: the stored rows are not the vault's.
    """
    snapshot = await _take(house, principal, alias, query, Parts.BODY)
    authorization = await _authorize(house, principal, snapshot, query)
    await _demand_keys(house, authorization, snapshot, query)
    opening = _open(house, authorization, snapshot, authorization.scopes)
    records = sorted(_records(opening, authorization, snapshot, query), key=lambda record: record.start)
    house.log.follow(house.outcome(authorization, {"records": len(records)}))
    return Reading(authorization, authorization.categories, tuple(records), snapshot.state.vault)


async def latest(house: House, principal: Principal, alias: bytes, query: Query) -> tuple[Latest, ...]:
    """Read the newest value of each code, from summaries where the whole category is open."""
    snapshot = await _take(house, principal, alias, query, Parts.SUMMARY)
    authorization = await _authorize(house, principal, snapshot, query)
    whole = [category for category, scope in authorization.scopes.items() if scope.whole]
    opening = _open(house, authorization, snapshot, whole)
    found: list[Latest] = []
    for category in whole:
        if category in snapshot.drawers:
            summaries = opening.summaries(snapshot.drawers[category], snapshot.rows[category])
            found += _latest(category, summaries)
    house.log.follow(house.outcome(authorization, {"summaries": len(found)}))
    return tuple(found)


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


def _open(
    house: House, authorization: Authorization, snapshot: _Snapshot, categories: Iterable[Category]
) -> Opening:
    """Release every key that will be needed now, while the receipt is young: a long read outlives it."""
    opening = Opening(authorization, house.keystore, snapshot.state, at=house.clock())
    for category in categories:
        if category in snapshot.drawers:
            opening.release(snapshot.drawers[category], snapshot.rows[category])
    return opening


def _records(
    opening: Opening, authorization: Authorization, snapshot: _Snapshot, query: Query
) -> Iterator[Record]:
    for category, scope in authorization.scopes.items():
        if category not in snapshot.drawers:
            continue
        for _, columns in opening.columns(snapshot.drawers[category], snapshot.rows[category]):
            for record in columns.records():
                day = record.start.astimezone(SWEDEN).date()
                if _fits(query, record, day) and scope.permits(record.code.code, day):
                    yield record


def _fits(query: Query, record: Record, day: date) -> bool:
    return (
        (query.first is None or query.first <= day)
        and (query.last is None or day <= query.last)
        and (not query.codes or record.code.code in query.codes)
    )


def _latest(category: Category, summaries: Iterator[Summary]) -> list[Latest]:
    counts: dict[str, int] = {}
    newest: dict[str, tuple[int, str, str]] = {}
    for summary in summaries:
        for code, count in summary.codes.items():
            counts[code] = counts.get(code, 0) + count
            newest[code] = max(newest.get(code, (0, "", "")), summary.latest[code])
    return [
        Latest(category, code, _local(start), value, unit, counts[code])
        for code, (start, value, unit) in newest.items()
    ]


def _local(us: int) -> datetime:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)).astimezone(SWEDEN)
