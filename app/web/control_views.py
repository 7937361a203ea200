"""What the pages of log review's controls are given; the table of pages is in :mod:`app.web.views`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from app.web.chart import Chart
from app.web.views import FormState
from audit.cases import Outcome
from audit.events import EventKind
from sharing.signing import Checked


@dataclass(frozen=True, slots=True)
class DrawRow:
    """A draw as the log has it. ``population`` is None where its document is gone, or it was never finished."""

    id: str
    at: datetime
    by: str
    since: datetime | None = None
    until: datetime | None = None
    population: int | None = None
    drawn: int = 0
    is_finished: bool = True


@dataclass(frozen=True, slots=True)
class DrawsView:
    """The draws of an organisation, newest first, and the form of a new one."""

    organisation: str
    rows: tuple[DrawRow, ...]
    form: FormState = field(default_factory=FormState)


@dataclass(frozen=True, slots=True)
class StratumRow:
    """One stratum of a draw."""

    unit: str
    kind: EventKind
    population: int
    drawn: int


@dataclass(frozen=True, slots=True)
class DrawView:
    """One draw, made again from the log as it is now."""

    row: DrawRow
    seed: str
    digest: str
    percent: float
    least: int
    most: int
    strata: tuple[StratumRow, ...]
    is_same_population: bool
    is_same: bool


@dataclass(frozen=True, slots=True)
class RecordRow:
    """A control record as the log has it; ``checked`` is what a check of its file found, None where it is gone."""

    id: str
    at: datetime
    by: str
    since: datetime | None = None
    until: datetime | None = None
    checked: Checked | None = None
    is_finished: bool = True


@dataclass(frozen=True, slots=True)
class RecordsView:
    """The control records of an organisation, newest first, and the form of a new one."""

    organisation: str
    rows: tuple[RecordRow, ...]
    form: FormState = field(default_factory=FormState)


@dataclass(frozen=True, slots=True)
class UnitRow:
    """One unit's coverage: the accesses that are drawn from, and how many accesses were decided about."""

    name: str
    accesses: int
    decided: int


@dataclass(frozen=True, slots=True)
class FiguresView:
    """What log review came to in a period. ``half`` and ``most`` are within how long that share was decided."""

    organisation: str
    since: date
    until: date
    form: FormState
    units: tuple[UnitRow, ...] = ()
    findings: Mapping[Outcome, int] = field(default_factory=dict)
    open: int = 0
    overdue: int = 0
    half: timedelta | None = None
    most: timedelta | None = None
    charts: tuple[Chart, ...] = ()
    months: tuple[tuple[date, int, float], ...] = ()

    @property
    def decided(self) -> int:
        """How many cases were decided."""
        return sum(self.findings.values())
