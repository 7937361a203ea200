"""An emergency as people walk it, in headless Chromium: refused, opened, read, told, said no to."""

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


def test_an_emergency_walks_in_the_browser(browser: Browser, server: Server) -> None:
    """Staff are refused, open by the keyboard and read; Anna sees who and why, says no, and nothing is shown more."""
    anna = Person(browser, server, "emergency-anna")
    anna.log_in("Anna Exempelsson")
    anna.page.goto(f"{server.url}/measurements/add?measure=body-weight")
    anna.page.get_by_label("Vikt").fill("71,5")
    anna.page.get_by_role("button", name="Spara").click()
    expect(anna.page.get_by_role("status")).to_be_visible()

    doctor = Person(browser, server, "emergency-doctor")
    doctor.log_in("Omar Provstrand")
    doctor.page.get_by_label(re.compile("Personnummer")).fill(ANNA)
    doctor.page.get_by_role("button", name="Sök").click()
    doctor.page.wait_for_url(re.compile("/staff/patients/"))
    doctor.refused()
    doctor.look("refused")
    _open_by_keyboard(doctor)
    banner = doctor.page.get_by_role("region", name="Nödöppning")
    expect(banner).to_contain_text(f"orsak: {REASON}")
    expect(doctor.page.get_by_role("heading", name="Anna Exempelsson")).to_be_visible()
    expect(doctor.page.locator("main").get_by_text("71,5").first).to_be_visible()
    doctor.look("opened")
    doctor.page.get_by_role("link", name="Be om åtkomst").click()
    expect(banner).to_contain_text("Nödöppning till")

    anna.go("Översikt")
    expect(anna.page.get_by_role("heading", name="Någon öppnade valvet i nödläge")).to_be_visible()
    anna.look("overview")
    anna.page.get_by_role("link", name="Se varför och vad som lästes").click()
    expect(anna.page.get_by_text(REASON)).to_be_visible()
    anna.look("emergencies")
    anna.page.get_by_role("link", name=re.compile("kl.*i loggen")).first.click()
    anna.page.wait_for_url(re.compile("/accesses"))
    expect(anna.page.locator(":target")).to_be_visible()
    anna.look("log")
    anna.page.go_back()
    anna.page.get_by_role("button", name="Säg nej till nödöppning").press("Enter")
    expect(anna.page.get_by_role("button", name="Ta tillbaka mitt nej")).to_be_visible()
    anna.look("no")
    anna.go("Översikt")
    expect(anna.page.get_by_role("heading", name="Någon öppnade valvet i nödläge")).to_have_count(0)

    doctor.page.goto(doctor.page.url.removesuffix("/request"))
    doctor.refused()
    expect(doctor.page.get_by_role("heading", name="Det finns inget som ditt uppdrag får se")).to_be_visible()
    expect(banner).to_contain_text("Personen har spärrat uppgifter")
    assert doctor.page.get_by_text("71,5").count() == 0
    doctor.look("shut")

    verified = server.valv("audit", "verify")
    assert verified.returncode == 0, verified.stdout


def _open_by_keyboard(doctor: Person) -> None:
    """Reach the lesser way by Tab, make every mistake there is, and mend it, without a mouse."""
    link = doctor.page.get_by_role("link", name="Nödöppning", exact=True)
    ask = doctor.page.get_by_role("link", name="Be om åtkomst")
    ask.focus()
    for _ in range(2):  # a consent on paper comes between
        doctor.page.keyboard.press("Tab")
    assert link.evaluate("one => one === document.activeElement")
    doctor.page.keyboard.press("Enter")
    doctor.page.wait_for_url(re.compile("/emergency$"))
    doctor.look("form")
    doctor.page.get_by_label("Varför måste du se uppgifterna nu?").focus()
    doctor.page.keyboard.type("akut")
    for _ in range(2):
        doctor.page.keyboard.press("Tab")
    doctor.page.keyboard.press("Enter")
    expect(doctor.page.get_by_role("alert")).to_be_visible()
    doctor.refused(400)
    doctor.look("form-errors")
    reason = doctor.page.get_by_label("Varför måste du se uppgifterna nu?")
    expect(reason).to_have_value("akut")
    reason.focus()
    doctor.page.keyboard.press("Control+a")
    doctor.page.keyboard.type(REASON)
    doctor.page.keyboard.press("Tab")
    doctor.page.keyboard.press("Space")
    doctor.page.keyboard.press("Tab")
    doctor.page.keyboard.press("Enter")
    doctor.page.wait_for_url(re.compile("done=emergency-opened"))
