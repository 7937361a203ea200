"""The citizen's side of emergency access: who opened the vault, why and what they read, and a no in advance.

Whether somebody has looked at it lately, the log tells: it has an entry of their own for each time that they did. So
a notice stays until the very person has looked, and nobody can put it out for them by writing a row.
"""

import itertools
from dataclasses import dataclass
from datetime import datetime

from audit.events import Activity, Decision, EventKind
from audit.review import Access
from consent.parse import parse_rule
from consent.rules import Rule, RuleSet
from identity.principal import Citizen, Principal, Proxy
from policies.vocabulary import Action, Category, Effect, GranteeKind
from sharing import asking, emergency, granting, searching
from sharing.emergency import Opening
from sharing.house import House

#: How the log names a look at who opened the vault.
LOOKED = "emergencies"
_MOST = 400  # entries that are told of


@dataclass(frozen=True, slots=True)
class Told:
    """One opening as the citizen is told of it: who, when, why, and the accesses of the log that were made under it.

    ``opening`` is None where its row is gone: the log still says who, when and where, in ``made``. ``made`` is None
    where the opening lies further back than the log was looked through; then ``reads`` may not be all.
    """

    id: str
    opening: Opening | None
    made: Access | None
    reads: tuple[Access, ...]

    @property
    def at(self) -> datetime:
        """When the vault was opened."""
        if self.opening is not None:
            return self.opening.at
        if self.made is None:
            raise ValueError("neither a row nor an entry")
        return self.made.at


@dataclass(frozen=True, slots=True)
class Emergencies:
    """What a citizen is told of emergencies: the openings, newest first, and whether they said no in advance."""

    openings: tuple[Told, ...]
    has_said_no: bool


async def told(house: House, principal: Principal, alias: bytes) -> Emergencies:
    """Return who opened a citizen's vault in an emergency, and what they then read, to the citizen.

    It is told by the rows and by the log together, so that neither can leave one out.

    Raises:
        consent.gate.Refused: the principal may not read this vault's log.
    """
    openings = await _load(house, alias)
    found = await searching.of_vault(
        house,
        principal,
        alias,
        keep=lambda access: _is_opening(access) or _is_under_one(access),
        wanted=_MOST,
        subject=LOOKED,
    )
    made = {one.subject: one for one in found.accesses if _is_opening(one)}
    rows = {one.id: one for one in openings}
    listed = [
        Told(id_, rows.get(id_), made.get(id_), _under(found.accesses, id_)) for id_ in {**rows, **made}
    ]
    listed.sort(key=lambda one: one.at, reverse=True)
    return Emergencies(tuple(listed), bool(refusals(found.rules, house.clock())))


async def unseen(house: House, principal: Principal, alias: bytes) -> tuple[Access, ...]:
    """Return the log's entries of openings, newest first, that were made since this very person last looked at them.

    Raises:
        consent.gate.Refused: there are openings, and the principal may not read this vault's log.
    """
    openings = await _load(house, alias)
    if not openings:
        return ()
    own = asking.principal_alias(principal)

    def is_look(access: Access) -> bool:
        return (access.kind, access.subject, access.actor.id) == (EventKind.READ_LOG, LOOKED, own)

    found = await searching.of_vault(
        house,
        principal,
        alias,
        keep=lambda access: _is_opening(access) or is_look(access),
        since=openings[-1].at,
    )
    return tuple(itertools.takewhile(lambda access: not is_look(access), found.accesses))


async def _load(house: House, alias: bytes) -> tuple[Opening, ...]:
    return await house.database.read(
        lambda connection: emergency.all_of(connection, house.load(connection, alias))
    )


def _is_opening(access: Access) -> bool:
    return access.kind is EventKind.EMERGENCY and access.decision is Decision.PERMIT


def _is_under_one(access: Access) -> bool:
    return access.activity is Activity.EMERGENCY and access.kind is not EventKind.EMERGENCY


def _under(accesses: tuple[Access, ...], opening: str) -> tuple[Access, ...]:
    return tuple(one for one in accesses if one.subject == opening and _is_under_one(one))


# --- no, in advance


def refusals(rules: RuleSet, at: datetime) -> tuple[Rule, ...]:
    """Return the rules by which the owner has said no, whole and for good, to emergency access."""
    return tuple(
        rule
        for rule in rules.rules
        if (rule.effect, rule.grantee.kind) == (Effect.BLOCK, GranteeKind.EMERGENCY)
        and rule.takes_all
        and not rule.purposes
        and Action.READ in rule.actions
        and rule.categories >= frozenset(Category)
        and rule.valid_to is None
        and rule.in_force(at)
    )


async def say_no(house: House, principal: Citizen | Proxy, alias: bytes) -> None:
    """Say no in advance to emergency access to anything; nothing happens where it was said already.

    Raises:
        consent.gate.Refused: the principal may not (a guardian may not block).
    """
    rules = await granting.rules_of(house, principal, alias)
    if refusals(rules, house.clock()):
        return
    posted = {
        "effect": Effect.BLOCK,
        "grantee": {"kind": GranteeKind.EMERGENCY},
        "actions": [Action.READ],
        "categories": list(Category),
    }
    author = asking.principal_alias(principal)
    rule = parse_rule(posted, id=granting.new_rule_id(), author=author, created=house.clock())
    await granting.grant(house, principal, alias, rule)


async def take_back(house: House, principal: Citizen | Proxy, alias: bytes) -> None:
    """Take back the no; what was said of some categories alone stays.

    Raises:
        consent.gate.Refused: the principal may not.
    """
    rules = await granting.rules_of(house, principal, alias)
    for rule in refusals(rules, house.clock()):
        await granting.revoke(house, principal, alias, rule.id)
