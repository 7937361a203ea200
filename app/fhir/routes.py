"""The handlers under ``/fhir``: parse strictly, call one use case, write FHIR."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

from litestar import Request, Response, Router, get, post
from litestar.datastructures import State
from litestar.params import FromPath

from app.errors import BadRequestError, NotFoundError
from app.fhir import auditevent, capability, consent
from app.fhir.bundle import searchset
from app.fhir.create import create_bundle, create_one
from app.fhir.search import Search, page_link, parse
from app.security import Access, principal, valv_of
from app.throttling import count_lookup
from app.whose import alias_for, parse_purpose
from audit import review
from audit.events import EventKind
from audit.review import Unreadable
from consent.judge import Need
from identity.numbers import from_identifier
from policies.vocabulary import MEASUREMENTS, Category, Purpose
from sharing import accesses, granting, lookup, reading
from sharing.reading import Query, Reading
from vault.record import Record
from vault.resource import provenance_to_fhir, to_fhir, to_json

FHIR_JSON = "application/fhir+json"
_PAGED = frozenset({"_count", "_offset", "_format"})
_RECORD_SEARCH = _PAGED | {"patient", "subject", "category", "code", "date"}
_DOCUMENTS = tuple(category for category in Category if category not in MEASUREMENTS)
Pairs = Sequence[tuple[str, str]]
Call = Request[Any, Any, State]


@get("/metadata", opt={"access": Access.PUBLIC}, sync_to_thread=False)
def metadata(request: Call) -> Response[bytes]:
    """What this server can do (CapabilityStatement)."""
    return answer(capability.statement(valv_of(request).origin))


@post("/Patient/_search", status_code=200)
async def find_patient(request: Call) -> Response[bytes]:
    """Exchange an identifier for a patient id.

    Any valid personal number gives one, by the same steps, whether or not it is anyone's here.
    """
    valv, who = valv_of(request), principal(request)
    await count_lookup(valv, who)
    parameters = await _form(request)
    if [name for name, _ in parameters if name not in _PAGED] != ["identifier"]:
        raise BadRequestError("identifier: required, once, and nothing else")
    system, bar, value = dict(parameters)["identifier"].partition("|")
    if not bar:
        raise BadRequestError("identifier: not <system>|<value>")
    alias = valv.house.keystore.alias(from_identifier(system, value, at=valv.house.clock()).digits)
    await lookup.look_up(valv.house, who, alias, purpose=_purpose(request))
    return answer(searchset([{"resourceType": "Patient", "id": alias.hex()}]))


@get("/Patient/{patient_id:str}/$everything")
async def everything(request: Call, patient_id: FromPath[str]) -> Response[bytes]:
    """All that the caller may read of one person, with the provenance of each record."""
    search = parse([*_query(request), ("patient", patient_id)], allowed=_PAGED | {"patient"})
    found = await _read(request, search, tuple(Category), EventKind.READ)
    resources = [one for record in found.records for one in (_shown(record, search, request), _trace(record))]
    return _page(request.url.path, _query(request), search, resources)


@get("/Observation")
async def observations(request: Call) -> Response[bytes]:
    """Search measurements."""
    return await _observations(request, _query(request))


@post("/Observation/_search", status_code=200)
async def observations_by_form(request: Call) -> Response[bytes]:
    """Search measurements, with the parameters in the body."""
    return await _observations(request, [*_query(request), *await _form(request)])


@get("/Observation/{record_id:str}")
async def observation(request: Call, record_id: FromPath[str]) -> Response[bytes]:
    """One measurement by its id, of the person in ``patient`` (a citizen's own where it is left out)."""
    search = parse(_query(request), allowed=frozenset({"patient", "_format"}))
    ordinal, month = record_id[:2], record_id[2:8]
    if not (ordinal.isdecimal() and month.isdecimal() and int(ordinal) < len(MEASUREMENTS)):
        raise NotFoundError
    found = await _read(request, search, (tuple(Category)[int(ordinal)],), EventKind.READ, need=Need.EVERY)
    for record in found.records:
        if record.id == record_id:
            return answer(_shown(record, search, request))
    raise NotFoundError


@get("/{kind:str}")
async def documents(request: Call, kind: FromPath[str]) -> Response[bytes]:
    """Search documents of one kind, rules (Consent), accesses (AuditEvent) or Provenance."""
    return await _search_kind(request, kind, _query(request))


@post("/{kind:str}/_search", status_code=200)
async def documents_by_form(request: Call, kind: FromPath[str]) -> Response[bytes]:
    """Search the same, with the parameters in the body."""
    return await _search_kind(request, kind, [*_query(request), *await _form(request)])


@post("/Observation", status_code=201)
async def create_observation(request: Call) -> Response[bytes]:
    """Add one measurement; the reply is the same for a new one and for one that was there."""
    return await _create(request, "Observation")


@post("/{kind:str}", status_code=201)
async def create(request: Call, kind: FromPath[str]) -> Response[bytes]:
    """Add one document of another kind."""
    return await _create(request, kind)


async def _create(request: Call, kind: str) -> Response[bytes]:
    resource = await create_one(request, kind, principal(request), purpose=_purpose(request))
    return answer(resource, status=201, headers={"Location": f"/fhir/{kind}/{resource['id']}"})


@post("/", status_code=200)
async def transaction(request: Call) -> Response[bytes]:
    """Add a transaction Bundle (all or nothing) or a batch Bundle (each by itself)."""
    return answer(await create_bundle(request, principal(request), purpose=_purpose(request)))


ROUTES = Router(
    path="/fhir",
    route_handlers=[
        metadata,
        find_patient,
        everything,
        observations,
        observations_by_form,
        observation,
        documents,
        documents_by_form,
        create_observation,
        create,
        transaction,
    ],
    opt={"access": Access.BEARER},
    request_max_body_size=64 << 20,
    tags=["FHIR"],
)


def answer(
    resource: Mapping[str, Any], *, status: int = 200, headers: dict[str, str] | None = None
) -> Response[bytes]:
    """Return a resource as FHIR JSON."""
    return Response(to_json(resource), status_code=status, headers=headers, media_type=FHIR_JSON)


async def _observations(request: Call, parameters: Pairs) -> Response[bytes]:
    search = parse(parameters, allowed=_RECORD_SEARCH)
    wanted = search.categories or MEASUREMENTS
    need = Need.EVERY if search.categories else Need.SOME
    found = await _read(request, search, wanted, EventKind.READ, need=need)
    kept = (record for record in found.records if record.kind == "Observation")
    shown = [_shown(record, search, request) for record in kept]
    return _page("/fhir/Observation", parameters, search, shown)


async def _search_kind(request: Call, kind: str, parameters: Pairs) -> Response[bytes]:
    match kind:
        case "Consent":
            return await _consents(request, parameters)
        case "AuditEvent":
            return await _audit_events(request, parameters)
        case "Provenance":
            search = parse(parameters, allowed=_RECORD_SEARCH)
            found = await _read(request, search, search.categories or tuple(Category), EventKind.READ)
            return _page("/fhir/Provenance", parameters, search, [_trace(record) for record in found.records])
        case _:
            search = parse(parameters, allowed=_RECORD_SEARCH)
            found = await _read(request, search, search.categories or _DOCUMENTS, EventKind.READ)
            kept = [record for record in found.records if record.kind == kind]
            shown = [_shown(record, search, request) for record in kept]
            return _page(f"/fhir/{kind}", parameters, search, shown)


async def _consents(request: Call, parameters: Pairs) -> Response[bytes]:
    who, search = principal(request), parse(parameters, allowed=_PAGED | {"patient"})
    alias = alias_for(who, search.patient)
    rules = await granting.rules_of(valv_of(request).house, who, alias)
    found = [consent.to_fhir(rule, patient_id=alias.hex()) for rule in rules.rules]
    return _page("/fhir/Consent", parameters, search, found)


async def _audit_events(request: Call, parameters: Pairs) -> Response[bytes]:
    who, search = principal(request), parse(parameters, allowed=_PAGED | {"patient"})
    alias = alias_for(who, search.patient)
    page = await accesses.mine(valv_of(request).house, who, alias, limit=1000)
    found = [
        auditevent.to_fhir(one, patient_id=alias.hex())
        for one in review.mine(page.entries)
        if not isinstance(one, Unreadable)
    ]
    return _page("/fhir/AuditEvent", parameters, search, found)


async def _read(
    request: Call,
    search: Search,
    categories: tuple[Category, ...],
    kind: EventKind,
    *,
    need: Need = Need.SOME,
) -> Reading:
    who = principal(request)
    query = Query(
        categories, search.first, search.last, search.codes, need=need, purpose=_purpose(request), kind=kind
    )
    return await reading.read(valv_of(request).house, who, alias_for(who, search.patient), query)


def _page(
    base: str, parameters: Pairs, search: Search, resources: Sequence[Mapping[str, Any]]
) -> Response[bytes]:
    """Return one page; its link to the next says all that was asked, also what came in a form."""
    shown = resources[search.offset : search.offset + search.count]
    links = []
    if search.offset + len(shown) < len(resources) and shown:
        links.append(page_link(base, parameters, search.offset + len(shown)))
    return answer(searchset(shown, total=len(resources), links=links))


def _shown(record: Record, search: Search, request: Call) -> dict[str, Any]:
    return to_fhir(record, patient_id=alias_for(principal(request), search.patient).hex())


def _trace(record: Record) -> dict[str, Any]:
    return provenance_to_fhir(record)


def _query(request: Call) -> Pairs:
    return parse_qsl(request.url.query, keep_blank_values=True)


async def _form(request: Call) -> Pairs:
    kind = request.headers.get("content-type", "").partition(";")[0]
    if kind != "application/x-www-form-urlencoded":
        raise BadRequestError("the body must be application/x-www-form-urlencoded")
    try:
        return parse_qsl((await request.body()).decode(), keep_blank_values=True, max_num_fields=100)
    except ValueError:
        raise BadRequestError("the form cannot be read") from None


def _purpose(request: Call) -> Purpose | None:
    return parse_purpose(request.headers.get("purpose-of-use"))
