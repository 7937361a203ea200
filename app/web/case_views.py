"""What the pages of log review's cases are given; the table of pages is in :mod:`app.web.views`."""

from dataclasses import dataclass, field
from datetime import datetime

from app.web.views import AccessEntry, FormState
from audit.cases import Outcome
from audit.signals import Hit
from sharing.case_words import Step


@dataclass(frozen=True, slots=True)
class SaidLine:
    """What one step of a case said, and who said it; ``by`` is empty where that is not told."""

    step: Step
    at: datetime
    by: str
    text: str = ""
    outcome: Outcome | None = None
    measures: str = ""
    answer: str = ""


@dataclass(frozen=True, slots=True)
class CaseRow:
    """One access in the queue: why it is there, until when, and how far it has come."""

    entry: AccessEntry
    hits: tuple[Hit, ...]
    due: datetime
    is_overdue: bool
    is_own: bool
    asked: datetime | None = None
    explained: datetime | None = None


@dataclass(frozen=True, slots=True)
class CasesView:
    """What an organisation owes a decision, the most overdue first."""

    organisation: str
    rows: tuple[CaseRow, ...]

    @property
    def overdue(self) -> int:
        """How many should have been decided."""
        return sum(row.is_overdue for row in self.rows)


@dataclass(frozen=True, slots=True)
class CaseView:
    """One case; ``ask`` and ``decide`` are its two forms.

    ``person`` says that a person made the access, who can be asked; ``waits`` that a citizen waits for an answer;
    ``is_alone`` that the organisation has no other supervisor, who could decide about the reader's own access.
    """

    entry: AccessEntry
    reads: tuple[AccessEntry, ...]
    reason: str
    said: tuple[SaidLine, ...]
    due: datetime | None
    is_overdue: bool
    is_own: bool
    outcome: Outcome | None
    is_opening: bool = False
    is_alone: bool = False
    person: bool = True
    waits: bool = False
    ask: FormState = field(default_factory=FormState)
    decide: FormState = field(default_factory=FormState)


@dataclass(frozen=True, slots=True)
class AskedRow:
    """What one was asked about an access of one's own, and what one answered."""

    entry: AccessEntry
    text: str
    by: str
    at: datetime
    due: datetime
    is_overdue: bool
    answer: str = ""
    answered: datetime | None = None


@dataclass(frozen=True, slots=True)
class AskedView:
    """What a supervisor asks of one; ``at`` is the entry's id that ``form`` answers."""

    rows: tuple[AskedRow, ...]
    form: FormState = field(default_factory=FormState)
    at: str = ""


@dataclass(frozen=True, slots=True)
class QuestionRow:
    """A question of the citizen's own and its answer."""

    entry: AccessEntry
    at: datetime
    due: datetime
    is_overdue: bool
    answer: str = ""
    by: str = ""
    answered: datetime | None = None


@dataclass(frozen=True, slots=True)
class QuestionsView:
    """What a citizen asked about who looked."""

    rows: tuple[QuestionRow, ...]
