"""The handlers under ``/fhir``: parse strictly, call one use case, write FHIR."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

from litestar import Request, Response, Router, get, post
from litestar.datastructures import State
from litestar.params import FromPath
from litestar.response import Stream

from app import cursor
from app.errors import BadRequestError, NotFoundError
from app.fhir import auditevent, capability, consent, whole
from app.fhir.bundle import form, searchset
from app.fhir.create import MAX_BODY, create_bundle, create_consent, create_one
from app.fhir.search import Search, page_link, parse
from app.security import Access, principal, valv_of
from app.throttling import count_lookup
from app.whose import alias_for, is_emergency, parse_purpose
from consent.judge import Need
from identity.numbers import from_identifier
from policies.vocabulary import MEASUREMENTS, Category, Purpose
from sharing import granting, lookup, paging, reading, searching
from sharing.paging import Wish
from sharing.reading import Query
from vault.lines import Lines, Write
from vault.record import parse_record_id
from vault.resource import provenance_to_fhir, to_fhir, to_json

_LONGEST_PLACE = 18  # digits: what a place in a list can be
FHIR_JSON = "application/fhir+json"
_PAGED = frozenset({"_count", "_cursor", "_format"})
_RECORD_SEARCH = _PAGED | {"patient", "subject", "category", "code", "date", "_sort"}
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
    return _bundle([to_json({"resourceType": "Patient", "id": alias.hex()})], total=1)


@get("/Patient/{patient_id:str}/$everything")
async def everything(request: Call, patient_id: FromPath[str]) -> Response[bytes] | Stream:
    """All that the caller may read of one person, with the provenance of each record.

    It is streamed, as a Bundle or by ``Accept: application/fhir+ndjson`` as lines; with ``_count`` it comes in pages.
    """
    parameters = [*_query(request), ("patient", patient_id)]
    search, who = parse(parameters, allowed=_PAGED | {"patient"}), principal(request)
    alias = alias_for(who, search.patient)
    writes = (partial(to_fhir, patient_id=alias.hex()), provenance_to_fhir)
    if any(name == "_count" for name, _ in parameters):
        return await _page(request, request.url.path, _query(request), search, Query(), writes)
    query = Query(purpose=_purpose(request), emergency=_is_emergency(request))
    lines = [Lines(write) for write in writes]
    return await whole.answer(
        valv_of(request).house, who, alias, query, form("searchset", request.headers.get("accept", ""), lines)
    )


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
    search, who = parse(_query(request), allowed=frozenset({"patient", "_format"})), principal(request)
    told = parse_record_id(record_id)
    if told is None or told[0] not in MEASUREMENTS:
        raise NotFoundError
    alias, (category, month, mark) = alias_for(who, search.patient), told
    query = Query(
        (category,),
        month=month,
        need=Need.EVERY,
        purpose=_purpose(request),
        emergency=_is_emergency(request),
    )
    record = await reading.find(valv_of(request).house, who, alias, query, mark)
    if record is None:
        raise NotFoundError
    return answer(to_fhir(record, patient_id=alias.hex()))


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
    """Add one document of another kind; a citizen's own Consent makes a rule, and needs a fresh authentication."""
    return await _create(request, kind)


async def _create(request: Call, kind: str) -> Response[bytes]:
    who = principal(request)
    if kind == "Consent":
        resource = await create_consent(request, who)
    else:
        resource = await create_one(request, kind, who, purpose=_purpose(request))
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
    request_max_body_size=MAX_BODY,
    tags=["FHIR"],
)


def answer(
    resource: Mapping[str, Any], *, status: int = 200, headers: dict[str, str] | None = None
) -> Response[bytes]:
    """Return a resource as FHIR JSON."""
    return Response(to_json(resource), status_code=status, headers=headers, media_type=FHIR_JSON)


async def _observations(request: Call, parameters: Pairs) -> Response[bytes]:
    search = parse(parameters, allowed=_RECORD_SEARCH)
    need = Need.EVERY if search.categories else Need.SOME
    query = Query(search.categories or MEASUREMENTS, types=frozenset({"Observation"}), need=need)
    return await _page(request, "/fhir/Observation", parameters, search, query, (_writer(request, search),))


