"""``/api/consents/paper`` and ``/api/consents/<id>/confirm``: a consent that a citizen gave on paper."""

from typing import Any

import msgspec
from litestar import Request, post
from litestar.datastructures import State
from litestar.params import FromPath, JSONBody

from app.security import demand_fresh, principal, valv_of
from app.whose import alias_for, parse_patient
from consent.gate import NextStep, Refused
from identity.principal import Staff
from sharing import granting, paper

Call = Request[Any, Any, State]


class PaperConsent(msgspec.Struct, forbid_unknown_fields=True):
    """What staff enter for a citizen: the ``consent`` as it is posted, of their own region's or municipality's care.

    ``paper`` says when it was signed (``signed``, a day) and where it is kept (``kept``); ``scan``, where there is
    one, has ``type`` (application/pdf, image/jpeg, image/png) and ``data`` (base64, at most 1 MiB).
    """

    patient: str
    consent: dict[str, Any]
    paper: dict[str, Any]


@post("/consents/paper", status_code=202)
async def enter(request: Call, data: JSONBody[PaperConsent]) -> dict[str, str]:
    """Enter a consent or a block from paper. The reply is the same whoever the citizen is.

    Adding is let in at once, and a block holds at once; reading waits until the citizen has confirmed it.
    """
    house, who = valv_of(request).house, principal(request)
    if not isinstance(who, Staff):
        raise Refused(NextStep.NOTHING)
    return {"id": await paper.enter(house, who, parse_patient(data.patient), data.consent, data.paper)}


@post("/consents/{rule_id:str}/confirm", status_code=204)
async def confirm(request: Call, rule_id: FromPath[str]) -> None:
    """Say that a consent from paper is the citizen's; needs an authentication under five minutes old."""
    demand_fresh(request)
    house, who = valv_of(request).house, principal(request)
    alias = alias_for(who, None)
    rule = await granting.find_rule(house, who, alias, rule_id)
    await granting.carry_out(house, who, alias, paper.to_confirm(rule, house.clock()))


HANDLERS = (enter, confirm)
