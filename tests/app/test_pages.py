"""The pages' handlers, from the browser's side: who gets which page, and what a form must bring."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar import Litestar
from litestar.datastructures import State
from litestar.exceptions import HTTPException

from app import demo, errors, security, wiring
from app.demo import HEALTH_CENTRE, HOME_CARE
from app.login import enter
from app.settings import Settings
from app.web.rendering import Renderer
from app.web.routes import PAGES
from app.web.shell import error_page
from app.wiring import Valv
from app.witnessing import Witnessing, asking
from audit.entry import Entry
from audit.events import Decision, EventKind
from identity.numbers import parse_personal_number
from identity.principal import Citizen

ANNA, BO, NOBODY = "197503259280", "197101169295", "189001019802"
ANNAS_NAME = "Anna Exempelsson"
UNIT = f"unit:{HEALTH_CENTRE}"
HOME = f"unit:{HOME_CARE}"


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.at = datetime(2026, 3, 14, 9, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        """Return the time now."""
        return self.at


class NoJobs:
    """No worker runs in these tests: what is queued stays queued."""

    def wake(self) -> None:
        """Nothing wakes."""


class Browser:
    """One browser: its cookies, and the token of the last form it was shown."""

    def __init__(self, app: Litestar, valv: Valv) -> None:
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=True)  # type: ignore[arg-type]
        self.client = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080")
        self.valv = valv
        self.token = ""

    async def get(self, path: str) -> httpx.Response:
        """Ask for a page, and remember its form's token."""
        answer = await self.client.get(path)
        found = re.search(r'name="_csrf_token" value="([0-9a-f]+)"', answer.text)
        self.token = found[1] if found else self.token
        return answer

    async def post(self, path: str, token: str | None = None, **fields: Any) -> httpx.Response:
        """Send a form, with the remembered token unless another is given."""
        presented = self.token if token is None else token
        return await self.client.post(path, data={"_csrf_token": presented, **fields})

    async def upload(
        self, token: str, name: str, content: bytes, *, to: str = "/imports", **fields: str
    ) -> httpx.Response:
        """Send a form with a file (the import's); its fields come before its file."""
        parts: list[tuple[str, Any]] = [("_csrf_token", (None, token))]
        parts += [(field, (None, value)) for field, value in fields.items()]
        return await self.client.post(to, files=[*parts, ("file", (name, content))])

    async def log_in(self, persona: str) -> httpx.Response:
        """Log in as a persona and open the first page."""
        await self.get("/login")
        answer = await self.post("/login", persona=persona)
        assert answer.status_code == 303, answer.text
        first = await self.get(answer.headers["location"])
        while first.has_redirect_location:
            first = await self.get(first.headers["location"])
        return answer

    @property
    def session(self) -> str:
        """The session cookie's value."""
        return self.client.cookies.get("valv_session") or ""


@pytest.fixture(scope="module")
def clock() -> Clock:
    """Return the clock of the module's installation."""
    return Clock()


@pytest.fixture(scope="module")
def valv(tmp_path_factory: pytest.TempPathFactory, clock: Clock) -> Iterator[Valv]:
    """Make and open a demo installation, once for the module."""
    settings = Settings(data=tmp_path_factory.mktemp("valv") / "data")
    wiring.create(settings, demo=True, clock=clock)
    opened = wiring.open_installation(settings, clock=clock)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def app(valv: Valv, tmp_path_factory: pytest.TempPathFactory) -> Litestar:
    """Return the pages alone, with the product's own guard, headers and errors."""
    built = tmp_path_factory.mktemp("built")
    names = ("mark.svg", "valv.css", "valv.js", "htmx.js", "licences.txt")
    (built / "manifest.json").write_text(json.dumps(dict.fromkeys(names, "0")))
    return Litestar(
        route_handlers=PAGES,
        guards=[security.guard],
        before_send=[security.add_headers],
        exception_handlers={Exception: errors.handle, HTTPException: errors.handle},
        state=State(
            {
                "valv": valv,
                "renderer": Renderer(built=built),
                "error_page": error_page,
                "jobs": NoJobs(),
                "witnessing": Witnessing(asking(valv)),
            }
        ),
        logging_config=None,
        openapi_config=None,
    )


@pytest.fixture
async def browser(app: Litestar, valv: Valv) -> AsyncIterator[Browser]:
    """Open a browser."""
    opened = Browser(app, valv)
    yield opened
    await opened.client.aclose()


@pytest.fixture
async def other(app: Litestar, valv: Valv) -> AsyncIterator[Browser]:
    """Open somebody else's browser."""
    opened = Browser(app, valv)
    yield opened
    await opened.client.aclose()


