"""The handlers under ``/api`` that prove what was allowed: receipts, versions, past decisions, who could see."""

import re
from datetime import date
from typing import Any

from litestar import Request, Response, get
from litestar.datastructures import State
from litestar.params import FromPath

from app.errors import BadRequestError
from app.security import Access, principal, valv_of
from app.whose import alias_for, parse_category, parse_id
from consent.codec import rule_to_json
from sharing import again, history, receipts
from sharing.again import Again, Unknown, Verdict
from sharing.history import Reach, Stretch, Version

Call = Request[Any, Any, State]
#: What a receipt's header names it.
RECEIPT = "consent-receipt+json"
_DAY = re.compile(r"[12][0-9]{3}-[0-9]{2}-[0-9]{2}", re.ASCII)


@get("/consents/history")
async def versions_of_consents(request: Call) -> list[dict[str, Any]]:
    """The versions of the citizen's rules, newest first, and what each changed."""
    who = principal(request)
    found = await history.of_rules(valv_of(request).house, who, alias_for(who, None))
    return [_version(one) for one in found]


@get("/consents/at")
async def who_could_see(request: Call) -> dict[str, Any]:
    """Who beside the citizen could see a category on a day, when of it, and by which rules."""
    who, day, category = (
        principal(request),
        _day(request),
        parse_category(request.query_params.get("category", "")),
    )
    found = await history.who_could(valv_of(request).house, who, alias_for(who, None), category, day)
    return {"day": day.isoformat(), "category": category, "could": [_reach(one) for one in found]}


@get("/consents/{rule_id:str}/history")
async def history_of_consent(request: Call, rule_id: FromPath[str]) -> list[dict[str, Any]]:
    """What became of a rule, also of one that was revoked, newest first: the rule as each version had it."""
    who = principal(request)
    found = await history.of_rule(valv_of(request).house, who, alias_for(who, None), rule_id)
    return [_state(one) for one in reversed(found)]


@get("/consents/{rule_id:str}/receipt")
async def receipt_of_consent(request: Call, rule_id: FromPath[str]) -> Response[str]:
    """A rule's receipt, of one that was revoked too: ISO/IEC TS 27560, signed (JWS, ES256)."""
    valv, who = valv_of(request), principal(request)
    alias = alias_for(who, None)
    told = await receipts.of_rule(valv.house, who, alias, rule_id)
    return Response(valv.receipts.sign(told, kind=RECEIPT), media_type="application/jose")


@get("/consents/receipt-key", opt={"access": Access.PUBLIC}, sync_to_thread=False)
def receipt_key(request: Call) -> dict[str, str]:
    """The public key (JWK) by which anybody verifies a receipt."""
    return valv_of(request).receipts.jwk


@get("/accesses/{entry_id:str}/decision")
async def decision(request: Call, entry_id: FromPath[str]) -> dict[str, Any]:
    """An access decided again, by the rules that were in force then: whether it agrees with the log, and why."""
    house, who = valv_of(request).house, principal(request)
    event, made = await again.decide_again(house, who, alias_for(who, None), parse_id(entry_id))
    at = {} if event is None else {"at": event.at.isoformat()}
    match made:
        case Again():
            return {"id": entry_id, **at, **_again(made)}
        case Unknown.OTHER_POLICIES if event is not None:
            policies = {"then": event.policy_hash, "now": house.gate.policies.sha256}
            return {"id": entry_id, **at, "unknown": made, "policies": policies}
        case _:
            return {"id": entry_id, **at, "unknown": made}


HANDLERS = (
    versions_of_consents,
    who_could_see,
    history_of_consent,
    receipt_of_consent,
    receipt_key,
    decision,
)


# --- shapes


def _day(request: Call) -> date:
    text = request.query_params.get("day", "")
    try:
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise BadRequestError("day: as 2026-01-31")


def _version(one: Version) -> dict[str, Any]:
    return {
        "version": one.number,
        "since": None if one.since is None else one.since.isoformat(),
        "added": list(one.added),
        "removed": list(one.removed),
        "changed": list(one.changed),
        "contacts": one.contacts,
        "paused": one.paused,
    }


def _state(one: history.State) -> dict[str, Any]:
    return {
        "version": one.version,
        "since": None if one.since is None else one.since.isoformat(),
        "rule": None if one.rule is None else rule_to_json(one.rule),
    }


def _reach(one: Reach) -> dict[str, Any]:
    return {
        "grantee": one.node,
        "name": one.name,
        "people": one.people,
        "could": one.could,
        "by_law": one.by_law,
        "rules": list(one.allows),
        "blocks": list(one.blocks),
        "times": [_stretch(part) for part in one.stretches],
    }


def _stretch(one: Stretch) -> dict[str, Any]:
    return {
        "from": one.since.isoformat(),
        "to": one.until.isoformat(),
        "could": one.could,
        "rules": list(one.allows),
        "blocks": list(one.blocks),
    }


def _again(made: Again) -> dict[str, Any]:
    return {
        "agrees": made.agrees,
        "rules_version": made.version,
        "logged": _verdict(made.logged),
        "again": _verdict(made.made),
        "rules": [rule_to_json(rule) for rule in made.rules],
    }


def _verdict(one: Verdict) -> dict[str, Any]:
    told = {"decision": one.decision, "categories": list(one.categories), "rules": list(one.rules)}
    return {**told, "reason": one.reason} if one.reason else told
