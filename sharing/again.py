"""A past decision, made again from its log entry: by the rules that were in force then, and the facts that it holds.

The entry has who asked (unit, provider, authority, right, purpose, licence), when, for what and why, the version of the
rules, and the hash of the policies. Where one of these is not at hand any more, that is said, and nothing is guessed.
Two facts are taken as they are now: the owner's birth date and protection, and what a client system is registered for.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import assert_never

from sqlalchemy import Connection

from audit.events import Activity, Actor, ActorKind, Decision, Event, EventKind
from consent.index import Indexes
from consent.judge import Denied, Granted, Matter, Need, judge
from consent.questions import Subject
from consent.rules import Rule, RuleSet
from identity.directory import Directory, NotInDirectoryError
from identity.principal import (
    Authority,
    AuthorityKind,
    Citizen,
    Commission,
    CommissionRight,
    Person,
    Principal,
    Provider,
    ProviderKind,
    Proxy,
    Relation,
    Staff,
    System,
    Unit,
)
from policies.engine import Policies
from policies.vocabulary import Category, Deed, Purpose
from sharing.accesses import as_told
from sharing.granting import ask_to_look
from sharing.house import House
from vault.state import VaultState
from vault.versions import versions

_READS = frozenset({EventKind.READ, EventKind.EXPORT})
_ADDS = frozenset({EventKind.ADD, EventKind.VIEW})
_UNASKED = date(1970, 1, 1)


class Unknown(StrEnum):
    """Why a decision cannot be made again; published words never change meaning."""

    UNREADABLE = "unreadable"  # the entry's content is destroyed or damaged
    OTHER_MATTER = "other-matter"  # it is no decision about reading or adding
    OTHER_POLICIES = "other-policies"  # it was made under policies that are not in force now
    NO_VERSION = "no-version"  # the entry does not tell the rules' version, or there is none of that number
    NO_FACTS = "no-facts"  # who asked cannot be told as fully as the policies ask


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was decided: for what is permitted, of which categories; why not; by which rules' ids."""

    decision: Decision
    reason: str
    categories: tuple[Category, ...]
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Again:
    """A decision as it was logged and as it comes out again, with the rules that gave or stopped it, as they were."""

    version: int
    logged: Verdict
    made: Verdict
    rules: tuple[Rule, ...]

    @property
    def agrees(self) -> bool:
        """Tell whether the log says what comes out."""
        return self.logged == self.made


async def decide_again(
    house: House, principal: Principal, alias: bytes, entry_id: bytes
) -> tuple[Event | None, Again | Unknown]:
    """Return what an entry of a vault's log says, and its decision made again.

    It is asked for twice: the log is read, and so are the rules.

    Raises:
        audit.errors.NoSuchEntryError: there is none of that id about this vault.
        consent.gate.Refused: the principal may not read this vault's log, or its rules.
        vault.errors.TamperedError: a version of the rules is not as it was.
    """
    loaded = await house.database.read(lambda connection: house.load(connection, alias))
    subject = entry_id.hex()
    await house.ask(principal, loaded, Deed.READ_LOG, EventKind.READ_LOG, Activity.READ, subject=subject)
    await ask_to_look(house, principal, loaded)
    entry = house.log.entry(entry_id, vault=loaded.vault)
    event, (told,) = entry.event, as_told(house, principal, loaded, [entry])
    if event is None:
        return None, Unknown.UNREADABLE
    rules = await house.database.read(
        lambda connection: _version(house, connection, alias, event.rules_version)
    )
    who = _principal(event.actor, house.directory())
    return told.event, _again(event, who, house.subject(loaded), rules, house.gate.policies)


def _version(house: House, connection: Connection, alias: bytes, number: int) -> RuleSet | None:
    loaded: VaultState = house.load(connection, alias)
    return next((one for one in versions(connection, loaded) if one.version == number), None)


def _again(
    event: Event, who: Principal | None, about: Subject, rules: RuleSet | None, policies: Policies
) -> Again | Unknown:
    """Make a decision again; the need is every category.

    Of what was permitted the entry has the permitted categories alone. Of what was refused it has all: there one was
    refused at least, or, had some been enough, all; either way the gravest refusal is the same.
    """
    deed = _deed(event)
    if deed is None or not event.categories or event.activity is Activity.EMERGENCY:
        return Unknown.OTHER_MATTER
    if event.policy_hash != policies.sha256:
        return Unknown.OTHER_POLICIES
    if rules is None:
        return Unknown.NO_VERSION
    if who is None:
        return Unknown.NO_FACTS
    matter = Matter(who, about, deed, event.at, event.purpose, event.categories)
    verdict = judge(matter, Need.EVERY, rules=rules, policies=policies, indexes=Indexes(limit=1))
    match verdict:
        case Granted(scopes, decided):
            made = Verdict(Decision.PERMIT, "", tuple(scopes), decided)
        case Denied(reason, decided):
            made = Verdict(Decision.REFUSE, reason, event.categories, decided)
        case _:
            assert_never(verdict)
    logged = Verdict(event.decision, event.reason, event.categories, event.rules)
    told = {*logged.rules, *made.rules}
    return Again(rules.version, logged, made, tuple(rule for rule in rules.rules if rule.id in told))


def _deed(event: Event) -> Deed | None:
    if event.kind in _READS:
        return Deed.READ
    return Deed.ADD if event.kind in _ADDS else None


# --- who asked


def _principal(actor: Actor, directory: Directory) -> Principal | None:
    """Return who an entry says asked, as far as the policies tell people apart; None where it says too little."""
    try:
        match actor.kind:
            case ActorKind.CITIZEN:
                return Citizen(_person(actor.id, actor.name))
            case ActorKind.PROXY:
                citizen = _person(actor.for_id, actor.for_name)
                return Proxy(_person(actor.id, actor.name), citizen, Relation(actor.title))
            case ActorKind.STAFF:
                return Staff(actor.id, actor.name, actor.title, actor.licence, _commission(actor))
            case ActorKind.CLIENT:
                return directory.client(actor.id)
            case ActorKind.SYSTEM:
                return System(actor.name, actor.title)
            case _:
                assert_never(actor.kind)
    except (ValueError, NotInDirectoryError):
        return None


def _person(alias: str, name: str) -> Person:
    """Return a person by alias; when they were born the policies ask of the owner alone."""
    if not alias:
        raise ValueError(alias)
    return Person(bytes.fromhex(alias), name, _UNASKED)


def _commission(actor: Actor) -> Commission:
    authority = Authority(AuthorityKind(actor.authority_kind), actor.authority_id, "")
    provider = Provider(actor.provider_id, actor.provider_name, ProviderKind(actor.provider_kind), authority)
    unit = Unit(actor.unit_id, actor.unit_name, provider)
    return Commission(actor.commission, "", Purpose(actor.purpose), CommissionRight(actor.right), unit)