def alias(valv: Valv, number: str) -> str:
    """Return the public id that a personal number has here."""
    return valv.house.keystore.alias(number).hex()


async def citizen(valv: Valv, persona: str) -> Citizen:
    """Return a persona who has a vault."""
    found = demo.principal_of(persona, directory=valv.house.directory(), keystore=valv.house.keystore)
    assert isinstance(found, Citizen)
    await enter(valv, found)
    return found


async def newest(valv: Valv, persona: str, count: int = 50) -> list[Entry]:
    """Return a citizen's newest log entries."""
    who = await citizen(valv, persona)
    vault = await valv.house.database.read(lambda reading: valv.house.locate(reading, who.person.alias))
    return valv.house.log.entries_of_vault(vault, limit=count)


async def share(browser: Browser, grantee: str, action: str, *categories: str, effect: str = "allow") -> None:
    """Make a rule by the pages, as the citizen who is logged in."""
    fields: dict[str, Any] = {"effect": effect, "grantee": grantee}
    fields |= {"actions": [action], "categories": list(categories)}
    await browser.get("/sharing/new")
    shown = await browser.post("/sharing/preview", **fields)
    assert shown.status_code == 200, shown.text
    saved = await browser.post("/sharing", **fields)
    assert saved.headers.get("location") == "/sharing?done=rule-saved", saved.text


async def unshare_all(browser: Browser) -> None:
    """Revoke every rule by the pages."""
    page = await browser.get("/sharing")
    for rule_id in re.findall(r"/sharing/([0-9a-f]{32})/revoke", page.text):
        await browser.post(f"/sharing/{rule_id}/revoke")


def add_pressure(systolic: str = "128", diastolic: str = "82", **more: str) -> dict[str, str]:
    """Return the fields of a blood pressure."""
    given = {"measure": "blood-pressure", "systolic": systolic, "diastolic": diastolic}
    return {**given, "date": "2026-03-14", "time": "07:30", **more}


CITIZENS = (
    "/",
    "/measurements",
    "/measurements/add",
    "/imports",
    "/sharing",
    "/sharing/new",
    "/sharing/emergencies",
    "/sharing/then",
    "/sharing/as",
    "/mandates",
    "/mandates/new",
    "/inherited",
    "/accesses",
    "/questions",
    "/accesses/print",
    "/notices",
    "/accesses/proof",
    "/accesses/proof?from=2026-01-01&to=2026-01-02",
)
FORMS = {
    "anna": (
        "/logout",
        "/commission",
        "/measurements/add",
        "/imports",
        f"/imports/{'0' * 32}/undo",
        "/sharing",
        "/sharing/preview",
        f"/sharing/{'0' * 32}/revoke",
        f"/sharing/{'0' * 32}/lift",
        "/sharing/pause",
        "/sharing/contacts",
        "/sharing/contacts/end",
        "/sharing/emergencies",
        "/sharing/move",
        "/sharing/move/new",
        f"/sharing/{'0' * 32}/confirm",
        "/notices",
        "/notices/confirm",
        "/mandates",
        "/mandates/preview",
        f"/mandates/{'0' * 32}/end",
        f"/inherited/{'0' * 32}",
        f"/requests/{'0' * 32}",
        f"/accesses/{'0' * 32}/question",
    ),
    "supervisor-region": (f"/review/cases/{'0' * 32}", "/review/draws", "/review/records"),
    "nurse-vc": (
        "/logout",
        "/commission",
        "/staff",
        f"/staff/patients/{'0' * 32}/add",
        f"/staff/patients/{'0' * 32}/request",
        f"/staff/patients/{'0' * 32}/emergency",
        f"/staff/patients/{'0' * 32}/paper",
        f"/staff/asked/{'0' * 32}",
    ),
}


# --- every page, and for whom


async def test_a_citizen_gets_each_of_their_pages(browser: Browser) -> None:
    """A page that nobody can open is no page; none of them is kept in any cache."""
    await browser.log_in("anna")
    for path in CITIZENS:
        answer = await browser.get(path)
        assert answer.status_code == 200, path
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["cache-control"] == "no-store"


async def test_staff_get_no_page_of_citizens_or_supervisors(browser: Browser) -> None:
    """Staff meet a citizen by the citizen's id alone, never by a page that shows "one's own"."""
    await browser.log_in("nurse-vc")
    assert (await browser.get("/")).headers["location"] == "/staff"
    for path in (
        *CITIZENS[1:],
        "/review",
        "/review/cases",
        f"/review/cases/{'0' * 32}",
        f"/imports/{'0' * 32}",
        f"/requests/{'0' * 32}",
    ):
        assert (await browser.get(path)).status_code == 403, path


