"""The directory: which organisations, units, staff and clients there are, in memory and immutable.

Branches (:mod:`identity.branch`) are kept sealed, since no name stands in clear. Each is bound to its
organisation and to the change that stored it, and is checked in full, signature included, when loaded; the
organisation's public key was pinned in the KeyStore when the organisation joined, so that whoever writes the
database can neither change a branch nor name its key. What they can do is delete one: its units are then
unknown, and unknown opens nothing.

``current`` asks on each use whether any branch has changed, which is one short query, and loads then.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, Table, delete, func, insert, select

from identity.branch import Branch, PendingStaff, SignedBranch, StaffMember, authority_of, open_branch
from identity.errors import IdentityError
from identity.principal import Authority, Client, Commission, Principal, Provider, Staff, Unit
from identity.tables import BranchRow
from keys.envelope import context, microseconds, open_box, seal_box
from keys.keystore import KeyStore
from policies.vocabulary import GranteeKind

__all__ = [
    "Directory",
    "DirectoryError",
    "Found",
    "NotInDirectoryError",
    "PendingStaff",
    "StaffMember",
    "current",
    "load",
    "register_organisation",
    "store_branch",
]

_SIGNATURE = 64
_BRANCHES = cast("Table", BranchRow.__table__)  # type: ignore[attr-defined]
_CHANGE = str(select(func.max(_BRANCHES.c.change)))
_ALL = select(_BRANCHES.c.authority, _BRANCHES.c.change, _BRANCHES.c.sealed).order_by(_BRANCHES.c.authority)

T = TypeVar("T")


class DirectoryError(IdentityError):
    """The directory cannot be put together; the text says what and where."""


class NotInDirectoryError(IdentityError, LookupError):
    """The directory has no such unit, provider, authority, commission, employee or client."""


@dataclass(frozen=True, slots=True)
class Found:
    """One hit of a search: what a rule would name (kind and id), its name, and what it belongs to."""

    kind: GranteeKind
    id: str
    name: str
    within: str


class Directory:
    """Every branch put together. ``version`` is the change it was loaded at; 0 is the empty directory."""

    def __init__(self, branches: Iterable[Branch] = (), *, version: int = 0) -> None:
        """Put branches together.

        Raises:
            DirectoryError: an id stands in two branches.
        """
        taken = list(branches)
        self.version = version
        self.authorities = _by_id("authority", [branch.authority for branch in taken], _id)
        self.providers = _by_id("provider", [one for b in taken for one in b.providers], _id)
        self.units = _by_id("unit", [one for b in taken for one in b.units], _id)
        self.members = _by_id("staff", [one for b in taken for one in b.staff], _id)
        self.clients = _by_id("client", [one for b in taken for one in b.clients], _id)
        held = [(member, one) for member in self.members.values() for one in member.commissions]
        self._commissions = _by_id("commission", held, lambda pair: pair[1].id)
        self._titles = _titles(held)
        self._searchable = tuple((f"{hit.name} {hit.within}".casefold(), hit) for hit in self._hits())

    def authority(self, authority_id: str) -> Authority:
        """Return a region or municipality, or raise NotInDirectoryError."""
        return _get(self.authorities, authority_id)

    def provider(self, provider_id: str) -> Provider:
        """Return a vårdgivare or omsorgsgivare, or raise NotInDirectoryError."""
        return _get(self.providers, provider_id)

    def unit(self, unit_id: str) -> Unit:
        """Return a unit, or raise NotInDirectoryError."""
        return _get(self.units, unit_id)

    def staff(self, employee_id: str) -> StaffMember:
        """Return an employee with all their commissions, or raise NotInDirectoryError."""
        return _get(self.members, employee_id)

    def client(self, client_id: str) -> Client:
        """Return a client system, or raise NotInDirectoryError."""
        return _get(self.clients, client_id)

    def commission(self, commission_id: str) -> tuple[StaffMember, Commission]:
        """Return a commission and who holds it, or raise NotInDirectoryError."""
        return _get(self._commissions, commission_id)

    def units_of_person(self, employee_id: str) -> tuple[str, ...]:
        """Return the ids of the units where an employee has a commission; none for an unknown one."""
        member = self.members.get(employee_id)
        return () if member is None else tuple(dict.fromkeys(one.unit.id for one in member.commissions))

    def titles_at(self, unit_id: str) -> tuple[str, ...]:
        """Return the titles held at a unit, sorted: what a rule for a role there can name."""
        return self._titles.get(unit_id, ())

    def network(self) -> tuple[str, ...]:
        """Return the recipient ids that a grant to the whole network means: every authority."""
        return tuple(f"{one.kind}:{one.id}" for one in self.authorities.values())

    def above(self, node: str) -> tuple[str, ...]:
        """Return the recipient ids that a unit or provider lies under, nearest first; none for others."""
        kind, _, id_ = node.partition(":")
        match kind:
            case "unit" if id_ in self.units:
                return self.units[id_].nodes()[1:]
            case "provider" if id_ in self.providers:
                authority = self.providers[id_].authority
                return (f"{authority.kind}:{authority.id}",)
            case _:
                return ()

    def node_name(self, node: str) -> str:
        """Return the name to show for a recipient id (``unit:SE..``); one unknown is shown by its id."""
        kind, _, id_ = node.partition(":")
        known: Mapping[str, Mapping[str, Authority | Provider | Unit | Client]] = {
            "unit": self.units,
            "provider": self.providers,
            "region": self.authorities,
            "municipality": self.authorities,
            "client": self.clients,
        }
        found = known.get(kind, {}).get(id_)
        return id_ if found is None else found.name

    def confirms(self, principal: Principal) -> bool:
        """Tell whether staff or a client still stands here exactly as the principal says.

        Citizens and the product itself are not the directory's matter and are never confirmed by it.
        """
        match principal:
            case Staff():
                member = self.members.get(principal.id)
                return member is not None and principal.commission in member.commissions
            case Client():
                return self.clients.get(principal.id) == principal
            case _:
                return False

    def search(self, text: str, *, limit: int = 20) -> tuple[Found, ...]:
        """Find whom a rule can name, by words of name or place; names that begin so come first."""
        words = text.casefold().split()
        if not words:
            return ()
        hits = [hit for hay, hit in self._searchable if all(word in hay for word in words)]
        hits.sort(key=lambda hit: (not hit.name.casefold().startswith(words[0]), hit.name.casefold(), hit.id))
        return tuple(hits[:limit])

    def _hits(self) -> Iterable[Found]:
        for authority in self.authorities.values():
            yield Found(GranteeKind(authority.kind), authority.id, authority.name, "")
        for provider in self.providers.values():
            yield Found(GranteeKind.PROVIDER, provider.id, provider.name, provider.authority.name)
        for unit in self.units.values():
            yield Found(GranteeKind.UNIT, unit.id, unit.name, unit.provider.name)
            for title in self.titles_at(unit.id):
                yield Found(GranteeKind.ROLE, f"{unit.id}/{title}", title, unit.name)
        for member in self.members.values():
            places = ", ".join(dict.fromkeys(one.unit.name for one in member.commissions))
            yield Found(GranteeKind.PERSON, member.id, member.name, f"{member.title}, {places}")
        for client in self.clients.values():
            yield Found(GranteeKind.CLIENT, client.id, client.name, client.provider.name)


# --- where it is kept


def register_organisation(keystore: KeyStore, authority_id: str, public: bytes) -> None:
    """Pin the public key (Ed25519, 32 bytes) by which an organisation signs its branch.

    Raises:
        DirectoryError: another key is pinned already.
    """
    if keystore.service_secret(_pin(authority_id), make=lambda: public) != public:
        raise DirectoryError(f"{authority_id}: another key is registered")


def store_branch(
    connection: Connection, keystore: KeyStore, unverified: SignedBranch, *, at: datetime
) -> Directory:
    """Check a branch, alone and together with the others, and keep it; return the new directory.

    Raises:
        BranchError: its signature or its content is wrong.
        DirectoryError: its organisation is unknown, it is not newer, or it names what another branch has.
    """
    branch = open_branch(unverified, public=_public(keystore, authority_of(unverified)))
    stored, before_this = _load(connection, keystore)
    before = stored.get(branch.authority.id)
    if before is not None and branch.version <= before.version:
        raise DirectoryError(f"{branch.authority.id}: version {branch.version} is not newer")
    change = before_this + 1
    directory = Directory({**stored, branch.authority.id: branch}.values(), version=change)
    authority = keystore.pseudonym(f"directory/{branch.authority.id}")
    row = {
        "authority": authority,
        "change": change,
        "sealed": _seal(keystore, unverified, authority=authority, change=change),
        "written_us": microseconds(at),
    }
    connection.execute(delete(_BRANCHES).where(_BRANCHES.c.authority == authority))
    connection.execute(insert(_BRANCHES).values(row))
    return directory


def load(connection: Connection, keystore: KeyStore) -> Directory:
    """Read, check and put together every stored branch.

    Raises:
        BranchError: a branch is not what its organisation signed.
        DirectoryError: the branches do not fit together.
        CannotOpenError: a row was changed or moved.
    """
    branches, change = _load(connection, keystore)
    return Directory(branches.values(), version=change)


_loaded: WeakKeyDictionary[Engine, tuple[KeyStore, Directory]] = WeakKeyDictionary()


def current(connection: Connection, keystore: KeyStore) -> Directory:
    """Return the directory as it now is; it is loaded anew only when a branch has changed.

    Not to be asked inside a transaction that has itself stored a branch: that may yet be undone.

    Raises:
        DirectoryError: the database holds an older directory than this process has seen.
    """
    change, (of, known) = _change(connection), _loaded.get(connection.engine, (None, None))
    if of is keystore and known is not None:
        if known.version == change:
            return known
        if known.version > change:
            raise DirectoryError("the stored directory is older than the one in use")
    directory = load(connection, keystore)
    _loaded[connection.engine] = (keystore, directory)
    return directory


def _change(connection: Connection) -> int:
    """Ask by the driver alone: every request does, and SQLAlchemy's way takes ten times as long."""
    driver: Any = connection.connection.driver_connection
    return driver.execute(_CHANGE).fetchone()[0] or 0


