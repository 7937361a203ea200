"""The main job from end to end as machines walk it, against a server in a process of its own."""

import io
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from tests.flows.conftest import Server

ANNA = "http://electronichealth.se/identifier/personnummer|197503259280"
NOBODY = "urn:oid:1.2.752.129.2.1.3.1|190905271474"
PRESSURE = {"category": "blood-pressure"}

EXPORT = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE HealthData [<!ELEMENT HealthData (Record*)> <!ATTLIST HealthData locale CDATA #REQUIRED>]>
<HealthData locale="sv_SE">
 <Record type="HKQuantityTypeIdentifierBodyMass" sourceName="Scale" unit="lb"
   startDate="2026-11-01 07:30:00 +0100" endDate="2026-11-01 07:30:00 +0100" value="160.0"/>
 <Record type="HKQuantityTypeIdentifierHeartRate" sourceName="Watch" unit="count/min"
   startDate="2026-11-02 07:30:00 +0100" endDate="2026-11-02 07:30:00 +0100" value="61"/>
 <Record type="HKQuantityTypeIdentifierHeartRate" sourceName="Watch" unit="count/min"
   startDate="yesterday" endDate="2026-11-02 07:30:00 +0100" value="62"/>
</HealthData>
"""


class Caller:
    """One persona's token on one server."""

    def __init__(self, http: httpx.Client, persona: str, **more: str) -> None:
        self.http = http
        answer = self.http.post("/demo/token", json={"persona": persona, **more})
        assert answer.status_code == 200, answer.text
        self.http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def pressures(self, patient: str) -> httpx.Response:
        """Ask for somebody's blood pressures."""
        return self.http.get("/fhir/Observation", params={"patient": patient, **PRESSURE})

    def me(self) -> dict[str, Any]:
        """Ask who this is."""
        told: dict[str, Any] = self.http.get("/api/me").json()
        return told

    def import_file(self, content: bytes, *, rehearse: str = "false") -> dict[str, Any]:
        """Import a file and wait until it is over."""
        sent = self.http.post(f"/api/imports?rehearse={rehearse}", files={"file": ("export.zip", content)})
        assert sent.status_code == 202, sent.text
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            told: dict[str, Any] = self.http.get(sent.headers["Location"]).json()
            if told["state"] not in {"queued", "running"}:
                return {**told, "location": sent.headers["Location"]}
            time.sleep(0.1)
        raise AssertionError("the import did not end")


CallerOf = Callable[..., Caller]


@pytest.fixture
def caller(either: Server) -> Iterator[CallerOf]:
    """Give tokens to personas, and close their connections afterwards."""
    with ExitStack() as stack:

        def enter(persona: str, **more: str) -> Caller:
            return Caller(stack.enter_context(httpx.Client(base_url=either.url, timeout=60)), persona, **more)

        yield enter


def allow(unit: str, actions: list[str], categories: list[str]) -> dict[str, Any]:
    """Write a rule that lets a unit do something."""
    grantee = {"kind": "unit", "id": unit}
    return {"effect": "allow", "grantee": grantee, "actions": actions, "categories": categories}


@pytest.mark.slow
def test_main_job_walks_from_import_to_verified_log(either: Server, caller: CallerOf) -> None:
    """What the product is for holds as one walk: import, share, read, add, see, revoke, review, verify."""
    anna, nurse, home = caller("anna"), caller("nurse-vc"), caller("homecare")
    patient = anna.me()["patient"]

    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("apple_health_export/export.xml", EXPORT)
    first = anna.import_file(zipped.getvalue())
    assert (first["state"], first["read"], first["stored"], first["rejected"]) == ("done", 3, 2, 1)
    assert first["rejections"][0]["where"].startswith("line")
    again = anna.import_file(zipped.getvalue())
    assert (again["stored"], again["duplicates"]) == (0, 2)

    found = nurse.http.post("/fhir/Patient/_search", data={"identifier": ANNA}).json()
    assert found["entry"][0]["resource"]["id"] == patient
    assert nurse.pressures(patient).status_code == 403

    unit, home_unit = nurse.me()["commission"]["unit"]["id"], home.me()["commission"]["unit"]["id"]
    granted = anna.http.post("/api/consents", json=allow(unit, ["read"], ["blood-pressure"]))
    assert granted.status_code == 201
    assert anna.http.post("/api/consents", json=allow(home_unit, ["add"], ["body-weight"])).status_code == 201

    shown = nurse.pressures(patient)
    assert shown.status_code == 200
    assert shown.json()["total"] > 100
    weight = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": "2026-11-20T10:00:00+01:00",
        "valueQuantity": {"value": 71.9, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"},
    }
    assert home.http.post("/fhir/Observation", json=weight).status_code == 201
    assert home.http.get("/fhir/Observation", params={"patient": patient}).status_code == 403
    weights = anna.http.get("/fhir/Observation", params={"category": "body-weight"}).json()["entry"]
    tags = {tag["code"] for one in weights for tag in one["resource"]["meta"]["tag"]}
    assert tags == {"citizen", "professional"}

    log = anna.http.get("/api/accesses").json()
    seen = {(one["actor"]["name"], one["kind"], one["decision"]) for one in log}
    assert ("Nina Exempelkvist", "read", "permit") in seen
    assert ("Nina Exempelkvist", "read", "refuse") in seen
    assert ("Hanna Testgren", "add", "permit") in seen
    rule = granted.json()["id"]
    read = next(one for one in log if (one["kind"], one["decision"]) == ("read", "permit") and one["rules"])
    assert read["rules"] == [rule]
    proof = anna.http.get(f"/api/accesses/{read['id']}/receipt")
    assert proof.json()["proof"].startswith("c2sp.org/tlog-proof@v1\n")

    assert anna.http.delete(f"/api/consents/{rule}").status_code == 204
    refused = nurse.pressures(patient)
    assert refused.status_code == 403
    assert "access-requests" in refused.text

    supervisor = caller("supervisor-region")
    reviewed = supervisor.http.get("/api/reviews").json()
    assert "Nina Exempelkvist" in {one["actor"]["name"] for one in reviewed}
    assert "Hanna Testgren" not in {one["actor"]["name"] for one in reviewed}
    assert nurse.http.get("/api/reviews").status_code == 403

    verified = either.valv("audit", "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr


@pytest.mark.slow
def test_absent_and_denied_citizens_get_the_same_answer(caller: CallerOf) -> None:
    """Looking a citizen up tells nothing: neither that there is a vault, nor that there is none."""
    nurse = caller("nurse-vc")
    ids = []
    for identifier in (ANNA, NOBODY):
        found = nurse.http.post("/fhir/Patient/_search", data={"identifier": identifier})
        assert found.status_code == 200
        ids.append(found.json()["entry"][0]["resource"]["id"])
    weight = {"patient": ids[0], "category": "body-weight"}
    denied = nurse.http.get("/fhir/Observation", params=weight)
    absent = nurse.http.get("/fhir/Observation", params={**weight, "patient": ids[1]})
    assert denied.status_code == absent.status_code == 403
    assert denied.content == absent.content
    assert {name: denied.headers[name] for name in denied.headers if name != "date"} == {
        name: absent.headers[name] for name in absent.headers if name != "date"
    }
    for patient in ids:
        asked = nurse.http.post(
            "/api/access-requests", json={"patient": patient, "categories": ["body-weight"]}
        )
        assert asked.status_code == 202


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/fhir/Observation?foo=1", 400),
        ("GET", "/fhir/Observation?subject.name=anna", 400),
        ("GET", "/fhir/Observation?patient=197503259280", 400),
        ("GET", "/fhir/Observation?date=soon", 400),
        ("GET", "/fhir/Observation?category=secrets", 400),
        ("POST", "/fhir/Observation", 400),
        ("POST", "/fhir/Patient/_search", 400),
        ("GET", "/api/imports/nothing", 404),
        ("GET", "/api/reviews", 403),
        ("POST", "/api/consents", 400),
        ("GET", "/api/nothing", 404),
    ],
)
def test_wrong_requests_are_refused_in_words(caller: CallerOf, method: str, path: str, status: int) -> None:
    """Bad input gets a clear error and no cause from inside."""
    anna = caller("anna")
    answer = anna.http.request(method, path, json={} if method == "POST" else None)
    assert answer.status_code == status, answer.text
    body = answer.json()
    if path.startswith("/fhir"):
        assert body["resourceType"] == "OperationOutcome"
        assert body["issue"][0]["diagnostics"]
    else:
        assert body["title"]
    assert "Traceback" not in answer.text
    assert "197503259280" not in answer.text


@pytest.mark.slow
def test_without_a_token_nothing_is_given(either: Server) -> None:
    """Every machine route refuses a caller without a token, and a cookie counts for nothing there."""
    for path in ("/api/me", "/api/imports", "/api/accesses", "/fhir/Observation", "/fhir/Consent"):
        answer = httpx.get(f"{either.url}{path}", cookies={"valv_session": "x" * 43})
        assert answer.status_code == 401, path