@pytest.mark.parametrize("persona", ["anna", "supervisor-region"])
async def test_only_staff_on_care_get_staffs_pages(browser: Browser, persona: str) -> None:
    """Neither a citizen nor a supervisor looks anybody up."""
    await browser.log_in(persona)
    patient = f"/staff/patients/{'0' * 32}"
    for path in (
        "/staff",
        patient,
        f"{patient}/add",
        f"{patient}/request",
        f"{patient}/emergency",
        "/staff/asked",
    ):
        assert (await browser.get(path)).status_code == 403, path
    assert (await browser.post("/staff", personal_number=ANNA)).status_code == 403


async def test_only_a_supervisor_reviews(browser: Browser, other: Browser) -> None:
    """The review shows what colleagues did, so it is for those who answer for that."""
    await browser.log_in("supervisor-region")
    await other.log_in("bo")
    for page in ("", "/cases", "/draws", "/records", "/figures", "/signals"):
        assert (await browser.get(f"/review{page}")).status_code == 200, page
        assert (await other.get(f"/review{page}")).status_code == 403, page
    for page in (f"/cases/{'0' * 32}", f"/draws/{'0' * 64}", f"/records/{'0' * 64}", "/cases/x", "/draws/x"):
        assert (await browser.get(f"/review{page}")).status_code == 404, page


async def test_every_page_but_the_login_sends_one_without_a_session_to_it(browser: Browser) -> None:
    """No session, no page: walks every route, so that a new one cannot be forgotten."""
    for handler in PAGES:
        if handler.opt["access"] is security.Access.PUBLIC:
            continue
        for path in handler.paths:
            if path == "/login":
                continue
            address = re.sub(r"\{[^}]*\}", "0" * 32, path)
            method = next(iter(handler.http_methods))
            answer = await browser.client.request(method, address)
            assert (answer.status_code, answer.headers.get("location")) == (303, "/login"), path


def test_every_page_declares_its_access() -> None:
    """A route without a declared access is refused by the guard; none of ours is meant to be."""
    assert all(isinstance(handler.opt.get("access"), security.Access) for handler in PAGES)


def test_every_page_of_the_table_has_a_handler() -> None:
    """The table in app/web/views.py is what the pages are."""
    text = Path(wiring.__file__).with_name("web").joinpath("views.py").read_text()
    named = re.findall(r"^(GET|POST) +(/\S*)", text, re.MULTILINE)
    told = {(method, re.sub(r"\{[^}]*\}", "{}", path)) for method, path in named}
    there = {
        (str(method), re.sub(r"\{[^}]*\}", "{}", path))
        for handler in PAGES
        for path in handler.paths
        for method in handler.http_methods
    }
    assert told == there


# --- forms


@pytest.mark.parametrize("persona", FORMS)
async def test_a_form_without_its_sessions_token_is_refused(
    browser: Browser, other: Browser, persona: str
) -> None:
    """Another site, or another session, cannot have the browser send a form."""
    await browser.log_in(persona)
    await other.log_in(persona)
    assert other.token != browser.token
    for path in FORMS[persona]:
        for token in ("", "0" * 64, other.token):
            if path in {"/imports", "/mandates"}:
                answer = await browser.upload(token, "a.json", b"{}", to=path)
                assert not list(browser.valv.settings.uploads.iterdir())
            else:
                answer = await browser.post(path, token)
            assert answer.status_code == 403, path


async def test_forms_of_this_test_are_all_there_are() -> None:
    """A new form must stand in the list that the test above walks."""
    posts = {path for one in PAGES if "POST" in one.http_methods for path in one.paths} - {"/login"}
    known = {re.sub("0{32}", "{}", path) for paths in FORMS.values() for path in paths}
    assert {re.sub(r"\{[^}]*\}", "{}", path) for path in posts} == known


@pytest.mark.parametrize("token", ["", "0" * 64])
async def test_the_login_form_needs_its_own_token(browser: Browser, token: str) -> None:
    """Another site cannot log a browser in as somebody, to have it write into that vault."""
    await browser.get("/login")
    answer = await browser.post("/login", token, persona="anna")
    assert answer.status_code == 403
    assert not browser.session


async def test_a_login_token_counts_only_with_the_cookie_it_was_made_for(
    browser: Browser, other: Browser
) -> None:
    """A token that somebody else fetched is worth nothing in this browser."""
    await browser.get("/login")
    await other.get("/login")
    assert (await browser.post("/login", other.token, persona="anna")).status_code == 403


async def test_a_form_that_is_no_form_is_refused(browser: Browser) -> None:
    """JSON and unending bodies are not what a form sends."""
    await browser.log_in("anna")
    assert (await browser.client.post("/measurements/add", json={})).status_code == 400
    assert (await browser.post("/measurements/add", measure="x" * 100_000)).status_code == 400


