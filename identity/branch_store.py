"""Where the directory's branches are kept, and how a process has them.

Branches (:mod:`identity.branch`) are kept sealed, since no name stands in clear. Each is bound to its
organisation and to the change that stored it, and is checked in full, signature included, when loaded; the
organisation's public keys are pinned in the KeyStore (:mod:`identity.organisations`), so that whoever writes the
database can neither change a branch nor name its key. What they can do is delete one: its units are then
unknown, and unknown opens nothing.

``current`` asks on each use whether any branch has changed, which is one short query, and then loads those that
are newer than what the process has.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, Table, bindparam, case, delete, func, insert, select

from identity.branch import Branch, SignedBranch, open_branch
from identity.directory import Directory, DirectoryError, NotInDirectoryError
from identity.organisations import keys_of, newest_key
from identity.tables import BranchRow
from keys.envelope import context, microseconds, moment, open_box, seal_box
from keys.keystore import KeyStore

_SIGNATURE = 64
_BRANCHES = cast("Table", BranchRow.__table__)  # type: ignore[attr-defined]
_CHANGE = str(select(func.max(_BRANCHES.c.change)))
_NEWER = select(
    _BRANCHES.c.authority,
    _BRANCHES.c.change,
    _BRANCHES.c.written_us,
    case((_BRANCHES.c.change > bindparam("seen"), _BRANCHES.c.sealed)).label("sealed"),
).order_by(_BRANCHES.c.authority)


@dataclass(frozen=True, slots=True)
class Stored:
    """A branch as it is kept: its content, what its organisation signed, by which change it came, and when."""

    branch: Branch
    signed: SignedBranch
    change: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Accepted:
    """Branches that can be stored: each with the one it takes the place of, and the directory with them all."""

    branches: tuple[tuple[Branch | None, Branch], ...]
    directory: Directory


@dataclass(frozen=True, slots=True)
class _Known:
    """What a process has loaded: the rows by their keys, and the directory made of them."""

    rows: Mapping[bytes, tuple[int, Branch]]
    directory: Directory


_NOTHING = _Known({}, Directory())


def accept_branches(
    connection: Connection, keystore: KeyStore, unverified: Sequence[SignedBranch]
) -> Accepted:
    """Check branches, each alone and all together with those that are stored; nothing is kept.

    1. Signed by the organisation's newest key, and well-formed, 2. newer than what is stored, 3. no id stands
    in two branches.

    Raises:
        BranchError: a signature or a content is wrong.
        DirectoryError: an organisation is unknown, a branch is not newer, or it names what another branch has.
    """
    known = _load(connection, keystore, _NOTHING)
    stored = {branch.authority.id: branch for _, branch in known.rows.values()}
    taken: list[tuple[Branch | None, Branch]] = []
    for signed in unverified:
        branch = open_branch(signed, keys=lambda organisation: [newest_key(keystore, organisation)])  # 1
        before = stored.get(branch.authority.id)
        if before is not None and branch.version <= before.version:  # 2
            told = f"version {branch.version} is not newer than {before.version}, which is stored"
            raise DirectoryError(f"{branch.authority.id}: {told}")
        stored[branch.authority.id] = branch
        taken.append((before, branch))
    version = known.directory.version + len(taken)
    return Accepted(tuple(taken), Directory(stored.values(), version=version))  # 3


def store_branches(
    connection: Connection, keystore: KeyStore, unverified: Sequence[SignedBranch], *, at: datetime
) -> Accepted:
    """Check branches as :func:`accept_branches` does, and keep them.

    Raises:
        BranchError: as there.
        DirectoryError: as there.
    """
    accepted = accept_branches(connection, keystore, unverified)
    first = accepted.directory.version - len(unverified) + 1
    rows = [
        _row(keystore, signed, branch.authority.id, change=change, at=at)
        for change, (signed, (_, branch)) in enumerate(zip(unverified, accepted.branches, strict=True), first)
    ]
    if rows:
        gone = _BRANCHES.c.authority.in_([row["authority"] for row in rows])
        connection.execute(delete(_BRANCHES).where(gone))
        connection.execute(insert(_BRANCHES), rows)
    return accepted


def load(connection: Connection, keystore: KeyStore) -> Directory:
    """Read, check and put together every stored branch.

    Raises:
        BranchError: a branch is not what its organisation signed.
        DirectoryError: the branches do not fit together.
        CannotOpenError: a row was changed or moved.
    """
    return _load(connection, keystore, _NOTHING).directory


def stored_branches(connection: Connection, keystore: KeyStore) -> tuple[Stored, ...]:
    """Return every stored branch, checked as :func:`load` does, by its authority's name.

    Raises:
        BranchError: as there.
        DirectoryError: as there.
        CannotOpenError: as there.
    """
    found = [_stored(keystore, row) for row in connection.execute(_NEWER, {"seen": 0})]
    return tuple(sorted(found, key=lambda one: one.branch.authority.name.casefold()))


def stored_branch(connection: Connection, keystore: KeyStore, organisation: str) -> Stored:
    """Return the stored branch of one organisation.

    Raises:
        NotInDirectoryError: there is none.
        BranchError: as :func:`load`, and so the others.
        DirectoryError: as there.
        CannotOpenError: as there.
    """
    wanted = _BRANCHES.c.authority == _authority(keystore, organisation)
    row = connection.execute(_NEWER.where(wanted), {"seen": 0}).one_or_none()
    if row is None:
        raise NotInDirectoryError(f"{organisation}: no branch of this organisation is stored")
    return _stored(keystore, row)


_loaded: WeakKeyDictionary[Engine, tuple[KeyStore, _Known]] = WeakKeyDictionary()


def current(connection: Connection, keystore: KeyStore) -> Directory:
    """Return the directory as it now is; only what has changed since the last time is loaded.

    Not to be asked inside a transaction that has itself stored a branch: that may yet be undone.

    Raises:
        DirectoryError: the database holds an older directory than this process has seen.
    """
    change, (of, known) = _change(connection), _loaded.get(connection.engine, (None, _NOTHING))
    if of is not keystore:
        known = _NOTHING
    elif known.directory.version == change:
        return known.directory
    if known.directory.version > change:
        raise DirectoryError("the stored directory is older than the one in use")
    known = _load(connection, keystore, known)
    _loaded[connection.engine] = (keystore, known)
    return known.directory


def _change(connection: Connection) -> int:
    """Ask by the driver alone: every request does, and SQLAlchemy's way takes ten times as long."""
    driver: Any = connection.connection.driver_connection
    return driver.execute(_CHANGE).fetchone()[0] or 0


