"""How often something may be done: look-ups of citizens, attempts to log in, deliveries by a client.

The count stands in the database, so that it holds across processes. A period is fixed (it begins at a whole
multiple of its length), so that at most twice the limit can fall into any stretch of that length. What is
counted stays counted also where the act is refused: the caller commits the count on its own.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import Connection, Table, delete
from sqlalchemy.dialects import postgresql, sqlite

from identity.tables import LookupRow
from keys.envelope import microseconds
from keys.keystore import KeyStore

_LOOKUPS = cast("Table", LookupRow.__table__)  # type: ignore[attr-defined]
_SCOPE_SIZE = 16


@dataclass(frozen=True, slots=True)
class Limit:
    """At most ``count`` in each ``period``."""

    count: int
    period: timedelta


#: Look-ups of citizens by one commission: more than a busy clinic needs, far too few to search a region.
LOOKUPS = Limit(60, timedelta(minutes=10))
#: Attempts to log in from one place.
LOGINS = Limit(20, timedelta(minutes=10))


@dataclass(frozen=True, slots=True)
class Allowed:
    """The act is within its limit; so many remain in this period."""

    remaining: int


@dataclass(frozen=True, slots=True)
class TooMany:
    """The limit is reached; the next period begins after ``retry_after``."""

    retry_after: timedelta


def scope(keystore: KeyStore, kind: str, id_: str) -> bytes:
    """Return the pseudonym under which a commission, an address or a client is counted."""
    return keystore.pseudonym(f"throttle/{kind}/{id_}")


def count_lookup(
    connection: Connection, scope: bytes, *, at: datetime, limit: Limit = LOOKUPS
) -> Allowed | TooMany:
    """Count one act and tell whether it was within the limit."""
    if len(scope) != _SCOPE_SIZE:
        raise ValueError("a scope is a pseudonym of 16 bytes")
    period, now = limit.period // timedelta(microseconds=1), microseconds(at)
    since = now - now % period
    hits = _count(connection, scope, period, since)
    if hits > limit.count:
        return TooMany(timedelta(microseconds=since + period - now))
    return Allowed(limit.count - hits)


def forget_old(connection: Connection, *, at: datetime, older_than: timedelta = timedelta(days=2)) -> int:
    """Remove counts whose period is long over and return how many there were."""
    old = delete(_LOOKUPS).where(_LOOKUPS.c.since_us < microseconds(at - older_than))
    return connection.execute(old).rowcount


def _count(connection: Connection, scope: bytes, period: int, since: int) -> int:
    row = {"scope": scope, "period_us": period, "since_us": since, "hits": 1}
    keys = [_LOOKUPS.c.scope, _LOOKUPS.c.period_us, _LOOKUPS.c.since_us]
    more = {"hits": _LOOKUPS.c.hits + 1}
    # One statement, so that two processes never count the same act as one; the two dialects agree on it.
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    counted = insert(_LOOKUPS).values(row).on_conflict_do_update(index_elements=keys, set_=more)
    return int(connection.execute(counted.returning(_LOOKUPS.c.hits)).scalar_one())
