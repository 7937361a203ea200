"""A record as FHIR R4 outwards, its provenance as FHIR, and the bytes that make it the same record again.

**Observation.** A record without ``resource`` is written from its fields: code, our category beside FHIR's,
effective time, the value **in the unit that came**, components, text, device. Where the canonical quantity
differs, it stands in the value's extension ``urn:halsovalvet:canonical-quantity``, since FHIR has one value
only and what was measured is the truth. Text is ``valueString`` where there is no number, else a note.

**Anything else, and what the fields cannot say.** The stored resource, with ``id``, ``meta`` and the
reference to the person rewritten; profiles, security labels and tags of its own stay. The id and meta that it
came with stand in the extension ``urn:halsovalvet:source``, so that an export can be read in again as the
same record.

**Who vouches** stands in ``meta``: ``source`` = ``urn:halsovalvet:<origin>``, and a tag of the system
``urn:halsovalvet:author`` = citizen, proxy, professional or client. The whole of it is a Provenance.
"""

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from vault.measures import FHIR_CATEGORY, OBSERVATION_CATEGORY, OWN_CATEGORY
from vault.record import Author, AuthorKind, Code, Component, Quantity, Record
from vault.units import is_ucum, ucum

UCUM = "http://unitsofmeasure.org"
HSA = "urn:oid:1.2.752.129.2.1.4.1"
SOURCE = "urn:halsovalvet:"
CANONICAL_QUANTITY = "urn:halsovalvet:canonical-quantity"
ORIGINAL = "urn:halsovalvet:source"
AUTHOR_TAG = "urn:halsovalvet:author"
ORIGIN_CODE = "urn:halsovalvet:origin"
IMPORT_ID = "urn:halsovalvet:import"
PERSON = "urn:halsovalvet:person"

#: The start of a record whose source says no time at all (a Patient): people should see "without a date".
UNDATED = datetime(1970, 1, 1, tzinfo=UTC)

_OWN_ID = re.compile(r"[0-9]{8}-[0-9a-f]{16}", re.ASCII)
_SUBJECTS = ("subject", "patient", "beneficiary")
_WITHOUT_EXTENSIONS = frozenset({"Bundle", "Binary", "Parameters"})
_TAG_TEXT = {
    AuthorKind.CITIZEN: "Personens egen uppgift",
    AuthorKind.PROXY: "Uppgift från ombud",
    AuthorKind.PROFESSIONAL: "Uppgift från personal",
    AuthorKind.CLIENT: "Uppgift från ett anslutet system",
}
_TYPES_OF_ORIGIN = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"

_ENCODER = msgspec.json.Encoder(decimal_format="number", order="deterministic")


def to_json(resource: Any) -> bytes:
    """Write a resource as canonical JSON: sorted names, no spaces, UTF-8, decimals as they were written."""
    return _ENCODER.encode(resource)


def from_json(text: str) -> dict[str, Any]:
    """Read a stored resource; decimals keep their digits."""
    found: dict[str, Any] = json.loads(text, parse_float=Decimal, parse_int=_integer)
    return found


def _integer(digits: str) -> int | Decimal:
    return int(digits) if len(digits) <= MAX_INTEGER and digits != "-0" else Decimal(digits)


#: Longer integers are read as decimals: no number of FHIR's is one, and int() takes quadratic time.
MAX_INTEGER = 18


def to_fhir(record: Record, *, patient_id: str) -> dict[str, Any]:
    """Return the record as a FHIR R4 resource about ``Patient/<patient_id>``.

    Raises:
        ValueError: the record is not an Observation and holds no resource.
    """
    if record.resource:
        return _stored(record, patient_id)
    if record.kind != "Observation":
        raise ValueError("a record that is not an Observation must hold its resource")
    return _observation(record, patient_id)


