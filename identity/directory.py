"""The directory: which organisations, units, staff and clients there are, in memory and immutable.

Where its branches (:mod:`identity.branch`) are kept, and how it is loaded, is :mod:`identity.branch_store`'s matter.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar

from identity.branch import Branch, StaffMember
from identity.errors import IdentityError
from identity.principal import Authority, Client, Commission, Principal, Provider, Staff, Unit
from policies.vocabulary import GranteeKind

T = TypeVar("T")

#: What a search shows first, where the names fit alike: an organisation before what lies in it.
_ORDER = (
    GranteeKind.NETWORK,
    GranteeKind.REGION,
    GranteeKind.MUNICIPALITY,
    GranteeKind.PROVIDER,
    GranteeKind.UNIT,
    GranteeKind.PERSON,
    GranteeKind.ROLE,
    GranteeKind.CLIENT,
)


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


@dataclass(frozen=True, slots=True)
class _Searchable:
    """One possible hit, with what is compared and how it is put in order, all in one case."""

    hit: Found
    text: str
    names: tuple[str, ...]
    kind: int

    @classmethod
    def of(cls, hit: Found) -> "_Searchable":
        names = tuple(hit.name.casefold().replace(",", " ").split())
        return cls(hit, f"{hit.name} {hit.within}".casefold(), names, _ORDER.index(hit.kind))

    def rank(self, word: str) -> tuple[int, int, int, tuple[str, ...], str]:
        begins = [i for i, name in enumerate(self.names) if name.startswith(word)]
        place, length = (min(begins[0], 1), len(self.names[begins[0]])) if begins else (2, 0)
        return place, self.kind, length, self.names, self.hit.id


class Directory:
    """Every branch put together. ``version`` is the change it was loaded at; 0 is the empty directory."""

    def __init__(self, branches: Iterable[Branch] = (), *, version: int = 0) -> None:
        """Put branches together.

        Raises:
            DirectoryError: an id stands in two branches.
        """
        taken = list(branches)
        self.version = version
        self.authorities = _by_id("authority", taken, lambda branch: [branch.authority], _id)
        self.providers = _by_id("provider", taken, lambda branch: branch.providers, _id)
        self.units = _by_id("unit", taken, lambda branch: branch.units, _id)
        self.members = _by_id("staff", taken, lambda branch: branch.staff, _id)
        self.clients = _by_id("client", taken, lambda branch: branch.clients, _id)
        self._commissions = _by_id("commission", taken, _held, lambda pair: pair[1].id)
        self._titles = _titles(self._commissions.values())
        self._searchable = tuple(_Searchable.of(hit) for hit in self._hits())

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

    def kind_of(self, organisation_id: str) -> GranteeKind | None:
        """Return what a rule would name an organisation as, by its HSA-id; None for an unknown one."""
        if organisation_id in self.units:
            return GranteeKind.UNIT
        if organisation_id in self.providers:
            return GranteeKind.PROVIDER
        authority = self.authorities.get(organisation_id)
        return None if authority is None else GranteeKind(authority.kind)

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
        """Find whom a rule can name, by words of name or place.

        Names that begin with the first word come first, then those of which another word does; among these an
        organisation before what lies in it, and the nearest to what was written.
        """
        words = text.casefold().split()
        if not words:
            return ()
        hits = [one for one in self._searchable if all(word in one.text for word in words)]
        hits.sort(key=lambda one: one.rank(words[0]))
        return tuple(one.hit for one in hits[:limit])

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


# --- putting together


def _id(thing: Authority | Provider | Unit | StaffMember | Client) -> str:
    return thing.id


def _held(branch: Branch) -> Iterable[tuple[StaffMember, Commission]]:
    return [(member, one) for member in branch.staff for one in member.commissions]


def _by_id(
    what: str, branches: Iterable[Branch], things: Callable[[Branch], Iterable[T]], key: Callable[[T], str]
) -> Mapping[str, T]:
    found: dict[str, T] = {}
    owners: dict[str, str] = {}
    for branch in branches:
        for thing in things(branch):
            if (id_ := key(thing)) in found:
                raise DirectoryError(
                    f"{what} {id_}: stands in two branches, of {owners[id_]} and {branch.authority.id}"
                )
            found[id_], owners[id_] = thing, branch.authority.id
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
