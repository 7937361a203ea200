"""Who has looked: by visit, filtered by what says nothing to others, and a whole period to print."""

import json
import re
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from app.demo import HEALTH_CENTRE, HOME_CARE
from app.wiring import Valv
from audit.events import Activity, EventKind
from identity.principal import Citizen, Person
from policies.engine import INSTALLED, LAW_IN_FORCE, Policies
from sharing import accesses
from tests.app import test_pages
from tests.app.test_auditevent import hold
from tests.app.test_pages import ANNA, HOME, UNIT, Browser, add_pressure, alias, share, unshare_all

app, browser, clock, other, valv = (
    test_pages.app,
    test_pages.browser,
    test_pages.clock,
    test_pages.other,
    test_pages.valv,
)
NURSE, CARER = "Nina Exempelkvist", "Hanna Testgren"


async def _look(browser: Browser, other: Browser) -> None:
    """Have a nurse and a carer look at Anna's values, and a client system be refused nothing."""
    await browser.log_in("anna")
    await unshare_all(browser)
    await browser.post("/measurements/add", **add_pressure("128", "82"))
    await share(browser, UNIT, "read", "blood-pressure")
    await share(browser, HOME, "read", "body-weight")
    for persona in ("nurse-vc", "homecare"):
        await other.log_in(persona)
        await other.get(f"/staff/patients/{alias(browser.valv, ANNA)}")


def _options(page: str, name: str) -> dict[str, str]:
    """Return a filter's choices: their ids by what they are called."""
    select = re.search(rf'<select[^>]*name="{name}">(.*?)</select>', page, re.DOTALL)
    assert select is not None
    return {text: id_ for id_, text in re.findall(r'<option value="([^"]+)"[^>]*>([^<]+)<', select[1])}


def _listed(page: str) -> str:
    """Return the entries of a page, without its filter."""
    return page.partition('<ol class="valv-log">')[2]


async def test_the_list_is_filtered_by_person_unit_category_and_purpose(
    browser: Browser, other: Browser
) -> None:
    """What is asked for stands there, and nothing else does."""
    await _look(browser, other)
    page = (await browser.get("/accesses")).text
    assert NURSE in _listed(page)
    assert CARER in _listed(page)
    people, units = _options(page, "who"), _options(page, "unit")
    for query in (
        f"who={next(id_ for name, id_ in people.items() if NURSE in name)}",
        f"unit={next(id_ for name, id_ in units.items() if 'vårdcentral' in name)}",
        "category=blood-pressure",
    ):
        found = _listed((await browser.get(f"/accesses?{query}")).text)
        assert NURSE in found, query
        assert CARER not in found, query
    assert NURSE in _listed((await browser.get("/accesses?purpose=TREAT")).text)
    assert NURSE not in _listed((await browser.get("/accesses?purpose=HQUALIMP")).text)


async def test_a_filter_tells_nobody_whom_it_names(browser: Browser, other: Browser) -> None:
    """Addresses are kept by browsers: no id and no number stands in one, and none means anything elsewhere."""
    await _look(browser, other)
    page = (await browser.get("/accesses")).text
    ids = {*_options(page, "who").values(), *_options(page, "unit").values()}
    assert ids
    assert all(re.fullmatch("[0-9a-f]{16}", one) for one in ids)
    hrefs = " ".join(re.findall(r'(?:href|value)="([^"]*)"', page))
    assert HEALTH_CENTRE not in hrefs
    assert HOME_CARE not in hrefs
    assert "TESTP" not in hrefs
    await other.log_in("bo")
    (nurse,) = (id_ for name, id_ in _options(page, "who").items() if NURSE in name)
    assert "Den valda personen" in (await other.get(f"/accesses?who={nurse}")).text


async def test_a_filter_by_day_finds_that_day_alone(browser: Browser, other: Browser) -> None:
    """A day without anything is said to be empty, not looked past."""
    await _look(browser, other)
    assert NURSE in _listed((await browser.get("/accesses?first=2026-03-14&last=2026-03-14")).text)
    for query in ("last=2026-03-13", "first=2026-03-15", "first=9999-12-31", "last=0001-01-01"):
        assert NURSE not in _listed((await browser.get(f"/accesses?{query}")).text), query
    for odd in ("last=9999-12-31", "first=i%20g%C3%A5r", "category=money", "before=x", "show=all%00"):
        assert (await browser.get(f"/accesses?{odd}")).status_code == 200