# --- sessions


async def test_the_session_cookie_is_kept_from_scripts_and_other_sites(browser: Browser) -> None:
    """HttpOnly, SameSite and a path of /; Secure wherever the demo's plain loopback is not served."""
    answer = await browser.log_in("anna")
    cookie = next(c for c in answer.headers.get_list("set-cookie") if c.startswith("valv_session="))
    assert {"httponly", "path=/", "samesite=lax"} <= {part.strip().lower() for part in cookie.split(";")}
    assert "max-age" not in cookie.lower()


async def test_a_token_that_the_browser_brought_is_not_kept_at_login(browser: Browser) -> None:
    """Session fixation: whoever planted a token would be logged in with the victim."""
    planted = "A" * 43
    browser.client.cookies.set("valv_session", planted, domain="127.0.0.1", path="/")
    answer = await browser.log_in("anna")
    given = next(c for c in answer.headers.get_list("set-cookie") if c.startswith("valv_session="))
    assert planted not in given
    browser.client.cookies.clear()
    browser.client.cookies.set("valv_session", planted, domain="127.0.0.1", path="/")
    assert (await browser.get("/accesses")).headers.get("location") == "/login"


async def test_logging_in_anew_ends_the_session_before(browser: Browser, other: Browser) -> None:
    """One browser holds one session; the old token opens nothing more."""
    await browser.log_in("anna")
    old = browser.session
    await browser.log_in("bo")
    assert browser.session != old
    other.client.cookies.set("valv_session", old, domain="127.0.0.1", path="/")
    assert (await other.get("/")).headers.get("location") == "/login"


async def test_logging_out_ends_the_session_and_is_in_the_log(browser: Browser, other: Browser) -> None:
    """The cookie goes, and the token is worth nothing if somebody kept it."""
    await browser.log_in("bo")
    old = browser.session
    answer = await browser.post("/logout")
    assert answer.headers["location"] == "/login?done=logged-out"
    other.client.cookies.set("valv_session", old, domain="127.0.0.1", path="/")
    assert (await other.get("/")).headers.get("location") == "/login"
    kinds = [entry.event.kind for entry in await newest(browser.valv, "bo") if entry.event]
    assert {EventKind.LOGIN, EventKind.LOGOUT} <= set(kinds)


async def test_a_client_system_does_not_log_in_on_the_pages(browser: Browser) -> None:
    """Machines have tokens; a system with a session would have pages of no one."""
    await browser.get("/login")
    assert (await browser.post("/login", persona="client-meter")).status_code == 400
    assert (await browser.post("/login", persona="nobody")).status_code == 400


async def test_staff_with_two_commissions_choose_before_anything_else(browser: Browser) -> None:
    """A grant to one workplace must not leak to another, so there is no default."""
    answer = await browser.log_in("nurse-two-commissions")
    assert answer.headers["location"] == "/commission"
    assert (await browser.get("/staff")).headers.get("location") == "/commission"
    page = await browser.get("/commission")
    choices = re.findall(r'name="choice" value="([^"]+)"', page.text)
    assert len(choices) == 2
    assert (await browser.post("/commission", choice="SE2321009913-TESTU001")).status_code == 400
    before = browser.session
    assert (await browser.post("/commission", choice=choices[1])).headers["location"] == "/"
    assert browser.session != before
    assert "Läkarhuset Påhitt" in (await browser.get("/staff")).text


async def test_a_guardian_acts_for_the_child_and_the_childs_log_says_so(browser: Browser) -> None:
    """The child's vault is made when it is first needed, and both are named."""
    answer = await browser.log_in("karin")
    assert answer.headers["location"] == "/commission"
    page = await browser.get("/commission")
    _, child = re.findall(r'name="choice" value="([^"]+)"', page.text)
    assert (
        await browser.post("/commission", choice=f"guardian:{alias(browser.valv, ANNA)}")
    ).status_code == 400
    await browser.post("/commission", choice=child)
    overview = await browser.get("/")
    assert "Du företräder Elsa Testlund" in overview.text
    await browser.post("/measurements/add", **add_pressure("101", "62"))
    assert "101/62" in (await browser.get("/")).text
    entries = [one.event for one in await newest(browser.valv, "elsa") if one.event is not None]
    added = next(event for event in entries if event.kind is EventKind.ADD)
    assert (added.actor.name, added.actor.for_name) == ("Karin Testlund", "Elsa Testlund")


async def test_a_guardian_may_not_block(browser: Browser) -> None:
    """Lag (2022:913) 2:3 leaves the guardian out."""
    await browser.log_in("karin")
    page = await browser.get("/commission")
    await browser.post("/commission", choice=re.findall(r'name="choice" value="([^"]+)"', page.text)[1])
    fields = {"effect": "block", "grantee": UNIT, "actions": "read", "categories": "glucose"}
    assert (await browser.get("/sharing/new?effect=block")).status_code == 403
    assert (await browser.post("/sharing", **fields)).status_code == 403