async def _search_kind(request: Call, kind: str, parameters: Pairs) -> Response[bytes]:
    match kind:
        case "Consent":
            return await _consents(request, parameters)
        case "AuditEvent":
            return await _audit_events(request, parameters)
        case "Provenance":
            search = parse(parameters, allowed=_RECORD_SEARCH)
            query = Query(search.categories or tuple(Category))
            return await _page(request, "/fhir/Provenance", parameters, search, query, (provenance_to_fhir,))
        case _:
            search = parse(parameters, allowed=_RECORD_SEARCH)
            query = Query(search.categories or _DOCUMENTS, types=frozenset({kind}))
            return await _page(
                request, f"/fhir/{kind}", parameters, search, query, (_writer(request, search),)
            )


async def _consents(request: Call, parameters: Pairs) -> Response[bytes]:
    who, search = principal(request), parse(parameters, allowed=_PAGED | {"patient"})
    alias, start = alias_for(who, search.patient), _number(search.cursor) or 0
    valv = valv_of(request)
    rules = await granting.rules_of(valv.house, who, alias)
    write = partial(consent.to_fhir, patient_id=alias.hex(), controller=valv.controller)
    found = [to_json(write(rule)) for rule in rules.rules]
    end = start + search.count
    links = (
        [page_link("/fhir/Consent", parameters, str(end))] if 0 < search.count < len(found) - start else []
    )
    return _bundle(found[start:end], total=len(found), links=links)


async def _audit_events(request: Call, parameters: Pairs) -> Response[bytes]:
    """Tell what stands in the log, newest first; what is unreadable is left out."""
    who, search = principal(request), parse(parameters, allowed=_PAGED | {"patient"})
    alias, before = alias_for(who, search.patient), _number(search.cursor)
    page = await searching.of_vault(
        valv_of(request).house, who, alias, keep=lambda _: True, before=before, wanted=max(search.count, 1)
    )
    found = [to_json(auditevent.to_fhir(one, patient_id=alias.hex())) for one in page.accesses]
    links = [] if page.before is None else [page_link("/fhir/AuditEvent", parameters, str(page.before))]
    total = len(found) if before is None and page.before is None else None
    return _bundle(found[: search.count], total=total, links=links)


def _number(text: str) -> int | None:
    """Return where a list of rules or accesses goes on, as its own link says."""
    if not text:
        return None
    if not text.isdecimal() or len(text) > _LONGEST_PLACE:
        raise BadRequestError("_cursor: not from a next link of this search")
    return int(text)


async def _page(
    request: Call, base: str, parameters: Pairs, search: Search, query: Query, writes: Sequence[Write]
) -> Response[bytes]:
    """Read and return one page; its link to the next says all that was asked, also what came in a form."""
    who, house = principal(request), valv_of(request).house
    alias = alias_for(who, search.patient)
    after, total = cursor.unseal(house.keystore, alias, search.cursor) if search.cursor else (None, None)
    asked = replace(
        query,
        first=search.first,
        last=search.last,
        codes=search.codes,
        purpose=_purpose(request),
        emergency=_is_emergency(request),
    )
    wish = Wish(search.count, search.order, after, told=after is None)
    found = await paging.page(house, who, alias, asked, wish)
    total = found.total if after is None else total
    entries = [
        one
        for lines in zip(*(Lines(write).of(found.columns) for write in writes), strict=True)
        for one in lines
    ]
    links = []
    if found.more is not None:
        links.append(page_link(base, parameters, cursor.seal(house.keystore, alias, found.more, total)))
    return _bundle(entries, total=None if total is None else total * len(writes), links=links)


def _bundle(
    entries: Sequence[bytes], *, total: int | None, links: Sequence[Mapping[str, str]] = ()
) -> Response[bytes]:
    return Response(searchset(entries, total=total, links=links), media_type=FHIR_JSON)


def _writer(request: Call, search: Search) -> Write:
    return partial(to_fhir, patient_id=alias_for(principal(request), search.patient).hex())


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


def _is_emergency(request: Call) -> bool:
    return is_emergency(request.headers.get("purpose-of-use"))


def _purpose(request: Call) -> Purpose | None:
    return parse_purpose(request.headers.get("purpose-of-use"))
