"""When people move: what hung on a unit or provider ends in one change; the new unit's equivalents are proposed.

Nothing is granted by itself. What was left stays left also where nobody answers the proposals: they are drawn anew,
whenever they are asked for, from the versions of the rules that are kept (:mod:`vault.versions`).
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

from audit.events import Activity, EventKind
from consent import moving
from consent.moving import Hanging, Missing
from consent.nodes import node_of
from consent.rules import Contact, Grantee, Rule, RuleError, RuleSet
from identity.directory import Directory
from identity.principal import Principal, Unit
from policies.vocabulary import Category
from sharing import granting, outlook
from sharing.asking import principal_alias
from sharing.granting import NoSuchRuleError, Wish
from sharing.history import take
from sharing.house import House
from sharing.outlook import Difference

#: For how long it is said by itself that something was left, and to whom proposals can be had.
LATELY = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Place:
    """What one could leave, and how many allows and contacts hang there."""

    grantee: Grantee
    rules: int
    contacts: int


@dataclass(frozen=True, slots=True)
class Left:
    """A place that was left, and when."""

    grantee: Grantee
    at: datetime


@dataclass(frozen=True, slots=True)
class Proposal:
    """What was left, what would stand for it at a new unit or why nothing does, and what that would change."""

    was: Rule | Contact
    new: Rule | Contact | Missing
    changes: tuple[Difference, ...] = ()

    @property
    def key(self) -> str:
        """By which it is accepted: the old rule's id, or the old contact's node."""
        return self.was.id if isinstance(self.was, Rule) else node_of(self.was.grantee)


# --- leaving


async def places(house: House, principal: Principal, alias: bytes) -> tuple[Place, ...]:
    """Return what one could leave, narrow to wide.

    Raises:
        consent.gate.Refused: the principal may not manage sharing here.
    """
    rules = await granting.rules_of(house, principal, alias)
    directory, at = house.directory(), house.clock()
    hung = ((one, moving.hanging(rules, one, directory, at)) for one in moving.places(rules, directory, at))
    return tuple(Place(one, len(found.rules), len(found.contacts)) for one, found in hung)


async def hanging(house: House, principal: Principal, alias: bytes, place: Grantee) -> Hanging:
    """Return what hangs on a place.

    Raises:
        consent.gate.Refused: the principal may not manage sharing here.
        RuleError: it is no place.
        NoSuchRuleError: nothing does.
    """
    rules = await granting.rules_of(house, principal, alias)
    return _hanging(house, rules, place)


def to_leave(house: House, place: Grantee) -> Wish:
    """Leave a unit, a provider, a region or a municipality: its allows end, its contacts are struck, at once.

    Whoever acts by mandate needs one for all of the vault, as for contacts.
    """
    return Wish(
        lambda rules: moving.without(rules, _hanging(house, rules, place)),
        EventKind.MOVE,
        node_of(place),
        activity=Activity.DELETE,
    )


async def leave(house: House, principal: Principal, alias: bytes, place: Grantee) -> None:
    """End what hangs on a place, in one change.

    Raises:
        consent.gate.Refused: the principal may not.
        RuleError: it is no place.
        NoSuchRuleError: nothing hangs there.
    """
    await granting.carry_out(house, principal, alias, to_leave(house, place))


def _hanging(house: House, rules: RuleSet, place: Grantee) -> Hanging:
    if place.kind not in moving.PLACES:
        raise RuleError("from.kind: a unit, a provider, a region or a municipality")
    found = moving.hanging(rules, place, house.directory(), house.clock())
    if not found.count:
        raise NoSuchRuleError
    return found


# --- what was left


async def left_lately(house: House, principal: Principal, alias: bytes) -> tuple[Left, ...]:
    """Return the places that were left within :data:`LATELY`, the newest first, each once.

    To end the only thing that hung on a place is to leave it: the rules cannot tell the two apart.

    Raises:
        consent.gate.Refused: the principal may not manage sharing here.
        vault.errors.TamperedError: a version of the rules is not as it was.
    """
    _, found, _ = await take(house, principal, alias, Category)
    since, directory = house.clock() - LATELY, house.directory()
    lately: dict[Grantee, Left] = {}
    for after, before in pairwise(found):
        if after.written is None or after.written <= since:
            break
        for place in moving.places(before, directory, after.written):
            if _was_left(before, after, place, directory) is not None:
                lately.setdefault(place, Left(place, after.written))
                break
    return tuple(lately.values())


def _was_left(before: RuleSet, after: RuleSet, place: Grantee, directory: Directory) -> Hanging | None:
    """Return what hung on a place, where all of it and nothing else ended between two versions."""
    if after.written is None:
        return None
    hung = moving.hanging(before, place, directory, after.written)
    rest = moving.without(before, hung)
    same = (rest.rules, rest.contacts, rest.paused) == (after.rules, after.contacts, after.paused)
    return hung if hung.count and same else None


def _newest(found: Sequence[RuleSet], place: Grantee, directory: Directory) -> Hanging:
    """Return what hung on a place when it was last left."""
    for after, before in pairwise(found):
        hung = _was_left(before, after, place, directory)
        if hung is not None:
            return hung
    raise NoSuchRuleError


# --- what is proposed instead


async def proposals(
    house: House, principal: Principal, alias: bytes, place: Grantee, unit_id: str
) -> tuple[Proposal, ...]:
    """Return what would stand at a new unit for what hung on a place when it was last left, and what each would do.

    What is in force there already is proposed no more.

    Raises:
        consent.gate.Refused: the principal may not manage sharing here.
        NoSuchRuleError: it was never left, or nothing hung there.
        identity.directory.NotInDirectoryError: there is no such unit.
        vault.errors.TamperedError: a version of the rules is not as it was.
    """
    drawn = await _draw(house, principal, alias, place, unit_id)
    wishes = [_wish(one.new) for one in drawn if not isinstance(one.new, Missing)]
    looked = iter(await outlook.previews(house, principal, alias, wishes))
    return tuple(one if isinstance(one.new, Missing) else replace(one, changes=next(looked)) for one in drawn)


async def accept(
    house: House, principal: Principal, alias: bytes, place: Grantee, unit_id: str, keys: Collection[str]
) -> None:
    """Grant those proposals whose keys are given, each as a grant like any other; contacts before rules.

    Raises:
        RuleError: a key is none of theirs (it may have been accepted meanwhile).
        Exception: what :func:`proposals` and :func:`sharing.granting.carry_out` raise.
    """
    drawn = {one.key: one.new for one in await _draw(house, principal, alias, place, unit_id)}
    chosen = {key: new for key, new in drawn.items() if key in keys and not isinstance(new, Missing)}
    if set(keys) - set(chosen):
        raise RuleError("accept: not proposed, or no longer")
    for new in sorted(chosen.values(), key=lambda one: isinstance(one, Rule)):
        await granting.carry_out(house, principal, alias, _wish(new))


async def _draw(
    house: House, principal: Principal, alias: bytes, place: Grantee, unit_id: str
) -> list[Proposal]:
    _, found, _ = await take(house, principal, alias, Category)
    directory, at = house.directory(), house.clock()
    hung = _newest(found, place, directory)
    drawing = _Drawing(directory, directory.unit(unit_id), principal_alias(principal), at)
    drawn = [drawing.of_contact(one) for one in hung.contacts if one.until is None or at < one.until]
    drawn += [drawing.of_rule(one) for one in hung.rules if one.valid_to is None or at < one.valid_to]
    return [one for one in drawn if not any(_stands_for(one.new, there) for there in _in(found[0]))]


@dataclass(frozen=True, slots=True)
class _Drawing:
    """What is needed to draw proposals: the new unit, who would make the rules, and when."""

    directory: Directory
    unit: Unit
    author: str
    at: datetime

    def of_rule(self, was: Rule) -> Proposal:
        """Keep every term but whom it names; the paper that the old rule rested on was of the old unit."""
        named = moving.equivalent(was.grantee, self.unit, self.directory)
        if isinstance(named, Missing):
            return Proposal(was, named)
        new = replace(was, id=granting.new_rule_id(), grantee=named, author=self.author, created=self.at)
        return Proposal(was, replace(new, document="", helper="", confirmed=None))

    def of_contact(self, was: Contact) -> Proposal:
        """Keep what the contact is called and its last day; it begins now."""
        named = moving.equivalent(was.grantee, self.unit, self.directory)
        if isinstance(named, Missing):
            return Proposal(was, named)
        return Proposal(was, replace(was, grantee=named, since=self.at))


def _in(rules: RuleSet) -> Iterator[Rule | Contact]:
    yield from rules.rules
    yield from rules.contacts


def _stands_for(new: Rule | Contact | Missing, there: Rule | Contact) -> bool:
    """Tell whether what is proposed is in force already."""
    match new, there:
        case Rule(), Rule():
            return moving.says_the_same(new, there)
        case Contact(), Contact():
            return new.grantee == there.grantee
        case _:
            return False


def _wish(new: Rule | Contact) -> Wish:
    return granting.to_grant(new) if isinstance(new, Rule) else granting.to_list(new)
