"""When people move: what hangs on a unit, a provider, a region or a municipality, and what would stand for it after.

Pure. An allow or a contact *hangs* where everything that it names lies: on a unit hang its roles and the people who
work nowhere else; on a provider also its units and systems. Blocks hang nowhere, so that leaving never widens
anything; nor does what names no place (my contacts, a proxy).
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import reduce

from consent.nodes import node_of
from consent.rules import Contact, Grantee, Rule, RuleSet
from identity.directory import Directory
from identity.principal import Unit
from policies.vocabulary import Effect, GranteeKind

#: What one can leave, narrow to wide.
PLACES = (GranteeKind.UNIT, GranteeKind.PROVIDER, GranteeKind.REGION, GranteeKind.MUNICIPALITY)


class Missing(StrEnum):
    """Why there is no equivalent at a new unit."""

    PERSON = "person"  # a person of staff is who they are
    SYSTEM = "system"  # a client system is its provider's own
    TITLE = "title"  # nobody there has that title
    AUTHORITY = "authority"  # a region's care is not a municipality's


@dataclass(frozen=True, slots=True)
class Hanging:
    """The allows and contacts that hang on one place, those that are over left out."""

    rules: tuple[Rule, ...] = ()
    contacts: tuple[Contact, ...] = ()

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.rules) + len(self.contacts)


def hanging(rules: RuleSet, place: Grantee, directory: Directory, at: datetime) -> Hanging:
    """Return what hangs on a place at a moment."""
    node = node_of(place)
    return Hanging(
        tuple(one for one in _allows(rules, at) if node in over(one.grantee, directory)),
        tuple(one for one in _contacts(rules, at) if node in over(one.grantee, directory)),
    )


def without(rules: RuleSet, gone: Hanging) -> RuleSet:
    """Return the rules as they are when something is left: less what hung there, and nothing else changed."""
    return replace(
        rules,
        rules=tuple(one for one in rules.rules if one not in gone.rules),
        contacts=tuple(one for one in rules.contacts if one not in gone.contacts),
    )


def places(rules: RuleSet, directory: Directory, at: datetime) -> tuple[Grantee, ...]:
    """Return every place that something hangs on, narrow to wide."""
    named = [one.grantee for one in _allows(rules, at)]
    named += [one.grantee for one in _contacts(rules, at)]
    nodes = dict.fromkeys(node for one in named for node in over(one, directory))
    found = [Grantee(GranteeKind(kind), id_) for kind, _, id_ in (node.partition(":") for node in nodes)]
    return tuple(sorted(found, key=lambda one: PLACES.index(one.kind)))


def equivalent(grantee: Grantee, unit: Unit, directory: Directory) -> Grantee | Missing:
    """Return whom a rule or contact that hung on the old place would name at a new unit, or why nobody."""
    kind, authority = grantee.kind, unit.provider.authority
    match kind:
        case GranteeKind.UNIT:
            return Grantee(kind, unit.id)
        case GranteeKind.ROLE:
            title = grantee.id.partition("/")[2]
            held = title in directory.titles_at(unit.id)
            return Grantee(kind, f"{unit.id}/{title}") if held else Missing.TITLE
        case GranteeKind.PROVIDER:
            return Grantee(kind, unit.provider.id)
        case GranteeKind.REGION | GranteeKind.MUNICIPALITY:
            return Grantee(kind, authority.id) if kind == str(authority.kind) else Missing.AUTHORITY
        case GranteeKind.PERSON:
            return Missing.PERSON
        case GranteeKind.CLIENT:
            return Missing.SYSTEM
        case GranteeKind.NETWORK | GranteeKind.PROXY | GranteeKind.EMERGENCY:
            raise ValueError("it hangs nowhere")


def says_the_same(one: Rule, other: Rule) -> bool:
    """Tell whether two rules differ in nothing but who made them, when and from what paper."""
    return _bare(one) == _bare(other)


def _bare(rule: Rule) -> Rule:
    epoch = datetime.fromtimestamp(0, rule.created.tzinfo)
    return replace(rule, id="", author="", created=epoch, document="", helper="", confirmed=None)


def _allows(rules: RuleSet, at: datetime) -> tuple[Rule, ...]:
    allows = (one for one in rules.rules if one.effect is Effect.ALLOW)
    return tuple(one for one in allows if one.valid_to is None or at < one.valid_to)


def _contacts(rules: RuleSet, at: datetime) -> tuple[Contact, ...]:
    return tuple(one for one in rules.contacts if one.until is None or at < one.until)


def over(grantee: Grantee, directory: Directory) -> tuple[str, ...]:
    """Return the nodes that all of what a grantee names lies at or under, narrow to wide; maybe none."""
    match grantee.kind:
        case GranteeKind.UNIT | GranteeKind.PROVIDER | GranteeKind.REGION | GranteeKind.MUNICIPALITY:
            nodes = [node_of(grantee)]
        case GranteeKind.ROLE:
            nodes = [f"unit:{grantee.id.partition('/')[0]}"]
        case GranteeKind.PERSON:
            nodes = [f"unit:{one}" for one in directory.units_of_person(grantee.id)]
        case GranteeKind.CLIENT if grantee.id in directory.clients:
            nodes = [f"provider:{directory.clients[grantee.id].provider.id}"]
        case GranteeKind.CLIENT | GranteeKind.NETWORK | GranteeKind.PROXY | GranteeKind.EMERGENCY:
            nodes = []
    ways = [(node, *directory.above(node)) for node in nodes]
    return reduce(_common, ways) if ways else ()


def _common(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(node for node in one if node in other)
