"""The main job as people walk it, in headless Chromium, each page held against axe at WCAG 2.2 AA.

Screenshots at 1280 and 360 px go to ``build/screenshots`` for somebody to look at: axe passes pages that look
wrong.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from app.web.rendering import BUILT
from tests.browser import CHROMIUM, MISSING
from tests.flows.conftest import Server
from tests.flows.test_main_job_api import EXPORT

AXE = BUILT / "axe.js"
SHOTS = Path(__file__).parents[2] / "build" / "screenshots"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
ANNA = "19750325-9280"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.enable_socket,
    pytest.mark.skipif(bool(MISSING), reason=MISSING),
    pytest.mark.skipif(not AXE.is_file(), reason="no assets (make assets)"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start one Chromium for the module, which looks up nothing by itself."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ],
        )
        yield started
        started.close()


class Person:
    """Somebody at a browser of their own; every page they come to is checked and pictured."""

    def __init__(self, browser: Browser, server: Server, name: str) -> None:
        self.context = browser.new_context(locale="sv-SE", viewport={"width": 1280, "height": 900})
        self.page: Page = self.context.new_page()
        self.url, self.name, self.number = server.url, name, 0
        self.foreign: list[str] = []
        self.faults: list[str] = []
        self.awaited: list[int] = []
        self.page.on("request", self._request)
        self.page.on(
            "console", lambda message: self.faults.append(message.text) if message.type == "error" else None
        )
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))

    def log_in(self, as_whom: str) -> None:
        """Choose a persona."""
        self.page.goto(f"{self.url}/login")
        self.page.get_by_role("button", name=re.compile(as_whom)).click()
        self.page.wait_for_load_state()

    def go(self, link: str) -> None:
        """Follow a link of the main menu."""
        self.page.get_by_role("navigation").get_by_role("link", name=link).click()
        self.page.wait_for_load_state()

    def look(self, title: str) -> None:
        """Hold the page against axe and picture it at both widths."""
        self.number += 1
        self.page.evaluate(AXE.read_text())
        for width in (1280, 360):
            self.page.set_viewport_size({"width": width, "height": 900})
            SHOTS.mkdir(parents=True, exist_ok=True)
            self.page.screenshot(
                path=SHOTS / f"{self.name}-{self.number:02d}-{title}-{width}.png", full_page=True
            )
            found = self.page.evaluate(
                "tags => axe.run(document, {runOnly: {type: 'tag', values: tags}})"
                ".then(r => r.violations.map(v => v.id + ': ' + v.nodes.map(n => n.target).join(', ')))",
                TAGS,
            )
            assert found == [], f"{title} at {width} px: {found}"
            wide = self.page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            assert wide <= 0, f"{title} scrolls sideways at {width} px"
        self.page.set_viewport_size({"width": 1280, "height": 900})
        assert self.foreign == [], "a page asked another host for something"
        assert self._unexpected() == [], f"{title}: {self.faults}"

    def refused(self, status: int = 403) -> None:
        """Expect the browser's own note of one answer of this status, which may come later than the page does."""
        self.awaited.append(status)

    def _unexpected(self) -> list[str]:
        """Strike off each note that was awaited, once; give what is left."""
        for status in list(self.awaited):
            note = next((one for one in self.faults if f"status of {status} " in one), None)
            if note is not None:
                self.faults.remove(note)
                self.awaited.remove(status)
        return self.faults

    def _request(self, request: object) -> None:
        address = str(getattr(request, "url", ""))
        if not address.startswith((self.url, "data:")):
            self.foreign.append(address)


