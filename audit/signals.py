"""Signals: what makes an access worth a supervisor's look, and the facts that tell it.

Only data: what is usual is counted in :mod:`audit.habits`, the rules stand in :mod:`audit.signal_rules`, the order
in :mod:`audit.ranking`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo


@dataclass(frozen=True, slots=True)
class Hit:
    """That a rule of the law's signals fits an access (``entry`` is its id).

    ``score`` is from 0 to 100; ``because`` holds what the rule's sentence names (counts, times, units), never content.
    Where several rules fit one access, or several accesses of one person, it is of the weightiest: ``also`` then
    has the other rules' ids with a space between, ``more`` how many further accesses it stands for.
    """

    entry: bytes
    rule: str
    score: float
    because: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tie:
    """A care relation on record: with a unit, a provider or a person of staff (``unit:<HSA-id>``), for a time."""

    node: str
    since: datetime
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """When the citizen made a rule that lets somebody in, and when they ended it."""

    created: datetime
    ended: datetime | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the citizen whose vault it is; ``grants`` are by rule id."""

    name: str
    protected: bool = False
    ties: tuple[Tie, ...] = ()
    grants: Mapping[str, Grant] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Colleague:
    """One of the staff: the name, and the units where they have a commission."""

    name: str
    units: frozenset[str]


@dataclass(frozen=True, slots=True)
class Facts:
    """What the log does not say: citizens by vault, staff by HSA-id, accesses asked about, and the clock's zone."""

    citizens: Mapping[bytes, Known]
    staff: Mapping[str, Colleague]
    zone: tzinfo
    questioned: frozenset[bytes] = frozenset()
