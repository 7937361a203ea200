"""FHIR at size: pages by sealed cursors, streams that never look complete when they are not, Bundles of thousands."""

import base64
import json
import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from app.fhir import create
from app.main import application
from audit import review
from audit.events import Decision, EventKind
from policies.vocabulary import Category
from sharing import streaming
from tests.app.test_odd_input import Client, bearer, bundle, observation
from tests.world import World, pressure, weight
from vault import state
from vault.errors import Finding, TamperedError

WEIGHT = Category.BODY_WEIGHT


@pytest.fixture
async def client(world: World) -> AsyncIterator[Client]:
    """Serve the country over HTTP, with 60 of Anna's weights over three months in it, and 60 blood pressures."""
    await world.enter("anna")
    at = world.clock()
    times = [at - timedelta(hours=36 * n) for n in range(60)]
    await world.add("anna", "anna", *(weight(f"{50 + n % 9}.0", time) for n, time in enumerate(times)))
    await world.add("anna", "anna", *(pressure(f"{120 + n % 9}", "80", time) for n, time in enumerate(times)))
    async with AsyncTestClient(application(world.valv), base_url="http://127.0.0.1") as served:
        yield served


async def get(client: AsyncTestClient[Litestar], path: str, **headers: str) -> httpx.Response:
    """Ask as Anna."""
    return await client.get(path, headers={**await bearer(client, "anna"), **headers})


def starts(found: dict[str, Any]) -> list[str]:
    """Return when each entry was measured."""
    return [entry["resource"]["effectiveDateTime"] for entry in found["entry"]]


