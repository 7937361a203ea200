"""Those who act for a citizen, on the pages and for machines: the paper, the number, and what each may."""

import base64
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from app.documents import MOST_BYTES, Document, DocumentError
from app.main import application
from app.web.rendering import BUILT
from consent.mandates import companion_id
from consent.parse import parse_rule
from policies.vocabulary import Category
from sharing import granting
from tests.world import World, pressure, weight

pytestmark = pytest.mark.skipif(
    not (BUILT / "manifest.json").is_file(), reason="the assets are not built: make assets builds them"
)

ANNA, BO, NOBODY = "197503259280", "197101169295", "189001019802"
PDF = b"%PDF-1.4 fullmakt"
MANDATE = {
    "relation": "representative",
    "called": "Brorsan",
    "actions": ["read", "manage"],
    "categories": ["blood-pressure"],
    "open": "1",
}


class Browser:
    """Somebody at a browser of their own."""

    def __init__(self, app: Litestar, persona: str) -> None:
        transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
        self.client = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")
        self.persona, self.token = persona, ""

    async def get(self, path: str) -> httpx.Response:
        """Ask for a page, and remember its form's token."""
        answer = await self.client.get(path)
        found = re.search(r'name="_csrf_token" value="([0-9a-f]+)"', answer.text)
        self.token = found[1] if found else self.token
        return answer

    async def post(self, path: str, *, token: str | None = None, **fields: Any) -> httpx.Response:
        """Send a form."""
        return await self.client.post(path, data={"_csrf_token": token or self.token, **fields})

    async def send(self, content: bytes | None, *, token: str | None = None, **fields: Any) -> httpx.Response:
        """Send the form that carries the paper."""
        parts: list[tuple[str, Any]] = [("_csrf_token", (None, token or self.token))]
        for name, value in fields.items():
            parts += [(name, (None, one)) for one in ([value] if isinstance(value, str) else value)]
        parts.append(("file", ("hemligt-namn.pdf", content or b"")))
        return await self.client.post("/mandates", files=parts)

    async def log_in(self) -> str:
        """Log in; return where that leads first."""
        await self.get("/login")
        first = (await self.post("/login", persona=self.persona)).headers["location"]
        await self.get(first)
        return str(first)

    async def act_for(self, name: str) -> httpx.Response:
        """Choose whom to act for."""
        shown = await self.get("/commission")
        choices = re.findall(
            r'name="choice" value="([^"]+)">\s*<button[^>]*>\s*<strong>([^<]+)', shown.text, re.DOTALL
        )
        chosen = next(value for value, told in choices if told.strip() == name)
        return await self.post("/commission", choice=chosen)


@pytest.fixture
async def app(world: World) -> AsyncIterator[Litestar]:
    """Serve the country, with some values of Anna's in it."""
    await world.enter("anna", "bo")
    await world.add("anna", "anna", pressure("121", "81"), weight("70"))
    made = application(world.valv)
    async with AsyncTestClient(made, base_url="http://127.0.0.1"):
        yield made


@pytest.fixture
async def anna(app: Litestar) -> Browser:
    """Log Anna in."""
    found = Browser(app, "anna")
    await found.log_in()
    return found


@pytest.fixture
async def bo(app: Litestar) -> Browser:
    """Return Bo, who has yet to log in."""
    return Browser(app, "bo")


async def preview(anna: Browser, **terms: Any) -> httpx.Response:
    """Fill in the form and look at what it means."""
    await anna.get("/mandates/new")
    return await anna.post("/mandates/preview", **{**MANDATE, "number": BO, **terms})


def carried(page: httpx.Response) -> dict[str, Any]:
    """Return the fields that a page carries on."""
    found: dict[str, list[str]] = {}
    form = re.search(r"<form[^>]*multipart.*?</form>", page.text, re.DOTALL)
    assert form is not None
    for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form[0]):
        if name != "_csrf_token":
            found.setdefault(name, []).append(value)
    return found


async def give(anna: Browser, content: bytes | None = PDF, **terms: Any) -> httpx.Response:
    """Give Bo a mandate by the pages."""
    shown = await preview(anna, **terms)
    assert shown.status_code == 200, shown.text
    return await anna.send(content, **carried(shown))


def given(page: httpx.Response) -> list[str]:
    """Return the ids of the mandates that a page shows."""
    return re.findall(r'action="/mandates/([0-9a-f]{32})/end"', page.text)


