"""Travel in time: what the citizen's rules were, and who could see what on a day; asked and logged as today's are.

Each version of the rules is kept and vouched for (:mod:`vault.versions`). Where staff work and who answers for a unit
is taken as the directory has it today: it keeps no past of its own.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import pairwise

from sqlalchemy import Connection

from consent.ages import start_of
from consent.index import Index
from consent.nodes import standing
from consent.recipients import guardian_window
from consent.rules import Rule, RuleSet
from identity.principal import Principal
from policies.vocabulary import Action, Category
from sharing import outlook
from sharing.granting import NoSuchRuleError, about, ask_to_look
from sharing.house import House, purpose_of
from sharing.outlook import Seers
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
class State:
    """A rule as a version of the rules made it, ``since`` then; None where that version ended it."""

    version: int
    since: datetime | None
    rule: Rule | None


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a day, ``since <= t < until``: the ids of the rules that let somebody in, and of what stood against it.

    ``could`` tells whether anything was open all the same.
    """

    since: datetime
    until: datetime
    allows: tuple[str, ...]
    blocks: tuple[str, ...]
    could: bool


@dataclass(frozen=True, slots=True)
class Reach:
    """Who could see a category on a day, or would have but for a block: people of one unit who are decided alike.

    ``people`` is 0 for a unit of which the directory names no staff. A guardian (``by_law``) needs no rule.
    """

    node: str
    name: str
    people: int
    stretches: tuple[Stretch, ...]
    by_law: bool = False

    @property
    def could(self) -> bool:
        """Tell whether anything was open at any moment of the day."""
        return any(one.could for one in self.stretches)

    @property
    def allows(self) -> tuple[str, ...]:
        """The ids of all rules that let them in that day."""
        return tuple(dict.fromkeys(rule for one in self.stretches for rule in one.allows))

    @property
    def blocks(self) -> tuple[str, ...]:
        """The ids of all blocks that stood against it that day."""
        return tuple(dict.fromkeys(rule for one in self.stretches for rule in one.blocks))


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


async def of_rule(house: House, principal: Principal, alias: bytes, rule_id: str) -> tuple[State, ...]:
    """Return what became of a rule that is or was among a vault's, the oldest first, to one who may manage them.

    Raises:
        sharing.granting.NoSuchRuleError: there never was one of that id.
        consent.gate.Refused: the principal may not.
        vault.errors.TamperedError: a version is not as it was.
    """
    _, found, managed = await take(house, principal, alias)
    states = life_of(found, rule_id)
    if not newest(states).categories <= managed:
        raise NoSuchRuleError
    return states


def newest(states: Iterable[State]) -> Rule:
    """Return a rule as it was last."""
    return next(one.rule for one in reversed(tuple(states)) if one.rule is not None)


def life_of(found: Iterable[RuleSet], rule_id: str) -> tuple[State, ...]:
    """Return what became of a rule in some versions, which come the newest first; raise NoSuchRuleError for nothing."""
    states = list[State]()
    for rules in reversed(tuple(found)):
        rule = next((one for one in rules.rules if one.id == rule_id), None)
        if rule != (states[-1].rule if states else None):
            states.append(State(rules.version, rules.written, rule))
    if not states:
        raise NoSuchRuleError
    return tuple(states)


async def who_could(
    house: House, principal: Principal, alias: bytes, category: Category, day: date
) -> tuple[Reach, ...]:
    """Return who beside the owner could see a category on a Swedish day, when and by which rules.

    It is what :func:`sharing.outlook.who_sees` tells of now, put for each moment of the day at which something turned,
    under the rules of that moment.

    Raises:
        consent.gate.Refused: the principal may not manage sharing here.
        vault.errors.TamperedError: a version is not as it was.
    """
    loaded, found, _ = await take(house, principal, alias, (category,))
    moments = list(_moments(found, day))
    people = tuple(outlook.seers(house, loaded, *(rules for rules, _, _ in moments)))
    reached: dict[Seers, list[Stretch]] = {one: [] for one in people}
    for rules, since, until in moments:
        seen = outlook.sights(
            house, loaded, rules, people, since, actions=(Action.READ,), categories=(category,)
        )
        index = Index(rules)
        for one in people:
            fit = index.match(standing(one.example), Action.READ, category, purpose_of(one.example), since)
            could = (Action.READ, category) in seen[one]
            if could or fit.allows:
                _go_on(reached[one], Stretch(since, until, _ids(fit.allows), _ids(fit.denies), could))
    directory = house.directory()
    reaches = (
        Reach(one.node, directory.node_name(one.node), one.people, tuple(stretches))
        for one, stretches in reached.items()
        if stretches
    )
    guardians = _guardians(loaded.profile, day)
    return (*guardians, *sorted(reaches, key=lambda one: (one.name, -one.people)))


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


def _moments(found: Sequence[RuleSet], day: date) -> Iterator[tuple[RuleSet, datetime, datetime]]:
    """Yield the versions in force on a day, each for every stretch of it in which nothing turned, the first first."""
    begin, end = start_of(day), start_of(day + timedelta(days=1))
    for rules, later in reversed(tuple(zip(found, (None, *found), strict=False))):
        since = begin if rules.written is None else max(begin, rules.written)
        until = end if later is None or later.written is None else min(end, later.written)
        if since < until:
            turns = sorted({since, *(at for at in _turns(rules) if since < at < until), until})
            yield from ((rules, *pair) for pair in pairwise(turns))


def _turns(rules: RuleSet) -> Iterator[datetime]:
    """Yield every moment at which a rule, a lift or a contact begins or ends."""
    for rule in rules.rules:
        yield from (at for at in (rule.valid_from, rule.valid_to) if at is not None)
        yield from (lift.until for lift in rule.lifts)
    for contact in rules.contacts:
        yield from (at for at in (contact.since, contact.until) if at is not None)


def _go_on(stretches: list[Stretch], more: Stretch) -> None:
    """Add a stretch; where nothing changed for these people, the last one goes on."""
    last = stretches[-1] if stretches else None
    if (
        last is not None
        and replace(last, since=more.since, until=more.until) == more
        and last.until == more.since
    ):
        stretches[-1] = replace(last, until=more.until)
    else:
        stretches.append(more)


def _ids(rules: Iterable[Rule]) -> tuple[str, ...]:
    return tuple(rule.id for rule in rules)


def _guardians(profile: Profile, day: date) -> Iterator[Reach]:
    """Yield a child's guardians, whose access ends by law at a birthday."""
    ends = guardian_window(profile.birth_date).not_after
    if not profile.protected and ends is not None and start_of(day) < ends:
        end = min(ends, start_of(day + timedelta(days=1)))
        all_day = (Stretch(start_of(day), end, (), (), could=True),)
        yield from (Reach(f"proxy:{one.hex()}", "", 1, all_day, by_law=True) for one in profile.guardians)
