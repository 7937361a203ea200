"""What may be done with one vault, so naively that it is plainly right.

Written from the law as domain.md tells it and from the words of a rule (``consent.rules.Rule``), never from what
decides. It keeps lists and asks each rule of each record anew. It knows no key, no index, no mask, no policy, no log.
"""

import calendar
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from consent.rules import Contact, Grantee, Lift, Rule
from identity.principal import (
    Citizen,
    Client,
    CommissionRight,
    Person,
    Principal,
    ProviderKind,
    Proxy,
    Relation,
    Staff,
)
from policies.vocabulary import Action, Category, Effect, GranteeKind, Purpose
from vault.record import Record

_SWEDEN = ZoneInfo("Europe/Stockholm")
_NETWORK, _EMERGENCY = "network:", "emergency:"
_MANAGERS = (Relation.REPRESENTATIVE, Relation.LEGAL_GUARDIAN)  # a relative looks and adds


@dataclass
class Model:
    """One citizen's vault: what is in it, what they said about sharing it, and who opened it in an emergency when."""

    owner: Person
    records: list[Record] = field(default_factory=list)
    rules: dict[str, Rule] = field(default_factory=dict)
    contacts: dict[Grantee, Contact] = field(default_factory=dict)
    paused: bool = False
    opened: dict[tuple[str, str], datetime] = field(default_factory=dict)

    # --- what is asked

    def may(
        self, who: Principal, action: Action, record: Record, at: datetime, *, urgent: bool = False
    ) -> bool:
        """Tell whether this record may be read or added; ``urgent`` asks under an emergency opening of one's own."""
        match who:
            case Citizen(person):
                return person.alias == self.owner.alias
            case Proxy(relation=Relation.GUARDIAN):
                return self._guards(who, at)
            case Proxy():
                return (
                    self._acts_for_owner(who)
                    and not self._hides(action, record)
                    and self._is_let(names_of(who), action, record, at, None)
                    and not self._is_blocked(names_of(who), (), action, record, at, None)
                )
            case Client():
                return (
                    action is Action.ADD
                    and record.category in who.categories
                    and self._consents(who, action, record, at)
                )
            case Staff() if _is_on_care(who):
                return self._may_staff(who, action, record, at, urgent=urgent)
            case _:
                return False

    def may_manage(self, who: Principal, categories: Collection[Category], at: datetime) -> bool:
        """Tell whether somebody decides over the sharing of all these categories; of the whole vault, where none."""
        match who:
            case Citizen():
                return self.may_block(who, at)
            case Proxy(relation=Relation.GUARDIAN):
                return self._guards(who, at)
            case Proxy(relation=relation) if relation in _MANAGERS and self._acts_for_owner(who):
                return all(self._is_mandated(who, one, at) for one in categories or Category)
            case _:
                return False

    def may_block(self, who: Principal, at: datetime) -> bool:
        """Tell whether somebody makes and lifts blocks, and says who acts for the owner: the owner alone, from 13."""
        return isinstance(who, Citizen) and who.person.alias == self.owner.alias and self._is(13, at)

    def may_change(self, who: Principal, rules: Iterable[Rule], at: datetime) -> bool:
        """Tell whether somebody may make or end all of these rules."""
        return all(
            self.may_block(who, at)
            if rule.effect is Effect.BLOCK or rule.grantee.kind is GranteeKind.PROXY
            else self.may_manage(who, rule.categories, at)
            for rule in rules
        )

    def may_open(self, who: Principal) -> bool:
        """Tell whether somebody may open a vault in an emergency: licensed staff of a vårdgivare, on care."""
        return (
            isinstance(who, Staff)
            and _is_on_care(who)
            and bool(who.licence)
            and who.commission.unit.provider.kind is ProviderKind.CARE
        )

    # --- what is said

    def lay_aside(self, block: Rule, lift: Lift | None) -> None:
        """Lay a block aside: a later word about the same unit, or about all, takes the earlier one's place."""
        others = [one for one in block.lifts if lift is not None and one.grantee != lift.grantee]
        self.rules[block.id] = replace(block, lifts=(*others, *([] if lift is None else [lift])))

    # --- how it is decided

    def _may_staff(self, who: Staff, action: Action, record: Record, at: datetime, *, urgent: bool) -> bool:
        opened = self.opened.get((who.id, who.commission.id)) if urgent else None
        if opened is None or at - opened > timedelta(days=1):  # nothing is left of it
            return self._consents(who, action, record, at)
        if self._hides(action, record) or at - opened >= timedelta(hours=1):
            return False
        let = self.may_open(who) or self._is_let(names_of(who), action, record, at, Purpose.CARE)
        everyone = (_NETWORK, _EMERGENCY)
        return let and not self._is_blocked(names_of(who), everyone, action, record, at, Purpose.CARE)

    def _consents(self, who: Staff | Client, action: Action, record: Record, at: datetime) -> bool:
        names, over = names_of(who), [_NETWORK]
        if isinstance(who, Client):  # stopped with the provider's staff, not let in with them
            authority = who.provider.authority
            over += [f"provider:{who.provider.id}", f"{authority.kind}:{authority.id}"]
        return (
            not self._hides(action, record)
            and self._is_let(names, action, record, at, Purpose.CARE)
            and not self._is_blocked(names, over, action, record, at, Purpose.CARE)
        )

    def _is_let(
        self, names: list[str], action: Action, record: Record, at: datetime, why: Purpose | None
    ) -> bool:
        listed = any(
            _name(one.grantee) in names and one.since <= at and (one.until is None or at < one.until)
            for one in self.contacts.values()
        )
        named = [*names, _NETWORK] if listed else names
        return not self.paused and any(
            rule.effect is Effect.ALLOW
            and _name(rule.grantee) in named
            and _fits(rule, action, record, at, why)
            and (listed or not rule.while_related)
            for rule in self.rules.values()
        )

    def _is_blocked(
        self,
        names: list[str],
        over: Iterable[str],
        action: Action,
        record: Record,
        at: datetime,
        why: Purpose | None,
    ) -> bool:
        return any(
            rule.effect is Effect.BLOCK
            and _name(rule.grantee) in (*names, *over)
            and _fits(rule, action, record, at, why)
            and not any(_name(one) in names for one in rule.spares)
            and not any(
                at < one.until and (one.grantee is None or _name(one.grantee) in names) for one in rule.lifts
            )
            for rule in self.rules.values()
        )

    def _is_mandated(self, who: Proxy, category: Category, at: datetime) -> bool:
        """Whole categories can be managed, and nothing less: what is then granted may be all of one."""
        return not self.paused and any(
            rule.effect is Effect.ALLOW
            and _name(rule.grantee) in names_of(who)
            and Action.MANAGE in rule.actions
            and category in rule.categories
            and not (rule.codes or rule.sources or rule.records or rule.data_from or rule.data_to)
            and not rule.purposes
            and not rule.while_related
            and _is_in_force(rule, at)
            for rule in self.rules.values()
        )

    def _hides(self, action: Action, record: Record) -> bool:
        """Where one with protected identity is, is shown to nobody."""
        return self.owner.protected and action is Action.READ and record.category is Category.LOCATION

    def _guards(self, who: Proxy, at: datetime) -> bool:
        return self._acts_for_owner(who) and not self.owner.protected and not self._is(13, at)

    def _acts_for_owner(self, who: Proxy) -> bool:
        return who.citizen.alias == self.owner.alias

    def _is(self, years: int, at: datetime) -> bool:
        """Tell whether the owner has turned so many years, on the day, in Sweden; born on a leap day, on the last."""
        born = self.owner.birth_date
        year = born.year + years
        day = min(born.day, calendar.monthrange(year, born.month)[1])
        return at.astimezone(_SWEDEN).date() >= date(year, born.month, day)


