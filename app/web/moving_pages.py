"""When people move: leave a unit or provider, and tick what is to stand for it at the new one."""

from collections.abc import Iterable
from dataclasses import replace
from urllib.parse import urlencode

from app.errors import NotFoundError
from app.security import demand_fresh, valv_of
from app.web import labels
from app.web.moving_views import LeaveView, LeftCard, MoveView, PlaceCard, ProposalCard, ProposalsView
from app.web.shell import Answer, Asked, Owner, form, owner, page, pick, redirect, shown, taken
from app.web.views import FieldError, FieldProblem, FormState, Notice
from consent.moving import PLACES, Missing
from consent.rules import Contact, Grantee, Rule
from policies.vocabulary import GranteeKind
from sharing import moving, outlook
from sharing.moving import Proposal

_LONGEST_SEARCH = 100


@shown("/sharing/move")
async def show_move(request: Asked) -> Answer:
    """Show what can be left; or, once it is chosen, what would end by that."""
    own, valv = owner(request), valv_of(request)
    if chosen := request.query_params.get("from", ""):
        return await _show_leave(request, own, _place(chosen))
    directory = valv.house.directory()
    found = await moving.places(valv.house, own.principal, own.alias)
    left = await moving.left_lately(valv.house, own.principal, own.alias)
    view = MoveView(
        tuple(PlaceCard(labels.label(directory, one.grantee), one.rules, one.contacts) for one in found),
        tuple(LeftCard(labels.label(directory, one.grantee), one.at) for one in left),
    )
    return page(request, "move.html", view)


async def _show_leave(request: Asked, own: Owner, place: Grantee) -> Answer:
    valv, house = valv_of(request), valv_of(request).house
    hung = await moving.hanging(house, own.principal, own.alias, place)
    changed = await outlook.preview(house, own.principal, own.alias, moving.to_leave(house, place))
    directory, at = house.directory(), house.clock()
    view = LeaveView(
        labels.label(directory, place),
        tuple(labels.card(valv, one, reader=own.self_id, at=at) for one in hung.rules),
        tuple(labels.contact(directory, one) for one in hung.contacts),
        labels.changes(directory, changed)[1],
    )
    return page(request, "leave.html", view)


@taken("/sharing/move")
async def leave(request: Asked) -> Answer:
    """End what hangs on a place, and go on to what could stand for it elsewhere."""
    own, fields = owner(request), await form(request)
    place = _place(fields.value("from"))
    await moving.leave(valv_of(request).house, own.principal, own.alias, place)
    query = urlencode({"from": fields.value("from"), "done": Notice.PLACE_LEFT})
    return redirect(f"/sharing/move/new?{query}")


@shown("/sharing/move/new")
async def show_proposals(request: Asked) -> Answer:
    """Show the search for a new unit; or, once it is chosen, what would stand there, nothing of it ticked."""
    query = request.query_params
    state = FormState({name: (query.get(name, ""),) for name in ("from", "who", "unit")})
    return await _show_proposals(request, owner(request), state)


@taken("/sharing/move/new")
async def accept(request: Asked) -> Answer:
    """Grant what was ticked, and nothing else."""
    own, fields = owner(request), await form(request)
    demand_fresh(request)
    if not fields.all("accept"):
        problem = FieldError("accept", FieldProblem.CHOOSE_SOME)
        return await _show_proposals(request, own, FormState(fields.values, (problem,)), 400)
    place, unit = _place(fields.value("from")), fields.value("unit")
    await moving.accept(
        valv_of(request).house, own.principal, own.alias, place, unit, frozenset(fields.all("accept"))
    )
    return redirect("/sharing", Notice.PROPOSALS_ACCEPTED)


async def _show_proposals(request: Asked, own: Owner, state: FormState, status: int = 200) -> Answer:
    house, place, unit = valv_of(request).house, _place(state.value("from")), state.value("unit")
    proposed: tuple[ProposalCard, ...] = ()
    if unit:
        demand_fresh(request)  # only one who logged in just now can accept, so that comes first
        found = await moving.proposals(house, own.principal, own.alias, place, unit)
        proposed = tuple(_cards(request, own, found))
    directory = house.directory()
    hits = labels.found(directory, state.value("who")[:_LONGEST_SEARCH])
    view = ProposalsView(
        labels.label(directory, place),
        tuple(one for one in hits if one.kind is GranteeKind.UNIT),
        labels.node(directory, f"unit:{unit}") if unit else None,
        proposed,
        state,
    )
    here = f"/sharing/move/new?{urlencode({name: state.value(name) for name in ('from', 'who', 'unit')})}"
    return page(request, "proposals.html", view, status, here=here)


def _cards(request: Asked, own: Owner, found: Iterable[Proposal]) -> Iterable[ProposalCard]:
    valv = valv_of(request)
    directory, at = valv.house.directory(), valv.house.clock()
    for one in found:
        was, gains = labels.label(directory, one.was.grantee), labels.changes(directory, one.changes)[0]
        match one.new:
            case Missing() as why:
                yield ProposalCard(one.key, was, missing=why)
            case Rule() as rule:
                card = replace(
                    labels.card(valv, rule, reader=own.self_id, at=at), created=None
                )  # not yet made
                yield ProposalCard(one.key, was, rule=card, gains=gains)
            case Contact() as contact:
                card_of = labels.contact(directory, contact)
                yield ProposalCard(one.key, was, contact=card_of, gains=gains)


def _place(text: str) -> Grantee:
    kind, colon, id_ = text.partition(":")
    found = pick(GranteeKind, kind)
    if found not in PLACES or not colon:
        raise NotFoundError
    return Grantee(found, id_)
