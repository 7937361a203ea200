"""``/api/sharing``, ``/api/contacts``, ``/api/emergency``, and what may be done to one consent."""

from dataclasses import replace
from typing import Any

import msgspec
from litestar import Request, delete, get, post, put
from litestar.datastructures import State
from litestar.params import FromPath, JSONBody

from app.errors import BadRequestError, NotFoundError
from app.security import demand_fresh, principal, valv_of
from app.whose import alias_for, own_alias, parse_category, parse_patient
from consent.codec import to_json
from consent.gate import NextStep, Refused
from consent.parse import parse_contact, parse_grantee, parse_lift, parse_rule
from consent.rules import Rule
from identity.principal import Citizen, Principal, Proxy, Staff
from sharing import asking, compacting, emergency, granting, openings, outlook, reading
from sharing.granting import Wish
from sharing.house import House
from sharing.openings import Told
from sharing.outlook import Count, Difference, Seer
from vault.record import Record, parse_record_id

Call = Request[Any, Any, State]


class EmergencyReason(msgspec.Struct, forbid_unknown_fields=True):
    """Whose vault staff open in an emergency, and why."""

    patient: str
    reason: str


# --- all sharing


@get("/sharing")
async def sharing(request: Call) -> dict[str, Any]:
    """How sharing stands: since when it is paused, contacts, a no to emergencies, locks that wait to be re-sealed."""
    house, who, alias = _mine(request)
    rules = await granting.rules_of(house, who, alias)
    return {
        "paused": to_json(rules.paused),
        "contacts": to_json(rules.contacts),
        "no_emergency": bool(openings.refusals(rules, house.clock())),
        "resealing": await compacting.waiting(house, alias),
    }


@post("/sharing/pause", status_code=204)
async def pause(request: Call) -> None:
    """Pause all sharing: nobody else sees or adds anything until it is taken up again."""
    house, who, alias = _mine(request)
    await granting.carry_out(house, who, alias, granting.to_pause(house.clock()))


@delete("/sharing/pause", status_code=204)
async def resume(request: Call) -> None:
    """Take sharing up again as it was; needs an authentication under five minutes old."""
    demand_fresh(request)
    house, who, alias = _mine(request)
    await granting.carry_out(house, who, alias, granting.to_pause(None))


@get("/sharing/seers")
async def seers(request: Call) -> dict[str, Any]:
    """Who can see (or add to) the category or the record that is named, and by which rules."""
    house, who, alias = _mine(request)
    category, record = request.query_params.get("category", ""), request.query_params.get("record", "")
    if record:
        found = await _record(house, who, alias, record)
        seen = await outlook.who_sees(house, who, alias, found.category, record=found)
    else:
        seen = await outlook.who_sees(house, who, alias, parse_category(category))
    return {"seers": [_seer(one) for one in seen]}


@delete("/sharing/plans/{plan_id:str}", status_code=204)
async def close_plan(request: Call, plan_id: FromPath[str]) -> None:
    """Say that a plan (a record's id) is closed: what was shared until then ends."""
    house, who, alias = _mine(request)
    await granting.carry_out(house, who, alias, granting.to_close(plan_id))


# --- contacts


@post("/contacts", status_code=204)
async def list_contact(request: Call, data: JSONBody[dict[str, Any]]) -> None:
    """List a unit, a provider or a person of staff as a contact; needs an authentication under five minutes old."""
    demand_fresh(request)
    house, who, alias = _mine(request)
    contact = parse_contact(data, at=house.clock())
    await granting.carry_out(house, who, alias, granting.to_list(contact))


@delete("/contacts/{kind:str}/{contact_id:str}", status_code=204)
async def strike_contact(request: Call, kind: FromPath[str], contact_id: FromPath[str]) -> None:
    """Strike a contact: what was shared while they were one ends."""
    house, who, alias = _mine(request)
    await granting.carry_out(house, who, alias, granting.to_unlist(parse_grantee(kind, contact_id)))


