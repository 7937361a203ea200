"""Logging in and out, and choosing a commission or whom to act for. The log has it before a session is given.

The demo has a picker of personas instead of an identity provider; outside demo mode there is no such route.
A session that the browser brought ends at login and is never taken up.
"""

from datetime import date

from litestar.datastructures import Cookie
from litestar.exceptions import PermissionDeniedException

from app import demo
from app.acting import wards_of
from app.demo import DemoError, PersonaKind
from app.errors import BadRequestError
from app.login import enter, log
from app.security import (
    CSRF_FIELD,
    Access,
    Caller,
    caller,
    cookie_name,
    form_holds,
    form_token,
    new_seed,
    session_cookie,
    valv_of,
)
from app.web.shell import Answer, Asked, form, page, redirect, shown, taken, unchecked_form
from app.web.views import (
    ChoiceOption,
    ChooseView,
    FieldError,
    FieldProblem,
    FormState,
    LoginView,
    Notice,
    Persona,
    PersonaGroup,
)
from app.wiring import Valv
from audit.events import EventKind
from consent.ages import age
from identity import sessions
from identity.branch import CommissionError, PendingStaff, StaffMember
from identity.directory import NotInDirectoryError
from identity.numbers import parse_personal_number
from identity.principal import Citizen, Client, Person, Principal, Proxy, Staff, System
from identity.sessions import Ward
from sharing import inherited

_OWN = "own"
_SEED_LENGTH = 64
_GROUPS = {
    PersonaKind.CITIZEN: PersonaGroup.CITIZENS,
    PersonaKind.STAFF: PersonaGroup.STAFF,
    PersonaKind.SUPERVISOR: PersonaGroup.SUPERVISORS,
    PersonaKind.CLIENT: PersonaGroup.SYSTEMS,
}


# --- log in and out


@shown("/login", Access.DEMO)
async def show_personas(request: Asked) -> Answer:
    """Show the demo's personas; the form is bound to a random cookie, since there is no session yet."""
    valv, kept = valv_of(request), request.cookies.get(_seed_name(valv_of(request)), "")
    seed = kept if len(kept) == _SEED_LENGTH else new_seed()
    view = LoginView(tuple(_persona(valv, one) for one in demo.PERSONAS))
    response = page(request, "login.html", view, csrf=form_token(valv, seed))
    response.set_cookie(_seed_cookie(valv, seed))
    return response


@taken("/login", Access.DEMO)
async def log_in(request: Asked) -> Answer:
    """Log a persona in: vault, log, new session, in that order; what the browser brought ends."""
    valv, fields = valv_of(request), await unchecked_form(request)
    if not form_holds(valv, None, request.cookies.get(_seed_name(valv), ""), fields.value(CSRF_FIELD)):
        raise PermissionDeniedException
    house, persona = valv.house, fields.value("persona")
    try:
        who = demo.principal_of(persona, directory=house.directory(), keystore=house.keystore)
    except DemoError:
        raise BadRequestError("persona: there is no such") from None
    if isinstance(who, Client):
        raise BadRequestError("persona: systems do not log in on the pages")
    await enter(valv, who)
    wards: tuple[Ward, ...] = ()
    if isinstance(who, Citizen):
        wards = await wards_of(valv, who.person, demo.wards_of(persona, keystore=house.keystore))
    old, at = _token(request), house.clock()
    token = await house.database.write(
        lambda writing: sessions.rotate(writing, house.keystore, old or None, who, at=at, wards=wards)
    )
    response = redirect(await _first_page(valv, who, wards))
    response.set_cookie(session_cookie(valv, token))
    response.set_cookie(_seed_cookie(valv, ""))
    return response


@taken("/logout")
async def log_out(request: Asked) -> Answer:
    """End the session."""
    await form(request)
    valv, who, token = valv_of(request), caller(request).principal, _token(request)
    await valv.house.database.write(lambda writing: sessions.end(writing, token))  # whatever the log says
    if not isinstance(who, PendingStaff):
        await log(valv, who, EventKind.LOGOUT)
    response = redirect("/login", Notice.LOGGED_OUT)
    response.set_cookie(session_cookie(valv, ""))
    return response


async def _first_page(valv: Valv, who: Principal | PendingStaff, wards: tuple[Ward, ...]) -> str:
    """Return where somebody goes first: what a guardian left to answer for, a choice, or their own first page."""
    if isinstance(who, Citizen) and await inherited.waiting(valv.house, who, who.person.alias):
        return "/inherited"
    return "/commission" if wards or isinstance(who, PendingStaff) else "/"


# --- choose


