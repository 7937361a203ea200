"""One rule's page and form, a day gone by, a decision made again, and borrowed eyes: from the browser's side."""

import json
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from jose import jws
from litestar import Litestar
from litestar.testing import AsyncTestClient

from app import demo
from app.main import application
from app.web.rendering import BUILT
from consent.parse import parse_rule
from consent.rules import Grantee, Rule
from policies.vocabulary import Category, GranteeKind, Purpose
from sharing import granting
from tests.world import START, World, pressure, weight

BP, WEIGHT = Category.BLOOD_PRESSURE, Category.BODY_WEIGHT
VC, HOME, CLINIC = demo.HEALTH_CENTRE, demo.HOME_CARE, demo.MEDICAL_CLINIC
PROVIDER = demo.REGION_EXEMPEL_CARE
NURSE = "SE2321009905-TESTP001"  # the demo's nurse at the health centre
DAY = START.date()

pytestmark = pytest.mark.skipif(
    not (BUILT / "manifest.json").is_file(), reason="the assets are not built: make assets builds them"
)


class Pages:
    """Somebody logged in on the pages, with the token of the last form."""

    def __init__(self, client: AsyncTestClient[Litestar]) -> None:
        self.client, self.token = client, ""

    async def get(self, path: str, status: int = 200) -> str:
        """Return a page."""
        answer = await self.client.get(path, follow_redirects=False)
        assert answer.status_code == status, (path, answer.text)
        self._remember(answer)
        return answer.text

    async def post(self, path: str, **fields: Any) -> httpx.Response:
        """Send a form."""
        data = {"_csrf_token": self.token, **fields}
        answer = await self.client.post(path, data=data, follow_redirects=False)
        self._remember(answer)
        return answer

    async def log_in(self, persona: str) -> None:
        """Log in anew."""
        self.client.cookies.clear()
        await self.get("/login")
        assert (await self.post("/login", persona=persona)).status_code == 303
        await self.get("/sharing")

    def _remember(self, answer: httpx.Response) -> None:
        found = re.search(r'name="_csrf_token" value="([0-9a-f]+)"', answer.text)
        self.token = found[1] if found else self.token


@pytest.fixture
async def pages(world: World) -> AsyncIterator[Pages]:
    """Log Anna in, who has two blood pressures and a weight."""
    await world.enter("anna")
    old = pressure("122", "82", START - timedelta(days=40))
    await world.add("anna", "anna", pressure("121", "81"), old, weight("70.5"))
    async with AsyncTestClient(application(world.valv), base_url="http://127.0.0.1") as client:
        opened = Pages(client)
        await opened.log_in("anna")
        yield opened


def rules(world: World) -> dict[str, Rule]:
    """Return Anna's rules by id."""
    return {one.id: one for one in world.load("anna").rules.rules}


def shown(html: str) -> str:
    """Return a page's text without its elements, in one line."""
    return " ".join(re.sub(r"<[^>]+>", " ", html.partition("<main")[2].partition("</main")[0]).split())


def filled(html: str) -> dict[str, list[str]]:
    """Return the fields of a page's main form as a browser would send them, without its buttons."""
    found: dict[str, list[str]] = {}
    form = html.partition('action="/sharing/preview"')[2].partition("</form")[0]
    for field in re.findall(r"<input[^>]*>", form):
        given = dict(re.findall(r'([\w-]+)="([^"]*)"', field))
        ticked = given.get("type") not in {"checkbox", "radio"} or re.search(r"\schecked\b", field)
        if ticked and given["name"] != "_csrf_token":
            found.setdefault(given["name"], []).append(given.get("value", ""))
    for name, options in re.findall(r'<select[^>]*name="(\w+)".*?>(.*?)</select>', form, re.DOTALL):
        found[name] = re.findall(r'value="([^"]*)" selected', options) or [""]
    return found


async def act_for_elsa(world: World, pages: Pages) -> None:
    """Log her guardian in, and let her act for Elsa."""
    await world.enter("elsa")
    pages.client.cookies.clear()
    await pages.get("/login")
    await pages.post("/login", persona="karin")
    page = await pages.get("/commission")
    for one in re.findall(r'name="choice"[^>]*value="([^"]+)"', page):
        await pages.post("/commission", choice=one)
        if "Du företräder Elsa" in await pages.get("/sharing"):
            return
    raise AssertionError("nobody to act for")


