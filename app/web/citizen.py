"""A citizen's own pages, also for one who acts for them: overview, measurements, new values, who looked."""

from dataclasses import dataclass, replace

from app import cursor as cursors
from app.security import principal, valv_of
from app.web import labels, values
from app.web.entering import blank, read_measure
from app.web.measures import BY_ID, MEASURES
from app.web.shell import Answer, Asked, Owner, form, lang_of, owner, page, pick, redirect, shown, taken
from app.web.views import (
    AccessEntry,
    AccessRequest,
    AddView,
    FormState,
    May,
    MeasurementsView,
    Notice,
    OverviewView,
    Period,
    Trend,
)
from app.wiring import Valv
from audit.events import EventKind
from audit.review import Access
from consent.rules import RuleSet
from identity.principal import Citizen, Client, Principal, Proxy, Staff, System
from policies.vocabulary import MEASUREMENTS, Category
from sharing import (
    adding,
    asking,
    granting,
    inherited,
    notices,
    openings,
    paging,
    paper,
    questions,
    reach,
    searching,
    summing,
)
from sharing.house import author_of
from sharing.paging import Wish
from sharing.reading import Query
from sharing.summing import Latest
from vault.record import Origin, Provenance

#: How many accesses stand on the overview, how many are counted as new at most, and how far the log is looked through.
_ON_OVERVIEW, _NEWS, _LOOKED_AT_MOST = 5, 50, 1_000
_MEASUREMENTS = Query(categories=MEASUREMENTS)


@shown("/")
async def show_overview(request: Asked) -> Answer:
    """Show the latest values, who looked lately, and what is asked; send staff to their own first page."""
    match principal(request):
        case Staff() as member:
            return redirect("/review" if member.is_supervisor else "/staff")
        case Citizen() | Proxy():
            return page(request, "overview.html", await _overview(request, owner(request)))
        case Client() | System():
            return redirect("/login")


async def _overview(request: Asked, own: Owner) -> OverviewView:
    valv = valv_of(request)
    house = valv.house
    may = await reach.of(house, own.principal, own.alias)
    latest: tuple[Latest, ...] = ()
    if may.read or not may.anything:  # who may nothing is refused, and the log has it
        latest = await summing.latest(house, own.principal, own.alias, _MEASUREMENTS)
    looked = await _looked(valv, own) if may.log else _Looked((), RuleSet(0), 0)
    unseen = await openings.unseen(house, own.principal, own.alias) if may.log else ()
    requests: tuple[AccessRequest, ...] = ()
    if may.manage:
        asked = await asking.requests_of(house, own.principal, own.alias)
        requests = tuple(labels.request(one) for one in asked)
    pending = paper.pending(granting.about(looked.rules, frozenset(may.manage)))
    reader, at = own.self_id, house.clock()
    offered = May(
        add=bool(may.add),
        imports=set(may.manage) == set(Category),
        share=bool(may.manage),
        log=may.log,
        inherited=await inherited.waiting(house, own.principal, own.alias),
    )
    return OverviewView(
        values.tiles(latest, lang_of(request)),
        looked.entries,
        requests,
        len(looked.rules.rules),
        tuple(labels.card(valv, one, reader=reader, at=at) for one in pending),
        tuple(labels.entry(one, reader=reader) for one in unseen),
        may.log and await questions.unseen(house, own.principal, own.alias),
        looked.news,
        offered,
    )


@dataclass(frozen=True, slots=True)
class _Looked:
    """Who looked lately, the rules, and how much is new; an emergency has a notice of its own."""

    entries: tuple[AccessEntry, ...]
    rules: RuleSet
    news: int


async def _looked(valv: Valv, own: Owner) -> _Looked:
    reader = own.self_id
    choice = await notices.choice_of(valv.house, own.principal, own.alias)

    def is_others(access: Access) -> bool:
        return not access.is_automatic and not labels.is_by(access.actor, reader)

    found = await searching.of_vault(
        valv.house,
        own.principal,
        own.alias,
        keep=lambda one: is_others(one) or notices.is_access(one, reader) or notices.is_look(one, reader),
        wanted=_NEWS,
        most=_LOOKED_AT_MOST,
    )
    lately = [one for one in found.accesses if is_others(one)][:_ON_OVERVIEW]
    news = notices.news(found.accesses, choice, reader)
    new = sum(one.kind is not EventKind.EMERGENCY for one in news.accesses[: news.unseen])
    return _Looked(labels.entries(valv, lately, found.rules, reader=reader), found.rules, new)


