"""``/api/sharing``, ``/api/contacts`` and what may be done to one consent, as a machine asks."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from app import demo
from app.main import application
from policies.engine import INSTALLED, LAW_IN_FORCE, Policies
from tests.world import START, World, pressure

VC, HOME = demo.HEALTH_CENTRE, demo.HOME_CARE
UNIT = {"kind": "unit", "id": VC}


@dataclass
class Caller:
    """A persona with their token."""

    http: AsyncTestClient[Litestar]
    headers: dict[str, str]
    patient: str = ""

    async def __call__(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """Send a request."""
        return await self.http.request(method, path, json=body, headers=self.headers)

    async def sees(self, patient: str) -> int:
        """Return how many blood pressures of somebody's this one reads; -1 where it is refused."""
        answer = await self("GET", f"/fhir/Observation?patient={patient}&category=blood-pressure")
        return int(answer.json()["total"]) if answer.status_code == 200 else -1


@pytest.fixture
async def http(world: World) -> AsyncIterator[AsyncTestClient[Litestar]]:
    """Serve the country, with Anna and her two blood pressures in it."""
    await world.enter("anna")
    old = pressure("122", "82", START - timedelta(days=40))
    await world.add("anna", "anna", pressure("121", "81"), old)
    async with AsyncTestClient(application(world.valv), base_url="http://127.0.0.1") as served:
        yield served


async def caller(http: AsyncTestClient[Litestar], persona: str) -> Caller:
    """Log a persona in."""
    token = (await http.post("/demo/token", json={"persona": persona})).json()["access_token"]
    found = Caller(http, {"Authorization": f"Bearer {token}"})
    found.patient = (await found("GET", "/api/me")).json().get("patient", "")
    return found


def allow(**terms: Any) -> dict[str, Any]:
    """Return a rule that lets the health centre read blood pressure."""
    rule = {"effect": "allow", "grantee": UNIT, "actions": ["read"], "categories": ["blood-pressure"]}
    return rule | terms


async def test_pause_and_take_up_again(http: AsyncTestClient[Litestar]) -> None:
    """One button closes everything, and the same opens it as it was."""
    anna, nurse = await caller(http, "anna"), await caller(http, "nurse-vc")
    assert (await anna("POST", "/api/consents", allow())).status_code == 201
    assert await nurse.sees(anna.patient) == 2
    assert (await anna("POST", "/api/sharing/pause")).status_code == 204
    assert await nurse.sees(anna.patient) == -1
    assert (await anna("GET", "/api/sharing")).json() == {
        "paused": START.isoformat()[:-6] + "Z",
        "contacts": [],
        "resealing": 0,
        "no_emergency": False,
    }
    assert (await anna("DELETE", "/api/sharing/pause")).status_code == 204
    assert await nurse.sees(anna.patient) == 2


async def test_contacts_and_the_network(http: AsyncTestClient[Litestar]) -> None:
    """Whom one lists is whom "my contacts" reaches; who is struck is out."""
    anna, nurse = await caller(http, "anna"), await caller(http, "nurse-vc")
    await anna("POST", "/api/consents", allow(grantee={"kind": "network"}))
    assert await nurse.sees(anna.patient) == -1
    listed = await anna("POST", "/api/contacts", {"grantee": UNIT, "role": "fast vårdkontakt"})
    assert listed.status_code == 204
    (contact,) = (await anna("GET", "/api/sharing")).json()["contacts"]
    assert (contact["grantee"], contact["role"], contact["until"]) == (UNIT, "fast vårdkontakt", None)
    assert await nurse.sees(anna.patient) == 2
    assert (await anna("DELETE", f"/api/contacts/unit/{VC}")).status_code == 204
    assert await nurse.sees(anna.patient) == -1
    assert (await anna("DELETE", f"/api/contacts/unit/{VC}")).status_code == 404


@pytest.mark.parametrize(
    ("posted", "named"),
    [
        ({}, "grantee"),
        ({"grantee": {"kind": "region", "id": demo.REGION_EXEMPEL}}, "grantee.kind"),
        ({"grantee": UNIT, "role": 7}, "role"),
        ({"grantee": UNIT, "until": "2020-01-01"}, "until"),
        ({"grantee": UNIT, "more": 1}, "more"),
    ],
)
async def test_a_contact_that_cannot_be_is_refused_by_field(
    http: AsyncTestClient[Litestar], posted: dict[str, Any], named: str
) -> None:
    """What is wrong, and where."""
    anna = await caller(http, "anna")
    answer = await anna("POST", "/api/contacts", posted)
    assert (answer.status_code, answer.json()["detail"].split(":")[0]) == (400, named)


