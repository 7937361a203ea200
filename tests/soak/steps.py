"""Random steps of one citizen's sharing, held after each against a model so naive that it is plainly right.

A Hypothesis state machine: what fails is shrunk to the fewest steps and printed as code. It walks the real house:
sealed rows, keys, wraps and the log, on either engine. After each step everybody there is reads (what comes out is
what :mod:`tests.soak.naive` says), and what they could add and manage is asked.
"""

import asyncio
import sys
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from hypothesis import HealthCheck, Phase, assume, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from app.errors import Problem, problem_of
from app.settings import Settings
from audit.events import Decision, Event, EventKind
from consent.gate import Refused
from consent.judge import Denied, Granted, Matter, Need, judge
from consent.parse import parse_grantee, parse_rule
from consent.rules import Contact, Grantee, Lift, Rule
from consent.scope import Scope
from identity.principal import Person, Principal, Proxy, Relation, Staff
from policies.vocabulary import Action, Category, Deed, Effect, GranteeKind
from sharing import accesses, adding, emergency, granting, reading, vaults
from sharing.granting import Wish
from sharing.house import purpose_of
from sharing.reading import Query
from tests.soak.naive import Model
from tests.soak.people import (
    ABSENT,
    CATEGORIES,
    CLIENT,
    GUARDIAN,
    OVER,
    OWNERS,
    PROBED,
    PROXIES,
    STAFF,
    anybody,
    birthdays,
    blocked,
    changers,
    deciders,
    hangs_on,
    hours,
    people_of,
    persons,
    places,
    reads_or_adds,
    record_of,
    some_categories,
    terms,
    units,
)
from tests.world import World
from vault.columns import Columns
from vault.errors import NoKeyError
from vault.record import Record
from vault.state import VaultState

_T = TypeVar("_T")

#: Steps in one country; then another begins. More would outgrow what Hypothesis keeps of one run.
IN_ONE_COUNTRY = 100


class Sight(NamedTuple):
    """What somebody may do at a moment: what they read, which of what they could write they may add, and manage."""

    reads: frozenset[tuple[str, ...]]
    adds: tuple[bool, ...]
    manages: frozenset[Category]

    def within(self, other: "Sight") -> bool:
        """Tell whether it is nothing more than another."""
        return (
            self.reads <= other.reads
            and not any(mine and not theirs for mine, theirs in zip(self.adds, other.adds, strict=True))
            and self.manages <= other.manages
        )


@dataclass
class Walk:
    """Where countries are made, and how many steps have been taken in them."""

    template: Settings
    folder: Path
    taken: int = 0
    countries: int = 0

    def country(self, now: datetime) -> World:
        """Begin in a new one."""
        self.countries += 1
        return World.copy_of(self.template, self.folder / str(self.countries), now=now)


