"""A consent on paper: staff enter it; the citizen says whether it is theirs."""

from typing import Any

from litestar.params import FromPath

from app.errors import NotFoundError
from app.security import demand_fresh, valv_of
from app.web import labels
from app.web.paper_views import ConfirmView, PaperFormView
from app.web.shell import Answer, Asked, form, owner, page, redirect, shown, staff, taken
from app.web.views import FieldError, FieldProblem, FormState, GranteeLabel, Notice
from app.whose import parse_patient
from consent.moving import over
from consent.paper import NAMED
from consent.rules import Grantee, RuleError
from identity.principal import Staff
from policies.vocabulary import GranteeKind
from sharing import granting, outlook, paper

_LONGEST_SEARCH = 100
_LISTS = ("actions", "categories")
_NEEDED = {
    "effect": FieldProblem.CHOOSE_ONE,
    "grantee": FieldProblem.UNKNOWN_GRANTEE,
    "actions": FieldProblem.CHOOSE_SOME,
    "categories": FieldProblem.CHOOSE_SOME,
    "signed": FieldProblem.NOT_SIGNED_LATELY,
    "kept": FieldProblem.REQUIRED,
}


# --- staff


@shown("/staff/patients/{patient:str}/paper")
async def show_paper(request: Asked, patient: FromPath[str]) -> Answer:
    """Show the form for what a citizen has signed, or that it was sent."""
    member, alias = staff(request), parse_patient(patient)
    query = request.query_params
    state = FormState({"who": (query.get("who", ""),), "effect": ("allow",), "actions": ("add",)})
    sent = query.get("done") == Notice.PAPER_SENT
    return _show_form(request, member, alias, state, sent=sent)


@taken("/staff/patients/{patient:str}/paper")
async def enter(request: Asked, patient: FromPath[str]) -> Answer:
    """Take what a citizen has signed; what is said after that is the same whoever the citizen is."""
    member, alias, fields = staff(request), parse_patient(patient), await form(request)
    kind, _, id_ = fields.value("grantee").partition(":")
    consent: dict[str, Any] = {
        "effect": fields.value("effect"),
        "grantee": {"kind": kind, "id": id_},
        "valid_to": fields.value("valid_to").strip() or None,
        **{name: list(fields.all(name)) for name in _LISTS},
    }
    told = {name: fields.value(name).strip() for name in ("signed", "kept")}
    if missing := tuple(
        FieldError(name, why) for name, why in _NEEDED.items() if not fields.value(name).strip()
    ):
        return _show_form(request, member, alias, FormState(fields.values, missing), status=400)
    try:
        await paper.enter(valv_of(request).house, member, alias, consent, told)
    except RuleError as error:
        state = FormState(fields.values, (_error(error),))
        return _show_form(request, member, alias, state, status=400)
    return redirect(f"/staff/patients/{alias.hex()}/paper", Notice.PAPER_SENT)


def _error(error: RuleError) -> FieldError:
    """Return what is wrong as a form says it: at which field, and in which of its words."""
    path = str(error).partition(":")[0].split(".")
    name = path[1] if path[0] == "paper" else path[0]
    match name:
        case "actions" | "categories":
            return FieldError(name, FieldProblem.CHOOSE_SOME)
        case "grantee":
            return FieldError(name, FieldProblem.UNKNOWN_GRANTEE)
        case "signed":
            return FieldError(name, FieldProblem.NOT_SIGNED_LATELY)
        case "valid_to":
            return FieldError(name, FieldProblem.NOT_A_DATE)
        case "kept":
            return FieldError(name, FieldProblem.REQUIRED)
        case _:
            return FieldError("effect", FieldProblem.CHOOSE_ONE)


def _show_form(
    request: Asked, member: Staff, alias: bytes, state: FormState, status: int = 200, *, sent: bool = False
) -> Answer:
    view = PaperFormView(alias.hex(), _offered(request, member, state), state, sent=sent)
    return page(request, "paper.html", view, status, here=f"/staff/patients/{alias.hex()}/paper")


def _offered(request: Asked, member: Staff, state: FormState) -> tuple[GranteeLabel, ...]:
    """Return whom the paper may name: one's own unit, provider and authority, and what a search finds within it."""
    directory, unit = valv_of(request).house.directory(), member.commission.unit
    authority = unit.provider.authority
    own = (
        Grantee(GranteeKind.UNIT, unit.id),
        Grantee(GranteeKind.PROVIDER, unit.provider.id),
        Grantee(GranteeKind(authority.kind), authority.id),
    )
    hits = labels.found(directory, state.value("who")[:_LONGEST_SEARCH])
    node = f"{authority.kind}:{authority.id}"
    within = (one for one in hits if one.kind in NAMED and node in over(Grantee(one.kind, one.id), directory))
    found = {one.key: one for one in (*within, *(labels.label(directory, one) for one in own))}
    return tuple(found.values())


# --- the citizen


@shown("/sharing/{rule_id:str}/confirm")
async def show_confirm(request: Asked, rule_id: FromPath[str]) -> Answer:
    """Show what was entered from paper, by whom, and what a yes would change."""
    own, valv = owner(request), valv_of(request)
    demand_fresh(request)  # only one who logged in just now can say yes, so that comes first
    house = valv.house
    rule = await granting.find_rule(house, own.principal, own.alias, rule_id)
    if not rule.is_pending:
        raise NotFoundError
    at, directory = house.clock(), house.directory()
    changed = await outlook.preview(house, own.principal, own.alias, paper.to_confirm(rule, at))
    gains, loses = labels.changes(directory, changed)
    told = await paper.paper_of(house, own.principal, own.alias, rule)
    card = labels.card(valv, rule, reader=own.self_id, at=at)
    view = ConfirmView(card, gains, loses)
    if told is not None:
        view = ConfirmView(card, gains, loses, told.signed, told.text)
    return page(request, "confirm.html", view)


@taken("/sharing/{rule_id:str}/confirm")
async def confirm(request: Asked, rule_id: FromPath[str]) -> Answer:
    """Say that it is the citizen's."""
    own, house = owner(request), valv_of(request).house
    await form(request)
    demand_fresh(request)
    rule = await granting.find_rule(house, own.principal, own.alias, rule_id)
    if not rule.is_pending:
        raise NotFoundError
    await granting.carry_out(house, own.principal, own.alias, paper.to_confirm(rule, house.clock()))
    return redirect("/sharing", Notice.PAPER_CONFIRMED)
