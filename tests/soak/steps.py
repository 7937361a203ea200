"""Random steps of the small country, held after each reading against a model so naive that it is plainly right.

Citizens grant, block, narrow by codes, dates, purposes and time, revoke and add; staff read and add; time passes.
The model keeps lists and asks each rule of each record anew. It knows no key, no index, no mask, no policy and no log.
"""

import random
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from audit.events import Decision, Event, EventKind
from consent.gate import Refused
from consent.nodes import standing
from consent.rules import Rule
from identity.principal import Citizen, Principal
from policies.vocabulary import Action, Category, Effect
from sharing import accesses
from tests.world import World, pressure, weight
from vault.days import SWEDEN
from vault.errors import NoKeyError
from vault.record import Quantity, Record

CITIZENS = ("anna", "bo")
STAFF = ("nurse-vc", "doctor-hospital", "homecare")
WEIGHT, PRESSURE = Category.BODY_WEIGHT, Category.BLOOD_PRESSURE
CATEGORIES = (WEIGHT, PRESSURE)
CODE = {WEIGHT: "29463-7", PRESSURE: "85354-9"}


class DisagreementError(AssertionError):
    """The product and the model say different things; the text names seed and step."""


@dataclass
class Model:
    """What each citizen has and allows, in plain lists."""

    records: dict[str, list[Record]] = field(default_factory=dict)
    rules: dict[str, list[Rule]] = field(default_factory=dict)

    def may(self, citizen: str, who: Principal, action: Action, record: Record, at: datetime) -> bool:
        """Tell whether some rule in force allows this record and none blocks it."""
        if isinstance(who, Citizen):
            return True
        nodes = standing(who).named
        fit = [rule for rule in self.rules[citizen] if _fits(rule, nodes, action, record, at)]
        return any(rule.effect is Effect.ALLOW for rule in fit) and not any(
            rule.effect is Effect.BLOCK for rule in fit
        )

    def seen(self, citizen: str, who: Principal, category: Category, at: datetime) -> list[Record]:
        """Return what one may read of a category."""
        return [
            record
            for record in self.records[citizen]
            if record.category is category and self.may(citizen, who, Action.READ, record, at)
        ]


def _fits(rule: Rule, nodes: tuple[str, ...], action: Action, record: Record, at: datetime) -> bool:
    day = record.start.astimezone(SWEDEN).date()
    return (
        f"{rule.grantee.kind}:{rule.grantee.id}" in nodes
        and action in rule.actions
        and record.category in rule.categories
        and (not rule.codes or record.code.code in rule.codes)
        and (not rule.purposes or "TREAT" in rule.purposes)
        and (rule.data_from is None or rule.data_from <= day)
        and (rule.data_to is None or day <= rule.data_to)
        and (rule.valid_from is None or rule.valid_from <= at)
        and (rule.valid_to is None or at < rule.valid_to)
    )


