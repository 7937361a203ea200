"""Emergency access (nödöppning): staff open, say why and confirm it; the citizen sees it, and can say no in advance.

Who may open and for how long is asked of the policies. What is then read, the patient's page reads
(:mod:`app.web.staff`).
"""

from datetime import timedelta

from litestar.exceptions import PermissionDeniedException
from litestar.params import FromPath

from app.errors import BadRequestError
from app.security import demand_fresh, valv_of
from app.web import labels
from app.web.shell import Answer, Asked, Owner, form, owner, page, redirect, shown, staff, taken
from app.web.staff import address, opening_of, refused
from app.web.views import (
    EmergenciesView,
    EmergencyView,
    FieldError,
    FieldProblem,
    FormState,
    Notice,
    OpeningCard,
)
from app.whose import parse_patient
from consent.gate import Refused
from consent.rules import RuleError
from sharing import emergency, openings, reach
from sharing.openings import Told

_HERE = "/sharing/emergencies"

# --- staff


@shown("/staff/patients/{patient:str}/emergency")
async def show_open(request: Asked, patient: FromPath[str]) -> Answer:
    """Show what an emergency opening means, and its form; where one holds already, the patient."""
    member, alias = staff(request), parse_patient(patient)
    if await opening_of(request, member, alias) is not None:
        return redirect(address(alias))
    return _show_form(request, alias, FormState())


@taken("/staff/patients/{patient:str}/emergency")
async def open_vault(request: Asked, patient: FromPath[str]) -> Answer:
    """Open, once the reason is one and it is confirmed; what is said after that is the same whoever the citizen is."""
    member, alias, fields = staff(request), parse_patient(patient), await form(request)
    problems = () if fields.value("confirm") else (FieldError("confirm", FieldProblem.NOT_CONFIRMED),)
    try:
        reason = emergency.checked_reason(fields.value("reason"))
    except RuleError:
        problems = (FieldError("reason", FieldProblem.REASON_LENGTH), *problems)
    if problems:
        await opening_of(request, member, alias)
        return _show_form(request, alias, FormState(fields.values, problems), 400)
    try:
        await emergency.open_vault(valv_of(request).house, member, alias, reason)
    except Refused:
        return refused(request, alias)
    return redirect(address(alias), Notice.EMERGENCY_OPENED)


def _show_form(request: Asked, alias: bytes, state: FormState, status: int = 200) -> Answer:
    length = emergency.lasts(valv_of(request).house, staff(request))
    if length is None:
        raise PermissionDeniedException
    view = EmergencyView(alias.hex(), length // timedelta(minutes=1), state)
    return page(request, "emergency.html", view, status)


# --- the citizen


@shown(_HERE)
async def show_openings(request: Asked) -> Answer:
    """Show who opened the vault in an emergency, why and what they read, and whether that was refused in advance."""
    own, house = owner(request), valv_of(request).house
    found = await openings.told(house, own.principal, own.alias)
    view = EmergenciesView(
        tuple(_card(one, own) for one in found.openings),
        found.has_said_no,
        may_say_no=await reach.blocks(house, own.principal, own.alias),
    )
    return page(request, "emergencies.html", view)


@taken(_HERE)
async def answer(request: Asked) -> Answer:
    """Say no in advance, or take that back."""
    own, house, fields = owner(request), valv_of(request).house, await form(request)
    demand_fresh(request)
    match fields.value("answer"):
        case "no":
            await openings.say_no(house, own.principal, own.alias)
            return redirect(_HERE, Notice.EMERGENCY_REFUSED)
        case "yes":
            await openings.take_back(house, own.principal, own.alias)
            return redirect(_HERE, Notice.EMERGENCY_ALLOWED)
        case _:
            raise BadRequestError("answer: no or yes")


def _card(one: Told, own: Owner) -> OpeningCard:
    reads = tuple(labels.entry(read, reader=own.self_id) for read in one.reads)
    is_whole, opening = one.made is not None, one.opening
    if opening is not None:
        who = (opening.staff_name, opening.staff_title, opening.unit_name, opening.provider_name)
        return OpeningCard(one.id, one.at, *who, opening.reason, reads, is_whole)
    if one.made is None:
        raise ValueError("neither a row nor an entry")
    actor = one.made.actor
    who = (actor.name, actor.title, actor.unit_name, actor.provider_name)
    return OpeningCard(one.id, one.at, *who, "", reads, is_whole)
