"""What a citizen says finely, looks back at and proves, as people walk it in headless Chromium; each page against axe.

Screenshots at 1280 and 360 px go to ``build/screenshots``, as those of the main job.
"""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from jose import jws
from playwright.sync_api import Browser, expect

from tests.flows import test_main_job_browser as walk
from tests.flows.conftest import Server
from tests.flows.test_main_job_api import EXPORT
from tests.flows.test_main_job_browser import ANNA, Person

pytestmark = walk.pytestmark
browser = walk.browser
VC, HOME = "Exempelby vårdcentral", "Exempelby hemtjänst"


def test_rule_is_narrowed_proven_and_looked_back_at(browser: Browser, server: Server, tmp_path: Path) -> None:
    """Share, narrow with a preview, be read, decide that again, download the receipt, ask who could see it today."""
    anna = _anna_with_values(browser, server, tmp_path)
    _share(anna, VC, "Läsa", "Blodtryck", "Vikt")
    _open(anna, VC)
    anna.look("rule")
    anna.page.get_by_role("link", name="Ändra", exact=True).click()
    expect(anna.page.get_by_label("Vikt", exact=True)).to_be_checked()
    anna.page.get_by_label("Vikt", exact=True).uncheck()
    anna.page.get_by_text("Bara vissa värden").click()
    anna.page.get_by_label(re.compile(r"Blodtryck \(85354-9")).check()
    anna.look("change")
    anna.page.get_by_role("button", name="Visa vad det betyder").click()
    expect(anna.page.get_by_role("heading", name="De här kommer inte längre att få")).to_be_visible()
    anna.look("change-preview")
    anna.page.get_by_role("button", name="Ja, spara").click()
    expect(anna.page.get_by_role("heading", name="Så har den ändrats")).to_be_visible()
    expect(anna.page.locator("ins", has_text="blodtryck").first).to_be_visible()

    nurse = _nurse(browser, server)
    expect(nurse.page.get_by_role("heading", name="Blodtryck").first).to_be_visible()
    anna.page.reload()
    expect(anna.page.get_by_text("Nina Exempelkvist").first).to_be_visible()
    anna.look("rule-changed-and-used")
    with anna.page.expect_download() as download:
        anna.page.get_by_role("link", name=re.compile("Hämta kvittot")).click()
    receipt = download.value.path().read_text()
    key = httpx.get(f"{server.url}/api/consents/receipt-key").json()
    told = json.loads(jws.verify(receipt, key, algorithms=["ES256"]))
    assert [one["event_state"] for one in told["event"]] == ["given", "changed"]
    assert told["rule"]["codes"] == ["55284-4", "85354-9"]
    assert "19750325" not in json.dumps(told)

    anna.page.get_by_role("link", name=re.compile("^Pröva igen.*Nina Exempelkvist")).first.click()
    expect(anna.page.get_by_role("heading", name="Loggen stämmer")).to_be_visible()
    anna.look("decision")

    anna.go("Vem får se vad?")
    anna.page.get_by_role("link", name="Vem kunde se det då?").click()
    expect(anna.page.get_by_role("heading", name=VC)).to_be_visible()
    anna.look("then-today")
    anna.page.get_by_label("Dag").fill((datetime.now(UTC) - timedelta(days=9)).date().isoformat())
    anna.page.get_by_role("button", name="Visa", exact=True).click()
    expect(anna.page.get_by_text("Ingen annan än du kunde se det den dagen.")).to_be_visible()
    anna.look("then-before")


def test_block_spares_one_is_laid_aside_and_put_back(browser: Browser, server: Server) -> None:
    """All but the home care are stopped; for a time nobody is; by the keyboard where people have no mouse."""
    anna = Person(browser, server, "anna-blocks")
    anna.log_in("Anna Exempelsson")
    anna.go("Vem får se vad?")
    anna.page.get_by_role("link", name="Spärra").click()
    anna.page.locator("#grantee").select_option("network:")
    anna.page.get_by_label("Läsa", exact=True).check()
    anna.page.get_by_label("Blodtryck", exact=True).check()
    anna.page.locator("summary", has_text="Några som spärren inte ska stoppa").focus()
    anna.page.keyboard.press("Enter")
    anna.page.keyboard.press("Tab")
    anna.page.keyboard.type(HOME)
    anna.page.keyboard.press("Enter")
    expect(anna.page.get_by_label("Blodtryck", exact=True)).to_be_checked()
    anna.page.get_by_label(re.compile(HOME)).first.check()
    anna.look("block-form")
    anna.page.get_by_role("button", name="Visa vad det betyder").click()
    expect(anna.page.get_by_text(re.compile(f"Men inte {HOME}"))).to_be_visible()
    expect(anna.page.get_by_role("listitem").filter(has_text=VC)).to_be_visible()
    anna.look("block-preview")
    anna.page.get_by_role("button", name="Ja, spara").click()
    nurse = _nurse(browser, server)
    expect(nurse.page.get_by_role("link", name=re.compile("Be om åtkomst"))).to_be_visible()

    _open(anna, "Alla anslutna vård- och omsorgsgivare")
    anna.page.get_by_label("Till och med").fill((datetime.now(UTC) + timedelta(days=3)).date().isoformat())
    anna.page.get_by_role("button", name="Visa vad det betyder").click()
    anna.look("lift-preview")
    anna.page.get_by_role("button", name="Ja, häv för en tid").click()
    expect(anna.page.get_by_role("status")).to_contain_text("hävd")
    anna.look("rule-lifted")
    nurse.page.reload()
    expect(nurse.page.get_by_role("heading", name="Blodtryck").first).to_be_visible()
    anna.page.get_by_role("button", name="Låt spärren gälla igen nu").click()
    anna.page.get_by_role("button", name="Ja, låt den gälla igen").click()
    expect(anna.page.get_by_role("status")).to_contain_text("gäller igen")
    nurse.page.reload()
    expect(nurse.page.get_by_role("link", name=re.compile("Be om åtkomst"))).to_be_visible()
    anna.page.get_by_role("link", name="Häv spärren").click()
    anna.page.get_by_role("button", name="Ja, häv spärren").click()


