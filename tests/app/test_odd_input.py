"""Whatever is sent, the fault is named as the sender's, and what is stored is about whom it names."""

import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from app import demo, uploads
from app.errors import reported
from app.main import application
from tests.world import World

Client = AsyncTestClient[Litestar]
LONG = "9" * 5000
DEEP = "[" * 100_000 + "]" * 100_000
STRANGER = "0" * 32


@pytest.fixture
async def client(world: World) -> AsyncIterator[Client]:
    """Serve the country over HTTP, with Anna in it."""
    await world.enter("anna")
    async with AsyncTestClient(application(world.valv), base_url="http://127.0.0.1") as served:
        yield served


async def bearer(client: Client, persona: str) -> dict[str, str]:
    """Return the header of a persona's token."""
    token = (await client.post("/demo/token", json={"persona": persona})).json()["access_token"]
    return {"Authorization": f"Bearer {token}"}


def observation(about: str | None, **fields: Any) -> dict[str, Any]:
    """Return a body weight about somebody."""
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
        "effectiveDateTime": "2026-01-01T08:00:00Z",
        "valueQuantity": {"value": 70, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"},
        **({} if about is None else {"subject": {"reference": about}}),
        **fields,
    }


def bundle(kind: str, *resources: dict[str, Any]) -> dict[str, Any]:
    """Return a Bundle that posts resources."""
    entries = [{"request": {"method": "POST"}, "resource": one} for one in resources]
    return {"resourceType": "Bundle", "type": kind, "entry": entries}


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("date=ge0001-01-01", 200),
        ("date=le9999-12-31", 200),
        ("date=0001-01-01", 200),
        ("date=9999-12-31", 200),
        ("date=ge2000-01-01&date=le9999-12-31", 200),
        ("date=gt9999-12-31", 400),
        ("date=lt0001-01-01", 400),
        (f"_count={LONG}", 400),
        (f"_offset={LONG}", 400),
        ("_count=-1", 400),
    ],
)
async def test_search_refuses_what_is_beyond_the_calendar_or_any_number(
    client: Client, query: str, status: int
) -> None:
    """Both were errors of ours."""
    answer = await client.get(f"/fhir/Observation?{query}", headers=await bearer(client, "anna"))
    assert answer.status_code == status


async def test_moment_is_searched_by_its_whole_day(client: Client) -> None:
    """Who asks for what came after ten must not miss what came at noon."""
    headers = await bearer(client, "anna")
    noon = observation(None, effectiveDateTime="2026-01-01T12:00:00Z")
    await client.post("/fhir/Observation", json=noon, headers=headers)
    for query in ("gt2026-01-01T10:00:00Z", "lt2026-01-01T14:00:00Z", "ge2026-01-01T10:00:00Z"):
        found = await client.get(f"/fhir/Observation?date={query}", headers=headers)
        assert found.json()["total"] == 1
    for query in ("gt2026-01-01", "lt2026-01-01"):
        assert (await client.get(f"/fhir/Observation?date={query}", headers=headers)).json()["total"] == 0


@pytest.mark.parametrize("path", ["/api/accesses", "/api/reviews"])
@pytest.mark.parametrize("before", [LONG, "9" * 19, "-1", "x"])
async def test_place_in_the_log_is_a_number_that_can_be(client: Client, path: str, before: str) -> None:
    """Beyond 64 bits the database cannot even be asked."""
    headers = await bearer(client, "anna" if path == "/api/accesses" else "supervisor-region")
    assert (await client.get(f"{path}?before={before}", headers=headers)).status_code == 400


@pytest.mark.parametrize("path", ["/api/consents", "/api/consents/preview"])
@pytest.mark.parametrize(
    "times",
    [
        {"valid_from": "0001-01-01"},
        {"valid_from": "0001-01-01T00:00:00+14:00"},
        {"valid_to": "9999-12-31T23:59:59-14:00"},
        {"valid_to": "9999-12-31"},
    ],
)
async def test_rule_beyond_the_calendar_is_refused(client: Client, path: str, times: dict[str, str]) -> None:
    """In UTC there is no such moment, so the rule could not be sealed."""
    rule = {
        "effect": "allow",
        "grantee": {"kind": "unit", "id": demo.HEALTH_CENTRE},
        "actions": ["read"],
        "categories": ["body-weight"],
    }
    answer = await client.post(path, json=rule | times, headers=await bearer(client, "anna"))
    assert answer.status_code == 400
    assert next(iter(times)) in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/api/imports/{}", "/api/accesses/{}/receipt"])
@pytest.mark.parametrize("wrong", ["ab", "ab" * 3000, "zz", "%20" * 16])
async def test_id_of_another_form_is_nothing(client: Client, path: str, wrong: str) -> None:
    """And never stands in the log at any length."""
    answer = await client.get(path.format(wrong), headers=await bearer(client, "anna"))
    assert answer.status_code == 404


