"""What a citizen can prove: receipts that anybody verifies, versions, past decisions, who could see what, over HTTP."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from jose import jws
from jose.exceptions import JWSError
from litestar import Litestar
from litestar.testing import AsyncTestClient

from app import demo
from app.main import application
from policies.vocabulary import Category
from tests.app.test_odd_input import bearer
from tests.world import World, pressure

BP, VC = Category.BLOOD_PRESSURE, demo.HEALTH_CENTRE
Client = AsyncTestClient[Litestar]


@pytest.fixture
async def client(world: World) -> AsyncIterator[Client]:
    """Serve the country over HTTP, with Anna and Bo in it."""
    await world.enter("anna", "bo")
    await world.add("anna", "anna", pressure("121", "81"))
    async with AsyncTestClient(application(world.valv), base_url="http://127.0.0.1") as served:
        yield served


async def get(client: Client, path: str, *, by: str = "anna") -> httpx.Response:
    """Ask as somebody."""
    return await client.get(path, headers=await bearer(client, by))


async def receipt(client: Client, rule: str) -> tuple[str, dict[str, Any]]:
    """Return a receipt as it came, and what it says after a check that knows of nothing but the published key."""
    signed = await get(client, f"/api/consents/{rule}/receipt")
    assert (signed.status_code, signed.headers["content-type"].partition(";")[0]) == (200, "application/jose")
    key = (await client.get("/api/consents/receipt-key")).json()
    told: dict[str, Any] = json.loads(jws.verify(signed.text, key, algorithms=["ES256"]))
    return signed.text, told


class TestReceipts:
    """Each rule has one, signed, which lives as long as the log."""

    async def test_receipt_verifies_by_the_published_key(self, world: World, client: Client) -> None:
        """By a plain call of another program's, with the key that anybody may have."""
        rule = await world.allow("anna", "unit", VC, BP, purposes=["TREAT"])
        signed, told = await receipt(client, rule)
        header = json.loads(urlsafe_b64decode(signed.partition(".")[0] + "=="))
        key = (await client.get("/api/consents/receipt-key")).json()
        assert header == {"alg": "ES256", "typ": "consent-receipt+json", "kid": key["kid"]}
        assert "d" not in key
        anna = world.alias("anna").hex()
        assert (told["record"]["record_id"], told["record"]["pii_principal_id"]) == (rule, anna)
        (purpose,) = told["pii_processing"]["purposes"]
        assert (purpose["purpose"], purpose["lawful_basis"]) == ("TREAT", "consent")
        assert [one["pii_type"] for one in purpose["pii_information"]] == [BP]
        parties = [(one["party_role"], one["party_name"]) for one in told["party_identification"]]
        name = world.house.directory().node_name(f"unit:{VC}")
        assert parties == [("PII controller", demo.CONTROLLER), ("recipient", name)]
        (given,) = told["event"]
        assert (given["event_state"], given["entity_id"], given["rules_version"]) == ("given", anna, 2)
        assert told["rule"]["id"] == rule
        assert "19750325" not in json.dumps(told)

    async def test_any_changed_byte_is_refused(self, world: World, client: Client) -> None:
        """Of the header, the content and the signature."""
        signed, _ = await receipt(client, await world.allow("anna", "unit", VC, BP))
        key = (await client.get("/api/consents/receipt-key")).json()
        header, body, signature = (bytearray(urlsafe_b64decode(part + "==")) for part in signed.split("."))
        parts = [header, body, signature]
        for part in parts:
            for at in range(0, len(part), 7):
                part[at] ^= 1
                changed = ".".join(urlsafe_b64encode(one).rstrip(b"=").decode() for one in parts)
                part[at] ^= 1
                with pytest.raises(JWSError):
                    jws.verify(changed, key, algorithms=["ES256"])

    async def test_receipt_of_a_revoked_rule_shows_the_revocation(self, world: World, client: Client) -> None:
        """Versions are kept, so what was proven once can be proven for good."""
        rule = await world.allow("anna", "unit", VC, BP)
        world.clock.move(hours=1)
        await world.revoke("anna", rule)
        _, told = await receipt(client, rule)
        states = [(one["event_state"], one["rules_version"]) for one in told["event"]]
        assert states == [("given", 2), ("withdrawn", 3)]
        assert told["event"][1]["event_time"] == world.clock().isoformat()

    async def test_block_is_a_refusal_and_time_an_end(self, world: World, client: Client) -> None:
        """What became of each is told in its own word."""
        blocked = await world.block("anna", "network", "", BP)
        until = (world.clock()).date().isoformat()
        allowed = await world.allow("anna", "unit", VC, BP, valid_to=until)
        world.clock.move(days=1)
        assert [one["event_state"] for one in (await receipt(client, blocked))[1]["event"]] == ["refused"]
        assert [one["event_state"] for one in (await receipt(client, allowed))[1]["event"]] == [
            "given",
            "expired",
        ]

    async def test_nobody_elses_receipt(self, world: World, client: Client) -> None:
        """Neither another citizen's nor one that never was."""
        rule = await world.allow("anna", "unit", VC, BP)
        assert (await get(client, f"/api/consents/{rule}/receipt", by="bo")).status_code == 404
        assert (await get(client, f"/api/consents/{'0' * 32}/receipt")).status_code == 404
        assert (await get(client, f"/api/consents/{rule}/receipt", by="nurse-vc")).status_code == 400
        assert (await client.get(f"/api/consents/{rule}/receipt")).status_code == 401

    async def test_another_process_signs_by_the_same_key(self, world: World) -> None:
        """The KeyStore made it once."""
        assert world.another_process().receipts.jwk == world.valv.receipts.jwk


