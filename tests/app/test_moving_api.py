"""``/api/sharing/move``: leave, see what would stand for it, and post it oneself."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from app import demo
from app.main import application
from tests.app.test_sharing_api import UNIT, VC, Caller, allow, caller
from tests.world import World, pressure

HEART = demo.HEART_CLINIC


@pytest.fixture
async def http(world: World) -> AsyncIterator[AsyncTestClient[Litestar]]:
    """Serve the country, with Anna and one blood pressure in it."""
    await world.enter("anna")
    await world.add("anna", "anna", pressure("121", "81"))
    async with AsyncTestClient(application(world.valv), base_url="http://127.0.0.1") as served:
        yield served


async def shared(anna: Caller) -> str:
    """Let Anna share with the health centre while it is her contact; return the rule's id."""
    contact = {"grantee": UNIT, "role": "fast vårdkontakt"}
    assert (await anna("POST", "/api/contacts", contact)).status_code == 204
    terms: dict[str, Any] = {"while_related": True, "valid_to": "2027-01-31", "data_from": "2026-01-01"}
    return str((await anna("POST", "/api/consents", allow(**terms))).json()["id"])


async def test_leave_look_at_proposals_and_post_them(http: AsyncTestClient[Litestar]) -> None:
    """What is proposed is in the form in which it is posted; until then nobody new sees anything."""
    anna, nurse, doctor = [await caller(http, one) for one in ("anna", "nurse-vc", "doctor-hospital")]
    rule = await shared(anna)
    assert (await anna("GET", "/api/sharing/move")).json() == {
        "places": [
            {"grantee": {"kind": kind, "id": id_}, "consents": 1, "contacts": 1}
            for kind, id_ in (
                ("unit", VC),
                ("provider", demo.REGION_EXEMPEL_CARE),
                ("region", demo.REGION_EXEMPEL),
            )
        ],
        "left": [],
    }
    told = (await anna("POST", "/api/sharing/move/preview", {"from": UNIT})).json()
    assert (told["consents"], told["contacts"]) == ([rule], [UNIT])
    assert [(one["grantee"], one["gains"]) for one in told["changes"]] == [(f"unit:{VC}", {})]
    assert told["changes"][0]["loses"]["read"]["blood-pressure"]["lost"] == 1
    assert await nurse.sees(anna.patient) == 1
    assert (await anna("POST", "/api/sharing/move", {"from": UNIT})).status_code == 204
    assert (await nurse.sees(anna.patient), await doctor.sees(anna.patient)) == (-1, -1)
    (left,) = (await anna("GET", "/api/sharing/move")).json()["left"]
    assert left["grantee"] == UNIT
    path = f"/api/sharing/move/proposals?from=unit:{VC}&unit={HEART}"
    contact, consent = (await anna("GET", path)).json()["proposals"]
    assert await doctor.sees(anna.patient) == -1
    assert (await anna("POST", "/api/contacts", contact["contact"])).status_code == 204
    assert (await anna("POST", "/api/consents", consent["consent"])).status_code == 201
    assert await doctor.sees(anna.patient) == 1
    (made,) = (await anna("GET", "/api/consents")).json()
    kept = {name for name in made if made[name] != consent["was"][name]}
    assert kept == {"id", "grantee"}
    assert (await anna("GET", path)).json() == {"proposals": []}


async def test_what_has_no_equivalent_says_why(http: AsyncTestClient[Litestar]) -> None:
    """In a word of a closed list."""
    anna = await caller(http, "anna")
    await anna("POST", "/api/consents", allow(grantee={"kind": "person", "id": "SE2321009905-TESTP001"}))
    await anna("POST", "/api/sharing/move", {"from": UNIT})
    path = f"/api/sharing/move/proposals?from=unit:{VC}&unit={HEART}"
    (one,) = (await anna("GET", path)).json()["proposals"]
    assert (one["missing"], "consent" in one, "changes" in one) == ("person", False, False)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/api/sharing/move", {}, 400),
        ("POST", "/api/sharing/move", {"from": "unit"}, 400),
        ("POST", "/api/sharing/move", {"from": {"kind": "unit"}}, 400),
        ("POST", "/api/sharing/move", {"from": {"kind": 7, "id": VC}}, 400),
        ("POST", "/api/sharing/move", {"from": {"kind": "network", "id": ""}}, 400),
        ("POST", "/api/sharing/move", {"from": UNIT, "more": 1}, 400),
        ("POST", "/api/sharing/move", {"from": UNIT}, 404),
        ("POST", "/api/sharing/move/preview", {"from": UNIT}, 404),
        ("GET", "/api/sharing/move/proposals", None, 400),
        ("GET", f"/api/sharing/move/proposals?from=unit:{VC}&unit={HEART}", None, 404),
    ],
)
async def test_what_cannot_be_left_is_refused(
    http: AsyncTestClient[Litestar], method: str, path: str, body: Any, status: int
) -> None:
    """A clear answer, never a fault of ours."""
    anna = await caller(http, "anna")
    assert (await anna(method, path, body)).status_code == status


@pytest.mark.parametrize("persona", ["nurse-vc", "client-meter", "supervisor-region"])
async def test_moving_is_the_citizens_matter_alone(http: AsyncTestClient[Litestar], persona: str) -> None:
    """Nobody else is told of it."""
    other = await caller(http, persona)
    for method, path, body in (
        ("GET", "/api/sharing/move", None),
        ("POST", "/api/sharing/move/preview", {"from": UNIT}),
        ("POST", "/api/sharing/move", {"from": UNIT}),
        ("GET", f"/api/sharing/move/proposals?from=unit:{VC}&unit={HEART}", None),
    ):
        assert (await other(method, path, body)).status_code in {400, 403}, path
