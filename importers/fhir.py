"""FHIR R4 as JSON: a single resource, a Bundle of any type, or NDJSON (a resource a line), as candidates.

An Observation becomes a measurement (:mod:`importers.observation`); everything else is kept as a document of
its kind, whole. Nothing valid is lost: what the fields cannot say stands in the resource. References are
never followed, least of all out of the file. A Patient is kept like the rest, in the ``location`` drawer,
since it says where a person lives; it never decides whose record it is — that is the vault's owner.

Of a history Bundle only the newest version of each resource is taken. What a request holds is read whole, and
refused whole where it is no JSON (:func:`read`). A file may be of any size, so its Bundle is read entry by entry:
where it breaks off, the entries before are kept, and its owner is told (:func:`read_file`).
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, BinaryIO

from importers.candidates import Candidate, FormatError, Reason, Rejection, RowError, excerpt
from importers.json_stream import JsonStream
from importers.observation import concept, observation, undated
from importers.r4 import RESOURCE_TYPES, parse_date_time
from vault.measures import category_of_resource
from vault.record import Code, Provenance, Record
from vault.resource import MAX_INTEGER, to_json, without_ours

RESOURCE_TYPE_SYSTEM = "http://hl7.org/fhir/resource-types"

_MAX_DEPTH = 48
_MAX_NESTED_BUNDLES = 4
_CODED = (
    "code",
    "vaccineCode",
    "medicationCodeableConcept",
    "type",
    "serviceType",
    "description",
    "category",
)
_DATED = (
    "effectiveDateTime", "effectivePeriod", "performedDateTime", "performedPeriod", "occurrenceDateTime",
    "occurrencePeriod", "onsetDateTime", "onsetPeriod", "start", "startDate", "period", "authoredOn",
    "dateTime", "date", "dateAsserted", "recordedDate", "recorded", "issued", "created", "sent",
)  # fmt: skip
_LISTS = frozenset(("coding", "extension", "modifierExtension", "contained"))
_BLANK = b" \t\r\n\xef\xbb\xbf"
_META_LISTS = ("profile", "security", "tag")


class _Bad:
    """Stands in a parsed tree where JSON held what FHIR does not allow."""

    def __init__(self, reason: Reason, quote: str) -> None:
        self.reason, self.quote = reason, quote


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is read at once, and how large one resource may be, in bytes."""

    whole: int = 64 << 20
    resource: int = 8 << 20


def read(
    source: bytes, *, provenance: Provenance, limits: Limits | None = None
) -> Iterator[Candidate | Rejection]:
    """Yield what a FHIR JSON text holds, in its order.

    Raises:
        FormatError: not JSON, or not a FHIR resource at all.
    """
    bounds = limits or Limits()
    if len(source) > bounds.whole:
        raise FormatError(Reason.TOO_LARGE)
    resource = parse(source)
    if not isinstance(resource, dict) or "resourceType" not in resource:
        raise FormatError(Reason.UNKNOWN_FORMAT)
    yield from _read(resource, _kind(resource), _Reader(provenance, bounds), 0)


def read_file(
    source: BinaryIO, *, provenance: Provenance, limits: Limits | None = None
) -> Iterator[Candidate | Rejection]:
    """Yield what a FHIR JSON file of any size holds, in its order; a break keeps the entries before it.

    Raises:
        FormatError: not JSON, or not a FHIR resource at all.
    """
    bounds = limits or Limits()
    told = _told_of_bundle(_stream(source, bounds))
    source.seek(0)
    stream, reader = _stream(source, bounds), _Reader(provenance, bounds)
    if told.get("resourceType") != "Bundle":
        resource = stream.value()
        _demand_end(stream)
        if not isinstance(resource, dict) or "resourceType" not in resource:
            raise FormatError(Reason.UNKNOWN_FORMAT)
        yield from _read(resource, _kind(resource), reader, 0)
        return
    number = 0
    try:
        for found in _stream_bundle(stream, told, reader):
            yield found
            number += 1
        _demand_end(stream)
    except FormatError:
        if not number:
            raise
        yield Rejection.of("Bundle", Reason.CUT_OFF)


def read_lines(
    source: BinaryIO, *, provenance: Provenance, limits: Limits | None = None
) -> Iterator[Candidate | Rejection]:
    """Yield what an NDJSON file of any size holds; a bad line is listed, and costs no other."""
    bounds = limits or Limits()
    reader = _Reader(provenance, bounds)
    number = 0
    while line := source.readline(bounds.whole):
        number += 1
        where, whole = f"line {number}", line
        while not line.endswith(b"\n") and (line := source.readline(bounds.whole)):
            whole = b""
        if not whole:
            yield Rejection.of(where, Reason.TOO_LONG)
        elif whole.strip(_BLANK):
            yield from _read_line(whole, where, reader)


