"""The handlers under ``/api`` and ``/demo``: what FHIR does not name. Names as in the product's public surface."""

import asyncio
from functools import partial
from typing import Any

import msgspec
from litestar import Request, Response, Router, delete, get, post
from litestar.datastructures import State
from litestar.params import FromPath, JSONBody
from litestar.response import Stream

from app import demo, proofs, seeing_api, uploads
from app.errors import BadRequestError, NotFoundError
from app.fhir import whole
from app.fhir.bundle import form
from app.login import enter
from app.mandates_api import HANDLERS as MANDATES
from app.moving_api import HANDLERS as MOVING
from app.paper_api import HANDLERS as PAPER
from app.security import Access, demand_fresh, principal, valv_of
from app.sharing_api import HANDLERS as SHARING
from app.sharing_api import difference, posted_rule
from app.web.receipt_pages import period_of
from app.whose import alias_for, own_alias, parse_id, parse_patient
from app.wiring import Valv
from audit import review
from audit.events import EventKind
from audit.review import Unreadable
from consent.codec import rule_to_json
from consent.gate import NextStep, Refused
from identity import bearer
from identity.branch import CommissionError, PendingStaff
from identity.principal import Citizen, Client, Commission, Principal, Proxy, Relation, Staff, System
from importers import intake
from importers.tables import UNDER_WAY, ImportRow
from policies.vocabulary import Action, Category, Purpose
from sharing import accesses, asking, granting, importing, mandates, outlook
from sharing.asking import AccessRequest
from sharing.reading import Query
from vault.lines import Lines
from vault.resource import to_fhir

Call = Request[Any, Any, State]
_LONGEST_PLACE = 18  # digits: what a place in the log can be


class TokenRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Which made-up persona to be, on which commission, or for whom (and, by mandate, as what)."""

    persona: str
    commission: str | None = None
    acting_for: str | None = None
    relation: Relation | None = None


class Token(msgspec.Struct):
    """A bearer token; ``expires_in`` in seconds."""

    access_token: str
    token_type: str
    expires_in: int


class AccessWish(msgspec.Struct, forbid_unknown_fields=True):
    """What staff ask a citizen for."""

    patient: str
    categories: list[Category]
    actions: list[Action] = msgspec.field(default_factory=lambda: [Action.READ])
    purpose: Purpose = Purpose.CARE


class Answer(msgspec.Struct, forbid_unknown_fields=True):
    """A citizen's answer to a request: accept, as asked or narrowed by the terms of a rule, or decline."""

    answer: str
    terms: dict[str, Any] = msgspec.field(default_factory=dict)


@get("/personas", opt={"access": Access.DEMO}, sync_to_thread=False)
def personas() -> list[dict[str, str]]:
    """The demo's made-up personas."""
    return [
        {"id": one.id, "kind": one.kind, "name": one.name, "identifier": one.identifier}
        for one in demo.PERSONAS
    ]


@post("/token", opt={"access": Access.DEMO}, status_code=200)
async def token(request: Call, data: JSONBody[TokenRequest]) -> Token:
    """A bearer token for a made-up persona."""
    valv = valv_of(request)
    try:
        found = await _acting(valv, data) or demo.principal_of(
            data.persona,
            directory=valv.house.directory(),
            keystore=valv.house.keystore,
            commission=data.commission,
            acting_for=data.acting_for,
        )
    except (demo.DemoError, CommissionError) as error:
        raise BadRequestError(str(error)) from None
    match found:
        case PendingStaff(member):
            choices = ", ".join(one.id for one in member.commissions)
            raise BadRequestError(f"commission: choose one of {choices}")
        case _:
            await enter(valv, found)
    access = bearer.issue(valv.issuer, valv.house.keystore, found, at=valv.house.clock())
    return Token(access, "Bearer", int(bearer.LIFETIME.total_seconds()))


async def _acting(valv: Valv, data: TokenRequest) -> Proxy | None:
    """Return a persona as proxy by mandate of another, where they are one; a guardian is the register's matter."""
    if data.acting_for is None or data.commission is not None:
        return None
    keystore = valv.house.keystore
    who = demo.principal_of(data.persona, directory=valv.house.directory(), keystore=keystore)
    if not isinstance(who, Citizen):
        return None
    alias = keystore.alias(demo.persona(data.acting_for).identifier)
    for ward in await mandates.wards_of(valv.house, who.person):
        if ward.person.alias == alias and data.relation in {None, ward.relation}:
            return Proxy(who.person, ward.person, ward.relation)
    return None


