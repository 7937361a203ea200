"""Adding over FHIR: one resource, a transaction or a batch, read by the same code as a file.

A Bundle is read once, aside, and added at once: a question to the gate, one transaction, columns. Of a batch,
each entry has its own answer all the same; of a transaction, one fault refuses all.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from litestar import Request
from litestar.datastructures import State
from litestar.exceptions import HTTPException

from app.errors import BadRequestError, TooLargeError, operation_outcome, reported
from app.fhir import consent
from app.fhir.consent_in import rule_of
from app.security import demand_fresh, valv_of
from app.whose import own_alias, parse_patient
from app.wiring import Valv
from consent.gate import NextStep, Refused, next_step
from identity.principal import Principal, Proxy
from importers import fhir
from importers.candidates import FormatError, RowError
from policies.vocabulary import Deed, Purpose
from sharing import adding, asking, granting
from sharing.aside import aside
from sharing.house import author_of
from vault.columns import Builder, Columns
from vault.errors import MalformedRecordError
from vault.lines import ids
from vault.record import Origin, Provenance, Record
from vault.resource import to_fhir

MAX_BODY = 16 << 20
MAX_ENTRIES = 10_000
_TOO_LARGE = 413
_SUBJECTS = frozenset(("subject", "patient", "beneficiary"))
_REFERENCE = re.compile(r"Patient/[0-9a-f]{32}", re.ASCII)
_ONE_PATIENT = "subject: one reference to Patient/<id>, the same in every entry"

Call = Request[Any, Any, State]


@dataclass(frozen=True, slots=True)
class _Posted:
    """One entry's record, and whom it is about."""

    number: int
    alias: bytes
    record: Record


async def create_one(
    request: Call, kind: str, principal: Principal, *, purpose: Purpose | None
) -> dict[str, Any]:
    """Add one resource of a kind and return it as it now stands."""
    valv, resource = valv_of(request), _parse(await _body(request))
    if resource.get("resourceType") != kind:
        raise BadRequestError(f"resourceType: expected {kind[:40]}")
    if kind == "Bundle":
        raise BadRequestError("a Bundle is posted to /fhir, as a transaction or a batch")
    alias, record = _whose(principal, [resource]), _record(resource, kind, _provenance(valv, principal))
    added = await adding.add(valv.house, principal, alias, [record], purpose=purpose)
    return to_fhir(added.records[0], patient_id=alias.hex())


async def create_consent(request: Call, principal: Principal) -> dict[str, Any]:
    """Put the rule that a citizen's own Consent says in force, and return it as it now stands.

    Raises:
        app.fhir.element.ConsentError: no one rule says it.
    """
    demand_fresh(request)
    valv, resource, own = valv_of(request), _parse(await _body(request)), own_alias(principal)
    if own is None:
        raise Refused(NextStep.NOTHING)
    rule = rule_of(
        resource,
        owner=own,
        kind_of=valv.house.directory().kind_of,
        id=granting.new_rule_id(),
        author=asking.principal_alias(principal),
        created=valv.house.clock(),
    )
    await granting.grant(valv.house, principal, own, rule)
    return consent.to_fhir(rule, patient_id=own.hex(), controller=valv.controller)


async def create_bundle(request: Call, principal: Principal, *, purpose: Purpose | None) -> dict[str, Any]:
    """Add a Bundle and return its response Bundle.

    Raises:
        BadRequestError: not a transaction or batch, or an entry of a transaction is wrong; the text says which.
        TooLargeError: more than is taken at once.
    """
    valv, body = valv_of(request), await _body(request)
    bundle = await aside(lambda: _parse(body))
    kind, entries = bundle.get("type"), bundle.get("entry", [])
    if bundle.get("resourceType") != "Bundle" or kind not in ("transaction", "batch"):
        raise BadRequestError("expected a Bundle of type transaction or batch")
    if not isinstance(entries, list) or not entries:
        raise BadRequestError("entry: missing")
    if len(entries) > MAX_ENTRIES:
        raise TooLargeError(f"Bundle.entry: {len(entries)} entries; at most {MAX_ENTRIES} are taken at once")
    take = _transaction if kind == "transaction" else _batch
    return {
        "resourceType": "Bundle",
        "type": f"{kind}-response",
        "entry": await take(valv, principal, entries, purpose),
    }


