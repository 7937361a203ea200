"""``/api/sharing/move``: what one can leave, what that does, leaving it, and what would stand for it at a new unit."""

from typing import Any

from litestar import Request, get, post
from litestar.datastructures import State
from litestar.params import JSONBody

from app.errors import BadRequestError
from app.security import principal, valv_of
from app.sharing_api import difference
from app.whose import alias_for
from consent.codec import rule_to_json, to_json
from consent.moving import Missing
from consent.parse import parse_grantee
from consent.rules import Contact, Grantee, Rule
from identity.principal import Principal
from sharing import moving, outlook
from sharing.house import House
from sharing.moving import Proposal

Call = Request[Any, Any, State]
_OURS = ("id", "author", "created", "lifts", "document", "helper", "confirmed")  # of a rule: not posted


@get("/sharing/move")
async def places(request: Call) -> dict[str, Any]:
    """What can be left, with how much hangs there, and what was left within 90 days."""
    house, who, alias = _mine(request)
    return {
        "places": [
            {"grantee": to_json(one.grantee), "consents": one.rules, "contacts": one.contacts}
            for one in await moving.places(house, who, alias)
        ],
        "left": [
            {"grantee": to_json(one.grantee), "at": one.at.isoformat()}
            for one in await moving.left_lately(house, who, alias)
        ],
    }


@post("/sharing/move/preview", status_code=200)
async def preview(request: Call, data: JSONBody[dict[str, Any]]) -> dict[str, Any]:
    """What leaving ``from`` would end (consents by id, contacts), and who would lose what by it; nothing is saved."""
    house, who, alias = _mine(request)
    place = _posted_place(data)
    hung = await moving.hanging(house, who, alias, place)
    found = await outlook.preview(house, who, alias, moving.to_leave(house, place))
    return {
        "consents": [one.id for one in hung.rules],
        "contacts": [to_json(one.grantee) for one in hung.contacts],
        "changes": [difference(one) for one in found],
    }


@post("/sharing/move", status_code=204)
async def leave(request: Call, data: JSONBody[dict[str, Any]]) -> None:
    """Leave ``from`` (a unit, provider, region or municipality): what hangs there ends, at once."""
    house, who, alias = _mine(request)
    await moving.leave(house, who, alias, _posted_place(data))


@get("/sharing/move/proposals")
async def proposals(request: Call) -> dict[str, Any]:
    """What would stand at ``unit`` for what hung on ``from`` (``<kind>:<id>``): post what you want of it yourself.

    ``consent`` goes to ``POST /api/consents``, ``contact`` to ``POST /api/contacts``; ``missing`` says why not.
    """
    house, who, alias = _mine(request)
    kind, _, identifier = request.query_params.get("from", "").partition(":")
    place, unit = parse_grantee(kind, identifier), request.query_params.get("unit", "")
    found = await moving.proposals(house, who, alias, place, unit)
    return {"proposals": [_proposal(one) for one in found]}


HANDLERS = (places, preview, leave, proposals)


def _proposal(one: Proposal) -> dict[str, Any]:
    told: dict[str, Any] = {"was": to_json(one.was)}
    match one.new:
        case Missing() as why:
            return {**told, "missing": why}
        case Rule() as rule:
            raw = rule_to_json(rule)
            told["consent"] = {name: raw[name] for name in raw if name not in _OURS}
        case Contact() as contact:
            told["contact"] = to_json(contact)
    return {**told, "changes": [difference(each) for each in one.changes]}


def _posted_place(data: dict[str, Any]) -> Grantee:
    given = data.get("from")
    if set(data) != {"from"} or not isinstance(given, dict) or set(given) != {"kind", "id"}:
        raise BadRequestError("from: an object with kind and id, and nothing else")
    return parse_grantee(given["kind"], given["id"])


def _mine(request: Call) -> tuple[House, Principal, bytes]:
    who = principal(request)
    return valv_of(request).house, who, alias_for(who, None)