@get("/me", sync_to_thread=False)
def me(request: Call) -> dict[str, Any]:
    """Who the caller is: a citizen's patient id, staff's commission."""
    who = principal(request)
    told: dict[str, Any] = {"kind": type(who).__name__.lower(), "name": _name(who)}
    own = own_alias(who)
    if own is not None:
        told["patient"] = own.hex()
    if isinstance(who, Staff):
        told["commission"] = _commission(who.commission)
        told["kind"] = "supervisor" if who.is_supervisor else "staff"
    return told


# --- how imports go


@post("/imports", status_code=202, request_max_body_size=None)
async def start_import(request: Call) -> Response[dict[str, Any]]:
    """Take a file (multipart field ``file``) and import it; ``?rehearse=true`` reads it and stores nothing."""
    who = principal(request)
    rehearse = request.query_params.get("rehearse", "").lower() in {"1", "true"}
    alias = alias_for(who, None)
    import_id = await uploads.receive(request, who, alias, check=lambda _: None, rehearse=rehearse)
    headers = {"Location": f"/api/imports/{import_id.hex()}"}
    return Response({"id": import_id.hex(), "state": "queued"}, status_code=202, headers=headers)


@get("/imports")
async def list_imports(request: Call) -> list[dict[str, Any]]:
    """The citizen's imports, newest first."""
    valv, who = valv_of(request), principal(request)
    vault_state = await importing.manage(valv.house, who, alias_for(who, None))
    rows = await valv.house.database.read(lambda reader: intake.of_vault(reader, vault_state.vault))
    return [{"id": row.import_id.hex(), **_import(row)} for row in rows]


@get("/imports/{import_id:str}")
async def show_import(request: Call, import_id: FromPath[str]) -> dict[str, Any]:
    """How an import goes, and which rows were rejected, where and why."""
    valv, who = valv_of(request), principal(request)
    alias, identifier = alias_for(who, None), parse_id(import_id)
    row = await find_import(valv, who, alias, identifier)
    told, is_over = _import(row), row.state not in UNDER_WAY
    rejected = (
        await importing.rejections(valv.house, who, alias, identifier) if row.rejected and is_over else ()
    )
    told["rejections"] = [{"where": one.where, "reason": one.reason} for one in rejected]
    return told


@delete("/imports/{import_id:str}", status_code=204)
async def undo_import(request: Call, import_id: FromPath[str]) -> None:
    """End an import if it runs, and remove what it brought and no other import did."""
    valv, who = valv_of(request), principal(request)
    await undo(valv, who, alias_for(who, None), parse_id(import_id))


async def find_import(valv: Valv, who: Principal, alias: bytes, import_id: bytes) -> ImportRow:
    """Return an import; pages and machines do the same. Looks at one that is under way are not logged, but refusals.

    Raises:
        NotFoundError: there is none of that id in this vault.
    """
    house = valv.house
    vault = await importing.follow(house, who, alias)
    row = await house.database.read(lambda reader: intake.find(reader, vault, import_id))
    if row is None or row.state not in UNDER_WAY:
        await importing.manage(house, who, alias)
    if row is None:
        raise NotFoundError
    return row


async def undo(valv: Valv, who: Principal, alias: bytes, import_id: bytes) -> None:
    """Cancel and undo an import; pages and machines do the same.

    Raises:
        NotFoundError: there is none of that id in this vault.
    """
    row = await find_import(valv, who, alias, import_id)
    at, house = valv.house.clock(), valv.house
    await house.database.write(lambda writer: intake.cancel(writer, row.vault_id, import_id, at=at))
    await importing.undo(
        house,
        who,
        alias,
        import_id,
        claims=lambda reader: intake.claims_of_others(reader, row.vault_id, import_id),
    )
    await asyncio.to_thread(valv.intake.path(import_id).unlink, missing_ok=True)


# --- consents


