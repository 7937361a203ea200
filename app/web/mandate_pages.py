"""Those who help a citizen: whom they let act for them, on what paper; and what a guardian left to answer for."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from litestar.exceptions import PermissionDeniedException
from litestar.params import FromPath

from app import mandating
from app.documents import Document, DocumentError, receive
from app.errors import TooLargeError
from app.mandates_api import send_document
from app.security import CSRF_FIELD, demand_fresh, valv_of
from app.web import labels
from app.web.rule_form import day_of, wrong_days
from app.web.shell import (
    Answer,
    Asked,
    Owner,
    check_token,
    form,
    owner,
    page,
    pick,
    picked,
    redirect,
    shown,
    taken,
)
from app.web.values import local_day
from app.web.views import (
    FieldError,
    FieldProblem,
    FormState,
    InheritedView,
    MandateCard,
    MandateFormView,
    MandatePreviewView,
    MandatesView,
    Notice,
)
from consent.rules import Rule, RuleError
from identity.numbers import NumberError
from identity.principal import Citizen, Relation
from policies.vocabulary import Action, Category
from sharing import granting, inherited, mandates, outlook
from sharing.mandates import DOCUMENTED, Mandate

_FIELDS = ("relation", "proxy", "called", "actions", "categories", "valid_from", "valid_to", "open")
#: The fields that can be wrong, as they stand on the page.
_ORDER = ("relation", "number", "called", "actions", "categories", "valid_from", "valid_to")
_ID_LENGTH = 32


@shown("/mandates")
async def show_mandates(request: Asked) -> Answer:
    """Show who acts for the citizen; to one who does, what they act by."""
    own = owner(request)
    found = await mandates.mandates_of(valv_of(request).house, own.principal, own.alias)
    cards = tuple(_card(request, own, one) for one in found.given)
    return page(request, "mandates.html", MandatesView(cards, may_give=isinstance(own.principal, Citizen)))


@shown("/mandates/new")
async def show_new(request: Asked) -> Answer:
    """Show the form of a new mandate; only one who logged in just now can save it, so that comes first."""
    _giver(request)
    demand_fresh(request)
    return _show_form(request, FormState())


@taken("/mandates/preview")
async def preview(request: Asked) -> Answer:
    """Show what a mandate would let somebody do; nothing is saved, and the number goes no further than here."""
    own, fields = _giver(request), await form(request)
    if fields.value("change"):
        return _show_form(request, _only(fields.values))
    read = _read(request, own, fields)
    if isinstance(read, FormState):
        return _show_form(request, read, 400)
    return await _show_preview(request, own, *read)


@taken("/mandates")
async def save(request: Asked) -> Answer:
    """Keep the paper and put the mandate in force, or show again what is to be saved."""
    own = _giver(request)
    try:
        posted = await receive(request)
    except TooLargeError:
        fields = FormState(errors=(FieldError("file", FieldProblem.FILE_TOO_LARGE),))
        return _show_form(request, fields, 413)
    check_token(request, next(iter(posted.values.get(CSRF_FIELD, ())), ""))
    demand_fresh(request)
    read = _read(request, own, FormState(posted.values))
    if isinstance(read, FormState):
        return _show_form(request, read, 400)
    rule, state = read
    problem, document = None, None
    if posted.content:
        try:
            document = Document.of(posted.content)
        except DocumentError as error:
            problem = FieldProblem(error.problem)
    elif rule.relation in DOCUMENTED:
        problem = FieldProblem.NO_FILE
    if problem is not None:
        wrong = replace(state, errors=(FieldError("file", problem),))
        return await _show_preview(request, own, rule, wrong, 400)
    called = state.value("called")
    await mandating.give(valv_of(request), own.principal, own.alias, rule, called=called, document=document)
    return redirect("/mandates", Notice.MANDATE_GIVEN)


@taken("/mandates/{rule_id:str}/end")
async def end(request: Asked, rule_id: FromPath[str]) -> Answer:
    """End a mandate at once."""
    own = _giver(request)
    await form(request)
    await granting.revoke(valv_of(request).house, own.principal, own.alias, rule_id)
    return redirect("/mandates", Notice.MANDATE_ENDED)


@shown("/mandates/{rule_id:str}/document")
async def show_document(request: Asked, rule_id: FromPath[str]) -> Answer:
    """Give the paper back, as a file."""
    own = owner(request)
    return await send_document(request, own.principal, own.alias, rule_id)


# --- what a guardian left


@shown("/inherited")
async def show_inherited(request: Asked) -> Answer:
    """Show what a guardian decided before the young person could, each to keep or to end."""
    own, valv = owner(request), valv_of(request)
    found = await inherited.rules_of(valv.house, own.principal, own.alias)
    at = valv.house.clock()
    cards = tuple(labels.card(valv, rule, reader=own.self_id, at=at) for rule in found)
    return page(request, "inherited.html", InheritedView(cards))


@taken("/inherited/{rule_id:str}")
async def answer_inherited(request: Asked, rule_id: FromPath[str]) -> Answer:
    """Keep one as the young person's own, or end it; then the next."""
    own, house, fields = owner(request), valv_of(request).house, await form(request)
    if fields.value("keep") == "1":
        await inherited.keep(house, own.principal, own.alias, rule_id)
    else:
        await granting.revoke(house, own.principal, own.alias, rule_id)
    left = await inherited.waiting(house, own.principal, own.alias)
    return redirect("/inherited" if left else "/sharing", Notice.RULE_ANSWERED)


