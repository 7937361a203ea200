"""Personal numbers and HSA-ids: parsed once, at the edge, and never shown by an error or a repr.

A *personnummer* is a birth date, a serial number and a Luhn digit; a *samordningsnummer* is the same with 60
added to the day. Where the birth date of the holder is not known, the tax agency writes month 00 or day 60
(its published test numbers hold both): such a number is valid and has no ``birth_date``, only a year.
A day that its month never has is refused also in a samordningsnummer.

Ten digits name no century: the latest that is not in the future, or with ``+`` the one before it
(folkbokföringslagen (1991:481) 18 §).
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum

from stdnum import luhn

from identity.errors import IdentityError

_NUMBER = re.compile(
    r"(?P<century>18|19|20)?(?P<yy>[0-9]{2})(?P<mm>[0-9]{2})(?P<dd>[0-9]{2})"
    r"(?P<sign>[-+])?(?P<serial>[0-9]{3})(?P<check>[0-9])"
)
_COORDINATION = 60
# Inera's own validator: an organisation number of 10 digits, or 12 that begin with 16, and a suffix of
# printable characters, in all at most 31 for ten digits.
_HSA_ID = re.compile(r"SE(?:16)?[0-9]{10}-[A-Za-z0-9 '()+,\-./:=?]{1,18}")
_PLAIN_HSA_ID = re.compile(r"SE[0-9]{10}-[A-Z0-9]{1,18}")


class NumberError(IdentityError):
    """Text is not a personal number; says what is wrong and never repeats it."""


class NumberKind(StrEnum):
    """What kind of personal number it is."""

    PERSONNUMMER = "personnummer"
    SAMORDNINGSNUMMER = "samordningsnummer"


#: The identifier system that we write for each kind (HL7 Sweden base profiles).
SYSTEMS: dict[NumberKind, str] = {
    NumberKind.PERSONNUMMER: "http://electronichealth.se/identifier/personnummer",
    NumberKind.SAMORDNINGSNUMMER: "http://electronichealth.se/identifier/samordningsnummer",
}

_KIND_BY_SYSTEM: dict[str, NumberKind] = {
    **{system: kind for kind, system in SYSTEMS.items()},
    "urn:oid:1.2.752.129.2.1.3.1": NumberKind.PERSONNUMMER,
    "urn:oid:1.2.752.129.2.1.3.3": NumberKind.SAMORDNINGSNUMMER,
}


@dataclass(frozen=True, slots=True, repr=False)
class PersonalNumber:
    """A valid personal number: 12 digits, its kind, and the birth date where the number tells it."""

    digits: str
    kind: NumberKind
    birth_date: date | None

    @property
    def birth_year(self) -> int:
        """The year of birth, which every number tells."""
        return int(self.digits[:4])

    @property
    def system(self) -> str:
        """The FHIR identifier system."""
        return SYSTEMS[self.kind]

    def __repr__(self) -> str:
        return f"<{self.kind}>"


def parse_personal_number(text: str, *, at: datetime | None = None) -> PersonalNumber:
    """Read 10 or 12 digits, with ``-``, ``+`` or nothing before the last four.

    ``at`` decides the century of ten digits, and is the present moment where none is given; twelve digits do
    not depend on it.

    1. the form, 2. the serial number is not 000, 3. the Luhn digit, 4. the date.

    Raises:
        NumberError: one of them fails.
    """
    found = _NUMBER.fullmatch(text.strip())
    if found is None:
        raise NumberError("a personal number is 10 or 12 digits, with - or + or nothing before the last four")
    if found["serial"] == "000":
        raise NumberError("the serial number cannot be 000")
    ten = "".join(found.group("yy", "mm", "dd", "serial", "check"))
    if not luhn.is_valid(ten):
        raise NumberError("the check digit is wrong")
    century = found["century"] or _century(int(found["yy"]), found["sign"], at or datetime.now(UTC))
    kind, birth_date = _birth(int(century + found["yy"]), int(found["mm"]), int(found["dd"]))
    return PersonalNumber(century + ten, kind, birth_date)


def from_identifier(system: str, value: str, *, at: datetime | None = None) -> PersonalNumber:
    """Read a FHIR identifier ``<system>|<value>`` of a person, by URI or by OID.

    Raises:
        NumberError: the system is not one of personal numbers, or the value is none of that system.
    """
    kind = _KIND_BY_SYSTEM.get(system)
    if kind is None:
        raise NumberError("the identifier's system is not one of personal numbers")
    number = parse_personal_number(value, at=at)
    if number.kind is not kind:
        raise NumberError("the number is not of the kind that its system says")
    return number


def is_hsa_id(text: str) -> bool:
    """Tell whether text is an HSA-id as Inera's validator has it (OID 1.2.752.129.2.1.4.1)."""
    return _HSA_ID.fullmatch(text) is not None


def is_plain_hsa_id(text: str) -> bool:
    """Tell whether text is an HSA-id of capitals and digits only, which may stand inside our own ids."""
    return _PLAIN_HSA_ID.fullmatch(text) is not None


def _century(yy: int, sign: str | None, at: datetime) -> str:
    latest = at.year - (at.year - yy) % 100
    return str((latest - 100 if sign == "+" else latest) // 100)


def _birth(year: int, month: int, day: int) -> tuple[NumberKind, date | None]:
    kind = NumberKind.PERSONNUMMER if day < _COORDINATION else NumberKind.SAMORDNINGSNUMMER
    if kind is NumberKind.SAMORDNINGSNUMMER:
        day -= _COORDINATION
        if 0 in (month, day):
            # The unknown part is zero; the other must still be able to stand in some date.
            _date(year, month or 1, day or 1)
            return kind, None
    return kind, _date(year, month, day)


def _date(year: int, month: int, day: int) -> date:
    try:
        return date(year, month, day)
    except ValueError:
        raise NumberError("there is no such date") from None
