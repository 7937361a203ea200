"""One rule: what it says, what became of it, its proof, a change of it, and a block laid aside for a time."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from litestar import Response
from litestar.exceptions import PermissionDeniedException
from litestar.params import FromPath

from app.errors import NotFoundError
from app.fhir import consent
from app.proofs import RECEIPT
from app.security import demand_fresh, valv_of
from app.web import labels, rule_form
from app.web.rule_views import LiftView, RuleTerm, RuleVersion, RuleView
from app.web.shell import Answer, Asked, Owner, as_file, form, owner, page, redirect, shown, taken
from app.web.views import AccessEntry, FieldError, FieldProblem, FormState, Notice, RuleCard
from audit.review import Access
from consent.gate import Refused
from consent.parse import parse_lift
from consent.rules import Lift, Rule, RuleError
from identity.principal import Citizen
from policies.vocabulary import Effect, GranteeKind
from sharing import granting, history, outlook, receipts, searching
from sharing.history import State
from vault.resource import to_json

_ENTRIES = 20
_TERMS = {
    RuleTerm.WHOM: ("grantee", "relation"),
    RuleTerm.ACTIONS: ("actions",),
    RuleTerm.CATEGORIES: ("categories",),
    RuleTerm.CODES: ("codes",),
    RuleTerm.RECORDS: ("records",),
    RuleTerm.SOURCES: ("sources",),
    RuleTerm.SPARES: ("spares",),
    RuleTerm.PURPOSES: ("purposes",),
    RuleTerm.DATA: ("data_from", "data_to"),
    RuleTerm.VALID: ("valid_from", "valid_to"),
    RuleTerm.RELATED: ("while_related",),
    RuleTerm.LIFT: ("lifts",),
    RuleTerm.OTHER: ("until_plan", "document", "helper", "confirmed"),
}


@shown("/sharing/{rule_id:str}")
async def show_rule(request: Asked, rule_id: FromPath[str]) -> Answer:
    """Show a rule that is or was, with its versions and what was done by it."""
    return await _show(request, owner(request), rule_id)


async def _show(
    request: Asked, own: Owner, rule_id: str, state: FormState | None = None, status: int = 200
) -> Answer:
    house = valv_of(request).house
    states = await history.of_rule(house, own.principal, own.alias, rule_id)
    versions = tuple(_versions(request, own, states))
    card = next(one.after for one in versions if one.after is not None)
    ended, block = states[-1].rule is None, card.effect is Effect.BLOCK
    mine = isinstance(own.principal, Citizen)
    may_end = not ended and (mine or not (block or card.grantee.kind is GranteeKind.PROXY))
    view = RuleView(
        card,
        versions,
        await _entries(request, own, card),
        ended=ended,
        may_change=may_end and card.grantee.kind is not GranteeKind.PROXY,
        may_end=may_end,
        may_lift=may_end and block and card.grantee.kind is not GranteeKind.EMERGENCY,
        form=state or FormState(),
    )
    return page(request, "rule.html", view, status, here=f"/sharing/{rule_id}")


def _versions(request: Asked, own: Owner, states: Sequence[State]) -> Iterator[RuleVersion]:
    """Yield what each version did to the rule, the newest first."""
    for before, after in pairwise(reversed((State(0, None, None), *states))):
        old, new = after.rule, before.rule
        terms = () if old is None or new is None else tuple(_changed(old, new))
        yield RuleVersion(
            before.version, before.since, _card(request, own, old), _card(request, own, new), terms
        )


def _changed(old: Rule, new: Rule) -> Iterator[RuleTerm]:
    for term, fields in _TERMS.items():
        if any(getattr(old, name) != getattr(new, name) for name in fields):
            yield term


def _card(request: Asked, own: Owner, rule: Rule | None) -> RuleCard | None:
    valv = valv_of(request)
    return None if rule is None else labels.card(valv, rule, reader=own.self_id, at=valv.house.clock())


async def _entries(request: Asked, own: Owner, card: RuleCard) -> tuple[AccessEntry, ...] | None:
    """Return what was done by a rule and to it, the newest first; None where the reader may not read the log."""

    def kept(access: Access) -> bool:
        return card.id in access.rules or access.subject == card.id

    house = valv_of(request).house
    try:
        found = await searching.of_vault(house, own.principal, own.alias, keep=kept, wanted=_ENTRIES)
    except Refused:
        return None
    return tuple(labels.entry(one, reader=own.self_id, rules={card.id: card}) for one in found.accesses)


# --- its proof


@shown("/sharing/{rule_id:str}/receipt")
async def download_receipt(request: Asked, rule_id: FromPath[str]) -> Response[bytes]:
    """Give a rule's signed receipt as a file."""
    own, valv = owner(request), valv_of(request)
    told = await receipts.of_rule(valv.house, own.principal, own.alias, rule_id)
    signed = valv.receipts.sign(told, kind=RECEIPT).encode()
    return as_file(signed, "application/jose", f"kvitto-{rule_id}.jws")


