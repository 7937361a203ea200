"""AuditEvents outwards: held to the shape of IHE BALP, read by code of the test's own from docs and domain."""

from datetime import UTC, datetime
from typing import Any

import pytest

from app.fhir import auditevent
from audit.events import Activity, Actor, ActorKind, Decision, EventKind
from audit.review import Access
from policies.vocabulary import Category, Purpose

NURSE = Actor(
    kind=ActorKind.STAFF,
    id="SE2321009905-TESTP001",
    name="Nina Exempelkvist",
    title="distriktssköterska",
    unit_id="SE2321009905-TESTU001",
    unit_name="Exempelby vårdcentral",
    provider_id="SE2321009905-TESTV001",
    provider_name="Region Exempel",
)
METER = Actor(
    kind=ActorKind.CLIENT, id="client-meter", name="Mätarmolnet", provider_id="SE1-X", provider_name="X"
)
ANNA = Actor(kind=ActorKind.CITIZEN, id="ab" * 16, name="Anna Exempelsson")
DCM = "http://dicom.nema.org/resources/ontology/DCM"


def event(
    kind: EventKind, activity: Activity = Activity.READ, actor: Actor = NURSE, **more: Any
) -> dict[str, Any]:
    """Return the AuditEvent of an access, held to the shape."""
    given: dict[str, Any] = {
        "purpose": Purpose.CARE,
        "categories": (Category.GLUCOSE,),
        "decision": Decision.PERMIT,
        "reason": "",
        "rules": (),
        "vault": bytes(16),
        "subject": "",
    }
    at = datetime(2026, 3, 14, 9, 30, tzinfo=UTC)
    access = Access(bytes(16), 1, at, actor, kind, activity, **(given | more))
    told = auditevent.to_fhir(access, patient_id="c0" * 16)
    hold(told)
    return told


def hold(told: dict[str, Any]) -> None:
    """Hold an AuditEvent to R4 and to what every pattern of BALP demands."""
    required = {
        "resourceType",
        "id",
        "meta",
        "type",
        "subtype",
        "action",
        "recorded",
        "outcome",
        "agent",
        "source",
        "entity",
    }
    assert required <= set(told) <= required | {"purposeOfEvent"}
    assert told["resourceType"] == "AuditEvent"
    assert told["action"] in set("CRUDE")
    assert told["outcome"] in {"0", "4", "8", "12"}
    assert datetime.fromisoformat(told["recorded"]).tzinfo is not None
    (profile,) = told["meta"]["profile"]
    assert profile.startswith("https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.")
    for coding in (told["type"], *told["subtype"], *told["source"]["type"]):
        assert coding["system"].startswith(("http://", "urn:"))
        assert coding["code"]
    assert [one["requestor"] for one in told["agent"]].count(True) == 1
    roles = [one["type"]["coding"][0]["code"] for one in told["agent"]]
    assert roles[1:] == ["110153", "110152"]
    assert roles[0] in {"IRCP", "AUT"}
    assert all(one["who"]["display"] for one in told["agent"])
    assert told["source"]["observer"]["display"]
    (patient,) = [one for one in told["entity"] if one["role"]["code"] == "1"]
    assert patient["what"] == {"reference": f"Patient/{'c0' * 16}"}
    assert patient["type"]["code"] == "1"
    for purpose in told.get("purposeOfEvent", ()):
        assert [one["system"] for one in purpose["coding"]] == [
            "http://terminology.hl7.org/CodeSystem/v3-ActReason"
        ]


def profile_of(told: dict[str, Any]) -> str:
    """Return the last part of the profile's name."""
    return str(told["meta"]["profile"][0]).partition("IHE.BasicAudit.")[2]


def test_a_read_is_a_patient_read_with_the_consent_that_let_it() -> None:
    """Patient, reader with HSA-id, purpose, and the decision by consent (DCM 110113) with the rule."""
    told = event(EventKind.READ, rules=("r1",))
    assert (profile_of(told), told["type"]["code"], told["action"]) == ("PatientRead", "rest", "R")
    assert {"system": "http://hl7.org/fhir/restful-interaction", "code": "read"} in told["subtype"]
    assert (DCM, "110113") in [(one["system"], one["code"]) for one in told["subtype"]]
    assert "Consent/r1" in [one["what"]["reference"] for one in told["entity"]]
    assert told["agent"][0]["who"]["identifier"]["value"] == NURSE.id
    assert [one["coding"][0]["code"] for one in told["purposeOfEvent"]] == ["TREAT"]
    source, destination = told["agent"][1:]
    assert (source["who"]["display"], destination["who"]["identifier"]["value"]) == (
        "Hälsovalvet",
        NURSE.unit_id,
    )


def test_a_read_that_no_rule_decided_names_no_consent() -> None:
    """The owner reads by being the owner."""
    told = event(EventKind.READ, actor=ANNA, purpose=None)
    assert "110113" not in [one["code"] for one in told["subtype"]]
    assert len(told["entity"]) == 1
    assert "purposeOfEvent" not in told
    assert ANNA.id not in str(told)


def test_what_was_refused_is_the_decision_alone() -> None:
    """Nothing was read, and a receiver that counts reads must not count it."""
    told = event(EventKind.READ, decision=Decision.REFUSE, rules=("b1",))
    assert (profile_of(told), told["type"]["system"], told["type"]["code"]) == ("AuthZconsent", DCM, "110113")
    assert told["outcome"] == "4"
    assert "Consent/b1" in [one["what"]["reference"] for one in told["entity"]]


@pytest.mark.parametrize(
    ("kind", "activity", "profile", "code", "action"),
    [
        (EventKind.EXPORT, Activity.READ, "PrivacyDisclosure.Source", "110106", "R"),
        (EventKind.IMPORT, Activity.WRITE, "PrivacyDisclosure.Recipient", "110107", "C"),
        (EventKind.ADD, Activity.WRITE, "PatientCreate", "rest", "C"),
        (EventKind.GRANT, Activity.WRITE, "PatientUpdate", "rest", "U"),
        (EventKind.UNDO_IMPORT, Activity.DELETE, "PatientDelete", "rest", "D"),
        (EventKind.READ_LOG, Activity.PRINT, "PatientRead", "rest", "R"),
    ],
)
def test_each_act_has_its_pattern(
    kind: EventKind, activity: Activity, profile: str, code: str, action: str
) -> None:
    """What leaves the vault whole is a disclosure, at its source or its recipient."""
    told = event(kind, activity)
    assert (profile_of(told), told["type"]["code"], told["action"]) == (profile, code, action)


@pytest.mark.parametrize("kind", EventKind)
@pytest.mark.parametrize("activity", Activity)
@pytest.mark.parametrize("decision", Decision)
def test_whatever_happened_has_the_shape(kind: EventKind, activity: Activity, decision: Decision) -> None:
    """A kind that is added later must not come out as something that no receiver reads."""
    for actor in (NURSE, METER, ANNA):
        event(kind, activity, actor, decision=decision)


def test_an_emergency_says_that_the_glass_was_broken() -> None:
    """ActReason BTG beside the care that it was for."""
    told = event(EventKind.EMERGENCY, Activity.EMERGENCY)
    assert [one["coding"][0]["code"] for one in told["purposeOfEvent"]] == ["TREAT", "BTG"]


def test_a_system_is_told_from_a_person() -> None:
    """Automatic reads are told apart."""
    assert event(EventKind.ADD, Activity.WRITE, METER)["agent"][0]["role"][0]["coding"][0]["code"] == "110150"
    assert event(EventKind.READ)["agent"][0]["role"] == [{"text": NURSE.title}]
