"""Who may come in: every route declares its access, one guard holds it, and every answer carries our headers.

- pages: a session cookie (our own server-side sessions), and on every form the session's CSRF token;
- machines: a Bearer token under ``/api`` and ``/fhir``, where cookies count for nothing;
- a route without a declared access is refused, and a test walks them all.
"""

from collections.abc import MutableMapping
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from typing import Any, cast

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie, MutableScopeHeaders, State
from litestar.exceptions import NotAuthorizedException, PermissionDeniedException
from litestar.handlers import BaseRouteHandler
from litestar.types import Message, Scope

from app.wiring import Valv
from identity import bearer, sessions
from identity.branch import PendingStaff
from identity.principal import Client, Principal, Staff
from identity.sessions import Session
from identity.tokens import TokenError
from keys.envelope import context
from keys.primitives import mac, random_key, same

CSRF_FIELD = "_csrf_token"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
#: On every answer, whoever it is for.
HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
}


class Access(Enum):
    """What a route demands. Declared by ``opt={"access": Access.…}`` on each handler, or on its router."""

    PUBLIC = "public"  # anyone: the login page, static files, the API's description
    DEMO = "demo"  # anyone, on a demo installation; elsewhere there is no such route
    SESSION = "session"  # a page: a session in force
    BEARER = "bearer"  # a machine: a Bearer token in force


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a request is from: a session (pages) or a token's principal (machines)."""

    principal: Principal | PendingStaff
    session: Session | None
    fresh: bool


class NotLoggedInError(NotAuthorizedException):
    """A page was asked for without a session: the browser is sent to ``/login``."""


class StaleAuthenticationError(PermissionDeniedException):
    """What is asked needs an authentication under five minutes old."""


def valv_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Valv:
    """Return the installation that the application serves."""
    return cast("Valv", connection.app.state.valv)


async def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Hold the access that the route declares.

    Raises:
        NotLoggedInError, NotAuthorizedException, PermissionDeniedException: it is not given.
    """
    match handler.opt.get("access"):
        case Access.PUBLIC:
            return
        case Access.DEMO if valv_of(connection).demo:
            return
        case Access.SESSION:
            connection.scope["state"]["caller"] = await _from_cookie(connection)
        case Access.BEARER:
            connection.scope["state"]["caller"] = _from_bearer(connection)
        case _:
            raise PermissionDeniedException


def caller(request: Request[Any, Any, State]) -> Caller:
    """Return who the guard let in."""
    return cast("Caller", request.scope["state"]["caller"])


def principal(request: Request[Any, Any, State]) -> Principal:
    """Return the principal; staff who have not chosen a commission are none yet."""
    match caller(request).principal:
        case PendingStaff():
            raise PermissionDeniedException
        case found:
            return found


def demand_fresh(request: Request[Any, Any, State]) -> None:
    """Raise StaleAuthenticationError unless the authentication is under five minutes old."""
    if not caller(request).fresh:
        raise StaleAuthenticationError


async def _from_cookie(connection: ASGIConnection[Any, Any, Any, Any]) -> Caller:
    valv = valv_of(connection)
    token, at = connection.cookies.get(cookie_name(valv), ""), valv.house.clock()
    session = await valv.house.database.read(
        lambda reading: sessions.find(reading, valv.house.keystore, token, at=at)
    )
    if session is None or not _stands(valv, session.principal):
        raise NotLoggedInError
    if session.wants_touch(at):
        await valv.house.database.write(lambda writing: sessions.touch(writing, token, at=at))
    return Caller(session.principal, session, session.is_fresh(at))


def _from_bearer(connection: ASGIConnection[Any, Any, Any, Any]) -> Caller:
    valv = valv_of(connection)
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise NotAuthorizedException(headers={"WWW-Authenticate": "Bearer"})
    at = valv.house.clock()
    try:
        found, issued = bearer.principal_of(valv.issuer, valv.house.keystore, token, at=at)
    except TokenError:
        raise NotAuthorizedException(headers={"WWW-Authenticate": 'Bearer error="invalid_token"'}) from None
    if not _stands(valv, found):
        raise NotAuthorizedException(headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
    return Caller(found, None, at - issued < sessions.FRESH)


def _stands(valv: Valv, who: Principal | PendingStaff) -> bool:
    """Tell whether staff and clients still stand in the directory as they did at login."""
    match who:
        case Staff() | Client():
            return valv.house.directory().confirms(who)
        case _:
            return True


# --- the session cookie and the forms' token


def cookie_name(valv: Valv) -> str:
    """Return the session cookie's name; a demo serves plain HTTP on loopback, where ``__Host-`` cannot be."""
    return "valv_session" if valv.demo else "__Host-valv_session"


def session_cookie(valv: Valv, token: str) -> Cookie:
    """Return the cookie of a session; an empty token takes it away."""
    return Cookie(
        key=cookie_name(valv),
        value=token,
        path="/",
        httponly=True,
        secure=not valv.demo,
        samesite="lax",
        max_age=None if token else 0,
    )


def form_token(valv: Valv, seed: str) -> str:
    """Return the CSRF token of a form shown before there is a session, bound to a random cookie."""
    return mac(valv.house.keystore.service_key("form"), context("form", seed)).hex()


def new_seed() -> str:
    """Return a value for the cookie that a form before login is bound to."""
    return random_key().hex()


def form_holds(valv: Valv, session: Session | None, seed: str, presented: str) -> bool:
    """Tell whether a form's CSRF token is the session's, or before login the one of the cookie's seed."""
    if session is not None:
        return sessions.csrf_holds(session, presented)
    return bool(seed) and same(form_token(valv, seed).encode(), presented.encode())


async def add_headers(message: Message, scope: Scope) -> None:
    """Put our headers on every answer, and keep pages and machines' answers out of every cache."""
    if message["type"] != "http.response.start":
        return
    headers = MutableScopeHeaders.from_message(cast("MutableMapping[str, Any]", message))  # type: ignore[arg-type]
    for name, value in HEADERS.items():
        headers[name] = value
    headers["Cache-Control"] = "no-store"
    if message["status"] == HTTPStatus.OK:
        headers["Cache-Control"] = _cached(str(scope["path"]), scope.get("query_string", b""))


def _cached(path: str, query: bytes) -> str:
    """Return how long others may keep an answer: built files and the tree's hashes never change under one address."""
    if path.startswith("/log/tile/") or (path.startswith("/static/") and b"v=" in query):
        return "public, max-age=31536000, immutable"
    return "public, max-age=2" if path == "/log/checkpoint" else "no-store"