def names_of(who: Principal) -> list[str]:
    """Name all by which a rule can let somebody in."""
    match who:
        case Staff():
            unit = who.commission.unit
            authority = unit.provider.authority
            return [
                f"unit:{unit.id}",
                f"provider:{unit.provider.id}",
                f"{authority.kind}:{authority.id}",
                f"person:{who.id}",
                f"role:{unit.id}/{who.title}",
            ]
        case Client(id=id_):
            return [f"client:{id_}"]
        case Proxy(person=person):
            return [f"proxy:{person.alias.hex()}"]
        case _:
            return []


def _name(grantee: Grantee) -> str:
    return f"{grantee.kind}:{grantee.id}"


def _is_on_care(who: Staff) -> bool:
    job = who.commission
    return (job.right, job.purpose) == (CommissionRight.CARE, Purpose.CARE)


def _is_in_force(rule: Rule, at: datetime) -> bool:
    return (rule.valid_from is None or rule.valid_from <= at) and (
        rule.valid_to is None or at < rule.valid_to
    )


def _fits(rule: Rule, action: Action, record: Record, at: datetime, why: Purpose | None) -> bool:
    day = record.start.astimezone(_SWEDEN).date()
    return (
        action in rule.actions
        and record.category in rule.categories
        and (not rule.codes or record.code.code in rule.codes)
        and (not rule.sources or _comes_from(record, rule.sources))
        and (not rule.records or record.id in rule.records)
        and (not rule.purposes or why in rule.purposes)
        and (rule.data_from is None or rule.data_from <= day)
        and (rule.data_to is None or day <= rule.data_to)
        and _is_in_force(rule, at)
    )


def _comes_from(record: Record, sources: frozenset[str]) -> bool:
    """Tell whether a record comes from one of the sources: its author's own, a device, a unit's or provider's."""
    author, device = record.provenance.author, record.provenance.device
    found = {"device", f"device:{device}"} if device else set[str]()
    if author.kind in {"citizen", "proxy"} and not device:
        found.add("mine")
    if author.kind == "client":
        found |= {f"client:{author.id}", f"provider:{author.provider}"}
    if author.kind == "professional":
        found |= {f"unit:{author.unit}", f"provider:{author.provider}"}
    return not found.isdisjoint(sources)