class TestHistory:
    """Versions, days and decisions."""

    async def test_versions_are_listed(self, world: World, client: Client) -> None:
        """With what each changed."""
        rule = await world.allow("anna", "unit", VC, BP)
        await world.revoke("anna", rule)
        found = (await get(client, "/api/consents/history")).json()
        assert [one["version"] for one in found] == [3, 2, 1]
        assert (found[0]["removed"], found[1]["added"]) == ([rule], [rule])
        assert found[0]["since"] == world.clock().isoformat()

    async def test_who_could_see_on_a_day(self, world: World, client: Client) -> None:
        """And by which rule."""
        rule = await world.allow("anna", "unit", VC, BP)
        day = world.clock().date().isoformat()
        world.clock.move(days=1)
        await world.revoke("anna", rule)
        found = (await get(client, f"/api/consents/at?day={day}&category={BP}")).json()
        (one,) = found["could"]
        assert (one["grantee"], one["could"], one["rules"], one["blocks"]) == (f"unit:{VC}", True, [rule], [])
        assert one["people"] > 0
        (time,) = one["times"]
        assert time["from"] == (world.clock() - timedelta(days=1)).isoformat()
        assert (time["to"][11:16], time["could"], time["rules"]) == ("00:00", True, [rule])

    async def test_what_became_of_one_rule(self, world: World, client: Client) -> None:
        """The rule as each version had it, the newest first; nobody else's."""
        rule = await world.allow("anna", "unit", VC, BP)
        await world.allow("anna", "unit", VC, BP)
        await world.revoke("anna", rule)
        ended, made = (await get(client, f"/api/consents/{rule}/history")).json()
        assert (ended["version"], ended["rule"]) == (4, None)
        assert (made["version"], made["rule"]["id"], made["since"]) == (2, rule, world.clock().isoformat())
        assert (await get(client, f"/api/consents/{'0' * 32}/history")).status_code == 404
        assert (await get(client, f"/api/consents/{rule}/history", by="bo")).status_code == 404

    @pytest.mark.parametrize(
        "query", ["", "day=2026-03-02", "day=2026-02-30&category=blood-pressure", "day=2026-03-02&category=x"]
    )
    async def test_odd_questions_are_refused_in_words(self, client: Client, query: str) -> None:
        """The text names the parameter."""
        answer = await get(client, f"/api/consents/at?{query}")
        assert answer.status_code == 400
        assert answer.json()["detail"].startswith(("day: ", "category: "))

    async def test_access_is_decided_again(self, world: World, client: Client) -> None:
        """As it was, long after the rule is gone."""
        rule = await world.allow("anna", "unit", VC, BP)
        await world.read("nurse-vc", "anna", BP)
        await world.revoke("anna", rule)
        world.seal_log()
        log = (await get(client, "/api/accesses")).json()
        read = next(one for one in log if one["kind"] == "read" and one["actor"]["kind"] == "staff")
        told = (await get(client, f"/api/accesses/{read['id']}/decision")).json()
        assert (told["agrees"], told["rules_version"], told["again"]["decision"]) == (True, 2, "permit")
        assert [one["id"] for one in told["rules"]] == [rule]
        grant = next(one for one in log if one["kind"] == "grant")
        other = (await get(client, f"/api/accesses/{grant['id']}/decision")).json()
        assert (other["unknown"], "again" in other) == ("other-matter", False)
        assert (await get(client, f"/api/accesses/{read['id']}/decision", by="bo")).status_code == 404
        assert (await get(client, "/api/accesses/x/decision")).status_code == 404
