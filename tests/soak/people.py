"""Who stands round one citizen's vault in the random steps, where they work, and what is drawn of rules and records."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from hypothesis import strategies as st

from app import demo
from consent.rules import Grantee
from identity.directory import Directory
from identity.principal import (
    Citizen,
    Commission,
    CommissionRight,
    Person,
    Principal,
    Proxy,
    Relation,
    Staff,
)
from policies.vocabulary import Category, GranteeKind, Purpose
from sharing.house import author_of
from tests.world import START, World, pressure, weight
from vault.days import SWEDEN
from vault.record import Code, Origin, Provenance, Quantity, Record

CATEGORIES = (Category.BODY_WEIGHT, Category.BLOOD_PRESSURE, Category.LOCATION)
PLACE = Code("urn:example", "place", "Plats")
CODES = ("29463-7", "85354-9", PLACE.code)
#: What everybody could write now: how many hours ago, and by which device.
PROBED = ((0, ""), (500, "Watch"))
ABSENT = b"\xee" * 16  # the alias of a citizen who never had a vault

VC, WARD, PRIVATE, HEART = demo.HEALTH_CENTRE, demo.MEDICAL_CLINIC, demo.PRIVATE_CLINIC, demo.HEART_CLINIC
HOME, NURSING = demo.HOME_CARE, demo.HOME_NURSING

#: Those of the demo's staff whom persons' grants can name, and on which commission they are met.
EMPLOYED = {
    "nurse": ("nurse-vc", None),
    "nurse-private": ("nurse-two-commissions", "SE5560009907-TESTU001"),
    "doctor": ("doctor-hospital", None),
    "homecare": ("homecare", None),
    "reviewer": ("supervisor-region", None),
}
#: Others: at which unit, title, licence, purpose.
OTHERS = {
    "assistant": (VC, "Undersköterska", "", Purpose.CARE),
    "ward-nurse": (WARD, "Sjuksköterska", "Sjuksköterska", Purpose.CARE),
    "home-nurse": (HOME, "Sjuksköterska", "Sjuksköterska", Purpose.CARE),
    "district-nurse": (NURSING, "Distriktssköterska", "Sjuksköterska", Purpose.CARE),
    "developer": (VC, "Distriktssköterska", "Sjuksköterska", Purpose.QUALITY),
}
STAFF = (*EMPLOYED, *OTHERS)
PROXIES = {
    "representative": (b"\xb1" * 16, Relation.REPRESENTATIVE),
    "trustee": (b"\xb2" * 16, Relation.LEGAL_GUARDIAN),
    "relative": (b"\xb3" * 16, Relation.RELATIVE),
}
GUARDIAN = b"\xb4" * 16

UNITS = [
    ("unit", one) for one in (VC, VC, VC, WARD, PRIVATE, HEART, HOME, NURSING)
]  # often the same: rules meet
OVER = [
    ("provider", demo.REGION_EXEMPEL_CARE),
    ("provider", demo.REGION_EXEMPEL_CARE),  # the client system's too
    ("provider", demo.EXEMPELBY_SOCIAL),
    ("region", demo.REGION_EXEMPEL),
    ("municipality", demo.EXEMPELBY),
]
PERSONS = [("person", demo.persona(one).identifier) for one, _ in EMPLOYED.values()]
ROLES = [
    ("role", f"{VC}/Distriktssköterska"),
    ("role", f"{VC}/Undersköterska"),
    ("role", f"{HOME}/Sjuksköterska"),
]
NETWORK, CLIENT = ("network", ""), ("client", "client-meter")

#: When the owner was born, and when the walk begins: an adult, some days before 13 and 16, and born on a leap day.
OWNERS = {
    "adult": (date(1975, 3, 25), START),
    "twelve": (date(2013, 3, 5), START),
    "fifteen": (date(2010, 3, 5), START),
    "leap-day": (date(2016, 2, 29), datetime.combine(date(2029, 2, 26), START.timetz())),
}

# --- what is drawn

units = st.sampled_from(UNITS)
places = units | st.sampled_from(OVER)
persons = st.sampled_from(PERSONS)
of_staff = units | st.sampled_from(OVER) | persons | st.sampled_from(ROLES)
#: Each kind as often as any other.
anybody = st.one_of(of_staff, st.just(NETWORK), st.just(CLIENT))
#: A block of all staff hides what the others do: it is rarer.
blocked = st.one_of(of_staff, of_staff, st.just(CLIENT), st.just(NETWORK))
some_categories = st.lists(
    st.sampled_from([one.value for one in CATEGORIES]), min_size=1, max_size=3, unique=True
)
hours = st.integers(1, 100)
reads_or_adds = st.sampled_from((["read"], ["read", "add"], ["add"]))
#: Whose matter it is (the owner; of a child under 13, the guardian), or whoever tries.
deciders = st.sampled_from((*["decider"] * 16, "owner", "guardian", *PROXIES, "nurse"))
#: Who manages some of it changes what others made: each has its chance.
changers = st.sampled_from((*["decider"] * 3, *PROXIES, "guardian"))
days_ago = st.integers(-2, 40)
term = st.one_of(
    st.fixed_dictionaries({"codes": st.lists(st.sampled_from(CODES), min_size=1, max_size=1)}),
    st.fixed_dictionaries({"days_ago": st.tuples(days_ago, days_ago)}),
    st.fixed_dictionaries({"hours": st.tuples(st.integers(-48, 48), hours)}),
    st.fixed_dictionaries(
        {
            "sources": st.lists(
                st.sampled_from(
                    (
                        "mine",
                        "device",
                        "device:Watch",
                        "client:client-meter",
                        f"unit:{VC}",
                        f"provider:{demo.REGION_EXEMPEL_CARE}",
                    )
                ),
                min_size=1,
                max_size=2,
                unique=True,
            )
        }
    ),
    st.fixed_dictionaries({"purposes": st.sampled_from((["TREAT"], ["HQUALIMP"]))}),
    st.fixed_dictionaries({"record": st.integers(0, 20)}),
    st.just({"while_related": True}),
    st.fixed_dictionaries({"spares": of_staff}),
)
terms = st.lists(term, max_size=2).map(lambda found: {name: of for one in found for name, of in one.items()})


# --- who and what they are


def people_of(world: World, owner: Person) -> Iterator[tuple[str, Principal]]:
    """Yield everybody who could want something of a vault, by name."""
    directory = world.house.directory()
    yield "owner", Citizen(owner)
    yield "stranger", world.who("bo")
    yield "guardian", Proxy(Person(GUARDIAN, "Påhittad", date(1985, 1, 1)), owner, Relation.GUARDIAN)
    for name, (alias, relation) in PROXIES.items():
        yield name, Proxy(Person(alias, "Påhittad", date(1985, 1, 1)), owner, relation)
    for name, (persona, commission) in EMPLOYED.items():
        yield name, world.who(persona, commission=commission)
    for number, (name, (unit, title, licence, purpose)) in enumerate(OTHERS.items()):
        job = Commission(f"{unit}U{number}", "Vård", purpose, CommissionRight.CARE, directory.unit(unit))
        yield name, Staff(f"{unit}P{number}", "Påhittad", title, licence, job)
    yield "client", world.who("client-meter")


def record_of(who: Principal, now: datetime, category: Category, value: int, ago: int, device: str) -> Record:
    """Return a measurement, or a place, as somebody would write it now; ``ago``: how many hours ago it was made."""
    at = now - timedelta(hours=ago)
    if category is Category.BLOOD_PRESSURE:
        found = pressure(str(value + 60), str(value), at)
    else:
        kilograms = Quantity(Decimal(value), "kg")
        found = replace(weight("70", at), quantity=kilograms, canonical=kilograms)
    if category is Category.LOCATION:
        found = replace(found, category=category, code=PLACE)
    return replace(found, provenance=Provenance(author_of(who), Origin.FORM, now, device=device))


def birthdays(born: date, now: datetime) -> list[datetime]:
    """Return the moments at which somebody turns 13 and 16, those that are to come."""
    found = []
    for years in (13, 16):
        year = born.year + years
        is_moved = (born.month, born.day) == (2, 29) and year % 4 != 0
        day = date(year, born.month, born.day - is_moved)
        found.append(datetime.combine(day, time(), SWEDEN).astimezone(UTC))
    return [one for one in found if one > now + timedelta(seconds=1)]


def hangs_on(directory: Directory, grantee: Grantee, place: tuple[str, str]) -> bool:
    """Tell whether somebody is let in as one of a place: it, what lies under it, and those who work there alone."""
    node = ":".join(place)
    match grantee.kind:
        case GranteeKind.PERSON:
            units = directory.units_of_person(grantee.id)
            return bool(units) and all(node in directory.unit(one).nodes() for one in units)
        case GranteeKind.ROLE:
            return node in directory.unit(grantee.id.partition("/")[0]).nodes()
        case _:
            own = f"{grantee.kind}:{grantee.id}"
            return node in (own, *directory.above(own))
