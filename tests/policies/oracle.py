"""Who may do what, in plain Python from the sources of law: a second opinion on the policies."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product

from consent.questions import Organisation, Subject, question
from identity.principal import (
    Citizen,
    Client,
    CommissionRight,
    Principal,
    ProviderKind,
    Proxy,
    Relation,
    Staff,
)
from policies.engine import LAW_IN_FORCE, Question
from policies.vocabulary import Deed, Purpose
from tests.consent import cast

AGES = (-1, 0, 5, 12, 13, 15, 16, 40)
_LENGTHS = {"hour": 60, "day": 24 * 60}
PURPOSES = (Purpose.CARE, Purpose.QUALITY, None)


@dataclass(frozen=True)
class Case:
    """One question with every fact that could matter."""

    principal: Principal
    deed: Deed
    about: Subject | Organisation
    years: int = 40
    purpose: Purpose | None = Purpose.CARE
    allowed: bool = False
    denied: bool = False
    registered: bool = True
    locates: bool = False
    related: bool = True
    minutes: int | None = None  # since an emergency opening

    def question(self) -> Question:
        """Put the case as the gate does."""
        context: dict[str, object] = {}
        rules = {"allows": ["r1"] if self.allowed else [], "denies": ["b1"] if self.denied else []}
        if self.deed is Deed.MANAGE:
            context = {"consent": rules}
        if self.deed in {Deed.READ, Deed.ADD}:
            context = {
                "consent": rules,
                "registered": self.registered,
                "locates": self.locates,
                "related": self.related,
                "emergency": self.minutes is not None,
                "minutes": self.minutes or 0,
            }
        return question(self.principal, self.deed, self.about, context, purpose=self.purpose, at=cast.AT)


def may(case: Case, law: Mapping[str, str] = LAW_IN_FORCE) -> bool:
    """Tell what the law, in the chosen variants, and the citizen's rules say."""
    match case.principal, case.about:
        case Citizen() as person, Subject() as vault:
            return _owner_may(case, person, vault, law)
        case Proxy() as proxy, Subject() as vault:
            return (_guardian_may if proxy.relation is Relation.GUARDIAN else _mandate_may)(
                case, proxy, vault, law
            )
        case Staff() as staff, Subject() as vault:
            return _staff_may(case, staff, vault, law)
        case Client(), Subject():
            return _client_may(case)
        case Staff() as staff, Organisation(node, is_own):
            return _answers_for(staff, node, case.deed, is_own=is_own)
        case _:
            return False


def _owner_may(case: Case, person: Citizen, vault: Subject, law: Mapping[str, str]) -> bool:
    if person.person.alias != vault.alias:
        return False
    if case.deed is Deed.KNOW_STAFF:
        return law["staff-names"] == "named"
    if case.deed in {Deed.MANAGE, Deed.BLOCK}:
        return case.years >= 13
    return case.deed in {Deed.READ, Deed.ADD, Deed.READ_LOG, Deed.LOOKUP}


def _client_may(case: Case) -> bool:
    if case.purpose is not Purpose.CARE:
        return False
    adds = case.deed is Deed.ADD and case.registered and case.allowed and not case.denied
    return adds or case.deed is Deed.LOOKUP


def _guardian_may(case: Case, proxy: Proxy, vault: Subject, law: Mapping[str, str]) -> bool:
    if proxy.citizen.alias != vault.alias:
        return False
    if vault.protected or not 0 <= case.years <= 12:
        return False
    if case.deed is Deed.KNOW_STAFF:
        return law["staff-names"] == "named"
    if case.deed in {Deed.READ, Deed.ADD}:
        return not case.denied
    return case.deed in {Deed.MANAGE, Deed.READ_LOG, Deed.LOOKUP}


def _mandate_may(case: Case, proxy: Proxy, vault: Subject, _: Mapping[str, str]) -> bool:
    if proxy.citizen.alias != vault.alias or not case.allowed:
        return False
    if case.deed is Deed.READ and vault.protected and case.locates:
        return False
    if case.deed is Deed.MANAGE:
        return proxy.relation is not Relation.RELATIVE
    return case.deed in {Deed.READ, Deed.ADD} and not case.denied


