"""What an organisation's log review came to in a period: the figures, and the control record that is signed and kept.

A control record (HSLF-FS 2016:40 ch. 4: controls are documented) names period, selection, sample, reviewer, findings,
measures and date. It is one signed PDF with the same as JSON inside, made once, kept by its digest and never changed.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Connection

from audit import review, sampling
from audit.cases import Outcome, Standing, is_opening, standings
from audit.events import Activity, EventKind
from audit.review import Access
from consent.questions import Organisation
from consent.rules import RuleError
from identity.principal import Staff
from keys.certificates import Signatory
from policies.vocabulary import Deed
from sharing import case_words, cases, controls, draws
from sharing.accesses import ask_as_organisation, own_organisation
from sharing.aside import aside
from sharing.case_words import Step
from sharing.cases import Item
from sharing.controls import Kept, Kind
from sharing.house import House
from sharing.signing import Press, attached
from sharing.typesetting import SOURCE, Document


class UnitFigures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One unit: how many accesses it made that are drawn from, and how many of all were decided about."""

    unit: str
    name: str
    accesses: int
    decided: int


class Selection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was chosen for review: seeds of the draws with how many each took, and what was owed without a draw."""

    draws: tuple[tuple[str, int], ...]
    emergencies: int
    questions: int


class ControlRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a control found. Times are UTC; the period is of the accesses, ``until`` is not in it.

    ``findings`` counts the cases decided by outcome, ``open`` what is still owed a decision, ``overdue`` what of it is
    late.
    """

    id: str
    organisation: str
    organisation_name: str
    since: datetime
    until: datetime
    selection: Selection
    findings: dict[Outcome, int]
    open: int
    overdue: int
    units: tuple[UnitFigures, ...]
    measures: tuple[str, ...]
    reviewer: str
    reviewer_id: str
    commission: str
    made: datetime


@dataclass(frozen=True, slots=True)
class Closed:
    """One case that was decided: when the access was made, when it was decided, and as what."""

    at: datetime
    decided: datetime
    outcome: Outcome

    @property
    def took(self) -> timedelta:
        """How long it took from the access to the decision."""
        return self.decided - self.at


@dataclass(frozen=True, slots=True)
class Figures:
    """What stands of a period: coverage by unit, the cases that were decided, and what is still owed."""

    units: tuple[UnitFigures, ...]
    closed: tuple[Closed, ...]
    open: int
    overdue: int
    selection: Selection
    measures: tuple[str, ...]

    @property
    def findings(self) -> dict[Outcome, int]:
        """How many cases by outcome."""
        counts = Counter(one.outcome for one in self.closed)
        return {outcome: counts[outcome] for outcome in Outcome}

    def within(self, share: float) -> timedelta | None:
        """Return within how long this share of the cases was decided; None where none was."""
        took = sorted(one.took for one in self.closed)
        return took[min(len(took) - 1, int(share * len(took)))] if took else None


#: Sets a record as a document, in the words of the pages.
Layout = Callable[[ControlRecord], Document]


async def queue(house: House, staff: Staff) -> tuple[Item, ...]:
    """Return all that an organisation owes a decision: emergencies, questions, and what was drawn.

    Raises:
        consent.gate.Refused: the commission is not one of log review.
    """
    return await cases.queue(house, staff, hits=await draws.hits(house, staff))


async def figures(house: House, staff: Staff, since: datetime, until: datetime) -> Figures:
    """Return what a period came to.

    Raises:
        consent.gate.Refused: the commission is not one of log review.
        RuleError: the period ends before it begins.
    """
    if not since < until:
        raise RuleError("until: after since")
    node = own_organisation(staff)
    owed = await queue(house, staff)
    made = await controls.all_of(house, staff, Kind.DRAW)
    return await aside(lambda: _figures(house, node, since, until, made, owed))