def test_main_job_walks_in_the_browser(  # noqa: PLR0915 one walk
    browser: Browser, server: Server, tmp_path: Path
) -> None:
    """Import, share, read, add, see, revoke, review, verify: each by whoever does it."""
    export = tmp_path / "export.xml"
    export.write_text(EXPORT)
    anna = Person(browser, server, "anna")
    anna.page.goto(f"{server.url}/login")
    anna.look("login")
    anna.log_in("Anna Exempelsson")
    anna.look("overview")

    anna.go("Läs in fil")
    anna.look("imports")
    anna.page.get_by_label("Fil", exact=True).set_input_files(export)
    anna.page.get_by_role("button", name="Läs in").click()
    expect(
        anna.page.get_by_role("heading", name=re.compile("Klar|Inläst|färdig", re.IGNORECASE))
    ).to_be_visible(timeout=30_000)
    anna.look("import-done")
    expect(anna.page.get_by_role("cell", name="rad 8", exact=True)).to_be_visible()

    anna.go("Mätvärden")
    anna.look("measurements")
    _share(anna, "Exempelby vårdcentral", "Läsa", "Blodtryck")
    _share(anna, "Exempelby hemtjänst", "Lägga till", "Vikt")
    anna.look("sharing")

    nurse = Person(browser, server, "nurse")
    nurse.log_in("Nina Exempelkvist")
    _find(nurse, ANNA)
    expect(nurse.page.get_by_role("heading", name="Anna Exempelsson")).to_be_visible()
    expect(nurse.page.get_by_role("heading", name="Blodtryck").first).to_be_visible()
    assert "197503259280" not in nurse.page.url
    assert "19750325" not in nurse.page.url
    assert nurse.page.get_by_text("Vikt", exact=True).count() == 0
    nurse.look("patient")

    home = Person(browser, server, "homecare")
    home.log_in("Hanna Testgren")
    _find(home, ANNA)
    home.look("patient-add-only")
    home.page.get_by_role("link", name="Skriv in ett värde").click()
    home.page.get_by_role("link", name="Vikt").click()
    home.look("add")
    home.page.get_by_label("Vikt").fill("71,9")
    home.page.get_by_role("button", name="Spara").click()
    expect(home.page.get_by_role("status")).to_be_visible()

    anna.go("Vem har tittat?")
    expect(anna.page.locator(".valv-log").get_by_text("Nina Exempelkvist").first).to_be_visible()
    expect(anna.page.locator(".valv-log").get_by_text("Hanna Testgren").first).to_be_visible()
    anna.look("accesses")
    anna.go("Vem får se vad?")
    anna.page.get_by_role("link", name=re.compile("Ta tillbaka.*Blodtryck", re.IGNORECASE)).click()
    anna.look("revoke")
    anna.page.get_by_role("button", name="Ja, ta tillbaka").click()
    expect(anna.page.get_by_role("status")).to_be_visible()

    nurse.page.reload()
    nurse.refused()
    expect(nurse.page.get_by_role("link", name=re.compile("Be om åtkomst"))).to_be_visible()
    assert nurse.page.get_by_text("Anna Exempelsson").count() == 0
    nurse.look("refused")
    nurse.page.get_by_role("link", name=re.compile("Be om åtkomst")).click()
    nurse.look("ask")

    supervisor = Person(browser, server, "supervisor")
    supervisor.log_in("Rut Exempelhag")
    expect(supervisor.page.locator(".valv-log").get_by_text("Nina Exempelkvist").first).to_be_visible()
    assert supervisor.page.locator(".valv-log").get_by_text("Hanna Testgren").count() == 0
    supervisor.look("review")

    verified = server.valv("audit", "verify")
    assert verified.returncode == 0, verified.stdout


def test_guardian_sees_whom_she_acts_for_on_every_page(browser: Browser, server: Server) -> None:
    """Acting for somebody is shown on every page, and a guardian is offered no block."""
    karin = Person(browser, server, "karin")
    karin.log_in("Karin Testlund")
    if "/commission" not in karin.page.url:
        karin.page.get_by_role("link", name="Byt vem du företräder").click()
    karin.look("choose")
    karin.page.get_by_role("button", name=re.compile("Elsa Testlund")).or_(
        karin.page.get_by_label(re.compile("Elsa Testlund"))
    ).first.click()
    if "/commission" in karin.page.url:
        karin.page.locator("main").get_by_role("button").first.click()
    for link in ("Översikt", "Mätvärden", "Läs in fil", "Vem får se vad?", "Vem har tittat?"):
        karin.go(link)
        expect(karin.page.get_by_text("Du företräder Elsa Testlund")).to_be_visible()
    karin.go("Vem får se vad?")
    assert karin.page.get_by_role("link", name="Spärra").count() == 0
    karin.look("sharing-for-elsa")


def test_pages_work_from_the_keyboard(browser: Browser, server: Server) -> None:
    """Tab reaches the skip link first, and a persona can be chosen without a mouse."""
    bo = Person(browser, server, "bo")
    bo.page.goto(f"{server.url}/login")
    bo.page.keyboard.press("Tab")
    assert bo.page.evaluate("document.activeElement.className") == "nhsuk-skip-link"
    button = bo.page.get_by_role("button", name=re.compile("Bo Provberg"))
    for _ in range(20):
        bo.page.keyboard.press("Tab")
        if button.evaluate("one => one === document.activeElement"):
            break
    bo.page.keyboard.press("Enter")
    bo.page.wait_for_url(f"{server.url}/")
    bo.look("overview-empty")


def _share(who: Person, unit: str, action: str, category: str) -> None:
    who.go("Vem får se vad?")
    who.page.get_by_role("link", name="Dela med någon").click()
    who.page.get_by_role("searchbox").fill(unit)
    who.page.get_by_role("button", name="Sök").click()
    option = who.page.locator("#grantee option", has_text=re.compile(rf"^\s*{unit}"))
    who.page.locator("#grantee").select_option(value=option.first.get_attribute("value") or "")
    who.page.get_by_label(action, exact=True).check()
    who.page.get_by_label(category, exact=True).check()
    if action == "Läsa":
        who.look("rule-form")
    who.page.get_by_role("button", name="Visa vad det betyder").click()
    if action == "Läsa":
        who.look("preview")
    who.page.get_by_role("button", name="Ja, spara").click()
    expect(who.page.get_by_role("status")).to_be_visible()


def _find(who: Person, number: str) -> None:
    if who.number == 0:
        who.look("find")
    who.page.get_by_label(re.compile("Personnummer")).fill(number)
    who.page.get_by_role("button", name="Sök").click()
    who.page.wait_for_url(re.compile("/staff/patients/"))
