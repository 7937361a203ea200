"""What the pages for people who move are given; the table of pages is in :mod:`app.web.views`."""

from dataclasses import dataclass, field
from datetime import datetime

from app.web.views import Change, ContactCard, FormState, GranteeLabel, RuleCard
from consent.moving import Missing


@dataclass(frozen=True, slots=True)
class PlaceCard:
    """What could be left, and how many rules and contacts hang there."""

    grantee: GranteeLabel
    rules: int
    contacts: int


@dataclass(frozen=True, slots=True)
class LeftCard:
    """What was left, and when."""

    grantee: GranteeLabel
    at: datetime


@dataclass(frozen=True, slots=True)
class MoveView:
    """What could be left, and what was lately."""

    places: tuple[PlaceCard, ...]
    left: tuple[LeftCard, ...] = ()


@dataclass(frozen=True, slots=True)
class LeaveView:
    """One place about to be left: what ends by that, and who loses what."""

    place: GranteeLabel
    rules: tuple[RuleCard, ...]
    contacts: tuple[ContactCard, ...]
    loses: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class ProposalCard:
    """One proposal: what it was, and the rule or contact that would stand for it, or why none would."""

    key: str
    was: GranteeLabel
    rule: RuleCard | None = None
    contact: ContactCard | None = None
    missing: Missing | None = None
    gains: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class ProposalsView:
    """What was left, the units that a search found, and once one is chosen what would stand there."""

    place: GranteeLabel
    found: tuple[GranteeLabel, ...]
    unit: GranteeLabel | None
    proposals: tuple[ProposalCard, ...]
    form: FormState = field(default_factory=FormState)