async def make_record(
    house: House, staff: Staff, since: datetime, until: datetime, press: Press, layout: Layout
) -> bytes:
    """Make, sign and keep the control record of a period that has ended; return its digest.

    Raises:
        consent.gate.Refused: the commission is not one of log review.
        RuleError: the period ends before it begins, or has not ended.
        sharing.typesetting.TypesettingError: something in it cannot be set.
    """
    if until > house.clock():
        raise RuleError("until: not in the future")
    found, node = await figures(house, staff, since, until), own_organisation(staff)
    begun = await ask_as_organisation(
        house,
        staff,
        Organisation(node),
        Deed.REVIEW_LOG,
        EventKind.CONTROL,
        Activity.SIGN,
        subject=node,
        reason=str(Kind.RECORD),
    )
    record = _record(house, staff, since, until, found, begun.receipt.entry.hex())
    who = Signatory(staff.name, staff.id, staff.commission.unit.provider.name)
    pdf = await press.make(layout(record), who, at=house.clock())
    counts = {outcome.value: count for outcome, count in found.findings.items()}
    return await controls.keep(house, begun, node, pdf, counts)


def decode(kept: Kept) -> ControlRecord | None:
    """Return the record that a signed file bears inside; None where it is not one."""
    source = None if kept.content is None else attached(kept.content, SOURCE)
    return None if source is None else msgspec.json.decode(source, type=ControlRecord)


def _figures(
    house: House, node: str, since: datetime, until: datetime, made: Iterable[Kept], owed: Collection[Item]
) -> Figures:
    book = [
        one for one in review.accesses(house.casebooks.of(house.log, _id(node))) if isinstance(one, Access)
    ]
    steps = {id_: one for id_, one in standings(book).items() if one.decided is not None}
    counted: Counter[str] = Counter()
    decided: dict[bytes, Access] = {}
    emergencies = 0
    for access in draws.accesses_of(house, node, since, until):
        counted.update(one.unit for one in sampling.of_population([access]).values())
        emergencies += is_opening(access)
        if access.id in steps:
            decided[access.id] = access
    closed = tuple(_closed(access, steps[id_]) for id_, access in decided.items())
    asked, measures = house.database.look_now(lambda one: _said(one, house, node, since, until, decided))
    return Figures(
        _units(house, counted, Counter(access.actor.unit_id for access in decided.values())),
        closed,
        len(owed),
        sum(one.is_overdue(house.clock()) for one in owed),
        Selection(tuple(_overlapping(made, since, until)), emergencies, asked),
        measures,
    )


def _closed(access: Access, standing: Standing) -> Closed:
    if standing.decided is None or standing.outcome is None:
        raise ValueError("a case that is not decided")
    return Closed(access.at, standing.decided.at, standing.outcome)


def _units(house: House, counted: Counter[str], decided: Counter[str]) -> tuple[UnitFigures, ...]:
    directory = house.directory()
    found = [
        UnitFigures(unit, directory.node_name(f"unit:{unit}"), counted[unit], decided[unit])
        for unit in counted.keys() | decided.keys()
    ]
    return tuple(sorted(found, key=lambda one: (one.name, one.unit)))


def _overlapping(made: Iterable[Kept], since: datetime, until: datetime) -> Iterable[tuple[str, int]]:
    for one in made:
        if one.content is not None:
            draw = draws.decode(one)
            if draw.since < until and since < draw.until:
                yield draw.seed, len(draw.drawn)


def _said(
    connection: Connection,
    house: House,
    node: str,
    since: datetime,
    until: datetime,
    decided: Iterable[bytes],
) -> tuple[int, tuple[str, ...]]:
    """Return how many questions were asked in a period, and the measures of the latest decisions."""
    questions = case_words.of_stream(connection, house, node, case_words.questions_to(house, node))
    measures = []
    for id_ in decided:
        said = [one.words for one in case_words.of_access(connection, house, node, id_)]
        latest = next((one for one in reversed(said) if one.step is Step.DECIDED), None)
        if latest is not None and latest.measures:
            measures.append(latest.measures)
    return sum(since <= one.at < until for one in questions), tuple(measures)


def _record(
    house: House, staff: Staff, since: datetime, until: datetime, found: Figures, id_: str
) -> ControlRecord:
    node = own_organisation(staff)
    return ControlRecord(
        id=id_,
        organisation=node,
        organisation_name=house.directory().node_name(node),
        since=since,
        until=until,
        selection=found.selection,
        findings=found.findings,
        open=found.open,
        overdue=found.overdue,
        units=found.units,
        measures=found.measures,
        reviewer=staff.name,
        reviewer_id=staff.id,
        commission=staff.commission.id,
        made=house.clock(),
    )


def _id(node: str) -> str:
    return node.partition(":")[2]