async def test_a_child_sees_its_own_values_and_log_but_does_not_decide(browser: Browser) -> None:
    """Under 13 the guardian decides (föräldrabalken 6:11); looking at one's own page is no refused act."""
    await browser.log_in("elsa")
    assert (await browser.get("/")).status_code == 200
    assert (await browser.get("/accesses")).status_code == 200
    events = [one.event for one in await newest(browser.valv, "elsa") if one.event is not None]
    own = [event for event in events if event.actor.name == "Elsa Testlund"]
    assert own
    assert all(event.decision is Decision.PERMIT for event in own)
    assert (await browser.get("/sharing")).status_code == 403


# --- language


async def test_the_language_is_kept_once_chosen(browser: Browser) -> None:
    """Swedish is first; English stays until Swedish is asked for again; another word changes nothing."""
    assert 'lang="sv"' in (await browser.get("/login")).text
    assert 'lang="en"' in (await browser.get("/login?lang=en")).text
    assert '<html lang="en"' in (await browser.get("/login")).text
    assert '<html lang="en"' in (await browser.get("/login?lang=xx")).text
    assert '<html lang="sv"' in (await browser.get("/login?lang=sv")).text


# --- values


async def test_a_value_that_is_written_in_is_shown(browser: Browser) -> None:
    """Blood pressure is one record of two numbers, and stands in overview, table and chart."""
    await browser.log_in("bo")
    answer = await browser.post("/measurements/add", **add_pressure("131", "84"))
    assert answer.headers["location"] == "/measurements?done=value-added"
    assert "131/84" in (await browser.get("/")).text
    page = (await browser.get("/measurements?category=blood-pressure&period=30d")).text
    assert "131/84" in page
    assert page.count("valv-c-line") >= 2


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"systolic": "hundra"}, "systolic"),
        ({"systolic": ""}, "systolic"),
        ({"systolic": "900"}, "systolic"),
        ({"systolic": "1e2"}, "systolic"),
        ({"systolic": "120.5"}, "systolic"),
        ({"systolic": "nan"}, "systolic"),
        ({"systolic": "80", "diastolic": "80"}, "diastolic"),
        ({"date": "2026-02-30"}, "date"),
        ({"date": "2026-03-15"}, "date"),
        ({"date": "1820-01-01"}, "date"),
        ({"time": "25:00"}, "time"),
        ({"time": ""}, "time"),
    ],
)
async def test_a_value_that_cannot_be_is_said_at_its_field(
    browser: Browser, fields: dict[str, str], field: str
) -> None:
    """What was typed stays in the form, and nothing is stored."""
    await browser.log_in("vidar")
    answer = await browser.post("/measurements/add", **{**add_pressure(), **fields})
    assert answer.status_code == 400
    assert f'href="#{field}"' in answer.text
    assert "Här finns inga mätvärden än" in (await browser.get("/measurements")).text


async def test_a_decimal_comma_is_a_decimal(browser: Browser) -> None:
    """So people write in Sweden."""
    await browser.log_in("bo")
    await browser.get("/measurements/add?measure=body-weight")
    fields = {"measure": "body-weight", "value": "81,4", "date": "2026-03-13", "time": "08:00"}
    await browser.post("/measurements/add", **fields)
    assert "81,4" in (await browser.get("/measurements?category=body-weight")).text


# --- sharing


async def test_a_new_rule_needs_a_login_under_five_minutes_old(browser: Browser, clock: Clock) -> None:
    """A browser left open lets nobody share; the page says what to do."""
    await browser.log_in("anna")
    fields = {"effect": "allow", "grantee": UNIT, "actions": "read", "categories": "glucose"}
    clock.at += timedelta(minutes=6)
    stale = await browser.get("/sharing/new")
    assert stale.status_code == 403
    assert 'href="/login"' in stale.text
    assert (await browser.post("/sharing", **fields)).status_code == 403
    await browser.log_in("anna")
    assert (await browser.post("/sharing", **fields)).status_code == 303
    await unshare_all(browser)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"grantee": ""}, "grantee"),
        ({"grantee": "unit:SE0000000000-NOWHERE"}, "grantee"),
        ({"actions": []}, "actions"),
        ({"categories": []}, "categories"),
        ({"data_from": "i går"}, "data_from"),
        ({"data_from": "2026-03-02", "data_to": "2026-03-01"}, "data_to"),
        ({"valid_to": "2026-03-13"}, "valid_to"),
        ({"grantee": "client:client-meter", "actions": ["read"]}, "actions"),
    ],
)
async def test_a_rule_that_cannot_be_is_said_at_its_field(
    browser: Browser, fields: dict[str, Any], field: str
) -> None:
    """Neither preview nor save takes what the form does not offer."""
    await browser.log_in("anna")
    good = {"effect": "allow", "grantee": UNIT, "actions": ["read"], "categories": ["glucose"]}
    for path in ("/sharing/preview", "/sharing"):
        answer = await browser.post(path, **{**good, **fields})
        assert answer.status_code == 400
        assert f'href="#{field}"' in answer.text