@shown("/sharing/{rule_id:str}/consent")
async def download_consent(request: Asked, rule_id: FromPath[str]) -> Response[bytes]:
    """Give a rule that is in force as a FHIR Consent, as a file."""
    own, valv = owner(request), valv_of(request)
    rules = await granting.rules_of(valv.house, own.principal, own.alias)
    rule = next((one for one in rules.rules if one.id == rule_id), None)
    if rule is None:
        raise NotFoundError
    told = consent.to_fhir(rule, patient_id=own.alias.hex(), controller=valv.controller)
    return as_file(to_json(told), "application/fhir+json", f"consent-{rule_id}.json")


# --- a change of it


@shown("/sharing/{rule_id:str}/change")
async def show_change(request: Asked, rule_id: FromPath[str]) -> Answer:
    """Show the form of a rule, filled in; a mandate is changed by ending it and giving another."""
    own, house = owner(request), valv_of(request).house
    rule = await granting.find_rule(house, own.principal, own.alias, rule_id)
    # Who manages some of it is told of that alone.
    told = await granting.rules_of(house, own.principal, own.alias)
    if rule.grantee.kind is GranteeKind.PROXY or rule not in told.rules:
        raise NotFoundError
    demand_fresh(request)
    return rule_form.show(request, own, rule.effect, rule_form.filled(rule))


# --- a block laid aside


@shown("/sharing/{rule_id:str}/lift")
async def show_lift(request: Asked, rule_id: FromPath[str]) -> Answer:
    """Show what it would do to lay a block aside until a day, or to put it back at once; nothing is saved."""
    own, valv = owner(request), valv_of(request)
    if not isinstance(own.principal, Citizen):
        raise PermissionDeniedException  # the page's own; the gate says the same of the deed itself
    until = request.query_params.get("until", "").strip()
    rule = await granting.find_rule(valv.house, own.principal, own.alias, rule_id)
    try:
        lifted = _lift(until)
        wish = granting.to_lift(rule, lifted, valv.house.clock())
    except RuleError as error:
        return await _show(request, own, rule_id, _wrong(until, error), 400)
    found = await outlook.preview(valv.house, own.principal, own.alias, wish)
    gains, loses = labels.changes(valv.house.directory(), found)
    card = labels.card(valv, rule, reader=own.self_id, at=valv.house.clock())
    day = None if lifted is None else rule_form.day_of(until)
    return page(request, "lift.html", LiftView(card, day, gains, loses))


@taken("/sharing/{rule_id:str}/lift")
async def lift(request: Asked, rule_id: FromPath[str]) -> Answer:
    """Lay a block aside until a day, or put it back at once."""
    own, house, fields = owner(request), valv_of(request).house, await form(request)
    until = fields.value("until").strip()
    rule = await granting.find_rule(house, own.principal, own.alias, rule_id)
    if until:
        demand_fresh(request)
    try:
        wish = granting.to_lift(rule, _lift(until), house.clock())
    except RuleError as error:
        return await _show(request, own, rule_id, _wrong(until, error), 400)
    await granting.carry_out(house, own.principal, own.alias, wish)
    return redirect(f"/sharing/{rule_id}", Notice.BLOCK_LIFTED if until else Notice.BLOCK_PUT_BACK)


def _lift(until: str) -> Lift | None:
    return parse_lift({"until": until}) if until else None


def _wrong(until: str, error: RuleError) -> FormState:
    past = "in the past" in str(error)
    problem = FieldProblem.IN_THE_PAST if past else FieldProblem.NOT_A_DATE
    return FormState({"until": (until,)}, (FieldError("until", problem),))
