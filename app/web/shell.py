"""What stands around every page: who is logged in, the language, the notice, the form's token, errors.

A handler takes its form by :func:`form`, which checks its token against the session's, and answers by
:func:`page` or :func:`redirect`. Whose pages are whose is said here once: a citizen's and a proxy's by
:func:`owner`, staff's by :func:`staff`, a supervisor's by :func:`supervisor`. What they may do there is never
decided here, but by the gate.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode

from litestar import Request, Response, get, post
from litestar.datastructures import Cookie, State
from litestar.exceptions import PermissionDeniedException
from litestar.response import Redirect

from app.errors import BadRequestError, Problem
from app.security import CSRF_FIELD, Access, Caller, caller, form_holds, principal, valv_of
from app.web.formats import Lang
from app.web.rendering import Renderer
from app.web.views import Chrome, ErrorView, FormState, Notice, Role, Who
from app.wiring import Valv
from identity.branch import PendingStaff
from identity.principal import Citizen, Client, Proxy, Staff, System
from vault.database import DatabaseUnavailableError

Asked = Request[Any, Any, State]
Answer = Response[Any]

LANGUAGE_COOKIE = "valv_lang"
_FORM = "application/x-www-form-urlencoded"
_LARGEST_FORM = 64 * 1024
_MOST_FIELDS = 500
_YEAR = 365 * 24 * 3600

_Word = TypeVar("_Word", bound=StrEnum)


def shown(path: str, access: Access = Access.SESSION) -> get:
    """Declare a page that is shown."""
    return get(path, opt={"access": access}, include_in_schema=False)


def taken(path: str, access: Access = Access.SESSION) -> post:
    """Declare a form that is taken."""
    return post(path, opt={"access": access}, include_in_schema=False)


# --- who


@dataclass(frozen=True, slots=True)
class Owner:
    """One who stands before a vault of their own or of somebody they act for."""

    principal: Citizen | Proxy
    alias: bytes

    @property
    def self_id(self) -> str:
        """The id under which the log and the rules know the one logged in."""
        return self.principal.person.alias.hex()


def owner(request: Asked) -> Owner:
    """Return the citizen or proxy whose page this is; nobody else has one."""
    match principal(request):
        case Citizen(person) as found:
            return Owner(found, person.alias)
        case Proxy(_, citizen, _) as found:
            return Owner(found, citizen.alias)
        case _:
            raise PermissionDeniedException


def staff(request: Asked) -> Staff:
    """Return the professional whose page this is."""
    match principal(request):
        case Staff(is_supervisor=False) as found:
            return found
        case _:
            raise PermissionDeniedException


def supervisor(request: Asked) -> Staff:
    """Return the supervisor whose page this is."""
    match principal(request):
        case Staff(is_supervisor=True) as found:
            return found
        case _:
            raise PermissionDeniedException


def professional(request: Asked) -> Staff:
    """Return the professional whose page this is, a supervisor or not."""
    match principal(request):
        case Staff() as found:
            return found
        case _:
            raise PermissionDeniedException


# --- what came


async def form(request: Asked) -> FormState:
    """Return a posted form's fields, once its token holds.

    Raises:
        PermissionDeniedException: the token is not the session's.
        BadRequestError: not such a form, or too large.
    """
    state = await unchecked_form(request)
    check_token(request, state.value(CSRF_FIELD))
    return FormState({name: values for name, values in state.values.items() if name != CSRF_FIELD})


async def unchecked_form(request: Asked) -> FormState:
    """Return a posted form's fields; who takes it checks the token.

    Raises:
        BadRequestError: not such a form, or too large.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise BadRequestError("expected a form")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST_FORM:
            raise BadRequestError("the form is too large")
    values: dict[str, tuple[str, ...]] = {}
    try:
        for name, value in parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS):
            values[name] = (*values.get(name, ()), value)
    except ValueError:
        raise BadRequestError("the form cannot be read") from None
    return FormState(values)


def check_token(request: Asked, presented: str) -> None:
    """Raise PermissionDeniedException unless a form's token is the session's."""
    session = caller(request).session
    if session is None or not form_holds(valv_of(request), session, "", presented):
        raise PermissionDeniedException


def pick(words: type[_Word], text: str | None) -> _Word | None:
    """Return the member of a vocabulary that text names, if any."""
    return words(text) if text in set(words) else None


