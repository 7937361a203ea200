"""A branch of the directory: what one region or municipality says of its providers, units, staff and clients.

It is JSON, signed by its organisation (Ed25519 over its bytes), and valid as a whole or not at all::

    {"format": "halsovalvet-directory-branch", "format_version": 1, "version": 1,
     "authority": {"kind": "region|municipality", "id": "<HSA-id>", "name": ".."},
     "providers": [{"id", "name", "kind": "vardgivare|omsorgsgivare", "units": [{"id", "name"}]}],
     "staff": [{"id", "name", "title", "licence",
                "commissions": [{"id", "name", "purpose", "right", "unit"}]}],
     "clients": [{"id", "name", "provider", "categories": [..]}]}

``version`` grows with each branch that the organisation issues; an older one is not taken after a newer.
HSA-ids here are of capitals and digits only, since they become part of recipient ids. A private provider
stands in the branch of the region or municipality that answers for its care.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from identity import strict
from identity.errors import IdentityError
from identity.numbers import is_plain_hsa_id
from identity.principal import (
    Authority,
    AuthorityKind,
    Client,
    Commission,
    CommissionRight,
    Provider,
    ProviderKind,
    Staff,
    Unit,
)
from identity.strict import ShapeError, Value
from keys.envelope import context
from keys.primitives import Signer, signature_holds
from policies.vocabulary import Category, Purpose

FORMAT = "halsovalvet-directory-branch"
FORMAT_VERSION = 1
LARGEST = 32 * 1024 * 1024

_CLIENT_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")


class BranchError(IdentityError):
    """A branch cannot be taken; the text says where in it and what is wrong."""


class CommissionError(IdentityError):
    """The person does not hold that commission, or holds none."""


@dataclass(frozen=True, slots=True)
class PendingStaff:
    """A professional who has logged in and must choose one of several commissions: not yet a principal."""

    member: "StaffMember"


@dataclass(frozen=True, slots=True)
class StaffMember:
    """One employee id with every commission that it holds."""

    id: str
    name: str
    title: str
    licence: str
    commissions: tuple[Commission, ...]

    def on(self, commission_id: str) -> Staff:
        """Return the principal pinned on one commission.

        Raises:
            CommissionError: it is not one of theirs.
        """
        for commission in self.commissions:
            if commission.id == commission_id:
                return Staff(self.id, self.name, self.title, self.licence, commission)
        raise CommissionError("the commission is not one of theirs")

    def principal(self) -> Staff | PendingStaff:
        """Return the principal where there is one commission, else that a choice is due.

        Raises:
            CommissionError: there is none.
        """
        match self.commissions:
            case []:
                raise CommissionError("there is no commission")
            case [only]:
                return self.on(only.id)
            case _:
                return PendingStaff(self)


@dataclass(frozen=True, slots=True)
class Branch:
    """A valid branch."""

    version: int
    authority: Authority
    providers: tuple[Provider, ...]
    units: tuple[Unit, ...]
    staff: tuple[StaffMember, ...]
    clients: tuple[Client, ...]


@dataclass(frozen=True, slots=True, repr=False)
class SignedBranch:
    """A branch's JSON and its organisation's signature, neither yet checked."""

    payload: bytes
    signature: bytes


def sign_branch(document: Mapping[str, Any], signer: Signer) -> SignedBranch:
    """Write and sign a branch."""
    return sign_payload(strict.write(document), signer)


def sign_payload(payload: bytes, signer: Signer) -> SignedBranch:
    """Sign a branch that is written already, as it stands."""
    return SignedBranch(payload, signer.sign(_message(payload)))


def open_branch(unverified: SignedBranch, *, keys: Callable[[str], Iterable[bytes]]) -> Branch:
    """Check that one of the keys of the organisation that a branch claims to be of signed it, then the content.

    Raises:
        BranchError: either is wrong.
    """
    document = _read(unverified.payload)
    try:
        organisation = _hsa_id(document.field("authority").field("id"))
        message = _message(unverified.payload)
        if not any(signature_holds(key, unverified.signature, message) for key in keys(organisation)):
            raise BranchError(f"signature: is not by the key of {organisation}")
        return _branch(document)
    except ShapeError as error:
        raise BranchError(str(error)) from None


def parse_branch(payload: bytes) -> Branch:
    """Read a branch's JSON.

    Raises:
        BranchError: with the place and what is wrong there.
    """
    try:
        return _branch(_read(payload))
    except ShapeError as error:
        raise BranchError(str(error)) from None


def _read(payload: bytes) -> Value:
    if len(payload) > LARGEST:
        raise BranchError(f"document: larger than {LARGEST} bytes")
    try:
        return strict.read(payload)
    except ShapeError as error:
        raise BranchError(str(error)) from None


def _message(payload: bytes) -> bytes:
    return context("directory-branch-signature", hashlib.sha256(payload).digest())


def _branch(document: Value) -> Branch:
    top = document.fields("format", "format_version", "version", "authority", "providers", "staff", "clients")
    if top["format"].text() != FORMAT or top["format_version"].integer() != FORMAT_VERSION:
        top["format"].refuse(f"must be {FORMAT}, format_version {FORMAT_VERSION}")
    if top["version"].integer() < 1:
        top["version"].refuse("must be 1 or more")
    authority = _authority(top["authority"])
    providers: dict[str, Provider] = {}
    units: dict[str, Unit] = {}
    for value in top["providers"].items():
        _provider(value, authority, providers, units)
    return Branch(
        top["version"].integer(),
        authority,
        tuple(providers.values()),
        tuple(units.values()),
        _staff(top["staff"], units),
        _clients(top["clients"], providers),
    )


def _authority(value: Value) -> Authority:
    told = value.fields("kind", "id", "name")
    return Authority(told["kind"].choice(AuthorityKind), _hsa_id(told["id"]), told["name"].text())


def _provider(
    value: Value, authority: Authority, providers: dict[str, Provider], units: dict[str, Unit]
) -> None:
    told = value.fields("id", "name", "kind", "units")
    provider = Provider(
        _new(told["id"], providers), told["name"].text(), told["kind"].choice(ProviderKind), authority
    )
    providers[provider.id] = provider
    if not told["units"].items():
        told["units"].refuse("must name at least one unit")
    for each in told["units"].items():
        unit = each.fields("id", "name")
        id_ = _new(unit["id"], units)
        units[id_] = Unit(id_, unit["name"].text(), provider)


def _staff(value: Value, units: Mapping[str, Unit]) -> tuple[StaffMember, ...]:
    members: dict[str, StaffMember] = {}
    commissions: dict[str, Commission] = {}
    for each in value.items():
        told = each.fields("id", "name", "title", "licence", "commissions")
        id_ = _new(told["id"], members)
        held = tuple(_commission(one, units, commissions) for one in told["commissions"].items())
        members[id_] = StaffMember(
            id_, told["name"].text(), _title(told["title"]), told["licence"].text(may_be_empty=True), held
        )
    return tuple(members.values())


def _commission(value: Value, units: Mapping[str, Unit], seen: dict[str, Commission]) -> Commission:
    told = value.fields("id", "name", "purpose", "right", "unit")
    unit = units.get(told["unit"].text())
    if unit is None:
        told["unit"].refuse("is not a unit of this branch")
    found = Commission(
        _new(told["id"], seen),
        told["name"].text(),
        told["purpose"].choice(Purpose),
        told["right"].choice(CommissionRight),
        unit,
    )
    seen[found.id] = found
    return found


def _clients(value: Value, providers: Mapping[str, Provider]) -> tuple[Client, ...]:
    clients: dict[str, Client] = {}
    for each in value.items():
        told = each.fields("id", "name", "provider", "categories")
        id_ = told["id"].text()
        if not _CLIENT_ID.fullmatch(id_) or id_ in clients:
            told["id"].refuse("must be 1 to 64 of a-z, 0-9 and - and stand once")
        provider = providers.get(told["provider"].text())
        if provider is None:
            told["provider"].refuse("is not a provider of this branch")
        categories = tuple(one.choice(Category) for one in told["categories"].items())
        if not categories or len(set(categories)) != len(categories):
            told["categories"].refuse("must name at least one category, and each once")
        clients[id_] = Client(id_, told["name"].text(), provider, categories)
    return tuple(clients.values())


def _title(value: Value) -> str:
    title = value.text()
    if "/" in title:
        value.refuse("must not hold /, which parts unit and title in a rule")
    return title


def _hsa_id(value: Value) -> str:
    if not is_plain_hsa_id(text := value.text()):
        value.refuse("must be an HSA-id: SE, 10 digits, -, 1 to 18 of A-Z and 0-9")
    return text


def _new(value: Value, seen: Mapping[str, object]) -> str:
    if (text := _hsa_id(value)) in seen:
        value.refuse("stands twice")
    return text