def _read_line(line: bytes, where: str, reader: "_Reader") -> Iterator[Candidate | Rejection]:
    try:
        resource = parse(line)
    except FormatError as error:
        match error.reason:
            case Reason.NOT_JSON:
                yield Rejection.of(where, Reason.NOT_JSON_HERE, error.quote)
            case Reason.NOT_UTF8:
                yield Rejection.of(where, Reason.BAD_TEXT)
            case reason:
                yield Rejection.of(where, reason)
        return
    yield from _read(resource, where, reader, 0)


def _stream(source: BinaryIO, limits: Limits) -> JsonStream:
    return JsonStream(source, _DECODER, limit=limits.whole)


def _told_of_bundle(stream: JsonStream) -> dict[str, Any]:
    """Return resourceType and type of what may be a Bundle. They may stand behind its entries, which are passed by."""
    told: dict[str, Any] = {}
    if stream.peek() != "{":
        return told
    for name in stream.names():
        if name == "entry" and stream.peek() == "[":
            for _ in stream.elements():
                pass
        elif name in {"resourceType", "type"}:
            told.setdefault(name, stream.value())
        else:
            stream.value()
        if "resourceType" in told and ("type" in told or told["resourceType"] != "Bundle"):
            break
    return told


def _stream_bundle(
    stream: JsonStream, told: dict[str, Any], reader: "_Reader"
) -> Iterator[Candidate | Rejection]:
    seen: set[str] = set()
    for name in stream.names():
        if name in seen:
            yield Rejection.of("Bundle", Reason.TWO_OF_A_KIND, excerpt(name))
            stream.value()
        elif name == "entry" and stream.peek() == "[":
            yield from _entries(stream.elements(), told.get("type"), "Bundle", reader, 0)
        elif name == "entry":
            stream.value()
            yield Rejection.of("Bundle", Reason.WRONG_TYPE, "entry")
        else:
            stream.value()
        seen.add(name)


def _demand_end(stream: JsonStream) -> None:
    if stream.peek():
        stream.take("")


def _kind(resource: dict[str, Any]) -> str:
    kind = resource["resourceType"]
    return kind if isinstance(kind, str) and kind in RESOURCE_TYPES else "resource"


def read_resource(resource: dict[str, Any], *, provenance: Provenance) -> Record:
    """Return the record of one parsed resource (its numbers as ``Decimal``, as ``from_json`` reads them).

    Raises:
        RowError: it is not valid R4.
    """
    return _Reader(provenance, Limits()).record(resource)


def parse(data: bytes) -> Any:
    """Read JSON as FHIR has it; what FHIR does not allow stands in the tree as what :func:`read_resource` refuses.

    Raises:
        FormatError: not JSON.
    """
    try:
        return _DECODER.decode(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise FormatError(Reason.NOT_UTF8) from None
    except json.JSONDecodeError as error:
        raise FormatError(Reason.NOT_JSON, f"{error.lineno}:{error.colno}") from None
    except RecursionError:
        raise FormatError(Reason.TOO_DEEP) from None


def _integer(digits: str) -> int | Decimal:
    return int(digits) if len(digits) <= MAX_INTEGER and digits != "-0" else Decimal(digits)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        found[twice] = _Bad(Reason.TWO_OF_A_KIND, excerpt(twice))
    return found


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_float=Decimal,
    parse_int=_integer,
    parse_constant=lambda name: _Bad(Reason.BAD_NUMBER, name),
)


def _read(resource: Any, where: str, reader: "_Reader", depth: int) -> Iterator[Candidate | Rejection]:
    if isinstance(resource, dict) and resource.get("resourceType") == "Bundle":
        yield from _bundle(resource, where, reader, depth)
        return
    try:
        yield Candidate(reader.record(resource), where)
    except RowError as error:
        yield Rejection.of(where, error.reason, error.quote)


def _bundle(
    bundle: dict[str, Any], where: str, reader: "_Reader", depth: int
) -> Iterator[Candidate | Rejection]:
    entries = bundle.get("entry", [])
    if depth >= _MAX_NESTED_BUNDLES:
        yield Rejection.of(where, Reason.TOO_DEEP)
        return
    if not isinstance(entries, list):
        yield Rejection.of(where, Reason.WRONG_TYPE, "entry")
        return
    yield from _entries(entries, bundle.get("type"), where, reader, depth)


def _entries(
    entries: Iterable[Any], kind: Any, where: str, reader: "_Reader", depth: int
) -> Iterator[Candidate | Rejection]:
    newest: set[tuple[str, str]] = set()
    for number, entry in enumerate(entries):
        place = f"{where}.entry[{number}]"
        if not isinstance(entry, dict):
            yield Rejection.of(place, Reason.WRONG_TYPE, "entry")
        elif kind == "history" and _is_older(entry, newest):
            yield Rejection.of(place, Reason.SUPERSEDED)
        elif "resource" not in entry:
            yield Rejection.of(place, Reason.NO_RESOURCE)
        else:
            yield from _read(entry["resource"], place, reader, depth + 1)