async def test_who_manages_some_of_it_is_not_shown_the_rest_of_a_rule(world: World, pages: Pages) -> None:
    """The form would tell what else is shared with whom; a rule that is theirs whole they may change."""
    await world.enter("bo")
    terms = {"relation": "representative", "actions": ["read", "manage"]}
    await world.allow("anna", "proxy", world.alias("bo").hex(), BP, **terms)
    wide, own = [await world.allow("anna", "unit", VC, *some) for some in ((BP, WEIGHT), (BP,))]
    pages.client.cookies.clear()
    await pages.get("/login")
    await pages.post("/login", persona="bo")
    await pages.get("/commission")
    await pages.post("/commission", choice=f"representative:{world.alias('anna').hex()}")
    assert "Exempelby vårdcentral" in await pages.get(f"/sharing/{own}/change")
    for path, status in (("change", 404), ("revoke", 403)):
        assert "Exempelby vårdcentral" not in await pages.get(f"/sharing/{wide}/{path}", status)


class TestOneRule:
    """What it says, what became of it, its proof."""

    async def test_page_tells_its_life_and_what_was_done_by_it(self, world: World, pages: Pages) -> None:
        """In words: made, changed in what, ended; and the nurse's reading, which can be decided again."""
        rule = await world.allow("anna", "unit", VC, BP, WEIGHT)
        await world.read("nurse-vc", "anna", BP)
        world.seal_log()
        page = await pages.get(f"/sharing/{rule}")
        assert "Exempelby vårdcentral" in page
        assert "Gjordes 2 mars 2026 kl. 10:00 av dig" in shown(page)
        assert "Nina Exempelkvist" in page
        assert f'href="/sharing/{rule}/change"' in page
        await pages.post(
            "/sharing", **filled(await pages.get(f"/sharing/{rule}/change")) | {"categories": BP}
        )
        text = shown(await pages.get(f"/sharing/{rule}"))
        assert "Ändrades 2 mars 2026 kl. 10:00 av dig" in text
        assert "Vilka uppgifter Förut: blodtryck och vikt Sedan: blodtryck" in text
        await world.revoke("anna", rule)
        page = await pages.get(f"/sharing/{rule}")
        assert "Borttagen" in shown(page)
        assert "Togs bort 2 mars 2026" in shown(page)
        assert f'href="/sharing/{rule}/change"' not in page
        assert f'href="/sharing/{rule}/consent"' not in page

    async def test_proof_is_downloaded_and_verifies(self, world: World, pages: Pages) -> None:
        """The receipt by the published key; the Consent as FHIR; each as a file, also of a rule that ended."""
        rule = await world.allow("anna", "unit", VC, BP)
        consent = await pages.client.get(f"/sharing/{rule}/consent")
        assert consent.headers["content-type"] == "application/fhir+json"
        told = consent.json()
        assert (told["resourceType"], told["id"], told["status"]) == ("Consent", rule, "active")
        await world.revoke("anna", rule)
        answer = await pages.client.get(f"/sharing/{rule}/receipt")
        assert answer.headers["content-type"] == "application/jose"
        assert answer.headers["content-disposition"] == f'attachment; filename="kvitto-{rule}.jws"'
        key = (await pages.client.get("/api/consents/receipt-key")).json()
        receipt = json.loads(jws.verify(answer.text, key, algorithms=["ES256"]))
        assert receipt["record"]["record_id"] == rule
        assert [one["event_state"] for one in receipt["event"]] == ["given", "withdrawn"]
        await pages.get(f"/sharing/{rule}/consent", 404)

    async def test_nobody_elses_rule_has_a_page(self, world: World, pages: Pages) -> None:
        """Neither another citizen's nor one that never was; staff have no such pages."""
        rule = await world.allow("anna", "unit", VC, BP)
        for path in ("", "/receipt", "/consent", "/change", "/lift", "/revoke"):
            await pages.get(f"/sharing/{'0' * 32}{path}", 404)
        await pages.log_in("bo")
        for path in ("", "/receipt", "/consent", "/change", "/lift", "/revoke"):
            await pages.get(f"/sharing/{rule}{path}", 404)
        await pages.get("/login")
        await pages.post("/login", persona="nurse-vc")
        for path in ("", "/receipt", "/consent", "/change", "/lift"):
            await pages.get(f"/sharing/{rule}{path}", 403)

    async def test_change_needs_a_fresh_login_and_is_previewed(self, world: World, pages: Pages) -> None:
        """What the narrower rule takes away stands there before it is saved; nothing is saved by looking."""
        rule = await world.allow("anna", "unit", VC, BP, WEIGHT, purposes=["TREAT"])
        fields = filled(await pages.get(f"/sharing/{rule}/change")) | {"data_from": DAY.isoformat()}
        assert sorted(fields["categories"]) == [BP, WEIGHT]
        told = shown((await pages.post("/sharing/preview", **fields)).text)
        assert "De här kommer inte längre att få" in told
        assert "blodtryck (1 uppgift)" in told
        assert rules(world)[rule].data_from is None
        saved = await pages.post("/sharing", **fields)
        assert saved.headers["location"] == f"/sharing/{rule}?done=rule-saved"
        changed = rules(world)[rule]
        assert (changed.data_from, changed.purposes) == (DAY, frozenset({Purpose.CARE}))
        assert len(rules(world)) == 1
        world.clock.move(minutes=6)
        await pages.get(f"/sharing/{rule}/change", 403)
        assert (await pages.post("/sharing", **fields)).status_code == 403

    async def test_change_keeps_what_the_form_does_not_show(self, world: World, pages: Pages) -> None:
        """Single records, a lift, a time within a day; and the form comes back as the rule was."""
        until = (START + timedelta(days=9, minutes=7)).isoformat()
        records = [one.id for one in (await world.read("anna", "anna", BP)).records][:1]
        allow = await world.allow(
            "anna",
            "unit",
            VC,
            BP,
            valid_to=until,
            records=records,
            codes=["85354-9"],
            sources=["device:Meter"],
        )
        block = await world.block(
            "anna", "network", "", BP, spares=[{"kind": "unit", "id": VC}], sources=[f"unit:{CLINIC}", "mine"]
        )
        before = rules(world)
        world.clock.move(minutes=1)
        for rule in (allow, block):
            page = await pages.get(f"/sharing/{rule}/change")
            assert (await pages.post("/sharing", **filled(page))).status_code == 303
        for rule, one in rules(world).items():
            kept = [name for name in Rule.__dataclass_fields__ if name not in {"created", "author"}]
            assert [getattr(one, name) for name in kept] == [getattr(before[rule], name) for name in kept]

    @pytest.mark.parametrize(
        "forged",
        [
            {"effect": "block"},
            {"grantee": f"unit:{HOME}"},
            {"reach": "outer", "sources": f"unit:{CLINIC}"},
        ],
    )
    async def test_change_cannot_be_of_whom_or_into_a_block(
        self, world: World, pages: Pages, forged: dict[str, str]
    ) -> None:
        """That is another rule, with a receipt of its own."""
        rule = await world.allow("anna", "unit", VC, BP)
        before = rules(world)
        fields = filled(await pages.get(f"/sharing/{rule}/change")) | forged
        assert (await pages.post("/sharing", **fields)).status_code == 400
        assert rules(world) == before

    async def test_mandate_is_not_changed_on_the_form(self, world: World, pages: Pages) -> None:
        """It is ended, and another given."""
        rule = await world.allow("anna", "proxy", "ab" * 16, BP, relation="relative")
        assert f'href="/sharing/{rule}/change"' not in await pages.get(f"/sharing/{rule}")
        await pages.get(f"/sharing/{rule}/change", 404)