class TestPages:
    """As people do it."""

    async def test_a_mandate_is_given_used_and_ended(self, world: World, anna: Browser, bo: Browser) -> None:
        """From the owner's form to the proxy's next request being refused."""
        saved = await give(anna)
        assert saved.headers["location"] == "/mandates?done=mandate-given"
        shown = await anna.get("/mandates")
        (rule_id,) = given(shown)
        assert "Brorsan" in shown.text
        paper = await anna.get(f"/mandates/{rule_id}/document")
        assert (paper.content, paper.headers["content-type"]) == (PDF, "application/pdf")
        assert paper.headers["content-disposition"] == 'attachment; filename="fullmakt.pdf"'
        assert paper.headers["x-content-type-options"] == "nosniff"

        assert await bo.log_in() == "/commission"
        assert "Du är ombud" in (await bo.get("/commission")).text
        await bo.act_for("Anna Exempelsson")
        for path in ("/", "/measurements", "/sharing", "/mandates"):
            page = await bo.get(path)
            assert page.status_code == 200, path
            assert "Du företräder Anna Exempelsson som ombud" in page.text
            assert "Brorsan" not in page.text
        assert "121/81" in (await bo.get("/")).text
        for link in ("/sharing/contacts", "/sharing/pause"):
            assert f'"{link}"' not in (await bo.get("/sharing")).text
        assert (await bo.get(f"/mandates/{rule_id}/document")).content == PDF
        assert (await bo.get("/accesses")).status_code == 403
        assert (await bo.get("/mandates/new")).status_code == 403
        fields = {
            "effect": "allow",
            "grantee": "unit:SE2321009905-TESTVE1",
            "actions": "read",
            "categories": "blood-pressure",
        }
        assert (await bo.post("/sharing", **fields)).status_code == 303
        assert (await bo.post("/sharing", **{**fields, "categories": "body-weight"})).status_code == 403
        log = (await anna.get("/accesses")).text
        assert re.search(r"Bo Provberg\s+\(för Anna Exempelsson, som ombud\)", log)
        assert "såg vem som får se vad" in log

        assert (await bo.post(f"/mandates/{rule_id}/end")).status_code == 403
        await anna.get("/mandates")
        assert (await anna.post(f"/mandates/{rule_id}/end")).status_code == 303
        for path in ("/", "/measurements", "/sharing", "/mandates", f"/mandates/{rule_id}/document"):
            assert (await bo.get(path)).status_code == 403, path
        assert "Anna Exempelsson</strong>" not in (await bo.get("/commission")).text
        rules = world.load("anna").rules.rules
        assert [rule.author for rule in rules] == [world.alias("bo").hex()]

    async def test_the_answer_is_the_same_whether_or_not_anybody_has_the_number(self, anna: Browser) -> None:
        """Else a form here would tell who is here, and a protected person's name."""
        known, unknown = (await preview(anna, number=BO)), (await preview(anna, number=NOBODY))
        assert known.status_code == unknown.status_code == 200
        told = [re.sub(r"[0-9a-f]{32,}", "…", page.text) for page in (known, unknown)]
        assert told[0] == told[1]
        assert "Bo Provberg" not in known.text
        saved = await anna.send(PDF, **carried(unknown))
        assert saved.headers["location"] == "/mandates?done=mandate-given"

    async def test_the_number_is_never_shown_again_nor_in_an_address(self, anna: Browser) -> None:
        """It goes one way, in the body of one form."""
        for page in (
            await preview(anna),
            await preview(anna, change="1", proxy="ab" * 16),
            await preview(anna, called=""),
        ):
            assert BO not in page.text
            assert BO not in str(page.url)
            assert "19710116-9295" not in page.text

    @pytest.mark.parametrize(
        ("terms", "field"),
        [
            ({"number": "123"}, "number"),
            ({"number": ANNA}, "number"),
            ({"number": "", "proxy": "zz"}, "number"),
            ({"called": " "}, "called"),
            ({"relation": "guardian"}, "relation"),
            ({"relation": ""}, "relation"),
            ({"actions": []}, "actions"),
            ({"actions": ["manage"]}, "actions"),
            ({"relation": "relative"}, "actions"),
            ({"categories": []}, "categories"),
            ({"open": ""}, "valid_to"),
            ({"valid_to": "2026-12-31"}, "valid_to"),
            ({"open": "", "valid_to": "2020-01-01"}, "valid_to"),
            ({"open": "", "valid_to": "x"}, "valid_to"),
        ],
    )
    async def test_each_field_that_is_wrong_is_named(
        self, world: World, anna: Browser, terms: dict[str, Any], field: str
    ) -> None:
        """And nothing is saved."""
        page = await preview(anna, **terms)
        assert page.status_code == 400
        assert f'href="#{field}"' in page.text
        assert world.load("anna").rules.rules == ()

    @pytest.mark.parametrize(
        ("content", "status"),
        [(None, 400), (b"MZ\x90\x00\x03", 400), (b"<html>\x00", 400), (b"%PDF-" + bytes(MOST_BYTES), 413)],
    )
    async def test_a_file_that_cannot_be_kept_is_refused_and_nothing_is_saved(
        self, world: World, anna: Browser, content: bytes | None, status: int
    ) -> None:
        """Told by its bytes, not by its name."""
        answer = await give(anna, content)
        assert answer.status_code == status
        assert 'href="#file"' in answer.text
        assert world.load("anna").rules.rules == ()
        assert (await world.read("anna", "anna", Category.DOCUMENT)).records == ()

    async def test_a_form_without_its_token_keeps_no_file(self, world: World, anna: Browser) -> None:
        """Another site could else give itself a mandate."""
        fields = carried(await preview(anna))
        assert (await anna.send(PDF, token="0" * 64, **fields)).status_code == 403
        assert (await world.read("anna", "anna", Category.DOCUMENT)).records == ()

    async def test_a_mandate_needs_a_fresh_login(self, world: World, anna: Browser) -> None:
        """As a grant does."""
        fields = carried(await preview(anna))
        world.clock.move(minutes=6)
        assert (await anna.get("/mandates/new")).status_code == 403
        assert (await anna.send(PDF, **fields)).status_code == 403
        assert world.load("anna").rules.rules == ()

    async def test_a_relative_who_looks_is_shown_what_they_may_and_no_more(
        self, anna: Browser, bo: Browser
    ) -> None:
        """No page that would only refuse them, and nothing of what is shared."""
        await give(anna, None, relation="relative", actions=["read"])
        await bo.log_in()
        await bo.act_for("Anna Exempelsson")
        page = await bo.get("/")
        assert "Du företräder Anna Exempelsson som närstående" in page.text
        for link in ("/sharing", "/imports", "/accesses", "/measurements/add"):
            assert f'href="{link}"' not in page.text
            assert link == "/measurements/add" or (await bo.get(link)).status_code == 403
        assert (await bo.get("/mandates")).status_code == 200


