"""Emergency access as pages: who is offered it, what the form demands, what its patient's pages say, what is told."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
from litestar import Litestar
from litestar.datastructures import State
from litestar.exceptions import HTTPException

from app import demo, errors, security
from app.web.rendering import Renderer
from app.web.routes import PAGES
from app.web.shell import error_page
from audit.events import Decision, EventKind
from policies.engine import INSTALLED, LAW_IN_FORCE, Policies
from policies.vocabulary import Category
from sharing import accesses
from tests.app.test_pages import Browser, NoJobs
from tests.world import World, pressure, weight

BP, WEIGHT = Category.BLOOD_PRESSURE, Category.BODY_WEIGHT
REASON = "Medvetslös på akuten, ingen anhörig nås"
ABSENT = "ab" * 16


class Pages:
    """The country's pages, and a browser for each who comes to them."""

    def __init__(self, world: World, folder: Path, stack: AsyncExitStack) -> None:
        names = ("mark.svg", "valv.css", "valv.js", "htmx.js", "licences.txt")
        (folder / "manifest.json").write_text(json.dumps(dict.fromkeys(names, "0")))
        self.world, self._stack = world, stack
        self._app = Litestar(
            route_handlers=PAGES,
            guards=[security.guard],
            before_send=[security.add_headers],
            exception_handlers={Exception: errors.handle, HTTPException: errors.handle},
            state=State(
                {
                    "valv": world.valv,
                    "renderer": Renderer(built=folder),
                    "error_page": error_page,
                    "jobs": NoJobs(),
                }
            ),
            logging_config=None,
            openapi_config=None,
        )

    async def log_in(self, persona: str) -> Browser:
        """Let a persona log in, in a browser of their own."""
        browser = Browser(self._app, self.world.valv)
        self._stack.push_async_callback(browser.client.aclose)
        await browser.log_in(persona)
        return browser

    def patient(self, persona: str) -> str:
        """Return the address at which staff meet a citizen."""
        return f"/staff/patients/{self.world.alias(persona).hex()}"


@pytest.fixture
async def pages(world: World, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pages]:
    """Serve the country, with a blood pressure and a weight of Anna's in it."""
    await world.enter("anna", "bo", "elsa")
    await world.add("anna", "anna", pressure("121", "81"), weight("70.5"))
    async with AsyncExitStack() as stack:
        yield Pages(world, tmp_path_factory.mktemp("built"), stack)


async def opened(browser: Browser, address: str, reason: str = REASON) -> httpx.Response:
    """Open a vault by its form, and follow to the patient."""
    form = await browser.get(f"{address}/emergency")
    assert form.status_code == 200
    sent = await browser.post(f"{address}/emergency", reason=reason, confirm="1")
    assert sent.headers["location"] == f"{address}?done=emergency-opened", sent.text
    return await browser.get(address)


def choose(world: World, setting: str, choice: str) -> None:
    """Have another choice of policies in force."""
    policies = Policies.load(INSTALLED, {**LAW_IN_FORCE, setting: choice})
    object.__setattr__(world.house.gate, "policies", policies)


# --- staff


async def test_the_patient_is_shown_under_the_opening_and_every_page_says_so(pages: Pages) -> None:
    """Refused, opened, read; and until when and why on each page of that patient, and of no other."""
    doctor, anna = await pages.log_in("doctor-hospital"), pages.patient("anna")
    refused = await doctor.get(anna)
    assert (refused.status_code, f"{anna}/emergency" in refused.text) == (403, True)
    shown = await opened(doctor, anna)
    assert shown.status_code == 200
    assert "121/81" in shown.text
    assert "Anna Exempelsson" in shown.text
    assert f"{anna}/emergency" not in shown.text
    chosen = await doctor.get(f"{anna}?category=body-weight")
    assert chosen.status_code == 200
    assert "70,5" in chosen.text
    for rest in ("", "?category=body-weight", "/add", "/request"):
        text = (await doctor.get(anna + rest)).text
        assert "Nödöppning till 11:00" in text, rest
        assert f"orsak: {REASON}" in text, rest
    assert (await doctor.post(f"{anna}/request")).text.count("Nödöppning till 11:00") == 1
    assert (await doctor.get(f"{anna}/emergency")).headers["location"] == anna
    for other in ("/staff", pages.patient("bo"), f"/staff/patients/{ABSENT}"):
        assert "Nödöppning till" not in (await doctor.get(other)).text, other
    colleague = await pages.log_in("nurse-vc")
    assert (await colleague.get(anna)).status_code == 403