@shown("/commission")
async def show_choices(request: Asked) -> Answer:
    """Show the commissions that a professional holds, or whom a person may act for."""
    return page(request, "choose.html", await _choices(request))


@taken("/commission")
async def choose(request: Asked) -> Answer:
    """Go on, on one commission or for one person."""
    fields, valv = await form(request), valv_of(request)
    who = await _chosen(valv, caller(request), fields.value("choice"))
    if who is None:
        wrong = FormState(errors=(FieldError("choice", FieldProblem.CHOOSE_ONE),))
        return page(request, "choose.html", await _choices(request, wrong), 400)
    house, token, at = valv.house, _token(request), valv.house.clock()
    await enter(valv, who)
    new = await house.database.write(
        lambda writing: sessions.switch(writing, house.keystore, token, who, at=at)
    )
    response = redirect("/")
    response.set_cookie(session_cookie(valv, new))
    return response


async def _choices(request: Asked, wrong: FormState | None = None) -> ChooseView:
    valv, found = valv_of(request), caller(request)
    form_state = wrong or FormState()
    match found.principal:
        case Citizen(person) | Proxy(person, _, _):
            own = ChoiceOption(_OWN, person.name, own=True)
            wards = await _wards(valv, person, found)
            others = (ChoiceOption(_id(one), one.person.name, relation=one.relation) for one in wards)
            return ChooseView(for_staff=False, options=(own, *others), form=form_state)
        case PendingStaff(StaffMember(id=employee)) | Staff(id=employee):
            held = valv.house.directory().staff(employee).commissions
            options = (ChoiceOption(one.id, one.name, one.unit.name, one.unit.provider.name) for one in held)
            return ChooseView(for_staff=True, options=tuple(options), form=form_state)
        case _:
            raise PermissionDeniedException


async def _chosen(valv: Valv, found: Caller, choice: str) -> Principal | None:
    """Return the principal that is chosen, if it is one of the person's own."""
    match found.principal:
        case Citizen(person) | Proxy(person, _, _):
            return await _person_chosen(valv, person, found, choice)
        case PendingStaff(StaffMember(id=employee)) | Staff(id=employee):
            try:
                return valv.house.directory().staff(employee).on(choice)
            except (CommissionError, NotInDirectoryError):
                return None
        case Client() | System():
            return None


async def _person_chosen(valv: Valv, person: Person, found: Caller, choice: str) -> Principal | None:
    if choice == _OWN:
        return Citizen(person)
    for ward in await _wards(valv, person, found):
        if _id(ward) == choice:
            return Proxy(person, ward.person, ward.relation)
    return None


async def _wards(valv: Valv, person: Person, found: Caller) -> tuple[Ward, ...]:
    """Return whom somebody may act for now: what the session knows of was true at login."""
    return await wards_of(valv, person, found.session.wards if found.session is not None else ())


def _id(ward: Ward) -> str:
    return f"{ward.relation}:{ward.person.alias.hex()}"


# --- the picker


def _persona(valv: Valv, one: demo.Persona) -> Persona:
    group = _GROUPS[one.kind]
    match one.kind:
        case PersonaKind.CITIZEN:
            return _citizen(valv, one)
        case PersonaKind.STAFF | PersonaKind.SUPERVISOR:
            member = valv.house.directory().staff(one.identifier)
            units = dict.fromkeys(commission.unit.name for commission in member.commissions)
            return Persona(one.id, one.name, group, detail=", ".join((member.title, *units)))
        case PersonaKind.CLIENT:
            provider = valv.house.directory().client(one.identifier).provider
            return Persona(one.id, one.name, group, detail=provider.name)


def _citizen(valv: Valv, one: demo.Persona) -> Persona:
    number, keystore = parse_personal_number(one.identifier), valv.house.keystore
    registered = valv.population.find(number)
    born: date | None = registered.birth_date if registered is not None else None
    wards = valv.population.wards(number, keystore)
    return Persona(
        one.id,
        one.name,
        PersonaGroup.CITIZENS,
        identifier=f"{number.digits[:8]}-{number.digits[8:]}",
        age=None if born is None else age(born, valv.house.clock()),
        guardian_of=", ".join(ward.person.name for ward in wards),
        protected=registered is not None and registered.protected,
    )


# --- cookies


def _token(request: Asked) -> str:
    return request.cookies.get(cookie_name(valv_of(request)), "")


def _seed_name(valv: Valv) -> str:
    return "valv_form" if valv.demo else "__Host-valv_form"


def _seed_cookie(valv: Valv, seed: str) -> Cookie:
    return Cookie(
        _seed_name(valv),
        path="/",
        value=seed,
        max_age=None if seed else 0,
        httponly=True,
        secure=not valv.demo,
        samesite="strict",
    )