def machine(app: Litestar) -> httpx.AsyncClient:
    """Return a program's way in."""
    transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")


class TestMachines:
    """As programs do it."""

    async def test_a_mandate_by_the_interface(self, world: World, app: Litestar) -> None:
        """The same use case as the pages'."""
        async with machine(app) as http:
            anna = await _token(http, {"persona": "anna"})
            body: dict[str, Any] = {
                "personal_number": BO,
                "called": "Bo",
                "terms": {
                    "relation": "representative",
                    "actions": ["read", "add"],
                    "categories": ["blood-pressure"],
                    "until_further_notice": True,
                },
                "document": base64.b64encode(PDF).decode(),
            }
            shown = await http.post("/api/mandates/preview", json=body, headers=anna)
            (change,) = shown.json()["changes"]
            assert change["gains"]["read"]["blood-pressure"]["gained"] == 1
            made = await http.post("/api/mandates", json=body, headers=anna)
            assert made.status_code == 201, made.text
            rule_id = made.json()["id"]
            (told,) = (await http.get("/api/mandates", headers=anna)).json()
            assert (told["id"], told["called"], told["relation"]) == (rule_id, "Bo", "representative")

            bo = await _token(http, {"persona": "bo", "acting_for": "anna", "relation": "representative"})
            patient = world.alias("anna").hex()
            read = f"/fhir/Observation?patient={patient}&category=blood-pressure"
            assert (await http.get(read, headers=bo)).json()["total"] == 1
            assert (await http.get(f"/api/mandates/{rule_id}/document", headers=bo)).content == PDF
            other = {**body, "personal_number": NOBODY}
            assert (await http.post("/api/mandates", json=other, headers=bo)).status_code == 403
            assert (await http.delete(f"/api/mandates/{rule_id}", headers=bo)).status_code == 403
            assert (await http.delete(f"/api/mandates/{rule_id}", headers=anna)).status_code == 204
            assert (await http.get(read, headers=bo)).status_code == 403
            missing = await http.get(f"/api/mandates/{rule_id}/document", headers=anna)
            assert missing.status_code == 404

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            ({"document": ""}, "document"),
            ({"document": "…"}, "document"),
            ({"document": base64.b64encode(b"\x00\x01").decode()}, "document: unknown-format"),
            ({"called": ""}, "called"),
            ({"terms": {"relation": "representative", "effect": "block"}}, "effect"),
            ({"terms": {"relation": "representative"}}, "valid_to"),
            ({"personal_number": "197101169296"}, ""),
        ],
    )
    async def test_what_is_wrong_is_told_and_nothing_kept(
        self, world: World, app: Litestar, change: dict[str, Any], told: str
    ) -> None:
        """And a wrong number is not repeated."""
        terms = {
            "relation": "representative",
            "actions": ["read"],
            "categories": ["glucose"],
            "until_further_notice": True,
        }
        body = {
            "personal_number": BO,
            "called": "Bo",
            "terms": terms,
            "document": base64.b64encode(PDF).decode(),
        }
        async with machine(app) as http:
            anna = await _token(http, {"persona": "anna"})
            answer = await http.post("/api/mandates", json={**body, **change}, headers=anna)
        assert answer.status_code == 400
        assert told in answer.json()["detail"]
        assert "19710116" not in answer.text
        assert (await world.read("anna", "anna", Category.DOCUMENT)).records == ()

    async def test_a_child_gives_no_mandate_and_keeps_no_paper(self, world: World, app: Litestar) -> None:
        """Under 13 nobody but the guardian decides, and that is by law."""
        await world.enter("elsa")
        body: dict[str, Any] = {
            "personal_number": BO,
            "called": "Bo",
            "terms": {
                "relation": "relative",
                "actions": ["read"],
                "categories": ["glucose"],
                "until_further_notice": True,
            },
            "document": base64.b64encode(PDF).decode(),
        }
        async with machine(app) as http:
            elsa = await _token(http, {"persona": "elsa"})
            assert (await http.post("/api/mandates", json=body, headers=elsa)).status_code == 403
        assert (await world.read("elsa", "elsa", Category.DOCUMENT)).records == ()


