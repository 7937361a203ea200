"""Random steps of the small country, held after each reading against a model so naive that it is plainly right.

Citizens grant, block, narrow by codes, records, sources, dates, purposes and time, spare, lift, list contacts, pause,
revoke and add; staff read, add and open in emergencies; time passes. The model keeps lists and asks each rule of each
record anew. It knows no key, no index, no mask, no policy and no log.
"""

import random
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from audit.events import Decision, Event, EventKind
from consent.gate import Refused
from consent.parse import parse_grantee
from consent.rules import Contact, Lift, Rule
from identity.principal import Citizen, Principal, ProviderKind, Staff
from policies.vocabulary import Action, Category, Effect
from sharing import accesses, emergency, granting
from sharing.granting import Wish
from sharing.house import author_of
from tests.world import World, pressure, weight
from vault.days import SWEDEN
from vault.errors import NoKeyError
from vault.record import Origin, Provenance, Quantity, Record

CITIZENS = ("anna", "bo")
STAFF = ("nurse-vc", "doctor-hospital", "homecare")
WEIGHT, PRESSURE = Category.BODY_WEIGHT, Category.BLOOD_PRESSURE
CATEGORIES = (WEIGHT, PRESSURE)
CODE = {WEIGHT: "29463-7", PRESSURE: "85354-9"}


class DisagreementError(AssertionError):
    """The product and the model say different things; the text names seed and step."""


@dataclass
class Model:
    """What each citizen has and allows, in plain lists, and who opened whose vault in an emergency when."""

    records: dict[str, list[Record]] = field(default_factory=dict)
    rules: dict[str, list[Rule]] = field(default_factory=dict)
    contacts: dict[str, dict[str, tuple[datetime, datetime | None]]] = field(default_factory=dict)
    paused: set[str] = field(default_factory=set)
    opened: dict[tuple[str, str], datetime] = field(default_factory=dict)

    def may(
        self,
        citizen: str,
        who: Principal,
        action: Action,
        record: Record,
        at: datetime,
        *,
        urgent: bool = False,
    ) -> bool:
        """Tell whether this record may be read or added: blocks first, then an emergency, then what is allowed."""
        if isinstance(who, Citizen):
            return True
        assert isinstance(who, Staff)
        nodes = _nodes(who)
        opened = self.opened.get((citizen, who.id)) if urgent else None
        if opened is not None and at - opened >= timedelta(days=1):
            opened = None
        everyone = ["network:", *(["emergency:"] if opened is not None else [])]
        listed = [
            node
            for node, (since, until) in self.contacts[citizen].items()
            if since <= at and (until is None or at < until)
        ]
        is_contact = any(node in listed for node in nodes)
        for rule in self.rules[citizen]:
            if rule.effect is Effect.BLOCK and _fits(rule, [*nodes, *everyone], action, record, at):
                spared = any(f"{one.kind}:{one.id}" in nodes for one in rule.spares)
                lifted = any(
                    at < one.until
                    and (one.grantee is None or f"{one.grantee.kind}:{one.grantee.id}" in nodes)
                    for one in rule.lifts
                )
                if not spared and not lifted:
                    return False
        if opened is not None:
            return at - opened < timedelta(hours=1) and (
                _is_licensed(who) or self._allows(citizen, who, action, record, at, is_contact=is_contact)
            )
        return self._allows(citizen, who, action, record, at, is_contact=is_contact)

    def _allows(
        self, citizen: str, who: Staff, action: Action, record: Record, at: datetime, *, is_contact: bool
    ) -> bool:
        if citizen in self.paused:
            return False
        nodes = [*_nodes(who), *(["network:"] if is_contact else [])]
        return any(
            rule.effect is Effect.ALLOW
            and _fits(rule, nodes, action, record, at)
            and (is_contact or not rule.while_related)
            for rule in self.rules[citizen]
        )

    def seen(
        self, citizen: str, who: Principal, category: Category, at: datetime, *, urgent: bool = False
    ) -> list[Record]:
        """Return what one may read of a category."""
        return [
            record
            for record in self.records[citizen]
            if record.category is category and self.may(citizen, who, Action.READ, record, at, urgent=urgent)
        ]


