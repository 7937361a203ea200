"""Who has looked: the citizen's log by visit, filtered, and a whole period of it to print. Each look is logged."""

from collections.abc import Iterable

from litestar import Response

from app.fhir import auditevent
from app.fhir.bundle import searchset
from app.security import valv_of
from app.web import labels
from app.web.access_filter import Sieve
from app.web.shell import Answer, Asked, Owner, cursor, owner, page, shown
from app.web.views import AccessEntry, AccessesPrintView, AccessesView, VisitCard
from app.wiring import Valv
from audit.events import Activity
from audit.visits import Visit, visits
from identity.principal import Proxy
from sharing import searching
from sharing.searching import Found
from vault.resource import to_json

#: One page looks through no more than this, so that it is there in 50 ms whatever is asked for (docs/performance.md).
_ON_A_PAGE, _LOOKED_AT_ONCE = 50, 1_200
#: A print is of a whole period; no longer one is looked through at once than this, and it says where it ends.
_PRINTED, _LOOKED = 5_000, 20_000


@shown("/accesses")
async def show_accesses(request: Asked) -> Answer:
    """Show who has looked; what the reader did themself stands under everything."""
    own, valv = owner(request), valv_of(request)
    sieve = Sieve(request, valv.house.keystore, own.alias, reader=own.self_id)
    found = await searching.of_vault(
        valv.house,
        own.principal,
        own.alias,
        keep=sieve,
        before=cursor(request),
        since=sieve.since,
        until=sieve.until,
        wanted=_ON_A_PAGE,
        most=_LOOKED_AT_ONCE,
    )
    return page(request, "accesses.html", _view(valv, own, sieve, found, _ON_A_PAGE))


@shown("/accesses/print")
async def show_print(request: Asked) -> Answer:
    """Show all that a filter leaves on one page without navigation, for paper; the log has it as a print."""
    own, valv = owner(request), valv_of(request)
    sieve = Sieve(request, valv.house.keystore, own.alias, reader=own.self_id)
    found = await searching.of_vault(
        valv.house,
        own.principal,
        own.alias,
        keep=sieve,
        since=sieve.since,
        until=sieve.until,
        wanted=_PRINTED,
        most=_LOOKED,
        activity=Activity.PRINT,
    )
    view = _view(valv, own, sieve, found, _PRINTED)
    whose = own.principal.citizen if isinstance(own.principal, Proxy) else own.principal.person
    printed = AccessesPrintView(whose.name, valv.house.clock(), sieve.show, view, len(found.accesses))
    return page(request, "accesses_print.html", printed)


@shown("/accesses/download")
async def download(request: Asked) -> Response[bytes]:
    """Give what a filter leaves as a file of FHIR AuditEvents, logged as a print. A long log goes on by a link."""
    own, valv = owner(request), valv_of(request)
    sieve = Sieve(request, valv.house.keystore, own.alias, reader=own.self_id)
    found = await searching.of_vault(
        valv.house,
        own.principal,
        own.alias,
        keep=sieve,
        before=cursor(request),
        since=sieve.since,
        until=sieve.until,
        wanted=_PRINTED,
        most=_LOOKED,
        activity=Activity.PRINT,
    )
    events = [to_json(auditevent.to_fhir(one, patient_id=own.alias.hex())) for one in found.accesses]
    links = []
    if found.before is not None:
        links = [{"relation": "next", "url": f"/accesses/download?{sieve.query}&before={found.before}"}]
    return Response(
        searchset(events, total=None if links or cursor(request) else len(events), links=links),
        media_type="application/fhir+json",
        headers={"Content-Disposition": 'attachment; filename="log.json"'},
    )


def _view(valv: Valv, own: Owner, sieve: Sieve, found: Found, wanted: int) -> AccessesView:
    entries = labels.entries(valv, found.accesses, found.rules, reader=own.self_id)
    has_more = found.before is not None
    return AccessesView(
        sieve.form,
        _cards(visits(found.accesses), entries),
        sieve.query,
        sieve.people(),
        sieve.units(),
        older=str(found.before) if has_more else "",
        looked=sieve.looked if has_more and len(found.accesses) < wanted else 0,
    )


def _cards(found: Iterable[Visit], entries: Iterable[AccessEntry]) -> tuple[VisitCard, ...]:
    by_id = {one.id: one for one in entries}
    return tuple(
        VisitCard(tuple(by_id[one.id.hex()] for one in visit.accesses), visit.begins, visit.ends)
        for visit in found
    )
