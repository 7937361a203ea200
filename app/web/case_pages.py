"""Log review's pages: the queue, a case and its steps for supervisors; what they ask, for the staff whom they ask."""

from litestar.params import FromPath

from app.errors import BadRequestError
from app.security import valv_of
from app.web import labels
from app.web.case_views import AskedRow, AskedView, CaseRow, CasesView, CaseView, SaidLine
from app.web.review import pseudonym
from app.web.shell import Answer, Asked, form, page, pick, redirect, shown, staff, supervisor, taken
from app.web.views import AccessEntry, FieldError, FieldProblem, FormState, Notice
from app.whose import parse_id
from audit.cases import Outcome
from audit.events import ActorKind, EventKind
from audit.review import Access
from consent.rules import RuleError
from sharing import case_words, cases, reviewing
from sharing.accesses import own_organisation, supervisors_of
from sharing.case_words import Said, Step
from sharing.cases import Case

_QUEUE = "/review/cases"
_ASKED = "/staff/asked"
_TWO = 2  # one of them is the one whose access it is

# --- supervisors


@shown(_QUEUE)
async def show_cases(request: Asked) -> Answer:
    """Show what the organisation owes a decision."""
    member, house = supervisor(request), valv_of(request).house
    at = house.clock()
    rows = tuple(
        CaseRow(
            _entry(request, one.access),
            one.hits,
            one.due,
            one.is_overdue(at),
            one.is_own,
            one.standing.asked.at if one.standing.asked else None,
            one.standing.explained.at if one.standing.explained else None,
        )
        for one in await reviewing.queue(house, member)
    )
    node = own_organisation(member)
    return page(request, "cases.html", CasesView(house.directory().node_name(node), rows))


@shown("/review/cases/{entry:str}")
async def show_case(request: Asked, entry: FromPath[str]) -> Answer:
    """Show one case."""
    return await _show(request, parse_id(entry))


@taken("/review/cases/{entry:str}")
async def take_step(request: Asked, entry: FromPath[str]) -> Answer:
    """Ask the user, or decide."""
    member, house, fields = supervisor(request), valv_of(request).house, await form(request)
    id_ = parse_id(entry)
    match fields.value("step"):
        case "ask":
            if problems := _problems(fields, ("text",)):
                return await _show(request, id_, ask=FormState(fields.values, problems), status=400)
            await cases.ask_user(house, member, id_, fields.value("text"))
            return redirect(f"{_QUEUE}/{id_.hex()}", Notice.USER_ASKED)
        case "decide":
            waits = bool((await cases.find(house, member, id_)).questions)
            outcome = pick(Outcome, fields.value("outcome"))
            problems = () if outcome else (FieldError("outcome", FieldProblem.CHOOSE_ONE),)
            problems += _problems(fields, ("motive", "answer") if waits else ("motive",), ("measures",))
            if problems or outcome is None:
                return await _show(request, id_, decide=FormState(fields.values, problems), status=400)
            texts = {name: fields.value(name) for name in ("motive", "measures", "answer")}
            await cases.decide(house, member, id_, outcome, **texts)
            return redirect(_QUEUE, Notice.CASE_DECIDED)
        case _:
            raise BadRequestError("step: ask or decide")


def _problems(
    fields: FormState, needed: tuple[str, ...], optional: tuple[str, ...] = ()
) -> tuple[FieldError, ...]:
    """Return what is wrong with the texts of a form."""
    wrong = []
    for name in (*needed, *(one for one in optional if fields.value(one).strip())):
        try:
            case_words.checked(fields.value(name), field=name)
        except RuleError:
            wrong.append(FieldError(name, FieldProblem.TEXT_LENGTH))
    return tuple(wrong)


async def _show(
    request: Asked,
    id_: bytes,
    *,
    ask: FormState | None = None,
    decide: FormState | None = None,
    status: int = 200,
) -> Answer:
    member, house = supervisor(request), valv_of(request).house
    found = await cases.find(house, member, id_)
    view = CaseView(
        _entry(request, found.access),
        tuple(_entry(request, one) for one in found.reads),
        found.reason,
        _said(found),
        found.due,
        found.due is not None and found.due < house.clock(),
        found.is_own,
        found.standing.outcome,
        is_opening=found.access.kind is EventKind.EMERGENCY,
        is_alone=found.is_own and len(supervisors_of(house.directory(), own_organisation(member))) < _TWO,
        person=found.access.actor.kind is ActorKind.STAFF,
        waits=bool(found.questions),
        ask=ask or FormState(),
        decide=decide or FormState(),
    )
    return page(request, "case.html", view, status)


def _said(found: Case) -> tuple[SaidLine, ...]:
    """Return what was said, each decision with its outcome: the log has that, also where its words are lost."""
    outcomes = {one.id: Outcome(one.reason) for one in found.decisions}
    lines = [
        SaidLine(
            one.words.step,
            one.at,
            one.words.by,
            one.words.text,
            outcomes.get(one.entry),
            one.words.measures,
            one.words.answer,
        )
        for one in found.said
    ]
    told = {one.entry for one in found.said}
    lines += [
        SaidLine(Step.DECIDED, one.at, one.actor.name, outcome=outcomes[one.id])
        for one in found.decisions
        if one.id not in told
    ]
    return tuple(sorted(lines, key=lambda line: line.at))


def _entry(request: Asked, access: Access) -> AccessEntry:
    valv = valv_of(request)
    node = own_organisation(supervisor(request))
    return labels.entry(access, reader="", about=pseudonym(valv, node, access))


# --- those who are asked


@shown(_ASKED)
async def show_asked(request: Asked) -> Answer:
    """Show what a supervisor asks of one."""
    return await _show_asked(request)


@taken("/staff/asked/{entry:str}")
async def explain(request: Asked, entry: FromPath[str]) -> Answer:
    """Answer it."""
    member, house, fields = staff(request), valv_of(request).house, await form(request)
    id_ = parse_id(entry)
    if problems := _problems(fields, ("text",)):
        return await _show_asked(request, FormState(fields.values, problems), id_.hex(), status=400)
    await cases.explain(house, member, id_, fields.value("text"))
    return redirect(_ASKED, Notice.EXPLAINED)


async def _show_asked(
    request: Asked, state: FormState | None = None, at: str = "", status: int = 200
) -> Answer:
    member, house = staff(request), valv_of(request).house
    now, node = house.clock(), own_organisation(member)
    rows = tuple(
        AskedRow(
            labels.entry(one.access, reader="", about=pseudonym(valv_of(request), node, one.access)),
            one.question.words.text,
            one.question.words.by,
            one.question.at,
            one.due,
            one.answer is None and one.due < now,
            *(("", None) if one.answer is None else (one.answer.words.text, one.answer.at)),
        )
        for one in await cases.asked(house, member)
    )
    return page(request, "asked.html", AskedView(rows, state or FormState(), at), status, here=_ASKED)


def said_by(said: Said | None) -> tuple[str, str]:
    """Return an answer's text and who gave it."""
    return ("", "") if said is None else (said.words.answer, said.words.by)
