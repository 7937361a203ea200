"""Log review as people walk it, in headless Chromium: a debt, a question, what the user says, a decision, an answer."""

import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from app.web.chart import ZONE
from tests import pdftools
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


def _choose(supervisor: Person, button: str) -> None:
    today = datetime.now(ZONE).date()
    supervisor.page.get_by_label("Första dagen").fill(str(today - timedelta(days=7)))
    supervisor.page.get_by_label("Sista dagen").fill(str(today))
    supervisor.page.get_by_role("button", name=button).click()


def _open(nurse: Person) -> None:
    nurse.log_in("Nina Exempelkvist")
    nurse.page.get_by_label(re.compile("Personnummer")).fill(ANNA)
    nurse.page.get_by_role("button", name="Sök").click()
    nurse.page.wait_for_url(re.compile("/staff/patients/"))
    if nurse.page.get_by_role("region", name="Nödöppning").is_visible():
        return  # one holds already
    nurse.refused()
    nurse.page.get_by_role("link", name="Nödöppning", exact=True).click()
    nurse.page.get_by_label("Varför måste du se uppgifterna nu?").fill(REASON)
    nurse.page.get_by_label(re.compile("Personen kan inte frågas")).check()
    nurse.page.get_by_role("button", name="Öppna i nödläge").click()
    nurse.page.wait_for_url(re.compile("done=emergency-opened"))


def test_a_control_is_drawn_repeated_documented_and_verified(
    browser: Browser, server: Server, tmp_path: Path
) -> None:
    """The supervisor draws, draws again, makes the record; poppler and the page say that its signature holds."""
    nurse = Person(browser, server, "control-nurse")
    _open(nurse)
    nurse.look("opened")
    supervisor = Person(browser, server, "control-supervisor")
    supervisor.log_in("Rut Exempelhag")
    supervisor.page.get_by_role("link", name="Slumpmässiga urval").click()
    supervisor.look("draws-none")
    _choose(supervisor, "Dra ett urval")
    expect(supervisor.page.get_by_text("åtkomster drogs.")).to_be_visible()
    supervisor.look("draws")
    supervisor.page.locator(".valv-card").get_by_role("link").first.click()
    expect(supervisor.page.get_by_text("Draget på nytt nu: samma urval.")).to_be_visible()
    supervisor.look("draw")
    supervisor.go("Granska åtkomster")
    supervisor.page.get_by_role("link", name="Granskningen i siffror").click()
    supervisor.look("figures")
    supervisor.go("Granska åtkomster")
    supervisor.page.get_by_role("link", name="Dokumenterade kontroller").click()
    _choose(supervisor, "Dokumentera och skriv under")
    expect(supervisor.page.get_by_text("Underskriften gäller")).to_be_visible()
    supervisor.look("records")
    with supervisor.page.expect_download() as waiting:
        supervisor.page.get_by_role("link", name=re.compile("Loggkontroll")).click()
    file = tmp_path / "record.pdf"
    waiting.value.save_as(file)
    assert file.read_bytes().startswith(b"%PDF-1.7")
    if not pdftools.MISSING:
        said = pdftools.told_by("pdfsig", "-nocert", file)
        assert "Signature is Valid." in said
        assert "Rut Exempelhag" in said
        assert "Rut Exempelhag" in pdftools.told_by("pdftotext", file, "-")