class TestPages:
    """Lists come in pages, the newest first."""

    async def test_following_next_gives_everything_once_and_in_order(self, client: Client) -> None:
        """Two categories at once, with a total that each page repeats."""
        url, found, totals = "/fhir/Observation?_count=25", [], []
        while url:
            page = (await get(client, url)).json()
            found += page["entry"]
            totals.append(page["total"])
            url = next((link["url"] for link in page.get("link", []) if link["relation"] == "next"), "")
        ids = [entry["resource"]["id"] for entry in found]
        assert (len(ids), len(set(ids)), set(totals)) == (120, 120, {120})
        assert starts({"entry": found}) == sorted(starts({"entry": found}), reverse=True)

    async def test_oldest_first_where_it_is_asked_for(self, client: Client) -> None:
        """By _sort, and nothing else of _sort's."""
        found = (await get(client, "/fhir/Observation?_sort=date&_count=5")).json()
        assert starts(found) == sorted(starts(found))
        assert (await get(client, "/fhir/Observation?_sort=code")).status_code == 400

    async def test_count_of_nothing_tells_the_total(self, client: Client) -> None:
        """As _summary=count would."""
        found = (await get(client, "/fhir/Observation?category=body-weight&_count=0")).json()
        assert (found["total"], "entry" in found) == (60, False)

    async def test_next_link_tells_no_time_and_no_record(self, client: Client) -> None:
        """Addresses are kept by others: the cursor is sealed, and no number of a person's is in it."""
        page = (await get(client, "/fhir/Observation?_count=5")).json()
        (link,) = page["link"]
        cursor = link["url"].partition("_cursor=")[2]
        raw = base64.urlsafe_b64decode(cursor + "==")
        last = page["entry"][-1]["resource"]["id"].partition("-")[2]
        assert bytes.fromhex(last) not in raw
        assert bytes.fromhex(last)[::-1] not in raw

    @pytest.mark.parametrize("cursor", ["x", "AAAA", "9" * 4000, "%00", "é"])
    async def test_cursor_that_is_not_ours_is_refused(self, client: Client, cursor: str) -> None:
        """By name, as any parameter."""
        answer = await get(client, f"/fhir/Observation?_cursor={cursor}")
        assert answer.status_code == 400
        assert "_cursor" in answer.json()["issue"][0]["diagnostics"]

    async def test_cursor_of_anothers_list_is_refused(self, client: Client, world: World) -> None:
        """It is sealed for one patient."""
        await world.enter("bo")
        (link,) = (await get(client, "/fhir/Observation?_count=5")).json()["link"]
        answer = await client.get(link["url"], headers=await bearer(client, "bo"))
        assert answer.status_code == 400

    async def test_one_record_is_read_by_its_id_alone(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its id tells month and mark: no segment without it is opened."""
        page = (await get(client, "/fhir/Observation?category=body-weight&_count=1")).json()
        record = page["entry"][0]["resource"]
        assert (await get(client, f"/fhir/Observation/{record['id']}")).json() == record
        for wrong in (
            "02209913-0000000000000000",
            f"{record['id'][:-1]}x",
            f"99{record['id'][2:]}",
            "0" * 25,
        ):
            assert (await get(client, f"/fhir/Observation/{wrong}")).status_code == 404
        other = record["id"][:9] + "0" * 16
        assert (await get(client, f"/fhir/Observation/{other}")).status_code == 404
        assert monkeypatch is not None

    async def test_accesses_and_rules_come_in_pages(self, client: Client) -> None:
        """The log grows for ever."""
        first = (await get(client, "/fhir/AuditEvent?_count=2")).json()
        (link,) = first["link"]
        second = (await get(client, link["url"])).json()
        seen = {entry["resource"]["id"] for entry in first["entry"]}
        assert seen.isdisjoint({entry["resource"]["id"] for entry in second["entry"]})
        assert (await get(client, "/fhir/Consent?_cursor=x")).status_code == 400


class TestStreams:
    """Everything at once, piece by piece."""

    async def test_everything_is_a_bundle_with_each_records_provenance(self, client: Client) -> None:
        """As a searchset whose total stands at the end."""
        found = (await get(client, f"/fhir/Patient/{await patient(client)}/$everything")).json()
        kinds = [entry["resource"]["resourceType"] for entry in found["entry"]]
        assert (found["type"], found["total"]) == ("searchset", 240)
        assert (kinds.count("Observation"), kinds.count("Provenance")) == (120, 120)

    async def test_everything_comes_as_lines_where_they_are_asked_for(self, client: Client) -> None:
        """One resource a line."""
        path = f"/fhir/Patient/{await patient(client)}/$everything"
        answer = await get(client, path, Accept="application/fhir+ndjson")
        assert answer.headers["content-type"].startswith("application/fhir+ndjson")
        assert len([json.loads(line) for line in answer.text.splitlines()]) == 240

    async def test_everything_comes_in_pages_where_a_count_is_asked_for(self, client: Client) -> None:
        """A record and its provenance stand together."""
        path = f"/fhir/Patient/{await patient(client)}/$everything?_count=50"
        first = (await get(client, path)).json()
        assert (len(first["entry"]), first["total"]) == (100, 240)
        second = (await get(client, first["link"][0]["url"])).json()
        assert len(second["entry"]) == 100

    async def test_export_is_what_a_search_shows(self, client: Client) -> None:
        """As a collection, and line by line, the very same resources."""
        searched = (await get(client, "/fhir/Observation")).json()["entry"]
        by_id = {entry["resource"]["id"]: entry["resource"] for entry in searched}
        bundle_ = (await get(client, "/api/export")).json()
        assert bundle_["type"] == "collection"
        assert {entry["resource"]["id"]: entry["resource"] for entry in bundle_["entry"]} == by_id
        lines = (await get(client, "/api/export", Accept="application/fhir+ndjson")).text.splitlines()
        assert {json.loads(line)["id"]: json.loads(line) for line in lines} == by_id

    async def test_nothing_is_an_empty_document(self, client: Client, world: World) -> None:
        """FHIR has no empty lists."""
        await world.enter("bo")
        headers = await bearer(client, "bo")
        assert (await client.get("/api/export", headers=headers)).json() == {
            "resourceType": "Bundle",
            "type": "collection",
        }
        assert (await client.get("/fhir/Observation", headers=headers)).json() == {
            "resourceType": "Bundle",
            "total": 0,
            "type": "searchset",
        }

    async def test_refusal_is_an_answer_and_not_a_stream(self, client: Client) -> None:
        """Before the first byte everything is decided."""
        path = f"/fhir/Patient/{await patient(client)}/$everything"
        answer = await client.get(path, headers=await bearer(client, "nurse-vc"))
        assert answer.status_code == 403
        assert answer.json()["resourceType"] == "OperationOutcome"

    async def test_fault_on_the_way_breaks_off_what_was_begun(
        self, client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """What was sent must not look complete, and the operator's log has the finding's name and no content."""
        monkeypatch.setattr(streaming, "_AT_ONCE", 1)
        real, calls = state.bodies, []

        def bodies(*arguments: Any) -> Any:
            calls.append(1)
            if len(calls) > 1:
                raise TamperedError(Finding.FORGED_SEGMENT)
            return real(*arguments)

        monkeypatch.setattr(state, "bodies", bodies)
        with caplog.at_level(logging.ERROR), pytest.raises(Exception, match=r".*"):
            await get(client, "/api/export")
        assert "forged-segment" in caplog.text


async def patient(client: Client) -> str:
    """Return Anna's patient id."""
    told: str = (await get(client, "/api/me")).json()["patient"]
    return told


def weights(count: int, about: str | None = None) -> list[dict[str, Any]]:
    """Return so many weights of different minutes."""
    times = [f"2025-{1 + n // 1440 % 12:02d}-01T{n // 60 % 24:02d}:{n % 60:02d}:00Z" for n in range(count)]
    return [observation(about, effectiveDateTime=time) for time in times]


class TestBundles:
    """Thousands of entries are one question and one change."""

    @pytest.mark.parametrize("kind", ["transaction", "batch"])
    async def test_thousands_of_entries_are_one_question_to_the_gate(
        self, client: Client, world: World, kind: str
    ) -> None:
        """One entry in the log for permission, one for what came of it; an answer for each."""
        posted = bundle(kind, *weights(3000))
        before = len(world.house.log.entries_of_vault(world.vault("anna"), limit=1000))
        answer = await client.post("/fhir", json=posted, headers=await bearer(client, "anna"))
        told = answer.json()
        assert told["type"] == f"{kind}-response"
        assert {entry["response"]["status"] for entry in told["entry"]} == {"201 Created"}
        places = [entry["response"]["location"] for entry in told["entry"]]
        assert len(set(places)) == 3000
        entries = world.house.log.entries_of_vault(world.vault("anna"), limit=1000)
        assert len(entries) - before <= 3  # one may be a login's
        shown = await get(client, f"/fhir/{places[7]}")
        assert shown.json()["effectiveDateTime"] == "2025-01-01T00:07:00+00:00"

    async def test_each_entry_of_a_batch_has_its_own_answer(self, client: Client) -> None:
        """In the order in which they came; a wrong one stops no other."""
        wrong = [observation(None, status="wibble"), {"resourceType": "Bundle"}, {"resourceType": "Nothing"}]
        backwards = {"start": "2025-01-02T00:00:00Z", "end": "2025-01-01T00:00:00Z"}
        swapped = observation(None, effectivePeriod=backwards)
        del swapped["effectiveDateTime"]
        mixed = [wrong[0], *weights(1), wrong[1], swapped, *weights(2)[1:], wrong[2]]
        posted = bundle("batch", *mixed)
        posted["entry"].append("no entry")
        answer = await client.post("/fhir", json=posted, headers=await bearer(client, "anna"))
        statuses = [entry["response"]["status"][:3] for entry in answer.json()["entry"]]
        assert statuses == ["400", "201", "400", "400", "201", "400", "400"]

    async def test_batch_takes_what_may_be_added_and_logs_what_may_not(
        self, client: Client, world: World
    ) -> None:
        """By category and by the rules' finer terms, entry by entry, without asking for each."""
        unit = world.who("nurse-vc").commission.unit.id  # type: ignore[union-attr]
        await world.allow("anna", "unit", unit, WEIGHT, actions=["add"])
        await world.block(
            "anna", "unit", unit, WEIGHT, actions=["add"], data_from="2025-02-01", data_to="2025-02-28"
        )
        about = f"Patient/{world.alias('anna').hex()}"
        pulse = observation(about, code={"coding": [{"system": "http://loinc.org", "code": "8867-4"}]})
        day = observation(about, effectiveDateTime="2025-02-10T08:00:00Z")
        posted = bundle("batch", observation(about), pulse, day, observation("Patient/" + "0" * 32))
        answer = await client.post("/fhir", json=posted, headers=await bearer(client, "nurse-vc"))
        statuses = [entry["response"]["status"][:3] for entry in answer.json()["entry"]]
        assert statuses == ["201", "403", "403", "403"]
        found = review.accesses(world.house.log.entries_of_vault(world.vault("anna"), limit=50))
        adds = [one for one in found if getattr(one, "kind", None) is EventKind.ADD]
        refused = [one for one in adds if getattr(one, "decision", None) is Decision.REFUSE]
        assert {category for one in refused for category in getattr(one, "categories", ())} == {
            Category.HEART_RATE,
            WEIGHT,
        }

    async def test_transaction_with_one_refused_entry_adds_nothing(
        self, client: Client, world: World
    ) -> None:
        """All or none."""
        unit = world.who("nurse-vc").commission.unit.id  # type: ignore[union-attr]
        await world.allow("anna", "unit", unit, WEIGHT, actions=["add"])
        about = f"Patient/{world.alias('anna').hex()}"
        pulse = observation(about, code={"coding": [{"system": "http://loinc.org", "code": "8867-4"}]})
        allowed = observation(about, effectiveDateTime="2024-05-05T08:00:00Z")
        posted = bundle("transaction", allowed, pulse)
        answer = await client.post("/fhir", json=posted, headers=await bearer(client, "nurse-vc"))
        assert answer.status_code == 403
        assert (await get(client, "/fhir/Observation?category=body-weight&date=2024-05-05")).json()[
            "total"
        ] == 0

    async def test_too_many_entries_are_refused_with_the_limit(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whoever sends must know how much may be sent."""
        monkeypatch.setattr(create, "MAX_ENTRIES", 5)
        answer = await client.post(
            "/fhir", json=bundle("batch", *weights(6)), headers=await bearer(client, "anna")
        )
        assert answer.status_code == 413
        (issue,) = answer.json()["issue"]
        assert (issue["code"], "at most 5" in issue["diagnostics"]) == ("too-long", True)

    async def test_too_large_a_body_is_refused_with_the_limit(self, client: Client) -> None:
        """Before it is read whole."""
        headers = await bearer(client, "anna")
        answer = await client.post("/fhir", content=b"x" * (create.MAX_BODY + 1), headers=headers)
        assert answer.status_code == 413
        assert "16 MiB" in answer.json()["issue"][0]["diagnostics"]

    async def test_limits_are_stated(self, client: Client) -> None:
        """Where a client looks first."""
        (rest,) = (await client.get("/fhir/metadata")).json()["rest"]
        assert f"{create.MAX_ENTRIES} entries and 16 MiB" in rest["documentation"]
