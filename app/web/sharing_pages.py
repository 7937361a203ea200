"""Who may see what: the rules, a new one with its preview, an end to one, and answers to staff's requests."""

from dataclasses import replace
from datetime import date, datetime
from typing import Any

from litestar.exceptions import PermissionDeniedException
from litestar.params import FromPath

from app.errors import BadRequestError, NotFoundError
from app.security import demand_fresh, valv_of
from app.web import labels, values
from app.web.shell import Answer, Asked, Owner, form, owner, page, pick, picked, redirect, shown, taken
from app.web.views import (
    FieldError,
    FieldProblem,
    FormState,
    GranteeRules,
    Notice,
    PreviewView,
    RequestView,
    RevokeView,
    RuleCard,
    RuleFormView,
    SharingView,
)
from consent.mandates import is_mandate
from consent.parse import parse_rule
from consent.rules import Grantee, Rule, RuleError
from identity.directory import Directory
from identity.principal import Proxy
from policies.vocabulary import Action, Category, Effect, GranteeKind
from sharing import asking, granting, outlook, reach

_LONGEST_SEARCH = 100
_DATES = ("data_from", "data_to", "valid_from", "valid_to")


@shown("/sharing")
async def show_sharing(request: Asked) -> Answer:
    """Show every rule by whom it names, and what staff have asked for."""
    own, valv = owner(request), valv_of(request)
    found = await granting.rules_of(valv.house, own.principal, own.alias)
    asked = await asking.requests_of(valv.house, own.principal, own.alias)
    by_grantee: dict[str, list[RuleCard]] = {}
    mine = (rule for rule in found.rules if not is_mandate(rule))  # these have a page of their own
    for rule in sorted(mine, key=lambda rule: rule.created):
        card = _card(request, own, rule)
        by_grantee.setdefault(card.grantee.key, []).append(card)
    grantees = tuple(GranteeRules(cards[0].grantee, tuple(cards)) for cards in by_grantee.values())
    directory = valv.house.directory()
    view = SharingView(
        grantees,
        tuple(labels.request(one) for one in asked),
        found.paused,
        tuple(labels.contact(directory, one) for one in found.contacts),
        manages_all=set((await reach.of(valv.house, own.principal, own.alias)).manage) == set(Category),
    )
    return page(request, "sharing.html", view)


# --- a new rule


@shown("/sharing/new")
async def show_new(request: Asked) -> Answer:
    """Show the form of a new rule; only one who logged in just now can save it, so that comes first."""
    own = owner(request)
    demand_fresh(request)
    effect = pick(Effect, request.query_params.get("effect")) or Effect.ALLOW
    return _show_form(request, own, effect, FormState({"who": (request.query_params.get("who", ""),)}))


@taken("/sharing/preview")
async def preview(request: Asked) -> Answer:
    """Show what a rule would change; nothing is saved."""
    own, valv, fields = owner(request), valv_of(request), await form(request)
    effect = _effect(fields)
    read = _read(request, own, fields)
    if isinstance(read, FormState):
        return _show_form(request, own, effect, read, 400)
    found = await outlook.preview(valv.house, own.principal, own.alias, granting.to_grant(read))
    gains, loses = labels.changes(valv.house.directory(), found)
    view = PreviewView(_card(request, own, read), gains, loses, fields)
    return page(request, "preview.html", view, here=f"/sharing/new?effect={effect}")


@taken("/sharing")
async def save(request: Asked) -> Answer:
    """Put a rule in force, or go back to its form."""
    own, fields = owner(request), await form(request)
    effect = _effect(fields)
    if fields.value("change"):
        kept = {name: given for name, given in fields.values.items() if name != "change"}
        return _show_form(request, own, effect, FormState(kept))
    demand_fresh(request)
    read = _read(request, own, fields)
    if isinstance(read, FormState):
        return _show_form(request, own, effect, read, 400)
    await granting.grant(valv_of(request).house, own.principal, own.alias, read)
    return redirect("/sharing", Notice.RULE_SAVED)


def _show_form(request: Asked, own: Owner, effect: Effect, state: FormState, status: int = 200) -> Answer:
    if effect is Effect.BLOCK and isinstance(own.principal, Proxy):
        raise PermissionDeniedException  # the page's own; the gate says the same of the block itself
    directory = valv_of(request).house.directory()
    several = [Grantee(GranteeKind.NETWORK, "")]
    if effect is Effect.BLOCK:
        several.append(Grantee(GranteeKind.EMERGENCY, ""))
    chosen = _grantee(state)
    named = [chosen] if chosen is not None and labels.is_known(directory, chosen) else []
    found = {
        one.key: replace(one, allowed=effect is Effect.ALLOW)
        for one in (
            *labels.found(directory, state.value("who")[:_LONGEST_SEARCH]),
            *(labels.label(directory, one) for one in (*named, *several)),
        )
    }
    view = RuleFormView(effect, tuple(found.values()), state)
    return page(request, "rule_form.html", view, status, here=f"/sharing/new?effect={effect}")


def _effect(fields: FormState) -> Effect:
    found = pick(Effect, fields.value("effect"))
    if found is None:
        raise BadRequestError("effect: allow or block")
    return found


def _card(request: Asked, own: Owner, rule: Rule) -> RuleCard:
    valv = valv_of(request)
    return labels.card(valv, rule, reader=own.self_id, at=valv.house.clock())


# --- reading the form


