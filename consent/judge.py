"""The decision itself, pure: what of what is asked do the law and the citizen's rules permit?

It writes nothing and releases nothing; :mod:`consent.gate` does the first before anyone does the second. For
a change of rules it also answers who would gain and lose what.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple, assert_never

from consent.index import Index, Indexes, Match
from consent.nodes import standing
from consent.questions import LOCATING, Acts, Organisation, Subject, question, registered
from consent.rules import RuleSet
from consent.scope import Probe, Scope, Terms, reachable
from identity.principal import Principal, Proxy, Relation
from policies.engine import Deny, DenyReason, Permit, Policies
from policies.vocabulary import Action, Category, Deed, Purpose


class Need(StrEnum):
    """How much of what is asked must be permitted."""

    EVERY = "every"  # all the categories named, or nothing
    SOME = "some"  # those that are permitted, at least one


class Reason(StrEnum):
    """Why something was refused, for the log and nobody else; published words never change meaning."""

    NOT_PERMITTED = "not-permitted"  # nothing permits it: no consent, or not for such a one
    FORBIDDEN = "forbidden"  # a block, or the law, forbids it
    POLICY_ERROR = "policy-error"  # a policy could not be evaluated
    NOTHING_ASKED = "nothing-asked"  # no category was named


@dataclass(frozen=True, slots=True)
class Matter:
    """What is to be decided: who, about which vault or organisation, which deed, why, when, of what.

    ``opened`` is when the emergency opening was made under which it is asked, None where there is none.
    """

    principal: Principal
    about: Subject | Organisation | Acts
    deed: Deed
    at: datetime
    purpose: Purpose | None = None
    categories: tuple[Category, ...] = ()
    opened: datetime | None = None

    @property
    def by_mandate(self) -> bool:
        """Tell whether somebody manages the owner's matters as far as the owner let them."""
        match self.principal:
            case Proxy(relation=relation):
                return self.deed is Deed.MANAGE and relation is not Relation.GUARDIAN
            case _:
                return False


@dataclass(frozen=True, slots=True)
class Granted:
    """Permitted: for ``read`` and ``add`` the scope of each permitted category; the rules that decided."""

    scopes: dict[Category, Scope] = field(default_factory=dict)
    rules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Denied:
    """Refused, why, and by which of the citizen's rules.

    ``is_silent``: who asked is let in by an emergency opening and is told of nothing that is blocked, so the answer is
    one of nothing found. The log has the refusal all the same.
    """

    reason: Reason
    rules: tuple[str, ...] = ()
    is_silent: bool = False


def judge(
    matter: Matter, need: Need, *, rules: RuleSet, policies: Policies, indexes: Indexes
) -> Granted | Denied:
    """Decide one matter."""
    match matter.about, matter.deed:
        case Subject(vault=vault), Deed.READ if matter.opened is not None and _is_silent(matter, policies):
            found = _scopes(matter, indexes.of(vault, rules), policies)
            verdict = _weigh(Need.SOME, found)  # what is not open is as if it were empty, and lacks nothing
            return replace(verdict, is_silent=bool(found)) if isinstance(verdict, Denied) else verdict
        case Subject(vault=vault), Deed.READ | Deed.ADD:
            return _weigh(need, _scopes(matter, indexes.of(vault, rules), policies))
        case Subject(vault=vault), Deed.MANAGE if matter.by_mandate:
            if not matter.categories:  # a matter of the whole vault
                matter = replace(matter, categories=tuple(Category))
            return _weigh(need, _scopes(matter, indexes.of(vault, rules), policies))
        case _:
            return _plain(matter, policies)


def _plain(matter: Matter, policies: Policies) -> Granted | Denied:
    context: dict[str, Any] = {}
    if matter.deed is Deed.MANAGE:
        context["consent"] = {"allows": [], "denies": []}
    asked = question(
        matter.principal, matter.deed, matter.about, context, purpose=matter.purpose, at=matter.at
    )
    match policies.decide(asked):
        case Permit():
            return Granted()
        case Deny(reason):
            return Denied(_reason(reason))


def _is_silent(matter: Matter, policies: Policies) -> bool:
    """Tell whether an emergency opening lets in where nothing is blocked, and that something is may not be told."""
    plain = replace(matter, categories=(Category.BLOOD_PRESSURE,))
    lets_in = _scopes(plain, Index(RuleSet(0)), policies)[Category.BLOOD_PRESSURE]
    may_know = _plain(replace(matter, deed=Deed.KNOW_BLOCKED), policies)
    return isinstance(lets_in, Scope) and isinstance(may_know, Denied)


