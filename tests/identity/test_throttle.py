from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection, Engine, create_engine

from identity import throttle
from identity.throttle import Allowed, Limit, TooMany, count_lookup
from keys.keystore import KeyStore

LIMIT = Limit(3, timedelta(minutes=10))


def test_limit_is_reached_and_ends_with_its_period(
    connection: Connection, keystore: KeyStore, at: datetime
) -> None:
    """A commission that searches is stopped, and told when it may go on."""
    scope = throttle.scope(keystore, "commission", "SE2321009905-TESTU001")
    allowed = [count_lookup(connection, scope, at=at, limit=LIMIT) for _ in range(3)]
    assert allowed == [Allowed(2), Allowed(1), Allowed(0)]
    later = at + timedelta(minutes=4)
    assert count_lookup(connection, scope, at=later, limit=LIMIT) == TooMany(timedelta(minutes=6))
    assert count_lookup(connection, scope, at=at + timedelta(minutes=10), limit=LIMIT) == Allowed(2)


def test_one_scope_does_not_stop_another(connection: Connection, keystore: KeyStore, at: datetime) -> None:
    """Limits are per commission; the same id of another kind is another scope."""
    first = throttle.scope(keystore, "commission", "a")
    for _ in range(4):
        count_lookup(connection, first, at=at, limit=LIMIT)
    for other in (throttle.scope(keystore, "commission", "b"), throttle.scope(keystore, "login", "a")):
        assert count_lookup(connection, other, at=at, limit=LIMIT) == Allowed(2)


def test_periods_of_different_length_are_counted_apart(
    connection: Connection, keystore: KeyStore, at: datetime
) -> None:
    """A limit an hour and one a day can stand beside each other."""
    scope = throttle.scope(keystore, "commission", "a")
    count_lookup(connection, scope, at=at, limit=LIMIT)
    day = Limit(3, timedelta(days=1))
    assert count_lookup(connection, scope, at=at, limit=day) == Allowed(2)


def test_limit_holds_across_processes(
    connection: Connection, database: Engine, keystore: KeyStore, at: datetime
) -> None:
    """Two workers count in the same place."""
    scope = throttle.scope(keystore, "commission", "a")
    count_lookup(connection, scope, at=at, limit=LIMIT)
    connection.commit()
    other = create_engine(database.url)
    with other.begin() as elsewhere:
        assert count_lookup(elsewhere, scope, at=at, limit=LIMIT) == Allowed(1)
    other.dispose()
    assert count_lookup(connection, scope, at=at, limit=LIMIT) == Allowed(0)


def test_scope_is_a_pseudonym(connection: Connection, at: datetime) -> None:
    """No id is put into the table by mistake."""
    with pytest.raises(ValueError, match="pseudonym"):
        count_lookup(connection, b"SE2321009905-TESTU001", at=at, limit=LIMIT)


def test_old_counts_are_forgotten(connection: Connection, keystore: KeyStore, at: datetime) -> None:
    """What was done the day before yesterday is the log's matter."""
    scope = throttle.scope(keystore, "commission", "a")
    count_lookup(connection, scope, at=at - timedelta(days=3), limit=LIMIT)
    count_lookup(connection, scope, at=at, limit=LIMIT)
    assert throttle.forget_old(connection, at=at) == 1
    assert count_lookup(connection, scope, at=at, limit=LIMIT) == Allowed(1)