def _read(request: Asked, own: Owner, fields: FormState) -> Rule | FormState:
    """Return the rule that the form says, or the form with what is wrong."""
    house = valv_of(request).house
    at, problems = (
        house.clock(),
        list(_problems(fields, house.directory(), values.local_day(house.clock()))),
    )
    if problems:
        return FormState(fields.values, tuple(problems))
    try:
        return parse_rule(_raw(fields), id=granting.new_rule_id(), author=own.self_id, created=at)
    except RuleError as error:
        name = str(error).partition(":")[0].partition(".")[0]
        problem = FieldProblem.SYSTEM_READS if name == "actions" else FieldProblem.CHOOSE_ONE
        return FormState(fields.values, (FieldError(name, problem),))


def _problems(fields: FormState, directory: Directory, today: date) -> list[FieldError]:
    found: list[FieldError] = []
    grantee = _grantee(fields)
    if grantee is None or not labels.is_known(directory, grantee):
        found.append(FieldError("grantee", FieldProblem.UNKNOWN_GRANTEE))
    if not picked(Action, fields.all("actions")):
        found.append(FieldError("actions", FieldProblem.CHOOSE_SOME))
    if not picked(Category, fields.all("categories")):
        found.append(FieldError("categories", FieldProblem.CHOOSE_SOME))
    return found + day_problems(fields, _DATES, today)


def day_problems(fields: FormState, names: tuple[str, ...], today: date) -> list[FieldError]:
    """Return what is wrong with the days of a form: not days, an end before its start, a last day that is over."""
    days = {name: day_of(fields.value(name)) for name in names}
    wrong = [name for name, day in days.items() if day is None and fields.value(name).strip()]
    found = [FieldError(name, FieldProblem.NOT_A_DATE) for name in wrong]
    end = days["valid_to"]
    if end is not None and end < today:
        found.append(FieldError("valid_to", FieldProblem.IN_THE_PAST))
    for first, last in (("data_from", "data_to"), ("valid_from", "valid_to")):
        start, stop = days.get(first), days.get(last)
        if start is not None and stop is not None and stop < start:
            found.append(FieldError(last, FieldProblem.END_BEFORE_START))
    return found


def _grantee(fields: FormState) -> Grantee | None:
    kind, colon, id_ = fields.value("grantee").partition(":")
    found = pick(GranteeKind, kind)
    return Grantee(found, id_) if found is not None and colon else None


def day_of(text: str) -> date | None:
    """Return the day that was typed, None where it is none."""
    try:
        return datetime.strptime(text.strip(), "%Y-%m-%d").date()  # noqa: DTZ007 a day has no zone
    except ValueError:
        return None


def _raw(fields: FormState) -> dict[str, Any]:
    kind, _, id_ = fields.value("grantee").partition(":")
    return {
        "effect": fields.value("effect"),
        "grantee": {"kind": kind, "id": id_},
        "actions": list(fields.all("actions")),
        "categories": list(fields.all("categories")),
        "sources": list(fields.all("sources")),
        "while_related": bool(fields.value("while_related")),
        **{name: fields.value(name).strip() or None for name in _DATES},
    }


# --- an end to a rule


@shown("/sharing/{rule_id:str}/revoke")
async def show_revoke(request: Asked, rule_id: FromPath[str]) -> Answer:
    """Show a rule that is about to end, and who loses or gains what by that."""
    own, valv = owner(request), valv_of(request)
    rule = await granting.find_rule(valv.house, own.principal, own.alias, rule_id)
    found = await outlook.preview(valv.house, own.principal, own.alias, granting.to_revoke(rule))
    gains, loses = labels.changes(valv.house.directory(), found)
    return page(request, "revoke.html", RevokeView(_card(request, own, rule), gains, loses))


@taken("/sharing/{rule_id:str}/revoke")
async def revoke(request: Asked, rule_id: FromPath[str]) -> Answer:
    """End a rule."""
    own = owner(request)
    await form(request)
    await granting.revoke(valv_of(request).house, own.principal, own.alias, rule_id)
    return redirect("/sharing", Notice.RULE_REVOKED)


# --- requests for access


@shown("/requests/{request_id:str}")
async def show_request(request: Asked, request_id: FromPath[str]) -> Answer:
    """Show what staff ask for, all of it ticked."""
    return await _show_request(request, owner(request), request_id, None)


async def _show_request(
    request: Asked, own: Owner, request_id: str, state: FormState | None, status: int = 200
) -> Answer:
    asked = await asking.requests_of(valv_of(request).house, own.principal, own.alias)
    found = next((one for one in asked if one.id == request_id), None)
    if found is None:
        raise NotFoundError
    form_state = state or FormState({"categories": found.categories, "actions": found.actions})
    view = RequestView(labels.request(found), form_state)
    return page(request, "request.html", view, status, here=f"/requests/{request_id}")


@taken("/requests/{request_id:str}")
async def answer(request: Asked, request_id: FromPath[str]) -> Answer:
    """Say yes, to all of it or to some, which makes the rule, or no."""
    own, house, fields = owner(request), valv_of(request).house, await form(request)
    match fields.value("answer"):
        case "accept":
            demand_fresh(request)
            terms: dict[str, Any] = {name: list(fields.all(name)) for name in ("categories", "actions")}
            terms["valid_to"] = fields.value("valid_to").strip() or None
            try:
                await asking.accept(house, own.principal, own.alias, request_id, terms)
            except RuleError as error:
                name = str(error).partition(":")[0]
                problem = FieldProblem.NOT_A_DATE if name == "valid_to" else FieldProblem.CHOOSE_SOME
                state = FormState(fields.values, (FieldError(name, problem),))
                return await _show_request(request, own, request_id, state, 400)
            return redirect("/sharing", Notice.REQUEST_ACCEPTED)
        case "decline":
            await asking.decline(house, own.principal, own.alias, request_id)
            return redirect("/sharing", Notice.REQUEST_DECLINED)
        case _:
            raise BadRequestError("answer: accept or decline")
