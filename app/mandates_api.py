"""``/api/mandates``: who acts for a citizen by mandate. What the pages do, for machines."""

import base64
from typing import Any

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.datastructures import State
from litestar.params import FromPath, JSONBody

from app import mandating
from app.documents import Document, DocumentError, document_in
from app.errors import BadRequestError, NotFoundError
from app.security import demand_fresh, principal, valv_of
from app.sharing_api import difference
from app.whose import alias_for
from consent.codec import rule_to_json
from consent.rules import Rule
from identity.principal import Principal
from sharing import granting, inherited, mandates, outlook

Call = Request[Any, Any, State]


class NewMandate(msgspec.Struct, forbid_unknown_fields=True):
    """Whom, as what, what they may, until when, and the paper it rests on (base64 of a PDF, image or text)."""

    personal_number: str
    called: str
    terms: dict[str, Any]
    document: str = ""


@get("/mandates")
async def list_mandates(request: Call) -> list[dict[str, Any]]:
    """Those who act for the citizen; to one of these, their own."""
    who = principal(request)
    found = await mandates.mandates_of(valv_of(request).house, who, alias_for(who, None))
    return [{**rule_to_json(one.rule), "called": one.called} for one in found.given]


@post("/mandates", status_code=201)
async def give_mandate(request: Call, data: JSONBody[NewMandate]) -> dict[str, str]:
    """Let somebody act for the citizen; needs an authentication under five minutes old.

    The reply is the same whether or not anybody has the number.
    """
    demand_fresh(request)
    valv, who = valv_of(request), principal(request)
    alias, rule = alias_for(who, None), _rule(request, who, data)
    document = _document(data.document) if data.document else None
    return {"id": await mandating.give(valv, who, alias, rule, called=data.called, document=document)}


@post("/mandates/preview", status_code=200)
async def preview_mandate(request: Call, data: JSONBody[NewMandate]) -> dict[str, Any]:
    """What somebody would be able to see and add; nothing is saved, nor is the document looked at."""
    house, who = valv_of(request).house, principal(request)
    wish = granting.to_grant(_rule(request, who, data))
    found = await outlook.preview(house, who, alias_for(who, None), wish)
    return {"changes": [difference(one) for one in found]}


@delete("/mandates/{rule_id:str}", status_code=204)
async def end_mandate(request: Call, rule_id: FromPath[str]) -> None:
    """End a mandate: the proxy's very next request is refused."""
    house, who = valv_of(request).house, principal(request)
    await granting.revoke(house, who, alias_for(who, None), rule_id)


@get("/mandates/{rule_id:str}/document")
async def mandate_document(request: Call, rule_id: FromPath[str]) -> Response[bytes]:
    """The document that a mandate rests on, to the citizen and to the proxy who acts by it."""
    who = principal(request)
    return await send_document(request, who, alias_for(who, None), rule_id)


async def send_document(request: Call, who: Principal, alias: bytes, rule_id: str) -> Response[bytes]:
    """Answer with a mandate's document, as a file to keep; pages and machines do the same.

    Raises:
        NotFoundError: there is none.
    """
    house = valv_of(request).house
    found = await mandates.find(house, who, alias, rule_id)
    record = await mandates.document_of(house, who, alias, found)
    if record is None:
        raise NotFoundError
    try:
        document = document_in(record)
    except DocumentError:
        raise NotFoundError from None
    headers = {"Content-Disposition": f'attachment; filename="{document.filename}"'}
    return Response(document.content, media_type=document.type, headers=headers)


# --- what a guardian left


@get("/consents/inherited")
async def list_inherited(request: Call) -> list[dict[str, Any]]:
    """What a guardian decided before the citizen could, and they have not answered for; each goes on until then."""
    who = principal(request)
    found = await inherited.rules_of(valv_of(request).house, who, alias_for(who, None))
    return [rule_to_json(rule) for rule in found]


@post("/consents/{rule_id:str}/keep", status_code=204)
async def keep_inherited(request: Call, rule_id: FromPath[str]) -> None:
    """Keep one as the citizen's own decision; to end it is to revoke it."""
    who = principal(request)
    await inherited.keep(valv_of(request).house, who, alias_for(who, None), rule_id)


HANDLERS = (
    list_mandates,
    give_mandate,
    preview_mandate,
    end_mandate,
    mandate_document,
    list_inherited,
    keep_inherited,
)


def _rule(request: Call, who: Principal, data: NewMandate) -> Rule:
    valv = valv_of(request)
    return mandating.rule_of(valv, who, mandating.alias_of(valv, data.personal_number), data.terms)


def _document(text: str) -> Document:
    try:
        return Document.of(base64.b64decode(text, validate=True))
    except ValueError:  # binascii's is one too
        raise BadRequestError("document: base64") from None
    except DocumentError as error:
        raise BadRequestError(f"document: {error.problem}") from None