class TestBlock:
    """Laid aside and put back; inner, outer, sparing, of all but some."""

    async def test_block_is_laid_aside_until_a_day_and_put_back(self, world: World, pages: Pages) -> None:
        """Each time what it does is shown first; a day that is over, or none, is refused in words."""
        await world.allow("anna", "unit", VC, BP)
        rule = await world.block("anna", "network", "", BP)
        assert f'action="/sharing/{rule}/lift"' in await pages.get(f"/sharing/{rule}")
        day = (DAY + timedelta(days=3)).isoformat()
        told = shown(await pages.get(f"/sharing/{rule}/lift?until={day}"))
        assert "Vill du häva spärren till och med 5 mars 2026?" in told
        assert "blodtryck (2 uppgifter)" in told
        assert rules(world)[rule].lifts == ()
        lifted = await pages.post(f"/sharing/{rule}/lift", until=day)
        assert lifted.headers["location"] == f"/sharing/{rule}?done=block-lifted"
        assert len((await world.read("nurse-vc", "anna", BP)).records) == 2
        assert "Låt spärren gälla igen nu" in await pages.get(f"/sharing/{rule}")
        assert "De här kommer inte längre att få" in await pages.get(f"/sharing/{rule}/lift?until=")
        back = await pages.post(f"/sharing/{rule}/lift", until="")
        assert back.headers["location"] == f"/sharing/{rule}?done=block-put-back"
        assert rules(world)[rule].lifts == ()
        for wrong in ("2020-01-01", "x", "2026-13-01"):
            assert 'href="#until"' in await pages.get(f"/sharing/{rule}/lift?until={wrong}", 400)
            assert (await pages.post(f"/sharing/{rule}/lift", until=wrong)).status_code == 400

    @pytest.mark.parametrize(
        ("fields", "whom", "spares", "sources"),
        [
            (
                {"reach": "inner", "sources": f"unit:{CLINIC}"},
                ("provider", PROVIDER),
                {("unit", CLINIC)},
                {f"unit:{CLINIC}"},
            ),
            (
                {"reach": "outer", "sources": f"unit:{CLINIC}"},
                ("network", ""),
                {("provider", PROVIDER)},
                {f"unit:{CLINIC}"},
            ),
            (
                {"reach": "outer", "sources": f"provider:{PROVIDER}"},
                ("network", ""),
                {("provider", PROVIDER)},
                {f"provider:{PROVIDER}"},
            ),
            (
                {"grantee": "network:", "spares": [f"unit:{VC}", f"person:{NURSE}"]},
                ("network", ""),
                {("unit", VC), ("person", NURSE)},
                set(),
            ),
        ],
    )
    async def test_block_is_made_as_it_is_said(
        self,
        world: World,
        pages: Pages,
        fields: dict[str, Any],
        whom: tuple[str, str],
        spares: set[tuple[str, str]],
        sources: set[str],
    ) -> None:
        """Inner: others of the same provider; outer: all other providers; both but for whoever wrote it (ADR 0023)."""
        posted = {"effect": "block", "actions": "read", "categories": BP, "grantee": "", **fields}
        assert (await pages.post("/sharing/preview", **posted)).status_code == 200
        assert (await pages.post("/sharing", **posted)).status_code == 303
        (made,) = rules(world).values()
        assert made.grantee == Grantee(GranteeKind(whom[0]), whom[1])
        assert made.spares == {Grantee(GranteeKind(kind), id_) for kind, id_ in spares}
        assert made.sources == sources

    async def test_block_of_all_but_some(self, world: World, pages: Pages) -> None:
        """Excluded types: what is ticked stays open."""
        posted = {"effect": "block", "actions": ["read", "add"], "grantee": f"unit:{VC}", "but": "1"}
        await pages.post("/sharing", categories=[BP, WEIGHT], data_to=DAY.isoformat(), **posted)
        (made,) = rules(world).values()
        assert made.categories == set(Category) - {BP, WEIGHT}
        assert made.data_to == DAY
        answer = await pages.post("/sharing", categories=list(Category), **posted)
        assert (answer.status_code, 'href="#categories"' in answer.text) == (400, True)

    @pytest.mark.parametrize(
        ("wrong", "field"),
        [
            ({"reach": "inner"}, "sources"),
            ({"reach": "inner", "sources": f"provider:{PROVIDER}"}, "sources"),
            ({"reach": "outer", "sources": [f"unit:{VC}", f"unit:{CLINIC}"]}, "sources"),
            ({"reach": "outer", "sources": ["mine"]}, "sources"),
            ({"reach": "outer", "sources": ["unit:SE0000000000-NONE"]}, "sources"),
            ({"spares": ["network:"]}, "spares"),
            ({"spares": ["x"]}, "spares"),
            ({"codes": ["29463-7"]}, "codes"),
            ({"codes": ["85354-9"], "categories": [BP, WEIGHT]}, "codes"),
            ({"codes": ["å"]}, "codes"),
            ({"sources": ["x"]}, "sources"),
        ],
    )
    async def test_what_cannot_be_is_said_at_its_field(
        self, world: World, pages: Pages, wrong: dict[str, Any], field: str
    ) -> None:
        """And nothing is saved."""
        posted = {"effect": "block", "actions": "read", "categories": BP, "grantee": f"unit:{VC}", **wrong}
        answer = await pages.post("/sharing", **posted)
        assert (answer.status_code, f'href="#{field}"' in answer.text) == (400, True)
        assert not rules(world)

    async def test_searches_of_the_form_keep_what_is_filled_in(self, pages: Pages) -> None:
        """Whom they find stands to be chosen; who was chosen stays."""
        posted = {"effect": "block", "actions": "read", "categories": BP, "grantee": "network:", "look": "1"}
        chosen = {"spares": f"unit:{HOME}", "spare_who": "Exempelby vårdcentral", "writer_who": "lasarett"}
        page = (await pages.post("/sharing/preview", **posted, **chosen)).text
        again = filled(page)
        assert (again["categories"], again["actions"], again["grantee"]) == ([BP], ["read"], ["network:"])
        assert again["spares"] == [f"unit:{HOME}"]
        assert f'name="spares" type="checkbox" value="unit:{VC}"' in page
        assert f'name="sources" type="checkbox" value="unit:{CLINIC}"' in page
        assert 'href="#' not in page.partition("<main")[2].partition("</main")[0]

    async def test_guardian_changes_what_is_shared_and_lifts_nothing(
        self, world: World, pages: Pages
    ) -> None:
        """SVOD 2:3: a child's data is shared by the guardian and blocked by nobody."""
        await act_for_elsa(world, pages)
        karin, alias = world.who("karin", for_="elsa"), world.alias("elsa")
        raw = {
            "effect": "allow",
            "grantee": {"kind": "unit", "id": VC},
            "actions": ["read"],
            "categories": [BP],
        }
        rule = parse_rule(raw, id="1" * 32, author=world.alias("karin").hex(), created=world.clock())
        await granting.grant(world.house, karin, alias, rule)
        assert "Gjordes 2 mars 2026 kl. 10:00 av dig" in shown(await pages.get(f"/sharing/{rule.id}"))
        await pages.get(f"/sharing/{rule.id}/change")
        await pages.get(f"/sharing/{rule.id}/lift?until=2026-04-01", 403)
        await pages.get("/sharing/new?effect=block", 403)