def _observation(record: Record, patient_id: str) -> dict[str, Any]:
    resource: dict[str, Any] = {
        "resourceType": "Observation",
        "id": record.id,
        "meta": _meta(record),
        "status": record.status,
        "category": categories(record),
        "code": _concept(record.code),
        "subject": {"reference": f"Patient/{patient_id}"},
        "performer": [_who(record.provenance.author)],
        **_effective(record),
    }
    if record.quantity is not None:
        resource["valueQuantity"] = _value(record.quantity, record.canonical)
    elif record.text and not record.components:
        resource["valueString"] = record.text
    if record.text and "valueString" not in resource:
        resource["note"] = [{"text": record.text}]
    if record.components:
        resource["component"] = [_component(part) for part in record.components]
    if record.provenance.device:
        resource["device"] = {"display": record.provenance.device}
    return resource


def categories(record: Record) -> list[dict[str, Any]]:
    """Return FHIR's category of an Observation and ours beside it."""
    fhir = FHIR_CATEGORY.get(record.category, "exam")
    codings = [
        {"system": OBSERVATION_CATEGORY, "code": fhir},
        {"system": OWN_CATEGORY, "code": str(record.category)},
    ]
    return [{"coding": codings}]


def _effective(record: Record) -> dict[str, Any]:
    if record.end is None:
        return {"effectiveDateTime": instant(record.start)}
    return {"effectivePeriod": {"start": instant(record.start), "end": instant(record.end)}}


def instant(at: datetime) -> str:
    """Return a FHIR dateTime in the zone it was measured in (UTC if that zone has seconds)."""
    offset = at.utcoffset() or timedelta()
    return (at.astimezone(UTC) if offset % timedelta(minutes=1) else at).isoformat()


def _concept(code: Code) -> dict[str, Any]:
    if not code.code:
        return {"text": code.display}
    coding = {"system": code.system, "code": code.code, "display": code.display}
    return {"coding": [{name: value for name, value in coding.items() if value}]}


def _value(quantity: Quantity, canonical: Quantity | None) -> dict[str, Any]:
    value = _quantity(quantity)
    if canonical is not None and canonical != quantity:
        value["extension"] = [{"url": CANONICAL_QUANTITY, "valueQuantity": _quantity(canonical)}]
    return value


def _quantity(quantity: Quantity) -> dict[str, Any]:
    value: dict[str, Any] = {"value": quantity.value}
    if quantity.unit:
        value["unit"] = quantity.unit
    code = ucum(quantity.unit)
    if is_ucum(code):
        value |= {"system": UCUM, "code": code}
    return value


def _component(part: Component) -> dict[str, Any]:
    component: dict[str, Any] = {"code": _concept(part.code)}
    if part.quantity is not None:
        component["valueQuantity"] = _value(part.quantity, part.canonical)
    elif part.text:
        component["valueString"] = part.text
    return component


def _who(author: Author) -> dict[str, Any]:
    display = {"display": f"{author.name}, {author.organisation}" if author.organisation else author.name}
    named = {} if not author.name and not author.organisation else display
    match author.kind:
        case AuthorKind.CITIZEN:
            return {"reference": f"Patient/{author.id}"}
        case AuthorKind.PROXY:
            return {"identifier": {"system": PERSON, "value": author.id}, **named}
        case AuthorKind.PROFESSIONAL:
            return {"identifier": {"system": HSA, "value": author.id}, **named}
        case AuthorKind.CLIENT:
            return {"identifier": {"system": f"{SOURCE}client", "value": author.id}, **named}


def _meta(record: Record) -> dict[str, Any]:
    kind = record.provenance.author.kind
    return {
        "source": f"{SOURCE}{record.provenance.origin}",
        "lastUpdated": instant(record.provenance.received),
        "tag": [{"system": AUTHOR_TAG, "code": str(kind), "display": _TAG_TEXT[kind]}],
    }


