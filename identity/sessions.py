"""Our own server-side sessions.

A token is 32 random bytes that the server makes (one that a browser brings is never taken up); only its
SHA-256 is kept, and who it is of is sealed, bound to that hash. A session ends after 30 minutes without use
and 8 hours after login, whatever happens. Login, a choice of commission and acting for another give a new
token, and the old one ends.

The token for forms (CSRF) is a keyed function of the session's: it need not be kept and changes with it.
Logins are written to the log by app/, which knows both.
"""

import hashlib
import os
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import Connection, Row, Table, delete, insert, or_, select, update

from identity import strict
from identity.branch import PendingStaff
from identity.encoding import from_json, person_from_json, person_to_json, to_json
from identity.errors import IdentityError
from identity.principal import Person, Principal, Relation
from identity.strict import ShapeError
from identity.tables import SessionRow
from keys.envelope import context, microseconds, moment, open_box, seal_box
from keys.keystore import KeyStore
from keys.primitives import CannotOpenError, MalformedError, derive, mac, same

__all__ = [
    "ABSOLUTE_LIMIT",
    "FRESH",
    "IDLE_LIMIT",
    "PendingStaff",
    "Session",
    "SessionError",
    "Ward",
    "create",
    "csrf_holds",
    "end",
    "end_expired",
    "find",
    "rotate",
    "switch",
    "touch",
]

IDLE_LIMIT = timedelta(minutes=30)
ABSOLUTE_LIMIT = timedelta(hours=8)
FRESH = timedelta(minutes=5)  # a new grant, proxy, export or erasure needs an authentication under this
TOUCH_EVERY = timedelta(minutes=1)

_VERSION = 1
_TOKEN_SIZE = 32
_TOKEN_LENGTH = 43
_SESSIONS = cast("Table", SessionRow.__table__)  # type: ignore[attr-defined]


class SessionError(IdentityError):
    """There is no such session in force."""


@dataclass(frozen=True, slots=True)
class Ward:
    """A citizen for whom the one logged in may ask to act, and why."""

    person: Person
    relation: Relation


@dataclass(frozen=True, slots=True)
class Session:
    """A session in force. Staff who hold several commissions are on none until they have chosen."""

    principal: Principal | PendingStaff
    wards: tuple[Ward, ...]
    authenticated_at: datetime
    created_at: datetime
    last_seen: datetime
    csrf: str

    def is_fresh(self, at: datetime) -> bool:
        """Tell whether the authentication is recent enough for what cannot wait for a second thought."""
        return at - self.authenticated_at < FRESH

    def wants_touch(self, at: datetime) -> bool:
        """Tell whether it is time to write down that the session is in use."""
        return at - self.last_seen >= TOUCH_EVERY


def create(
    connection: Connection,
    keystore: KeyStore,
    principal: Principal | PendingStaff,
    *,
    at: datetime,
    wards: tuple[Ward, ...] = (),
) -> str:
    """Start a session after a login at ``at`` and return its token."""
    return _insert(connection, keystore, principal, wards, authenticated=at, created=at, at=at)


def find(connection: Connection, keystore: KeyStore, token: str, *, at: datetime) -> Session | None:
    """Return the session in force that a token names. Reads only: see :func:`touch`.

    A row that does not open (moved, changed, of another installation) is no session.
    """
    row = _row(connection, token)
    if row is None or not _in_force(row, at):
        return None
    try:
        principal, wards = _open(keystore, row)
    except (CannotOpenError, MalformedError, ShapeError):
        return None
    return Session(
        principal,
        wards,
        authenticated_at=moment(row.authenticated_us),
        created_at=moment(row.created_us),
        last_seen=moment(row.last_seen_us),
        csrf=_csrf(keystore, row.token_hash),
    )


def touch(connection: Connection, token: str, *, at: datetime) -> None:
    """Write down that a session is in use; one that is over stays over."""
    row = _row(connection, token)
    if row is not None and _in_force(row, at):
        seen = update(_SESSIONS).where(_SESSIONS.c.token_hash == row.token_hash)
        connection.execute(seen.values(last_seen_us=max(row.last_seen_us, microseconds(at))))


def rotate(
    connection: Connection,
    keystore: KeyStore,
    old: str | None,
    principal: Principal | PendingStaff,
    *,
    at: datetime,
    wards: tuple[Ward, ...] = (),
) -> str:
    """Log in: end the session that the browser brought, if any, and start another."""
    if old is not None:
        end(connection, old)
    return create(connection, keystore, principal, at=at, wards=wards)


