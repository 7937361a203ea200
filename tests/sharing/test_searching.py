"""Searching the log: pages that lose nothing and repeat nothing, and a search that ends."""

from datetime import UTC, datetime, timedelta

import pytest

from audit.entry import Entry, EntryState
from audit.events import Activity, Actor, ActorKind, Event, EventKind
from audit.review import Access
from sharing import searching

START = datetime(2026, 3, 1, tzinfo=UTC)


def entry(seq: int, name: str, *, outcome_of: int | None = None) -> Entry:
    """Return an entry of somebody, or the outcome of an earlier one."""
    event = Event(
        EventKind.READ if outcome_of is None else EventKind.OUTCOME,
        Activity.READ,
        START + timedelta(minutes=seq),
        Actor(kind=ActorKind.STAFF, id=name, name=name),
        counts={} if outcome_of is None else {"records": outcome_of},
        outcome_of=None if outcome_of is None else outcome_of.to_bytes(16, "big"),
    )
    return Entry(seq, seq.to_bytes(16, "big"), seq, event.at, EntryState.OPEN, event)


class Log:
    """A log in memory; counts how much of it was read."""

    def __init__(self, entries: list[Entry]) -> None:
        self.entries = sorted(entries, key=lambda one: -one.seq)
        self.read = 0

    def fetch(self, before: int | None, limit: int) -> list[Entry]:
        """Return entries before a number, newest first."""
        found = [one for one in self.entries if before is None or one.seq < before][:limit]
        self.read += len(found)
        return found


def wanted(access: Access) -> bool:
    """Keep what Eva did."""
    return access.actor.name == "Eva"


async def walk(log: Log, count: int) -> list[int]:
    """Follow every page to the end."""
    found: list[int] = []
    before: int | None = None
    while True:
        page, before = await searching._search(log.fetch, wanted, before, count, None)
        found += [access.seq for access in page]
        if before is None:
            return found


@pytest.mark.parametrize("count", [1, 7, 50, 1000])
async def test_the_pages_together_are_every_access_once_newest_first(count: int) -> None:
    """One that falls between two pages would be hidden from the one it concerns."""
    log = Log([entry(seq, "Eva" if seq % 3 == 0 else "Bo") for seq in range(1, 1000)])
    assert await walk(log, count) == [seq for seq in range(999, 0, -1) if seq % 3 == 0]


async def test_an_outcome_just_before_the_page_still_belongs_to_its_act() -> None:
    """How much was read stands in the next entry, which the page before showed."""
    log = Log([entry(1, "Eva"), entry(2, "Eva", outcome_of=1), entry(3, "Eva")])
    page, _ = await searching._search(log.fetch, wanted, 2, 10, None)
    assert [(access.seq, access.counts) for access in page] == [(1, {"records": 1})]


async def test_a_search_for_what_is_rare_ends_and_says_where_to_go_on() -> None:
    """One request must not read a log of millions, nor claim that there is nothing."""
    log = Log([entry(1, "Eva"), *(entry(seq, "Bo") for seq in range(2, searching.MOST + 1000))])
    page, before = await searching._search(log.fetch, wanted, None, 5, None)
    assert page == ()
    assert before is not None
    assert log.read == searching.MOST
    assert await walk(log, 5) == [1]


async def test_a_search_of_one_day_reads_no_further_back() -> None:
    """The day's end ends it, and there is nothing older to show."""
    log = Log([entry(seq, "Eva") for seq in range(1, 2000)])
    since = START + timedelta(minutes=1900)
    _, before = await searching._search(log.fetch, wanted, None, 500, since)
    assert before is None
    assert log.read <= 2 * searching.CHUNK
