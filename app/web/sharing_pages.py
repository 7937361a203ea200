"""Who may see what: the rules, a new one with its preview, an end to one, and answers to staff's requests."""

from typing import Any

from litestar.params import FromPath

from app.errors import BadRequestError, NotFoundError
from app.security import demand_fresh, valv_of
from app.web import labels, rule_form
from app.web.shell import Answer, Asked, Owner, form, owner, page, pick, redirect, shown, taken
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
    SharingView,
)
from consent.mandates import is_mandate
from consent.rules import Rule, RuleError
from policies.vocabulary import Category, Effect
from sharing import asking, compacting, granting, outlook, reach
from sharing.granting import Wish


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
        await compacting.waiting(valv.house, own.alias),
        manages_all=set((await reach.of(valv.house, own.principal, own.alias)).manage) == set(Category),
    )
    return page(request, "sharing.html", view)


# --- a new rule, or another form of one


@shown("/sharing/new")
async def show_new(request: Asked) -> Answer:
    """Show the form of a new rule; only one who logged in just now can save it, so that comes first."""
    own = owner(request)
    demand_fresh(request)
    effect = pick(Effect, request.query_params.get("effect")) or Effect.ALLOW
    return rule_form.show(request, own, effect, FormState({"who": (request.query_params.get("who", ""),)}))


@taken("/sharing/preview")
async def preview(request: Asked) -> Answer:
    """Show what a rule would change, or the form again with whom its searches find; nothing is saved."""
    own, valv, fields = owner(request), valv_of(request), await form(request)
    effect = rule_form.effect_of(fields)
    if fields.value("look"):
        return rule_form.show(request, own, effect, _without(fields, "look"))
    read = await rule_form.read(request, own, fields)
    if isinstance(read, FormState):
        return rule_form.show(request, own, effect, read, 400)
    wish = await _wish(request, own, fields, read)
    found = await outlook.preview(valv.house, own.principal, own.alias, wish)
    gains, loses = labels.changes(valv.house.directory(), found)
    view = PreviewView(_card(request, own, read), gains, loses, fields)
    here = f"/sharing/{read.id}/change" if fields.value("rule") else f"/sharing/new?effect={effect}"
    return page(request, "preview.html", view, here=here)


@taken("/sharing")
async def save(request: Asked) -> Answer:
    """Put a rule in force, or go back to its form."""
    own, fields = owner(request), await form(request)
    effect = rule_form.effect_of(fields)
    if fields.value("change"):
        return rule_form.show(request, own, effect, _without(fields, "change"))
    demand_fresh(request)
    read = await rule_form.read(request, own, fields)
    if isinstance(read, FormState):
        return rule_form.show(request, own, effect, read, 400)
    wish = await _wish(request, own, fields, read)
    await granting.carry_out(valv_of(request).house, own.principal, own.alias, wish)
    return redirect(f"/sharing/{read.id}" if fields.value("rule") else "/sharing", Notice.RULE_SAVED)


async def _wish(request: Asked, own: Owner, fields: FormState, read: Rule) -> Wish:
    """Return the wish to make the rule, or to put it in the place of the one that the form changes."""
    if not fields.value("rule"):
        return granting.to_grant(read)
    old = await granting.find_rule(valv_of(request).house, own.principal, own.alias, read.id)
    return granting.to_grant(read, instead_of=old)


def _without(fields: FormState, button: str) -> FormState:
    return FormState({name: given for name, given in fields.values.items() if name != button})


def _card(request: Asked, own: Owner, rule: Rule) -> RuleCard:
    valv = valv_of(request)
    return labels.card(valv, rule, reader=own.self_id, at=valv.house.clock())


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
