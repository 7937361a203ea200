"""What somebody is told of, and how: the list of what is new, the choice, and the code that confirms an address."""

from app.errors import BadRequestError
from app.security import demand_fresh, valv_of
from app.web import labels
from app.web.shell import Answer, Asked, form, owner, page, pick, redirect, shown, taken
from app.web.views import FieldError, FieldProblem, FormState, Notice, NoticesView
from sharing import notices, searching
from sharing.notices import NoticeError, Tell

_HERE = "/notices"
_LISTED, _LOOKED = 50, 1_600
_PROBLEMS = {
    "address": FieldError("address", FieldProblem.NOT_AN_ADDRESS),
    "wait": FieldError("address", FieldProblem.CODE_JUST_SENT),
    "code": FieldError("code", FieldProblem.WRONG_CODE),
}


@shown(_HERE)
async def show_notices(request: Asked) -> Answer:
    """Show what is new, by which it is looked at, and the choice."""
    return await _show(request, FormState())


@taken(_HERE)
async def choose(request: Asked) -> Answer:
    """Keep how much is told, and where by mail; an address gets a code first."""
    own, valv, fields = owner(request), valv_of(request), await form(request)
    demand_fresh(request)
    tell = pick(Tell, fields.value("tell"))
    if tell is None:
        raise BadRequestError("tell: one of those offered")
    address = fields.value("address").strip() if valv.teller is not None else None
    try:
        await notices.choose(valv.house, own.principal, own.alias, tell, address)
    except NoticeError as error:
        return await _show(request, FormState(fields.values, (_PROBLEMS[str(error)],)), 400)
    request.app.state.jobs.wake()
    return redirect(_HERE, Notice.NOTICES_CHOSEN)


@taken("/notices/confirm")
async def confirm(request: Asked) -> Answer:
    """Take the code that came to the address."""
    own, valv, fields = owner(request), valv_of(request), await form(request)
    try:
        await notices.confirm(valv.house, own.principal, own.alias, fields.value("code").strip())
    except NoticeError as error:
        return await _show(request, FormState({}, (_PROBLEMS[str(error)],)), 400)
    return redirect(_HERE, Notice.ADDRESS_CONFIRMED)


async def _show(request: Asked, state: FormState, status: int = 200) -> Answer:
    own, valv = owner(request), valv_of(request)
    choice = await notices.choice_of(valv.house, own.principal, own.alias)
    found = await searching.of_vault(
        valv.house,
        own.principal,
        own.alias,
        keep=lambda one: notices.is_access(one, own.self_id) or notices.is_look(one, own.self_id),
        wanted=_LISTED,
        most=_LOOKED,
        subject=notices.LOOKED,
    )
    news = notices.news(notices.before_this_look(found.accesses, own.self_id), choice, own.self_id)
    view = NoticesView(
        choice.tell,
        labels.entries(valv, news.accesses, found.rules, reader=own.self_id),
        state,
        frozenset(one.id.hex() for one in news.accesses[: news.unseen]),
        address=choice.address,
        confirmed=choice.confirmed,
        awaits_code=choice.awaits_code,
        has_mail=valv.teller is not None,
        failed=choice.failures > 0,
    )
    return page(request, "notices.html", view, status, here=_HERE)
