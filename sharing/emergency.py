"""Emergency access (nödöppning): staff open what is not blocked, say why, and the citizen is told at once.

Who may, for how long, and whether it is told that something is blocked, the policies say (policies/emergency*.cedar,
blocked-data--*.cedar). An opening is a row, and an entry of the log that a supervisor owes a review. What is then read
is asked under it, read by read: :attr:`sharing.reading.Query.emergency`. What the citizen is told and can say of it is
:mod:`sharing.openings`'s.
"""

import bisect
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Connection, insert

from audit.events import Activity, EventKind
from consent.judge import Granted, Matter, Need, judge
from consent.nodes import standing
from consent.questions import NOBODY
from consent.rules import Rule, RuleError, RuleSet
from identity.directory import Directory
from identity.principal import Principal, Staff
from keys import envelope
from keys.envelope import context, microseconds, moment
from keys.keystore import VaultKeys
from policies.vocabulary import Action, Category, Deed
from sharing.house import House, purpose_of
from sharing.tables import EmergencyOpeningRow
from vault import state
from vault.database import rows
from vault.state import VaultState

_OPENINGS = EmergencyOpeningRow.__table__  # type: ignore[attr-defined]
_FIND = """
SELECT opening_id, sealed, created_us FROM emergency_openings
WHERE vault_id = ? AND created_us >= ? ORDER BY created_us DESC
"""
_FIND_ONE = (
    "SELECT opening_id, sealed, created_us FROM emergency_openings WHERE vault_id = ? AND opening_id = ?"
)
SHORTEST_REASON, LONGEST_REASON = 10, 1000  # characters
_LONGEST_OPENING = timedelta(days=1)  # the longest that any policy lets it last
_MINUTE = timedelta(minutes=1)


class _Sealed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What of an opening is sealed; ``patient`` is the public id (hex) that was opened: many lead to the decoy."""

    staff: str
    name: str
    title: str
    commission: str
    unit: str
    unit_name: str
    provider_name: str
    reason: str
    patient: str = ""


@dataclass(frozen=True, slots=True)
class Opening:
    """Who opened a vault in an emergency, when, where they work, and why."""

    id: str
    at: datetime
    staff_id: str
    staff_name: str
    staff_title: str
    commission: str
    unit_id: str
    unit_name: str
    provider_name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Blocked:
    """That something is blocked: the provider who answers for it, by id and name; empty for the citizen's own."""

    provider: str
    name: str


@dataclass(frozen=True, slots=True)
class Opened:
    """An opening that was made; ``blocked`` is None where nobody is told of blocked data."""

    opening: Opening
    ends: datetime
    blocked: tuple[Blocked, ...] | None


@dataclass(frozen=True, slots=True)
class Under:
    """The latest opening that somebody made of a citizen's vault: until when it holds, or that it has run out.

    ``blocked`` is None where nobody is told of blocked data, or it has run out.
    """

    opening: Opening
    ends: datetime
    is_over: bool
    blocked: tuple[Blocked, ...] | None = None