class Sharing(RuleBasedStateMachine):
    """One citizen's vault, and everybody who could want something of it."""

    walk: Walk

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.new_event_loop()
        self._world: World | None = None
        self._sights: dict[tuple[str, bool], Sight] = {}
        self._narrowed = False  # what was just done can only have narrowed
        self._released = 0
        self._ended: list[Rule] = []
        self._absent: dict[tuple[str, Action], Problem | None] = {}

    rules_, blocks = Bundle("rules"), Bundle("blocks")

    @initialize(
        owner=st.sampled_from(("adult", "adult", *OWNERS)),
        protected=st.booleans(),
        drawn=st.integers(0, 99_999),
    )
    def begin(self, owner: str, *, protected: bool, drawn: int) -> None:
        """Let a citizen come for the first time; two measurements and a place are theirs from the beginning."""
        assume(drawn)  # the simplest walk of all, always drawn first, is a hundred times the same step
        born, now = OWNERS[owner]
        self._world = self.walk.country(now)
        house = self.world.house
        alias = self.world.alias("anna")
        person = Person(alias, "Anna Exempelsson", born, protected)
        guardians = (GUARDIAN,) if born.year > 2000 else ()
        self.run(vaults.ensure(house, person, number="197503259280", controller="Demo", guardians=guardians))
        self.model = Model(person)
        self.people = dict(people_of(self.world, person))
        self.probes = {
            name: [
                record_of(who, self.now, one, 70, ago, device) for one in CATEGORIES for ago, device in PROBED
            ]
            for name, who in self.people.items()
        }
        for category in CATEGORIES:
            self.add("owner", category, 70, 24, "")

    # --- steps

    @rule(
        by=st.sampled_from(("owner", *STAFF, *PROXIES, "guardian", "client")),
        category=st.sampled_from([one.value for one in CATEGORIES]),
        value=st.integers(50, 120),
        ago=st.integers(0, 900),
        device=st.sampled_from(("", "Watch", "Meter")),
    )
    def add(self, by: str, category: str, value: int, ago: int, device: str) -> None:
        """Add a measurement."""
        who = self.people[by]
        record = record_of(who, self.now, Category(category), value, ago, device)
        permitted = self.model.may(who, Action.ADD, record, self.now)
        try:
            (stored,) = self.run(self.world.add(who, "anna", record))
        except Refused as refusal:
            assert not permitted, f"{by} may not add, but may"
            self.run(self._looks_absent(by, refusal, Action.ADD))
            return
        assert permitted, f"{by} added, but may not"
        if stored.id not in {one.id for one in self.model.records}:
            self.model.records.append(stored)

    @rule(
        target=rules_,
        by=deciders,
        to=st.lists(anybody, min_size=1, max_size=4),
        actions=reads_or_adds,
        categories=some_categories,
        terms=terms,
    )
    def allow(
        self,
        by: str,
        to: list[tuple[str, str]],
        actions: list[str],
        categories: list[str],
        terms: dict[str, Any],
    ) -> MultipleResults[str]:
        """Let some read or add, each by a rule of their own."""
        made: list[str] = []
        for one in to:
            made += self._grant(by, "allow", one, ["add"] if one == CLIENT else actions, categories, terms)
        return multiple(*made)

    @rule(
        targets=(rules_, blocks),
        by=deciders,
        to=st.lists(blocked, min_size=1, max_size=3),
        actions=reads_or_adds,
        categories=some_categories,
        terms=terms,
        aside=st.none() | hours,
    )
    def block(
        self,
        by: str,
        to: list[tuple[str, str]],
        actions: list[str],
        categories: list[str],
        terms: dict[str, Any],
        aside: int | None,
    ) -> MultipleResults[str]:
        """Block some, or lay it aside at once for some hours, after which it holds: it widens nobody."""
        self._narrowed = True
        made: list[str] = []
        for one in to:
            made += self._grant(by, "block", one, actions, categories, terms)
        for block in made if aside else ():
            self._lift(by, self.model.rules[block], Lift(self.now + timedelta(hours=aside or 0)))
        return multiple(*made)

    @rule(target=rules_, by=deciders, categories=some_categories, terms=terms)
    def say_no_to_emergency(
        self, by: str, categories: list[str], terms: dict[str, Any]
    ) -> MultipleResults[str]:
        """Say no in advance: it widens nobody."""
        self._narrowed = True
        return multiple(*self._grant(by, "block", ("emergency", ""), ["read"], categories, terms))

    @rule(
        target=rules_,
        by=deciders,
        to=st.sampled_from(tuple(PROXIES)),
        effect=st.sampled_from(("allow", "allow", "allow", "block")),
        actions=st.sampled_from((["read", "manage"], ["read"], ["read", "add"], ["add"])),
        categories=st.one_of(some_categories, st.just(["all"])),
        terms=terms,
    )
    def mandate(
        self,
        by: str,
        to: str,
        effect: str,
        actions: list[str],
        categories: list[str],
        terms: dict[str, Any],
    ) -> MultipleResults[str]:
        """Let somebody act for the owner, or block them."""
        alias, relation = PROXIES[to]
        self._narrowed = effect == "block"
        may_manage = effect == "allow" and relation is not Relation.RELATIVE
        actions = [one for one in actions if may_manage or one != "manage"]
        more = {**terms, "relation": str(relation)}
        return multiple(*self._grant(by, effect, ("proxy", alias.hex()), actions, categories, more))

    @rule(rule=rules_, by=changers, categories=some_categories, terms=terms)
    def change(self, rule: str, by: str, categories: list[str], terms: dict[str, Any]) -> None:
        """Grant another rule for the same one under the same id: narrower, wider, or for other times."""
        old = self.model.rules.get(rule)
        if old is None:
            return
        finer = self._terms(old.effect, sorted(old.actions), terms)
        relation = {} if old.relation is None else {"relation": str(old.relation)}
        posted = self._posted(old.effect, (old.grantee.kind, old.grantee.id), sorted(old.actions), categories)
        new = self._parse(by, {**posted, **finer, **relation}, rule)
        permitted = self.model.may_change(self._by(by), (old, new), self.now)
        (stored,) = (one for one in self.world.load("anna").rules.rules if one.id == rule)
        if self._carry_out(by, granting.to_grant(new, instead_of=stored), permitted=permitted):
            self.model.rules[rule] = new

    @rule(rule=consumes(rules_), by=deciders)
    def revoke(self, rule: str, by: str) -> None:
        """End a rule: where it let somebody in, it widens nobody."""
        old = self.model.rules.get(rule)
        if old is None:
            return
        self._narrowed = old.effect is Effect.ALLOW
        self._end(by, old)

    @rule(rule=blocks, by=deciders, until=st.none() | hours, to=st.none() | places)
    def lift(self, rule: str, by: str, until: int | None, to: tuple[str, str] | None) -> None:
        """Lay a block aside for some hours, for all or for one unit; or put it back."""
        old = self.model.rules.get(rule)
        if old is None or old.effect is Effect.ALLOW or old.grantee.kind is GranteeKind.EMERGENCY:
            return
        after = None if until is None else Lift(self.now + timedelta(hours=until), _grantee(to))
        self._lift(by, old, after)

    @rule(
        by=deciders,
        to=units | st.sampled_from(OVER[:3]) | persons,
        since=st.integers(-3, 5),
        lasts=st.none() | hours,
    )
    def list_contact(self, by: str, to: tuple[str, str], since: int, lasts: int | None) -> None:
        """List somebody among the contacts."""
        begins = self.now + timedelta(hours=since)
        until = None if lasts is None else begins + timedelta(hours=lasts)
        contact = Contact(parse_grantee(*to), "", begins, until)
        if self._carry_out(by, granting.to_list(contact), permitted=self._may_all(by)):
            self.model.contacts[contact.grantee] = contact

    @precondition(lambda self: self.model.contacts)
    @rule(by=deciders, which=st.integers(0, 9))
    def strike(self, by: str, which: int) -> None:
        """Strike somebody from the contacts: it widens nobody."""
        self._narrowed = True
        self._strike(by, list(self.model.contacts)[which % len(self.model.contacts)])

    @rule(by=deciders, really=st.sampled_from((True, *[False] * 5)))
    def pause(self, by: str, *, really: bool) -> None:
        """Pause all sharing, seldom, since it hides what the others do: it widens nobody."""
        if not really:
            return
        self._narrowed = True
        if self._carry_out(by, granting.to_pause(self.now), permitted=self._may_all(by)):
            self.model.paused = True

    @precondition(lambda self: self.model.paused)
    @rule(by=deciders)
    def resume(self, by: str) -> None:
        """Take sharing up again as it was."""
        if self._carry_out(by, granting.to_pause(None), permitted=self._may_all(by)):
            self.model.paused = False

    @rule(by=st.sampled_from(STAFF))
    def open_in_emergency(self, by: str) -> None:
        """Open the vault in an emergency."""
        staff = self.people[by]
        assert isinstance(staff, Staff)
        opening = emergency.open_vault(self.world.house, staff, self.alias, "en orsak som går att granska")
        permitted = self.model.may_open(staff)
        try:
            self.run(opening)
        except Refused:
            assert not permitted, f"{by} may not open, but may"
            return
        assert permitted, f"{by} opened, but may not"
        self.model.opened[staff.id, staff.commission.id] = self.now

    @rule(minutes=st.integers(1, 90))
    def wait(self, minutes: int) -> None:
        """Let some minutes pass: emergencies end."""
        self.world.clock.move(minutes=minutes)

    @rule(passed=hours)
    def wait_long(self, passed: int) -> None:
        """Let hours or days pass: rules, contacts and lifts begin and end."""
        self.world.clock.move(hours=passed)

    @precondition(lambda self: self._birthdays())
    @rule(moment=st.sampled_from((timedelta(0), timedelta(microseconds=-1))))
    def birthday(self, moment: timedelta) -> None:
        """Let the day come on which the owner turns 13 or 16, or the last moment before it."""
        self.world.clock.now = self._birthdays()[0] + moment

    @rule(by=deciders, place=places)
    def leave(self, by: str, place: tuple[str, str]) -> None:
        """Move from a unit, a provider, a region or a municipality: what let it in ends, and nobody is let in."""
        self._narrowed = True
        self._ended = []
        for old in [one for one in self.model.rules.values() if one.effect is Effect.ALLOW]:
            if self._hangs_on(old.grantee, place) and self._end(by, old):
                self._ended.append(old)
        for grantee in [one for one in self.model.contacts if self._hangs_on(one, place)]:
            self._strike(by, grantee)

    @precondition(lambda self: self._ended)
    @rule(target=rules_, by=deciders, place=units)
    def accept(self, by: str, place: tuple[str, str]) -> MultipleResults[str]:
        """Let the new unit have what the old one had: nobody but the owner does that."""
        made = [replace(old, id=granting.new_rule_id(), grantee=parse_grantee(*place)) for old in self._ended]
        self._ended = []
        return multiple(*(one.id for one in made if self._put(by, one)))

    @rule()
    def look_in_the_log(self) -> None:
        """Find every reading that was released to staff in the citizen's log, once."""
        logged, before = 0, None
        while True:
            page = self.run(accesses.mine(self.world.house, self.people["owner"], self.alias, before=before))
            logged += sum(_is_released(entry.event) for entry in page.entries)
            before = page.before
            if before is None:
                break
        assert logged == self._released, f"{self._released} released, {logged} logged"

    # --- what must hold

    @invariant()
    def all_is_as_said(self) -> None:
        """What the house lets each do is what the model says; and where it could only narrow, nothing widened."""
        self.walk.taken += 1
        narrowed, self._narrowed = self._narrowed, False
        before, self._sights = self._sights, dict(self._found())
        for (name, urgent), found in self._sights.items():
            asks = f"{name}{' in an emergency' if urgent else ''}"
            meant = self._meant(name, urgent=urgent)
            assert found == meant, f"{asks}: {found}, but {meant} is meant"
            if narrowed and (name, urgent) in before:
                assert found.within(before[name, urgent]), f"{asks} gained by what only narrows"

    def _found(self) -> Iterator[tuple[tuple[str, bool], Sight]]:
        vault_state = self.world.load("anna")
        asked = [(name, urgent) for name in self.people for urgent in self._ways(name)]
        for (name, urgent), reads in zip(asked, self.run(self._read_all(asked)), strict=True):
            who = self.people[name]
            added = self._judge(vault_state, who, Deed.ADD, CATEGORIES)
            managed = self._judge(vault_state, who, Deed.MANAGE, tuple(Category))
            adds: list[bool] = []
            for category in CATEGORIES:
                scope = added.get(category)
                facts = self.facts[name, category]
                adds += [False] * len(PROBED) if scope is None else scope.mask(*facts).tolist()
            yield (name, urgent), Sight(reads, tuple(adds), frozenset(managed))

    def _judge(
        self, vault_state: VaultState, who: Principal, deed: Deed, categories: tuple[Category, ...]
    ) -> Mapping[Category, Scope | None]:
        """Return what the house would say of a deed in each category, which is None where all of it is one matter."""
        house = self.world.house
        matter = Matter(who, house.subject(vault_state), deed, self.now, purpose_of(who), categories)
        gate = house.gate
        match judge(matter, Need.SOME, rules=vault_state.rules, policies=gate.policies, indexes=gate.indexes):
            case Granted(scopes=scopes):
                return scopes or dict.fromkeys(categories)
            case Denied():
                return {}

    def _meant(self, name: str, *, urgent: bool) -> Sight:
        who, now, may = self.people[name], self.now, self.model.may
        reads = [one for one in self.model.records if may(who, Action.READ, one, now, urgent=urgent)]
        return Sight(
            frozenset(map(_facts, reads)),
            tuple(may(who, Action.ADD, one, now) for one in self.probes[name]),
            frozenset(one for one in Category if self.model.may_manage(who, [one], now)),
        )

    async def _read_all(self, asked: Iterable[tuple[str, bool]]) -> list[frozenset[tuple[str, ...]]]:
        """Let everybody read at once, as they do."""
        return await asyncio.gather(*(self._read(name, urgent=urgent) for name, urgent in asked))

    async def _read(self, name: str, *, urgent: bool) -> frozenset[tuple[str, ...]]:
        who = self.people[name]
        query = Query(CATEGORIES, emergency=urgent)
        try:
            found = (await reading.read(self.world.house, who, self.alias, query)).records
        except (Refused, NoKeyError) as refusal:
            await self._looks_absent(name, refusal, Action.READ)
            return frozenset()
        self._released += isinstance(who, Staff)
        facts = frozenset(map(_facts, found))
        assert len(facts) == len(found), f"{name}: the same record twice"
        return facts

    async def _looks_absent(self, name: str, refusal: Exception, action: Action) -> None:
        """A refusal tells nothing that a citizen without a vault would not tell."""
        key = (name, action)
        if key not in self._absent:
            self._absent[key] = await self._told_of_nobody(name, action)
        told = problem_of(refusal)
        assert told == self._absent[key], f"{name} is refused otherwise than if there were nobody: {told}"

    async def _told_of_nobody(self, name: str, action: Action) -> Problem | None:
        """Ask the same about a citizen who has no vault."""
        who, house = self.people[name], self.world.house
        if isinstance(who, Proxy):
            who = replace(who, citizen=replace(self.model.owner, alias=ABSENT))
        try:
            if action is Action.READ:
                await reading.read(house, who, ABSENT, Query(CATEGORIES))
            else:
                await adding.add(house, who, ABSENT, self.probes[name][:1])
        except (Refused, NoKeyError) as refusal:
            return problem_of(refusal)
        return None

    # --- doing

    def teardown(self) -> None:
        """Take down the country."""
        if self._world is not None:
            if sys.exc_info()[0] is None:
                self.look_in_the_log()
            self._world.remove()
        self._loop.close()

    @property
    def world(self) -> World:
        """The country."""
        assert self._world is not None
        return self._world

    @property
    def now(self) -> datetime:
        """The time in it."""
        return self.world.clock()

    @property
    def alias(self) -> bytes:
        """The owner's."""
        return self.model.owner.alias

    @cached_property
    def facts(self) -> dict[tuple[str, Category], Any]:
        """What the finer terms of rules ask of what everybody could write."""
        return {
            (name, category): reading.facts(Columns.of([one for one in probes if one.category is category]))
            for name, probes in self.probes.items()
            for category in CATEGORIES
        }

    def _birthdays(self) -> list[datetime]:
        return birthdays(self.model.owner.birth_date, self.now)

    def _hangs_on(self, grantee: Grantee, place: tuple[str, str]) -> bool:
        return hangs_on(self.world.house.directory(), grantee, place)

    def run(self, doing: Coroutine[Any, Any, _T]) -> _T:
        """Do it to its end."""
        return self._loop.run_until_complete(doing)

    def _ways(self, name: str) -> Iterable[bool]:
        who = self.people[name]
        has_opened = isinstance(who, Staff) and (who.id, who.commission.id) in self.model.opened
        return (False, True) if has_opened else (False,)

    def _by(self, by: str) -> Principal:
        """Return one who tries, or whose matter it is."""
        if by == "decider":
            by = "guardian" if self.model.may_manage(self.people["guardian"], (), self.now) else "owner"
        return self.people[by]

    def _may_all(self, by: str) -> bool:
        return self.model.may_manage(self._by(by), (), self.now)

    def _carry_out(self, by: str, wish: Wish, *, permitted: bool) -> bool:
        """Change the rules, if it is permitted; it is told whether it was."""
        try:
            self.run(granting.carry_out(self.world.house, self._by(by), self.alias, wish))
        except (Refused, NoKeyError):
            assert not permitted, f"{by} may not {wish.kind}, but may"
        else:
            assert permitted, f"{by} did {wish.kind}, but may not"
        return permitted

    def _grant(
        self,
        by: str,
        effect: str,
        to: tuple[str, str],
        actions: list[str],
        categories: list[str],
        terms: dict[str, Any],
    ) -> list[str]:
        finer = self._terms(effect, actions, terms)
        posted = {**self._posted(effect, to, actions, categories), **finer}
        made = self._parse(by, posted, granting.new_rule_id())
        return [made.id] if self._put(by, made) else []

    def _put(self, by: str, made: Rule) -> bool:
        permitted = self.model.may_change(self._by(by), (made,), self.now)
        if self._carry_out(by, granting.to_grant(made), permitted=permitted):
            self.model.rules[made.id] = made
        return permitted

    def _end(self, by: str, old: Rule) -> bool:
        permitted = self.model.may_change(self._by(by), (old,), self.now)
        if self._carry_out(by, granting.to_revoke(old), permitted=permitted):
            del self.model.rules[old.id]
        return permitted

    def _lift(self, by: str, old: Rule, lift: Lift | None) -> None:
        permitted = self.model.may_change(self._by(by), (old,), self.now)
        if self._carry_out(by, granting.to_lift(old, lift, self.now), permitted=permitted):
            self.model.lay_aside(old, lift)

    def _strike(self, by: str, grantee: Grantee) -> None:
        if self._carry_out(by, granting.to_unlist(grantee), permitted=self._may_all(by)):
            del self.model.contacts[grantee]

    def _posted(
        self, effect: str, to: tuple[str, str], actions: list[str], categories: list[str]
    ) -> dict[str, Any]:
        grantee = {"kind": str(to[0]), "id": to[1]}
        return {
            "effect": str(effect),
            "grantee": grantee,
            "actions": list(map(str, actions)),
            "categories": list(Category) if categories == ["all"] else categories,
        }

    def _parse(self, by: str, posted: dict[str, Any], rule_id: str) -> Rule:
        return parse_rule(posted, id=rule_id, author=by, created=self.now)

    def _terms(self, effect: str, actions: list[str], drawn: dict[str, Any]) -> dict[str, Any]:
        """Return the finer terms as they are posted at this moment, less those that such a rule cannot have."""
        if "manage" in actions:  # of whole categories only
            drawn = {name: of for name, of in drawn.items() if name not in {"codes", "sources", "days_ago"}}
        found = {
            name: of for name, of in drawn.items() if name in {"codes", "sources", "purposes", "relation"}
        }
        if "days_ago" in drawn:
            first, last = sorted(self.now.date() - timedelta(days=one) for one in drawn["days_ago"])
            found |= {"data_from": first.isoformat(), "data_to": last.isoformat()}
        if "hours" in drawn:
            begins = self.now + timedelta(hours=drawn["hours"][0])
            ends = begins + timedelta(hours=drawn["hours"][1])
            found |= {"valid_from": begins.isoformat(), "valid_to": ends.isoformat()}
        if "record" in drawn and actions == ["read"]:
            found["records"] = [self.model.records[drawn["record"] % len(self.model.records)].id]
        if "while_related" in drawn and effect == "allow":
            found["while_related"] = True
        if "spares" in drawn and effect == "block":
            kind, id_ = drawn["spares"]
            found["spares"] = [{"kind": kind, "id": id_}]
        return found


