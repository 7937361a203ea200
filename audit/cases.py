"""Cases: what the log says of the review of an access. The log is the truth of a case; its words lie elsewhere, sealed.

An access has at most one case. Everybody who takes a step in it leaves an entry whose subject is the access's id in
hex: a supervisor who asks, the user who explains, a supervisor who decides. The latest decision counts; the earlier
ones stay in the log.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from audit.events import Decision, EventKind
from audit.review import Access

#: The reason of a supervisor's entry that asks the user; every other reason of a case is an :class:`Outcome`.
ASKED = "asked"


class Outcome(StrEnum):
    """What a reviewed access was found to be."""

    JUSTIFIED = "justified"
    UNCLEAR = "unclear"
    UNAUTHORISED = "unauthorised"
    TECHNICAL = "technical"


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a case has come: the newest entry of each step, or None where nobody has taken it."""

    asked: Access | None = None
    explained: Access | None = None
    decided: Access | None = None

    @property
    def outcome(self) -> Outcome | None:
        """What the access was found to be, so far."""
        return None if self.decided is None else Outcome(self.decided.reason)


def standings(accesses: Iterable[Access]) -> dict[bytes, Standing]:
    """Return how each case stands, by the id of the access that it is about; only what was permitted is a step."""
    found: dict[bytes, Standing] = {}
    for step in sorted(accesses, key=lambda one: one.seq):
        if step.decision is not Decision.PERMIT or step.kind not in {EventKind.CASE, EventKind.EXPLAIN}:
            continue
        about = bytes.fromhex(step.subject)
        so_far = found.get(about, Standing())
        if step.kind is EventKind.EXPLAIN:
            found[about] = replace(so_far, explained=step)
        elif step.reason == ASKED:
            found[about] = replace(so_far, asked=step)
        else:
            found[about] = replace(so_far, decided=step)
    return found


def is_decision(step: Access, about: bytes) -> bool:
    """Tell whether an entry decides what an access was."""
    made = step.kind is EventKind.CASE and step.decision is Decision.PERMIT
    return made and step.reason != ASKED and step.subject == about.hex()


def is_opening(access: Access) -> bool:
    """Tell whether an access is an emergency opening that was made: each is owed a named supervisor's decision."""
    return access.kind is EventKind.EMERGENCY and access.decision is Decision.PERMIT
