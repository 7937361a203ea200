from collections.abc import Callable
from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import Connection, text

from app import demo
from identity import sessions
from identity.branch import PendingStaff, parse_branch
from identity.directory import Directory
from identity.encoding import decode, encode
from identity.principal import Citizen, Person, Principal, Proxy, Relation, System
from identity.sessions import ABSOLUTE_LIMIT, IDLE_LIMIT, SessionError, Ward, csrf_holds
from identity.strict import ShapeError, write
from keys.keystore import KeyStore

KARIN = Person(bytes(range(16)), "Karin Testlund", date(1985, 1, 16))
ELSA = Person(bytes(range(1, 17)), "Elsa Testlund", date(2017, 5, 13), protected=True)
WARDS = (Ward(ELSA, Relation.GUARDIAN),)
SECOND = timedelta(seconds=1)


def principals() -> list[Principal | PendingStaff]:
    """Return one of each kind of principal."""
    directory = Directory([parse_branch(write(one)) for one in demo.branches()])
    return [
        Citizen(KARIN),
        Proxy(KARIN, ELSA, Relation.GUARDIAN),
        directory.staff("SE2321009905-TESTP001").principal(),
        directory.staff("SE2120009907-TESTP009").principal(),
        directory.staff("SE2321009905-TESTP002").principal(),
        directory.client("client-meter"),
        System("compaction", "mandate-1"),
    ]


# --- principals as JSON


@pytest.mark.parametrize("i", range(7))
def test_principal_comes_back_as_it_was(i: int) -> None:
    """Whoever logs in is the same on the next request."""
    principal = principals()[i]
    assert decode(encode(principal)) == principal


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b'{"v":1}',
        b'{"v":1,"kind":"root"}',
        b'{"v":2,"kind":"system","name":"a","mandate":"b"}',
        b'{"v":1,"kind":"system","name":"a"}',
        b'{"v":1,"kind":"system","name":"a","mandate":"b","more":1}',
        b'{"v":1,"kind":"system","name":"a","mandate":""}',
        b'{"v":1,"kind":"citizen","person":{"alias":"00","name":"a","birth_date":"2000-01-01","protected":false}}',
        b'{"v":1,"kind":"citizen","person":{"alias":"%s","name":"a","birth_date":"2000-1-1","protected":false}}'
        % (b"0" * 32),
        b'{"v":1,"kind":"citizen","person":{"alias":"%s","name":"a","birth_date":"20000101","protected":false}}'
        % (b"0" * 32),
        b'{"v":1,"kind":"citizen","person":{"alias":"%s","name":"a","birth_date":"2000-01-01","protected":0}}'
        % (b"0" * 32),
        b'{"v":1,"kind":"citizen","person":{"alias":"%s","name":"a","birth_date":"2000-01-01"}}'
        % (b"0" * 32),
    ],
)
def test_anything_but_a_principal_is_refused(raw: bytes) -> None:
    """A forgotten or added field must never read as a default."""
    with pytest.raises(ShapeError):
        decode(raw)


# --- sessions


def test_session_is_found_by_its_token(connection: Connection, keystore: KeyStore, at: datetime) -> None:
    """A login lasts to the next request."""
    token = sessions.create(connection, keystore, Citizen(KARIN), at=at, wards=WARDS)
    session = sessions.find(connection, keystore, token, at=at + SECOND)
    assert session is not None
    assert (session.principal, session.wards, session.authenticated_at) == (Citizen(KARIN), WARDS, at)


def test_staff_with_two_commissions_have_no_principal_yet(
    connection: Connection, keystore: KeyStore, at: datetime
) -> None:
    """The session is pinned on none until they choose, and then on that one, under a new token."""
    pending = principals()[4]
    assert isinstance(pending, PendingStaff)
    token = sessions.create(connection, keystore, pending, at=at)
    session = sessions.find(connection, keystore, token, at=at)
    assert session is not None
    assert session.principal == pending
    chosen = pending.member.on("SE5560009907-TESTU001")
    pinned = sessions.switch(connection, keystore, token, chosen, at=at + SECOND)
    after = sessions.find(connection, keystore, pinned, at=at + SECOND)
    assert after is not None
    assert after.principal == chosen
    assert sessions.find(connection, keystore, token, at=at + SECOND) is None