# --- measurements


@shown("/measurements")
async def show_measurements(request: Asked) -> Answer:
    """Show one category over one period."""
    own, house = owner(request), valv_of(request).house
    latest = await summing.latest(house, own.principal, own.alias, _MEASUREMENTS)
    found = values.counts(latest)
    if not found:
        return page(request, "measurements.html", MeasurementsView((), None))
    category = _category(request, latest, tuple(one.category for one in found))
    trend = await trend_for(request, own.principal, own.alias, category, latest)
    return page(request, "measurements.html", MeasurementsView(found, trend))


def _category(request: Asked, latest: tuple[Latest, ...], there: tuple[Category, ...]) -> Category:
    """Return the category asked for, else the one with the newest value."""
    asked = pick(Category, request.query_params.get("category"))
    if asked is not None and asked in there:
        return asked
    return max(latest, key=lambda one: one.start).category


async def trend_for(
    request: Asked,
    who: Principal,
    alias: bytes,
    category: Category,
    latest: tuple[Latest, ...],
    *,
    is_urgent: bool = False,
) -> Trend:
    """Read a category over the period asked for, else over the shortest that shows anything; or older values of it.

    ``is_urgent`` reads it under an emergency opening.

    Raises:
        consent.gate.Refused: it may not be read.
    """
    house = valv_of(request).house
    today = values.local_day(house.clock())
    asked = pick(Period, request.query_params.get("period"))
    period = asked or values.period_reaching(latest, category, today)
    query = Query(categories=(category,), first=values.first_day(period, today), emergency=is_urgent)
    before, lang = request.query_params.get("before", ""), lang_of(request)
    if before:
        after, total = cursors.unseal(house.keystore, alias, before)
        found = await paging.page(house, who, alias, query, Wish(values.MOST_ROWS, after=after, told=False))
        trend, last = values.older_of(found, category, period, total=total or 0, lang=lang), found.more
    else:
        found = await paging.page(house, who, alias, query, Wish(values.MOST_POINTS))
        trend = values.trend_of(found, category, period, today=today, lang=lang)
        shown = len(trend.readings)
        last = paging.mark_of(found.columns, shown - 1) if 0 < shown < trend.total else None
    older = "" if last is None else cursors.seal(house.keystore, alias, last, trend.total)
    return replace(trend, older=older)


# --- a new value


@shown("/measurements/add")
async def show_add(request: Asked) -> Answer:
    """Show the measures that can be written in, or one's form."""
    owner(request)
    measure = BY_ID.get(request.query_params.get("measure", ""))
    view = AddView(MEASURES, measure, blank(measure, valv_of(request).house.clock()))
    return page(request, "add.html", view)


@taken("/measurements/add")
async def add(request: Asked) -> Answer:
    """Add a value written by hand."""
    own, house, fields = owner(request), valv_of(request).house, await form(request)
    measure = BY_ID.get(fields.value("measure"))
    if measure is None:
        return redirect("/measurements/add")
    read = read_measure(measure, fields, written_by(request, own.principal), now=house.clock())
    if isinstance(read, FormState):
        here = f"/measurements/add?measure={measure.id}"
        return page(request, "add.html", AddView(MEASURES, measure, read), 400, here=here)
    await adding.add(house, own.principal, own.alias, [read])
    return redirect("/measurements", Notice.VALUE_ADDED)


def written_by(request: Asked, who: Principal) -> Provenance:
    """Return the provenance of what is written in a form."""
    on_behalf_of = who.citizen.name if isinstance(who, Proxy) else ""
    received = valv_of(request).house.clock()
    return Provenance(author_of(who), Origin.FORM, received, on_behalf_of=on_behalf_of)
