"""What the log says is taken away when it has been kept for long enough; the tree, and every proof, stays.

Keys of the months go first, so that a backup's bodies open no more either; then the bodies, batch by batch. It can be
ended anywhere and begun again. That it was done, and of how many entries, is in the log.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial

from sqlalchemy import Connection

from audit import body
from audit.events import Activity, Actor, Event, EventKind
from identity.directory import Directory
from identity.principal import System
from policies.retention import Retention
from sharing.house import House
from vault.database import rows

_BY = System("retention", "policies/retention.toml")
_AT_ONCE = 500  # vaults

#: Hears how far it has come: entries looked at, of how many.
Told = Callable[[int, int], None]


def retain(house: House, retention: Retention, told: Told) -> int:
    """Take away what is older than is kept; return of how many entries.

    Raises:
        audit.errors.LogUnavailableError: nothing could be written down, so nothing is taken away.
    """
    since = retention.kept_since(house.clock())
    end = house.log.number_before(since)
    oldest = house.log.oldest_body(end)
    if oldest is None:
        return 0
    begun = house.log.append_now(_event(house, {"years": retention.years}))
    months = tuple(_months(oldest, since))
    for scopes in _scopes(house):
        for scope in scopes:
            house.keystore.destroy_month_keys(scope, months)
    taken = house.log.take_bodies(end, told)
    house.log.append_now(_event(house, {"entries": taken}, outcome_of=begun.entry))
    return taken


def _event(house: House, counts: dict[str, int], *, outcome_of: bytes | None = None) -> Event:
    kind = EventKind.ERASE if outcome_of is None else EventKind.OUTCOME
    return Event(
        kind=kind,
        activity=Activity.DELETE,
        at=house.clock(),
        actor=Actor.of(_BY),
        counts=counts,
        outcome_of=outcome_of,
    )


def _scopes(house: House) -> Iterator[list[str]]:
    """Yield whose keys of a month there may be: organisations that the directory knows, and every vault."""
    yield [body.organisation_scope(id_) for id_ in _organisations(house.directory())]
    after = b""
    while True:
        found = house.database.look_now(partial(_vaults, after=after))
        if not found:
            return
        yield [body.vault_scope(vault) for vault in found]
        after = found[-1]


def _vaults(connection: Connection, *, after: bytes) -> list[bytes]:
    query = "SELECT vault_id FROM vaults WHERE vault_id > ? ORDER BY vault_id LIMIT ?"
    return [bytes(vault) for (vault,) in rows(connection, query, (after, _AT_ONCE))]


def _organisations(directory: Directory) -> list[str]:
    return [*directory.providers, *directory.authorities]


def _months(first: datetime, until: datetime) -> Iterator[str]:
    """Yield the months from a moment's to the one before ``until``, which begins one."""
    month = first.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    while month < until:
        yield f"{month.year:04d}-{month.month:02d}"
        month = month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)