async def test_what_is_shared_is_shown_to_staff_and_revoked_at_once(browser: Browser, other: Browser) -> None:
    """The main job, in short: share, read, see who read, revoke, and the next look is refused."""
    await browser.log_in("anna")
    await browser.post("/measurements/add", **add_pressure("128", "82"))
    await share(browser, UNIT, "read", "blood-pressure")
    await other.log_in("nurse-vc")
    found = await other.post("/staff", personal_number="19750325-9280")
    address = found.headers["location"]
    assert address == f"/staff/patients/{alias(browser.valv, ANNA)}"
    page = await other.get(address)
    assert page.status_code == 200
    assert ANNAS_NAME in page.text
    assert "128/82" in page.text
    log = (await browser.get("/accesses")).text
    assert "Nina Exempelkvist" in log
    assert "Exempelby vårdcentral" in log
    assert "<strong>Du</strong>" not in log
    assert "<strong>Du</strong>" in (await browser.get("/accesses?show=all")).text
    await unshare_all(browser)
    refused = await other.get(address)
    assert refused.status_code == 403
    assert ANNAS_NAME not in refused.text


async def test_staff_who_may_only_add_see_a_name_and_no_value(browser: Browser, other: Browser) -> None:
    """Adding needs no reading, and the citizen's log does not say that anything was read."""
    await browser.log_in("bo")
    await browser.post("/measurements/add", **add_pressure("133", "77"))
    await share(browser, HOME, "add", "body-weight")
    await other.log_in("homecare")
    address = f"/staff/patients/{alias(browser.valv, BO)}"
    page = await other.get(address)
    assert (page.status_code, "Bo Provberg" in page.text, "133/77" in page.text) == (200, True, False)
    form = (await other.get(f"{address}/add")).text
    assert "measure=body-weight" in form
    assert "measure=glucose" not in form
    wrong = await other.post(f"{address}/add", **add_pressure())
    assert wrong.status_code == 403
    fields = {"measure": "body-weight", "value": "79.9", "date": "2026-03-14", "time": "08:00"}
    assert (await other.post(f"{address}/add", **fields)).headers["location"].startswith(address)
    assert "79,9" in (await browser.get("/measurements?category=body-weight")).text
    theirs = [one.event for one in await newest(other.valv, "bo") if one.event is not None]
    permitted = {
        event.kind
        for event in theirs
        if event.actor.name == "Hanna Testgren" and event.decision is Decision.PERMIT
    }
    assert EventKind.READ not in permitted
    await unshare_all(browser)


async def test_staff_ask_and_the_citizen_answers(browser: Browser, other: Browser) -> None:
    """Saying yes makes the rule of what is ticked, for the unit; with nothing ticked it makes none."""
    await browser.log_in("bo")
    await other.log_in("nurse-vc")
    address = f"/staff/patients/{alias(browser.valv, BO)}/request"
    assert (await other.post(address, actions="read")).status_code == 400
    fields = {"actions": "read", "categories": "blood-pressure", "purpose": "TREAT"}
    assert (await other.post(address, **fields)).headers["location"] == f"{address}?done=request-sent"
    assert "Frågan är skickad" in (await other.get(f"{address}?done=request-sent")).text
    overview = (await browser.get("/")).text
    link = re.search(r'href="(/requests/[0-9a-f]{32})"', overview)
    assert link is not None
    shown = await browser.get(link[1])
    assert re.search(r'value="blood-pressure"[^>]*checked', shown.text)
    nothing = await browser.post(link[1], answer="accept", actions="read")
    assert (nothing.status_code, 'href="#categories"' in nothing.text) == (400, True)
    asked = {"actions": "read", "categories": "blood-pressure"}
    never = await browser.post(link[1], answer="accept", **asked, valid_to="i morgon")
    assert (never.status_code, 'href="#valid_to"' in never.text) == (400, True)
    answer = await browser.post(link[1], answer="accept", **asked)
    assert answer.headers["location"] == "/sharing?done=request-accepted"
    assert (await other.get(f"/staff/patients/{alias(browser.valv, BO)}")).status_code == 200
    await unshare_all(browser)


