"""A rule as FHIR R4 Consent, in the manner of IHE PCF: the root provision permits or denies, what is nested excepts.

PCF uses neither ``action``, ``class`` nor ``code``, and has no words for some of what a rule says: this is a profile of
our own, which is declared (docs/spec/consent-v1.md). What narrows a rule and is not R4's stands in a
``modifierExtension``: who does not know it must not act on the rest. :mod:`app.fhir.consent_in` reads it back.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from consent.rules import Grantee, Lift, Rule
from identity.principal import Relation
from policies.vocabulary import Action, Effect, GranteeKind
from vault.measures import LOINC
from vault.resource import HSA, instant

PROFILE = "urn:halsovalvet:consent-v1"
POLICY = "urn:halsovalvet:policy:rules"
#: What it is: a privacy consent, a consent document, with those who receive.
SCOPE = ("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy")
CATEGORY = (LOINC, "59284-0")
ROLE = ("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "IRCP")
REASONS = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
CLASSES = "urn:halsovalvet:category"
RECORDS = "urn:halsovalvet:record"

TYPES = {Effect.ALLOW: "permit", Effect.BLOCK: "deny"}
_ACTIONS = "http://terminology.hl7.org/CodeSystem/consentaction"
ACTIONS = {
    Action.READ: (_ACTIONS, "access"),
    Action.ADD: (_ACTIONS, "collect"),
    Action.MANAGE: ("urn:halsovalvet:action", "manage"),
}
#: Each kind of grantee: the FHIR type, and the system of its identifier.
ACTORS = {
    GranteeKind.PERSON: ("Practitioner", HSA),
    GranteeKind.ROLE: ("PractitionerRole", "urn:halsovalvet:role"),
    GranteeKind.UNIT: ("Organization", HSA),
    GranteeKind.PROVIDER: ("Organization", HSA),
    GranteeKind.REGION: ("Organization", HSA),
    GranteeKind.MUNICIPALITY: ("Organization", HSA),
    GranteeKind.CLIENT: ("Device", "urn:halsovalvet:client"),
    GranteeKind.PROXY: ("RelatedPerson", "urn:halsovalvet:person"),
    GranteeKind.NETWORK: ("Group", "urn:halsovalvet:group"),
    GranteeKind.EMERGENCY: ("Group", "urn:halsovalvet:group"),
}

KIND = "urn:halsovalvet:consent:grantee"
RELATION = "urn:halsovalvet:consent:relation"
SOURCE = "urn:halsovalvet:consent:source"
RELATED = "urn:halsovalvet:consent:while-related"
PLAN = "urn:halsovalvet:consent:until-plan"
EXCEPTION = "urn:halsovalvet:consent:exception"
HELPER = "urn:halsovalvet:consent:helper"
CONFIRMED = "urn:halsovalvet:consent:confirmed"
#: Modifies: entered from paper and not yet confirmed, so that a permission lets nobody read.
PENDING = "urn:halsovalvet:consent:pending"
#: The words of an exception: whom a block spares, and for whom and how long it is laid aside.
SPARED, LIFTED = "spared", "lifted"


def to_fhir(rule: Rule, *, patient_id: str, controller: str = "") -> dict[str, Any]:
    """Return the Consent resource of one rule."""
    helper = (
        [{"url": HELPER, "valueIdentifier": {"system": HSA, "value": rule.helper}}] if rule.helper else []
    )
    confirmed = (
        [{"url": CONFIRMED, "valueDateTime": instant(rule.confirmed)}] if rule.confirmed is not None else []
    )
    return _told(
        {
            "resourceType": "Consent",
            "id": rule.id,
            "meta": {"profile": [PROFILE]},
            "extension": helper + confirmed,
            "modifierExtension": [{"url": PENDING, "valueBoolean": True}] if rule.is_pending else [],
            "status": "active",
            "scope": _concept(*SCOPE),
            "category": [_concept(*CATEGORY)],
            "patient": {"reference": f"Patient/{patient_id}"},
            "dateTime": instant(rule.created),
            "performer": [{"reference": f"Patient/{rule.author}"}] if rule.author else [],
            "organization": [{"display": controller}] if controller else [],
            "sourceReference": _record(rule.document) if rule.document else {},
            "policy": [{"uri": POLICY}],
            "provision": _provision(rule),
        }
    )


def _provision(rule: Rule) -> dict[str, Any]:
    return _told(
        {
            "modifierExtension": _modifiers(rule),
            "type": TYPES[rule.effect],
            "period": _period(rule.valid_from, rule.valid_to),
            "actor": [_actor(rule.grantee, rule.relation)],
            "action": [_concept(*ACTIONS[action]) for action in sorted(rule.actions)],
            "purpose": [_coding(REASONS, purpose) for purpose in sorted(rule.purposes)],
            "class": [_coding(CLASSES, category) for category in sorted(rule.categories)],
            "code": [{"coding": [{"code": code}]} for code in sorted(rule.codes)],
            "dataPeriod": _period(rule.data_from, rule.data_to),
            "data": [{"meaning": "instance", "reference": _record(one)} for one in sorted(rule.records)],
            "provision": [*map(_spared, sorted(rule.spares)), *map(_lifted, rule.lifts)],
        }
    )


def _modifiers(rule: Rule) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [{"url": SOURCE, "valueString": one} for one in sorted(rule.sources)]
    if rule.while_related:
        found.append({"url": RELATED, "valueBoolean": True})
    if rule.until_plan:
        found.append({"url": PLAN, "valueString": rule.until_plan})
    return found


def _spared(grantee: Grantee) -> dict[str, Any]:
    return {**_exception(SPARED), "actor": [_actor(grantee)]}


def _lifted(lift: Lift) -> dict[str, Any]:
    whom = {} if lift.grantee is None else {"actor": [_actor(lift.grantee)]}
    return {**_exception(LIFTED), **whom, "period": _period(None, lift.until)}


def _exception(kind: str) -> dict[str, Any]:
    """Return the start of an exception to a denial, which by itself permits nobody anything."""
    return {"modifierExtension": [{"url": EXCEPTION, "valueCode": kind}], "type": "permit"}


def _actor(grantee: Grantee, relation: Relation | None = None) -> dict[str, Any]:
    kind, system = ACTORS[grantee.kind]
    named = {"url": KIND, "valueCode": grantee.kind}
    acting = [] if relation is None else [{"url": RELATION, "valueCode": relation}]
    identifier = {"system": system, "value": grantee.id or grantee.kind}
    return {
        "extension": [named, *acting],
        "role": _concept(*ROLE),
        "reference": {"type": kind, "identifier": identifier},
    }


def _record(identity: str) -> dict[str, Any]:
    return {"identifier": {"system": RECORDS, "value": identity}}


def _period(start: date | None, end: date | None) -> dict[str, str]:
    ends = {"start": start, "end": end}
    return {name: _moment(at) for name, at in ends.items() if at is not None}


def _moment(at: date) -> str:
    return instant(at) if isinstance(at, datetime) else at.isoformat()


def _concept(system: str, code: str) -> dict[str, Any]:
    return {"coding": [_coding(system, code)]}


def _coding(system: str, code: str) -> dict[str, str]:
    return {"system": system, "code": code}


def _told(found: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is empty, which FHIR's JSON does not have."""
    return {name: value for name, value in found.items() if value}
