"""Log review's controls: random draws, the figures of a period, and the control records that are signed and kept."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from litestar import Response
from litestar.params import FromPath

from app.errors import NotFoundError
from app.security import demand_fresh, valv_of
from app.web import values
from app.web.chart import ZONE, Chart, Point, Series
from app.web.control_document import layout
from app.web.control_views import (
    DrawRow,
    DrawsView,
    DrawView,
    FiguresView,
    RecordRow,
    RecordsView,
    StratumRow,
    UnitRow,
)
from app.web.rule_form import day_of
from app.web.shell import Answer, Asked, as_file, form, page, redirect, shown, supervisor, taken
from app.web.views import FieldError, FieldProblem, FormState, Notice
from app.whose import parse_id
from app.wiring import Valv
from consent.ages import start_of
from sharing import controls, draws, reviewing
from sharing.accesses import own_organisation
from sharing.controls import Kept, Kind
from sharing.reviewing import Closed

_DRAWS, _RECORDS = "/review/draws", "/review/records"
_DIGEST = 32
_A_DAY = timedelta(days=1)
_A_MOMENT = timedelta(microseconds=1)
#: What figures are of where nothing else is asked for.
_LATEST = timedelta(days=90)

# --- draws


@shown(_DRAWS)
async def show_draws(request: Asked) -> Answer:
    """Show the draws that were made."""
    return await _show_draws(request, FormState())


@taken(_DRAWS)
async def draw(request: Asked) -> Answer:
    """Draw from a period."""
    member, valv, fields = supervisor(request), valv_of(request), await form(request)
    if problems := _wrong_days(valv, fields):
        return await _show_draws(request, FormState(fields.values, problems), 400)
    since, until = _period(valv, fields)
    await draws.make(valv.house, member, since, until)
    return redirect(_DRAWS, Notice.DRAWN)


@shown("/review/draws/{document:str}")
async def show_draw(request: Asked, document: FromPath[str]) -> Answer:
    """Show a draw, made again from the log as it is now."""
    member, house = supervisor(request), valv_of(request).house
    digest = parse_id(document, size=_DIGEST)
    again = await draws.again(house, member, digest)
    kept = await controls.find(house, member, Kind.DRAW, digest)
    directory, old = house.directory(), again.draw
    strata = tuple(
        StratumRow(directory.node_name(f"unit:{one.unit}"), one.kind, one.population, len(one.drawn))
        for one in old.strata
    )
    view = DrawView(
        _draw_row(kept),
        old.seed,
        old.digest,
        old.criteria.percent,
        old.criteria.least,
        old.criteria.most,
        strata,
        again.is_same_population,
        again.is_same,
    )
    return page(request, "draw.html", view)


async def _show_draws(request: Asked, state: FormState, status: int = 200) -> Answer:
    member, house = supervisor(request), valv_of(request).house
    rows = tuple(_draw_row(one) for one in await controls.all_of(house, member, Kind.DRAW))
    return page(request, "draws.html", DrawsView(organisation_of(request), rows, state), status)


def _draw_row(kept: Kept) -> DrawRow:
    made, id_ = kept.made, kept.document.hex()
    if kept.content is None:
        return DrawRow(id_, made.at, made.actor.name, is_finished=bool(id_))
    told = draws.decode(kept)
    return DrawRow(id_, made.at, made.actor.name, told.since, told.until, told.population, len(told.drawn))


# --- control records


@shown(_RECORDS)
async def show_records(request: Asked) -> Answer:
    """Show the control records, and whether each file holds."""
    return await _show_records(request, FormState())


@taken(_RECORDS)
async def make_record(request: Asked) -> Answer:
    """Make, sign and keep the record of a period; signing asks for a login of late."""
    member, valv, fields = supervisor(request), valv_of(request), await form(request)
    demand_fresh(request)
    if problems := _wrong_days(valv, fields):
        return await _show_records(request, FormState(fields.values, problems), 400)
    since, until = _period(valv, fields)
    await reviewing.make_record(valv.house, member, since, until, valv.press, layout)
    return redirect(_RECORDS, Notice.RECORD_MADE)


@shown("/review/records/{document:str}")
async def download_record(request: Asked, document: FromPath[str]) -> Response[bytes]:
    """Give a control record as its signed file."""
    member, house = supervisor(request), valv_of(request).house
    found = await controls.find(house, member, Kind.RECORD, parse_id(document, size=_DIGEST))
    if found.content is None:
        raise NotFoundError
    return as_file(found.content, "application/pdf", f"loggkontroll-{values.local_day(found.made.at)}.pdf")


async def _show_records(request: Asked, state: FormState, status: int = 200) -> Answer:
    member, valv = supervisor(request), valv_of(request)
    found = await controls.all_of(valv.house, member, Kind.RECORD)
    rows = tuple([await _record_row(valv, one) for one in found])
    return page(request, "records.html", RecordsView(organisation_of(request), rows, state), status)


async def _record_row(valv: Valv, kept: Kept) -> RecordRow:
    made, id_, told = kept.made, kept.document.hex(), reviewing.decode(kept)
    if kept.content is None or told is None:
        return RecordRow(id_, made.at, made.actor.name, is_finished=bool(id_))
    checked = await valv.press.check(kept.content, at=valv.house.clock())
    return RecordRow(id_, made.at, made.actor.name, told.since, told.until, checked)


# --- figures


@shown("/review/figures")
async def show_figures(request: Asked) -> Answer:
    """Show coverage, time to decision and outcomes of a period."""
    member, valv = supervisor(request), valv_of(request)
    asked, name = period_asked(request, _LATEST), organisation_of(request)
    today = values.local_day(valv.house.clock())
    if asked.period is None:
        return page(request, "figures.html", FiguresView(name, today, today, asked.form), 400)
    since, until = asked.period
    first, last = values.local_day(since), values.local_day(until - _A_MOMENT)
    found = await reviewing.figures(valv.house, member, since, until)
    months = _months(found.closed)
    view = FiguresView(
        name,
        first,
        last,
        asked.form,
        tuple(UnitRow(one.name, one.accesses, one.decided) for one in found.units),
        found.findings,
        found.open,
        found.overdue,
        found.within(0.5),
        found.within(0.9),
        _charts(months, first, last),
        months,
    )
    return page(request, "figures.html", view)


def _months(closed: Iterable[Closed]) -> tuple[tuple[date, int, float], ...]:
    """Return, by the month of the access, how many were decided, and within how many days half of them."""
    by_month: dict[date, list[timedelta]] = defaultdict(list)
    for one in closed:
        by_month[values.local_day(one.at).replace(day=1)].append(one.took)
    return tuple(
        (month, len(took), round(sorted(took)[len(took) // 2] / _A_DAY, 1))
        for month, took in sorted(by_month.items())
    )


def _charts(months: tuple[tuple[date, int, float], ...], first: date, last: date) -> tuple[Chart, ...]:
    """Draw what months there are; one alone says nothing over time."""
    if len(months) < 2:  # noqa: PLR2004
        return ()

    def chart(code: str, numbers: Iterable[float]) -> Chart:
        points = tuple(
            Point(datetime.combine(max(month, first), time(), ZONE), number)
            for (month, _, _), number in zip(months, numbers, strict=True)
        )
        return Chart(code, "", first, last, (Series(code, points),))

    return chart("decided", (float(count) for _, count, _ in months)), chart(
        "days", (days for _, _, days in months)
    )


# --- periods


@dataclass(frozen=True, slots=True)
class PeriodAsked:
    """The period that an address asks for, and the form of it; None where the days are none, or too many."""

    form: FormState
    period: tuple[datetime, datetime] | None


def period_asked(request: Asked, latest: timedelta, *, longest: timedelta = timedelta.max) -> PeriodAsked:
    """Read ``first`` and ``last`` of an address; where neither is given, the latest days."""
    today = values.local_day(valv_of(request).house.clock())
    given = {name: request.query_params.get(name, "") for name in ("first", "last")}
    if not any(given.values()):
        given = {"first": str(today - latest), "last": str(today)}
    state = FormState({name: (text,) for name, text in given.items()})
    first, last = day_of(given["first"]), day_of(given["last"])
    if first is None or last is None or last < first:
        return PeriodAsked(
            FormState(state.values, (*_not_days(state), *_end_before_start(first, last))), None
        )
    if last - first >= longest:
        return PeriodAsked(FormState(state.values, (FieldError("first", FieldProblem.TOO_LONG),)), None)
    return PeriodAsked(state, (start_of(first), start_of(last + _A_DAY)))


def organisation_of(request: Asked) -> str:
    """Return the name of the organisation that a supervisor answers for."""
    return valv_of(request).house.directory().node_name(own_organisation(supervisor(request)))


def _period(valv: Valv, fields: FormState) -> tuple[datetime, datetime]:
    """Return the first moment of the first day, and of the day after the last, or now; both were found to be days."""
    first, last = (day_of(fields.value(name)) for name in ("first", "last"))
    if first is None or last is None:
        raise ValueError("no days")
    return start_of(first), min(start_of(last + _A_DAY), valv.house.clock())


def _wrong_days(valv: Valv, fields: FormState) -> tuple[FieldError, ...]:
    """Return what is wrong with a period, of which no day is to come."""
    first, last = (day_of(fields.value(name)) for name in ("first", "last"))
    found = (*_not_days(fields), *_end_before_start(first, last))
    if found or last is None or last <= values.local_day(valv.house.clock()):
        return found
    return (FieldError("last", FieldProblem.TO_COME),)


def _not_days(fields: FormState) -> Iterable[FieldError]:
    for name in ("first", "last"):
        if day_of(fields.value(name)) is None:
            yield FieldError(name, FieldProblem.NOT_A_DATE)


def _end_before_start(first: date | None, last: date | None) -> Iterable[FieldError]:
    if first is not None and last is not None and last < first:
        yield FieldError("last", FieldProblem.END_BEFORE_START)
