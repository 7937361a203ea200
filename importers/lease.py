"""Who runs an import: it is claimed in one transaction, held by a lease, and lost with the worker that held it.

1. One import of a vault runs at a time: two would each be told that nothing is there yet, and each store it.
2. The vault that has waited longest comes first, since its upload or since it last had a turn: ten files of one
   citizen hold up nobody else's.
3. A worker whose process died is known at once by its :class:`Sign`; one that lives and stands still, by its
   lease. Either way it is no longer believed: whatever it would still store is refused (:func:`hold`).
"""

import fcntl
import os
import weakref
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, case, func, select, update

from importers.tables import UNDER_WAY, ImportRow
from keys.envelope import microseconds

_IMPORTS = ImportRow.__table__  # type: ignore[attr-defined]
LEASE = timedelta(seconds=30)
_NAME_SIZE = 8

_SERVED = _IMPORTS.alias("served")
_LAST_TURN = (
    select(func.coalesce(func.max(_SERVED.c.updated_us), 0))
    .where(_SERVED.c.vault_id == _IMPORTS.c.vault_id, _SERVED.c.updated_us > _SERVED.c.created_us)
    .scalar_subquery()
)
_WAITS_SINCE = case((_IMPORTS.c.created_us < _LAST_TURN, _LAST_TURN), else_=_IMPORTS.c.created_us)


class LostLeaseError(Exception):
    """The import was cancelled, or another worker has it."""


class Sign:
    """A worker's sign of life: a file that its process holds locked. However that ends, the kernel lets go of it.

    All workers of an installation see the same folder. An import child does not inherit the lock.
    """

    def __init__(self, folder: Path) -> None:
        self.name = os.urandom(_NAME_SIZE)
        self._folder = folder
        folder.mkdir(mode=0o700, exist_ok=True)
        held = os.open(self._path(self.name), os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        weakref.finalize(self, os.close, held)
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def is_gone(self, other: bytes) -> bool:
        """Tell whether another worker's process is dead for certain."""
        try:
            with self._path(other).open("rb") as sign:
                fcntl.flock(sign, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return True
        except OSError:  # it is held; or nothing can be locked here, and the lease alone tells
            return False
        return True

    def tidy(self) -> None:
        """Remove the signs of the dead."""
        for path in self._folder.iterdir():
            if self.is_gone(bytes.fromhex(path.name)):
                path.unlink(missing_ok=True)

    def _path(self, name: bytes) -> Path:
        return self._folder / name.hex()


def next_in_turn(connection: Connection, sign: Sign, at: datetime) -> ImportRow | None:
    """Return the import whose turn it is, if any waits or has lost its worker."""
    of_running = select(_IMPORTS.c.vault_id, _IMPORTS.c.lease_owner, _IMPORTS.c.lease_until_us)
    running = connection.execute(of_running.where(_IMPORTS.c.state == "running"))
    busy = [row.vault_id for row in running if _is_held(row, sign, at)]
    query = (
        select(_IMPORTS)
        .where(_IMPORTS.c.state.in_(UNDER_WAY), _IMPORTS.c.vault_id.not_in(busy))
        .order_by(_WAITS_SINCE, _IMPORTS.c.created_us, _IMPORTS.c.import_id)
        .limit(1)
    )
    row = connection.execute(query).mappings().first()
    return None if row is None else ImportRow(**row)


def claim(connection: Connection, sign: Sign, at: datetime) -> ImportRow | None:
    """Take the import whose turn it is; the owner named is this one run, since a worker has several threads."""
    row = next_in_turn(connection, sign, at)
    if row is None:
        return None
    changes = {"state": "running", "lease_owner": sign.name + os.urandom(8), **_renewed(at)}
    connection.execute(update(_IMPORTS).where(*_is(row)).values(changes))
    return ImportRow(**{**row.model_dump(), **changes})


def hold(connection: Connection, row: ImportRow, changes: Mapping[str, Any], *, at: datetime) -> None:
    """Change an import while it is ours, and extend its lease.

    Raises:
        LostLeaseError: it is not.
    """
    done = connection.execute(update(_IMPORTS).where(*_is_ours(row)).values({**_renewed(at), **changes}))
    if done.rowcount != 1:
        raise LostLeaseError


def is_ours(connection: Connection, row: ImportRow) -> bool:
    """Tell whether an import is still ours: it was not cancelled, and nobody else has it."""
    return connection.execute(select(_IMPORTS.c.import_id).where(*_is_ours(row))).first() is not None


def _is_held(row: Row[Any], sign: Sign, at: datetime) -> bool:
    """Tell whether a running import has a worker. A lease too far ahead is of a time before the clock stepped back."""
    if not microseconds(at) <= row.lease_until_us <= microseconds(at + 2 * LEASE):
        return False
    return not sign.is_gone(bytes(row.lease_owner[:_NAME_SIZE]))


def _renewed(at: datetime) -> dict[str, Any]:
    return {"lease_until_us": microseconds(at + LEASE), "updated_us": microseconds(at)}


def _is(row: ImportRow) -> tuple[Any, Any]:
    return _IMPORTS.c.vault_id == row.vault_id, _IMPORTS.c.import_id == row.import_id


def _is_ours(row: ImportRow) -> tuple[Any, ...]:
    return (*_is(row), _IMPORTS.c.lease_owner == row.lease_owner, _IMPORTS.c.state == "running")
