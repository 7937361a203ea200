import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from jose import jwk, jws

from app import demo
from identity import bearer
from identity.branch import parse_branch
from identity.directory import Directory
from identity.principal import Citizen, Person, Principal, Proxy, Relation, System
from identity.strict import write
from identity.tokens import LONGEST_LIFETIME, Issuer, TokenError
from keys.keystore import KeyStore
from keys.primitives import generate_es256_pem

AUDIENCE = "test"
PEM = generate_es256_pem()
OTHER_PEM = generate_es256_pem()
NAME = "https://valv.test"
LIFETIME = timedelta(minutes=5)


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    """Return an issuer with a key of its own."""
    return Issuer(PEM, name=NAME)


def body(at: datetime, **changes: Any) -> dict[str, Any]:
    """Return claims that hold, changed; a change to ``None`` leaves the claim out."""
    now = int(at.timestamp())
    claims = {"iss": NAME, "sub": "x", "aud": AUDIENCE, "iat": now - 10, "exp": now + 60, **changes}
    return {name: value for name, value in claims.items() if value is not None}


def encoded(raw: bytes) -> str:
    """Write one segment of a token."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed(
    claims: Any, *, header: dict[str, Any] | None = None, pem: bytes = PEM, raw_header: bytes | None = None
) -> str:
    """Sign anything at all with the right key (or another), past every check of ours."""
    head = write(header or {"alg": "ES256", "typ": "JWT"}) if raw_header is None else raw_header
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    message = f"{encoded(head)}.{encoded(payload)}"
    return f"{message}.{encoded(jwk.construct(pem.decode(), 'ES256').sign(message.encode()))}"


def hmac_with_public_key(at: datetime) -> str:
    """Sign with HS256 whose secret is the public key's PEM, as a mixed-up verifier would accept."""
    public = jwk.construct(PEM.decode(), "ES256").public_key().to_pem()
    message = f"{encoded(write({'alg': 'HS256', 'typ': 'JWT'}))}.{encoded(write(body(at)))}"
    return f"{message}.{encoded(hmac.digest(public, message.encode(), 'sha256'))}"


def with_last_bit_flipped(token: str) -> str:
    """Change the signature's unused last bits: the same bytes by a lax decoder."""
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + last[last.index(token[-1]) ^ 1]


@dataclass(frozen=True)
class Vector:
    """One token and the check that refuses it; ``None`` expects it to be taken."""

    name: str
    make: Callable[[datetime], str]
    expect: str | None


