"""A principal as JSON, for what is sealed (sessions, bearer tokens): strict, resolved against nothing.

The first field is the format's version, the second says which principal it is.
"""

from typing import Any, assert_never

from identity import strict
from identity.branch import PendingStaff, StaffMember
from identity.principal import (
    Authority,
    AuthorityKind,
    Citizen,
    Client,
    Commission,
    CommissionRight,
    Person,
    Principal,
    Provider,
    ProviderKind,
    Proxy,
    Relation,
    Staff,
    System,
    Unit,
)
from identity.strict import ShapeError, Value
from policies.vocabulary import Category, Purpose

VERSION = 1
_ALIAS = 16


def encode(principal: Principal | PendingStaff) -> bytes:
    """Write a principal as JSON."""
    return strict.write({"v": VERSION, **to_json(principal)})


def decode(raw: bytes) -> Principal | PendingStaff:
    """Read what :func:`encode` wrote.

    Raises:
        ShapeError: it is anything else.
    """
    document = strict.read(raw)
    if document.field("v").integer() != VERSION:
        document.refuse(f"must be version {VERSION}")
    return from_json(document, beside=("v",))


def to_json(principal: Principal | PendingStaff) -> dict[str, Any]:
    """Return a principal as a JSON object whose ``kind`` says which it is."""
    match principal:
        case Citizen(person):
            return {"kind": "citizen", "person": person_to_json(person)}
        case Proxy(person, citizen, relation):
            people = {"person": person_to_json(person), "citizen": person_to_json(citizen)}
            return {"kind": "proxy", **people, "relation": relation}
        case Staff():
            return {"kind": "staff", **_employee(principal), "commission": _commission(principal.commission)}
        case PendingStaff(member):
            held = [_commission(one) for one in member.commissions]
            return {"kind": "pending-staff", **_employee(member), "commissions": held}
        case Client(id_, name, provider, categories):
            told = {"id": id_, "name": name, "provider": _provider(provider)}
            return {"kind": "client", **told, "categories": list(categories)}
        case System(name, mandate):
            return {"kind": "system", "name": name, "mandate": mandate}
        case _:
            assert_never(principal)


def from_json(value: Value, *, beside: tuple[str, ...] = ()) -> Principal | PendingStaff:
    """Read a principal; ``beside`` names fields that the caller reads."""
    match value.field("kind").text():
        case "citizen":
            return Citizen(person_from_json(value.fields("kind", "person", *beside)["person"]))
        case "proxy":
            told = value.fields("kind", "person", "citizen", "relation", *beside)
            people = (person_from_json(told["person"]), person_from_json(told["citizen"]))
            return Proxy(*people, told["relation"].choice(Relation))
        case "staff":
            told = value.fields("kind", "id", "name", "title", "licence", "commission", *beside)
            return Staff(*_read_employee(told), _read_commission(told["commission"]))
        case "pending-staff":
            told = value.fields("kind", "id", "name", "title", "licence", "commissions", *beside)
            held = tuple(_read_commission(one) for one in told["commissions"].items())
            return PendingStaff(StaffMember(*_read_employee(told), held))
        case "client":
            told = value.fields("kind", "id", "name", "provider", "categories", *beside)
            categories = tuple(one.choice(Category) for one in told["categories"].items())
            return Client(
                told["id"].text(), told["name"].text(), _read_provider(told["provider"]), categories
            )
        case "system":
            told = value.fields("kind", "name", "mandate", *beside)
            return System(told["name"].text(), told["mandate"].text())
        case _:
            raise ShapeError(f"{value.where or 'document'}: is not a kind of principal")


def person_to_json(person: Person) -> dict[str, Any]:
    """Return a person as a JSON object."""
    return {
        "alias": person.alias.hex(),
        "name": person.name,
        "birth_date": person.birth_date.isoformat(),
        "protected": person.protected,
    }


def person_from_json(value: Value) -> Person:
    """Read a person."""
    told = value.fields("alias", "name", "birth_date", "protected")
    return Person(
        told["alias"].octets(_ALIAS), told["name"].text(), told["birth_date"].day(), told["protected"].flag()
    )


def _employee(who: Staff | StaffMember) -> dict[str, Any]:
    return {"id": who.id, "name": who.name, "title": who.title, "licence": who.licence}


def _read_employee(told: dict[str, Value]) -> tuple[str, str, str, str]:
    licence = told["licence"].text(may_be_empty=True)
    return told["id"].text(), told["name"].text(), told["title"].text(), licence


def _commission(commission: Commission) -> dict[str, Any]:
    unit = commission.unit
    return {
        "id": commission.id,
        "name": commission.name,
        "purpose": commission.purpose,
        "right": commission.right,
        "unit": {"id": unit.id, "name": unit.name, "provider": _provider(unit.provider)},
    }


def _read_commission(value: Value) -> Commission:
    told = value.fields("id", "name", "purpose", "right", "unit")
    unit = told["unit"].fields("id", "name", "provider")
    return Commission(
        told["id"].text(),
        told["name"].text(),
        told["purpose"].choice(Purpose),
        told["right"].choice(CommissionRight),
        Unit(unit["id"].text(), unit["name"].text(), _read_provider(unit["provider"])),
    )


def _provider(provider: Provider) -> dict[str, Any]:
    authority = provider.authority
    return {
        "id": provider.id,
        "name": provider.name,
        "kind": provider.kind,
        "authority": {"kind": authority.kind, "id": authority.id, "name": authority.name},
    }


def _read_provider(value: Value) -> Provider:
    told = value.fields("id", "name", "kind", "authority")
    of = told["authority"].fields("kind", "id", "name")
    authority = Authority(of["kind"].choice(AuthorityKind), of["id"].text(), of["name"].text())
    return Provider(told["id"].text(), told["name"].text(), told["kind"].choice(ProviderKind), authority)