# --- what staff are not told


async def test_the_refused_page_is_the_same_for_the_absent_and_the_unwilling(browser: Browser) -> None:
    """Same status, same body but for the id that was asked for, same headers."""
    await citizen(browser.valv, "bo")
    await browser.log_in("nurse-vc")
    pages = []
    for number in (BO, NOBODY):
        found = await browser.post("/staff", personal_number=number)
        assert found.status_code == 303
        answer = await browser.get(found.headers["location"])
        body = answer.text.replace(alias(browser.valv, number), "ID")
        pages.append((answer.status_code, body, sorted(answer.headers)))
    assert pages[0] == pages[1]
    assert pages[0][0] == 403


async def test_every_page_about_a_citizen_refuses_alike(browser: Browser) -> None:
    """Asking for the form to add, or for one category, tells no more than the page itself."""
    await citizen(browser.valv, "bo")
    await browser.log_in("nurse-vc")
    for rest in ("", "/add", "/add?measure=glucose", "?category=glucose&period=all"):
        told = []
        for number in (BO, NOBODY):
            answer = await browser.get(f"/staff/patients/{alias(browser.valv, number)}{rest}")
            told.append((answer.status_code, answer.text.replace(alias(browser.valv, number), "ID")))
            assert "Bo Provberg" not in answer.text
        assert told[0] == told[1]
        assert told[0][0] == 403
    for number in (BO, NOBODY):
        address = f"/staff/patients/{alias(browser.valv, number)}/add"
        assert (await browser.post(address, **add_pressure())).status_code == 403
        assert (await browser.post(address, **add_pressure("x"))).status_code == 403


async def test_a_category_that_is_not_shared_is_refused_as_if_nothing_were(
    browser: Browser, other: Browser
) -> None:
    """What is hidden is not told apart from what is not there."""
    await browser.log_in("anna")
    await browser.post("/measurements/add", **add_pressure("128", "82"))
    await share(browser, UNIT, "read", "blood-pressure")
    await other.log_in("nurse-vc")
    address = f"/staff/patients/{alias(browser.valv, ANNA)}"
    refused = await other.get(f"{address}?category=glucose")
    absent = await other.get(f"/staff/patients/{alias(browser.valv, NOBODY)}?category=glucose")
    ids = (alias(browser.valv, ANNA), alias(browser.valv, NOBODY))
    assert refused.status_code == absent.status_code == 403
    assert refused.text.replace(ids[0], "ID") == absent.text.replace(ids[1], "ID")
    await unshare_all(browser)


async def test_a_personal_number_is_never_shown_again(browser: Browser) -> None:
    """Neither a wrong one in the form's own answer, nor a right one in the address."""
    await browser.log_in("nurse-vc")
    wrong = await browser.post("/staff", personal_number="19750325-9281")
    assert wrong.status_code == 400
    assert "7503259281" not in re.sub(r"\D", "", wrong.text)
    assert 'href="#personal_number"' in wrong.text
    right = await browser.post("/staff", personal_number="19750325-9280")
    assert re.fullmatch(r"/staff/patients/[0-9a-f]{32}", right.headers["location"])


async def test_looking_up_is_counted_and_ends(browser: Browser, clock: Clock) -> None:
    """Nobody searches a region through by guessing numbers."""
    await browser.log_in("doctor-hospital")
    clock.at += timedelta(minutes=11)
    answers = [await browser.post("/staff", personal_number="19750325-9281") for _ in range(61)]
    assert [one.status_code for one in answers] == [400] * 60 + [429]
    assert 'href="#personal_number"' in answers[-1].text


# --- the supervisor


async def test_a_supervisor_sees_own_staff_and_no_ones_name(browser: Browser, other: Browser) -> None:
    """Own organisation only; the citizen stands there by a pseudonym."""
    await citizen(browser.valv, "anna")
    for persona in ("nurse-vc", "homecare"):
        await other.log_in(persona)
        await other.get(f"/staff/patients/{alias(browser.valv, ANNA)}")
    await browser.log_in("supervisor-region")
    page = (await browser.get("/review?show=all")).text
    assert "Nina Exempelkvist" in page
    assert "Hanna Testgren" not in page
    assert ANNAS_NAME not in page
    assert re.search(r"hos person [0-9a-f]{8}", page)
    assert parse_personal_number(ANNA).digits not in page