VECTORS = [
    Vector("well made", lambda at: signed(body(at)), None),
    Vector("begun", lambda at: signed(body(at, nbf=int(at.timestamp()))), None),
    # form
    Vector("empty", lambda _: "", "three segments"),
    Vector("two segments", lambda at: signed(body(at)).rsplit(".", 1)[0], "three segments"),
    Vector("four segments", lambda at: signed(body(at)) + ".x", "three segments"),
    Vector("no signature", lambda at: signed(body(at)).rsplit(".", 1)[0] + ".", "three segments"),
    Vector("too long", lambda at: signed(body(at, more="x" * 9000)), "too long"),
    Vector("not base64", lambda at: "!" + signed(body(at)), "base64url"),
    Vector("not ASCII", lambda at: "å" + signed(body(at)), "base64url"),
    Vector("padded", lambda at: signed(body(at)) + "=", "base64url"),
    Vector("loose bits", lambda at: with_last_bit_flipped(signed(body(at))), "base64url"),
    # header
    Vector("alg none", lambda at: signed(body(at), header={"alg": "none", "typ": "JWT"}), "header"),
    Vector("alg missing", lambda at: signed(body(at), header={"typ": "JWT"}), "header"),
    Vector("alg HS256 with the public key", hmac_with_public_key, "header"),
    Vector("alg ES384", lambda at: signed(body(at), header={"alg": "ES384", "typ": "JWT"}), "header"),
    Vector("alg RS256", lambda at: signed(body(at), header={"alg": "RS256", "typ": "JWT"}), "header"),
    Vector("alg es256", lambda at: signed(body(at), header={"alg": "es256", "typ": "JWT"}), "header"),
    Vector("typ missing", lambda at: signed(body(at), header={"alg": "ES256"}), "header"),
    Vector(
        "crit",
        lambda at: signed(body(at), header={"alg": "ES256", "typ": "JWT", "crit": ["x"], "x": 1}),
        "header",
    ),
    Vector(
        "own key brought along",
        lambda at: signed(
            body(at),
            header={"alg": "ES256", "typ": "JWT", "jwk": {"kty": "EC"}},
            pem=OTHER_PEM,
        ),
        "header",
    ),
    Vector(
        "alg twice",
        lambda at: signed(body(at), raw_header=b'{"alg":"none","alg":"ES256","typ":"JWT"}'),
        "header",
    ),
    Vector("header not JSON", lambda at: signed(body(at), raw_header=b"ES256"), "header"),
    # signature
    Vector("another key", lambda at: signed(body(at), pem=OTHER_PEM), "signature"),
    Vector(
        "another payload",
        lambda at: ".".join(
            [
                signed(body(at)).split(".")[0],
                encoded(write(body(at, sub="y"))),
                signed(body(at)).split(".")[2],
            ]
        ),
        "signature",
    ),
    Vector("signature cut", lambda at: signed(body(at)).rsplit(".", 1)[0] + ".AAAA", "signature"),
    Vector(
        "signature of zeros",
        lambda at: signed(body(at)).rsplit(".", 1)[0] + "." + encoded(bytes(64)),
        "signature",
    ),
    # claims
    *[
        Vector(f"{name} missing", lambda at, name=name: signed(body(at, **{name: None})), "claim")  # type: ignore[misc]
        for name in ("iss", "sub", "aud", "iat", "exp")
    ],
    Vector("sub empty", lambda at: signed(body(at, sub="")), "claim"),
    Vector("sub a number", lambda at: signed(body(at, sub=1)), "claim"),
    Vector("aud a list", lambda at: signed(body(at, aud=[AUDIENCE])), "claim"),
    Vector("exp text", lambda at: signed(body(at, exp="9999999999")), "claim"),
    Vector("exp true", lambda at: signed(body(at, exp=True)), "claim"),
    Vector("exp a fraction", lambda at: signed(body(at, exp=at.timestamp() + 0.5)), "claim"),
    Vector("exp beyond all time", lambda at: signed(body(at, exp=10**30)), "claim"),
    Vector("nbf text", lambda at: signed(body(at, nbf="0")), "claim"),
    Vector("claims a list", lambda _: signed(b"[]"), "claim"),
    Vector("claims not JSON", lambda _: signed(b"x"), "claim"),
    Vector("exp twice", lambda at: signed(write(body(at))[:-1] + b',"exp":9999999999}'), "claim"),
    # whose and for whom
    Vector("another issuer", lambda at: signed(body(at, iss="https://other.test")), "issuer"),
    Vector("another audience", lambda at: signed(body(at, aud="other")), "audience"),
    # time
    Vector("expired", lambda at: signed(body(at, exp=int(at.timestamp()))), "expired"),
    Vector("issued later", lambda at: signed(body(at, iat=int(at.timestamp()) + 1)), "not yet"),
    Vector("begins later", lambda at: signed(body(at, nbf=int(at.timestamp()) + 1)), "not yet"),
    Vector("too long a life", lambda at: signed(body(at, exp=int(at.timestamp()) + 30_000)), "lifetime"),
]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v.name)
def test_token_is_taken_or_refused_by_the_check_it_fails(
    issuer: Issuer, at: datetime, vector: Vector
) -> None:
    """Each refusal has a token that nothing but that check refuses."""
    token = vector.make(at)
    if vector.expect is None:
        assert issuer.verify(token, audience=AUDIENCE, at=at).subject == "x"
        return
    with pytest.raises(TokenError, match=vector.expect):
        issuer.verify(token, audience=AUDIENCE, at=at)