async def test_a_block_is_laid_aside_and_put_back(http: AsyncTestClient[Litestar]) -> None:
    """For a time, which the rule then tells; an allow cannot be."""
    anna, nurse = await caller(http, "anna"), await caller(http, "nurse-vc")
    allowed = (await anna("POST", "/api/consents", allow())).json()["id"]
    block = (await anna("POST", "/api/consents", allow(effect="block"))).json()["id"]
    until = (START + timedelta(hours=3)).isoformat()
    assert (await anna("POST", f"/api/consents/{allowed}/lift", {"until": until})).status_code == 400
    assert (await anna("POST", f"/api/consents/{block}/lift", {})).status_code == 400
    assert await nurse.sees(anna.patient) == -1
    told = await anna("POST", f"/api/consents/{block}/lift/preview", {"until": until})
    (change,) = told.json()["changes"]
    assert (change["grantee"], change["gains"]["read"]["blood-pressure"]["gained"]) == (f"unit:{VC}", 2)
    assert await nurse.sees(anna.patient) == -1
    assert (await anna("POST", f"/api/consents/{block}/lift", {"until": until})).status_code == 204
    (change,) = (await anna("POST", f"/api/consents/{block}/lift/preview", {})).json()["changes"]
    assert change["loses"]["read"]["blood-pressure"]["lost"] == 2
    assert await nurse.sees(anna.patient) == 2
    assert (await anna("DELETE", f"/api/consents/{block}/lift")).status_code == 204
    assert await nurse.sees(anna.patient) == -1


async def test_a_rule_is_changed_after_a_look_at_what_that_does(http: AsyncTestClient[Litestar]) -> None:
    """It keeps its id; an allow does not become a block."""
    anna, nurse = await caller(http, "anna"), await caller(http, "nurse-vc")
    rule = (await anna("POST", "/api/consents", allow())).json()["id"]
    narrow = allow(data_from=START.date().isoformat())
    (change,) = (await anna("POST", f"/api/consents/{rule}/preview", narrow)).json()["changes"]
    lost = {"read": {"blood-pressure": {"before": 2, "after": 1, "gained": 0, "lost": 1}}}
    assert (change["grantee"], change["gains"], change["loses"]) == (f"unit:{VC}", {}, lost)
    assert change["people"] >= 1
    assert (await anna("PUT", f"/api/consents/{rule}", narrow)).status_code == 204
    assert await nurse.sees(anna.patient) == 1
    assert [one["id"] for one in (await anna("GET", "/api/consents")).json()] == [rule]
    assert (await anna("PUT", f"/api/consents/{rule}", allow(effect="block"))).status_code == 400
    (change,) = (await anna("POST", f"/api/consents/{rule}/preview", {})).json()["changes"]
    assert change["loses"]["read"]["blood-pressure"]["lost"] == 1
    assert (await anna("PUT", f"/api/consents/{'0' * 32}", narrow)).status_code == 404


async def test_closed_plan_ends_what_was_shared_until_then(http: AsyncTestClient[Litestar]) -> None:
    """That and nothing else, on the next request; a plan that nothing hangs on is not there."""
    anna, nurse, home = [await caller(http, one) for one in ("anna", "nurse-vc", "homecare")]
    plan = f"02202606-{'ab' * 8}"
    assert (await anna("POST", "/api/consents", allow(until_plan=plan))).status_code == 201
    other = allow(grantee={"kind": "unit", "id": HOME})
    assert (await anna("POST", "/api/consents", other)).status_code == 201
    assert (await nurse("DELETE", f"/api/sharing/plans/{plan}")).status_code == 400
    assert (await nurse.sees(anna.patient), await home.sees(anna.patient)) == (2, 2)
    assert (await anna("DELETE", f"/api/sharing/plans/{plan}")).status_code == 204
    assert (await nurse.sees(anna.patient), await home.sees(anna.patient)) == (-1, 2)
    assert (await anna("DELETE", f"/api/sharing/plans/{plan}")).status_code == 404
    assert "Radera" in {one["activity"] for one in (await anna("GET", "/api/accesses")).json()}


async def test_who_sees_this_and_what_they_see(http: AsyncTestClient[Litestar]) -> None:
    """By category, by record, and as a unit sees it."""
    anna = await caller(http, "anna")
    rule = (await anna("POST", "/api/consents", allow(data_from=START.date().isoformat()))).json()["id"]
    (seer,) = (await anna("GET", "/api/sharing/seers?category=blood-pressure")).json()["seers"]
    assert (seer["grantee"], seer["action"], seer["rules"]) == (f"unit:{VC}", "read", [rule])
    entries = (await anna("GET", "/fhir/Observation?category=blood-pressure")).json()["entry"]
    new, old = (one["resource"]["id"] for one in entries)
    for record, expected in ((new, [rule]), (old, [])):
        found = (await anna("GET", f"/api/sharing/seers?record={record}")).json()["seers"]
        assert [rule_id for one in found for rule_id in one["rules"]] == expected
    seen = (await anna("GET", f"/api/sharing/as?unit={VC}")).json()
    assert seen == {"categories": {"blood-pressure": {"all": 2, "seen": 1}}}