@pytest.mark.parametrize(
    ("query", "there"),
    [
        ("day=2026-03-14", True),
        ("day=2026-03-13", False),
        ("user=SE2321009905-TESTP001", True),
        ("user=SE2321009905-TESTP002", False),
        (f"unit={HEALTH_CENTRE}", True),
        (f"unit={demo.MEDICAL_CLINIC}", False),
        ("show=refused", True),
        ("show=automatic", False),
    ],
)
async def test_the_review_filters_by_day_person_and_unit(
    browser: Browser, other: Browser, query: str, *, there: bool
) -> None:
    """HSLF-FS 2016:40 4 kap. asks that a user's and a unit's accesses can be followed up."""
    await other.log_in("nurse-vc")
    await other.get(f"/staff/patients/{alias(browser.valv, NOBODY)}")
    await browser.log_in("supervisor-region")
    page = (await browser.get(f"/review?{query}")).text
    entries = page.partition("valv-log")[2]
    assert ("Nina Exempelkvist" in entries) is there


# --- files


async def test_a_file_is_taken_and_its_page_follows_it(browser: Browser) -> None:
    """Nothing runs in this test, so it stays in its queue; its own citizen alone sees it."""
    await browser.log_in("anna")
    answer = await browser.upload(browser.token, "a.json", b"{}", rehearse="1")
    assert answer.status_code == 303, answer.text
    address = answer.headers["location"]
    assert "Väntar på sin tur" in (await browser.get(address)).text
    fragment = (await browser.get(f"{address}/progress")).text
    assert "<html" not in fragment
    assert address in fragment
    await browser.log_in("bo")
    assert (await browser.get(address)).status_code == 404
    assert (await browser.post(f"{address}/undo")).status_code == 404


async def test_a_form_without_a_file_says_so(browser: Browser) -> None:
    """A browser sends an empty part for a file that was not chosen."""
    await browser.log_in("anna")
    answer = await browser.upload(browser.token, "", b"")
    assert answer.status_code == 400
    assert 'href="#file"' in answer.text


# --- errors


async def test_an_address_of_nothing_is_a_page_too(browser: Browser) -> None:
    """And so is a rule, a request or an import that is not there."""
    await browser.log_in("anna")
    for path in (f"/sharing/{'0' * 32}/revoke", f"/requests/{'0' * 32}", "/imports/x", "/nowhere"):
        answer = await browser.get(path)
        assert answer.status_code == 404
        assert "<html" in answer.text


# --- contacts, the pause, and who sees what


async def test_a_contact_is_found_listed_and_struck(browser: Browser) -> None:
    """The search leads to the choice, the choice to the list."""
    await browser.log_in("anna")
    found = await browser.get("/sharing/contacts?who=Exempelby+v%C3%A5rdcentral")
    assert f'value="{UNIT}"' in found.text
    listed = await browser.post("/sharing/contacts", grantee=UNIT, role="fast vårdkontakt")
    assert listed.headers["location"] == "/sharing/contacts?done=contact-listed"
    assert "fast vårdkontakt" in (await browser.get("/sharing/contacts")).text
    for wrong in ("", "unit:SE0000000000-NONE", f"region:{demo.REGION_EXEMPEL}", "proxy:00"):
        assert (await browser.post("/sharing/contacts", grantee=wrong)).status_code == 400
    struck = await browser.post("/sharing/contacts/end", grantee=UNIT)
    assert struck.headers["location"] == "/sharing/contacts?done=contact-struck"
    assert (await browser.post("/sharing/contacts/end", grantee=UNIT)).status_code == 404


async def test_sharing_is_paused_and_taken_up_by_a_button(browser: Browser) -> None:
    """The page says which it is, and offers the other."""
    await browser.log_in("anna")
    await share(browser, UNIT, "read", "blood-pressure")
    assert "Pausa all delning" in (await browser.get("/sharing")).text
    paused = await browser.post("/sharing/pause", pause="1")
    assert paused.headers["location"] == "/sharing?done=sharing-paused"
    assert "Ta upp delningen igen" in (await browser.get("/sharing")).text
    assert "Ingen annan än du" in (await browser.get("/sharing/seers?category=blood-pressure")).text
    resumed = await browser.post("/sharing/pause", pause="0")
    assert resumed.headers["location"] == "/sharing?done=sharing-resumed"
    page = (await browser.get("/sharing/seers?category=blood-pressure")).text
    assert "Exempelby vårdcentral" in page
    await unshare_all(browser)


async def test_the_vault_is_shown_as_a_unit_sees_it(browser: Browser) -> None:
    """An unknown unit, and a record that is not there, are said to be."""
    await browser.log_in("anna")
    page = await browser.get(f"/sharing/as?who=Exempelby&unit={demo.HEALTH_CENTRE}")
    assert (page.status_code, "Exempelby vårdcentral" in page.text) == (200, True)
    for path in (
        "/sharing/as?unit=SE0",
        "/sharing/seers?record=x",
        f"/sharing/seers?record=00202601-{'0' * 16}",
    ):
        assert (await browser.get(path)).status_code == 404, path