def test_jose_alone_would_take_what_we_refuse(at: datetime) -> None:
    """The traps are real: were jose to close them, this wrapper could be thinner."""
    critical = signed(body(at, aud=None), header={"alg": "ES256", "typ": "JWT", "crit": ["x"], "x": 1})
    public = jwk.construct(PEM.decode(), "ES256").public_key().to_pem().decode()
    assert jws.verify(critical, public, algorithms=None)


def test_issued_token_says_what_was_issued(issuer: Issuer, at: datetime) -> None:
    """Times are the moment given, not the wall clock's."""
    token = issuer.issue({"sub": "x", "aud": AUDIENCE, "more": [1]}, at=at, lifetime=LIFETIME)
    claims = issuer.verify(token, audience=AUDIENCE, at=at + LIFETIME - timedelta(seconds=1))
    assert (claims.issuer, claims.subject, claims.audience) == (NAME, "x", AUDIENCE)
    assert (claims.issued_at, claims.expires_at) == (at, at + LIFETIME)
    assert claims.others == {"more": [1]}
    with pytest.raises(TokenError, match="expired"):
        issuer.verify(token, audience=AUDIENCE, at=at + LIFETIME)


@pytest.mark.parametrize("claims", [{}, {"sub": "x"}, {"aud": "y"}, {"sub": "", "aud": "y"}])
def test_token_for_no_one_or_nothing_is_not_issued(issuer: Issuer, at: datetime, claims: Any) -> None:
    """Who it is of and for whom is always said."""
    with pytest.raises(TokenError, match=r"lacks|empty"):
        issuer.issue(claims, at=at, lifetime=LIFETIME)


@pytest.mark.parametrize("name", ["iss", "iat", "exp", "nbf"])
def test_caller_does_not_set_issuer_or_times(issuer: Issuer, at: datetime, name: str) -> None:
    """Else a caller could issue what lives for ever."""
    with pytest.raises(TokenError):
        issuer.issue({"sub": "x", "aud": "y", name: 1}, at=at, lifetime=LIFETIME)


@pytest.mark.parametrize(
    "lifetime", [timedelta(0), timedelta(seconds=-1), LONGEST_LIFETIME + timedelta(seconds=1)]
)
def test_lifetime_is_bounded(issuer: Issuer, at: datetime, lifetime: timedelta) -> None:
    """A token cannot be ended before its time."""
    with pytest.raises(TokenError):
        issuer.issue({"sub": "x", "aud": "y"}, at=at, lifetime=lifetime)


def test_installation_keeps_its_key(keystore: KeyStore, at: datetime) -> None:
    """Tokens outlive a restart, and hold in every process."""
    token = Issuer.of(keystore, name=NAME).issue({"sub": "x", "aud": AUDIENCE}, at=at, lifetime=LIFETIME)
    assert Issuer.of(keystore, name=NAME).verify(token, audience=AUDIENCE, at=at).subject == "x"


# --- bearer tokens


def everyone() -> list[Principal]:
    """Return a principal of each kind that may bear a token."""
    directory = Directory([parse_branch(write(one)) for one in demo.branches()])
    person = Person(bytes(16), "Anna Exempelsson", date(1975, 3, 25))
    return [
        Citizen(person),
        Proxy(person, Person(bytes([1]) * 16, "Elsa", date(2017, 5, 13)), Relation.GUARDIAN),
        directory.staff("SE2321009905-TESTP002").on("SE5560009907-TESTU001"),
        directory.client("client-meter"),
    ]


