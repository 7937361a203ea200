"""A consent on paper, from the browsers' side and from machines': a helper enters it, the citizen answers."""

import base64
import re
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from app.demo import HEART_CLINIC, HOME_CARE
from tests.app.test_moving_api import http
from tests.app.test_pages import ANNA, NOBODY, UNIT, Browser, Clock, alias, app, browser, clock, other, valv
from tests.app.test_sharing_api import allow, caller

__all__ = ["app", "browser", "clock", "http", "other", "valv"]  # fixtures
SIGNED = {"signed": "2026-03-01", "kept": "Pärm 3"}


async def enter(helper: Browser, patient: str, **fields: Any) -> Any:
    """Let a helper fill in the form."""
    await helper.get(f"/staff/patients/{patient}/paper")
    said = {"effect": "allow", "grantee": UNIT, "actions": ["read", "add"], "categories": ["glucose"]}
    return await helper.post(f"/staff/patients/{patient}/paper", **{**said, **SIGNED, **fields})


async def test_helper_enters_and_the_citizen_says_yes(browser: Browser, other: Browser) -> None:
    """First on the overview and on the sharing page stands who entered what, and that nobody reads by it yet."""
    await other.log_in("anna")
    await browser.log_in("nurse-vc")
    anna = alias(browser.valv, ANNA)
    shown = await browser.get(f"/staff/patients/{anna}/paper")
    assert "Exempelby vårdcentral" in shown.text
    assert HEART_CLINIC not in (await browser.get(f"/staff/patients/{anna}/paper?who=provlandets")).text
    sent = await enter(browser, anna)
    assert (sent.status_code, sent.headers["location"].endswith("?done=paper-sent")) == (303, True)
    assert "Om personen har ett hälsovalv" in (await browser.get(sent.headers["location"])).text
    for path in ("/", "/sharing"):
        text = (await other.get(path)).text
        assert "Inlagt från papper: stämmer det?" in text, path
        assert "Nina Exempelkvist, Distriktssköterska, Exempelby vårdcentral lade in det" in text
    rule = re.search(r"/sharing/([0-9a-f]{32})/confirm", text)
    assert rule is not None
    asked = await other.get(rule[0])
    assert "Pappret skrevs under 1 mars 2026" in asked.text
    assert "Förvaras: Pärm 3" in asked.text
    assert (await other.post(rule[0], token="0" * 64)).status_code == 403
    done = await other.post(rule[0])
    assert (done.status_code, done.headers["location"]) == (303, "/sharing?done=paper-confirmed")
    after = await other.get("/sharing")
    assert "stämmer det?" not in after.text
    assert "Inlagt från papper av Nina Exempelkvist" in after.text
    assert (await other.get(rule[0])).status_code == 404
    assert (await other.post(rule[0])).status_code == 404


async def test_the_citizen_says_no(browser: Browser, other: Browser) -> None:
    """It ends like any other."""
    await other.log_in("anna")
    await browser.log_in("nurse-vc")
    await enter(browser, alias(browser.valv, ANNA), categories=["sleep"])
    rule = re.search(r"/sharing/([0-9a-f]{32})/confirm", (await other.get("/sharing")).text)
    assert rule is not None
    await other.get(rule[0])
    ended = await other.post(f"/sharing/{rule[1]}/revoke")
    assert (ended.status_code, "stämmer det?" in (await other.get("/sharing")).text) == (303, False)


async def test_yes_needs_a_login_just_now(browser: Browser, other: Browser, clock: Clock) -> None:
    """It lets somebody read."""
    await other.log_in("anna")
    await browser.log_in("nurse-vc")
    await enter(browser, alias(browser.valv, ANNA), categories=["symptom"])
    rule = re.search(r"/sharing/[0-9a-f]{32}/confirm", (await other.get("/sharing")).text)
    assert rule is not None
    clock.at = clock.at.replace(minute=clock.at.minute + 6)
    assert (await other.get(rule[0])).status_code == 403
    assert (await other.post(rule[0])).status_code == 403


