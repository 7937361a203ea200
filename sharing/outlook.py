"""Who sees what: the gate's own decision, put for everyone whom a citizen's rules reach. Before a change, and as it is.

Those who would be decided alike are asked about once: what tells people of one unit apart is which of the nodes that
the rules name they stand under, and what the policies know of them. Nothing is released by it; what is counted is
counted of the asker's own reading, which the log has.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import numpy as np

from consent.gate import Refused
from consent.index import Indexes
from consent.judge import Granted, Matter, Need, judge
from consent.nodes import node_of, standing
from consent.rules import RuleSet
from consent.scope import Kind, Mask, Numbers, Scope
from identity.directory import Directory
from identity.principal import Commission, CommissionRight, Person, Principal, Proxy, Staff, Unit
from policies.vocabulary import Action, Category, Deed, GranteeKind, Purpose
from sharing.granting import Wish, ask_to_look
from sharing.house import House, purpose_of
from sharing.reading import Opened, Query, Sealed, facts, through
from vault.columns import Columns
from vault.errors import NoKeyError
from vault.record import Record
from vault.segment import Parts
from vault.state import VaultState

_ACTIONS = (Action.READ, Action.ADD)


class Seers(NamedTuple):
    """People of one unit (or a client system, or a proxy) who are decided alike: where, how many, one of them.

    ``people`` is 0 for a unit of which the directory names no staff: the rule reaches whoever comes to work there.
    """

    node: str
    people: int
    example: Principal


#: What somebody may do, by action and category.
Sight = Mapping[tuple[Action, Category], Scope]


class Count(NamedTuple):
    """Records that one sees before and after, and how many are new to them and how many are lost."""

    before: int
    after: int
    gained: int
    lost: int


@dataclass(frozen=True, slots=True)
class Step:
    """What changes of one action in one category; ``count`` is None where it cannot be told, or nothing is read."""

    action: Action
    category: Category
    count: Count | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """What a change of rules does to people of one unit: what they may do that they could not, or no longer."""

    node: str
    name: str
    people: int
    gains: tuple[Step, ...]
    loses: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Seer:
    """Who can see or add to a category, or see a record, now; ``rules`` are the ids of those that let them."""

    node: str
    name: str
    people: int
    action: Action
    rules: tuple[str, ...]


# --- what is asked


async def preview(house: House, principal: Principal, alias: bytes, wish: Wish) -> tuple[Difference, ...]:
    """Return exactly what a change of the rules would do; nothing is saved.

    A rule that begins later is looked at as of then.

    Raises:
        consent.gate.Refused: the principal may not manage sharing here.
        Exception: what the wish raises of the rules as they stand.
    """
    (found,) = await previews(house, principal, alias, [wish])
    return found


async def previews(
    house: House, principal: Principal, alias: bytes, wishes: Sequence[Wish]
) -> tuple[tuple[Difference, ...], ...]:
    """Return of each of some changes what it alone would do; all is asked, read and logged once.

    It raises what :func:`preview` does.
    """
    vault_state = await house.database.read(lambda connection: house.load(connection, alias))
    wanted = [wish.categories or frozenset(Category) for wish in wishes]
    await ask_to_look(house, principal, vault_state, frozenset().union(*wanted))
    looks = [_looked(house, vault_state, wish.make(vault_state.rules)) for wish in wishes]
    counts = await count(house, principal, alias, [pair for look in looks for pair in look.values()])
    directory = house.directory()
    return tuple(
        _told(_difference(directory, one, *pair, counts) for one, pair in look.items()) for look in looks
    )


def _looked(house: House, vault_state: VaultState, after: RuleSet) -> dict[Seers, tuple[Sight, Sight]]:
    """Return what everyone sees under the rules as they are, and as they would be."""
    before = vault_state.rules
    begins = [rule.valid_from for rule in set(after.rules) - set(before.rules) if rule.valid_from]
    at = max((house.clock(), *begins))
    people = list(seers(house, vault_state, before, after))
    old, new = (sights(house, vault_state, rules, people, at) for rules in (before, after))
    return {one: (old[one], new[one]) for one in people}


def _told(found: Iterable[Difference]) -> tuple[Difference, ...]:
    some = (one for one in found if one.gains or one.loses)
    return tuple(sorted(some, key=lambda one: (one.name, -one.people)))


async def who_sees(
    house: House, principal: Principal, alias: bytes, category: Category, *, record: Record | None = None
) -> tuple[Seer, ...]:
    """Return who can see or add to a category now, or who can see one of its records.

    Raises:
        consent.gate.Refused: the principal may not manage sharing here.
    """
    vault_state = await house.database.read(lambda connection: house.load(connection, alias))
    await ask_to_look(house, principal, vault_state, (category,))
    shown, actions = (None, _ACTIONS) if record is None else (facts(Columns.of([record])), (Action.READ,))
    directory, found = house.directory(), list[Seer]()
    rules_now = vault_state.rules
    people = seers(house, vault_state, rules_now)
    for one, seen in sights(house, vault_state, rules_now, people, house.clock()).items():
        for action in actions:
            scope = seen.get((action, category))
            if scope is None or (shown is not None and not scope.mask(*shown).any()):
                continue
            fit = (terms for terms in scope.allows if shown is None or terms.mask(*shown).any())
            rules = tuple(terms.rule for terms in fit)
            found.append(Seer(one.node, directory.node_name(one.node), one.people, action, rules))
    return tuple(sorted(found, key=lambda one: (_ACTIONS.index(one.action), one.name, -one.people)))


# --- whom the rules reach


def seers(house: House, vault_state: VaultState, *sets: RuleSet) -> Iterator[Seers]:
    """Yield everyone whom one of some rule sets could let in."""
    directory, nodes = house.directory(), _named(sets)
    open_to_all = _lets_anybody(house, vault_state)
    groups: dict[tuple[object, ...], list[Staff]] = {}
    staffed = set[str]()
    for member in directory.members.values():
        for commission in member.commissions:
            if commission.right is not CommissionRight.CARE or commission.purpose is not Purpose.CARE:
                continue
            who = member.on(commission.id)
            under = frozenset(nodes.intersection(standing(who).named))
            if under or open_to_all:
                staffed.add(commission.unit.id)
                groups.setdefault((commission.unit.id, under, bool(who.licence)), []).append(who)
    for people in groups.values():
        unit_id = people[0].commission.unit.id
        yield Seers(f"unit:{unit_id}", len({one.id for one in people}), people[0])
    for unit in directory.units.values():
        if unit.id not in staffed and (open_to_all or not nodes.isdisjoint(unit.nodes())):
            yield Seers(f"unit:{unit.id}", 0, somebody(unit))
    yield from _others(directory, vault_state, sets)


def _others(directory: Directory, vault_state: VaultState, sets: Iterable[RuleSet]) -> Iterator[Seers]:
    """Yield the client systems and proxies that rules name."""
    profile = vault_state.profile
    owner = Person(vault_state.owner, profile.name, profile.birth_date, profile.protected)
    for rule in {(one.grantee, one.relation): one for rules in sets for one in rules.rules}.values():
        grantee = rule.grantee
        if grantee.kind is GranteeKind.CLIENT and grantee.id in directory.clients:
            yield Seers(node_of(grantee), 1, directory.clients[grantee.id])
        if grantee.kind is GranteeKind.PROXY and rule.relation is not None:
            person = Person(bytes.fromhex(grantee.id), "", profile.birth_date)
            yield Seers(node_of(grantee), 1, Proxy(person, owner, rule.relation))


def _named(sets: Iterable[RuleSet]) -> frozenset[str]:
    """Return every node that some rules name, and so may tell people apart."""
    grantees = set()
    for rules in sets:
        grantees |= {one.grantee for one in rules.contacts}
        for rule in rules.rules:
            grantees |= {rule.grantee, *rule.spares}
            grantees |= {one.grantee for one in rule.lifts if one.grantee is not None}
    return frozenset(map(node_of, grantees))


def _lets_anybody(house: House, vault_state: VaultState) -> bool:
    """Tell whether the lawful basis lets staff in without any rule."""
    anybody = [Seers("", 0, somebody(unit)) for unit in house.directory().units.values()][:1]
    return any(sights(house, vault_state, RuleSet(0), anybody, house.clock()).values())


def somebody(unit: Unit) -> Staff:
    """Return a member of staff as anybody at a unit is: on a commission of care, of no title, without a licence."""
    commission = Commission("", "", Purpose.CARE, CommissionRight.CARE, unit)
    return Staff("", "", "", "", commission)


def sights(
    house: House,
    vault_state: VaultState,
    rules: RuleSet,
    people: Iterable[Seers],
    at: datetime,
    *,
    actions: tuple[Action, ...] = _ACTIONS,
    categories: tuple[Category, ...] = tuple(Category),
) -> dict[Seers, Sight]:
    """Return what each may do under some rules at a moment, as the gate would decide it; they are compiled once."""
    subject, policies, indexes = house.subject(vault_state), house.gate.policies, Indexes(limit=1)

    def sight(who: Principal) -> Sight:
        found: dict[tuple[Action, Category], Scope] = {}
        for action in actions:
            matter = Matter(who, subject, Deed(action), at, purpose_of(who), categories)
            match judge(matter, Need.SOME, rules=rules, policies=policies, indexes=indexes):
                case Granted(scopes=scopes):
                    found |= {(action, category): scope for category, scope in scopes.items()}
                case _:
                    pass
        return found

    return {one: sight(one.example) for one in people}


# --- how much of it there is

_Rows = tuple[list[Kind], Numbers, Numbers, Numbers | None]
#: How many records each pair of scopes opens, by category.
Counts = dict[tuple[Category, Scope | None, Scope | None], Count]
#: All of a category, to count against.
WHOLE = Scope((), (), frozenset())


async def count(
    house: House, principal: Principal, alias: bytes, pairs: Iterable[tuple[Sight, Sight]]
) -> Counts:
    """Count the records of each pair of scopes that stands against each other, by the asker's own reading."""
    wanted: dict[Category, set[tuple[Scope | None, Scope | None]]] = {}
    for before, after in pairs:
        for action, category in {*before, *after}:
            pair = before.get((action, category)), after.get((action, category))
            if action is Action.READ and pair[0] != pair[1]:
                wanted.setdefault(category, set()).add(pair)
    if not wanted:
        return {}

    def work(opened: Opened) -> tuple[Counts, Mapping[str, int]]:
        counts: Counts = {}
        for one in opened.sealed:
            if one.scope.whole:
                counts |= _counted(opened, one, wanted[one.category])
        return counts, {"summaries": len(counts)}

    try:
        found = await through(house, principal, alias, Query(tuple(wanted)), Parts.SUMMARY, work)
    except (Refused, NoKeyError):  # a proxy who may share, and may not read all of it
        return {}
    nothing = Count(0, 0, 0, 0)
    return {
        (name, *pair): found.get((name, *pair), nothing) for name, pairs in wanted.items() for pair in pairs
    }