def test_vault_is_seen_as_a_unit_sees_it(browser: Browser, server: Server) -> None:
    """Record by record just what the nurse's own page says that there is."""
    anna = Person(browser, server, "anna-sees-as")
    anna.log_in("Anna Exempelsson")
    anna.go("Vem får se vad?")
    anna.page.get_by_role("link", name="Se som en mottagning ser det").click()
    anna.page.get_by_role("searchbox").fill(VC)
    anna.page.get_by_role("button", name="Sök").click()
    anna.page.get_by_role("button", name="Visa").first.click()
    anna.look("see-as")
    anna.page.get_by_role("link", name=re.compile("Visa alla uppgifter som de ser")).click()
    expect(anna.page.get_by_role("heading", name="Alla uppgifter")).to_be_visible()
    anna.look("see-as-all-records")
    anna.page.go_back()
    anna.page.get_by_role("link", name=re.compile("uppgifter om blodtryck, visa dem")).click()
    expect(anna.page.get_by_role("heading", level=1)).to_contain_text(VC)
    shown = anna.page.locator("tbody tr").all_inner_texts()
    anna.look("see-as-records")

    nurse = _nurse(browser, server)
    nurse.page.get_by_role("navigation").get_by_role("link", name="Allt").click()
    nurse.page.locator("summary").first.click()
    theirs = nurse.page.locator("tbody tr").all_inner_texts()
    assert shown == theirs
    assert len(shown) > 1


def _anna_with_values(browser: Browser, server: Server, folder: Path) -> Person:
    export = folder / "export.xml"
    export.write_text(EXPORT)
    anna = Person(browser, server, "anna-proves")
    anna.log_in("Anna Exempelsson")
    anna.go("Läs in fil")
    anna.page.get_by_label("Fil", exact=True).set_input_files(export)
    anna.page.get_by_role("button", name="Läs in").click()
    done = re.compile("Klar|Inläst|färdig", re.IGNORECASE)
    expect(anna.page.get_by_role("heading", name=done)).to_be_visible(timeout=30_000)
    return anna


def _share(who: Person, unit: str, action: str, *categories: str) -> None:
    who.go("Vem får se vad?")
    who.page.get_by_role("link", name="Dela med någon").click()
    who.page.get_by_role("searchbox").fill(unit)
    who.page.get_by_role("button", name="Sök").click()
    option = who.page.locator("#grantee option", has_text=re.compile(rf"^\s*{unit}"))
    who.page.locator("#grantee").select_option(value=option.first.get_attribute("value") or "")
    who.page.get_by_label(action, exact=True).check()
    for category in categories:
        who.page.get_by_label(category, exact=True).check()
    who.page.get_by_role("button", name="Visa vad det betyder").click()
    who.page.get_by_role("button", name="Ja, spara").click()
    expect(who.page.get_by_role("status")).to_be_visible()


def _open(who: Person, grantee: str) -> None:
    """Open the page of the rule that names somebody."""
    who.go("Vem får se vad?")
    who.page.get_by_role("link", name=re.compile(f"^Visa mer.*{grantee}")).first.click()


def _nurse(browser: Browser, server: Server) -> Person:
    nurse = Person(browser, server, "nurse-there")
    nurse.log_in("Nina Exempelkvist")
    nurse.page.get_by_label(re.compile("Personnummer")).fill(ANNA)
    nurse.page.get_by_role("button", name="Sök").click()
    nurse.page.wait_for_url(re.compile("/staff/patients/"))
    return nurse
