"""A rule as FHIR R4 Consent, in the manner of IHE PCF: the root denies, a nested provision permits, or the reverse.

PCF bans ``provision.code`` and ``.class``; our narrower consents ("only blood pressure") declare a local profile.
"""

from typing import Any

from consent.rules import Rule
from policies.vocabulary import Action, Effect, GranteeKind
from vault.resource import HSA, instant

PROFILE = "urn:halsovalvet:consent-by-category"
_ACTIONS = {Action.READ: "access", Action.ADD: "collect"}
_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"


def to_fhir(rule: Rule, *, patient_id: str) -> dict[str, Any]:
    """Return the Consent resource of one rule."""
    permit = rule.effect is Effect.ALLOW
    return {
        "resourceType": "Consent",
        "id": rule.id,
        "meta": {"profile": [PROFILE]},
        "status": "active",
        "scope": _coding("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy"),
        "category": [_coding("http://loinc.org", "59284-0")],
        "patient": {"reference": f"Patient/{patient_id}"},
        "dateTime": instant(rule.created),
        "policy": [{"uri": "urn:halsovalvet:policy:rules"}],
        "provision": {"type": "deny" if permit else "permit", "provision": [_provision(rule)]},
    }


def _provision(rule: Rule) -> dict[str, Any]:
    told: dict[str, Any] = {
        "type": "permit" if rule.effect is Effect.ALLOW else "deny",
        "actor": [_actor(rule)],
        "action": [
            _coding("http://terminology.hl7.org/CodeSystem/consentaction", _ACTIONS[action])
            for action in sorted(rule.actions)
        ],
        "class": [{"system": "urn:halsovalvet:category", "code": one} for one in sorted(rule.categories)],
    }
    if rule.codes:
        told["code"] = [_coding("http://loinc.org", code) for code in sorted(rule.codes)]
    if rule.purposes:
        told["purpose"] = [{"system": _REASON, "code": purpose} for purpose in sorted(rule.purposes)]
    period = {"start": rule.valid_from, "end": rule.valid_to}
    data = {"start": rule.data_from, "end": rule.data_to}
    told |= (
        {"period": {name: instant(at) for name, at in period.items() if at}} if any(period.values()) else {}
    )
    told |= (
        {"dataPeriod": {name: day.isoformat() for name, day in data.items() if day}}
        if any(data.values())
        else {}
    )
    return told


def _actor(rule: Rule) -> dict[str, Any]:
    kind = "Practitioner" if rule.grantee.kind is GranteeKind.PERSON else "Organization"
    reference: dict[str, Any] = {"type": kind, "display": f"{rule.grantee.kind} {rule.grantee.id}"}
    if rule.grantee.id.startswith("SE"):
        reference["identifier"] = {"system": HSA, "value": rule.grantee.id.partition("/")[0]}
    role = _coding("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "IRCP")
    return {"role": role, "reference": reference}


def _coding(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}