@post("/consents", status_code=201)
async def make_consent(request: Call, data: JSONBody[dict[str, Any]]) -> dict[str, str]:
    """Make an allow or a block; needs an authentication under five minutes old."""
    demand_fresh(request)
    house, who = valv_of(request).house, principal(request)
    rule = posted_rule(who, data, house)
    await granting.grant(house, who, alias_for(who, None), rule)
    return {"id": rule.id}


@get("/consents")
async def list_consents(request: Call) -> list[dict[str, Any]]:
    """The citizen's rules."""
    who = principal(request)
    rules = await granting.rules_of(valv_of(request).house, who, alias_for(who, None))
    return [rule_to_json(rule) for rule in rules.rules]


@delete("/consents/{rule_id:str}", status_code=204)
async def end_consent(request: Call, rule_id: FromPath[str]) -> None:
    """Revoke a rule: the very next request is decided without it."""
    who = principal(request)
    await granting.revoke(valv_of(request).house, who, alias_for(who, None), rule_id)


@post("/consents/preview", status_code=200)
async def preview_consent(request: Call, data: JSONBody[dict[str, Any]]) -> dict[str, Any]:
    """Who would gain and lose what by such a rule; nothing is saved."""
    house, who = valv_of(request).house, principal(request)
    rule = posted_rule(who, data, house)
    found = await outlook.preview(house, who, alias_for(who, None), granting.to_grant(rule))
    return {"changes": [difference(one) for one in found]}


# --- requests, accesses, reviews, export


@post("/access-requests", status_code=202)
async def ask_for_access(request: Call, data: JSONBody[AccessWish]) -> dict[str, str]:
    """Ask a citizen for access. The reply is the same whoever the citizen is."""
    house, who = valv_of(request).house, principal(request)
    if not isinstance(who, Staff):
        raise Refused(NextStep.NOTHING)
    if not data.categories or not data.actions:
        raise BadRequestError("categories, actions: at least one of each")
    request_id = await asking.ask(
        house,
        who,
        parse_patient(data.patient),
        categories=tuple(dict.fromkeys(data.categories)),
        actions=tuple(dict.fromkeys(data.actions)),
        purpose=data.purpose,
    )
    return {"id": request_id}


@get("/access-requests")
async def list_requests(request: Call) -> list[dict[str, Any]]:
    """What is asked of the citizen and not yet answered."""
    who = principal(request)
    found = await asking.requests_of(valv_of(request).house, who, alias_for(who, None))
    return [_request(one) for one in found]


@post("/access-requests/{request_id:str}", status_code=204)
async def answer_request(request: Call, request_id: FromPath[str], data: JSONBody[Answer]) -> None:
    """Accept as asked or narrowed, or decline."""
    house, who = valv_of(request).house, principal(request)
    alias = alias_for(who, None)
    match data.answer:
        case "accept":
            demand_fresh(request)
            await asking.accept(house, who, alias, request_id, data.terms)
        case "decline":
            await asking.decline(house, who, alias, request_id)
        case _:
            raise BadRequestError("answer: accept or decline")


@get("/accesses")
async def my_accesses(request: Call) -> list[dict[str, Any]]:
    """Who has looked: the citizen's log, newest first."""
    who = principal(request)
    page = await accesses.mine(valv_of(request).house, who, alias_for(who, None), before=_before(request))
    return [_access(one) for one in review.mine(page.entries)]


@get("/accesses/{entry_id:str}/receipt")
async def receipt(request: Call, entry_id: FromPath[str]) -> Response[bytes]:
    """An entry's receipt, to be checked by ``/verify.py``: its C2SP tlog-proof, and what it says (audit-v1, 13)."""
    valv, who = valv_of(request), principal(request)
    taken = await accesses.receipt(valv.house, who, alias_for(who, None), parse_id(entry_id))
    return Response(taken.file(), media_type="application/json")


@get("/accesses/silence")
async def silence(request: Call) -> Response[bytes]:
    """How many entries there are from a day to a day (``from``, ``to``), with proofs (audit-v1, 14)."""
    valv, who = valv_of(request), principal(request)
    alias, (first, last) = alias_for(who, None), period_of(request)
    taken = await accesses.silence(valv.house, who, alias, first, last)
    return Response(taken.file(), media_type="application/json")


