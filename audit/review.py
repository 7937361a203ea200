"""What people see of the log: entries as accesses, each with what came of it.

Pure functions over entries that the caller was allowed to read, for the citizen's page "Vem har tittat?" and
the supervisor's page over the organisation's own staff. That somebody read the log is logged by the caller.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from audit.entry import Entry, EntryState
from audit.events import Activity, Actor, ActorKind, Decision, Event, EventKind
from policies.vocabulary import Category, Purpose

#: Who acts by itself: shown apart, so that automatic reads do not drown the human ones.
AUTOMATIC = frozenset({ActorKind.SYSTEM, ActorKind.CLIENT})

#: Who acts for an organisation, and so is a supervisor's matter.
ORGANISED = frozenset({ActorKind.STAFF, ActorKind.CLIENT})


@dataclass(frozen=True, slots=True)
class Access:
    """One act and its outcome: who (with unit and commission), what, why, when, by which rules, how much.

    ``is_finished`` tells whether an outcome was logged; ``counts`` are the outcome's where there is one,
    and so is ``document``, the digest of what was made.
    """

    id: bytes
    seq: int
    at: datetime
    actor: Actor
    kind: EventKind
    activity: Activity
    purpose: Purpose | None
    categories: tuple[Category, ...]
    decision: Decision
    reason: str
    rules: tuple[str, ...]
    vault: bytes | None
    subject: str
    counts: Mapping[str, int] = field(default_factory=dict)
    is_finished: bool = False
    document: bytes | None = None

    @property
    def is_automatic(self) -> bool:
        """Tell whether a system acted, and no human."""
        return self.actor.kind in AUTOMATIC

    @property
    def is_own(self) -> bool:
        """Tell whether the citizen acted in their own matter."""
        return self.actor.kind is ActorKind.CITIZEN


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An entry whose content is destroyed or damaged: that it stands there is all that can be shown."""

    id: bytes
    seq: int
    at: datetime
    state: EntryState


def accesses(entries: Iterable[Entry], *, later: Iterable[Entry] = ()) -> list[Access | Unreadable]:
    """Join each act of a page with its outcome; keep the page's order.

    An outcome stands after its act. ``later`` are the entries just newer than the page, where the outcome of
    the page's newest acts may stand. An outcome whose act is on another page is shown there, not here.
    """
    page = list(entries)
    outcomes = _outcomes([*page, *later])
    return [
        _access(entry, entry.event, outcomes.get(entry.id)) if entry.event is not None else _unreadable(entry)
        for entry in page
        if entry.event is None or entry.event.kind is not EventKind.OUTCOME
    ]


def mine(entries: Iterable[Entry], *, later: Iterable[Entry] = ()) -> list[Access | Unreadable]:
    """Return what a citizen sees of their own vault's log: everything."""
    return accesses(entries, later=later)


def of_staff(entries: Iterable[Entry], *, later: Iterable[Entry] = ()) -> list[Access]:
    """Return what a supervisor sees of their organisation's log: its staff's and systems' acts.

    What became unreadable is left out here: without its content nobody can tell whose act it was.
    """
    return [
        access
        for access in accesses(entries, later=later)
        if isinstance(access, Access) and access.actor.kind in ORGANISED
    ]


def _outcomes(entries: Iterable[Entry]) -> dict[bytes, Event]:
    """Return the outcomes by the act they belong to; the first one counts, for an act has one."""
    found: dict[bytes, Event] = {}
    for entry in sorted(entries, key=lambda entry: entry.seq):
        event = entry.event
        if event is not None and event.kind is EventKind.OUTCOME and event.outcome_of is not None:
            found.setdefault(event.outcome_of, event)
    return found


def _access(entry: Entry, event: Event, outcome: Event | None) -> Access:
    return Access(
        id=entry.id,
        seq=entry.seq,
        at=entry.at,
        actor=event.actor,
        kind=event.kind,
        activity=event.activity,
        purpose=event.purpose,
        categories=event.categories,
        decision=outcome.decision if outcome and event.decision is Decision.PERMIT else event.decision,
        reason=event.reason or (outcome.reason if outcome else ""),
        rules=event.rules,
        vault=event.vault,
        subject=event.subject,
        counts=dict(outcome.counts if outcome else event.counts),
        is_finished=outcome is not None,
        document=outcome.document if outcome else event.document,
    )


def _unreadable(entry: Entry) -> Unreadable:
    return Unreadable(entry.id, entry.seq, entry.at, entry.state)
