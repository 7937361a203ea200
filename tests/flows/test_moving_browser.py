"""One who has moved, in headless Chromium: leaves, finds the new unit, ticks one of two proposals."""

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.browser import MISSING
from tests.flows.conftest import Server
from tests.flows.test_main_job_browser import AXE, Person, browser

__all__ = ["browser"]  # a fixture

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.enable_socket,
    pytest.mark.skipif(bool(MISSING), reason=MISSING),
    pytest.mark.skipif(not AXE.is_file(), reason="no assets (make assets)"),
]


def test_moving_walks_in_the_browser(browser: Browser, server: Server) -> None:
    """What was shared at the old unit ends at once; at the new one only what was ticked begins."""
    anna = Person(browser, server, "moving")
    anna.log_in("Anna Exempelsson")
    share(anna, "Exempelby vårdcentral", "Läsa", "Blodtryck")
    share(anna, "Distriktssköterska", "Lägga till", "Vikt")
    anna.page.get_by_role("link", name="Jag har flyttat eller bytt vårdgivare").click()
    anna.look("choose")
    anna.page.get_by_label(re.compile("^Exempelby vårdcentral")).check()
    anna.page.get_by_role("button", name="Visa vad det betyder").click()
    anna.look("leave")
    anna.page.get_by_role("button", name="Ja, lämna").click()
    expect(anna.page.get_by_role("status")).to_contain_text("har slutat")
    anna.look("left")
    anna.page.get_by_role("searchbox").fill("Provlandets sjukhus")
    anna.page.get_by_role("button", name="Sök").click()
    anna.page.get_by_role("button", name="Visa förslag").click()
    assert anna.page.get_by_role("checkbox", checked=True).count() == 0
    expect(anna.page.get_by_text("ingen på den nya enheten har den yrkesrollen")).to_be_visible()
    anna.look("proposals")
    anna.page.get_by_role("checkbox", name=re.compile("Blodtryck", re.IGNORECASE)).check()
    anna.page.get_by_role("button", name="Dela det jag har kryssat för").click()
    expect(anna.page.get_by_role("status")).to_be_visible()
    main = anna.page.locator("main")
    expect(main.get_by_role("heading", name=re.compile("Provlandets sjukhus"))).to_be_visible()
    assert main.get_by_role("heading", name=re.compile("Exempelby")).count() == 0
    anna.look("done")


def share(who: Person, name: str, action: str, category: str) -> None:
    """Share one category."""
    who.go("Vem får se vad?")
    who.page.get_by_role("link", name="Dela med någon").click()
    who.page.get_by_role("searchbox").fill(name)
    who.page.get_by_role("button", name="Sök").click()
    option = who.page.locator("#grantee option", has_text=re.compile(rf"^\s*{name}"))
    who.page.locator("#grantee").select_option(value=option.first.get_attribute("value") or "")
    who.page.get_by_label(action, exact=True).check()
    who.page.get_by_label(category, exact=True).check()
    who.page.get_by_role("button", name="Visa vad det betyder").click()
    who.page.get_by_role("button", name="Ja, spara").click()
    expect(who.page.get_by_role("status")).to_be_visible()
