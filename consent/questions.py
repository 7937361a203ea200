"""From principals and vaults to the entities that the policies know (policies/vault.cedarschema)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, assert_never

from consent.ages import age
from identity.principal import Citizen, Client, Principal, Provider, Proxy, Staff, System
from policies.engine import Entity, Question, Ref
from policies.vocabulary import Category, Deed, Purpose

#: The categories that tell where a person is (domain.md, skyddade personuppgifter).
LOCATING = frozenset({Category.LOCATION})


@dataclass(frozen=True, slots=True)
class Subject:
    """A citizen's vault as the gate needs it: its id, and the owner's alias, birth date and protection."""

    vault: bytes
    alias: bytes
    birth_date: date
    protected: bool = False


@dataclass(frozen=True, slots=True)
class Organisation:
    """A provider, region or municipality whose accesses are reviewed, by its node (``provider:<HSA-id>``)."""

    node: str

    def __post_init__(self) -> None:
        kind, _, identifier = self.node.partition(":")
        if kind not in {"provider", "region", "municipality"} or not identifier:
            raise ValueError("an organisation is provider, region or municipality and an id")


@dataclass(frozen=True, slots=True)
class Acts:
    """What one professional did on one commission."""

    of: Staff


#: Stands in for every citizen who has no vault, so that absence takes the same steps as a lack of consent.
NOBODY = Subject(vault=bytes(16), alias=bytes(16), birth_date=date(1970, 1, 1))


def question(
    principal: Principal,
    deed: Deed,
    about: Subject | Organisation | Acts,
    context: Mapping[str, Any],
    *,
    purpose: Purpose | None,
    at: datetime,
) -> Question:
    """Put a question to the policies; ``context`` is what the deed needs beside the purpose."""
    facts = {"purpose": "" if purpose is None else str(purpose), **context}
    return Question(_principal(principal), deed, _resource(about, at), facts)


def registered(principal: Principal, category: Category) -> bool:
    """Tell whether a client system is registered for a category; nothing of the kind binds others."""
    match principal:
        case Client(categories=categories):
            return category in categories
        case Citizen() | Proxy() | Staff() | System():
            return True
        case _:
            assert_never(principal)


def _principal(principal: Principal) -> Entity:
    match principal:
        case Citizen(person):
            return Entity(Ref("Citizen", person.alias.hex()), {})
        case Proxy(person, citizen, relation):
            acts_for = Ref("Citizen", citizen.alias.hex())
            return Entity(Ref("Proxy", person.alias.hex()), {"citizen": acts_for, "relation": str(relation)})
        case Staff():
            return _staff(principal)
        case Client(id=identifier, provider=provider):
            return Entity(Ref("Client", identifier), {"provider": _provider(provider)})
        case System(name, mandate):
            return Entity(Ref("System", name), {"mandate": mandate})
        case _:
            assert_never(principal)


def _staff(staff: Staff) -> Entity:
    commission = staff.commission
    provider = commission.unit.provider
    return Entity(
        Ref("Staff", f"{staff.id}/{commission.id}"),
        {
            "right": str(commission.right),
            "purpose": str(commission.purpose),
            "licence": staff.licence,
            "providerKind": str(provider.kind),
            "provider": _provider(provider),
            "authority": Ref("Organisation", f"{provider.authority.kind}:{provider.authority.id}"),
            "number": _number(provider.id),
        },
    )


def _resource(about: Subject | Organisation | Acts, at: datetime) -> Entity:
    match about:
        case Subject(vault, alias, birth_date, protected):
            owner = Ref("Citizen", alias.hex())
            years = age(birth_date, at)
            return Entity(Ref("Vault", vault.hex()), {"owner": owner, "age": years, "protected": protected})
        case Organisation(node):
            number = _number(node.partition(":")[2])
            return Entity(Ref("Organisation", node), {"number": number})
        case Acts(of):
            return _staff(of)
        case _:
            assert_never(about)


def _provider(provider: Provider) -> Ref:
    return Ref("Organisation", f"provider:{provider.id}")


def _number(hsa_id: str) -> str:
    """Return an HSA-id's organisation number: what stands before the hyphen."""
    return hsa_id.partition("-")[0]