async def test_records_are_shown_as_the_unit_would_find_them(http: AsyncTestClient[Litestar]) -> None:
    """The very resources of their own search, page by page, down to the last byte of each."""
    anna, nurse = await caller(http, "anna"), await caller(http, "nurse-vc")
    path = f"/api/sharing/as/records?unit={VC}"
    assert (await anna("GET", path)).json()["total"] == 0
    await anna("POST", "/api/consents", allow())
    theirs = (await nurse("GET", f"/fhir/Observation?patient={anna.patient}")).json()
    shown = (await anna("GET", path)).json()
    assert (shown["entry"], shown["total"]) == (theirs["entry"], 2)
    first = (await anna("GET", f"{path}&_count=1&category=blood-pressure")).json()
    (link,) = first["link"]
    second = (await anna("GET", link["url"])).json()
    assert [*first["entry"], *second["entry"]] == theirs["entry"]
    assert (first["total"], second["total"], second.get("link")) == (2, 2, None)
    assert (await anna("GET", f"{path}&category=body-weight")).json()["total"] == 0


async def test_one_person_of_a_unit_may_see_more(http: AsyncTestClient[Litestar]) -> None:
    """Whom a rule names is asked about by name; anybody else there sees nothing."""
    anna = await caller(http, "anna")
    nurse = "SE2321009905-TESTP001"  # the demo's, at the health centre
    await anna("POST", "/api/consents", allow(grantee={"kind": "person", "id": nurse}))
    path = f"/api/sharing/as?unit={VC}"
    counts = [(await anna("GET", f"{path}{whom}")).json() for whom in ("", f"&whom=person:{nurse}")]
    assert [one["categories"]["blood-pressure"]["seen"] for one in counts] == [0, 2]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/sharing/seers", 400),
        ("/api/sharing/seers?category=x", 400),
        ("/api/sharing/seers?record=x", 400),
        (f"/api/sharing/seers?record=00202601-{'0' * 16}", 404),
        ("/api/sharing/as", 404),
        ("/api/sharing/as?unit=SE0000000000-NONE", 404),
        ("/api/sharing/as/records", 404),
        (f"/api/sharing/as/records?unit={HOME}&whom=role:{VC}/x", 404),
        (f"/api/sharing/as?unit={VC}&whom=x:y", 400),
        (f"/api/sharing/as/records?unit={VC}&category=x", 400),
        (f"/api/sharing/as/records?unit={VC}&patient={'0' * 32}", 400),
        (f"/api/sharing/as/records?unit={VC}&_cursor=x", 400),
    ],
)
async def test_what_is_not_there_is_said(http: AsyncTestClient[Litestar], path: str, status: int) -> None:
    """A clear answer, never a fault of ours."""
    anna = await caller(http, "anna")
    assert (await anna("GET", path)).status_code == status


@pytest.mark.parametrize("persona", ["nurse-vc", "client-meter", "supervisor-region"])
async def test_it_is_the_citizens_matter_alone(http: AsyncTestClient[Litestar], persona: str) -> None:
    """Nobody else is told of it or changes it; what they get tells nothing."""
    other = await caller(http, persona)
    for method, path, body in (
        ("GET", "/api/sharing", None),
        ("POST", "/api/sharing/pause", None),
        ("DELETE", "/api/sharing/pause", None),
        ("GET", "/api/sharing/seers?category=blood-pressure", None),
        ("GET", f"/api/sharing/as?unit={VC}", None),
        ("GET", f"/api/sharing/as/records?unit={VC}", None),
        ("POST", f"/api/consents/{'0' * 32}/lift/preview", {}),
        ("POST", "/api/contacts", {"grantee": UNIT}),
        ("PUT", f"/api/consents/{'0' * 32}", allow()),
    ):
        assert (await other(method, path, body)).status_code in {400, 403}, path