# --- one consent


@put("/consents/{rule_id:str}", status_code=204)
async def change(request: Call, rule_id: FromPath[str], data: JSONBody[dict[str, Any]]) -> None:
    """Change a rule into what is put; needs an authentication under five minutes old."""
    demand_fresh(request)
    house, who, alias = _mine(request)
    await granting.carry_out(house, who, alias, await _changed(house, who, alias, rule_id, data))


@post("/consents/{rule_id:str}/preview", status_code=200)
async def preview(request: Call, rule_id: FromPath[str], data: JSONBody[dict[str, Any]]) -> dict[str, Any]:
    """What changing a rule into what is posted would do; with ``{}``, what ending it would."""
    house, who, alias = _mine(request)
    if data:
        wish = await _changed(house, who, alias, rule_id, data)
    else:
        wish = granting.to_revoke(await granting.find_rule(house, who, alias, rule_id))
    found = await outlook.preview(house, who, alias, wish)
    return {"changes": [difference(one) for one in found]}


@post("/consents/{rule_id:str}/lift", status_code=204)
async def lift(request: Call, rule_id: FromPath[str], data: JSONBody[dict[str, Any]]) -> None:
    """Lay a block aside for a time, for all or for one; needs an authentication under five minutes old."""
    demand_fresh(request)
    house, who, alias = _mine(request)
    rule = await granting.find_rule(house, who, alias, rule_id)
    wish = granting.to_lift(rule, parse_lift(data), house.clock())
    await granting.carry_out(house, who, alias, wish)


@post("/consents/{rule_id:str}/lift/preview", status_code=200)
async def preview_lift(
    request: Call, rule_id: FromPath[str], data: JSONBody[dict[str, Any]]
) -> dict[str, Any]:
    """What laying a block aside would do; with ``{}``, what putting it back would."""
    house, who, alias = _mine(request)
    rule = await granting.find_rule(house, who, alias, rule_id)
    wish = granting.to_lift(rule, parse_lift(data) if data else None, house.clock())
    found = await outlook.preview(house, who, alias, wish)
    return {"changes": [difference(one) for one in found]}


@delete("/consents/{rule_id:str}/lift", status_code=204)
async def put_back(request: Call, rule_id: FromPath[str]) -> None:
    """Put a block back that was laid aside."""
    house, who, alias = _mine(request)
    rule = await granting.find_rule(house, who, alias, rule_id)
    await granting.carry_out(house, who, alias, granting.to_lift(rule, None, house.clock()))


# --- emergency access


@post("/emergency", status_code=201)
async def open_in_emergency(request: Call, data: JSONBody[EmergencyReason]) -> dict[str, Any]:
    """Open a vault in an emergency; then read it with ``Purpose-Of-Use: BTG``. The reply is the same for anyone's."""
    house, who = valv_of(request).house, principal(request)
    if not isinstance(who, Staff):
        raise Refused(NextStep.NOTHING)
    made = await emergency.open_vault(house, who, parse_patient(data.patient), data.reason)
    told: dict[str, Any] = {
        "id": made.opening.id,
        "at": made.opening.at.isoformat(),
        "until": made.ends.isoformat(),
    }
    if made.blocked is not None:
        told["blocked"] = [{"provider": one.provider, "name": one.name} for one in made.blocked]
    return told


@get("/emergency")
async def emergencies(request: Call) -> list[dict[str, Any]]:
    """Who opened the citizen's vault in an emergency, why, and the log entries of what they read, newest first.

    An opening is named without its reason where only the log still tells of it.
    """
    house, who, alias = _mine(request)
    return [_opening(one) for one in (await openings.told(house, who, alias)).openings]


@post("/sharing/no-emergency", status_code=204)
async def say_no_to_emergency(request: Call) -> None:
    """Say no in advance to emergency access to anything; needs an authentication under five minutes old."""
    demand_fresh(request)
    house, who, alias = _person(request)
    await openings.say_no(house, who, alias)


