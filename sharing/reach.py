"""What somebody may do with one vault, so that a page can offer it: which categories to read and to add.

A forecast is what the gate would say now. It is pure, releases nothing and is no permission: what is then
done is asked of the gate, which decides again and writes it down. Whose vault it is, is told only to those
whom the gate has let in.
"""

from dataclasses import dataclass
from datetime import datetime

from audit.events import Activity, EventKind
from consent.judge import Denied, Granted, Matter, Need, judge
from identity.principal import Principal, Staff
from policies.vocabulary import Category, Deed
from sharing import summing
from sharing.emergency import Under
from sharing.house import House, purpose_of
from sharing.reading import Query
from sharing.summing import Latest
from vault.state import VaultState


@dataclass(frozen=True, slots=True)
class Met:
    """One citizen as a commission meets them: name, what it may read and add, and the newest values.

    ``urgent`` are the categories that an emergency opening opens, or may not be told from those that it does.
    """

    name: str
    readable: tuple[Category, ...]
    addable: tuple[Category, ...]
    latest: tuple[Latest, ...]
    urgent: frozenset[Category] = frozenset()


@dataclass(frozen=True, slots=True)
class Reach:
    """What somebody may do with one vault, by category: read, add, and decide who else may; and read its log."""

    read: tuple[Category, ...]
    add: tuple[Category, ...]
    manage: tuple[Category, ...]
    log: bool

    @property
    def anything(self) -> bool:
        """Tell whether there is any category at all."""
        return bool(self.read or self.add or self.manage)


@dataclass(frozen=True, slots=True)
class Adding:
    """To whose vault somebody may add, and what."""

    name: str
    categories: tuple[Category, ...]


async def meet(house: House, principal: Principal, alias: bytes) -> Met:
    """Return what there is for this principal at a citizen's.

    1. reading is asked for and logged wherever something can be read, or nothing can be done at all;
    2. who may add but not read is let in by that, and the log does not say that anything was read.

    Raises:
        consent.gate.Refused: nothing may be read or added; the same where there is no vault.
    """
    vault_state = await house.database.read(lambda connection: house.load(connection, alias))
    readable = _forecast(house, principal, vault_state, Deed.READ)
    addable = _forecast(house, principal, vault_state, Deed.ADD)
    if readable or not addable:
        latest = await summing.latest(house, principal, alias, Query())
        return Met(vault_state.profile.name, readable, addable, latest)
    adding = await may_add(house, principal, alias)
    return Met(adding.name, (), adding.categories, ())


async def meet_in_emergency(house: House, staff: Staff, alias: bytes, under: Under) -> Met:
    """Return what there is under an opening that holds, and by consent beside it, which no opening takes away.

    A citizen who has no vault is met as one whose vault is empty: no name, unless something else tells of the vault.

    Raises:
        consent.gate.Refused: nothing may be read, and it may be told that something is blocked.
    """
    vault_state = await house.database.read(lambda connection: house.load(connection, alias))
    shared = _forecast(house, staff, vault_state, Deed.READ)
    opened = _forecast(house, staff, vault_state, Deed.READ, opened=under.opening.at)
    addable = _forecast(house, staff, vault_state, Deed.ADD)
    beside = tuple(one for one in shared if one not in opened)
    latest: tuple[Latest, ...] = ()
    if opened or not beside:
        latest = await summing.latest(house, staff, alias, Query(emergency=True))
    if beside:
        latest += await summing.latest(house, staff, alias, Query(beside))
    urgent = frozenset(Category if under.blocked is None else opened).difference(beside)
    readable = tuple(one for one in Category if one in urgent or one in beside)
    name = vault_state.profile.name if latest or shared or addable else ""
    return Met(name, readable, addable, latest, urgent)


async def may_add(house: House, principal: Principal, alias: bytes) -> Adding:
    """Return what may be added, before anything is; the log tells it from adding, unless it is refused.

    Raises:
        consent.gate.Refused: nothing may be added; the same where there is no vault.
    """
    vault_state = await house.database.read(lambda connection: house.load(connection, alias))
    some = bool(_forecast(house, principal, vault_state, Deed.ADD))
    authorization = await house.ask(
        principal,
        vault_state,
        Deed.ADD,
        EventKind.VIEW if some else EventKind.ADD,
        Activity.READ,
        categories=tuple(Category),
        need=Need.SOME,
    )
    return Adding(vault_state.profile.name, authorization.categories)


async def of(house: House, principal: Principal, alias: bytes) -> Reach:
    """Return what somebody may do with a citizen's vault, so that a page offers that and no more."""
    return forecast(house, principal, await house.database.read(lambda reader: house.load(reader, alias)))


def forecast(house: House, principal: Principal, vault_state: VaultState) -> Reach:
    """Return the same of a vault that is loaded. Who manages all of it by law has no scopes, and every category."""
    match _judge(house, principal, vault_state, Deed.MANAGE):
        case Granted(scopes=scopes):
            managed = tuple(scopes) or tuple(Category)
        case Denied():
            managed = ()
    return Reach(
        _forecast(house, principal, vault_state, Deed.READ),
        _forecast(house, principal, vault_state, Deed.ADD),
        managed,
        permits(house, principal, vault_state, Deed.READ_LOG),
    )


def permits(house: House, principal: Principal, vault_state: VaultState, deed: Deed) -> bool:
    """Tell whether somebody may do a deed, at least of something."""
    return isinstance(_judge(house, principal, vault_state, deed), Granted)


async def manages(house: House, principal: Principal, alias: bytes) -> bool:
    """Tell whether rules, imports and answers to requests are this principal's matter (a child's are not)."""
    vault_state = await house.database.read(lambda connection: house.load(connection, alias))
    match _judge(house, principal, vault_state, Deed.MANAGE):
        case Granted():
            return True
        case Denied():
            return False


async def blocks(house: House, principal: Principal, alias: bytes) -> bool:
    """Tell whether this principal may block here: the owner alone, and no guardian."""
    vault_state = await house.database.read(lambda connection: house.load(connection, alias))
    match _judge(house, principal, vault_state, Deed.BLOCK):
        case Granted():
            return True
        case Denied():
            return False


def _forecast(
    house: House,
    principal: Principal,
    vault_state: VaultState,
    deed: Deed,
    *,
    opened: datetime | None = None,
) -> tuple[Category, ...]:
    match _judge(house, principal, vault_state, deed, opened):
        case Granted(scopes=scopes):
            return tuple(scopes)
        case Denied():
            return ()


def _judge(
    house: House, principal: Principal, vault_state: VaultState, deed: Deed, opened: datetime | None = None
) -> Granted | Denied:
    about, purpose = house.subject(vault_state), purpose_of(principal)
    matter = Matter(principal, about, deed, house.clock(), purpose, tuple(Category), opened)
    gate = house.gate
    return judge(matter, Need.SOME, rules=vault_state.rules, policies=gate.policies, indexes=gate.indexes)
