"""Bearer tokens for machines: who it is stands sealed inside, so that a token in a log tells no name.

The audience tells them apart from every other token of the issuer. A token cannot be ended before its time,
so it lives shortly; staff and clients are held against the directory at each use (``Directory.confirms``).
"""

import functools
from base64 import b64decode, b64encode
from datetime import datetime, timedelta
from typing import assert_never

from identity.branch import PendingStaff
from identity.encoding import decode, encode
from identity.principal import Citizen, Client, Principal, Proxy, Staff, System
from identity.strict import ShapeError
from identity.tokens import Issuer, TokenError
from keys.envelope import context, open_box, seal_box
from keys.keystore import KeyStore
from keys.primitives import CannotOpenError, MalformedError

AUDIENCE = "halsovalvet-api"
LIFETIME = timedelta(hours=1)


def issue(issuer: Issuer, keystore: KeyStore, principal: Principal, *, at: datetime) -> str:
    """Return a bearer token for a principal; it lives for ``LIFETIME``.

    Raises:
        TokenError: the product itself never gets one.
    """
    subject = _subject(principal)
    sealed = seal_box(keystore.service_key("bearer"), encode(principal), bound_to=_bound(subject))
    claims = {"sub": subject, "aud": AUDIENCE, "who": b64encode(sealed).decode()}
    return issuer.issue(claims, at=at, lifetime=LIFETIME)


def principal_of(
    issuer: Issuer, keystore: KeyStore, unverified_token: str, *, at: datetime
) -> tuple[Principal, datetime]:
    """Return the principal whom a bearer token is of, and when it was issued, after an authentication.

    Raises:
        TokenError: the token is refused.
    """
    claims = issuer.verify(unverified_token, audience=AUDIENCE, at=at)
    try:
        principal = _open(keystore.service_key("bearer"), claims.subject, claims.others["who"])
    except (KeyError, TypeError, ValueError, CannotOpenError, MalformedError, ShapeError):
        raise TokenError("who it is of cannot be read") from None
    match principal:
        case PendingStaff() | System():
            raise TokenError("not a principal that bears tokens")
        case _:
            return principal, claims.issued_at


@functools.lru_cache(2048)
def _open(key: bytes, subject: str, sealed: str) -> Principal | PendingStaff:
    """Open who a token is of; remembered, since it depends on nothing but these bytes."""
    return decode(open_box(key, b64decode(sealed, validate=True), bound_to=_bound(subject)))


def _subject(principal: Principal) -> str:
    match principal:
        case Citizen(person) | Proxy(person, _, _):
            return f"person:{person.alias.hex()}"
        case Staff():
            return f"staff:{principal.id}"
        case Client():
            return f"client:{principal.id}"
        case System():
            raise TokenError("the product itself bears no token")
        case _:
            assert_never(principal)


def _bound(subject: str) -> bytes:
    return context("bearer", subject)