@pytest.mark.parametrize("i", range(4))
def test_bearer_token_is_of_its_principal_and_names_no_one(
    issuer: Issuer, keystore: KeyStore, at: datetime, i: int
) -> None:
    """A token that lands in a log tells neither name nor commission."""
    principal = everyone()[i]
    token = bearer.issue(issuer, keystore, principal, at=at)
    assert bearer.principal_of(issuer, keystore, token, at=at) == (principal, at)
    payload = urlsafe_b64decode(token.split(".")[1] + "==")
    assert b"Anna" not in payload
    assert b"Tove" not in payload


def test_product_itself_bears_no_token(issuer: Issuer, keystore: KeyStore, at: datetime) -> None:
    """System works inside only."""
    with pytest.raises(TokenError):
        bearer.issue(issuer, keystore, System("compaction", "m"), at=at)


def test_token_for_another_use_is_no_bearer_token(issuer: Issuer, keystore: KeyStore, at: datetime) -> None:
    """The audience keeps the issuer's tokens apart."""
    token = issuer.issue({"sub": "x", "aud": "download"}, at=at, lifetime=LIFETIME)
    with pytest.raises(TokenError, match="audience"):
        bearer.principal_of(issuer, keystore, token, at=at)


@pytest.mark.parametrize("who", [None, 1, "", "????", "AAAA"])
def test_bearer_token_without_a_readable_principal_is_refused(
    issuer: Issuer, keystore: KeyStore, at: datetime, who: Any
) -> None:
    """Nothing is not permission."""
    claims = {"sub": "x", "aud": bearer.AUDIENCE, **({} if who is None else {"who": who})}
    token = issuer.issue(claims, at=at, lifetime=LIFETIME)
    with pytest.raises(TokenError, match="cannot be read"):
        bearer.principal_of(issuer, keystore, token, at=at)


def test_principal_is_bound_to_the_subject(issuer: Issuer, keystore: KeyStore, at: datetime) -> None:
    """What is sealed for one subject does not open under another's name."""
    token = bearer.issue(issuer, keystore, everyone()[0], at=at)
    who = issuer.verify(token, audience=bearer.AUDIENCE, at=at).others["who"]
    claims = {"sub": "staff:SE2321009905-TESTP001", "aud": bearer.AUDIENCE, "who": who}
    with pytest.raises(TokenError, match="cannot be read"):
        bearer.principal_of(issuer, keystore, issuer.issue(claims, at=at, lifetime=LIFETIME), at=at)


def test_remembered_token_ends_on_time(issuer: Issuer, at: datetime) -> None:
    """That a signature held once is remembered; that the time has not come to an end never is."""
    token = issuer.issue({"sub": "who", "aud": "use"}, at=at, lifetime=timedelta(minutes=5))
    for _ in range(2):
        assert issuer.verify(token, audience="use", at=at).subject == "who"
    with pytest.raises(TokenError, match="expired"):
        issuer.verify(token, audience="use", at=at + timedelta(minutes=5))
    with pytest.raises(TokenError, match="another audience"):
        issuer.verify(token, audience="other", at=at)


def test_remembered_token_lets_no_changed_one_in(issuer: Issuer, at: datetime) -> None:
    """Only the very same bytes are known."""
    token = issuer.issue({"sub": "who", "aud": "use"}, at=at, lifetime=timedelta(minutes=5))
    issuer.verify(token, audience="use", at=at)
    body, _, signature = token.rpartition(".")
    changed = f"{body}.{signature[:-2]}{'AA' if signature[-2:] != 'AA' else 'BA'}"
    for _ in range(2):
        with pytest.raises(TokenError):
            issuer.verify(changed, audience="use", at=at)


def test_claims_of_a_remembered_token_cannot_be_changed(issuer: Issuer, at: datetime) -> None:
    """One request's hands must not reach into the next one's."""
    token = issuer.issue({"sub": "who", "aud": "use", "x": 1}, at=at, lifetime=timedelta(minutes=5))
    with pytest.raises(TypeError):
        issuer.verify(token, audience="use", at=at).others["x"] = 2  # type: ignore[index]