def switch(
    connection: Connection, keystore: KeyStore, old: str, principal: Principal | PendingStaff, *, at: datetime
) -> str:
    """Go on as another principal of the same person (a commission chosen, acting for another, or no longer).

    The new session keeps when the person logged in, so that it lasts no longer and is no fresher. Whether the
    person may be this principal is the caller's check.

    Raises:
        SessionError: the old session is not in force.
    """
    session = find(connection, keystore, old, at=at)
    if session is None:
        raise SessionError("the session is over")
    end(connection, old)
    authenticated, created = session.authenticated_at, session.created_at
    return _insert(
        connection, keystore, principal, session.wards, authenticated=authenticated, created=created, at=at
    )


def end(connection: Connection, token: str) -> None:
    """Log out: the token is worth nothing from now on."""
    connection.execute(delete(_SESSIONS).where(_SESSIONS.c.token_hash == _hash(token)))


def end_expired(connection: Connection, *, at: datetime) -> int:
    """Remove the sessions that are over and return how many there were."""
    idle, absolute = microseconds(at - IDLE_LIMIT), microseconds(at - ABSOLUTE_LIMIT)
    over = or_(_SESSIONS.c.last_seen_us <= idle, _SESSIONS.c.created_us <= absolute)
    return connection.execute(delete(_SESSIONS).where(over)).rowcount


def csrf_holds(session: Session, presented: str | None) -> bool:
    """Tell in constant time whether a form came with its session's token."""
    return same(session.csrf.encode(), (presented or "").encode())


def _insert(
    connection: Connection,
    keystore: KeyStore,
    principal: Principal | PendingStaff,
    wards: tuple[Ward, ...],
    *,
    authenticated: datetime,
    created: datetime,
    at: datetime,
) -> str:
    token = urlsafe_b64encode(os.urandom(_TOKEN_SIZE)).decode().rstrip("=")
    token_hash = _hash(token)
    times = (microseconds(authenticated), microseconds(created))
    row = {
        "token_hash": token_hash,
        "sealed": seal_box(
            keystore.service_key("session"), _encode(principal, wards), bound_to=_bound(token_hash, *times)
        ),
        "authenticated_us": times[0],
        "created_us": times[1],
        "last_seen_us": microseconds(at),
    }
    connection.execute(insert(_SESSIONS).values(row))
    return token


def _row(connection: Connection, token: str) -> Row[tuple[bytes, bytes, int, int, int]] | None:
    if len(token) != _TOKEN_LENGTH:
        return None
    return connection.execute(select(_SESSIONS).where(_SESSIONS.c.token_hash == _hash(token))).one_or_none()


def _in_force(row: Row[tuple[bytes, bytes, int, int, int]], at: datetime) -> bool:
    return at - moment(row.last_seen_us) < IDLE_LIMIT and at - moment(row.created_us) < ABSOLUTE_LIMIT


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _bound(token_hash: bytes, authenticated_us: int, created_us: int) -> bytes:
    return context("session", token_hash, authenticated_us, created_us)


def _csrf(keystore: KeyStore, token_hash: bytes) -> str:
    key = derive(keystore.service_key("session"), label="csrf")
    return mac(key, context("csrf", token_hash)).hex()


def _encode(principal: Principal | PendingStaff, wards: tuple[Ward, ...]) -> bytes:
    told = [{"person": person_to_json(one.person), "relation": one.relation} for one in wards]
    return strict.write({"v": _VERSION, "who": to_json(principal), "wards": told})


def _open(
    keystore: KeyStore, row: Row[tuple[bytes, bytes, int, int, int]]
) -> tuple[Principal | PendingStaff, tuple[Ward, ...]]:
    bound = _bound(row.token_hash, row.authenticated_us, row.created_us)
    document = strict.read(open_box(keystore.service_key("session"), row.sealed, bound_to=bound))
    told = document.fields("v", "who", "wards")
    if told["v"].integer() != _VERSION:
        told["v"].refuse(f"must be {_VERSION}")
    pairs = [one.fields("person", "relation") for one in told["wards"].items()]
    wards = tuple(Ward(person_from_json(p["person"]), p["relation"].choice(Relation)) for p in pairs)
    return from_json(told["who"]), wards