def _grantee(named: tuple[str, str] | None) -> Grantee | None:
    return None if named is None else parse_grantee(*named)


def _is_released(event: Event | None) -> bool:
    return (
        event is not None
        and (event.kind, event.decision) == (EventKind.READ, Decision.PERMIT)
        and event.actor.kind == "staff"
    )


def _facts(record: Record) -> tuple[str, ...]:
    quantities = (record.quantity, *(part.quantity for part in record.components))
    values = (str(one.value) for one in quantities if one is not None)
    return record.id, record.code.code, record.start.isoformat(), *values


def walk(template: Settings, folder: Path, *, steps: int, number: int) -> int:
    """Take at least so many steps, drawn from a number, in one country after the other; return how many were taken.

    Raises:
        AssertionError: the product says otherwise than the model; its notes have the fewest steps to it.
    """
    walked = Walk(template, folder)
    machine: type[Sharing] = type("Sharing", (Sharing,), {"walk": walked})
    while walked.taken < steps:
        left = -(-(steps - walked.taken) // IN_ONE_COUNTRY)
        run_state_machine_as_test(
            seed(number)(machine),
            settings=settings(
                max_examples=left,
                stateful_step_count=IN_ONE_COUNTRY,
                deadline=None,
                database=None,
                derandomize=False,
                report_multiple_bugs=False,
                phases=(Phase.generate, Phase.shrink),
                suppress_health_check=list(HealthCheck),
            ),
        )
        number += (
            1_000_000  # where runs were shorter, more are drawn, by a number that no other walk begins with
        )
    return walked.taken