def _weigh(need: Need, found: dict[Category, Scope | Denied]) -> Granted | Denied:
    scopes = {category: scope for category, scope in found.items() if isinstance(scope, Scope)}
    refusals = [denied for denied in found.values() if isinstance(denied, Denied)]
    match need:
        case _ if not found:
            return Denied(Reason.NOTHING_ASKED)
        case Need.EVERY if refusals:
            return _gravest(refusals)
        case Need.SOME if not scopes:
            return _gravest(refusals)
        case Need.EVERY | Need.SOME:
            return Granted(scopes, _once(scope.rules for scope in scopes.values()))
        case _:
            assert_never(need)


def _gravest(refusals: list[Denied]) -> Denied:
    grave = (Reason.POLICY_ERROR, Reason.FORBIDDEN)
    reason = next((r for r in grave if any(denied.reason is r for denied in refusals)), Reason.NOT_PERMITTED)
    return Denied(reason, _once(denied.rules for denied in refusals))


class _Class(NamedTuple):
    """A class of records as the policies can tell it from others; each is asked about once."""

    probe: Probe
    entitled: bool
    locates: bool
    related: bool


@dataclass(frozen=True, slots=True)
class _Case:
    """One category before the policies: the terms of the rules that fit, and the classes that records may be in."""

    allows: tuple[Terms, ...]
    denies: tuple[Terms, ...]
    classes: tuple[_Class, ...]

    @classmethod
    def of(cls, found: Match, principal: Principal, category: Category) -> "_Case":
        """Take what the rules say of a category, and what the principal and the category are."""
        allows, denies = tuple(map(Terms.of, found.allows)), tuple(map(Terms.of, found.denies))
        entitled, locates = registered(principal, category), category in LOCATING
        classes = tuple(
            _Class(probe, entitled, locates, found.related) for probe in reachable(allows, denies)
        )
        return cls(allows, denies, classes)

    def context(self, of: _Class, matter: Matter) -> dict[str, Any]:
        """Return what the policies are told of a class."""
        allows = [terms.rule for terms in self.allows] if of.probe.allowed else []
        denies = [terms.rule for terms in self.denies] if of.probe.denied else []
        consent = {"consent": {"allows": allows, "denies": denies}}
        if matter.deed is Deed.MANAGE:
            return consent
        since = timedelta() if matter.opened is None else matter.at - matter.opened
        return {
            **consent,
            "registered": of.entitled,
            "locates": of.locates,
            "related": of.related,
            "emergency": matter.opened is not None,
            "minutes": since // timedelta(minutes=1),
        }

    def scope(self, answers: Mapping[_Class, Permit | Deny]) -> Scope | Denied:
        """Return what of the category is permitted, or why nothing is."""
        found = {one.probe: answers[one] for one in self.classes}
        permitted = frozenset(probe for probe, answer in found.items() if isinstance(answer, Permit))
        if permitted:
            return Scope(self.allows, self.denies, permitted)
        best = Probe(allowed=bool(self.allows), denied=any(terms.whole for terms in self.denies))
        match found[best]:
            case Deny(reason):
                return Denied(_reason(reason), tuple(terms.rule for terms in self.denies))
            case Permit():
                raise AssertionError("a permitted class is a scope")


def _scopes(matter: Matter, index: Index, policies: Policies) -> dict[Category, Scope | Denied]:
    """Ask the policies about each class of records once, whatever its category."""
    who = standing(matter.principal, emergency=matter.opened is not None)
    action = Action(matter.deed)
    put = question(matter.principal, matter.deed, matter.about, {}, purpose=matter.purpose, at=matter.at)
    answers: dict[_Class, Permit | Deny] = {}
    scopes: dict[Category, Scope | Denied] = {}
    for category in matter.categories:
        found = index.match(who, action, category, matter.purpose, matter.at)
        case = _Case.of(found, matter.principal, category)
        for one in case.classes:
            if one not in answers:
                answers[one] = policies.decide(put.within(case.context(one, matter)))
        scopes[category] = case.scope(answers)
    return scopes


def _reason(reason: DenyReason) -> Reason:
    match reason:
        case DenyReason.NO_PERMIT:
            return Reason.NOT_PERMITTED
        case DenyReason.FORBIDDEN:
            return Reason.FORBIDDEN
        case DenyReason.POLICY_ERROR | DenyReason.MISSING_ENTITY:
            return Reason.POLICY_ERROR
        case _:
            assert_never(reason)


def _once(groups: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(rule for group in groups for rule in group))
