"""The demo: a made-up small country, who lives and works in it, and the names of the real country beside it.

Every unit and person here is made up (påhittad) and says so, and every organisation but those that
:mod:`app.demo_country` adds: these have real names and are marked as the demo's.

- The personal numbers are from the Swedish Tax Agency's published test numbers (Skatteverket, open data
  "Testpersonnummer", CC0), which are never given to anyone.
- The organisation numbers inside the HSA-ids have a wrong check digit, so that they are no one's.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection

from app.demo_country import branch_of, country, provider_of
from identity.branch import CommissionError, PendingStaff, sign_branch
from identity.branch_store import store_branches
from identity.directory import Directory
from identity.errors import IdentityError
from identity.numbers import parse_personal_number
from identity.organisations import register_organisations
from identity.population import Population, Registered
from identity.principal import Citizen, Principal, Proxy
from identity.sessions import Ward
from keys.keystore import KeyStore
from keys.primitives import Signer, random_key
from policies.vocabulary import Category, Purpose

#: Who answers for the demo's vaults (personuppgiftsansvarig).
CONTROLLER = "Hälsovalvet demo (påhittad)"

REGION_EXEMPEL = "SE2321009905-TEST"
REGION_PROVLANDET = "SE2321009913-TEST"
EXEMPELBY = "SE2120009907-TEST"
PROVKOPING = "SE2120009915-TEST"

REGION_EXEMPEL_CARE = "SE2321009905-TESTVG1"
PRIVATE_CARE = "SE5560009907-TESTVG1"
REGION_PROVLANDET_CARE = "SE2321009913-TESTVG1"
EXEMPELBY_SOCIAL = "SE2120009907-TESTOG1"
EXEMPELBY_CARE = "SE2120009907-TESTVG1"
PROVKOPING_SOCIAL = "SE2120009915-TESTOG1"

HEALTH_CENTRE = "SE2321009905-TESTVE1"
MEDICAL_CLINIC = "SE2321009905-TESTVE2"
REGION_SECURITY = "SE2321009905-TESTVE9"
PRIVATE_CLINIC = "SE5560009907-TESTVE1"
HEART_CLINIC = "SE2321009913-TESTVE1"
PROVKOPING_HEALTH_CENTRE = "SE2321009913-TESTVE2"
HOME_CARE = "SE2120009907-TESTVE1"
HOME_NURSING = "SE2120009907-TESTVE2"
MUNICIPAL_SECURITY = "SE2120009907-TESTVE9"
CARE_HOME = "SE2120009915-TESTVE1"


class DemoError(IdentityError):
    """The demo has no such persona, or the persona cannot be used so."""


class PersonaKind(StrEnum):
    """What kind of persona it is."""

    CITIZEN = "citizen"
    STAFF = "staff"
    SUPERVISOR = "supervisor"
    CLIENT = "client"


@dataclass(frozen=True, slots=True)
class Persona:
    """One made-up persona; ``identifier`` is a test personal number, an HSA-id or a client id."""

    id: str
    kind: PersonaKind
    name: str
    identifier: str
    description: str


PERSONAS: tuple[Persona, ...] = (
    Persona("anna", PersonaKind.CITIZEN, "Anna Exempelsson", "197503259280", "Påhittad vuxen med mätvärden"),
    Persona("bo", PersonaKind.CITIZEN, "Bo Provberg", "197101169295", "Påhittad vuxen med tomt valv"),
    Persona("elsa", PersonaKind.CITIZEN, "Elsa Testlund", "201705132387", "Påhittat barn, 9 år"),
    Persona(
        "karin", PersonaKind.CITIZEN, "Karin Testlund", "198501169885", "Påhittad vårdnadshavare för Elsa"
    ),
    Persona(
        "vidar", PersonaKind.CITIZEN, "Vidar Demogren", "198303229291", "Påhittad vuxen med skyddad identitet"
    ),
    Persona(
        "nurse-vc",
        PersonaKind.STAFF,
        "Nina Exempelkvist",
        "SE2321009905-TESTP001",
        "Påhittad distriktssköterska, Exempelby vårdcentral",
    ),
    Persona(
        "doctor-hospital",
        PersonaKind.STAFF,
        "Omar Provstrand",
        "SE2321009913-TESTP001",
        "Påhittad läkare i en annan region, Provlandets sjukhus",
    ),
    Persona(
        "homecare",
        PersonaKind.STAFF,
        "Hanna Testgren",
        "SE2120009907-TESTP001",
        "Påhittad undersköterska, Exempelby hemtjänst",
    ),
    Persona(
        "nurse-two-commissions",
        PersonaKind.STAFF,
        "Tove Demomark",
        "SE2321009905-TESTP002",
        "Påhittad sjuksköterska med två medarbetaruppdrag",
    ),
    Persona(
        "supervisor-region",
        PersonaKind.SUPERVISOR,
        "Rut Exempelhag",
        "SE2321009905-TESTP009",
        "Påhittad loggranskare i Region Exempel",
    ),
    Persona(
        "supervisor-municipality",
        PersonaKind.SUPERVISOR,
        "Kaj Exempelby",
        "SE2120009907-TESTP009",
        "Påhittad loggranskare i Exempelby kommun",
    ),
    Persona(
        "client-meter",
        PersonaKind.CLIENT,
        "Hemmätaren (påhittad)",
        "client-meter",
        "Påhittat system som får lägga till hemmätningar",
    ),
)

_BY_ID: Mapping[str, Persona] = {one.id: one for one in PERSONAS}
_PROTECTED = frozenset({"vidar"})
_GUARDIANS: Mapping[str, tuple[str, ...]] = {"elsa": ("karin",)}


def branches() -> list[dict[str, Any]]:
    """Return every branch, as the JSON that each organisation would sign: the made-up country's first."""
    return [*made_up(), *country()]