def _stored(record: Record, patient_id: str) -> dict[str, Any]:
    resource = from_json(record.resource)
    original = {name: resource[name] for name in ("id", "meta") if name in resource}
    came = resource.get("meta")
    resource["id"], resource["meta"] = record.id, _meta(record)
    if isinstance(came, dict):
        resource["meta"] |= {name: came[name] for name in ("profile", "security") if name in came}
        resource["meta"]["tag"] += _list(came.get("tag"))
    for name in _SUBJECTS:
        if isinstance(resource.get(name), dict):
            resource[name] = {"reference": f"Patient/{patient_id}"}
    if record.kind == "Observation":
        resource["subject"] = {"reference": f"Patient/{patient_id}"}
    if original and record.kind not in _WITHOUT_EXTENSIONS:
        mark = {"url": ORIGINAL, "valueString": to_json(original).decode()}
        resource["extension"] = [*_list(resource.get("extension")), mark]
    return resource


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def without_ours(resource: dict[str, Any]) -> dict[str, Any]:
    """Undo what :func:`to_fhir` puts around a record: the resource as it came, if it once went out from here.

    What came from elsewhere is returned as it is, but for a bare reference to the person: that the record is
    about the vault's owner is what the vault says, not the record.
    """
    found = {name: value for name, value in resource.items() if not _is_bare_subject(name, value)}
    meta, identity = resource.get("meta"), resource.get("id")
    ours = isinstance(meta, dict) and str(meta.get("source", "")).startswith(SOURCE)
    if not ours or not isinstance(identity, str) or not _OWN_ID.fullmatch(identity):
        return found
    for name in ("id", "meta", "performer") if _is_plain(resource) else ("id", "meta"):
        found.pop(name, None)
    marks = resource.get("extension")
    if isinstance(marks, list):
        kept = [mark for mark in marks if not _is_mark(mark)]
        for mark in marks:
            found |= _original(mark) if _is_mark(mark) else {}
        found["extension"] = kept
        if not kept:
            del found["extension"]
    return found


def _is_bare_subject(name: str, value: Any) -> bool:
    return name in _SUBJECTS and isinstance(value, dict) and set(value) == {"reference"}


def _is_plain(resource: dict[str, Any]) -> bool:
    """Tell whether :func:`_observation` wrote this: then the performer is our author, as meta says."""
    given = resource.get("category")
    codings = (
        given[0].get("coding") if isinstance(given, list) and given and isinstance(given[0], dict) else None
    )
    return isinstance(codings, list) and any(
        isinstance(coding, dict) and coding.get("system") == OWN_CATEGORY for coding in codings
    )


def _is_mark(mark: Any) -> bool:
    return isinstance(mark, dict) and mark.get("url") == ORIGINAL and isinstance(mark.get("valueString"), str)


def _original(mark: dict[str, Any]) -> dict[str, Any]:
    try:
        found = from_json(mark["valueString"])
    except (ValueError, RecursionError):
        return {}
    return {name: found[name] for name in ("id", "meta") if name in found} if isinstance(found, dict) else {}


def provenance_to_fhir(record: Record) -> dict[str, Any]:
    """Return a FHIR Provenance of the record: who, for whom, which way, device, when and import."""
    source = record.provenance
    author: dict[str, Any] = {"type": _participant("author"), "who": _who(source.author)}
    if source.on_behalf_of:
        author["onBehalfOf"] = {"display": source.on_behalf_of}
    agents = [author]
    if source.device:
        agents.append({"type": _participant("performer"), "who": {"display": source.device}})
    provenance: dict[str, Any] = {
        "resourceType": "Provenance",
        "id": f"p{record.id}",
        "target": [{"reference": f"{record.kind}/{record.id}"}],
        "recorded": instant(source.received),
        "activity": {"coding": [{"system": ORIGIN_CODE, "code": str(source.origin)}]},
        "agent": agents,
    }
    if source.import_id:
        what = {"identifier": {"system": IMPORT_ID, "value": source.import_id}}
        provenance["entity"] = [{"role": "source", "what": what}]
    return provenance


def _participant(code: str) -> dict[str, Any]:
    return {"coding": [{"system": _TYPES_OF_ORIGIN, "code": code}]}