class TestThen:
    """A day gone by."""

    async def test_day_is_told_by_the_hour(self, world: World, pages: Pages) -> None:
        """Who, by which rule, from when to when; what stood against it."""
        rule = await world.allow("anna", "unit", VC, BP)
        world.clock.move(hours=2)
        block = await world.block("anna", "network", "", BP)
        world.clock.move(days=1)
        await world.revoke("anna", rule)
        await pages.log_in("anna")
        page = await pages.get(f"/sharing/then?day={DAY}&category=blood-pressure")
        text = shown(page)
        assert "Från kl. 10:00 till kl. 12:00: kunde läsa" in text
        assert "Från kl. 12:00: kunde inte läsa, en spärr stod emot" in text
        assert {f'href="/sharing/{one}"' in page for one in (rule, block)} == {True}
        gone = f"/sharing/then?day={DAY + timedelta(days=1)}&category=body-weight"
        assert "Ingen annan än du kunde se det den dagen." in await pages.get(gone)

    async def test_today_is_what_seers_tells(self, world: World, pages: Pages) -> None:
        """Today needs no day."""
        await world.allow("anna", "unit", VC, BP)
        for path in ("/sharing/then", "/sharing/seers"):
            page = shown(await pages.get(f"{path}?category=blood-pressure"))
            assert "Exempelby vårdcentral" in page
            assert re.search(r"· 2 personer", page)

    async def test_guardian_of_a_child_is_named(self, world: World, pages: Pages) -> None:
        """By name, never by number."""
        await act_for_elsa(world, pages)
        text = shown(await pages.get("/sharing/then"))
        assert "Karin Testlund" in text
        assert "Som vårdnadshavare, enligt lag" in text

    @pytest.mark.parametrize("day", ["x", "2026-02-30", "2030-01-01"])
    async def test_no_such_day_is_said(self, pages: Pages, day: str) -> None:
        """At its field."""
        assert 'href="#day"' in await pages.get(f"/sharing/then?day={day}", 400)


