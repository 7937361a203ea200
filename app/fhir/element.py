"""One element of a FHIR resource that is read strictly: what it is, where it stands, and why it is refused."""

import calendar
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from app.fhir import consent as ours
from consent.rules import RuleError

Raw = dict[str, Any]

_RECORD = re.compile(r"[A-Z][A-Za-z]{1,40}/([0-9]{8}-[0-9a-f]{16})")
_WHEN = re.compile(
    r"(?P<year>[0-9]{4})(-(?P<month>0[1-9]|1[0-2])(?P<day>-[0-9]{2})?)?"
    r"(?P<time>T[0-9:.]+(Z|[+-][0-9:]+))?"
)
_SHOWN = 40
UNSAID = "a rule has no word for it"
WHY = {
    "modifierExtension": "it changes what the Consent means, and is not known here",
    "implicitRules": "rules that are not known here",
    "policyRule": f"the vault holds by no policy but its own: policy.uri {ours.POLICY}",
    "sourceAttachment": "keep the document in the vault first, and refer to it by sourceReference",
    "securityLabel": "records bear no security labels here; name categories (class) or codes",
    "provision": "an exception that needs a rule of its own: send it as a Consent of its own",
}
NEEDED = {
    "type": "missing, and without it nothing is permitted or denied",
    "actor": "missing: a permission names whom",
    "action": "missing: a permission names what may be done",
    "class": f"missing: a permission names categories ({ours.CLASSES})",
}


class ConsentError(RuleError):
    """A Consent that no one rule says: the text names each element that stands in the way, and why."""


@dataclass(frozen=True, slots=True)
class Element:
    """An element of the resource, and where it stands."""

    path: str
    value: Any

    def refuse(self, why: str) -> NoReturn:
        """Refuse it by its path."""
        raise ConsentError(f"{self.path}: {why}")

    def text(self) -> str:
        """Return it as a text that is not empty."""
        if not isinstance(self.value, str) or not self.value:
            self.refuse("a text")
        return self.value

    def fields(self) -> dict[str, "Element"]:
        """Return the elements of an object."""
        if not isinstance(self.value, dict) or not self.value:
            self.refuse("an object")
        return {name: Element(f"{self.path}.{name[:_SHOWN]}", value) for name, value in self.value.items()}

    def items(self) -> list["Element"]:
        """Return the elements of a list."""
        if not isinstance(self.value, list) or not self.value:
            self.refuse("a list")
        return [Element(f"{self.path}[{number}]", value) for number, value in enumerate(self.value)]

    def only(self, why: str) -> "Element":
        """Return the one element of a list; of more, the second is refused."""
        first, *more = self.items()
        if more:
            more[0].refuse(why)
        return first

    def known(self, *names: str) -> dict[str, "Element"]:
        """Return an object's elements, where it has no others than these."""
        fields = self.fields()
        for name, element in fields.items():
            if name not in names:
                element.refuse(UNSAID)
        return fields

    def get(self, name: str) -> "Element":
        """Return one element of an object."""
        return self.fields().get(name) or Element(f"{self.path}.{name}", None)


Read = Callable[[Element], Raw]


def each(at: Element, readers: Mapping[str, Read], needed: Collection[str]) -> Raw:
    """Read every element by its reader; what cannot be read or is missing is told all at once."""
    found: Raw = {}
    fields = at.fields()
    faults = [f"{at.path}.{name}: {NEEDED.get(name, 'missing')}" for name in needed if name not in fields]
    for name, element in fields.items():
        try:
            if name not in readers:
                element.refuse(WHY.get(name, UNSAID))
            found |= readers[name](element)
        except ConsentError as error:
            faults.append(str(error))
    if faults:
        raise ConsentError("; ".join(faults))
    return found


# --- what elements hold


def concept(at: Element) -> tuple[str, str]:
    """Return the one coding of a CodeableConcept."""
    at.known("coding", "text")
    return coding(at.get("coding").only("one coding"))


def demand(wanted: tuple[str, str], at: Element) -> Raw:
    """Take a CodeableConcept that must be one and no other, and says nothing more."""
    if concept(at) != wanted:
        at.refuse(f"expected {wanted[0]}|{wanted[1]}")
    return {}


def coding(at: Element) -> tuple[str, str]:
    """Return a Coding's system, empty where there is none, and code."""
    at.known("system", "code", "display", "version")
    system = at.get("system")
    return "" if system.value is None else system.text(), at.get("code").text()


def word(at: Element, system: str, known: Collection[str], what: str) -> str:
    """Return the code of a Coding of one system, if it is a known one."""
    found = coding(at)
    if found[0] != system or found[1] not in known:
        at.refuse(f"not {what} that is known here ({system})")
    return found[1]


def identifier(at: Element, system: str) -> str:
    """Return the value of an Identifier of one system."""
    at.known("system", "value")
    if at.get("system").value != system:
        at.get("system").refuse(f"expected {system}")
    return at.get("value").text()


def record(at: Element) -> str:
    """Return the id of a record that is referred to: by our identifier, or as ``<type>/<id>``."""
    at.known("reference", "type", "identifier", "display")
    if at.get("identifier").value is not None:
        return identifier(at.get("identifier"), ours.RECORDS)
    found = _RECORD.fullmatch(at.get("reference").text())
    if found is None:
        at.get("reference").refuse("no record of this vault's")
    return found[1]


def when(at: Element, end: str) -> str:
    """Read a FHIR dateTime as a day or a moment: a year or month is its first day, or its last."""
    told = _WHEN.fullmatch(at.text())
    if told is None or (told["time"] and not told["day"]):
        at.refuse("a FHIR dateTime, with its zone where it has hours")
    if told["day"]:
        return at.text()
    year, is_start = int(told["year"]), end == "start"
    month = int(told["month"] or (1 if is_start else 12))
    return f"{told['year']}-{month:02}-{1 if is_start else calendar.monthrange(year or 1, month)[1]:02}"