def made_up() -> list[dict[str, Any]]:
    """Return the branches of the made-up country alone, where every persona lives or works."""
    return [_region_exempel(), _region_provlandet(), _exempelby(), _provkoping()]


def population() -> Population:
    """Return the made-up country's population register."""
    numbers = {
        one.id: parse_personal_number(one.identifier) for one in PERSONAS if one.kind is PersonaKind.CITIZEN
    }
    return Population(_registered(_BY_ID[id_], numbers) for id_ in numbers)


def persona(persona_id: str) -> Persona:
    """Return a persona.

    Raises:
        DemoError: there is none of that id.
    """
    try:
        return _BY_ID[persona_id]
    except KeyError:
        raise DemoError("there is no such persona") from None


def principal_of(
    persona_id: str,
    *,
    directory: Directory,
    keystore: KeyStore,
    commission: str | None = None,
    acting_for: str | None = None,
) -> Principal | PendingStaff:
    """Return the principal that a persona is: staff on ``commission``, a citizen ``acting_for`` another.

    Staff with several commissions and none named must choose: that is what ``PendingStaff`` says.

    Raises:
        DemoError: there is no such persona, or it cannot act for the other.
        CommissionError: the commission is not one of the persona's.
        NotInDirectoryError: the directory is not the demo's.
    """
    who = persona(persona_id)
    if commission is not None and who.kind not in {PersonaKind.STAFF, PersonaKind.SUPERVISOR}:
        raise CommissionError("only staff hold commissions")
    if acting_for is not None and who.kind is not PersonaKind.CITIZEN:
        raise DemoError("only a citizen acts for another")
    match who.kind:
        case PersonaKind.CITIZEN:
            return _citizen(who, acting_for, keystore)
        case PersonaKind.STAFF | PersonaKind.SUPERVISOR:
            member = directory.staff(who.identifier)
            return member.principal() if commission is None else member.on(commission)
        case PersonaKind.CLIENT:
            return directory.client(who.identifier)


def wards_of(persona_id: str, *, keystore: KeyStore) -> tuple[Ward, ...]:
    """Return whom a persona may ask to act for; none for other than citizens."""
    who = persona(persona_id)
    if who.kind is not PersonaKind.CITIZEN:
        return ()
    return population().wards(parse_personal_number(who.identifier), keystore)


def seed_directory(
    connection: Connection, keystore: KeyStore, told: Iterable[dict[str, Any]], *, at: datetime
) -> None:
    """Sign and store the branches of an empty database; each organisation's key is made on the way."""
    by_id = {branch["authority"]["id"]: branch for branch in told}
    keystore.keep_service_secrets({_signing_key(id_): random_key() for id_ in by_id})
    signers = {id_: signer_of(keystore, id_) for id_ in by_id}
    register_organisations(keystore, {id_: signer.public() for id_, signer in signers.items()})
    signed = [sign_branch(branch, signers[id_]) for id_, branch in by_id.items()]
    store_branches(connection, keystore, signed, at=at)


def signer_of(keystore: KeyStore, organisation: str) -> Signer:
    """Return the key by which a seeded organisation signs; a real one's never lies in the KeyStore.

    Raises:
        DemoError: it was not seeded.
    """

    def missing() -> bytes:
        raise DemoError("the demo has no such organisation")

    return Signer(keystore.service_secret(_signing_key(organisation), make=missing))


def _signing_key(organisation: str) -> str:
    return f"demo-organisation/{organisation}"


def _citizen(who: Persona, acting_for: str | None, keystore: KeyStore) -> Principal:
    register = population()
    number = parse_personal_number(who.identifier)
    registered = register.find(number)
    if registered is None:
        raise DemoError("the persona is not in the register")
    person = registered.person(keystore)
    if acting_for is None:
        return Citizen(person)
    alias = keystore.alias(persona(acting_for).identifier)
    for ward in register.wards(number, keystore):
        if ward.person.alias == alias:
            return Proxy(person, ward.person, ward.relation)
    raise DemoError("the persona is not the other's guardian")


def _registered(who: Persona, numbers: Mapping[str, Any]) -> Registered:
    number = numbers[who.id]
    guardians = tuple(numbers[one] for one in _GUARDIANS.get(who.id, ()))
    return Registered(number, who.name, number.birth_date, who.id in _PROTECTED, guardians)


