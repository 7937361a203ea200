"""The one record model, for every kind that a vault holds.

A record is a FHIR R4 resource outwards (:mod:`vault.resource`). Measurements fit the fields; what the fields
cannot say in full keeps the whole resource beside them, so that nothing is lost.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum

from policies.vocabulary import Category

_ORDINALS = {category: number for number, category in enumerate(Category)}
_ID = re.compile(r"(\d{2})(\d{4})(0[1-9]|1[0-2])-([0-9a-f]{16})", re.ASCII)


class AuthorKind(StrEnum):
    """Who vouches for a record: the citizen's own entries are told apart (EHDS art. 5)."""

    CITIZEN = "citizen"
    PROXY = "proxy"
    PROFESSIONAL = "professional"
    CLIENT = "client"


class Origin(StrEnum):
    """The way by which a record came in."""

    FORM = "form"
    APPLE_HEALTH = "apple-health"
    FHIR_FILE = "fhir-file"
    FHIR_API = "fhir-api"


@dataclass(frozen=True, slots=True)
class Code:
    """A coding: system URI, code, and the display text that came with it."""

    system: str
    code: str
    display: str = ""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number as it was written (trailing zeros kept) and its UCUM unit code, or the source's own unit."""

    value: Decimal
    unit: str


@dataclass(frozen=True, slots=True)
class Component:
    """One part of a composite measurement (systolic, diastolic)."""

    code: Code
    quantity: Quantity | None = None
    canonical: Quantity | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Author:
    """Who wrote it: for staff the HSA-id, name, and unit's name; for a person the alias in hex and name.

    ``unit`` and ``provider`` are the HSA-ids of where staff worked; a client system has a provider alone.
    """

    kind: AuthorKind
    id: str
    name: str
    organisation: str = ""
    unit: str = ""
    provider: str = ""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Who, for whom, from where, by which device or system, when received, by which import.

    ``on_behalf_of`` names the citizen where a proxy or helper wrote; ``device`` is the device or source
    program as the source names it.
    """

    author: Author
    origin: Origin
    received: datetime
    on_behalf_of: str = ""
    device: str = ""
    import_id: str = ""

    @property
    def sources(self) -> frozenset[str]:
        """Where the record comes from, in the words by which a rule names it (``consent.rules.Rule.sources``)."""
        author, found = self.author, set[str]()
        if self.device:
            found |= {"device", f"device:{self.device}"}
        if author.kind is AuthorKind.CLIENT:
            found.add(f"client:{author.id}")
        elif author.kind is not AuthorKind.PROFESSIONAL and not self.device:
            found.add("mine")
        found |= {
            f"{kind}:{id_}" for kind, id_ in (("unit", author.unit), ("provider", author.provider)) if id_
        }
        return frozenset(found)


@dataclass(frozen=True, slots=True)
class Record:
    """One record. ``kind`` is the FHIR resource type; times carry the zone they were measured in.

    ``quantity`` is what came, ``canonical`` the same in the code's canonical unit (domain.md, home
    measurements) where it is known. ``resource`` is the whole source resource as JSON where the other
    fields do not say all of it, else empty. ``fingerprint`` is the intake's keyed 64-bit mark of the
    content, by which the same record is known again; 0 before intake.
    """

    category: Category
    kind: str
    code: Code
    start: datetime
    provenance: Provenance
    end: datetime | None = None
    status: str = "final"
    quantity: Quantity | None = None
    canonical: Quantity | None = None
    text: str = ""
    components: tuple[Component, ...] = ()
    resource: str = ""
    fingerprint: int = 0

    @property
    def month(self) -> str:
        """The month (``YYYY-MM``, UTC) by which the record is filed."""
        at = self.start.astimezone(UTC)
        return f"{at.year:04d}-{at.month:02d}"

    @property
    def id(self) -> str:
        """The FHIR id, derived: category's ordinal, month, fingerprint."""
        return f"{_ORDINALS[self.category]:02d}{self.month.replace('-', '')}-{self.fingerprint:016x}"


def parse_record_id(text: str) -> tuple[Category, str, int] | None:
    """Return the category, month and fingerprint that a record's id tells, or None where it is no such id."""
    told = _ID.fullmatch(text)
    if told is None or int(told[1]) >= len(_ORDINALS):
        return None
    return tuple(Category)[int(told[1])], f"{told[2]}-{told[3]}", int(told[4], 16)
