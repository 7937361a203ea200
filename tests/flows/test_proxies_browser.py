"""An ombud from the paper to its end, and a guardian, in headless Chromium, each page held against axe."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from app.web.rendering import BUILT
from tests.browser import MISSING
from tests.flows.conftest import Server
from tests.flows.test_main_job_browser import Person, _share, browser

__all__ = ["browser"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.enable_socket,
    pytest.mark.skipif(bool(MISSING), reason=MISSING),
    pytest.mark.skipif(not (BUILT / "axe.js").is_file(), reason="no assets (make assets)"),
]

BO = "197101169295"


def add_pressure(who: Person, upper: str, lower: str) -> None:
    """Write a blood pressure in by hand."""
    who.page.goto(f"{who.url}/measurements/add?measure=blood-pressure")
    who.page.get_by_label(re.compile("Övertryck")).fill(upper)
    who.page.get_by_label(re.compile("Undertryck")).fill(lower)
    who.page.get_by_role("button", name="Spara").click()
    expect(who.page.get_by_role("status")).to_be_visible()


def act_for(who: Person, name: str) -> None:
    """Choose whom to act for."""
    who.page.goto(f"{who.url}/commission")
    who.page.get_by_role("button", name=re.compile(name)).click()
    who.page.wait_for_load_state()


def test_an_ombud_acts_as_long_as_the_owner_lets_them(  # noqa: PLR0915 one walk
    browser: Browser, server: Server, tmp_path: Path
) -> None:
    """Paper, preview, mandate; log in, read, share; both names in the log; ended; refused."""
    paper = tmp_path / "fullmakt.txt"
    paper.write_text("Härmed får Bo företräda mig.\n")
    anna = Person(browser, server, "owner")
    anna.log_in("Anna Exempelsson")
    add_pressure(anna, "128", "82")
    anna.go("Vem får se vad?")
    anna.page.get_by_role("link", name="Någon som hjälper mig").click()
    anna.look("mandates-none")
    anna.page.get_by_role("link", name="Låt någon företräda dig").click()
    anna.look("mandate-form")
    anna.page.get_by_role("button", name="Visa vad det betyder").click()
    anna.refused(400)
    anna.look("mandate-form-errors")
    anna.page.get_by_label("Ombud").check()
    anna.page.get_by_label("Personnummer").fill(BO)
    anna.page.get_by_label("Namn", exact=True).fill("Min bror")
    for choice in ("Läsa", "Dela åt dig", "Blodtryck"):
        anna.page.get_by_label(choice, exact=True).check()
    anna.page.get_by_label(re.compile("Tills vidare")).check()
    anna.page.get_by_role("button", name="Visa vad det betyder").click()
    assert BO not in anna.page.url + anna.page.content()
    anna.page.get_by_label("Dokumentet som det bygger på").set_input_files(paper)
    anna.look("mandate-preview")
    anna.page.get_by_role("button", name="Ja, spara").click()
    expect(anna.page.get_by_role("heading", name="Min bror")).to_be_visible()
    anna.look("mandates")

    bo = Person(browser, server, "ombud")
    bo.log_in("Bo Provberg")
    bo.look("choose")
    act_for(bo, "Anna Exempelsson")
    expect(bo.page.get_by_text("Du företräder Anna Exempelsson som ombud")).to_be_visible()
    expect(bo.page.get_by_text("128/82").first).to_be_visible()
    bo.look("overview")
    bo.go("Ditt uppdrag")
    with bo.page.expect_download() as download:
        bo.page.get_by_role("link", name=re.compile("Hämta dokumentet")).click()
    assert download.value.path().read_text() == paper.read_text()
    bo.look("own-mandate")
    bo.go("Vem får se vad?")
    bo.page.get_by_role("link", name="Dela med någon").click()
    bo.page.get_by_role("searchbox").fill("Exempelby vårdcentral")
    bo.page.get_by_role("button", name="Sök").click()
    option = bo.page.locator("#grantee option", has_text=re.compile(r"^\s*Exempelby vårdcentral"))
    bo.page.locator("#grantee").select_option(value=option.first.get_attribute("value") or "")
    bo.page.get_by_label("Läsa", exact=True).check()
    bo.page.get_by_label("Blodtryck", exact=True).check()
    bo.page.get_by_role("button", name="Visa vad det betyder").click()
    bo.page.get_by_role("button", name="Ja, spara").click()
    expect(bo.page.get_by_role("status")).to_be_visible()
    bo.look("sharing")

    anna.go("Vem har tittat?")
    expect(anna.page.get_by_text(re.compile("för Anna Exempelsson, som ombud")).first).to_be_visible()
    expect(anna.page.locator(".valv-log").get_by_text("Bo Provberg").first).to_be_visible()
    anna.look("accesses")
    anna.page.goto(f"{server.url}/mandates")
    anna.page.get_by_role("button", name=re.compile("Avsluta nu")).click()
    expect(anna.page.get_by_text("Ingen företräder dig nu.")).to_be_visible()

    answer = bo.page.goto(f"{server.url}/measurements")
    assert answer is not None
    assert answer.status == 403
    assert bo.page.get_by_text("128/82").count() == 0
    bo.page.goto(f"{server.url}/commission")
    assert bo.page.get_by_role("button", name=re.compile("Anna Exempelsson")).count() == 0


def test_a_guardian_reads_shares_and_ends_for_the_child(browser: Browser, server: Server) -> None:
    """Whom they act for, and as what, on every page and in the child's own log."""
    karin = Person(browser, server, "guardian")
    karin.log_in("Karin Testlund")
    karin.look("choose")
    act_for(karin, "Elsa Testlund")
    expect(karin.page.get_by_text("Du företräder Elsa Testlund som vårdnadshavare")).to_be_visible()
    add_pressure(karin, "101", "62")
    karin.look("measurements")
    _share(karin, "Exempelby vårdcentral", "Läsa", "Blodtryck")
    karin.page.get_by_role("link", name=re.compile("Ta tillbaka.*Blodtryck", re.IGNORECASE)).click()
    karin.page.get_by_role("button", name="Ja, ta tillbaka").click()
    expect(karin.page.get_by_text("Du delar inte med någon nu.")).to_be_visible()
    elsa = Person(browser, server, "child")
    elsa.log_in("^Elsa Testlund")
    elsa.go("Vem har tittat?")
    expect(elsa.page.get_by_text(re.compile("för Elsa Testlund, som vårdnadshavare")).first).to_be_visible()
    elsa.look("accesses")