def lasts(house: House, staff: Staff) -> timedelta | None:
    """Return how long an opening of theirs would hold, as the policies in force say; None for one who may not open.

    It is no permission, and the same whoever the citizen is.
    """
    gate, at, purpose = house.gate, house.clock(), staff.commission.purpose
    may = Matter(staff, NOBODY, Deed.EMERGENCY, at, purpose)
    if not isinstance(
        judge(may, Need.EVERY, rules=RuleSet(0), policies=gate.policies, indexes=gate.indexes), Granted
    ):
        return None

    def is_over(minutes: int) -> bool:
        later, what = at + minutes * _MINUTE, (Category.BLOOD_PRESSURE,)
        read = Matter(staff, NOBODY, Deed.READ, later, purpose, what, opened=at)
        found = judge(read, Need.EVERY, rules=RuleSet(0), policies=gate.policies, indexes=gate.indexes)
        return not isinstance(found, Granted)

    return bisect.bisect_left(range(_LONGEST_OPENING // _MINUTE), x=True, key=is_over) * _MINUTE


async def under(house: House, staff: Staff, alias: bytes) -> Under | None:
    """Return the latest opening that somebody made on the commission they act on, to themself; none of long ago.

    The log has the opening already, and it releases nothing: what is read under it is asked for and logged.
    """
    at = house.clock()

    def work(connection: Connection) -> tuple[VaultState, Opening | None]:
        vault_state = house.load(connection, alias)
        return vault_state, find(connection, vault_state, staff, alias, at - _LONGEST_OPENING)

    vault_state, opening = await house.database.read(work)
    if opening is None:
        return None
    ends = opening.at + (lasts(house, staff) or timedelta())
    if ends <= at:
        return Under(opening, ends, is_over=True)
    return Under(opening, ends, is_over=False, blocked=_blocked(house, staff, vault_state, at))


def checked_reason(text: str) -> str:
    """Return a reason as it is kept, on one line.

    Raises:
        RuleError: it is too short to be one, or too long.
    """
    reason = " ".join(text.split())
    if not SHORTEST_REASON <= len(reason) <= LONGEST_REASON:
        raise RuleError(f"reason: {SHORTEST_REASON} to {LONGEST_REASON} characters")
    return reason


async def open_vault(house: House, staff: Staff, alias: bytes, reason: str) -> Opened:
    """Open a citizen's vault in an emergency; what is then read is asked for anew.

    A citizen who has no vault is opened at the decoy's: there is nothing to read, and nothing tells why.

    Raises:
        consent.gate.Refused: this principal may not, whoever the citizen is.
        RuleError: the reason is too short to be one, or too long.
    """
    reason = checked_reason(reason)
    vault_state = await house.database.read(lambda connection: house.load(connection, alias))
    opening_id, unit = secrets.token_bytes(16), staff.commission.unit
    authorization = await house.ask(
        staff,
        vault_state,
        Deed.EMERGENCY,
        EventKind.EMERGENCY,
        Activity.EMERGENCY,
        subject=opening_id.hex(),
    )
    told = _Sealed(
        staff.id,
        staff.name,
        staff.title,
        staff.commission.id,
        unit.id,
        unit.name,
        unit.provider.name,
        reason,
        alias.hex(),
    )
    at = authorization.ask.at
    created_us = microseconds(at)
    row = {
        "vault_id": vault_state.vault,
        "opening_id": opening_id,
        "sealed": _seal(vault_state.keys, opening_id, created_us, told),
        "created_us": created_us,
    }
    await house.database.write(lambda connection: connection.execute(insert(_OPENINGS).values(row)))
    ends = at + (lasts(house, staff) or timedelta())
    return Opened(_opening(opening_id, at, told), ends, _blocked(house, staff, vault_state, at))


def find(
    connection: Connection, vault_state: VaultState, principal: Principal, alias: bytes, at: datetime
) -> Opening | None:
    """Return the latest opening that somebody made, on the commission they act on, by this id.

    It is looked for so far back from ``at`` as any holds. Openings of all who have no vault lie together, at the
    decoy's: one of them is none of another's.
    """
    if not isinstance(principal, Staff):
        return None
    mine = (principal.id, principal.commission.id, alias.hex())
    for opening, patient in _openings(connection, vault_state, at - _LONGEST_OPENING):
        if (opening.staff_id, opening.commission, patient) == mine:
            return opening
    return None


def reason_of(house: House, vault: bytes, opening_id: str) -> str:
    """Return why an opening was made, for who reviews it and was let in to do so; nothing where its row is gone."""
    logged = house.log.latest_head(vault)

    def work(connection: Connection) -> str:
        vault_state = state.load(connection, house.keystore, vault, logged=logged)
        found = rows(connection, _FIND_ONE, (vault, bytes.fromhex(opening_id)))
        return _told(vault_state.keys, found[0]).reason if found else ""

    return house.database.read_now(work)


def all_of(connection: Connection, vault_state: VaultState) -> tuple[Opening, ...]:
    """Return every opening of a vault, newest first."""
    return tuple(opening for opening, _ in _openings(connection, vault_state, None))


def _openings(
    connection: Connection, vault_state: VaultState, since: datetime | None
) -> Iterator[tuple[Opening, str]]:
    """Yield the openings of a vault, newest first, each with the public id by which it was opened."""
    least = 0 if since is None else microseconds(since)
    for opening_id, sealed, created_us in rows(connection, _FIND, (vault_state.vault, least)):
        told = _told(vault_state.keys, (opening_id, sealed, created_us))
        yield _opening(opening_id, moment(created_us), told), told.patient


def _told(keys: VaultKeys, row: tuple[bytes, bytes, int]) -> _Sealed:
    opening_id, sealed, created_us = row
    bound = context("emergency-opening", keys.vault, opening_id, created_us)
    return msgspec.json.decode(envelope.open_box(keys.rules, sealed, bound_to=bound), type=_Sealed)


def _opening(opening_id: bytes, at: datetime, told: _Sealed) -> Opening:
    return Opening(
        opening_id.hex(),
        at,
        told.staff,
        told.name,
        told.title,
        told.commission,
        told.unit,
        told.unit_name,
        told.provider_name,
        told.reason,
    )


def _seal(keys: VaultKeys, opening_id: bytes, created_us: int, told: _Sealed) -> bytes:
    bound = context("emergency-opening", keys.vault, opening_id, created_us)
    return envelope.seal_box(keys.rules, msgspec.json.encode(told), bound_to=bound)


def _blocked(house: House, staff: Staff, vault_state: VaultState, at: datetime) -> tuple[Blocked, ...] | None:
    """Tell which providers answer for what is blocked to somebody, if anybody is told."""
    gate = house.gate
    matter = Matter(staff, house.subject(vault_state), Deed.KNOW_BLOCKED, at, purpose_of(staff))
    may_know = judge(
        matter, Need.EVERY, rules=vault_state.rules, policies=gate.policies, indexes=gate.indexes
    )
    if not isinstance(may_know, Granted):
        return None
    index = gate.indexes.of(vault_state.vault, vault_state.rules)
    who = standing(staff, emergency=True)
    rules = {
        rule.id: rule
        for category in Category
        for rule in index.match(who, Action.READ, category, purpose_of(staff), at).denies
    }
    directory = house.directory()
    return tuple(
        sorted(
            {one for rule in rules.values() for one in _answering(directory, rule)}, key=lambda one: one.name
        )
    )


def _answering(directory: Directory, rule: Rule) -> Iterator[Blocked]:
    """Yield who answers for what a block closes: the providers whose data it names; nobody for the citizen's own."""
    named = False
    for source in rule.sources:
        kind, _, id_ = source.partition(":")
        if kind == "unit" and id_ in directory.units:
            id_ = directory.units[id_].provider.id
        if kind in {"unit", "provider"}:
            named = True
            yield Blocked(id_, directory.node_name(f"provider:{id_}"))
    if not named:
        yield Blocked("", "")