async def test_the_answer_is_the_same_whoever_the_citizen_is(browser: Browser) -> None:
    """For one who has no vault too."""
    await browser.log_in("nurse-vc")
    answers = [await enter(browser, alias(browser.valv, number)) for number in (ANNA, NOBODY)]
    told = {
        (one.status_code, one.headers["location"].replace(alias(browser.valv, n), ""))
        for one, n in zip(answers, (ANNA, NOBODY), strict=True)
    }
    assert len(told) == 1


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"effect": "x"}, "Välj ett alternativ"),
        ({"grantee": ""}, "Välj vem det gäller i listan"),
        ({"grantee": f"unit:{HEART_CLINIC}"}, "Välj vem det gäller i listan"),
        ({"grantee": f"unit:{HOME_CARE}"}, "Välj vem det gäller i listan"),
        ({"actions": []}, "Välj minst ett alternativ"),
        ({"categories": []}, "Välj minst ett alternativ"),
        ({"valid_to": "i maj"}, "Skriv ett datum"),
        ({"signed": ""}, "Skriv dagen då det skrevs under"),
        ({"signed": "2027-01-01"}, "Skriv dagen då det skrevs under"),
        ({"kept": ""}, "Fyll i det här fältet"),
    ],
)
async def test_what_is_wrong_stands_at_its_field(
    browser: Browser, fields: dict[str, Any], problem: str
) -> None:
    """And what was filled in stays."""
    await browser.log_in("nurse-vc")
    answer = await enter(browser, alias(browser.valv, ANNA), **fields)
    assert (answer.status_code, problem in answer.text) == (400, True)
    if "kept" not in fields:
        assert 'value="Pärm 3"' in answer.text


async def test_all_that_is_missing_is_said_at_once(browser: Browser) -> None:
    """Nobody is sent back six times."""
    await browser.log_in("nurse-vc")
    empty = {"grantee": "", "actions": [], "categories": [], "signed": "", "kept": " "}
    answer = await enter(browser, alias(browser.valv, ANNA), **empty)
    assert answer.status_code == 400
    assert all(f'href="#{name}"' in answer.text for name in empty)


async def test_only_staff_enter_papers(browser: Browser) -> None:
    """Neither citizens nor supervisors have the page."""
    patient = alias(browser.valv, ANNA)
    for persona in ("anna", "supervisor-region"):
        await browser.log_in(persona)
        assert (await browser.get(f"/staff/patients/{patient}/paper")).status_code == 403
        assert (await browser.post(f"/staff/patients/{patient}/paper", **SIGNED)).status_code == 403


# --- machines


async def test_enter_and_confirm_as_machines_do(http: AsyncTestClient[Litestar]) -> None:
    """With a scan; reading waits for the citizen's word."""
    anna, nurse = await caller(http, "anna"), await caller(http, "nurse-vc")
    scan = {"type": "application/pdf", "data": base64.b64encode(b"%PDF-1.7").decode()}
    body = {"patient": anna.patient, "consent": allow(), "paper": {**SIGNED, "scan": scan}}
    made = await nurse("POST", "/api/consents/paper", body)
    assert made.status_code == 202
    path = f"/api/consents/{made.json()['id']}"
    assert await nurse.sees(anna.patient) == -1
    (rule,) = (await anna("GET", "/api/consents")).json()
    assert (rule["id"], rule["helper"], rule["confirmed"]) == (
        made.json()["id"],
        "SE2321009905-TESTP001",
        None,
    )
    (found,) = (await anna("GET", "/fhir/DocumentReference")).json()["entry"]
    document = found["resource"]
    assert document["id"] == rule["document"]
    assert document["content"][0]["attachment"]["data"] == scan["data"]
    assert (await nurse("POST", f"{path}/confirm")).status_code in {400, 403}
    assert (await anna("POST", f"{path}/confirm")).status_code == 204
    assert await nurse.sees(anna.patient) == 1
    assert (await anna("POST", f"{path}/confirm")).status_code == 400
    assert (await anna("POST", f"/api/consents/{'0' * 32}/confirm")).status_code == 404


@pytest.mark.parametrize("persona", ["anna", "client-meter", "supervisor-region"])
async def test_entering_is_staffs_on_a_commission_of_care(
    http: AsyncTestClient[Litestar], persona: str
) -> None:
    """Whoever else tries is refused, whoever the citizen is."""
    who = await caller(http, persona)
    for patient in ("0" * 32, (await caller(http, "anna")).patient):
        body = {"patient": patient, "consent": allow(), "paper": SIGNED}
        assert (await who("POST", "/api/consents/paper", body)).status_code == 403


async def test_what_is_wrong_is_named(http: AsyncTestClient[Litestar]) -> None:
    """By the field, before anything is looked at of the citizen's."""
    nurse = await caller(http, "nurse-vc")
    home = {"kind": "unit", "id": HOME_CARE}
    for consent, told, field in (
        (allow(grantee=home), SIGNED, "grantee.id"),
        (allow(relation="relative"), SIGNED, "relation"),
        (allow(), {}, "paper.kept"),
    ):
        body = {"patient": "0" * 32, "consent": consent, "paper": told}
        answer = await nurse("POST", "/api/consents/paper", body)
        assert (answer.status_code, answer.json()["detail"].split(":")[0]) == (400, field)