def _nodes(who: Staff) -> list[str]:
    """Name all by which a rule can reach a member of staff."""
    unit = who.commission.unit
    authority = unit.provider.authority
    return [
        f"unit:{unit.id}",
        f"provider:{unit.provider.id}",
        f"{authority.kind}:{authority.id}",
        f"person:{who.id}",
        f"role:{unit.id}/{who.title}",
    ]


def _is_licensed(who: Staff) -> bool:
    return bool(who.licence) and who.commission.unit.provider.kind is ProviderKind.CARE


def _fits(rule: Rule, nodes: list[str], action: Action, record: Record, at: datetime) -> bool:
    day = record.start.astimezone(SWEDEN).date()
    return (
        f"{rule.grantee.kind}:{rule.grantee.id}" in nodes
        and action in rule.actions
        and record.category in rule.categories
        and (not rule.codes or record.code.code in rule.codes)
        and (not rule.sources or _comes_from(record, rule.sources))
        and (not rule.records or record.id in rule.records)
        and (not rule.purposes or "TREAT" in rule.purposes)
        and (rule.data_from is None or rule.data_from <= day)
        and (rule.data_to is None or day <= rule.data_to)
        and (rule.valid_from is None or rule.valid_from <= at)
        and (rule.valid_to is None or at < rule.valid_to)
    )


def _comes_from(record: Record, sources: frozenset[str]) -> bool:
    """Tell whether a record comes from one of the sources: its author's own, a device, a unit's or provider's."""
    author, device = record.provenance.author, record.provenance.device
    found = {"device", f"device:{device}"} if device else set[str]()
    if author.kind == "citizen" and not device:
        found.add("mine")
    if author.kind == "professional":
        found |= {f"unit:{author.unit}", f"provider:{author.provider}"}
    return not found.isdisjoint(sources)


