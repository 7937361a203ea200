"""Those who act for a citizen by mandate: whom one may act for, giving a mandate, seeing what it rests on.

A mandate is a rule (:mod:`consent.rules`): an allow to a proxy. So all that holds of rules holds of mandates, and the
gate decides by them at each request; nothing here is permission.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from audit.events import Activity, EventKind
from consent.judge import Need
from consent.mandates import companions, is_mandate
from consent.rules import Rule, RuleError
from identity.principal import Person, Principal, Proxy, Relation
from identity.sessions import Ward
from policies.vocabulary import Category, Deed, Effect, GranteeKind
from sharing import granting, reach, reading
from sharing.granting import NoSuchRuleError, Wish
from sharing.house import House
from vault import mandates, state
from vault.errors import VaultError
from vault.record import Record, parse_record_id
from vault.state import VaultState

_LOG = logging.getLogger(__name__)

#: The relations that rest on a document; a relative is let in by the citizen's word alone.
DOCUMENTED = frozenset({Relation.REPRESENTATIVE, Relation.LEGAL_GUARDIAN})
_LONGEST_NAME = 80


# --- whom one may act for


async def wards_of(house: House, person: Person) -> tuple[Ward, ...]:
    """Return whom somebody may act for by mandate at this moment, and as what.

    1. hints say which vaults to look at (:mod:`vault.mandates`), 2. each is loaded and verified like any other,
    3. its rules in force must name this person, 4. and the gate's own decision let them do something by that. One vault
    that does not hold takes its own offer away and nobody else's.
    """
    hints = await house.database.read(lambda reader: mandates.vaults_of(reader, house.keystore, person.alias))
    found = [ward for vault in hints for ward in _wards(house, person, await _load(house, vault))]
    return tuple(sorted(found, key=lambda ward: (ward.person.name, ward.person.alias, ward.relation)))


async def _load(house: House, vault: bytes) -> VaultState | None:
    """Load the vault of a hint; the log is asked before the snapshot begins, as :meth:`House.load` says."""

    def work(connection: Connection) -> VaultState:
        return state.load(connection, house.keystore, vault, logged=house.log.latest_head(vault))

    try:
        return await house.database.read(work)
    except VaultError as error:
        _LOG.warning("a mandate is not offered: %s", type(error).__name__)
        return None


def _wards(house: House, person: Person, loaded: VaultState | None) -> Iterable[Ward]:
    if loaded is None or loaded.owner == person.alias:
        return
    owner = owner_of(loaded)
    for relation in Relation:
        named = (_names(rule, person.alias, relation) for rule in loaded.rules.rules)
        if any(named) and reach.forecast(house, Proxy(person, owner, relation), loaded).anything:
            yield Ward(owner, relation)


def owner_of(loaded: VaultState) -> Person:
    """Return the person whose vault it is."""
    profile = loaded.profile
    return Person(loaded.owner, profile.name, profile.birth_date, profile.protected)


def _names(rule: Rule, alias: bytes, relation: Relation) -> bool:
    whom = (rule.effect, rule.grantee.kind, rule.grantee.id, rule.relation)
    return whom == (Effect.ALLOW, GranteeKind.PROXY, alias.hex(), relation)


# --- a citizen's mandates


@dataclass(frozen=True, slots=True)
class Mandate:
    """A mandate as its owner and its proxy see it; ``called`` is what the owner calls the proxy."""

    rule: Rule
    called: str


@dataclass(frozen=True, slots=True)
class Mandates:
    """A citizen's mandates, and what they call everyone whom their rules name as proxy."""

    given: tuple[Mandate, ...]
    names: Mapping[bytes, str]


async def mandates_of(house: House, principal: Principal, alias: bytes) -> Mandates:
    """Return a citizen's mandates to one who manages all sharing; to a proxy, those that they act under themselves.

    Raises:
        consent.gate.Refused: the principal neither manages anything here nor acts under a mandate.
    """
    loaded, names = await house.database.read(lambda reader: _load_names(house, reader, alias))
    rules = loaded.rules.rules
    match principal:
        case Proxy(person=person, relation=relation) if relation is not Relation.GUARDIAN:
            rules = tuple(rule for rule in rules if _names(rule, person.alias, relation))
            names = {}  # what the owner calls them is the owner's own
            await _ask_as_proxy(house, principal, loaded)
        case _:
            await granting.ask_to_look(house, principal, loaded)
    hidden = companions(loaded.rules.rules)
    given = tuple(
        Mandate(rule, names.get(bytes.fromhex(rule.grantee.id), ""))
        for rule in rules
        if is_mandate(rule) and rule.id not in hidden
    )
    return Mandates(given, names)


def _load_names(house: House, reader: Connection, alias: bytes) -> tuple[VaultState, dict[bytes, str]]:
    loaded = house.load(reader, alias)
    return loaded, mandates.names(reader, house.keystore, loaded.keys, loaded.rules)


async def _ask_as_proxy(house: House, principal: Proxy, loaded: VaultState) -> None:
    """Ask the gate whether a proxy may do anything here, by what they may: a refusal is logged as of reading."""
    found = reach.forecast(house, principal, loaded)
    if found.manage:
        await granting.ask_to_look(house, principal, loaded)
        return
    deed = Deed.ADD if found.add and not found.read else Deed.READ
    await house.ask(
        principal,
        loaded,
        deed,
        EventKind.VIEW,
        Activity.READ,
        categories=tuple(Category),
        subject="mandate",
        need=Need.SOME,
    )


# --- giving one


def to_give(rule: Rule, called: str) -> Wish:
    """Give a mandate, and let the proxy see what it rests on; ``called`` is what the owner calls them.

    Raises:
        RuleError: it is none, the name is too long or none at all, or there is no document where one is needed.
    """
    name = " ".join(called.split())
    if not is_mandate(rule):
        raise RuleError("grantee.kind: a mandate is an allow to a proxy")
    if not name.isprintable() or not 0 < len(name) <= _LONGEST_NAME:
        raise RuleError(f"called: a name of at most {_LONGEST_NAME} characters")
    if rule.relation in DOCUMENTED and not rule.document:
        raise RuleError("document: the mandate itself must be in the vault")
    return replace(granting.to_grant(rule), called={bytes.fromhex(rule.grantee.id): name})


async def find(house: House, principal: Principal, alias: bytes, rule_id: str) -> Mandate:
    """Return one of the mandates that somebody may see.

    Raises:
        NoSuchRuleError: there is none of that id for them.
        consent.gate.Refused: they may see none.
    """
    found = await mandates_of(house, principal, alias)
    for one in found.given:
        if one.rule.id == rule_id:
            return one
    raise NoSuchRuleError


def may_give(house: House, principal: Principal, loaded: VaultState) -> bool:
    """Tell whether somebody decides who acts for the citizen: the citizen alone, from 13."""
    return reach.permits(house, principal, loaded, Deed.BLOCK)


# --- the document


async def document_of(house: House, principal: Principal, alias: bytes, mandate: Mandate) -> Record | None:
    """Read the document that a mandate rests on, by the rules as any record: None where it is not in the vault.

    Raises:
        consent.gate.Refused: they may not read it.
    """
    told = parse_record_id(mandate.rule.document)
    if told is None:
        return None
    category, month, mark = told
    query = reading.Query((category,), month=month)
    return await reading.find(house, principal, alias, query, mark)
