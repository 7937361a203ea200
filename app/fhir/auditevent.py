"""A log entry as FHIR R4 AuditEvent, in the manner of IHE BALP (PatientRead and its kin)."""

from typing import Any

from audit.events import ActorKind, Decision
from audit.review import Access
from vault.resource import HSA, instant

_ACTIONS = {"Läsa": "R", "Skriva": "C", "Radera": "D", "Nödöppning": "R"}
_DCM = "http://dicom.nema.org/resources/ontology/DCM"
_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
_ENTITY = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
_ROLE = "http://terminology.hl7.org/CodeSystem/object-role"


def to_fhir(access: Access, *, patient_id: str) -> dict[str, Any]:
    """Return the AuditEvent of one access to a citizen's vault."""
    told: dict[str, Any] = {
        "resourceType": "AuditEvent",
        "id": access.id.hex(),
        "type": {"system": "http://terminology.hl7.org/CodeSystem/audit-event-type", "code": "rest"},
        "subtype": [{"system": "urn:halsovalvet:event", "code": access.kind}],
        "action": _ACTIONS.get(access.activity, "E"),
        "recorded": instant(access.at),
        "outcome": "0" if access.decision is Decision.PERMIT else "4",
        "agent": [_agent(access)],
        "source": {"observer": {"display": "Hälsovalvet"}},
        "entity": [_patient(patient_id), *(_rule(rule) for rule in access.rules)],
    }
    if access.purpose is not None:
        told["purposeOfEvent"] = [{"coding": [{"system": _REASON, "code": access.purpose}]}]
    return told


def _agent(access: Access) -> dict[str, Any]:
    actor = access.actor
    who: dict[str, Any] = {"display": ", ".join(filter(None, (actor.name, actor.title, actor.unit_name)))}
    if actor.kind is ActorKind.STAFF:
        who["identifier"] = {"system": HSA, "value": actor.id}
    kind = "110150" if access.is_automatic else "humanuser"
    system = _DCM if access.is_automatic else "http://terminology.hl7.org/CodeSystem/extra-security-role-type"
    return {"type": {"coding": [{"system": system, "code": kind}]}, "who": who, "requestor": True}


def _patient(patient_id: str) -> dict[str, Any]:
    return {
        "what": {"reference": f"Patient/{patient_id}"},
        "type": {"system": _ENTITY, "code": "1"},
        "role": {"system": _ROLE, "code": "1"},
    }


def _rule(rule: str) -> dict[str, Any]:
    return {"what": {"reference": f"Consent/{rule}"}, "type": {"system": _ENTITY, "code": "2"}}