def picked(words: type[_Word], texts: Iterable[str]) -> tuple[_Word, ...]:
    """Return the members of a vocabulary that texts name, in its own order.

    Raises:
        BadRequestError: one of them is none.
    """
    wanted = set(texts)
    if not wanted <= set(words):
        raise BadRequestError("the form holds what it did not offer")
    return tuple(word for word in words if word in wanted)


def cursor(request: Asked) -> int | None:
    """Return where a list of the log goes on, as its own link says."""
    text = request.query_params.get("before", "")
    return int(text) if text.isdecimal() and len(text) <= 18 else None  # noqa: PLR2004 what a sequence can be


def day_of(text: str) -> date | None:
    """Return the day that a field of a filter names; what is none filters nothing."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


# --- what goes


def lang_of(request: Asked) -> Lang:
    """Return the page's language: the one asked for, else the one kept, else Swedish."""
    asked = pick(Lang, request.query_params.get("lang"))
    return asked or pick(Lang, request.cookies.get(LANGUAGE_COOKIE)) or Lang.SV


def page(
    request: Asked,
    template: str,
    view: object,
    status: int = 200,
    *,
    here: str = "",
    csrf: str = "",
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Return a page. ``here`` is the address that GET answers where the request's own does not."""
    renderer: Renderer = request.app.state.renderer
    lang = lang_of(request)
    content = renderer.render(template, view, lang=lang, chrome=_chrome(request, here, csrf))
    response: Answer = Response(
        content, status_code=status, media_type="text/html", headers=dict(headers or {})
    )
    if "lang" in request.query_params:
        response.set_cookie(_language(valv_of(request), lang))
    return response


def redirect(path: str, notice: Notice | None = None) -> Answer:
    """Send the browser on after a form was taken, with a word on what was done."""
    return Redirect(f"{path}?{urlencode({'done': notice})}" if notice else path, status_code=303)


def as_file(content: bytes, media_type: str, name: str) -> Response[bytes]:
    """Answer with a file to keep."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=media_type, headers=headers)


def error_page(request: Asked, problem: Problem, headers: Mapping[str, str]) -> Answer:
    """Return the page of an error. Staff who have yet to choose a commission are sent to choose it."""
    found = _caller(request)
    if problem.status == 403 and found is not None and isinstance(found.principal, PendingStaff):  # noqa: PLR2004
        return redirect("/commission")
    view = ErrorView(problem.status, problem.retry_after, problem.reference, log_in=problem.code == "login")
    return page(request, "error.html", view, problem.status, here="/", headers=headers)


def _chrome(request: Asked, here: str, csrf: str) -> Chrome:
    valv, found = valv_of(request), _caller(request)
    session = found.session if found is not None else None
    if not here:
        query = request.url.query
        here = f"{request.url.path}?{query}" if query else request.url.path
    return Chrome(
        here=here,
        csrf=csrf or (session.csrf if session is not None else ""),
        demo=valv.demo,
        who=None if found is None else _who(valv, found),
        notice=pick(Notice, request.query_params.get("done")),
        urgent=getattr(request.state, "urgent", None),
    )


def _caller(request: Asked) -> Caller | None:
    """Return who the guard let in, or None where it was never asked or let nobody in."""
    return getattr(request.state, "caller", None)


def _who(valv: Valv, found: Caller) -> Who | None:
    match found.principal:
        case Citizen(person):
            wards = found.session.wards if found.session is not None else ()
            return Who(person.name, Role.CITIZEN, can_switch=bool(wards))
        case Proxy(person, citizen, relation):
            return Who(person.name, Role.PROXY, acting_for=citizen.name, relation=relation, can_switch=True)
        case Staff() as member:
            return _staff_who(valv, member)
        case PendingStaff(member):
            return Who(member.name, Role.STAFF, title=member.title)
        case Client() | System():
            return None


def _staff_who(valv: Valv, member: Staff) -> Who:
    commission, known = member.commission, None
    with suppress(DatabaseUnavailableError):  # the page that says so is a page too
        known = valv.house.directory().members.get(member.id)
    return Who(
        member.name,
        Role.SUPERVISOR if member.is_supervisor else Role.STAFF,
        title=member.title,
        commission=commission.name.removesuffix(f", {commission.unit.name}"),
        unit=commission.unit.name,
        provider=commission.unit.provider.name,
        can_switch=known is not None and len(known.commissions) > 1,
    )


def _language(valv: Valv, lang: Lang) -> Cookie:
    return Cookie(
        LANGUAGE_COOKIE,
        path="/",
        value=lang,
        max_age=_YEAR,
        httponly=True,
        secure=not valv.demo,
        samesite="lax",
    )
