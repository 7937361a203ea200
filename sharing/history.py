"""Travel in time: what the citizen's rules were, and who could see what on a day; asked and logged as today's are.

Each version of the rules is kept and vouched for (:mod:`vault.versions`). Where staff work and who answers for a unit
is taken as the directory has it today: it keeps no past of its own.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from sqlalchemy import Connection

from consent.ages import start_of
from consent.index import Index, Match
from consent.nodes import NETWORK, Standing, node_of
from consent.recipients import guardian_window
from consent.rules import Grantee, Rule, RuleSet
from identity.directory import Directory
from identity.principal import Principal, Relation
from policies.vocabulary import Action, Category, Effect, GranteeKind, Purpose
from sharing.granting import about, ask_to_look
from sharing.house import House
from vault.state import Profile, VaultState
from vault.versions import versions


@dataclass(frozen=True, slots=True)
class Version:
    """One version of the rules, and what it changed of the one before: ids of rules, and whether contacts or pause."""

    number: int
    since: datetime | None
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    contacts: bool
    paused: bool


@dataclass(frozen=True, slots=True)
class Reach:
    """Who could see a category on a day: a node, and the ids of the rules that let it in, at some moment of the day.

    ``blocks`` stood against it; ``could`` tells whether anything was open all the same. A guardian (``by_law``) needs
    no rule.
    """

    node: str
    name: str
    allows: tuple[str, ...] = ()
    blocks: tuple[str, ...] = ()
    could: bool = True
    by_law: bool = False


async def of_rules(house: House, principal: Principal, alias: bytes) -> tuple[Version, ...]:
    """Return the versions of a vault's rules, the newest first, to one who may manage them.

    Raises:
        consent.gate.Refused: the principal may not.
        vault.errors.TamperedError: a version is not as it was.
    """
    _, whole, managed = await take(house, principal, alias)
    found = [about(rules, managed) for rules in whole]
    before = [*found[1:], RuleSet(0)]
    return tuple(_version(one, old) for one, old in zip(found, before, strict=True))


async def who_could(
    house: House, principal: Principal, alias: bytes, category: Category, day: date
) -> tuple[Reach, ...]:
    """Return who beside the owner could see a category on a Swedish day, by which rules, to one who may manage them.

    Raises:
        consent.gate.Refused: the principal may not.
        vault.errors.TamperedError: a version is not as it was.
    """
    loaded, found, _ = await take(house, principal, alias, (category,))
    directory = house.directory()
    reach = _Reached(directory)
    for rules, moments in _moments(found, day):
        index = Index(rules)
        for at in moments:
            reach.look(index, category, at)
    return (*_guardians(loaded.profile, day), *reach.told())


async def take(
    house: House, principal: Principal, alias: bytes, of: Iterable[Category] = ()
) -> tuple[VaultState, tuple[RuleSet, ...], frozenset[Category]]:
    """Return a vault and all versions of its rules, the newest first, to one who may manage them, and what of them.

    They are whole: who takes them tells no more of them than of the categories that come with them.
    """

    def work(connection: Connection) -> tuple[VaultState, tuple[RuleSet, ...]]:
        loaded = house.load(connection, alias)
        return loaded, tuple(versions(connection, loaded))

    loaded, found = await house.database.read(work)
    return loaded, found, await ask_to_look(house, principal, loaded, of)


def _version(one: RuleSet, before: RuleSet) -> Version:
    new, old = ({rule.id: rule for rule in rules.rules} for rules in (one, before))
    return Version(
        number=one.version,
        since=one.written,
        added=tuple(rule for rule in new if rule not in old),
        removed=tuple(rule for rule in old if rule not in new),
        changed=tuple(rule for rule in new if rule in old and new[rule] != old[rule]),
        contacts=one.contacts != before.contacts,
        paused=one.paused is not None,
    )


# --- who could


def _moments(found: Sequence[RuleSet], day: date) -> Iterator[tuple[RuleSet, list[datetime]]]:
    """Yield the versions in force on a day, the newest first, each with the moments at which something turned."""
    begin, end = start_of(day), start_of(day + timedelta(days=1))
    until = end
    for rules in found:
        since = begin if rules.written is None else max(begin, rules.written)
        if since < until:
            yield rules, sorted({since, *(at for at in _turns(rules) if since < at < until)})
        until = min(until, since)


def _turns(rules: RuleSet) -> Iterator[datetime]:
    """Yield every moment at which a rule, a lift or a contact begins or ends."""
    for rule in rules.rules:
        yield from (at for at in (rule.valid_from, rule.valid_to) if at is not None)
        yield from (lift.until for lift in rule.lifts)
    for contact in rules.contacts:
        yield from (at for at in (contact.since, contact.until) if at is not None)


@dataclass(slots=True)
class _Reached:
    """Who was found to be let in or stopped so far, by node."""

    directory: Directory
    found: dict[str, Reach] = field(default_factory=dict)

    def look(self, index: Index, category: Category, at: datetime) -> None:
        """Ask about everybody whom an allow of that moment's rules names."""
        for grantee in _named(index.rules, category):
            who = _standing(grantee, self.directory)
            fit = index.match(who, Action.READ, category, Purpose.CARE, at)
            if fit.allows:
                self._note(node_of(grantee), fit)

    def told(self) -> Iterable[Reach]:
        """Return what was found, by node."""
        return (self.found[node] for node in sorted(self.found))

    def _note(self, node: str, fit: Match) -> None:
        before = self.found.get(node) or Reach(node, self.directory.node_name(node), could=False)
        stopped = any(rule.takes_all for rule in fit.denies)
        self.found[node] = Reach(
            node,
            before.name,
            _together(before.allows, fit.allows),
            _together(before.blocks, fit.denies),
            before.could or not stopped,
        )


def _together(ids: tuple[str, ...], rules: tuple[Rule, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*ids, *(rule.id for rule in rules))))


def _named(rules: RuleSet, category: Category) -> Iterator[Grantee]:
    """Yield whom the allows of reading name, once each: for the network, the contacts."""
    found: Mapping[Grantee, None] = {
        grantee: None
        for rule in rules.rules
        if rule.effect is Effect.ALLOW and Action.READ in rule.actions and category in rule.categories
        for grantee in _those(rule.grantee, rules)
    }
    yield from found


def _those(grantee: Grantee, rules: RuleSet) -> Iterator[Grantee]:
    if grantee.kind is GranteeKind.NETWORK:
        yield from (contact.grantee for contact in rules.contacts)
    else:
        yield grantee


def _standing(grantee: Grantee, directory: Directory) -> Standing:
    """Return under which nodes those stand whom a grantee names."""
    node = node_of(grantee)
    match grantee.kind:
        case GranteeKind.PROXY:
            return Standing((node, *(f"{node}/{relation}" for relation in Relation)))
        case GranteeKind.ROLE:
            units = [f"unit:{grantee.id.partition('/')[0]}"]
        case GranteeKind.PERSON:
            units = [f"unit:{one}" for one in directory.units_of_person(grantee.id)]
        case _:
            return Standing((node, *directory.above(node)), (NETWORK,))
    over = [over for unit in units for over in (unit, *directory.above(unit))]
    return Standing(tuple(dict.fromkeys((node, *over))), (NETWORK,))


def _guardians(profile: Profile, day: date) -> Iterator[Reach]:
    """Yield a child's guardians, whose access ends by law at a birthday."""
    ends = guardian_window(profile.birth_date).not_after
    if not profile.protected and ends is not None and start_of(day) < ends:
        yield from (Reach(f"proxy:{one.hex()}", "", by_law=True) for one in profile.guardians)