class Walk:
    """One walk through one country."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.seed = world, seed
        self.step = 0
        self.counts: dict[str, int] = {}
        self._random = random.Random(seed)
        self._released = dict.fromkeys(CITIZENS, 0)
        self._model = Model(
            {one: [] for one in CITIZENS}, {one: [] for one in CITIZENS}, {one: {} for one in CITIZENS}
        )

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
        deeds = {
            self._read: 10,
            self._add: 4,
            self._put: 4,
            self._revoke: 2,
            self._wait: 1,
            self._own: 1,
            self._contact: 1,
            self._pause: 1,
            self._lift: 1,
            self._emergency: 1,
        }
        for _ in range(steps):
            self.step += 1
            (deed,) = self._random.choices(list(deeds), list(deeds.values()))
            await deed()
            self.counts[deed.__name__] = self.counts.get(deed.__name__, 0) + 1
        await self._check_log()

    # --- deeds

    async def _read(self) -> None:
        citizen, staff = self._one(CITIZENS), self._one(STAFF)
        category, who, urgent = self._one(CATEGORIES), self.world.who(staff), self._random.random() < 0.3
        wanted = self._model.seen(citizen, who, category, self.world.clock(), urgent=urgent)
        try:
            found = list((await self.world.read(who, citizen, category, emergency=urgent)).records)
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
        who, record = self.world.who(by), self._record(by)
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
        citizen, staff = self._one(CITIZENS), self._staff()
        kind, _, node = self._one(_nodes(staff)).partition(":")
        if self._random.random() < 0.2:
            kind, node = self._one(["network", "network", "emergency"]), ""
        effect = "block" if kind == "emergency" or self._random.random() < 0.3 else "allow"
        categories = self._random.sample(CATEGORIES, self._random.randint(1, 2))
        terms = self._terms(citizen, effect, categories)
        rule_id = await self.world.rule(citizen, effect, kind, node, *categories, **terms)
        loaded = self.world.load(citizen)
        self._model.rules[citizen] += [rule for rule in loaded.rules.rules if rule.id == rule_id]

    async def _contact(self) -> None:
        citizen, staff = self._one(CITIZENS), self._staff()
        node, mine = (
            self._one([one for one in _nodes(staff) if one.startswith(("unit", "provider", "person"))]),
            self._model.contacts[citizen],
        )
        grantee = parse_grantee(*node.split(":"))
        if node in mine:
            del mine[node]
            await self._change(citizen, granting.to_unlist(grantee))
            return
        now = self.world.clock()
        until = self._one([None, now + timedelta(hours=self._random.randint(1, 200))])
        mine[node] = (now, until)
        await self._change(citizen, granting.to_list(Contact(grantee, "", now, until)))

    async def _pause(self) -> None:
        citizen = self._one(CITIZENS)
        if citizen in self._model.paused:
            self._model.paused.discard(citizen)
            await self._change(citizen, granting.to_pause(None))
        elif self._random.random() < 0.3:
            self._model.paused.add(citizen)
            await self._change(citizen, granting.to_pause(self.world.clock()))

    async def _lift(self) -> None:
        citizen, now = self._one(CITIZENS), self.world.clock()
        rules = self._model.rules[citizen]
        blocks = [one for one in rules if one.effect is Effect.BLOCK and one.grantee.kind != "emergency"]
        if not blocks:
            return
        block = self._one(blocks)
        to = self._one([None, parse_grantee("unit", self._staff().commission.unit.id)])
        lift = self._one([None, Lift(now + timedelta(hours=self._random.randint(1, 60)), to)])
        await self._change(citizen, granting.to_lift(block, lift, now))
        loaded = self.world.load(citizen)
        rules[rules.index(block)] = next(one for one in loaded.rules.rules if one.id == block.id)

    async def _emergency(self) -> None:
        citizen, staff = self._one(CITIZENS), self._staff()
        try:
            await emergency.open_vault(
                self.world.house, staff, self.world.alias(citizen), "en orsak som går att granska"
            )
        except Refused:
            if _is_licensed(staff):
                raise DisagreementError(self._at(f"{staff.id} may not open {citizen}'s, but may")) from None
            return
        if not _is_licensed(staff):
            raise DisagreementError(self._at(f"{staff.id} opened {citizen}'s, but may not"))
        self._model.opened[citizen, staff.id] = self.world.clock()

    async def _change(self, citizen: str, wish: Wish) -> None:
        await granting.carry_out(self.world.house, self.world.who(citizen), self.world.alias(citizen), wish)

    async def _revoke(self) -> None:
        citizen = self._one(CITIZENS)
        rules = self._model.rules[citizen]
        if rules:
            gone = rules.pop(self._random.randrange(len(rules)))
            await self.world.revoke(citizen, gone.id)

    async def _wait(self) -> None:
        self.world.clock.move(hours=self._random.randint(1, 60))

    # --- what is drawn

    def _terms(self, citizen: str, effect: str, categories: list[Category]) -> dict[str, Any]:
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
        if self._random.random() < 0.2:
            source = f"unit:{self._staff().commission.unit.id}"
            terms["sources"] = self._random.sample(["mine", "device", "device:Watch", source], 2)
        if self._random.random() < 0.1 and self._model.records[citizen]:
            terms |= {"actions": ["read"], "records": [self._one(self._model.records[citizen]).id]}
        if effect == "allow":
            terms["while_related"] = self._random.random() < 0.2
        elif self._random.random() < 0.3:
            kind, _, node = self._one(_nodes(self._staff())).partition(":")
            terms["spares"] = [{"kind": kind, "id": node}]
        return terms

    def _staff(self) -> Staff:
        found = self.world.who(self._one(STAFF))
        assert isinstance(found, Staff)
        return found

    def _record(self, by: str) -> Record:
        source = Provenance(
            author_of(self.world.who(by)),
            Origin.FORM,
            self.world.clock(),
            device=self._one(["", "", "Watch", "Meter"]),
        )
        return replace(self._measured(), provenance=source)

    def _measured(self) -> Record:
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