def _counted(
    opened: Opened, one: Sealed, pairs: Iterable[tuple[Scope | None, Scope | None]]
) -> Iterator[tuple[tuple[Category, Scope | None, Scope | None], Count]]:
    """Yield the counts of one category: by its summaries where they tell, else by its records."""
    by_record = {pair for pair in pairs if not all(scope is None or scope.by_code_and_day for scope in pair)}
    totals = {pair: np.zeros(4, dtype=np.int64) for pair in pairs}
    if by_record:
        for columns in opened.records(one, one.rows):
            rows = facts(columns)
            ones = np.ones(len(columns), dtype=np.int64)
            for pair in by_record:
                totals[pair] += _of(pair, rows, ones)
    for summary in opened.summaries(one, one.rows):
        for code, (days, counts) in summary.codes.items():
            day = np.array(days, dtype=np.int64)
            told = [Kind(code)], np.zeros(len(day), dtype=np.int64), day, None
            for pair in totals.keys() - by_record:
                totals[pair] += _of(pair, told, np.array(counts, dtype=np.int64))
    return (((one.category, *pair), Count(*map(int, total))) for pair, total in totals.items())


def _of(pair: tuple[Scope | None, Scope | None], rows: _Rows, counts: Numbers) -> Numbers:
    """Count the rows that one sees before and after, gains and loses."""
    before, after = (_mask(scope, rows) for scope in pair)
    told: Numbers = np.array(
        [counts[mask].sum() for mask in (before, after, after & ~before, before & ~after)], dtype=np.int64
    )
    return told


def _mask(scope: Scope | None, rows: _Rows) -> Mask:
    if scope is None:
        return np.zeros(len(rows[2]), dtype=np.bool_)
    return np.ones(len(rows[2]), dtype=np.bool_) if scope is WHOLE else scope.mask(*rows)


def _difference(directory: Directory, one: Seers, before: Sight, after: Sight, counts: Counts) -> Difference:
    gains, loses = list[Step](), list[Step]()
    for action in _ACTIONS:
        for category in Category:
            old, new = before.get((action, category)), after.get((action, category))
            if old == new:
                continue
            count = counts.get((category, old, new)) if action is Action.READ else None
            step = Step(action, category, count)
            if old is None or (new is not None and _more(new, old, count.gained if count else 0)):
                gains.append(step)
            if new is None or (old is not None and _more(old, new, count.lost if count else 0)):
                loses.append(step)
    return Difference(one.node, directory.node_name(one.node), one.people, tuple(gains), tuple(loses))


def _more(one: Scope, other: Scope, records: int) -> bool:
    """Tell whether one scope opens what another does not: of what there is, or of what may come."""
    return records > 0 or (one.whole and not other.whole)