@get("/reviews")
async def reviews(request: Call) -> list[dict[str, Any]]:
    """The accesses of the supervisor's own organisation's staff, newest first."""
    who = principal(request)
    if not isinstance(who, Staff):
        raise Refused(NextStep.NOTHING)
    page = await accesses.of_organisation(valv_of(request).house, who, before=_before(request))
    return [_access(one) for one in review.of_staff(page.entries)]


@get("/export")
async def export(request: Call) -> Stream:
    """Everything the citizen owns, streamed: a FHIR Bundle, or by ``Accept: application/fhir+ndjson`` as lines.

    It needs an authentication under five minutes old.
    """
    demand_fresh(request)
    who, accept = principal(request), request.headers.get("accept", "")
    alias = alias_for(who, None)
    lines = [Lines(partial(to_fhir, patient_id=alias.hex()))]
    query = Query(kind=EventKind.EXPORT)
    return await whole.answer(valv_of(request).house, who, alias, query, form("collection", accept, lines))


API = Router(
    path="/api",
    route_handlers=[
        me,
        start_import,
        list_imports,
        show_import,
        undo_import,
        make_consent,
        list_consents,
        end_consent,
        preview_consent,
        *proofs.HANDLERS,
        *seeing_api.HANDLERS,
        ask_for_access,
        list_requests,
        answer_request,
        my_accesses,
        receipt,
        silence,
        reviews,
        export,
        *SHARING,
        *MOVING,
        *PAPER,
        *MANDATES,
    ],
    opt={"access": Access.BEARER},
    tags=["API"],
)
DEMO = Router(path="/demo", route_handlers=[personas, token], tags=["Demo"])


# --- shapes


def _name(who: Principal) -> str:
    match who:
        case Citizen(person) | Proxy(person):
            return person.name
        case Staff() | Client() | System():
            return who.name


def _commission(one: Commission) -> dict[str, Any]:
    unit, provider = one.unit, one.unit.provider
    return {
        "id": one.id,
        "name": one.name,
        "unit": {"id": unit.id, "name": unit.name},
        "provider": {"id": provider.id, "name": provider.name},
    }


def _import(row: ImportRow) -> dict[str, Any]:
    told: dict[str, Any] = {
        "state": row.state,
        "format": row.format,
        "read": row.read,
        "stored": row.stored,
        "duplicates": row.duplicates,
        "rejected": row.rejected,
        "size": row.size,
        "position": row.position,
    }
    return {**told, "error": row.error} if row.error else told


def _request(one: AccessRequest) -> dict[str, Any]:
    return {
        "id": one.id,
        "at": one.at.isoformat(),
        "state": one.state,
        "staff": {"id": one.staff_id, "name": one.staff_name, "title": one.staff_title},
        "unit": {"id": one.unit_id, "name": one.unit_name},
        "provider": {"name": one.provider_name},
        "categories": list(one.categories),
        "actions": list(one.actions),
        "purpose": one.purpose,
    }


def _before(request: Call) -> int | None:
    text = request.query_params.get("before", "")
    if not text:
        return None
    if not text.isdecimal() or len(text) > _LONGEST_PLACE:
        raise BadRequestError("before: a number")
    return int(text)


def _access(one: review.Access | Unreadable) -> dict[str, Any]:
    if isinstance(one, Unreadable):
        return {"id": one.id.hex(), "at": one.at.isoformat(), "state": one.state}
    actor = one.actor
    return {
        "id": one.id.hex(),
        "seq": one.seq,
        "at": one.at.isoformat(),
        "kind": one.kind,
        "activity": one.activity,
        "purpose": one.purpose,
        "categories": list(one.categories),
        "decision": one.decision,
        "automatic": one.is_automatic,
        "rules": list(one.rules),
        "counts": dict(one.counts),
        "actor": {
            "kind": actor.kind,
            "id": actor.id,
            "name": actor.name,
            "title": actor.title,
            "commission": actor.commission,
            "unit": {"id": actor.unit_id, "name": actor.unit_name},
            "provider": {"id": actor.provider_id, "name": actor.provider_name},
            "for": actor.for_name,
        },
    }