@pytest.mark.parametrize(
    ("choice", "hours", "ends"), [("hour", 1, "11:00"), ("day", 24, "10:00 den 3 mars 2026")]
)
async def test_when_it_runs_out_the_page_says_so_and_how_to_go_on(
    pages: Pages, choice: str, hours: int, ends: str
) -> None:
    """By the policies' own measure, whichever is in force."""
    choose(pages.world, "emergency", choice)
    doctor, anna = await pages.log_in("doctor-hospital"), pages.patient("anna")
    assert f"Nödöppning till {ends}" in (await opened(doctor, anna)).text
    pages.world.clock.move(hours=hours)
    over = await (await pages.log_in("doctor-hospital")).get(anna)
    assert over.status_code == 403
    assert f"Nödöppningen tog slut kl. {ends}." in over.text
    assert over.text.count(f"{anna}/emergency") == 2


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"reason": "akut", "confirm": "1"}, ["reason"]),
        ({"reason": "x" * 1001, "confirm": "1"}, ["reason"]),
        ({"reason": REASON}, ["confirm"]),
        ({}, ["reason", "confirm"]),
    ],
)
async def test_what_is_wrong_is_said_at_its_field_and_nothing_is_lost(
    pages: Pages, fields: dict[str, str], wrong: list[str]
) -> None:
    """No reason, or a slip of the hand, opens nothing."""
    doctor, anna = await pages.log_in("doctor-hospital"), pages.patient("anna")
    await doctor.get(f"{anna}/emergency")
    answer = await doctor.post(f"{anna}/emergency", **fields)
    assert answer.status_code == 400
    assert re.findall(r'href="#(reason|confirm)"', answer.text) == wrong
    assert re.findall(r"<textarea[^>]*>([^<]*)</textarea>", answer.text) == [fields.get("reason", "")]
    assert (" checked" in answer.text) == ("confirm" in fields)
    assert (await doctor.get(anna)).status_code == 403


@pytest.mark.parametrize("persona", ["homecare", "supervisor-region", "anna"])
async def test_who_may_not_is_not_offered_it_and_is_refused(pages: Pages, persona: str) -> None:
    """An omsorgsgivare's staff, a supervisor, a citizen; a refused attempt of staff's stands in the log."""
    other, anna = await pages.log_in(persona), pages.patient("anna")
    assert f"{anna}/emergency" not in (await other.get(anna)).text
    assert (await other.get(f"{anna}/emergency")).status_code == 403
    for fields in ({"reason": REASON, "confirm": "1"}, {"reason": "", "confirm": ""}):
        assert (await other.post(f"{anna}/emergency", **fields)).status_code == 403
    world = pages.world
    page = await accesses.mine(world.house, world.who("anna"), world.alias("anna"))
    tried = [
        one.event.decision for one in page.entries if one.event and one.event.kind is EventKind.EMERGENCY
    ]
    assert tried == ([Decision.REFUSE] if persona == "homecare" else [])


@pytest.mark.parametrize("choice", ["told", "untold"])
async def test_the_answer_is_the_same_for_who_has_no_vault(pages: Pages, choice: str) -> None:
    """One who is not here, one whose vault is empty and, untold, one who blocked all: word for word."""
    choose(pages.world, "blocked-data", choice)
    doctor = await pages.log_in("doctor-hospital")
    aliases = [ABSENT, pages.world.alias("bo").hex()]
    if choice == "untold":
        await pages.world.block("anna", "network", "", *Category)
        aliases.append(pages.world.alias("anna").hex())
    told = []
    for alias in aliases:
        address = f"/staff/patients/{alias}"
        pages_shown = [await doctor.get(address), await opened(doctor, address)]
        rests = ("?category=blood-pressure", "?category=body-weight&period=all", "/add", "/request")
        pages_shown += [await doctor.get(address + rest) for rest in rests]
        told.append([(one.status_code, one.text.replace(alias, "ID")) for one in pages_shown])
    assert all(one == told[0] for one in told)
    assert [status for status, _ in told[0]] == [403, 200, 200, 200, 403, 200]
    assert "Nödöppning till" in told[0][1][1]