@pytest.mark.parametrize("path", ["/api/consents", "/api/access-requests", "/demo/token", "/fhir"])
async def test_body_nested_too_deeply_is_the_senders_fault(client: Client, path: str) -> None:
    """The parser gives up; it is not an error of ours."""
    headers = {**await bearer(client, "anna"), "Content-Type": "application/json"}
    assert (await client.post(path, content=DEEP, headers=headers)).status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        {"resourceType": "Bundle", "type": ["x"]},
        {"resourceType": "Bundle", "type": {"a": 1}},
        {"resourceType": ["Bundle"], "type": "batch"},
        bundle("transaction", bundle("collection", observation(None))),
    ],
)
async def test_odd_bundle_is_the_senders_fault(client: Client, body: dict[str, Any]) -> None:
    """Types that are no text were an error of ours; a Bundle in a Bundle has subjects that nobody checked."""
    answer = await client.post("/fhir", json=body, headers=await bearer(client, "anna"))
    assert answer.status_code == 400


async def test_batch_entry_that_is_no_text_is_the_senders_fault(client: Client) -> None:
    """Half a surrogate pair is not text."""
    body = json.dumps(bundle("batch", observation(None, note=[{"text": "\ud800"}]), observation(None)))
    answer = await client.post("/fhir", content=body, headers=await bearer(client, "anna"))
    assert [entry["response"]["status"][:3] for entry in answer.json()["entry"]] == ["400", "201"]


@pytest.mark.parametrize(
    "other",
    ["urn:uuid:6f9619ff-8b86-d011-b42d-00c04fc964ff", "Patient/somebody-else", f"Patient/{STRANGER}", ""],
)
async def test_transaction_about_two_people_is_refused(client: Client, world: World, other: str) -> None:
    """What is about somebody we do not know by that name must not end up with who stands beside."""
    await world.allow("anna", "client", "client-meter", "body-weight", actions=["add"])  # type: ignore[arg-type]
    headers, anna = await bearer(client, "client-meter"), f"Patient/{world.alias('anna').hex()}"
    body = bundle("transaction", observation(anna), observation(other))
    assert (await client.post("/fhir", json=body, headers=headers)).status_code == 400
    both = bundle("transaction", observation(anna), observation(anna, status="amended"))
    assert (await client.post("/fhir", json=both, headers=headers)).status_code == 200


async def test_bundle_is_posted_to_the_root_alone(client: Client) -> None:
    """As one resource of the kind Bundle it would be many, of which one is answered for."""
    body = bundle("collection", observation(None), observation(None, status="amended"))
    answer = await client.post("/fhir/Bundle", json=body, headers=await bearer(client, "anna"))
    assert answer.status_code == 400


async def test_next_page_of_a_posted_search_is_of_the_same_search(client: Client) -> None:
    """The link forgot what was asked in the form: for staff it led nowhere, for a citizen to everything."""
    headers = await bearer(client, "anna")
    for minute in range(3):
        at = f"2026-01-01T08:0{minute}:00Z"
        await client.post("/fhir/Observation", json=observation(None, effectiveDateTime=at), headers=headers)
    later = observation(None, effectiveDateTime="2026-02-01T08:00:00Z")
    await client.post("/fhir/Observation", json=later, headers=headers)
    form = {"date": "le2026-01-31", "_count": "2"}
    first = (await client.post("/fhir/Observation/_search", data=form, headers=headers)).json()
    assert first["total"] == 3
    (link,) = first["link"]
    second = (await client.get(link["url"], headers=headers)).json()
    assert (second["total"], len(second["entry"])) == (3, 1)


async def test_imports_of_one_vault_do_not_fill_the_disk(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each waits on disk at its full size."""
    monkeypatch.setattr(uploads, "WAITING_AT_ONCE", 2)
    monkeypatch.setattr(type(world.valv.intake), "_claim", lambda *_: None)
    headers, file = await bearer(client, "anna"), {"file": ("a.json", b"{}")}
    answers = [await client.post("/api/imports", files=file, headers=headers) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert "Retry-After" in answers[2].headers
    assert len(list(world.valv.settings.uploads.iterdir())) == 2


def test_operators_log_quotes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """What Python says of a value quotes the value; where it went wrong is enough."""
    number = "197503259280x"
    with caplog.at_level(logging.ERROR):
        try:
            int(number)
        except ValueError as error:
            problem = reported(error)
    assert problem.status == 500
    assert problem.reference in caplog.text
    assert "ValueError" in caplog.text
    assert "test_odd_input.py" in caplog.text
    assert number not in caplog.text
