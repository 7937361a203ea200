"""What the owner allowed or blocked: one rule, well-formed, and all that decides about sharing in one vault."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import chain

from identity.principal import Relation
from policies.vocabulary import Action, Category, Effect, GranteeKind, Purpose


class RuleError(Exception):
    """A rule that cannot be: the text says which field and why, in words for the one who wrote it."""


@dataclass(frozen=True, slots=True, order=True)
class Grantee:
    """Whom a rule names.

    ``id``: HSA-id (person, unit, provider, region, municipality), ``<unit HSA-id>/<title>`` (role), client id
    (client), a person's alias in hex (proxy), empty (network, emergency).
    """

    kind: GranteeKind
    id: str


#: What is named by its kind alone.
NAMELESS = frozenset({GranteeKind.NETWORK, GranteeKind.EMERGENCY})

_BY_MANDATE = frozenset(Relation) - {Relation.GUARDIAN}
_LISTED = frozenset({GranteeKind.UNIT, GranteeKind.PROVIDER, GranteeKind.PERSON})


@dataclass(frozen=True, slots=True)
class Lift:
    """A block laid aside for a time (Inera's TemporaryLift): for one unit or provider, or where None, for all."""

    until: datetime
    grantee: Grantee | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One allow or block, its times in UTC. ``categories`` and ``actions`` never are empty (nothing is not permission).

    - whom: ``grantee``, but none of ``spares``, where those lie within it (a block that spares one's own unit);
    - what, where empty all: ``codes``; ``records`` (FHIR ids); ``sources`` (``mine``, ``device``, ``device:<name>``,
      ``unit:<HSA-id>``, ``provider:<HSA-id>``, ``client:<id>``); ``data_from``/``data_to`` bound the records' own dates
      (both included);
    - why: ``purposes``, where empty all;
    - when: ``valid_from <= t < valid_to``; ``while_related``: only for those whom the contacts name at the time;
      ``until_plan``: the record whose closing ends the rule; ``lifts`` lay a block aside for a time.

    A mandate is an allow to a ``proxy``: ``relation`` says why they act. ``document`` is the record of what it rests
    on (a mandate, a consent on paper). ``author`` names who made the rule (alias in hex) and ``created`` when; one
    that a helper entered from paper has the helper's HSA-id in ``helper``, and ``confirmed`` once the owner has said
    that it is theirs.
    """

    id: str
    effect: Effect
    grantee: Grantee
    actions: frozenset[Action]
    categories: frozenset[Category]
    created: datetime
    author: str
    codes: frozenset[str] = frozenset()
    records: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()
    purposes: frozenset[Purpose] = frozenset()
    spares: frozenset[Grantee] = frozenset()
    data_from: date | None = None
    data_to: date | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    while_related: bool = False
    until_plan: str = ""
    lifts: tuple[Lift, ...] = ()
    relation: Relation | None = None
    document: str = ""
    helper: str = ""
    confirmed: datetime | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if not self.actions:
            raise RuleError("actions: at least one of read, add")
        if not self.categories:
            raise RuleError("categories: at least one")
        if (self.grantee.kind in NAMELESS) == bool(self.grantee.id):
            raise RuleError("grantee.id: needed for every kind but network and emergency")
        if self.data_from and self.data_to and self.data_to < self.data_from:
            raise RuleError("data_to: before data_from")
        if self.valid_from and self.valid_to and self.valid_to <= self.valid_from:
            raise RuleError("valid_to: not after valid_from")
        if self.records and self.actions != {Action.READ}:
            raise RuleError("records: what is there already can be read, not added")
        if (self.grantee.kind is GranteeKind.PROXY) != (self.relation in _BY_MANDATE):
            raise RuleError(
                "relation: representative, legal-guardian or relative of a proxy; none for others"
            )
        if Action.MANAGE in self.actions and (self.relation is None or Action.READ not in self.actions):
            raise RuleError("actions: manage is a proxy's, and goes with read")
        if Action.MANAGE in self.actions and not self.takes_all:
            raise RuleError(
                "actions: manage is of whole categories, since what is shared then may be all of one"
            )
        lifted = (one.until for one in self.lifts)
        _demand_utc(chain((self.created, self.valid_from, self.valid_to, self.confirmed), lifted))
        self._demand_effect()

    def _demand_effect(self) -> None:
        """Refuse what only the other effect can have."""
        if self.effect is Effect.BLOCK and (self.while_related or self.until_plan):
            raise RuleError("while_related, until_plan: of an allow; a block holds until it is lifted")
        if self.effect is Effect.ALLOW and (self.spares or self.lifts):
            raise RuleError("spares, lifts: of a block")
        if self.effect is Effect.BLOCK and Action.MANAGE in self.actions:
            raise RuleError("actions: a block is of reading and adding")
        if (self.effect, self.grantee.kind) == (Effect.ALLOW, GranteeKind.EMERGENCY):
            raise RuleError("grantee.kind: emergency can be blocked; it needs no allow")

    @property
    def is_pending(self) -> bool:
        """Tell whether a helper entered it from paper and nobody has yet said that it is the owner's."""
        return bool(self.helper) and self.confirmed is None

    @property
    def holds_for(self) -> frozenset[Action]:
        """The actions that it decides about now: a pending allow lets nobody read (docs/adr/0027)."""
        if self.is_pending and self.effect is Effect.ALLOW:
            return self.actions & {Action.ADD}
        return self.actions

    @property
    def takes_all(self) -> bool:
        """Tell whether no finer term leaves a record of its categories out."""
        return not (self.codes or self.records or self.sources or self.data_from or self.data_to)

    def in_force(self, at: datetime) -> bool:
        """Tell whether the rule holds at a moment."""
        return (self.valid_from is None or self.valid_from <= at) and (
            self.valid_to is None or at < self.valid_to
        )


@dataclass(frozen=True, slots=True)
class Contact:
    """Somebody whom the owner lists as theirs: a unit, provider, or person of staff; a care relation on record.

    ``role`` is what the owner calls it (fast vårdkontakt, …). It holds while ``since <= t < until``.
    """

    grantee: Grantee
    role: str
    since: datetime
    until: datetime | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if self.grantee.kind not in _LISTED:
            raise RuleError("grantee.kind: a contact is a unit, a provider or a person of staff")
        if self.until is not None and self.until <= self.since:
            raise RuleError("until: not after since")
        _demand_utc((self.since, self.until))

    def in_force(self, at: datetime) -> bool:
        """Tell whether it holds at a moment."""
        return self.since <= at and (self.until is None or at < self.until)


@dataclass(frozen=True, slots=True)
class RuleSet:
    """All that decides about sharing in a vault, at one version, as the vault's head authenticates it.

    While ``paused`` (since then), no allow holds; each is as it was when sharing is taken up again. Each contact stands
    once. The set took over at ``written`` from the one whose sealed bytes have the SHA-256 ``previous`` (hex; empty at
    the first): so one version vouches for all before it (:mod:`vault.versions`).
    """

    version: int
    rules: tuple[Rule, ...] = ()
    contacts: tuple[Contact, ...] = ()
    paused: datetime | None = None
    previous: str = ""
    written: datetime | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if len({one.grantee for one in self.contacts}) < len(self.contacts):
            raise RuleError("contacts: one stands twice")
        _demand_utc([self.paused, self.written])


def _demand_utc(times: Iterable[datetime | None]) -> None:
    """Refuse a time in any zone but UTC, in which all are kept: for our own code, whose fault it is."""
    if any(at is not None and at.utcoffset() != timedelta() for at in times):
        raise ValueError("a time that is not in UTC")