def _load(connection: Connection, keystore: KeyStore, known: _Known) -> _Known:
    """Return what is stored; of what is known already only the change is read. One statement, and so one moment."""
    rows: dict[bytes, tuple[int, Branch]] = {}
    for row in connection.execute(_NEWER, {"seen": known.directory.version}):
        if row.sealed is not None:
            rows[row.authority] = (row.change, _stored(keystore, row).branch)
        elif (seen := known.rows.get(row.authority)) is not None and seen[0] == row.change:
            rows[row.authority] = seen
        else:
            raise DirectoryError("a stored branch is older than the one in use")
    version = max((change for change, _ in rows.values()), default=0)
    return _Known(rows, Directory([branch for _, branch in rows.values()], version=version))


def _stored(keystore: KeyStore, row: Any) -> Stored:
    bound = context("directory-branch", row.authority, row.change)
    raw = open_box(keystore.service_key("directory"), row.sealed, bound_to=bound)
    signed = SignedBranch(raw[_SIGNATURE:], raw[:_SIGNATURE])
    # By whichever of its organisation's keys: the oldest fits nearly always, and further ones are then not looked for.
    branch = open_branch(signed, keys=lambda organisation: keys_of(keystore, organisation))
    return Stored(branch, signed, row.change, moment(row.written_us))


def _row(keystore: KeyStore, signed: SignedBranch, organisation: str, *, change: int, at: datetime) -> Any:
    authority = _authority(keystore, organisation)
    bound = context("directory-branch", authority, change)
    raw = signed.signature + signed.payload
    sealed = seal_box(keystore.service_key("directory"), raw, bound_to=bound)
    return {"authority": authority, "change": change, "sealed": sealed, "written_us": microseconds(at)}


def _authority(keystore: KeyStore, organisation: str) -> bytes:
    return keystore.pseudonym(f"directory/{organisation}")
