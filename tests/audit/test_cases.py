"""What the log says of a case: the newest of each step counts, and what was refused is none."""

from datetime import UTC, datetime, timedelta

import pytest

from audit.cases import ASKED, Outcome, Standing, is_opening, standings
from audit.events import Activity, Actor, ActorKind, Decision, EventKind
from audit.review import Access

ABOUT = bytes(range(16))
START = datetime(2026, 3, 1, tzinfo=UTC)


def step(
    seq: int, kind: EventKind, reason: str = "", decision: Decision = Decision.PERMIT, about: bytes = ABOUT
) -> Access:
    """Return a step of a case, as it is read from the log."""
    actor = Actor(id="SE5560000000-1", kind=ActorKind.STAFF, name="")
    at = START + timedelta(hours=seq)
    return Access(
        seq.to_bytes(16),
        seq,
        at,
        actor,
        kind,
        Activity.ATTEST,
        None,
        (),
        decision,
        reason,
        (),
        None,
        about.hex(),
    )


def test_a_case_goes_from_asked_to_explained_to_decided() -> None:
    """Each step is shown, in whatever order the log is read."""
    asked, explained = step(1, EventKind.CASE, ASKED), step(2, EventKind.EXPLAIN)
    decided = step(3, EventKind.CASE, "justified")

    assert standings([asked]) == {ABOUT: Standing(asked=asked)}
    found = standings([decided, explained, asked])  # newest first, as the log is read
    assert found == {ABOUT: Standing(asked, explained, decided)}
    assert found[ABOUT].outcome is Outcome.JUSTIFIED


def test_the_latest_decision_counts() -> None:
    """A case may be decided again; both stand in the log."""
    first, second = step(1, EventKind.CASE, "unclear"), step(2, EventKind.CASE, "unauthorised")
    assert standings([second, first])[ABOUT].outcome is Outcome.UNAUTHORISED


def test_cases_of_two_accesses_are_apart() -> None:
    """A step is about one access."""
    other = bytes(16)
    found = standings([step(1, EventKind.CASE, "technical"), step(2, EventKind.CASE, ASKED, about=other)])
    assert (found[ABOUT].outcome, found[other].outcome) == (Outcome.TECHNICAL, None)


@pytest.mark.parametrize("kind", [EventKind.CASE, EventKind.EXPLAIN])
def test_a_refused_step_is_none(kind: EventKind) -> None:
    """Who was refused has taken no step."""
    assert standings([step(1, kind, "justified", Decision.REFUSE)]) == {}


def test_only_openings_that_were_made_are_owed() -> None:
    """A refused opening opened nothing."""
    made = step(1, EventKind.EMERGENCY)
    refused, read = step(2, EventKind.EMERGENCY, "policy", Decision.REFUSE), step(3, EventKind.READ)
    assert [is_opening(one) for one in (made, refused, read)] == [True, False, False]