class Walk:
    """One walk through one country."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.seed = world, seed
        self.step = 0
        self.counts: dict[str, int] = {}
        self._random = random.Random(seed)
        self._released = dict.fromkeys(CITIZENS, 0)
        self._model = Model({one: [] for one in CITIZENS}, {one: [] for one in CITIZENS})

    async def go(self, steps: int) -> None:
        """Take steps, each after the one before.

        Raises:
            DisagreementError: the product said otherwise than the model.
        """
        await self.world.enter(*CITIZENS)
        for citizen in CITIZENS:  # the demo's own data are no part of the model
            self._model.records[citizen] = list(
                (await self.world.read(citizen, citizen, *CATEGORIES)).records
            )
        deeds = {self._read: 8, self._add: 4, self._put: 3, self._revoke: 2, self._wait: 1, self._own: 1}
        for _ in range(steps):
            self.step += 1
            (deed,) = self._random.choices(list(deeds), list(deeds.values()))
            await deed()
            self.counts[deed.__name__] = self.counts.get(deed.__name__, 0) + 1
        await self._check_log()

    # --- deeds

    async def _read(self) -> None:
        citizen, staff = self._one(CITIZENS), self._one(STAFF)
        category, who = self._one(CATEGORIES), self.world.who(staff)
        wanted = self._model.seen(citizen, who, category, self.world.clock())
        try:
            found = list((await self.world.read(who, citizen, category)).records)
        except (Refused, NoKeyError):
            found = []
        else:
            self._released[citizen] += 1
        self._compare(f"{staff} reads {citizen}'s {category}", found, wanted)

    async def _own(self) -> None:
        citizen = self._one(CITIZENS)
        found = (await self.world.read(citizen, citizen, *CATEGORIES)).records
        self._compare(f"{citizen} reads", list(found), self._model.records[citizen])

    async def _add(self) -> None:
        citizen = self._one(CITIZENS)
        by = self._one((citizen, *STAFF))
        who, record = self.world.who(by), self._record()
        permitted = self._model.may(citizen, who, Action.ADD, record, self.world.clock())
        try:
            (stored,) = await self.world.add(who, citizen, record)
        except Refused:
            if permitted:
                raise DisagreementError(self._at(f"{by} may not add to {citizen}'s, but may")) from None
            return
        if not permitted:
            raise DisagreementError(self._at(f"{by} added to {citizen}'s, but may not"))
        mine = self._model.records[citizen]
        if stored.fingerprint not in {one.fingerprint for one in mine}:
            mine.append(stored)

    async def _put(self) -> None:
        citizen, who = self._one(CITIZENS), self.world.who(self._one(STAFF))
        nodes = standing(who).named
        kind, _, node = self._one([one for one in nodes if not one.startswith("network:")]).partition(":")
        if self._random.random() < 0.1:
            kind, node = "network", ""
        effect = "block" if kind == "network" or self._random.random() < 0.3 else "allow"
        categories = self._random.sample(CATEGORIES, self._random.randint(1, 2))
        terms = self._terms(categories)
        rule_id = await self.world.rule(citizen, effect, kind, node, *categories, **terms)
        loaded = self.world.load(citizen)
        self._model.rules[citizen] += [rule for rule in loaded.rules.rules if rule.id == rule_id]

    async def _revoke(self) -> None:
        citizen = self._one(CITIZENS)
        rules = self._model.rules[citizen]
        if rules:
            gone = rules.pop(self._random.randrange(len(rules)))
            await self.world.revoke(citizen, gone.id)

    async def _wait(self) -> None:
        self.world.clock.move(hours=self._random.randint(1, 60))

    # --- what is drawn

    def _terms(self, categories: list[Category]) -> dict[str, Any]:
        terms: dict[str, Any] = {
            "actions": self._one([["read"], ["read", "add"], ["add"]]),
            "purposes": self._one([[], [], ["TREAT"]]),
        }
        if self._random.random() < 0.2:
            terms["codes"] = [CODE[self._one(categories)]]
        if self._random.random() < 0.3:
            first = self._day()
            terms |= {"data_from": first.isoformat(), "data_to": (first + timedelta(days=9)).isoformat()}
        if self._random.random() < 0.3:
            opens = self.world.clock() + timedelta(hours=self._random.randint(-48, 48))
            closes = opens + timedelta(hours=self._random.randint(1, 100))
            if closes > self.world.clock():
                terms |= {"valid_from": opens.isoformat(), "valid_to": closes.isoformat()}
        return terms

    def _record(self) -> Record:
        at = self.world.clock() - timedelta(minutes=self._random.randint(0, 40_000))
        if self._random.random() < 0.5:
            kilograms = Quantity(Decimal(self._random.randint(400, 1500)).scaleb(-1), "kg")
            return replace(weight("70", at), quantity=kilograms, canonical=kilograms)
        return pressure(str(self._random.randint(90, 180)), str(self._random.randint(50, 110)), at)

    def _day(self) -> date:
        return (self.world.clock() - timedelta(days=self._random.randint(-2, 30))).date()

    def _one(self, choices: Any) -> Any:
        return self._random.choice(choices)

    # --- what must hold

    def _compare(self, what: str, found: list[Record], wanted: list[Record]) -> None:
        told, meant = _facts(found), _facts(wanted)
        if told != meant:
            raise DisagreementError(
                self._at(
                    f"{what}: {len(told)} found, {len(meant)} meant, of which {len(told & meant)} are the same"
                )
            )
        if len(told) != len(found):
            raise DisagreementError(self._at(f"{what}: the same record twice"))

    async def _check_log(self) -> None:
        """Every reading that was released to staff stands in the citizen's log, once."""
        for citizen in CITIZENS:
            logged, before = 0, None
            while True:
                page = await accesses.mine(
                    self.world.house, self.world.who(citizen), self.world.alias(citizen), before=before
                )
                logged += sum(_is_released(entry.event) for entry in page.entries)
                before = page.before
                if before is None:
                    break
            if logged != self._released[citizen]:
                raise DisagreementError(
                    self._at(f"{citizen}: {self._released[citizen]} released, {logged} logged")
                )

    def _at(self, what: str) -> str:
        return f"seed {self.seed}, step {self.step}: {what}"


def _is_released(event: Event | None) -> bool:
    return (
        event is not None
        and (event.kind, event.decision) == (EventKind.READ, Decision.PERMIT)
        and event.actor.kind == "staff"
    )


def _facts(records: list[Record]) -> set[tuple[str, str, datetime, str]]:
    return {
        (
            record.category,
            record.code.code,
            record.start,
            "/".join(
                str(one.value)
                for one in (record.quantity, *(part.quantity for part in record.components))
                if one is not None
            ),
        )
        for record in records
    }
