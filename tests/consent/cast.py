"""Made-up people, units and rules for the tests of policies and consent. HSA-ids and names are invented."""

from dataclasses import replace
from datetime import UTC, date, datetime

from consent.questions import Subject
from consent.rules import Grantee, Rule
from identity.principal import (
    Authority,
    AuthorityKind,
    Citizen,
    Client,
    Commission,
    CommissionRight,
    Person,
    Provider,
    ProviderKind,
    Proxy,
    Relation,
    Staff,
    System,
    Unit,
)
from policies.vocabulary import Action, Category, Effect, GranteeKind, Purpose

AT = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
VAULT = bytes(range(16))
ALIAS, STRANGER, PARENT = b"a" * 16, b"s" * 16, b"p" * 16

REGION = Authority(AuthorityKind.REGION, "SE2321000000-0001", "Region Norr")
TOWN = Authority(AuthorityKind.MUNICIPALITY, "SE2120000000-0001", "Sjöstads kommun")
OWN_CARE = Provider("SE2321000000-1000", "Region Norrs vård", ProviderKind.CARE, REGION)
OWN_DENTAL = Provider("SE2321000000-3000", "Region Norrs tandvård", ProviderKind.CARE, REGION)
PRIVATE = Provider("SE5560000000-1000", "Vårdbolaget", ProviderKind.CARE, REGION)
TOWN_CARE = Provider("SE2120000000-2000", "Sjöstads omsorg", ProviderKind.SOCIAL, TOWN)
CENTRE = Unit("SE2321000000-1A1", "Vårdcentralen Björken", OWN_CARE)
OTHER_CENTRE = Unit("SE2321000000-1B2", "Vårdcentralen Granen", OWN_CARE)
PRIVATE_CENTRE = Unit("SE5560000000-1C3", "Vårdbolaget Torget", PRIVATE)
HOMECARE = Unit("SE2120000000-2D4", "Hemtjänst Norr", TOWN_CARE)

BOTH = frozenset({Action.READ, Action.ADD})
NURSE_TITLE = "Distriktssköterska"


def citizen(alias: bytes = ALIAS, *, born: date = date(1980, 5, 4), protected: bool = False) -> Citizen:
    """Make a citizen in their own matter."""
    return Citizen(Person(alias, "Anna Exempel", born, protected))


def proxy(relation: Relation = Relation.GUARDIAN, *, for_alias: bytes = ALIAS) -> Proxy:
    """Make one who acts for a citizen."""
    child = Person(for_alias, "Elsa Exempel", date(2016, 5, 4))
    return Proxy(Person(PARENT, "Karin Exempel", date(1985, 1, 1)), child, relation)


def staff(
    unit: Unit = CENTRE,
    *,
    right: CommissionRight = CommissionRight.CARE,
    purpose: Purpose = Purpose.CARE,
    licence: str = "Sjuksköterska",
    title: str = NURSE_TITLE,
) -> Staff:
    """Make a professional on one commission."""
    commission = Commission(f"{unit.id}U", "Vård", purpose, right, unit)
    return Staff("SE2321000000-E1", "Nils Exempel", title, licence, commission)


def client(*categories: Category) -> Client:
    """Make a client system."""
    return Client("meter", "Mätarportalen", OWN_CARE, categories or (Category.BLOOD_PRESSURE,))


SYSTEM = System("compactor", "mandate-1")


def subject(*, born: date = date(1980, 5, 4), protected: bool = False) -> Subject:
    """Make a citizen's vault."""
    return Subject(VAULT, ALIAS, born, protected)


def born_before(years: int) -> date:
    """Return a birth date that makes one exactly ``years`` old at :data:`AT` and some months."""
    return date(AT.year - years, 1, 15)


def rule(
    identifier: str = "r1",
    effect: Effect = Effect.ALLOW,
    *,
    kind: GranteeKind = GranteeKind.UNIT,
    to: str = CENTRE.id,
    actions: frozenset[Action] = frozenset({Action.READ}),
    categories: frozenset[Category] = frozenset({Category.BLOOD_PRESSURE}),
    codes: frozenset[str] = frozenset(),
    purposes: frozenset[Purpose] = frozenset(),
    data_from: date | None = None,
    data_to: date | None = None,
    valid_from: datetime | None = None,
    valid_to: datetime | None = None,
) -> Rule:
    """Make a rule; without words, one that lets the health centre read blood pressure."""
    return Rule(
        id=identifier,
        effect=effect,
        grantee=Grantee(kind, to),
        actions=actions,
        categories=categories,
        created=AT,
        author=ALIAS.hex(),
        codes=codes,
        purposes=purposes,
        data_from=data_from,
        data_to=data_to,
        valid_from=valid_from,
        valid_to=valid_to,
        relation=Relation.REPRESENTATIVE if kind is GranteeKind.PROXY else None,
    )


def replace_id(old: Rule, identifier: str) -> Rule:
    """Return the same rule under another id."""
    return replace(old, id=identifier)