async def test_what_was_refused_is_shown_too(browser: Browser, other: Browser) -> None:
    """Who tried is the citizen's matter as much as who saw."""
    await _look(browser, other)
    await unshare_all(browser)
    await other.log_in("nurse-vc")
    assert (await other.get(f"/staff/patients/{alias(browser.valv, ANNA)}")).status_code == 403
    page = _listed((await browser.get("/accesses?show=refused")).text)
    assert NURSE in page
    assert "Nekades" in page


async def test_acts_in_a_row_are_one_visit(browser: Browser, other: Browser) -> None:
    """Two looks within minutes are said once, with each act under it; every act keeps its own place."""
    await _look(browser, other)
    await other.log_in("nurse-vc")
    for _ in range(2):
        await other.get(f"/staff/patients/{alias(browser.valv, ANNA)}")
    page = _listed((await browser.get("/accesses")).text)
    assert re.search(r"\d+ händelser i följd", page)
    ids = re.findall(r'id="(a[0-9a-f]{32})"', page)
    assert len(ids) == len(set(ids)) > 3


async def test_a_print_shows_the_period_without_navigation_and_is_logged_as_one(
    browser: Browser, other: Browser
) -> None:
    """A paper leaves the house: the log says Utskrift, as the national contract calls it."""
    await _look(browser, other)
    page = (await browser.get("/accesses/print?first=2026-03-14&show=people")).text
    assert "<nav" not in page
    assert "Utdrag ur loggen för Anna Exempelsson" in page
    assert NURSE in page
    assert "Pröva igen" not in page
    assert "19750325" not in page
    house = browser.valv.house
    loaded = house.database.read_now(
        lambda connection: house.load(connection, bytes.fromhex(alias(browser.valv, ANNA)))
    )
    newest = house.log.entries_of_vault(loaded.vault, limit=1)[0].event
    assert newest is not None
    assert (newest.kind, newest.activity) == (EventKind.READ_LOG, Activity.PRINT)


async def test_who_may_not_read_the_log_prints_none(browser: Browser) -> None:
    """The print is the same deed as the page."""
    await browser.log_in("nurse-vc")
    assert (await browser.get("/accesses/print")).status_code == 403


async def test_the_log_is_downloaded_as_auditevents(browser: Browser, other: Browser) -> None:
    """What the filter leaves, as a file that other people's tools read; the log has it as a print."""
    await _look(browser, other)
    answer = await browser.get("/accesses/download?show=people")
    assert answer.headers["content-type"] == "application/fhir+json"
    assert answer.headers["content-disposition"].startswith("attachment")
    told = answer.json()
    assert (told["type"], told["total"]) == ("searchset", len(told["entry"]))
    for entry in told["entry"]:
        hold_for(entry["resource"], alias(browser.valv, ANNA))
    assert "19750325" not in answer.text
    assert (await other.get("/accesses/download")).status_code == 403


def hold_for(told: dict[str, Any], patient: str) -> None:
    """Hold an AuditEvent to the shape, about this patient."""
    assert told["entity"][0]["what"]["reference"] == f"Patient/{patient}"
    hold(json.loads(json.dumps(told).replace(patient, "c0" * 16)))


# --- what staff themselves did


async def test_staff_see_what_they_did_themselves_and_nobody_elses(browser: Browser, other: Browser) -> None:
    """They can answer for it; the person stands there by the pseudonym that their supervisor sees."""
    await _look(browser, other)
    await other.log_in("nurse-vc")
    page = (await other.get("/staff/accesses")).text
    listed = _listed(page)
    assert NURSE in listed
    assert CARER not in page
    assert "Anna Exempelsson" not in page
    assert "19750325" not in page
    (whom,) = set(re.findall(r"hos (person [0-9a-f]{8})", listed))
    await other.log_in("supervisor-region")
    assert whom in (await other.get("/review?show=all")).text
    own = (await other.get("/staff/accesses")).text
    assert "granskade loggen" in _listed(own)
    assert NURSE not in own


