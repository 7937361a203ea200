"""View models of what proves and tells of rules: one rule's page, a past decision, a day gone by, borrowed eyes.

Their pages stand in the table of :mod:`app.web.views`, whose views they are built of.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from app.web.views import AccessEntry, Change, FormState, GranteeLabel, Reading, RuleCard
from audit.events import Decision
from policies.vocabulary import Category
from sharing.again import Unknown


class RuleTerm(StrEnum):
    """What two versions of a rule can differ in."""

    WHOM = "whom"
    ACTIONS = "actions"
    CATEGORIES = "categories"
    CODES = "codes"
    RECORDS = "records"
    SOURCES = "sources"
    SPARES = "spares"
    PURPOSES = "purposes"
    DATA = "data"
    VALID = "valid"
    RELATED = "related"
    LIFT = "lift"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class RuleVersion:
    """What one version did to a rule: made it (no ``before``), changed some terms, or ended it (no ``after``)."""

    number: int
    since: datetime | None
    before: RuleCard | None
    after: RuleCard | None
    terms: tuple[RuleTerm, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleView:
    """One rule, also one that has ended: what it says, what became of it, and what was done by it.

    ``entries`` are the log's newest, None where the reader may not read the log. ``form`` holds the day of a lift.
    """

    rule: RuleCard
    versions: tuple[RuleVersion, ...]
    entries: tuple[AccessEntry, ...] | None
    ended: bool = False
    may_change: bool = False
    may_end: bool = False
    may_lift: bool = False
    form: FormState = field(default_factory=FormState)

    @property
    def made(self) -> RuleVersion:
        """The version that made it."""
        return self.versions[-1]


@dataclass(frozen=True, slots=True)
class LiftView:
    """A block about to be laid aside until a day's end, or (no ``until``) put back, and what that does."""

    rule: RuleCard
    until: date | None
    gains: tuple[Change, ...]
    loses: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class VerdictLine:
    """What was decided: of which categories, and why not."""

    decision: Decision
    categories: tuple[Category, ...]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class DecisionView:
    """An entry of the log decided again; ``unknown`` says why it cannot be. ``rules`` are as they were then."""

    entry: AccessEntry | None
    unknown: Unknown | None = None
    version: int = 0
    agrees: bool = False
    logged: VerdictLine | None = None
    made: VerdictLine | None = None
    rules: tuple[RuleCard, ...] = ()


@dataclass(frozen=True, slots=True)
class ThenPart:
    """A part of a day: whether anything was open, by which rules, and what stood against it."""

    since: datetime
    until: datetime
    could: bool
    rules: tuple[RuleCard, ...]
    blocks: tuple[RuleCard, ...]


@dataclass(frozen=True, slots=True)
class ThenRow:
    """Who could see something on a day; a guardian could ``by_law``."""

    grantee: GranteeLabel
    people: int
    parts: tuple[ThenPart, ...]
    by_law: bool = False


@dataclass(frozen=True, slots=True)
class ThenView:
    """Who could see a category on a day; ``begin`` and ``end`` are its first moments and the next day's."""

    category: Category
    day: date
    today: date
    begin: datetime
    end: datetime
    rows: tuple[ThenRow, ...]
    form: FormState = field(default_factory=FormState)
    categories: tuple[Category, ...] = tuple(Category)


@dataclass(frozen=True, slots=True)
class SeeAsView:
    """The vault as staff of a unit see it: of each category how much there is, and how much is theirs.

    ``others`` are the persons and roles there whom the rules name; ``whom`` is the one chosen, None for anybody.
    """

    unit: GranteeLabel | None
    found: tuple[GranteeLabel, ...]
    form: FormState
    counts: Mapping[Category, tuple[int, int]] = field(default_factory=dict)
    others: tuple[GranteeLabel, ...] = ()
    whom: GranteeLabel | None = None


@dataclass(frozen=True, slots=True)
class SeeAsRecordsView:
    """The records that they see, newest first; ``older`` is the next page's cursor, ``total`` counts all pages."""

    unit: GranteeLabel
    whom: GranteeLabel | None
    category: Category | None
    readings: tuple[Reading, ...]
    total: int
    older: str = ""
    is_older: bool = False