# --- the form


def _giver(request: Asked) -> Owner:
    """Return the citizen whose page it is; who acts for them gives no mandates, as the gate says too."""
    own = owner(request)
    if not isinstance(own.principal, Citizen):
        raise PermissionDeniedException
    return own


def _only(values: Mapping[str, tuple[str, ...]]) -> FormState:
    """Return what of a form is carried on: never the number."""
    return FormState({name: values[name] for name in _FIELDS if name in values})


def _show_form(request: Asked, state: FormState, status: int = 200) -> Answer:
    return page(request, "mandate_form.html", MandateFormView(state), status, here="/mandates/new")


async def _show_preview(
    request: Asked, own: Owner, rule: Rule, state: FormState, status: int = 200
) -> Answer:
    valv = valv_of(request)
    found = await outlook.preview(valv.house, own.principal, own.alias, granting.to_grant(rule))
    called = state.value("called").strip()
    gains = tuple(
        replace(one, grantee=replace(one.grantee, name=called))  # a mandate reaches the proxy and nobody else
        for one in labels.changes(valv.house.directory(), found)[0]
    )
    card = _card(request, own, Mandate(rule, called))
    view = MandatePreviewView(card, gains, state, needs_document=rule.relation in DOCUMENTED)
    return page(request, "mandate_preview.html", view, status, here="/mandates/new")


def _card(request: Asked, own: Owner, one: Mandate) -> MandateCard:
    valv, rule = valv_of(request), one.rule
    at = valv.house.clock()
    card = labels.card(valv, rule, reader=own.self_id, at=at)
    relation = rule.relation or Relation.RELATIVE
    is_over = rule.valid_to is not None and rule.valid_to <= at
    return MandateCard(card, one.called, relation, has_document=bool(rule.document), is_over=is_over)


def _read(request: Asked, own: Owner, fields: FormState) -> tuple[Rule, FormState] | FormState:
    """Return the mandate that the form says and what of the form is carried on, or the form with what is wrong."""
    valv = valv_of(request)
    kept = dict(_only(fields.values).values)
    proxy, problems = _proxy(request, fields)
    if proxy:
        kept["proxy"] = (proxy,)
    problems += _problems(fields)
    problems += wrong_days(fields, ("valid_from", "valid_to"), local_day(valv.house.clock()))
    if problems:
        return FormState(kept, tuple(sorted(problems, key=lambda one: _ORDER.index(one.field))))
    try:
        return mandating.rule_of(valv, own.principal, proxy, _terms(fields)), FormState(kept)
    except RuleError as error:
        name = str(error).partition(":")[0].partition(".")[0]
        problem = {"grantee": FieldProblem.ONESELF, "valid_to": FieldProblem.END_OR_OPEN}
        field = {"grantee": "number"}.get(name, name)
        wrong = FieldError(field, problem.get(name, FieldProblem.MAY_NOT_SHARE))
        return FormState(kept, (wrong,))


def _proxy(request: Asked, fields: FormState) -> tuple[str, list[FieldError]]:
    """Return whom it is about by id: of the number typed, else the one carried on from before."""
    number, carried = fields.value("number").strip(), fields.value("proxy")
    if not number and len(carried) == _ID_LENGTH:
        return carried, []
    try:
        return mandating.alias_of(valv_of(request), number), []
    except NumberError:
        return "", [FieldError("number", FieldProblem.NOT_A_PERSONAL_NUMBER)]


def _problems(fields: FormState) -> list[FieldError]:
    found = []
    relation = pick(Relation, fields.value("relation"))
    if relation is None or relation is Relation.GUARDIAN:
        found.append(FieldError("relation", FieldProblem.CHOOSE_ONE))
    if not fields.value("called").strip():
        found.append(FieldError("called", FieldProblem.REQUIRED))
    if not picked(Action, fields.all("actions")):
        found.append(FieldError("actions", FieldProblem.CHOOSE_SOME))
    if not picked(Category, fields.all("categories")):
        found.append(FieldError("categories", FieldProblem.CHOOSE_SOME))
    if bool(fields.value("open")) == bool(fields.value("valid_to").strip()):
        found.append(FieldError("valid_to", FieldProblem.END_OR_OPEN))
    return found


def _terms(fields: FormState) -> dict[str, Any]:
    days = {name: day_of(fields.value(name)) for name in ("valid_from", "valid_to")}
    return {
        "relation": fields.value("relation"),
        "actions": list(fields.all("actions")),
        "categories": list(fields.all("categories")),
        **{name: None if day is None else day.isoformat() for name, day in days.items()},
        "until_further_notice": bool(fields.value("open")),
    }
