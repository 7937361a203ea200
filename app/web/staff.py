"""Staff's pages: find a citizen, read what is shared, add a value, ask for access.

One who has no vault and one who shares nothing are answered alike, by the same steps and the same page. A
personal number is never in an address and never shown again; a name is shown only where the gate let in.
"""

from litestar.params import FromPath

from app.errors import TooManyRequestsError
from app.security import valv_of
from app.throttling import count_lookup
from app.web import labels, values
from app.web.citizen import trend_for, written_by
from app.web.entering import blank, read_measure
from app.web.measures import BY_ID, MEASURES, MeasureForm
from app.web.review import pseudonym
from app.web.shell import (
    Answer,
    Asked,
    cursor,
    form,
    lang_of,
    page,
    pick,
    picked,
    professional,
    redirect,
    shown,
    staff,
    taken,
)
from app.web.views import (
    AddView,
    AskView,
    FieldError,
    FieldProblem,
    FindView,
    FormState,
    Notice,
    OwnAccessesView,
    PatientView,
    RefusedView,
    Trend,
    Urgent,
)
from app.whose import parse_patient
from consent.gate import Refused
from identity.numbers import NumberError, parse_personal_number
from identity.principal import Staff
from policies.vocabulary import MEASUREMENTS, Action, Category, Purpose
from sharing import adding, asking, cases, emergency, lookup, reach, searching
from sharing.accesses import own_organisation
from sharing.emergency import Under
from sharing.reach import Adding, Met

# --- find


@shown("/staff")
async def show_find(request: Asked) -> Answer:
    """Show the form to find a citizen by."""
    house = valv_of(request).house
    return page(request, "find.html", FindView(is_asked=cases.waits_for(house, staff(request))))


@taken("/staff")
async def find(request: Asked) -> Answer:
    """Exchange a personal number for the public id: counted, logged, and the same for every valid number."""
    member, valv, fields = staff(request), valv_of(request), await form(request)
    try:
        await count_lookup(valv, member)
        number = parse_personal_number(fields.value("personal_number"), at=valv.house.clock())
    except TooManyRequestsError:
        return _show_wrong(request, FieldProblem.TOO_MANY_LOOKUPS, 429)
    except NumberError:
        return _show_wrong(request, FieldProblem.NOT_A_PERSONAL_NUMBER, 400)
    alias = valv.house.keystore.alias(number.digits)
    await lookup.look_up(valv.house, member, alias)
    return redirect(address(alias))


def _show_wrong(request: Asked, problem: FieldProblem, status: int) -> Answer:
    state = FormState(errors=(FieldError("personal_number", problem),))
    return page(request, "find.html", FindView(state), status)


# --- read


@shown("/staff/accesses")
async def show_own(request: Asked) -> Answer:
    """Show staff, supervisors too, what they themself did on the commission they act on; the person by pseudonym."""
    member, valv = professional(request), valv_of(request)
    found = await searching.of_own(valv.house, member, before=cursor(request))
    node = own_organisation(member)
    entries = tuple(
        labels.entry(one, reader=member.id, about=pseudonym(valv, node, one)) for one in found.accesses
    )
    view = OwnAccessesView(entries, "" if found.before is None else str(found.before))
    return page(request, "own_accesses.html", view)


@shown("/staff/patients/{patient:str}")
async def show_patient(request: Asked, patient: FromPath[str]) -> Answer:
    """Show what a citizen shares with the active commission, or under an emergency opening what it opens."""
    member, alias, house = staff(request), parse_patient(patient), valv_of(request).house
    under = await opening_of(request, member, alias)
    try:
        if under is None:
            met = await reach.meet(house, member, alias)
        else:
            met = await reach.meet_in_emergency(house, member, alias, under)
        trend = await _trend(request, member, alias, met)
    except Refused:
        return refused(request, alias)
    tiles = values.tiles(met.latest, lang_of(request))
    can_open = emergency.lasts(house, member) is not None
    view = PatientView(alias.hex(), met.name, tiles, trend, met.readable, met.addable, can_open)
    return page(request, "patient.html", view)


async def opening_of(request: Asked, member: Staff, alias: bytes) -> Under | None:
    """Return the emergency opening under which this patient is met, while it holds; the page tells of it."""
    found = await emergency.under(valv_of(request).house, member, alias)
    if found is None:
        return None
    request.state.urgent = Urgent(
        alias.hex(),
        found.opening.at,
        found.ends,
        found.opening.reason,
        found.is_over,
        tuple(one.name for one in found.blocked or ()),
    )
    return None if found.is_over else found


