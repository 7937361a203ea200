"""Adding over FHIR: one resource, a transaction or a batch, read by the same code as a file."""

import re
from collections.abc import Sequence
from typing import Any

from litestar import Request
from litestar.datastructures import State

from app.errors import BadRequestError, operation_outcome, reported
from app.security import valv_of
from app.whose import own_alias, parse_patient
from app.wiring import Valv
from identity.principal import Principal, Proxy
from importers import fhir
from importers.candidates import Candidate, Rejection
from policies.vocabulary import Purpose
from sharing.adding import add
from sharing.house import author_of
from vault.record import Origin, Provenance, Record
from vault.resource import from_json, to_fhir, to_json

_SUBJECTS = frozenset(("subject", "patient", "beneficiary"))
_REFERENCE = re.compile(r"Patient/[0-9a-f]{32}", re.ASCII)
_ONE_PATIENT = "subject: one reference to Patient/<id>, the same in every entry"


async def create_one(
    request: Request[Any, Any, State], kind: str, principal: Principal, *, purpose: Purpose | None
) -> dict[str, Any]:
    """Add one resource of a kind and return it as it now stands."""
    valv, body = valv_of(request), await request.body()
    resource = _parse(body)
    if resource.get("resourceType") != kind:
        raise BadRequestError(f"resourceType: expected {kind[:40]}")
    if kind == "Bundle":
        raise BadRequestError("a Bundle is posted to /fhir, as a transaction or a batch")
    alias = _whose(principal, [resource])
    added = await add(valv.house, principal, alias, _records(valv, principal, body), purpose=purpose)
    return to_fhir(added.records[0], patient_id=alias.hex())


async def create_bundle(
    request: Request[Any, Any, State], principal: Principal, *, purpose: Purpose | None
) -> dict[str, Any]:
    """Add a Bundle and return its response Bundle.

    Raises:
        BadRequestError: not a transaction or batch, or an entry of a transaction is wrong; the text says which.
    """
    valv, body = valv_of(request), await request.body()
    bundle = _parse(body)
    kind = bundle.get("type")
    if bundle.get("resourceType") != "Bundle" or kind not in ("transaction", "batch"):
        raise BadRequestError("expected a Bundle of type transaction or batch")
    entries = bundle.get("entry", [])
    if not isinstance(entries, list) or not entries:
        raise BadRequestError("entry: missing")
    resources = [_posted(entry, number) for number, entry in enumerate(entries)]
    if kind == "transaction":
        alias = _whose(principal, resources)
        added = await add(valv.house, principal, alias, _records(valv, principal, body), purpose=purpose)
        return _response(kind, [_created(record) for record in added.records])
    return _response(kind, [await _each(valv, principal, one, purpose) for one in resources])


async def _each(
    valv: Valv, principal: Principal, resource: dict[str, Any], purpose: Purpose | None
) -> dict[str, Any]:
    try:
        records = _records(valv, principal, _written(resource))
        added = await add(valv.house, principal, _whose(principal, [resource]), records, purpose=purpose)
    except Exception as error:  # noqa: BLE001 one entry's failure is that entry's answer
        problem = reported(error)
        return {"response": {"status": str(problem.status), "outcome": operation_outcome(problem)}}
    return _created(added.records[0])


def _records(valv: Valv, principal: Principal, body: bytes) -> list[Record]:
    provenance = Provenance(
        author_of(principal),
        Origin.FHIR_API,
        valv.house.clock(),
        on_behalf_of=principal.citizen.name if isinstance(principal, Proxy) else "",
    )
    records = []
    for item in fhir.read(body, provenance=provenance):
        match item:
            case Candidate(record):
                records.append(record)
            case Rejection(where, reason):
                raise BadRequestError(f"{where}: {reason}")
    return records


def _whose(principal: Principal, resources: Sequence[dict[str, Any]]) -> bytes:
    """Return whom the resources are about: a citizen's own are their own, others must name one and the same.

    What others send about somebody whom we do not know by that name must not end up with who stands beside.
    """
    own = own_alias(principal)
    aliases = set() if own is None else {own}
    for resource in resources:
        for name in _SUBJECTS & resource.keys():
            named = _named(resource[name])
            if named is not None:
                aliases.add(named)
            elif own is None:
                raise BadRequestError(_ONE_PATIENT)
    if len(aliases) != 1:
        raise BadRequestError(_ONE_PATIENT)
    return aliases.pop()


def _named(subject: Any) -> bytes | None:
    reference = subject.get("reference") if isinstance(subject, dict) else None
    if not isinstance(reference, str) or _REFERENCE.fullmatch(reference) is None:
        return None
    return parse_patient(reference)


def _parse(body: bytes) -> dict[str, Any]:
    try:
        parsed: Any = from_json(body.decode())
    except (ValueError, RecursionError):
        raise BadRequestError("the body is not JSON") from None
    if not isinstance(parsed, dict):
        raise BadRequestError("the body is not a FHIR resource")
    return parsed


def _written(resource: dict[str, Any]) -> bytes:
    try:
        return to_json(resource)
    except UnicodeEncodeError:
        raise BadRequestError("the body holds characters that are not text") from None


def _posted(entry: Any, number: int) -> dict[str, Any]:
    """Return an entry's resource; only POST is known."""
    match entry:
        case {"request": {"method": "POST"}, "resource": {"resourceType": "Bundle"}}:
            raise BadRequestError(f"Bundle.entry[{number}]: a Bundle within a Bundle")
        case {"request": {"method": "POST"}, "resource": dict(resource)}:
            return resource
        case _:
            raise BadRequestError(f"Bundle.entry[{number}]: a resource with request.method POST")


def _created(record: Record) -> dict[str, Any]:
    return {"response": {"status": "201 Created", "location": f"{record.kind}/{record.id}"}}


def _response(kind: str, entries: list[dict[str, Any]]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": f"{kind}-response", "entry": entries}
