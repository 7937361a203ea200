"""Who is asking: one of five principals, each a proof made at the edge from a session or a token.

A principal never holds a personal number. A person is known by an *alias*, a keyed function of the number
(``KeyStore.alias``); staff by their HSA-id and **one** active commission (medarbetaruppdrag), so that a
grant to one workplace cannot leak to another.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from policies.vocabulary import Category, Purpose


class ProviderKind(StrEnum):
    """Which law a provider works under (lag 2022:913 1:2)."""

    CARE = "vardgivare"
    SOCIAL = "omsorgsgivare"


class AuthorityKind(StrEnum):
    """Who answers for the care that a provider gives (huvudman)."""

    REGION = "region"
    MUNICIPALITY = "municipality"


class CommissionRight(StrEnum):
    """What a commission lets its holder do in the vault."""

    CARE = "care"  # read and add as citizens allow
    LOG_REVIEW = "log-review"  # review accesses made by the authority's or provider's own staff


class Relation(StrEnum):
    """Why a proxy may act for a citizen."""

    GUARDIAN = "guardian"  # vårdnadshavare
    REPRESENTATIVE = "representative"  # ombud
    LEGAL_GUARDIAN = "legal-guardian"  # god man, förvaltare
    RELATIVE = "relative"  # let in by the citizen; acts in nothing


@dataclass(frozen=True, slots=True)
class Authority:
    """A region or municipality: its HSA-id (``SE`` + organisation number + ``-`` + suffix) and name."""

    kind: AuthorityKind
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Provider:
    """A vårdgivare or omsorgsgivare, with the authority that answers for its care."""

    id: str
    name: str
    kind: ProviderKind
    authority: Authority


@dataclass(frozen=True, slots=True)
class Unit:
    """A care unit (vårdenhet, or an omsorgsgivare's enhet)."""

    id: str
    name: str
    provider: Provider

    def nodes(self) -> tuple[str, ...]:
        """Return the recipient ids of this unit and its ancestors, narrowest first."""
        authority = self.provider.authority
        return (f"unit:{self.id}", f"provider:{self.provider.id}", f"{authority.kind}:{authority.id}")


@dataclass(frozen=True, slots=True)
class Commission:
    """One medarbetaruppdrag: commissionHsaId, commissionName, commissionPurpose, commissionRight, unit."""

    id: str
    name: str
    purpose: Purpose
    right: CommissionRight
    unit: Unit


@dataclass(frozen=True, slots=True)
class Person:
    """A citizen as the edge knows them: alias (16 bytes), name, birth date, protected identity."""

    alias: bytes
    name: str
    birth_date: date
    protected: bool = False


@dataclass(frozen=True, slots=True)
class Citizen:
    """A citizen in their own matter."""

    person: Person


@dataclass(frozen=True, slots=True)
class Proxy:
    """A person (``person``) acting for a citizen (``citizen``), who is shown in every entry beside them."""

    person: Person
    citizen: Person
    relation: Relation


@dataclass(frozen=True, slots=True)
class Staff:
    """A professional on one commission. ``title`` is the role name that citizens see and rules may name.

    ``licence`` is the legitimerat yrke or empty. A supervisor is staff on a commission whose right is
    ``log-review``.
    """

    id: str
    name: str
    title: str
    licence: str
    commission: Commission

    @property
    def is_supervisor(self) -> bool:
        """Tell whether the active commission is one of log review."""
        return self.commission.right is CommissionRight.LOG_REVIEW


@dataclass(frozen=True, slots=True)
class Client:
    """A registered client system that may add records of some categories for citizens who allow it."""

    id: str
    name: str
    provider: Provider
    categories: tuple[Category, ...]


@dataclass(frozen=True, slots=True)
class System:
    """The product itself at work under a logged, bounded mandate that an act of the owner made."""

    name: str
    mandate: str


Principal = Citizen | Proxy | Staff | Client | System