async def test_each_commission_has_its_own_acts(browser: Browser, other: Browser) -> None:
    """What was done at another unit is asked about there."""
    await browser.log_in("anna")
    await other.log_in("nurse-two-commissions")
    commissions = re.findall(r'name="choice"[^>]*value="([^"]+)"', (await other.get("/commission")).text)
    assert len(commissions) > 1
    seen = []
    for one in commissions:
        await other.post("/commission", choice=one)
        await other.get(f"/staff/patients/{alias(browser.valv, ANNA)}")
        await other.post("/commission", choice=one)
        seen.append(set(re.findall(r'id="a([0-9a-f]{32})"', (await other.get("/staff/accesses")).text)))
    assert all(seen)
    assert seen[0].isdisjoint(seen[1])


async def test_a_look_at_ones_own_acts_is_logged(browser: Browser) -> None:
    """Under the organisation's keys: nobody's vault is concerned."""
    await browser.log_in("nurse-vc")
    await browser.get("/staff/accesses")
    house = browser.valv.house
    provider = next(
        one.commissions[0].unit.provider.id for one in house.directory().members.values() if one.name == NURSE
    )
    newest = house.log.entries_of_organisation(provider, limit=1)[0].event
    assert newest is not None
    assert (newest.kind, newest.subject, newest.vault) == (EventKind.READ_LOG, "own-accesses", None)


async def test_a_citizen_has_no_acts_of_staff(browser: Browser) -> None:
    """The page is staff's alone."""
    await browser.log_in("anna")
    assert (await browser.get("/staff/accesses")).status_code == 403


# --- by name, or by role


@pytest.fixture
def by_role(valv: Valv) -> Iterator[None]:
    """Have the policies by which nobody is told who it was."""
    gate = valv.house.gate
    named = gate.policies
    object.__setattr__(gate, "policies", Policies.load(INSTALLED, {**LAW_IN_FORCE, "staff-names": "role"}))
    yield
    object.__setattr__(gate, "policies", named)


@pytest.mark.usefixtures("by_role")
async def test_where_policy_says_so_staff_are_told_by_role(browser: Browser, other: Browser) -> None:
    """In the list, its filter, the print, the file and a past decision: a name in one of them would be all of them."""
    await _look(browser, other)
    pages = [
        (await browser.get(path)).text for path in ("/accesses", "/accesses/print", "/accesses/download", "/")
    ]
    (entry, *_) = re.findall(r'href="/accesses/([0-9a-f]{32})"', pages[0])
    pages.append((await browser.get(f"/accesses/{entry}")).text)
    for page in pages:
        assert NURSE not in page
        assert CARER not in page
        assert "SE2321009905-TESTP" not in page
    assert "Distriktssköterska" in _listed(pages[0])
    assert "vårdcentral" in _listed(pages[0])
    people = _options(pages[0], "who")
    assert len(people) > 1
    nurse = next(id_ for name, id_ in people.items() if "Distriktssköterska" in name)
    found = _listed((await browser.get(f"/accesses?who={nurse}")).text)
    assert "Exempelby vårdcentral" in found
    assert "hemtjänst" not in found


@pytest.mark.usefixtures("by_role")
async def test_the_log_keeps_the_name_and_the_supervisor_sees_it(browser: Browser, other: Browser) -> None:
    """Who answers for staff must know whom to ask; staff see their own."""
    await _look(browser, other)
    await other.log_in("supervisor-region")
    assert NURSE in (await other.get("/review?show=all")).text
    await other.log_in("nurse-vc")
    assert NURSE in _listed((await other.get("/staff/accesses")).text)


@pytest.mark.usefixtures("by_role")
async def test_the_log_over_the_interface_keeps_the_name_back_too(browser: Browser, other: Browser) -> None:
    """Pages and machines are told alike."""
    await _look(browser, other)
    house = browser.valv.house
    anna = Citizen(Person(bytes.fromhex(alias(browser.valv, ANNA)), "Anna Exempelsson", date(1975, 3, 25)))
    found = await accesses.mine(house, anna, anna.person.alias)
    staff = [one.event.actor for one in found.entries if one.event and one.event.actor.kind == "staff"]
    assert staff
    assert {(one.id, one.name == NURSE) for one in staff} == {("", False)}
    tags = {one.commission for one in staff}
    assert len(tags) > 1
    assert all(re.fullmatch("[0-9a-f]{32}", one) for one in tags)