def _is_older(entry: dict[str, Any], newest: set[tuple[str, str]]) -> bool:
    """Tell whether a history has already named this resource: it is sorted, the newest version first."""
    resource, request = entry.get("resource"), entry.get("request")
    if isinstance(resource, dict) and isinstance(resource.get("id"), str):
        key = str(resource.get("resourceType")), resource["id"]
    elif isinstance(request, dict) and isinstance(request.get("url"), str):
        kind, _, identity = request["url"].partition("/")
        key = kind, identity
    else:
        return False
    older = key in newest
    newest.add(key)
    return older


class _Reader:
    """One resource after another, checked and made a record."""

    def __init__(self, provenance: Provenance, limits: Limits) -> None:
        self._provenance, self._limits = provenance, limits

    def record(self, resource: Any) -> Record:
        if not isinstance(resource, dict):
            raise RowError(Reason.NOT_AN_OBJECT)
        _check_tree(resource)
        kind = resource.get("resourceType")
        if not isinstance(kind, str) or not kind:
            raise RowError(Reason.NO_RESOURCE_TYPE)
        if kind not in RESOURCE_TYPES:
            raise RowError(Reason.NOT_R4, excerpt(kind))
        self._check_text(resource)
        if kind == "Observation":
            return observation(resource, provenance=self._provenance)
        return _document(without_ours(resource), kind, self._provenance)

    def _check_text(self, resource: dict[str, Any]) -> None:
        try:
            size = len(to_json(resource))
        except UnicodeEncodeError:
            raise RowError(Reason.BAD_TEXT) from None
        if size > self._limits.resource:
            raise RowError(Reason.TOO_LONG)


def _check_tree(resource: dict[str, Any]) -> None:
    """Walk the whole resource without recursion: nothing that FHIR forbids, and lists where they belong."""
    waiting: list[tuple[Any, int]] = [(resource, 0)]
    while waiting:
        node, depth = waiting.pop()
        if depth > _MAX_DEPTH:
            raise RowError(Reason.TOO_DEEP)
        if isinstance(node, _Bad):
            raise RowError(node.reason, node.quote)
        if isinstance(node, dict):
            _check_lists(node)
            waiting += [(child, depth + 1) for child in node.values() if not isinstance(child, str)]
        elif isinstance(node, list):
            waiting += [(child, depth + 1) for child in node if not isinstance(child, str)]
    meta = resource.get("meta", {})
    if not isinstance(meta, dict) or not all(isinstance(meta.get(name, []), list) for name in _META_LISTS):
        raise RowError(Reason.WRONG_TYPE, "meta")


def _check_lists(node: dict[str, Any]) -> None:
    for name in _LISTS & node.keys():
        children = node[name]
        if not isinstance(children, list) or not all(isinstance(child, dict) for child in children):
            raise RowError(Reason.WRONG_TYPE, name)


# --- documents


def _document(resource: dict[str, Any], kind: str, provenance: Provenance) -> Record:
    code = _document_code(resource, kind)
    start, end = _document_period(resource)
    return Record(
        category=category_of_resource(resource),
        kind=kind,
        code=code,
        start=start or undated(resource),
        provenance=replace(provenance, device=""),
        end=end if start is not None and end is not None and end > start else None,
        status=_document_status(resource),
        text=_document_text(resource, code),
        resource=to_json(resource).decode(),
    )


def _document_code(resource: dict[str, Any], kind: str) -> Code:
    for name in _CODED:
        value = resource.get(name)
        try:
            return concept(value[0] if isinstance(value, list) and value else value, name)
        except RowError:
            continue
    return Code(RESOURCE_TYPE_SYSTEM, kind, kind)


def _document_period(resource: dict[str, Any]) -> tuple[datetime | None, datetime | None]:
    for name in _DATED:
        value = resource.get(name)
        if isinstance(value, dict):
            start, end = _date(value.get("start")), _date(value.get("end"))
        else:
            start, end = _date(value), _date(resource.get("end")) if name == "start" else None
        if start is not None:
            return start, None if end is None else end.astimezone(start.tzinfo)
    return None, None


def _date(value: Any) -> datetime | None:
    found = parse_date_time(value) if isinstance(value, str) else None
    return None if found is None else found[0]


def _document_status(resource: dict[str, Any]) -> str:
    status = resource.get("status")
    if isinstance(status, str):
        return status
    clinical = resource.get("clinicalStatus")
    if isinstance(clinical, dict):
        try:
            return concept(clinical, "clinicalStatus").code or "unknown"
        except RowError:
            return "unknown"
    return "unknown"


def _document_text(resource: dict[str, Any], code: Code) -> str:
    for name in ("title", "description", "name"):
        value = resource.get(name)
        if isinstance(value, str) and value:
            return value
    return code.display