class TestDecision:
    """An entry of the log, decided again."""

    async def test_log_leads_to_the_decision_and_to_the_rule(self, world: World, pages: Pages) -> None:
        """It agrees, and the rule stands as it was, long after it changed."""
        rule = await world.allow("anna", "unit", VC, BP, WEIGHT)
        await world.read("nurse-vc", "anna", BP)
        world.seal_log()
        page = await pages.get("/accesses")
        assert f'href="/sharing/{rule}"' in page
        (entry,) = re.findall(r'href="/accesses/([0-9a-f]{32})"', page)
        await world.revoke("anna", rule)
        text = shown(await pages.get(f"/accesses/{entry}"))
        assert "Loggen stämmer" in text
        assert "Fick: blodtryck." in text
        assert "Får läsa blodtryck och vikt." in text
        assert "Pröva igen" not in text

    async def test_what_cannot_be_decided_again_says_why(self, world: World, pages: Pages) -> None:
        """A change of rules is no reading; and nobody else's entry is found."""
        await world.allow("anna", "unit", VC, BP)
        world.seal_log()
        grant = next(
            one.id.hex()
            for one in world.house.log.entries_of_vault(world.vault("anna"), limit=20)
            if one.event is not None and one.event.kind == "grant"
        )
        assert "Det går inte att pröva igen" in await pages.get(f"/accesses/{grant}")
        for other in ("x", "0" * 32, "0" * 31):
            await pages.get(f"/accesses/{other}", 404)
        await pages.log_in("bo")
        await pages.get(f"/accesses/{grant}", 404)