@delete("/sharing/no-emergency", status_code=204)
async def take_back_no_to_emergency(request: Call) -> None:
    """Take that no back; needs an authentication under five minutes old."""
    demand_fresh(request)
    house, who, alias = _person(request)
    await openings.take_back(house, who, alias)


HANDLERS = (
    open_in_emergency,
    emergencies,
    say_no_to_emergency,
    take_back_no_to_emergency,
    sharing,
    pause,
    resume,
    close_plan,
    seers,
    list_contact,
    strike_contact,
    change,
    preview,
    lift,
    preview_lift,
    put_back,
)


def posted_rule(who: Principal, data: dict[str, Any], house: House) -> Rule:
    """Return the rule that a person posted, under a new id.

    Raises:
        RuleError: it says what is wrong.
        Refused: only a person makes a rule.
    """
    if own_alias(who) is None:
        raise Refused(NextStep.NOTHING)
    author = asking.principal_alias(who)
    return parse_rule(data, id=granting.new_rule_id(), author=author, created=house.clock())


def difference(one: Difference) -> dict[str, Any]:
    """Return what a change does to people of one unit, as JSON."""
    kept = {"gains": one.gains, "loses": one.loses}
    return {"grantee": one.node, "name": one.name, "people": one.people} | {
        name: {
            action: {step.category: _counted(step.count) for step in steps if step.action is action}
            for action in dict.fromkeys(step.action for step in steps)
        }
        for name, steps in kept.items()
    }


def _counted(count: Count | None) -> dict[str, int] | None:
    return None if count is None else count._asdict()


async def _changed(house: House, who: Principal, alias: bytes, rule_id: str, data: dict[str, Any]) -> Wish:
    """Return the wish to change one rule into another, of the same effect, that keeps its id."""
    old, new = await granting.find_rule(house, who, alias, rule_id), posted_rule(who, data, house)
    if old.effect is not new.effect:
        raise BadRequestError(
            "effect: an allow and a block do not turn into each other; end it and make a new one"
        )
    return granting.to_grant(replace(new, id=old.id), instead_of=old)


async def _record(house: House, who: Principal, alias: bytes, record_id: str) -> Record:
    told = parse_record_id(record_id)
    if told is None:
        raise BadRequestError("record: not a record's id")
    category, month, mark = told
    found = await reading.find(house, who, alias, reading.Query((category,), month=month), mark)
    if found is None:
        raise NotFoundError
    return found


def _seer(one: Seer) -> dict[str, Any]:
    return {
        "grantee": one.node,
        "name": one.name,
        "people": one.people,
        "action": one.action,
        "rules": list(one.rules),
    }


def _mine(request: Call) -> tuple[House, Principal, bytes]:
    who = principal(request)
    return valv_of(request).house, who, alias_for(who, None)


def _person(request: Call) -> tuple[House, Citizen | Proxy, bytes]:
    house, who, alias = _mine(request)
    if not isinstance(who, Citizen | Proxy):
        raise Refused(NextStep.NOTHING)
    return house, who, alias


def _opening(one: Told) -> dict[str, Any]:
    opening, actor = one.opening, None if one.made is None else one.made.actor
    said: dict[str, Any] = {"id": one.id, "at": one.at.isoformat()}
    if opening is not None:
        said |= {
            "reason": opening.reason,
            "staff": {"id": opening.staff_id, "name": opening.staff_name, "title": opening.staff_title},
            "unit": {"id": opening.unit_id, "name": opening.unit_name},
            "provider": {"name": opening.provider_name},
        }
    elif actor is not None:
        said |= {
            "staff": {"id": actor.id, "name": actor.name, "title": actor.title},
            "unit": {"id": actor.unit_id, "name": actor.unit_name},
            "provider": {"name": actor.provider_name},
        }
    return said | {"accesses": [read.id.hex() for read in one.reads]}