def _load(connection: Connection, keystore: KeyStore) -> tuple[dict[str, Branch], int]:
    """Return the branches and the newest change among them: one statement, and so one moment."""
    branches, newest = {}, 0
    for authority, change, sealed in connection.execute(_ALL):
        newest = max(newest, change)
        signed = _open(keystore, sealed, authority=authority, change=change)
        branch = open_branch(signed, public=_public(keystore, authority_of(signed)))
        branches[branch.authority.id] = branch
    return branches, newest


def _seal(keystore: KeyStore, signed: SignedBranch, *, authority: bytes, change: int) -> bytes:
    bound = context("directory-branch", authority, change)
    return seal_box(keystore.service_key("directory"), signed.signature + signed.payload, bound_to=bound)


def _open(keystore: KeyStore, sealed: bytes, *, authority: bytes, change: int) -> SignedBranch:
    bound = context("directory-branch", authority, change)
    raw = open_box(keystore.service_key("directory"), sealed, bound_to=bound)
    return SignedBranch(raw[_SIGNATURE:], raw[:_SIGNATURE])


def _pin(authority_id: str) -> str:
    return f"directory-organisation/{authority_id}"


def _public(keystore: KeyStore, authority_id: str) -> bytes:
    def unknown() -> bytes:
        raise DirectoryError(f"{authority_id}: no key is registered for the organisation")

    return keystore.service_secret(_pin(authority_id), make=unknown)


# --- putting together


def _id(thing: Authority | Provider | Unit | StaffMember | Client) -> str:
    return thing.id


def _by_id(what: str, things: Iterable[T], key: Callable[[T], str]) -> Mapping[str, T]:
    found: dict[str, T] = {}
    for thing in things:
        if (id_ := key(thing)) in found:
            raise DirectoryError(f"{what} {id_}: stands in two branches")
        found[id_] = thing
    return MappingProxyType(found)


def _titles(held: Iterable[tuple[StaffMember, Commission]]) -> Mapping[str, tuple[str, ...]]:
    titles: dict[str, set[str]] = {}
    for member, commission in held:
        titles.setdefault(commission.unit.id, set()).add(member.title)
    return MappingProxyType({unit: tuple(sorted(names)) for unit, names in titles.items()})


def _get(known: Mapping[str, T], id_: str) -> T:
    try:
        return known[id_]
    except KeyError:
        raise NotInDirectoryError("the directory has no such id") from None
