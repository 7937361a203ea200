"""One FHIR R4 Observation as a record. Only what is invalid R4 is refused; what is valid is kept in full.

Steps: (1) the shape: known elements of the right type, one value, one effective time; (2) status and code;
(3) when; (4) the value, of the whole and of each component; (5) whether the fields say all of it: the record
is written back as FHIR, and if that says less than what came, the whole resource is kept beside.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from importers.candidates import Reason, RowError, excerpt
from importers.r4 import EFFECTIVE, OBSERVATION_ELEMENTS, OBSERVATION_STATUS, VALUES, parse_date_time
from policies.vocabulary import Category
from vault.measures import (
    FHIR_CATEGORY,
    OBSERVATION_CATEGORY,
    OWN_CATEGORY,
    canonical,
    category_of,
    measure_of,
)
from vault.record import Code, Component, Provenance, Quantity, Record
from vault.resource import CANONICAL_QUANTITY, UCUM, UNDATED, instant, to_fhir, to_json, without_ours
from vault.units import bounded, is_ucum, ucum

_COMPARATORS = frozenset(("<", "<=", ">=", ">"))


@dataclass(frozen=True, slots=True)
class _Read:
    """A value as the fields can hold it."""

    quantity: Quantity | None = None
    text: str = ""


def observation(source: dict[str, Any], *, provenance: Provenance) -> Record:
    """Return the record of an Observation.

    Raises:
        RowError: it is not valid R4.
    """
    resource = without_ours(source)
    _check_shape(resource)  # 1
    status = _status(resource)  # 2
    code = concept(resource.get("code"), "code")
    start, end = _when(resource)  # 3
    read = _value(resource)  # 4
    text = read.text or (_note(resource) if read.quantity or resource.get("component") else "")
    record = Record(
        category=category_of(code, _categories(resource)),
        kind="Observation",
        code=code,
        start=start,
        provenance=replace(provenance, device=_device(resource)),
        end=end,
        status=status,
        quantity=read.quantity,
        canonical=None if read.quantity is None else canonical(code, read.quantity),
        text=text,
        components=tuple(_component(part) for part in resource.get("component", [])),
    )
    if _content(without_ours(to_fhir(record, patient_id=""))) == _content(resource):  # 5
        return record
    return replace(record, resource=to_json(resource).decode())


def _check_shape(resource: dict[str, Any]) -> None:
    for name, value in resource.items():
        if name.startswith("_"):
            continue  # extensions of a primitive: kept with the resource
        wanted = OBSERVATION_ELEMENTS.get(name)
        if wanted is None:
            raise RowError(Reason.NOT_IN_R4, excerpt(name))
        if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
            raise RowError(Reason.WRONG_TYPE, excerpt(name))
    _one_of(resource, EFFECTIVE)
    for name in ("component", "category", "performer", "note", "hasMember"):
        if not all(isinstance(part, dict) for part in resource.get(name, [])):
            raise RowError(Reason.WRONG_TYPE, excerpt(name))


def _one_of(resource: dict[str, Any], names: tuple[str, ...]) -> str:
    present = [name for name in names if name in resource]
    if len(present) > 1:
        raise RowError(Reason.TWO_OF_A_KIND, ", ".join(present))
    return present[0] if present else ""


def _status(resource: dict[str, Any]) -> str:
    status = resource.get("status")
    if not status:
        raise RowError(Reason.MISSING, "status")
    if status not in OBSERVATION_STATUS:
        raise RowError(Reason.BAD_STATUS, excerpt(status))
    return str(status)


def concept(value: Any, name: str) -> Code:
    """Return a CodeableConcept's most telling coding: one of our measures, else the first, else its text.

    Raises:
        RowError: missing, empty, or not a CodeableConcept.
    """
    if not value:
        raise RowError(Reason.MISSING, name)
    codings = value.get("coding", []) if isinstance(value, dict) else None
    text = value.get("text", "") if isinstance(value, dict) else None
    if not isinstance(codings, list) or not isinstance(text, str):
        raise RowError(Reason.WRONG_TYPE, name)
    codes = [_coding(coding, name, text) for coding in codings]
    known = [code for code in codes if measure_of(code)] + [code for code in codes if code.code]
    if known:
        return known[0]
    words = text or next((code.display for code in codes if code.display), "")
    if not words:
        raise RowError(Reason.MISSING, name)
    return Code("", "", words)


def _coding(coding: Any, name: str, text: str) -> Code:
    if not isinstance(coding, dict):
        raise RowError(Reason.WRONG_TYPE, f"{name}.coding")
    parts = [coding.get("system", ""), coding.get("code", ""), coding.get("display") or text]
    if not all(isinstance(part, str) for part in parts):
        raise RowError(Reason.WRONG_TYPE, f"{name}.coding")
    return Code(*parts)


def _categories(resource: dict[str, Any]) -> list[tuple[str, str]]:
    codings = [coding for one in resource.get("category", []) for coding in one.get("coding", []) or []]
    return [
        (str(coding.get("system", "")), str(coding.get("code", "")))
        for coding in codings
        if isinstance(coding, dict)
    ]


def _when(resource: dict[str, Any]) -> tuple[datetime, datetime | None]:
    """Return start and end. Where no time of effect is given: when it was issued."""
    name = _one_of(resource, EFFECTIVE)
    match name:
        case "effectivePeriod":
            period = resource[name]
            start, end = _date(period, "start"), _date(period, "end")
        case "effectiveTiming":
            events = resource[name].get("event")
            first = {"event": events[0]} if isinstance(events, list) and events else {}
            start, end = _date(first, "event"), None
        case "":
            start, end = None, None
        case _:
            start, end = _date(resource, name), None
    start = start or end or _date(resource, "issued") or undated(resource)
    if end is None or end == start:
        return start, None
    if end < start:
        raise RowError(Reason.ENDS_BEFORE_START)
    return start, end.astimezone(start.tzinfo)


def undated(resource: dict[str, Any]) -> datetime:
    """Return where to file what says no time of its own: when its source last wrote it, else :data:`UNDATED`.

    Never the time of import: the same file twice must be the same records, filed in the same month.
    """
    meta = resource.get("meta")
    written = meta.get("lastUpdated") if isinstance(meta, dict) else None
    found = parse_date_time(written) if isinstance(written, str) else None
    return UNDATED if found is None else found[0]


def _date(holder: dict[str, Any], name: str) -> datetime | None:
    if name not in holder:
        return None
    value = holder[name]
    found = parse_date_time(value) if isinstance(value, str) else None
    if found is None:
        raise RowError(Reason.BAD_DATE, excerpt(value))
    return found[0]


def _value(holder: dict[str, Any]) -> _Read:
    name = _one_of(holder, VALUES)
    value = holder.get(name)
    match name:
        case "":
            return _Read()
        case "valueQuantity":
            return _quantity(value)
        case "valueCodeableConcept":
            code = concept(value, name)
            return _Read(text=code.display or code.code)
        case "valueBoolean" | "valueInteger":
            return _Read(text=str(value).lower())
        case "valueDateTime" | "valueTime" | "valueString":
            return _Read(text=str(value))
        case _:
            return _Read()  # a range, ratio, period or sampled data: only the resource can say it


def _quantity(value: Any) -> _Read:
    if not isinstance(value, dict):
        raise RowError(Reason.WRONG_TYPE, "valueQuantity")
    number = value.get("value")
    names = [value.get(name, "") for name in ("comparator", "unit", "system", "code")]
    is_number = isinstance(number, int | Decimal) and not isinstance(number, bool)
    if not all(isinstance(name, str) for name in names) or not (number is None or is_number):
        raise RowError(Reason.WRONG_TYPE, "valueQuantity")
    if number is None:
        return _Read()
    comparator, unit, system, code = names
    unit = code if system == UCUM and code else unit or code
    kept = bounded(Decimal(number))
    if comparator and comparator not in _COMPARATORS:
        raise RowError(Reason.WRONG_TYPE, "valueQuantity.comparator")
    if comparator or kept is None:  # "< 5" is not 5: it is shown as written, and never reckoned with
        return _Read(text=f"{comparator}{number} {unit}".strip()[:200])
    return _Read(quantity=Quantity(kept, _known(unit)))


def _known(unit: str) -> str:
    return ucum(unit) if is_ucum(ucum(unit)) else unit


def _component(part: dict[str, Any]) -> Component:
    for name in VALUES:
        wanted = OBSERVATION_ELEMENTS[name]
        if name in part and (
            not isinstance(part[name], wanted) or (wanted is int and isinstance(part[name], bool))
        ):
            raise RowError(Reason.WRONG_TYPE, f"component.{name}")
    code = concept(part.get("code"), "component.code")
    read = _value(part)
    return Component(
        code, read.quantity, None if read.quantity is None else canonical(code, read.quantity), read.text
    )


def _note(resource: dict[str, Any]) -> str:
    notes = [note.get("text") for note in resource.get("note", [])]
    return "\n".join(text for text in notes if isinstance(text, str))


def _device(resource: dict[str, Any]) -> str:
    display = resource.get("device", {}).get("display", "")
    return display if isinstance(display, str) else ""


# --- 5: does the one say what the other says?


def _content(resource: dict[str, Any]) -> bytes:
    """Return the meaning of an Observation in one spelling, without what the vault itself says about it.

    Left out, because it adds nothing: a generated narrative, the label of a UCUM unit, a
    text that repeats its coding, the canonical quantity, FHIR's own category where it is the code's own.
    """
    content = {name: _spelled(name, value) for name, value in resource.items()}
    if _says_nothing(content.get("text")):
        del content["text"]
    if _categories_follow(resource):
        content.pop("category", None)
    return to_json(content)


def _says_nothing(text: Any) -> bool:
    return isinstance(text, dict) and text.get("status") == "generated"


def _categories_follow(resource: dict[str, Any]) -> bool:
    given = resource.get("category", [])
    if any(set(one) - {"coding", "text"} for one in given):
        return False
    codings = [coding for one in given for coding in one.get("coding", [])]
    code = concept(resource.get("code"), "code")
    wanted = FHIR_CATEGORY.get(category_of(code, _categories(resource)), "exam")
    codes = {OBSERVATION_CATEGORY: (wanted,), OWN_CATEGORY: _OWN_CODES}
    return all(coding.get("code") in codes.get(str(coding.get("system")), ()) for coding in codings)


_OWN_CODES = tuple(map(str, Category))


def _spelled(name: str, value: Any) -> Any:
    spell = _SPELLING.get(name)
    return value if spell is None else spell(value)


def _spell_date(value: Any) -> Any:
    found = parse_date_time(value) if isinstance(value, str) else None
    return instant(found[0]) if found is not None and found[1] else value


def _spell_period(value: Any) -> Any:
    return {name: _spell_date(at) for name, at in value.items()}


def _spell_concept(value: Any) -> Any:
    codings = value.get("coding", [])
    if len(codings) == 1 and value.get("text", "") == codings[0].get("display", ""):
        return {name: part for name, part in value.items() if name != "text"}
    return value


def _spell_quantity(value: Any) -> Any:
    spelled = dict(value)
    marks = [mark for mark in value.get("extension", []) if mark.get("url") != CANONICAL_QUANTITY]
    spelled["extension"] = marks
    code = value.get("code") if value.get("system") == UCUM else None
    if not marks:
        del spelled["extension"]
    if code is not None:
        spelled.pop("unit", None)
    elif "code" not in value and "system" not in value and is_ucum(_known(value.get("unit", ""))):
        spelled |= {"system": UCUM, "code": _known(spelled.pop("unit"))}
    return spelled


def _spell_components(value: Any) -> Any:
    return [{name: _spelled(name, one) for name, one in part.items()} for part in value]


_SPELLING: dict[str, Callable[[Any], Any]] = {
    "effectiveDateTime": _spell_date,
    "effectivePeriod": _spell_period,
    "code": _spell_concept,
    "valueQuantity": _spell_quantity,
    "component": _spell_components,
}
