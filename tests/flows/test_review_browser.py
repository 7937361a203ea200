"""Log review as people walk it, in headless Chromium: a debt, a question, what the user says, a decision, an answer."""

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.browser import MISSING
from tests.flows.conftest import Server
from tests.flows.test_main_job_browser import ANNA, AXE, Person, browser

__all__ = ["browser"]  # the fixture

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.enable_socket,
    pytest.mark.skipif(bool(MISSING), reason=MISSING),
    pytest.mark.skipif(not AXE.is_file(), reason="no assets (make assets)"),
]

REASON = "Medvetslös på akuten, ingen anhörig nås"
WHY = "Varför öppnade du valvet den här dagen?"
EXPLAINED = "Patienten kom in med ambulans och kunde inte svara."
MOTIVE = "Patienten vårdades hos oss den dagen, som journalen visar."
ANSWER = "Du kom till oss med ambulans och kunde inte svara själv."


def test_a_debt_and_a_question_are_closed_by_a_named_supervisor(  # noqa: PLR0915 one walk
    browser: Browser, server: Server
) -> None:
    """The nurse opens; Anna asks why; the supervisor asks the nurse, who explains, and decides; Anna reads."""
    nurse, anna = Person(browser, server, "review-nurse"), Person(browser, server, "review-anna")
    anna.log_in("Anna Exempelsson")
    anna.page.goto(f"{server.url}/measurements/add?measure=body-weight")
    anna.page.get_by_label("Vikt").fill("71,5")
    anna.page.get_by_role("button", name="Spara").click()
    expect(anna.page.get_by_role("status")).to_be_visible()
    _open(nurse)
    anna.go("Vem har tittat?")
    opening = anna.page.locator(".valv-entry", has_text="öppnade valvet med nödöppning")
    opening.get_by_role("button", name=re.compile("Fråga om detta.*Nina Exempelkvist")).press("Enter")
    expect(anna.page.get_by_text("Du får svar senast")).to_be_visible()
    anna.look("asked")

    supervisor = Person(browser, server, "review-supervisor")
    supervisor.log_in("Rut Exempelhag")
    expect(supervisor.page.get_by_text("1 åtkomst väntar på beslut")).to_be_visible()
    supervisor.look("review")
    supervisor.go("Att granska")
    expect(supervisor.page.get_by_text("Personen frågar varför")).to_be_visible()
    supervisor.look("queue")
    supervisor.page.get_by_role("link", name=re.compile("Nina Exempelkvist")).click()
    expect(supervisor.page.get_by_text(REASON)).to_be_visible()
    assert supervisor.page.get_by_text("Anna Exempelsson").count() == 0
    supervisor.look("case")
    supervisor.page.get_by_role("button", name="Spara beslutet").click()
    expect(supervisor.page.get_by_role("alert")).to_be_visible()
    supervisor.refused(400)
    supervisor.look("case-errors")
    supervisor.page.get_by_label("Frågan").fill(WHY)
    supervisor.page.get_by_role("button", name="Skicka frågan").click()
    expect(supervisor.page.get_by_role("status")).to_be_visible()

    nurse.go("Hitta person")
    nurse.look("told")
    nurse.page.get_by_role("link", name="Läs och svara").click()
    expect(nurse.page.get_by_text(WHY)).to_be_visible()
    nurse.look("asked")
    nurse.page.get_by_label("Ditt svar").fill(EXPLAINED)
    nurse.page.get_by_role("button", name=re.compile("Skicka svaret")).click()
    expect(nurse.page.get_by_text("Du svarade")).to_be_visible()
    nurse.look("explained")

    supervisor.page.reload()
    expect(supervisor.page.get_by_text(EXPLAINED)).to_be_visible()
    supervisor.page.get_by_label("Befogad").check()
    supervisor.page.get_by_label("Motivering").fill(MOTIVE)
    supervisor.page.get_by_label("Svar till personen").fill(ANSWER)
    supervisor.page.get_by_role("button", name="Spara beslutet").click()
    expect(supervisor.page.get_by_text("Ingenting väntar på beslut.")).to_be_visible()
    supervisor.look("closed")

    anna.go("Översikt")
    expect(anna.page.get_by_role("heading", name="Du har fått svar på en fråga")).to_be_visible()
    anna.look("told")
    anna.page.get_by_role("link", name="Läs svaret").click()
    expect(anna.page.get_by_text(ANSWER)).to_be_visible()
    anna.look("answer")
    anna.go("Översikt")
    expect(anna.page.get_by_role("heading", name="Du har fått svar på en fråga")).to_have_count(0)

    verified = server.valv("audit", "verify")
    assert verified.returncode == 0, verified.stdout


def _open(nurse: Person) -> None:
    nurse.log_in("Nina Exempelkvist")
    nurse.page.get_by_label(re.compile("Personnummer")).fill(ANNA)
    nurse.page.get_by_role("button", name="Sök").click()
    nurse.page.wait_for_url(re.compile("/staff/patients/"))
    nurse.refused()
    nurse.page.get_by_role("link", name="Nödöppning", exact=True).click()
    nurse.page.get_by_label("Varför måste du se uppgifterna nu?").fill(REASON)
    nurse.page.get_by_label(re.compile("Personen kan inte frågas")).check()
    nurse.page.get_by_role("button", name="Öppna i nödläge").click()
    nurse.page.wait_for_url(re.compile("done=emergency-opened"))