async def _trend(request: Asked, member: Staff, alias: bytes, met: Met) -> Trend | None:
    """Read the category asked for, else the first that has values, else the first that may be read."""
    there = {one.category for one in met.latest}
    offered = [category for category in MEASUREMENTS if category in met.readable]
    offered.sort(key=lambda category: category not in there)
    asked = pick(Category, request.query_params.get("category"))
    category = asked or next(iter(offered), None)
    if category is None:
        return None
    is_urgent = category in met.urgent
    return await trend_for(request, member, alias, category, met.latest, is_urgent=is_urgent)


def refused(request: Asked, alias: bytes) -> Answer:
    """Say that there is nothing to see, and what can be done: the same whoever the citizen is."""
    can_open = emergency.lasts(valv_of(request).house, staff(request)) is not None
    return page(request, "refused.html", RefusedView(alias.hex(), can_open), 403, here=address(alias))


def address(alias: bytes) -> str:
    """Return the address of a patient's page."""
    return f"/staff/patients/{alias.hex()}"


# --- add


@shown("/staff/patients/{patient:str}/add")
async def show_add(request: Asked, patient: FromPath[str]) -> Answer:
    """Show the measures that this commission may add here, or one's form."""
    member, alias, house = staff(request), parse_patient(patient), valv_of(request).house
    await opening_of(request, member, alias)
    try:
        adding_ = await reach.may_add(house, member, alias)
    except Refused:
        return refused(request, alias)
    measure = BY_ID.get(request.query_params.get("measure", ""))
    if measure is not None and measure.category not in adding_.categories:
        measure = None
    return page(request, "add.html", _add_view(alias, adding_, measure, blank(measure, house.clock())))


@taken("/staff/patients/{patient:str}/add")
async def add(request: Asked, patient: FromPath[str]) -> Answer:
    """Add a value, in the commission's name; the gate decides when it is added."""
    member, alias, house = staff(request), parse_patient(patient), valv_of(request).house
    fields = await form(request)
    await opening_of(request, member, alias)
    measure = BY_ID.get(fields.value("measure"))
    if measure is None:
        return redirect(f"{address(alias)}/add")
    read = read_measure(measure, fields, written_by(request, member), now=house.clock())
    try:
        if isinstance(read, FormState):
            view = _add_view(alias, await reach.may_add(house, member, alias), measure, read)
            return page(request, "add.html", view, 400, here=f"{address(alias)}/add?measure={measure.id}")
        await adding.add(house, member, alias, [read])
    except Refused:
        return refused(request, alias)
    return redirect(address(alias), Notice.VALUE_ADDED)


def _add_view(alias: bytes, found: Adding, measure: MeasureForm | None, state: FormState) -> AddView:
    measures = tuple(one for one in MEASURES if one.category in found.categories)
    return AddView(measures, measure, state, alias.hex(), found.name)


# --- ask


@shown("/staff/patients/{patient:str}/request")
async def show_ask(request: Asked, patient: FromPath[str]) -> Answer:
    """Show the form to ask for access by, or that it was sent."""
    member, alias = staff(request), parse_patient(patient)
    await opening_of(request, member, alias)
    sent = request.query_params.get("done") == Notice.REQUEST_SENT
    state = FormState({"purpose": (member.commission.purpose,)})
    return page(request, "ask.html", _ask_view(member, alias, state, sent=sent))


@taken("/staff/patients/{patient:str}/request")
async def ask(request: Asked, patient: FromPath[str]) -> Answer:
    """Send a request; what is said after that is the same whoever the citizen is."""
    member, alias, fields = staff(request), parse_patient(patient), await form(request)
    actions, categories = picked(Action, fields.all("actions")), picked(Category, fields.all("categories"))
    purpose = pick(Purpose, fields.value("purpose"))
    problems = [
        FieldError(name, problem)
        for name, problem, given in (
            ("actions", FieldProblem.CHOOSE_SOME, bool(actions)),
            ("categories", FieldProblem.CHOOSE_SOME, bool(categories)),
            ("purpose", FieldProblem.CHOOSE_ONE, purpose is not None),
        )
        if not given
    ]
    if problems or purpose is None:
        await opening_of(request, member, alias)
        state = FormState(fields.values, tuple(problems))
        return page(request, "ask.html", _ask_view(member, alias, state), 400)
    await asking.ask(
        valv_of(request).house, member, alias, categories=categories, actions=actions, purpose=purpose
    )
    return redirect(f"{address(alias)}/request", Notice.REQUEST_SENT)


def _ask_view(member: Staff, alias: bytes, state: FormState, *, sent: bool = False) -> AskView:
    return AskView(alias.hex(), state, sent=sent, purposes=(member.commission.purpose,))
