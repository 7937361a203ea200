"""Signed tokens (JWT, ES256) of our own issuer: the only module that knows python-jose.

jose 3.5 would accept a token without ``aud``, an algorithm that the caller forgot to fix, a public key as
HMAC secret, and ``crit`` headers; and it measures time by the wall clock. So here the header must be ours
byte by byte, the algorithm is fixed, the key is constructed once (a hundred times faster than PEM on each
call), and jose is asked for nothing but the signature. Claims and time are checked by us.
"""

import binascii
import functools
import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from jose import jwk, jws
from jose.constants import ALGORITHMS
from jose.exceptions import JOSEError

from identity import strict
from identity.errors import IdentityError
from identity.strict import ShapeError, Value
from keys.keystore import KeyStore
from keys.primitives import generate_es256_pem

LONGEST_TOKEN = 8192
LONGEST_LIFETIME = timedelta(hours=8)

_HEADER = strict.write({"alg": ALGORITHMS.ES256, "typ": "JWT"})
_SEGMENTS = 3
_REMEMBERED = 2048  # tokens of which it is known that we signed them
_RESERVED = ("iss", "iat", "exp", "nbf")


class TokenError(IdentityError):
    """A token is refused (or cannot be issued); the text names the check."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says; ``others`` are the claims beside those that are required."""

    issuer: str
    subject: str
    audience: str
    issued_at: datetime
    expires_at: datetime
    others: Mapping[str, Any]


class Issuer:
    """Issues and verifies the tokens of one key and one issuer name."""

    def __init__(self, pem: bytes, *, name: str) -> None:
        self.name = name
        self._private = jwk.construct(pem.decode(), ALGORITHMS.ES256)
        self._public = self._private.public_key()
        self._signed = functools.lru_cache(_REMEMBERED)(self._read)

    @classmethod
    def of(cls, keystore: KeyStore, *, name: str) -> "Issuer":
        """Return the installation's own issuer, whose key the KeyStore makes the first time."""
        return cls(keystore.service_secret("token-issuer", make=generate_es256_pem), name=name)

    def issue(self, claims: Mapping[str, Any], *, at: datetime, lifetime: timedelta) -> str:
        """Sign claims, which must name ``sub`` and ``aud``; issuer and times are set here.

        Raises:
            TokenError: the claims or the lifetime cannot be.
        """
        if any(name in claims for name in _RESERVED):
            raise TokenError("issuer and times are set by the issuer")
        if not timedelta(0) < lifetime <= LONGEST_LIFETIME:
            raise TokenError("the lifetime cannot be")
        issued = int(at.timestamp())
        times = {"iat": issued, "exp": issued + int(lifetime.total_seconds())}
        body = {**claims, "iss": self.name, **times}
        try:
            _claims(Value(body))  # what we would refuse, we do not issue
        except ShapeError as error:
            raise TokenError(str(error)) from None
        token: str = jws.sign(strict.write(body), self._private, algorithm=ALGORITHMS.ES256)
        if len(token) > LONGEST_TOKEN:
            raise TokenError("the token would be too long")
        return token

    def verify(self, unverified_token: str, *, audience: str, at: datetime) -> Claims:
        """Return what a token says, if every check holds.

        1. the form: three canonical base64url segments, not too long, 2. the header is exactly ours,
        3. the signature, 4. the claims are there and of their types, 5. issuer and audience are the expected
        ones, 6. the time: issued, begun, not over, and no longer than we issue.

        1 to 4 depend on nothing but the token's bytes and our key, so a token that held is remembered, one
        that did not never; 5 and 6 are checked at each use.

        Raises:
            TokenError: one of them fails.
        """
        claims, not_before = self._signed(unverified_token)
        if claims.issuer != self.name:
            raise TokenError("another issuer")
        if claims.audience != audience:
            raise TokenError("another audience")
        _check_time(claims, not_before, at)
        return claims

    def _read(self, unverified_token: str) -> "tuple[Claims, datetime | None]":
        try:
            header, payload = _segments(unverified_token)
            if header != _HEADER:
                raise TokenError("the header is not ours")
            jws.verify(unverified_token, self._public, algorithms=[ALGORITHMS.ES256])
            return _claims(strict.read(payload))
        except ShapeError:
            raise TokenError("a claim is missing or not of its type") from None
        except JOSEError:
            raise TokenError("the signature does not hold") from None


class Signer:
    """Signs what others keep as compact JWS (ES256), by a key of its own whose public half anybody may have.

    It reads nothing: whoever holds such a document verifies it by that key, ``jwk``.
    """

    def __init__(self, pem: bytes) -> None:
        self._private = jwk.construct(pem.decode(), ALGORITHMS.ES256)
        told = self._private.public_key().to_dict()
        public = {name: told[name] for name in ("crv", "kty", "x", "y")}
        thumbprint = urlsafe_b64encode(hashlib.sha256(strict.write(public)).digest()).rstrip(b"=")  # RFC 7638
        self.jwk = {**public, "alg": ALGORITHMS.ES256, "use": "sig", "kid": thumbprint.decode()}

    @classmethod
    def of(cls, keystore: KeyStore, *, label: str) -> "Signer":
        """Return the installation's own signer for one kind of document; the KeyStore makes its key the first time."""
        return cls(keystore.service_secret(label, make=generate_es256_pem))

    def sign(self, document: Mapping[str, Any], *, kind: str) -> str:
        """Return a document signed, its form (``typ``) named in the header."""
        header = {"typ": kind, "kid": self.jwk["kid"]}
        signed: str = jws.sign(
            strict.write(dict(document)), self._private, headers=header, algorithm=ALGORITHMS.ES256
        )
        return signed


def _segments(token: str) -> tuple[bytes, bytes]:
    if len(token) > LONGEST_TOKEN:
        raise TokenError("too long")
    parts = token.split(".")
    if len(parts) != _SEGMENTS or not all(parts):
        raise TokenError("not three segments")
    header, payload, _signature = (_decode(part) for part in parts)
    return header, payload


def _decode(segment: str) -> bytes:
    try:
        raw = urlsafe_b64decode(segment.encode("ascii") + b"=" * (-len(segment) % 4))
    except (UnicodeEncodeError, binascii.Error):
        raise TokenError("not base64url") from None
    if urlsafe_b64encode(raw).rstrip(b"=") != segment.encode():
        raise TokenError("not canonical base64url")
    return raw


def _claims(body: Value) -> tuple[Claims, datetime | None]:
    required = {name: body.field(name) for name in ("iss", "sub", "aud", "iat", "exp")}
    raw = body.raw_object()
    others = {name: value for name, value in raw.items() if name not in required and name != "nbf"}
    claims = Claims(
        issuer=required["iss"].text(),
        subject=required["sub"].text(),
        audience=required["aud"].text(),
        issued_at=_time(required["iat"]),
        expires_at=_time(required["exp"]),
        others=MappingProxyType(others),
    )
    return claims, _time(body.field("nbf")) if "nbf" in raw else None


def _time(value: Value) -> datetime:
    try:
        return datetime.fromtimestamp(value.integer(), UTC)
    except (OverflowError, ValueError, OSError):
        value.refuse("must be a time")


def _check_time(claims: Claims, not_before: datetime | None, at: datetime) -> None:
    if claims.issued_at > at or (not_before is not None and not_before > at):
        raise TokenError("not yet in force")
    if at >= claims.expires_at:
        raise TokenError("expired")
    if claims.expires_at - claims.issued_at > LONGEST_LIFETIME:
        raise TokenError("a longer lifetime than we issue")