async def test_emergency_opens_what_is_not_blocked_and_the_citizen_sees_why(
    http: AsyncTestClient[Litestar],
) -> None:
    """Say why, read with the purpose header, and stand in the citizen's log."""
    anna, doctor = await caller(http, "anna"), await caller(http, "doctor-hospital")
    path = f"/fhir/Observation?patient={anna.patient}&category=blood-pressure"
    urgent = doctor.headers | {"Purpose-Of-Use": "BTG"}
    assert (await http.get(path, headers=urgent)).status_code == 403
    wish = {"patient": anna.patient, "reason": "Medvetslös på akuten, ingen nås"}
    made = await doctor("POST", "/api/emergency", wish)
    assert (made.status_code, made.json()["blocked"]) == (201, [])
    assert (await http.get(path, headers=urgent)).json()["total"] == 2
    assert (await http.get(path, headers=doctor.headers)).status_code == 403
    (told,) = (await anna("GET", "/api/emergency")).json()
    assert (told["id"], told["reason"]) == (made.json()["id"], wish["reason"])
    assert made.json()["until"] == (START + timedelta(hours=1)).isoformat()
    read = {one["id"] for one in (await anna("GET", "/api/accesses")).json() if one["kind"] == "read"}
    assert told["accesses"]
    assert set(told["accesses"]) < read
    activities = {one["activity"] for one in (await anna("GET", "/api/accesses")).json()}
    assert "Nödöppning" in activities


@pytest.mark.parametrize("persona", ["homecare", "anna", "client-meter", "supervisor-region"])
async def test_emergency_is_for_licensed_staff_of_a_vardgivare(
    http: AsyncTestClient[Litestar], persona: str
) -> None:
    """And a reason that says nothing is refused in words."""
    anna, other, doctor = [await caller(http, one) for one in ("anna", persona, "doctor-hospital")]
    wish = {"patient": anna.patient, "reason": "Medvetslös på akuten, ingen nås"}
    assert (await other("POST", "/api/emergency", wish)).status_code == 403
    answer = await doctor("POST", "/api/emergency", wish | {"reason": "akut"})
    assert (answer.status_code, answer.json()["detail"].split(":")[0]) == (400, "reason")


async def test_no_to_emergencies_is_said_and_taken_back(http: AsyncTestClient[Litestar]) -> None:
    """In advance, by the citizen alone: nobody else says it for them, or takes it back."""
    anna, doctor = await caller(http, "anna"), await caller(http, "doctor-hospital")
    path = f"/fhir/Observation?patient={anna.patient}&category=blood-pressure"
    urgent = doctor.headers | {"Purpose-Of-Use": "BTG"}
    await doctor("POST", "/api/emergency", {"patient": anna.patient, "reason": "Medvetslös på akuten"})
    assert (await http.get(path, headers=urgent)).status_code == 200
    for method, said, status in (("POST", True, 403), ("DELETE", False, 200)):
        for persona in ("doctor-hospital", "supervisor-region", "client-meter"):
            other = await caller(http, persona)
            assert (await other(method, "/api/sharing/no-emergency")).status_code in {400, 403}, persona
        assert (await anna(method, "/api/sharing/no-emergency")).status_code == 204
        assert (await anna("GET", "/api/sharing")).json()["no_emergency"] is said
        assert (await http.get(path, headers=urgent)).status_code == status


@pytest.mark.parametrize("choice", ["told", "untold"])
async def test_blocked_in_an_emergency_is_refused_or_as_empty_by_the_policy(
    world: World, http: AsyncTestClient[Litestar], choice: str
) -> None:
    """Where nobody is told: the status and the shape of what is empty, by category, by several and by record."""
    policies = Policies.load(INSTALLED, {**LAW_IN_FORCE, "blocked-data": choice})
    object.__setattr__(world.house.gate, "policies", policies)
    anna, doctor = await caller(http, "anna"), await caller(http, "doctor-hospital")
    entries = (await anna("GET", "/fhir/Observation?category=blood-pressure")).json()["entry"]
    record = entries[0]["resource"]["id"]
    await anna("POST", "/api/consents", allow(effect="block", grantee={"kind": "network"}))
    made = await doctor("POST", "/api/emergency", {"patient": anna.patient, "reason": "Medvetslös på akuten"})
    assert ("blocked" in made.json()) == (choice == "told")
    urgent = doctor.headers | {"Purpose-Of-Use": "BTG"}

    async def asked(path: str) -> tuple[int, bytes]:
        answer = await http.get(f"/fhir/{path}", headers=urgent)
        return answer.status_code, answer.content.replace(b"blood-pressure", b"glucose")

    for blocked, empty in (
        (f"Observation?patient={anna.patient}&category=blood-pressure", "category=glucose"),
        (f"Observation?patient={anna.patient}&category=blood-pressure,glucose", "category=glucose,sleep"),
        (f"Observation/{record}?patient={anna.patient}", ""),
    ):
        status, content = await asked(blocked)
        if choice == "told":
            assert status == 403, blocked
        elif empty:
            same = await asked(f"Observation?patient={anna.patient}&{empty}")
            assert (status, same[0]) == (200, 200)
            assert json.loads(content)["total"] == json.loads(same[1])["total"] == 0
            assert json.loads(content).keys() == json.loads(same[1]).keys()
        else:
            assert status == 404