async def _token(http: httpx.AsyncClient, body: dict[str, Any]) -> dict[str, str]:
    answer = await http.post("/demo/token", json=body)
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"%PDF-1.7\n", "application/pdf"),
        (b"\x89PNG\r\n\x1a\n..", "image/png"),
        (b"\xff\xd8\xff\xe0..", "image/jpeg"),
        ("Härmed får Bo …\r\n".encode(), "text/plain; charset=utf-8"),
    ],
)
def test_a_document_is_what_its_bytes_say(content: bytes, kind: str) -> None:
    """What a browser calls it is not asked."""
    assert Document.of(content).type == kind


@pytest.mark.parametrize("content", [b"", b"GIF89a\x00", b"\xfe\xff\x00", b"a\x00b", bytes(MOST_BYTES + 1)])
def test_what_is_no_document_is_not_kept(content: bytes) -> None:
    """Nothing that a browser would run, and nothing too large for a record."""
    with pytest.raises(DocumentError):
        Document.of(content)


async def test_the_largest_document_comes_back_byte_for_byte(world: World, anna: Browser) -> None:
    """Five million bytes are base64 inside JSON inside a sealed segment."""
    content = b"%PDF-" + bytes(range(256)) * ((MOST_BYTES - 5) // 256)
    assert (await give(anna, content)).status_code == 303
    (rule_id,) = given(await anna.get("/mandates"))
    assert (await anna.get(f"/mandates/{rule_id}/document")).content == content
    (rule,) = (one for one in world.load("anna").rules.rules if one.id == rule_id)
    assert companion_id(rule) in {one.id for one in world.load("anna").rules.rules}


async def test_a_young_person_answers_for_their_guardians_rules_first_of_all(
    world: World, app: Litestar
) -> None:
    """The first login from 13 on leads there, each is kept or ended, and then it is over."""
    await world.enter("elsa", "karin")
    guardian = world.who("karin", for_="elsa")
    for category in ("glucose", "sleep"):
        posted = {
            "effect": "allow",
            "grantee": {"kind": "unit", "id": "SE2321009905-TESTVE1"},
            "actions": ["read"],
            "categories": [category],
        }
        author, created = world.alias("karin").hex(), world.clock()
        rule = parse_rule(posted, id=granting.new_rule_id(), author=author, created=created)
        await granting.grant(world.house, guardian, world.alias("elsa"), rule)
    elsa = Browser(app, "elsa")
    assert await elsa.log_in() == "/"
    assert (await elsa.get("/inherited")).status_code == 403
    world.clock.now = datetime(2030, 5, 13, 8, 0, tzinfo=UTC)
    elsa = Browser(app, "elsa")
    assert await elsa.log_in() == "/inherited"
    assert 'href="/inherited"' in (await elsa.get("/")).text
    page = await elsa.get("/inherited")
    kept, ended = re.findall(r'action="/inherited/([0-9a-f]{32})"', page.text)
    assert "av Karin Testlund" in page.text
    first = await elsa.post(f"/inherited/{kept}", keep="1")
    assert first.headers["location"].startswith("/inherited?")
    last = await elsa.post(f"/inherited/{ended}", keep="0")
    assert last.headers["location"].startswith("/sharing?")
    assert [(one.id, one.confirmed) for one in world.load("elsa").rules.rules] == [(kept, world.clock())]
    assert await Browser(app, "elsa").log_in() == "/"
    async with machine(app) as http:
        token = await _token(http, {"persona": "elsa"})
        assert (await http.get("/api/consents/inherited", headers=token)).json() == []
        assert (await http.post(f"/api/consents/{kept}/keep", headers=token)).status_code == 404