async def _transaction(
    valv: Valv, principal: Principal, entries: list[Any], purpose: Purpose | None
) -> list[dict[str, Any]]:
    """Add all entries or none."""
    provenance = _provenance(valv, principal)

    def work() -> tuple[bytes, Columns]:
        resources = [_resource(entry, number) for number, entry in enumerate(entries)]
        alias = _whose(principal, resources)
        records = (_record(one, _place(number), provenance) for number, one in enumerate(resources))
        return alias, Columns.of(records)

    alias, columns = await aside(work)
    added = await adding.add(valv.house, principal, alias, columns, purpose=purpose)
    return list(_created(added.columns))


async def _batch(
    valv: Valv, principal: Principal, entries: list[Any], purpose: Purpose | None
) -> list[dict[str, Any]]:
    """Add each entry that can be and may be added, those about one person together."""
    answers: list[dict[str, Any]] = [{}] * len(entries)
    provenance = _provenance(valv, principal)

    def work() -> dict[bytes, list[_Posted]]:
        read: dict[bytes, list[_Posted]] = {}
        for number, entry in enumerate(entries):
            try:
                one = _posted(principal, entry, number, provenance)
                read.setdefault(one.alias, []).append(one)
            except (BadRequestError, MalformedRecordError) as error:
                answers[number] = _failed(error)
        return read

    for alias, posted in (await aside(work)).items():
        told = await _add_about(valv, principal, alias, posted, purpose)
        for one, answer in zip(posted, told, strict=True):
            answers[one.number] = answer
    return answers


async def _add_about(
    valv: Valv, principal: Principal, alias: bytes, posted: Sequence[_Posted], purpose: Purpose | None
) -> list[dict[str, Any]]:
    """Add what is about one person; return each entry's answer."""
    columns = Columns.of(one.record for one in posted)
    try:
        added = await adding.add_some(valv.house, principal, alias, columns, purpose=purpose)
    except Exception as error:  # noqa: BLE001 why none could be added is the answer to each
        return [_failed(error)] * len(posted)
    made, refused = _created(added.columns), _failed(Refused(next_step(principal, Deed.ADD)))
    return [next(made) if is_taken else refused for is_taken in added.taken.tolist()]


def _posted(principal: Principal, entry: Any, number: int, provenance: Provenance) -> _Posted:
    resource = _resource(entry, number)
    alias, record = _whose(principal, [resource]), _record(resource, _place(number), provenance)
    Builder().add(record)  # raises where it cannot be kept; the others still can
    return _Posted(number, alias, record)


def _created(columns: Columns) -> Iterator[dict[str, Any]]:
    for number, identity in zip(columns.shape.tolist(), ids(columns), strict=True):
        location = f"{columns.shapes[number].kind}/{identity}"
        yield {"response": {"status": "201 Created", "location": location}}


def _failed(error: Exception) -> dict[str, Any]:
    problem = reported(error)
    return {"response": {"status": str(problem.status), "outcome": operation_outcome(problem)}}


# --- what came


async def _body(request: Call) -> bytes:
    try:
        return await request.body()
    except HTTPException as error:
        if error.status_code != _TOO_LARGE:
            raise
        raise TooLargeError(f"the body: at most {MAX_BODY >> 20} MiB are taken at once") from None


def _parse(body: bytes) -> dict[str, Any]:
    try:
        parsed: Any = fhir.parse(body)
    except FormatError:
        raise BadRequestError("the body is not JSON") from None
    if not isinstance(parsed, dict):
        raise BadRequestError("the body is not a FHIR resource")
    return parsed


def _place(number: int) -> str:
    return f"Bundle.entry[{number}]"


def _resource(entry: Any, number: int) -> dict[str, Any]:
    """Return an entry's resource; only POST is known."""
    match entry:
        case {"request": {"method": "POST"}, "resource": {"resourceType": "Bundle"}}:
            raise BadRequestError(f"{_place(number)}: a Bundle within a Bundle")
        case {"request": {"method": "POST"}, "resource": dict(resource)}:
            return resource
        case _:
            raise BadRequestError(f"{_place(number)}: a resource with request.method POST")


def _record(resource: dict[str, Any], where: str, provenance: Provenance) -> Record:
    try:
        return fhir.read_resource(resource, provenance=provenance)
    except RowError as error:
        raise BadRequestError(f"{where}: {error}") from None


def _provenance(valv: Valv, principal: Principal) -> Provenance:
    return Provenance(
        author_of(principal),
        Origin.FHIR_API,
        valv.house.clock(),
        on_behalf_of=principal.citizen.name if isinstance(principal, Proxy) else "",
    )


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
