"""The closed vocabulary of the vault: what may be asked for, and in which words.

Every value stands in sealed rules, in audit entries and in the public interface, so a published value
never changes its meaning; a new one may be added.
"""

from enum import StrEnum


class Category(StrEnum):
    """What a record is about; each category is one drawer of a vault."""

    BLOOD_PRESSURE = "blood-pressure"
    HEART_RATE = "heart-rate"
    BODY_WEIGHT = "body-weight"
    BODY_MEASURES = "body-measures"
    BODY_TEMPERATURE = "body-temperature"
    OXYGEN_SATURATION = "oxygen-saturation"
    RESPIRATION = "respiration"
    GLUCOSE = "glucose"
    ACTIVITY = "activity"
    SLEEP = "sleep"
    SYMPTOM = "symptom"
    MENTAL_HEALTH = "mental-health"
    LAB_RESULT = "lab-result"
    OTHER_MEASUREMENT = "other-measurement"
    AGREEMENT = "agreement"
    CARE_PLAN = "care-plan"
    GOAL = "goal"
    TREATMENT = "treatment"
    MEDICATION = "medication"
    APPOINTMENT = "appointment"
    JOURNAL_NOTE = "journal-note"
    IMMUNIZATION = "immunization"
    ALLERGY = "allergy"
    CONTACT = "contact"
    HEALTH_STATUS = "health-status"
    DOCUMENT = "document"
    LOCATION = "location"


#: The categories that hold measurements (FHIR Observation); the others hold documents of their kind.
MEASUREMENTS: tuple[Category, ...] = tuple(Category)[: tuple(Category).index(Category.AGREEMENT)]


class Action(StrEnum):
    """What is asked to be done with the records of one category."""

    READ = "read"
    ADD = "add"
    MANAGE = "manage"  # a proxy's: make and end rules for the citizen


class Deed(StrEnum):
    """What the policies are asked about; ``read``, ``add`` and ``manage`` are the words of :class:`Action`.

    Each is an action of ``vault.cedarschema``, on a vault, or for ``review-log`` and ``answer-for`` on an organisation.
    """

    READ = "read"
    ADD = "add"
    MANAGE = "manage"  # the owner's matters: rules, imports, answers to requests, export, erasure
    BLOCK = "block"  # what the owner alone decides: blocks (spärr), lifting them, and who acts for them
    READ_LOG = "read-log"  # who accessed my vault
    KNOW_STAFF = "know-staff"  # be told, in that log, by name which professional acted
    REVIEW_LOG = "review-log"  # supervisor: accesses by an organisation's own staff
    ANSWER_FOR = "answer-for"  # staff: see what they did themselves, and say why
    LOOKUP = "lookup"  # exchange a personal number for the vault's public id, which tells nothing
    ASK = "ask"  # ask the citizen for access
    ASSIST = "assist"  # enter a consent that the citizen gave on paper
    EMERGENCY = "emergency"  # open in an emergency (nödöppning)
    KNOW_BLOCKED = "know-blocked"  # be told, in an emergency, that something is blocked, and whom to ask


class Purpose(StrEnum):
    """Why: the national log contract's purposes (Inera), by the nearest v3-ActReason code."""

    CARE = "TREAT"  # Vård och behandling
    QUALITY = "HQUALIMP"  # Kvalitetssäkring
    LEGAL = "HLEGAL"  # Annan dokumentation enligt lag
    STATISTICS = "HSYSADMIN"  # Statistik
    ADMINISTRATION = "HOPERAT"  # Administration
    REGISTRY = "HRESCH"  # Kvalitetsregister


class Effect(StrEnum):
    """What a citizen's rule does: an allow opens, a block (spärr) closes and beats every allow."""

    ALLOW = "allow"
    BLOCK = "block"


class GranteeKind(StrEnum):
    """Whom a rule names; an id goes with each but the last two: HSA-id, role at unit, client id, alias."""

    PERSON = "person"
    ROLE = "role"
    UNIT = "unit"
    PROVIDER = "provider"
    REGION = "region"
    MUNICIPALITY = "municipality"
    CLIENT = "client"
    PROXY = "proxy"  # a person who acts for the citizen
    NETWORK = "network"  # an allow: those whom the citizen lists as contacts; a block: all staff and systems
    EMERGENCY = "emergency"  # a block only: nobody by emergency access
