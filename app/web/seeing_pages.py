"""Who can see this, contacts, and the pause."""

from collections.abc import Iterable

from app.errors import BadRequestError, NotFoundError
from app.security import demand_fresh, valv_of
from app.web import labels
from app.web.shell import Answer, Asked, Owner, form, owner, page, pick, redirect, shown, taken
from app.web.views import (
    ContactsView,
    FieldError,
    FieldProblem,
    FormState,
    GranteeLabel,
    Notice,
    SeerRow,
    SeersView,
)
from consent.parse import parse_contact
from consent.rules import Grantee, RuleError
from identity.directory import Directory
from policies.vocabulary import Category, GranteeKind
from sharing import granting, outlook, reading
from sharing.reading import Query
from vault.record import parse_record_id

_LONGEST_SEARCH = 100
_LISTED = frozenset({GranteeKind.UNIT, GranteeKind.PROVIDER, GranteeKind.PERSON})


@shown("/sharing/seers")
async def show_seers(request: Asked) -> Answer:
    """Show who can see a category, or one record of it, and by which rule."""
    own, valv = owner(request), valv_of(request)
    record = request.query_params.get("record", "")
    category = pick(Category, request.query_params.get("category")) or Category.BLOOD_PRESSURE
    if record:
        told = parse_record_id(record)
        if told is None:
            raise NotFoundError
        category, month, mark = told
        query = Query((category,), month=month)
        found = await reading.find(valv.house, own.principal, own.alias, query, mark)
        if found is None:
            raise NotFoundError
        seen = await outlook.who_sees(valv.house, own.principal, own.alias, category, record=found)
    else:
        seen = await outlook.who_sees(valv.house, own.principal, own.alias, category)
    rules = (await granting.rules_of(valv.house, own.principal, own.alias)).rules
    at, directory = valv.house.clock(), valv.house.directory()
    cards = {rule.id: labels.card(valv, rule, reader=own.self_id, at=at) for rule in rules}
    rows = (
        SeerRow(
            labels.node(directory, one.node),
            one.people,
            one.action,
            tuple(cards[rule] for rule in one.rules if rule in cards),
        )
        for one in seen
    )
    return page(request, "seers.html", SeersView(category, tuple(rows), record))


# --- contacts


@shown("/sharing/contacts")
async def show_contacts(request: Asked) -> Answer:
    """Show the contacts, and a search for a new one."""
    words = request.query_params.get("who", "")
    return await _show_contacts(request, owner(request), FormState({"who": (words,)}))


@taken("/sharing/contacts")
async def list_contact(request: Asked) -> Answer:
    """List somebody, or go back to the form."""
    own, house, fields = owner(request), valv_of(request).house, await form(request)
    demand_fresh(request)
    kind, _, id_ = fields.value("grantee").partition(":")
    named = pick(GranteeKind, kind)
    if named not in _LISTED or not labels.is_known(house.directory(), Grantee(named, id_)):
        problem = FieldError("grantee", FieldProblem.UNKNOWN_GRANTEE)
        return await _show_contacts(request, own, FormState(fields.values, (problem,)), 400)
    raw = {"grantee": {"kind": kind, "id": id_}, "role": fields.value("role")}
    try:
        contact = parse_contact(raw, at=house.clock())
    except RuleError as error:
        raise BadRequestError(str(error)) from None
    await granting.carry_out(house, own.principal, own.alias, granting.to_list(contact))
    return redirect("/sharing/contacts", Notice.CONTACT_LISTED)


@taken("/sharing/contacts/end")
async def strike_contact(request: Asked) -> Answer:
    """Strike somebody."""
    own, fields = owner(request), await form(request)
    kind, _, id_ = fields.value("grantee").partition(":")
    named = pick(GranteeKind, kind)
    if named is None:
        raise NotFoundError
    wish = granting.to_unlist(Grantee(named, id_))
    await granting.carry_out(valv_of(request).house, own.principal, own.alias, wish)
    return redirect("/sharing/contacts", Notice.CONTACT_STRUCK)


async def _show_contacts(request: Asked, own: Owner, state: FormState, status: int = 200) -> Answer:
    house = valv_of(request).house
    rules, directory = await granting.rules_of(house, own.principal, own.alias), house.directory()
    view = ContactsView(
        tuple(labels.contact(directory, one) for one in rules.contacts),
        _found(directory, state.value("who"), _LISTED),
        state,
    )
    return page(request, "contacts.html", view, status, here="/sharing/contacts")


def _found(directory: Directory, words: str, kinds: Iterable[GranteeKind]) -> tuple[GranteeLabel, ...]:
    return tuple(one for one in labels.found(directory, words[:_LONGEST_SEARCH]) if one.kind in kinds)


# --- pause


@taken("/sharing/pause")
async def pause(request: Asked) -> Answer:
    """Pause all sharing, or take it up again, which needs a login just now, as sharing does."""
    own, house, fields = owner(request), valv_of(request).house, await form(request)
    stops = fields.value("pause") == "1"
    if not stops:
        demand_fresh(request)
    wish = granting.to_pause(house.clock() if stops else None)
    await granting.carry_out(house, own.principal, own.alias, wish)
    return redirect("/sharing", Notice.SHARING_PAUSED if stops else Notice.SHARING_RESUMED)
