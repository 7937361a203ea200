"""A consent on paper, in headless Chromium: staff enter it, the citizen answers, and staff read only then."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, expect

from tests.browser import MISSING
from tests.flows.conftest import Server
from tests.flows.test_main_job_browser import ANNA, AXE, Person, browser

__all__ = ["browser"]  # a fixture

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.enable_socket,
    pytest.mark.skipif(bool(MISSING), reason=MISSING),
    pytest.mark.skipif(not AXE.is_file(), reason="no assets (make assets)"),
]


def test_consent_on_paper_walks_in_the_browser(browser: Browser, server: Server) -> None:
    """Entered beside asking; adding at once, reading once the citizen has said that it is theirs."""
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    anna = Person(browser, server, "paper-anna")
    anna.log_in("Anna Exempelsson")
    nurse = Person(browser, server, "paper-nurse")
    nurse.log_in("Nina Exempelkvist")
    nurse.page.get_by_label(re.compile("Personnummer")).fill(ANNA)
    nurse.page.get_by_role("button", name="Sök").click()
    enter = nurse.page.get_by_role("link", name="Lägg in samtycke från papper")
    expect(enter).to_be_visible()
    nurse.refused()
    enter.click()
    nurse.look("form")
    nurse.page.get_by_role("button", name="Lägg in").click()
    expect(nurse.page.get_by_role("heading", name="Något behöver rättas")).to_be_visible()
    nurse.refused(400)
    nurse.look("errors")
    option = nurse.page.locator("#grantee option", has_text=re.compile(r"^\s*Exempelby vårdcentral"))
    nurse.page.locator("#grantee").select_option(value=option.first.get_attribute("value") or "")
    nurse.page.get_by_label("Läsa", exact=True).check()
    nurse.page.get_by_label("Blodtryck", exact=True).check()
    nurse.page.get_by_label("När skrevs det under?").fill(yesterday)
    nurse.page.get_by_label("Var finns pappret?").fill("Pärm 3, reception")
    nurse.page.get_by_role("button", name="Lägg in").click()
    expect(nurse.page.get_by_role("heading", name="Pappret är inlagt")).to_be_visible()
    nurse.look("sent")

    anna.go("Översikt")
    expect(anna.page.get_by_role("heading", name="Inlagt från papper: stämmer det?")).to_be_visible()
    anna.look("overview")
    anna.go("Vem får se vad?")
    anna.look("sharing")
    anna.page.get_by_role("link", name=re.compile("Läs och svara")).click()
    expect(anna.page.get_by_text("Pärm 3, reception")).to_be_visible()
    anna.look("confirm")
    anna.page.get_by_role("button", name="Ja, det stämmer").click()
    expect(anna.page.get_by_role("status")).to_be_visible()
    anna.look("confirmed")

    nurse.page.goto(f"{server.url}/staff")
    nurse.page.get_by_label(re.compile("Personnummer")).fill(ANNA)
    nurse.page.get_by_role("button", name="Sök").click()
    expect(nurse.page.get_by_role("heading", name="Blodtryck").first).to_be_visible()
