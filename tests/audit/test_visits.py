from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from audit.events import Activity, Actor, ActorKind, Decision, EventKind
from audit.review import Access
from audit.visits import GAP, visits

START = datetime(2026, 3, 1, 8, tzinfo=UTC)


def access(seq: int, minute: float, who: str = "eva", commission: str = "c1") -> Access:
    """Return somebody's reading at a minute of the day."""
    return Access(
        id=seq.to_bytes(16, "big"),
        seq=seq,
        at=START + timedelta(minutes=minute),
        actor=Actor(kind=ActorKind.STAFF, id=who, name=who, commission=commission),
        kind=EventKind.READ,
        activity=Activity.READ,
        purpose=None,
        categories=(),
        decision=Decision.PERMIT,
        reason="",
        rules=(),
        vault=None,
        subject="",
    )


def seqs(accesses: list[Access]) -> list[list[int]]:
    """Return the visits as the numbers of their accesses."""
    return [[one.seq for one in visit.accesses] for visit in visits(accesses)]


def test_what_one_did_without_a_long_pause_is_one_visit() -> None:
    """Forty entries of one appointment are one thing to the person they are about."""
    (visit,) = visits([access(3, 20), access(2, 9), access(1, 0)])
    assert [one.seq for one in visit.accesses] == [3, 2, 1]
    assert (visit.begins, visit.ends) == (START, START + timedelta(minutes=20))
    assert visit.actor.id == "eva"


def test_a_longer_pause_begins_another() -> None:
    """Who came back in the afternoon came twice."""
    pause = GAP / timedelta(minutes=1)
    assert seqs([access(2, pause), access(1, 0)]) == [[2, 1]]
    assert seqs([access(2, pause + 0.01), access(1, 0)]) == [[2], [1]]


def test_another_commission_is_another_visit() -> None:
    """One person at two units is there for two reasons."""
    assert seqs([access(2, 1, commission="c2"), access(1, 0)]) == [[2], [1]]


def test_who_comes_in_between_ends_nobody_elses_visit() -> None:
    """Two who look at once would else be shown as many visits of a moment each."""
    entries = [access(4, 3, "bo"), access(3, 2), access(2, 1, "bo"), access(1, 0)]
    assert seqs(entries) == [[4, 2], [3, 1]]


ACTS = st.lists(
    st.tuples(st.integers(0, 300), st.sampled_from("abc"), st.sampled_from(("c1", "c2"))), max_size=40
)


@given(ACTS)
def test_visits_part_the_accesses_and_keep_their_order(acts: list[tuple[int, str, str]]) -> None:
    """An access in no visit would be hidden, one in two would count twice."""
    newest_first = sorted(acts, key=lambda act: -act[0])
    accesses = [access(1000 - n, minute, who, unit) for n, (minute, who, unit) in enumerate(newest_first)]
    found = visits(accesses)
    spread = [one for visit in found for one in visit.accesses]
    assert sorted(spread, key=lambda one: -one.seq) == accesses
    assert len({one.seq for one in spread}) == len(accesses)
    firsts = [visit.accesses[0].seq for visit in found]
    assert firsts == sorted(firsts, reverse=True)
    for visit in found:
        assert len({(one.actor.id, one.actor.commission) for one in visit.accesses}) == 1
        for newer, older in pairwise(visit.accesses):
            assert newer.seq > older.seq
            assert timedelta() <= newer.at - older.at <= GAP


@given(ACTS)
def test_visits_of_one_actor_lie_further_apart_than_the_gap(acts: list[tuple[int, str, str]]) -> None:
    """Else what belongs together would be shown apart."""
    newest_first = sorted(acts, key=lambda act: -act[0])
    found = visits([access(1000 - n, *act) for n, act in enumerate(newest_first)])
    by_actor: dict[tuple[str, str], datetime] = {}
    for visit in found:
        who = visit.actor.id, visit.actor.commission
        if who in by_actor:
            assert by_actor[who] - visit.ends > GAP
        by_actor[who] = visit.begins