def _staff_may(case: Case, staff: Staff, vault: Subject, law: Mapping[str, str]) -> bool:
    commission = staff.commission
    caring = commission.right is CommissionRight.CARE and commission.purpose is Purpose.CARE
    if not caring or case.purpose is not Purpose.CARE:
        return False
    may_open = bool(staff.licence) and commission.unit.provider.kind is ProviderKind.CARE
    if case.deed in {Deed.READ, Deed.ADD}:
        return not case.denied and _staff_may_handle(case, vault, law, may_open=may_open)
    return {
        Deed.LOOKUP: True,
        Deed.ASK: True,
        Deed.ASSIST: not vault.protected and case.years >= 13,
        Deed.EMERGENCY: may_open,
        Deed.KNOW_BLOCKED: may_open and law["blocked-data"] == "told",
    }.get(case.deed, False)


def _staff_may_handle(case: Case, vault: Subject, law: Mapping[str, str], *, may_open: bool) -> bool:
    if case.deed is Deed.READ and vault.protected and case.locates:
        return False
    if law["relation"] == "on-record" and not case.related and case.minutes is None:
        return False
    if case.deed is Deed.ADD:
        return case.allowed
    has_basis = case.allowed or law["basis"] == "blocks-only"
    if case.minutes is None:
        return has_basis
    return 0 <= case.minutes < _LENGTHS[law["emergency"]] and (may_open or has_basis)


def _answers_for(staff: Staff, node: str, deed: Deed, *, is_own: bool) -> bool:
    if deed is Deed.ANSWER_FOR:
        return is_own and _is_of(staff, node)
    return staff.commission.right is CommissionRight.LOG_REVIEW and not is_own and _is_of(staff, node)


def _is_of(staff: Staff, node: str) -> bool:
    provider = staff.commission.unit.provider
    if node == f"provider:{provider.id}":
        return True
    same_legal_person = provider.id.split("-")[0] == provider.authority.id.split("-")[0]
    return node == f"{provider.authority.kind}:{provider.authority.id}" and same_legal_person


def principals() -> tuple[Principal, ...]:
    """Return every kind of principal that could matter."""
    commissions = product(
        CommissionRight,
        (Purpose.CARE, Purpose.ADMINISTRATION),
        product(("Läkare", ""), (cast.CENTRE, cast.HOMECARE)),
    )
    return (
        cast.citizen(),
        cast.citizen(cast.STRANGER),
        *(
            cast.proxy(relation, for_alias=alias)
            for relation in Relation
            for alias in (cast.ALIAS, cast.STRANGER)
        ),
        *(
            cast.staff(unit, right=right, purpose=purpose, licence=licence)
            for right, purpose, (licence, unit) in commissions
        ),
        cast.client(),
        cast.SYSTEM,
    )


def cases() -> Iterator[Case]:
    """Yield every combination, tens of thousands."""
    for principal, protected, deed in product(principals(), (False, True), Deed):
        ages = AGES if isinstance(principal, Citizen | Proxy) or deed is Deed.ASSIST else (5, 40)
        for years, purpose in product(ages, PURPOSES):
            vault = cast.subject(born=cast.born_before(years), protected=protected)
            case = Case(principal, deed, vault, years, purpose)
            yield from _handled(case) if deed in {Deed.READ, Deed.ADD, Deed.MANAGE} else _plain(case)


def _handled(case: Case) -> Iterator[Case]:
    rules = [replace(case, allowed=a, denied=d) for a, d in product((False, True), (False, True))]
    if case.deed is Deed.MANAGE:
        yield from rules
        return
    is_staff = isinstance(case.principal, Staff)
    registered = (True, False) if isinstance(case.principal, Client) else (True,)
    facts = ((False, True), (True, True), (False, False)) if is_staff else ((False, True), (True, True))
    minutes: tuple[int | None, ...] = (None, 59) if is_staff else (None,)
    if is_staff and case.purpose is Purpose.CARE:
        minutes = (None, -1, 59, 60, 1439, 1440)
    for one, entitled, (locates, related), since in product(rules, registered, facts, minutes):
        yield replace(one, registered=entitled, locates=locates, related=related, minutes=since)


def _plain(case: Case) -> Iterator[Case]:
    if case.deed not in {Deed.REVIEW_LOG, Deed.ANSWER_FOR}:
        yield case
        return
    people = [case.principal]
    if isinstance(case.principal, Staff):
        people += [cast.staff(cast.PRIVATE_CENTRE, right=case.principal.commission.right)]
    authorities = (cast.REGION, cast.TOWN)
    nodes = [f"provider:{p.id}" for p in (cast.OWN_CARE, cast.OWN_DENTAL, cast.PRIVATE, cast.TOWN_CARE)]
    nodes += [f"{a.kind}:{a.id}" for a in authorities]
    for principal, node, is_own in product(people, nodes, (False, True)):
        yield replace(case, principal=principal, about=Organisation(node, is_own))