@pytest.mark.parametrize("choice", ["told", "untold"])
async def test_blocked_data_is_told_of_by_its_provider_or_not_at_all(pages: Pages, choice: str) -> None:
    """Lag (2022:913) 2:5 against EHDS art. 8; the citizen's own entries name nobody."""
    world = pages.world
    choose(world, "blocked-data", choice)
    source = f"provider:{demo.REGION_EXEMPEL_CARE}"
    await world.block("anna", "network", "", WEIGHT, sources=[source])
    await world.block("anna", "emergency", "", BP)
    doctor, anna = await pages.log_in("doctor-hospital"), pages.patient("anna")
    shown = await opened(doctor, anna)
    name = world.house.directory().provider(demo.REGION_EXEMPEL_CARE).name
    assert "121/81" not in shown.text
    assert (f"att fråga: {name}." in shown.text) == (choice == "told")
    assert ("spärrat" in shown.text) == (choice == "told")
    pressures = await doctor.get(f"{anna}?category=blood-pressure")
    glucoses = await doctor.get(f"{anna}?category=glucose")
    assert (pressures.status_code, glucoses.status_code) == ((403 if choice == "told" else 200), 200)
    if choice == "untold":
        same = pressures.text.replace("Blodtryck", "X").replace("blood-pressure", "x")
        assert same == glucoses.text.replace("Blodsocker", "X").replace("glucose", "x")


# --- the citizen


async def test_the_citizen_sees_a_notice_until_they_have_looked(pages: Pages) -> None:
    """At once: who, where from; on the page also why, and what was read, with a way to the log."""
    doctor, anna = await pages.log_in("doctor-hospital"), await pages.log_in("anna")
    notice = "Någon öppnade valvet i nödläge"
    assert notice not in (await anna.get("/")).text
    await opened(doctor, pages.patient("anna"))
    for _ in range(2):
        text = (await anna.get("/")).text
        assert notice in text
        assert "Region Provlandet" in text
        assert REASON not in text
    page = (await anna.get("/sharing/emergencies")).text
    assert REASON in page
    entries = re.findall(r'href="/accesses\?show=emergency#(a[0-9a-f]+)"', page)
    log = (await anna.get("/accesses?show=emergency")).text
    assert entries
    assert all(f'id="{one}"' in log for one in entries)
    assert notice not in (await anna.get("/")).text


async def test_the_citizen_says_no_and_takes_it_back_by_a_button(pages: Pages) -> None:
    """It counts for an opening that is going on, and needs a login just now."""
    doctor, anna, patient = (
        await pages.log_in("doctor-hospital"),
        await pages.log_in("anna"),
        pages.patient("anna"),
    )
    assert (await opened(doctor, patient)).status_code == 200
    assert "Säg nej till nödöppning" in (await anna.get("/sharing/emergencies")).text
    said = await anna.post("/sharing/emergencies", answer="no")
    assert said.headers["location"] == "/sharing/emergencies?done=emergency-refused"
    refused = await doctor.get(patient)
    assert (refused.status_code, "121/81" in refused.text) == (403, False)
    assert "Personen har spärrat uppgifter" in refused.text
    assert "Ta tillbaka mitt nej" in (await anna.get("/sharing/emergencies")).text
    taken = await anna.post("/sharing/emergencies", answer="yes")
    assert taken.headers["location"] == "/sharing/emergencies?done=emergency-allowed"
    assert "121/81" in (await doctor.get(patient)).text
    assert (await anna.post("/sharing/emergencies", answer="maybe")).status_code == 400
    pages.world.clock.move(minutes=6)
    for wish in ("no", "yes"):
        assert (await anna.post("/sharing/emergencies", answer=wish)).status_code == 403
    assert "Säg nej till nödöppning" in (await anna.get("/sharing/emergencies")).text


async def test_a_guardian_is_told_for_the_child_and_decides_nothing(pages: Pages) -> None:
    """Shown as acting for the child; SVOD 2:3: no block of a child's data."""
    await opened(await pages.log_in("doctor-hospital"), pages.patient("elsa"))
    karin = await pages.log_in("karin")
    await karin.get("/commission")
    await karin.post("/commission", choice=f"guardian:{pages.world.alias('elsa').hex()}")
    first = (await karin.get("/")).text
    assert "Du företräder Elsa" in first
    assert "Någon öppnade valvet i nödläge" in first
    page = (await karin.get("/sharing/emergencies")).text
    assert REASON in page
    assert "Du företräder Elsa" in page
    assert 'name="answer"' not in page
    assert (await karin.post("/sharing/emergencies", answer="no")).status_code == 403


async def test_a_child_is_told_too_and_does_not_decide(pages: Pages) -> None:
    """The child's own log is the child's; from which age one decides over blocks, the policies say."""
    await opened(await pages.log_in("doctor-hospital"), pages.patient("elsa"))
    elsa = await pages.log_in("elsa")
    assert "Någon öppnade valvet i nödläge" in (await elsa.get("/")).text
    page = await elsa.get("/sharing/emergencies")
    assert (page.status_code, REASON in page.text, 'name="answer"' in page.text) == (200, True, False)
    assert (await elsa.post("/sharing/emergencies", answer="no")).status_code == 403