class TestBorrowedEyes:
    """See as…, record by record."""

    async def test_unit_and_one_person_there(self, world: World, pages: Pages) -> None:
        """Counts lead to records; whom the rules name can be chosen."""
        await world.allow("anna", "unit", VC, BP, data_from=DAY.isoformat())
        await world.allow("anna", "person", NURSE, WEIGHT)
        page = await pages.get(f"/sharing/as?unit={VC}")
        assert f'value="person:{NURSE}"' in page
        assert f'href="/sharing/as/records?unit={VC}&amp;category=blood-pressure"' in page
        text = shown(await pages.get(f"/sharing/as/records?unit={VC}"))
        assert "De ser 1 uppgift." in text
        assert ("121/81" in text, "122/82" in text, "70,5" in text) == (True, False, False)
        theirs = shown(await pages.get(f"/sharing/as/records?unit={VC}&whom=person:{NURSE}"))
        assert ("De ser 2 uppgifter." in theirs, "70,5" in theirs) == (True, True)
        assert "De ser ingenting här." in await pages.get(f"/sharing/as/records?unit={HOME}")

    async def test_older_records_follow_on_the_next_page(self, world: World, pages: Pages) -> None:
        """The link carries no time and no record."""
        await world.allow("anna", "unit", VC, BP)
        many = [pressure(str(100 + n % 60), "70", START - timedelta(hours=n + 1)) for n in range(120)]
        await world.add("anna", "anna", *many)
        page = await pages.get(f"/sharing/as/records?unit={VC}&category=blood-pressure")
        assert "De ser 122 uppgifter." in shown(page)
        (link,) = re.findall(r'href="(/sharing/as/records[^"]*before=[^"]+)"', page)
        older = await pages.get(link.replace("&amp;", "&"))
        assert "De ser 122 uppgifter." in shown(older)
        assert [html.count("<tr>") for html in (page, older)] == [101, 23]
        assert "122/82" in shown(older)

    @pytest.mark.parametrize("path", ["as", "as/records"])
    async def test_nobody_such_there_is_said(self, pages: Pages, path: str) -> None:
        """Clearly, and never as a fault of ours."""
        for query, status in (
            ("unit=SE0", 404),
            (f"unit={HOME}&whom=person:{NURSE}", 404),
            (f"unit={VC}&whom=x:y", 400),
        ):
            await pages.get(f"/sharing/{path}?{query}", status)
