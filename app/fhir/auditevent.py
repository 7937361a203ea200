"""A log entry as FHIR R4 AuditEvent by IHE BALP (Basic Audit Log Patterns).

- what was done with a patient's data: PatientRead, PatientCreate, PatientUpdate, PatientDelete, by its action;
- what left the vault or came into it whole: PrivacyDisclosure, at its source (DCM 110106) or its recipient (110107);
- what was refused: the decision by consent alone (DCM 110113), since nothing else happened. An access that rules of the
  citizen's decided bears the same code among its subtypes, and names them as entities.

Each carries the patient as an entity, and as agents who acted and the two ends between which data went.
"""

from dataclasses import dataclass
from typing import Any

from audit.events import Activity, Actor, ActorKind, Decision, EventKind
from audit.review import Access
from vault.resource import HSA, instant

_BALP = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."
_DCM = "http://dicom.nema.org/resources/ontology/DCM"
_TYPE = "http://terminology.hl7.org/CodeSystem/audit-event-type"
_INTERACTION = "http://hl7.org/fhir/restful-interaction"
_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
_PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
_ENTITY = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
_ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
_SOURCE_TYPE = "http://terminology.hl7.org/CodeSystem/security-source-type"
_EVENT = "urn:halsovalvet:event"
_OURS = {"display": "Hälsovalvet"}

_AUTHORISED = {"system": _DCM, "code": "110113", "display": "Authorization decision by consent"}
_BREAK_THE_GLASS = {"system": _REASON, "code": "BTG", "display": "break the glass"}


@dataclass(frozen=True, slots=True)
class _Pattern:
    """One pattern of BALP: its profile, type, interaction and action, and whether data went out of the vault."""

    profile: str
    type: dict[str, str]
    interaction: str
    action: str
    is_outward: bool


_REST = {"system": _TYPE, "code": "rest", "display": "RESTful Operation"}
_READ = _Pattern("PatientRead", _REST, "read", "R", is_outward=True)
_CREATE = _Pattern("PatientCreate", _REST, "create", "C", is_outward=False)
_UPDATE = _Pattern("PatientUpdate", _REST, "update", "U", is_outward=False)
_DELETE = _Pattern("PatientDelete", _REST, "delete", "D", is_outward=False)
_SOURCE = _Pattern(
    "PrivacyDisclosure.Source",
    {"system": _DCM, "code": "110106", "display": "Export"},
    "",
    "R",
    is_outward=True,
)
_RECIPIENT = _Pattern(
    "PrivacyDisclosure.Recipient",
    {"system": _DCM, "code": "110107", "display": "Import"},
    "",
    "C",
    is_outward=False,
)
_CONSENT = _Pattern("AuthZconsent", _AUTHORISED, "", "E", is_outward=True)

_CREATES = frozenset({EventKind.ADD, EventKind.CREATE_VAULT, EventKind.ACCESS_REQUEST, EventKind.PAPER})


def to_fhir(access: Access, *, patient_id: str) -> dict[str, Any]:
    """Return the AuditEvent of one access to a citizen's vault."""
    pattern = _pattern(access)
    return {
        "resourceType": "AuditEvent",
        "id": access.id.hex(),
        "meta": {"profile": [_BALP + pattern.profile]},
        "type": pattern.type,
        "subtype": _subtypes(access, pattern),
        "action": pattern.action,
        "recorded": instant(access.at),
        "outcome": "0" if access.decision is Decision.PERMIT else "4",
        **_purposes(access),
        "agent": [_who(access.actor, pattern), *_ends(access.actor, pattern)],
        "source": {"observer": _OURS, "type": [{"system": _SOURCE_TYPE, "code": "4"}]},
        "entity": [_patient(patient_id), *(_rule(rule) for rule in access.rules)],
    }


def _pattern(access: Access) -> _Pattern:
    if access.decision is Decision.REFUSE:
        return _CONSENT
    match access.kind, access.activity:
        case EventKind.EXPORT, _:
            return _SOURCE
        case EventKind.IMPORT, Activity.WRITE:
            return _RECIPIENT
        case _, Activity.DELETE:
            return _DELETE
        case kind, Activity.WRITE | Activity.SIGN | Activity.ATTEST:
            return _CREATE if kind in _CREATES else _UPDATE
        case _:
            return _READ


def _subtypes(access: Access, pattern: _Pattern) -> list[dict[str, str]]:
    found = [{"system": _EVENT, "code": str(access.kind)}]
    if pattern.interaction:
        found.insert(0, {"system": _INTERACTION, "code": pattern.interaction})
    if access.rules and pattern is not _CONSENT:
        found.append(_AUTHORISED)
    return found


def _purposes(access: Access) -> dict[str, Any]:
    codings = [{"system": _REASON, "code": str(access.purpose)}] if access.purpose is not None else []
    if access.activity is Activity.EMERGENCY:
        codings.append(_BREAK_THE_GLASS)
    return {"purposeOfEvent": [{"coding": [one]} for one in codings]} if codings else {}


def _who(actor: Actor, pattern: _Pattern) -> dict[str, Any]:
    """Return who acted: as one whom information reached (IRCP), or one whom it comes from (AUT)."""
    is_system = actor.kind in {ActorKind.SYSTEM, ActorKind.CLIENT}
    kind = {"system": _PARTICIPATION, "code": "IRCP" if pattern.is_outward else "AUT"}
    role = {"system": _DCM, "code": "110150", "display": "Application"}
    told: dict[str, Any] = {"type": {"coding": [kind]}, "who": _named(actor), "requestor": True}
    if is_system:
        told["role"] = [{"coding": [role]}]
    elif actor.title:
        told["role"] = [{"text": actor.title}]
    return told


def _named(actor: Actor) -> dict[str, Any]:
    who: dict[str, Any] = {"display": ", ".join(filter(None, (actor.name, actor.title, actor.unit_name)))}
    if actor.kind is ActorKind.STAFF and actor.id:  # a policy may keep back who it was
        who["identifier"] = {"system": HSA, "value": actor.id}
    return who


def _ends(actor: Actor, pattern: _Pattern) -> list[dict[str, Any]]:
    """Return where data went from (DCM 110153) and where to (110152): the vault, and the actor's organisation."""
    place: dict[str, Any] = {
        "display": ", ".join(filter(None, (actor.unit_name, actor.provider_name))) or actor.name
    }
    if actor.unit_id or actor.provider_id:
        place["identifier"] = {"system": HSA, "value": actor.unit_id or actor.provider_id}
    source, destination = (_OURS, place) if pattern.is_outward else (place, _OURS)
    return [_end("110153", "Source Role ID", source), _end("110152", "Destination Role ID", destination)]


def _end(code: str, display: str, who: dict[str, Any]) -> dict[str, Any]:
    kind = {"system": _DCM, "code": code, "display": display}
    return {"type": {"coding": [kind]}, "who": who, "requestor": False}


def _patient(patient_id: str) -> dict[str, Any]:
    return {
        "what": {"reference": f"Patient/{patient_id}"},
        "type": {"system": _ENTITY, "code": "1", "display": "Person"},
        "role": {"system": _ROLE, "code": "1", "display": "Patient"},
    }


def _rule(rule: str) -> dict[str, Any]:
    return {
        "what": {"reference": f"Consent/{rule}"},
        "type": {"system": _ENTITY, "code": "2", "display": "System Object"},
        "role": {"system": _ROLE, "code": "4", "display": "Domain Resource"},
    }
