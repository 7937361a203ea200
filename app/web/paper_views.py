"""What the pages of a consent on paper are given; the table of pages is in :mod:`app.web.views`."""

from dataclasses import dataclass, field
from datetime import datetime

from app.web.views import Change, FormState, GranteeLabel, RuleCard
from policies.vocabulary import Category


@dataclass(frozen=True, slots=True)
class PaperFormView:
    """Enter a consent from paper: whom of the helper's own authority it may name. ``sent``: it was, and no more."""

    patient: str
    directory: tuple[GranteeLabel, ...]
    form: FormState = field(default_factory=FormState)
    categories: tuple[Category, ...] = tuple(Category)
    sent: bool = False


@dataclass(frozen=True, slots=True)
class ConfirmView:
    """An entry from paper, what a yes and what a no would change, and what the document says, where it is at hand."""

    rule: RuleCard
    gains: tuple[Change, ...]
    loses: tuple[Change, ...]
    signed: datetime | None = None
    text: str = ""