# --- the four organisations


def _region_exempel() -> dict[str, Any]:
    return branch_of(
        {"kind": "region", "id": REGION_EXEMPEL, "name": "Region Exempel (påhittad)"},
        providers=[
            provider_of(
                REGION_EXEMPEL_CARE,
                "Region Exempel, hälso- och sjukvård",
                "vardgivare",
                (HEALTH_CENTRE, "Exempelby vårdcentral"),
                (MEDICAL_CLINIC, "Exempel lasarett, medicinmottagningen"),
                (REGION_SECURITY, "Region Exempel, informationssäkerhet"),
            ),
            provider_of(
                PRIVATE_CARE, "Påhittade Läkarhuset AB", "vardgivare", (PRIVATE_CLINIC, "Läkarhuset Påhitt")
            ),
        ],
        staff=[
            _staff(
                "nurse-vc",
                "Distriktssköterska",
                "Sjuksköterska",
                _care("SE2321009905-TESTU001", "Exempelby vårdcentral", HEALTH_CENTRE),
            ),
            _staff(
                "nurse-two-commissions",
                "Sjuksköterska",
                "Sjuksköterska",
                _care("SE2321009905-TESTU002", "Exempelby vårdcentral", HEALTH_CENTRE),
                _care("SE5560009907-TESTU001", "Läkarhuset Påhitt", PRIVATE_CLINIC),
            ),
            _staff(
                "supervisor-region",
                "Loggranskare",
                "",
                _review("SE2321009905-TESTU009", "Region Exempel", REGION_SECURITY),
            ),
        ],
        clients=[_meter(REGION_EXEMPEL_CARE)],
    )


def _region_provlandet() -> dict[str, Any]:
    return branch_of(
        {"kind": "region", "id": REGION_PROVLANDET, "name": "Region Provlandet (påhittad)"},
        providers=[
            provider_of(
                REGION_PROVLANDET_CARE,
                "Region Provlandet, hälso- och sjukvård",
                "vardgivare",
                (HEART_CLINIC, "Provlandets sjukhus, hjärtmottagningen"),
                (PROVKOPING_HEALTH_CENTRE, "Provköpings vårdcentral"),
            )
        ],
        staff=[
            _staff(
                "doctor-hospital",
                "Läkare",
                "Läkare",
                _care("SE2321009913-TESTU001", "hjärtmottagningen", HEART_CLINIC),
            )
        ],
    )


def _exempelby() -> dict[str, Any]:
    return branch_of(
        {"kind": "municipality", "id": EXEMPELBY, "name": "Exempelby kommun (påhittad)"},
        providers=[
            provider_of(
                EXEMPELBY_SOCIAL,
                "Exempelby kommun, socialnämnden",
                "omsorgsgivare",
                (HOME_CARE, "Exempelby hemtjänst"),
                (MUNICIPAL_SECURITY, "Exempelby kommun, informationssäkerhet"),
            ),
            provider_of(
                EXEMPELBY_CARE,
                "Exempelby kommun, hälso- och sjukvård",
                "vardgivare",
                (HOME_NURSING, "Exempelby hemsjukvård"),
            ),
        ],
        staff=[
            _staff(
                "homecare",
                "Undersköterska",
                "",
                _care("SE2120009907-TESTU001", "Exempelby hemtjänst", HOME_CARE),
            ),
            _staff(
                "supervisor-municipality",
                "Loggranskare",
                "",
                _review("SE2120009907-TESTU009", "Exempelby kommun", MUNICIPAL_SECURITY),
            ),
        ],
    )


def _provkoping() -> dict[str, Any]:
    return branch_of(
        {"kind": "municipality", "id": PROVKOPING, "name": "Provköpings kommun (påhittad)"},
        providers=[
            provider_of(
                PROVKOPING_SOCIAL,
                "Provköpings kommun, omsorgsnämnden",
                "omsorgsgivare",
                (CARE_HOME, "Provköpings särskilda boende"),
            )
        ],
        staff=[],
    )


def _staff(persona_id: str, title: str, licence: str, *commissions: dict[str, str]) -> dict[str, Any]:
    who = _BY_ID[persona_id]
    told = {"id": who.identifier, "name": who.name, "title": title, "licence": licence}
    return {**told, "commissions": list(commissions)}


def _care(id_: str, place: str, unit: str) -> dict[str, str]:
    name = f"Vård och behandling, {place}"
    return {"id": id_, "name": name, "purpose": Purpose.CARE, "right": "care", "unit": unit}


def _review(id_: str, place: str, unit: str) -> dict[str, str]:
    name = f"Logguppföljning, {place}"
    return {"id": id_, "name": name, "purpose": Purpose.ADMINISTRATION, "right": "log-review", "unit": unit}


def _meter(provider: str) -> dict[str, Any]:
    who = _BY_ID["client-meter"]
    may_add = (Category.BLOOD_PRESSURE, Category.HEART_RATE, Category.BODY_WEIGHT, Category.GLUCOSE)
    return {"id": who.identifier, "name": who.name, "provider": provider, "categories": list(may_add)}