def test_only_a_hash_is_stored_and_no_name(
    connection: Connection, keystore: KeyStore, at: datetime, stolen: Callable[[], bytes]
) -> None:
    """A thief of the database can neither go on as someone nor learn who is logged in."""
    token = sessions.create(connection, keystore, Citizen(KARIN), at=at, wards=WARDS)
    found = stolen()
    assert found
    for secret in (token.encode(), b"Karin", b"Testlund", KARIN.alias, KARIN.alias.hex().encode(), b"1985"):
        assert secret not in found


def test_tokens_are_long_random_and_ours(connection: Connection, keystore: KeyStore, at: datetime) -> None:
    """Two sessions never share a token, and one holds 256 bits."""
    tokens = {sessions.create(connection, keystore, Citizen(KARIN), at=at) for _ in range(20)}
    assert len(tokens) == 20
    assert {len(token) for token in tokens} == {43}


def test_token_that_a_browser_brings_is_never_taken_up(
    connection: Connection, keystore: KeyStore, at: datetime
) -> None:
    """Else an attacker plants a token before login and shares the session after it (fixation)."""
    planted = "A" * 43
    token = sessions.rotate(connection, keystore, planted, Citizen(KARIN), at=at)
    assert token != planted
    assert sessions.find(connection, keystore, planted, at=at) is None


def test_login_ends_the_session_before_it(connection: Connection, keystore: KeyStore, at: datetime) -> None:
    """The token from before login is worth nothing after it."""
    old = sessions.create(connection, keystore, Citizen(ELSA), at=at)
    new = sessions.rotate(connection, keystore, old, Citizen(KARIN), at=at)
    assert sessions.find(connection, keystore, old, at=at) is None
    assert sessions.find(connection, keystore, new, at=at) is not None


@pytest.mark.parametrize("bad", ["", "A", "A" * 42, "A" * 44, "A" * 100_000, "å" * 43])
def test_token_that_was_never_given_finds_nothing(
    connection: Connection, keystore: KeyStore, at: datetime, bad: str
) -> None:
    """Whatever comes in a cookie is answered calmly."""
    sessions.create(connection, keystore, Citizen(KARIN), at=at)
    assert sessions.find(connection, keystore, bad, at=at) is None


def test_idle_session_ends_on_the_half_hour(connection: Connection, keystore: KeyStore, at: datetime) -> None:
    """A browser left behind in a clinic closes by itself."""
    token = sessions.create(connection, keystore, Citizen(KARIN), at=at)
    assert sessions.find(connection, keystore, token, at=at + IDLE_LIMIT - SECOND) is not None
    assert sessions.find(connection, keystore, token, at=at + IDLE_LIMIT) is None


def test_touch_keeps_a_session_but_never_wakes_one_or_turns_time_back(
    connection: Connection, keystore: KeyStore, at: datetime
) -> None:
    """Use prolongs; what is over stays over."""
    token = sessions.create(connection, keystore, Citizen(KARIN), at=at)
    later = at + IDLE_LIMIT - SECOND
    sessions.touch(connection, token, at=later)
    sessions.touch(connection, token, at=at)
    session = sessions.find(connection, keystore, token, at=later + IDLE_LIMIT - SECOND)
    assert session is not None
    assert session.last_seen == later
    sessions.touch(connection, token, at=later + IDLE_LIMIT)
    assert sessions.find(connection, keystore, token, at=later + IDLE_LIMIT) is None


def test_no_session_lasts_longer_than_eight_hours(
    connection: Connection, keystore: KeyStore, at: datetime
) -> None:
    """However much it is used, and through every switch."""
    token = sessions.create(connection, keystore, Citizen(KARIN), at=at, wards=WARDS)
    now = at
    while now + IDLE_LIMIT / 2 < at + ABSOLUTE_LIMIT:
        now += IDLE_LIMIT / 2
        sessions.touch(connection, token, at=now)
    token = sessions.switch(connection, keystore, token, Proxy(KARIN, ELSA, Relation.GUARDIAN), at=now)
    assert sessions.find(connection, keystore, token, at=at + ABSOLUTE_LIMIT - SECOND) is not None
    assert sessions.find(connection, keystore, token, at=at + ABSOLUTE_LIMIT) is None


def test_switch_makes_no_login_fresher(connection: Connection, keystore: KeyStore, at: datetime) -> None:
    """What needs an authentication under five minutes old cannot be had by choosing a commission."""
    token = sessions.create(connection, keystore, Citizen(KARIN), at=at, wards=WARDS)
    later = at + timedelta(minutes=6)
    token = sessions.switch(connection, keystore, token, Proxy(KARIN, ELSA, Relation.GUARDIAN), at=later)
    session = sessions.find(connection, keystore, token, at=later)
    assert session is not None
    assert session.authenticated_at == at
    assert session.wards == WARDS
    assert session.is_fresh(at + timedelta(minutes=4))
    assert not session.is_fresh(later)


def test_session_that_is_over_is_not_switched(
    connection: Connection, keystore: KeyStore, at: datetime
) -> None:
    """Choosing a commission an hour later does not bring a session back."""
    token = sessions.create(connection, keystore, principals()[4], at=at)
    with pytest.raises(SessionError):
        sessions.switch(connection, keystore, token, Citizen(KARIN), at=at + IDLE_LIMIT)


def test_logout_ends_the_session(connection: Connection, keystore: KeyStore, at: datetime) -> None:
    """At once, on the server."""
    token = sessions.create(connection, keystore, Citizen(KARIN), at=at)
    sessions.end(connection, token)
    assert sessions.find(connection, keystore, token, at=at) is None


def test_sessions_that_are_over_are_removed(connection: Connection, keystore: KeyStore, at: datetime) -> None:
    """Nothing is kept longer than it is of use."""
    sessions.create(connection, keystore, Citizen(KARIN), at=at - IDLE_LIMIT)
    kept = sessions.create(connection, keystore, Citizen(KARIN), at=at)
    assert sessions.end_expired(connection, at=at) == 1
    assert sessions.find(connection, keystore, kept, at=at) is not None


@pytest.mark.parametrize(
    "attack",
    [
        "UPDATE sessions SET sealed = (SELECT sealed FROM sessions WHERE token_hash = :other)",
        "UPDATE sessions SET created_us = created_us + 1",
        "UPDATE sessions SET authenticated_us = authenticated_us + 1",
        "UPDATE sessions SET sealed = :short",
    ],
)
def test_changed_or_moved_session_row_is_no_session(
    connection: Connection, keystore: KeyStore, at: datetime, attack: str
) -> None:
    """Whoever writes the database can neither become another nor be logged in longer or more freshly."""
    mine = sessions.create(connection, keystore, Citizen(KARIN), at=at)
    other = sessions.create(connection, keystore, Citizen(ELSA), at=at)
    rows = connection.execute(text("SELECT token_hash FROM sessions")).scalars().all()
    del other
    mine_hash = sessions._hash(mine)
    stranger = next(one for one in rows if one != mine_hash)
    values = {"other": stranger, "short": b"\1B"}
    connection.execute(text(attack), {name: value for name, value in values.items() if f":{name}" in attack})
    assert sessions.find(connection, keystore, mine, at=at) is None


def test_form_token_is_its_sessions_own(connection: Connection, keystore: KeyStore, at: datetime) -> None:
    """A form filled in by another site, or left over from another session, is refused."""
    first = sessions.create(connection, keystore, Citizen(KARIN), at=at)
    second = sessions.switch(connection, keystore, first, Citizen(KARIN), at=at)
    third = sessions.create(connection, keystore, Citizen(KARIN), at=at)
    one = sessions.find(connection, keystore, second, at=at)
    two = sessions.find(connection, keystore, third, at=at)
    again = sessions.find(connection, keystore, second, at=at)
    assert one is not None
    assert two is not None
    assert again is not None
    assert csrf_holds(again, one.csrf)
    for bad in (None, "", two.csrf, one.csrf[:-1], one.csrf + "0", "å"):
        assert not csrf_holds(one, bad)


def test_session_asks_to_be_touched_once_a_minute(
    connection: Connection, keystore: KeyStore, at: datetime
) -> None:
    """Reading a page need not write to the database each time."""
    token = sessions.create(connection, keystore, Citizen(KARIN), at=at)
    session = sessions.find(connection, keystore, token, at=at)
    assert session is not None
    assert not session.wants_touch(at + timedelta(seconds=59))
    assert session.wants_touch(at + timedelta(seconds=60))
