"""Small segments are put together when their owner reads, and then only; nothing is lost or doubled by it."""

from datetime import timedelta
from typing import Any

import pytest

from audit.events import EventKind
from consent.gate import Refused
from identity.principal import Staff
from policies.vocabulary import Category
from sharing import compacting, paging, summing
from sharing.paging import Wish
from sharing.reading import Query, open_segments
from tests.importers.import_inputs import export, row
from tests.world import World, weight
from vault import segment
from vault.database import Database, DatabaseUnavailableError, Fault
from vault.segment import Parts, Segment

WEIGHT = Category.BODY_WEIGHT
LONE = compacting.MANY + 8


def mass(n: int) -> str:
    """Write a body mass of minute ``n`` of a day in March."""
    at = f"2026-03-02 07:{n:02d}:00 +0100"
    return row("BodyMass", unit="kg", value=f"{60 + n}.5", startDate=at, endDate=at)


def segments(world: World) -> list[Segment]:
    """Return Anna's segments of weight."""
    return world.drawer("anna", WEIGHT)[2]


@pytest.fixture
async def lone(world: World) -> World:
    """Return a country where Anna's scale has sent one value after another."""
    await world.enter("anna")
    at = world.clock()
    for n in range(LONE):
        await world.add("anna", "anna", weight(f"{60 + n}.0", at - timedelta(minutes=n)))
    return world


async def ids(world: World, by: str = "anna") -> list[str]:
    """Read all weights as somebody, and return their ids."""
    return sorted(record.id for record in (await world.read(by, "anna", WEIGHT)).records)


async def test_owner_who_reads_finds_the_same_records_in_fewer_segments(lone: World) -> None:
    """Each would cost an opening for ever; the head, the log and the records agree about it."""
    before = await ids(lone)
    assert len(before) == LONE
    assert [len(one.fingerprints) // 8 for one in segments(lone)] == [LONE]
    assert await ids(lone) == before
    assert len(set(before)) == LONE
    events = [one.event for one in lone.house.log.entries_of_vault(lone.vault("anna"), limit=20)]
    (tidied,) = [event for event in events if event and "compacted" in event.counts]
    assert (tidied.kind, tidied.counts) == (EventKind.OUTCOME, {"records": LONE, "compacted": LONE})
    assert tidied.head is not None


async def test_sums_and_pages_tidy_up_too_and_say_the_same(lone: World) -> None:
    """Whichever way the owner comes."""
    house, anna, alias = lone.house, lone.who("anna"), lone.alias("anna")
    (before,) = await summing.daily(house, anna, alias, Query((WEIGHT,)))
    assert len(segments(lone)) == 1
    (after,) = await summing.daily(house, anna, alias, Query((WEIGHT,)))
    assert after.count.tolist() == before.count.tolist()
    assert after.total.tolist() == pytest.approx(before.total.tolist())
    page = await paging.page(house, anna, alias, Query((WEIGHT,)), Wish(5))
    assert page.total == LONE


async def test_staff_and_guardians_move_nothing(lone: World) -> None:
    """Others read; the vault is the owner's."""
    nurse = lone.who("nurse-vc")
    assert isinstance(nurse, Staff)
    await lone.allow("anna", "unit", nurse.commission.unit.id, WEIGHT)
    assert len(await ids(lone, by="nurse-vc")) == LONE
    assert len(segments(lone)) == LONE


async def test_few_segments_stay_as_they_are(world: World) -> None:
    """Putting together costs a write."""
    await world.enter("anna")
    for n in range(3):
        await world.add("anna", "anna", weight(f"7{n}.0"))
    await ids(world)
    assert len(segments(world)) == 3


async def test_full_segments_are_no_crowd(lone: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many of them stand on a shelf."""
    monkeypatch.setattr(compacting, "SMALL", 0)
    await ids(lone)
    assert len(segments(lone)) == LONE


async def test_staff_still_read_what_was_put_together_and_not_after_a_revocation(lone: World) -> None:
    """New segments are sealed to the drawer's generation, whose wraps follow consent."""
    nurse = lone.who("nurse-vc")
    assert isinstance(nurse, Staff)
    rule = await lone.allow("anna", "unit", nurse.commission.unit.id, WEIGHT)
    mine = await ids(lone)
    assert await ids(lone, by="nurse-vc") == mine
    await lone.revoke("anna", rule)
    assert await ids(lone) == mine


async def test_imports_are_kept_apart_so_that_undo_finds_its_own(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each import's segments among themselves, what was written by hand among itself."""
    monkeypatch.setattr(compacting, "MANY", 2)
    await world.enter("anna")
    at = world.clock()
    for n in range(4):
        await world.add("anna", "anna", weight(f"9{n}.0", at - timedelta(minutes=n)))
    first = await world.import_file("anna", export(*(mass(n) for n in range(6))), "a.xml")
    second = await world.import_file("anna", export(*(mass(n) for n in range(4, 10))), "b.xml")
    before = await ids(world)
    assert len(before) == 14
    assert {one.import_id for one in segments(world)} == {b"", first.import_id, second.import_id}
    assert len(segments(world)) == 3
    assert await world.undo("anna", first.import_id) == 4
    assert len(await ids(world)) == 10
    assert await world.undo("anna", second.import_id) == 6
    assert len(await ids(world)) == 4


async def test_many_segments_of_one_import_are_put_together_under_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an import brought in pieces, its undo takes away whole."""
    monkeypatch.setattr(compacting, "MANY", 2)
    monkeypatch.setattr("vault.segment.FULL", 2)
    await world.enter("anna")
    done = await world.import_file("anna", export(*(mass(n) for n in range(12))), "a.xml")
    before = len(segments(world))
    monkeypatch.setattr("vault.segment.FULL", 4096)
    assert len(await ids(world)) == 12
    after = segments(world)
    assert len(after) < before or before == 1
    assert {one.import_id for one in after} == {done.import_id}
    assert await world.undo("anna", done.import_id) == 12
    assert await ids(world) == []


@pytest.mark.parametrize("fault", Fault)
async def test_reading_goes_on_where_nothing_can_be_written(
    lone: World, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    """Tidying is no part of what was asked for."""

    async def fails(*_: Any) -> None:
        raise DatabaseUnavailableError(fault)

    monkeypatch.setattr(Database, "write", fails)
    assert len(await ids(lone)) == LONE
    monkeypatch.undo()
    assert len(segments(lone)) == LONE


async def test_two_who_tidy_at_once_do_it_once(lone: World) -> None:
    """The second finds the segments gone, and leaves all as it is."""
    house, anna, alias = lone.house, lone.who("anna"), lone.alias("anna")

    one = await open_segments(house, anna, alias, Query((WEIGHT,)), Parts.SUMMARY)
    other = await open_segments(house, anna, alias, Query((WEIGHT,)), Parts.BODY)
    await one.end({"records": 0})
    await other.end({"records": 0})
    assert len(segments(lone)) == 1
    assert len(await ids(lone)) == LONE


async def test_no_more_is_put_together_than_one_request_may(
    lone: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest waits for the next time."""
    monkeypatch.setattr(compacting, "_MOST", LONE - 3)
    await ids(lone)
    assert sorted(len(one.fingerprints) // 8 for one in segments(lone)) == [1, 1, 1, LONE - 3]


@pytest.fixture
async def brought(world: World) -> World:
    """Return a country where three values of Anna's came one after another."""
    await world.enter("anna")
    for n in range(3):
        await world.add("anna", "anna", weight(f"7{n}.0"))
    return world


async def test_owner_who_reads_settles_the_locks_and_others_go_on_reading(brought: World) -> None:
    """Whoever adds knows the public half only; after the owner has looked, nobody pays for that any more."""
    nurse = brought.who("nurse-vc")
    assert isinstance(nurse, Staff)
    await brought.allow("anna", "unit", nurse.commission.unit.id, WEIGHT)
    before = await ids(brought, by="nurse-vc")
    assert not any(map(segment.is_settled, segments(brought)))
    assert await ids(brought) == before
    assert all(map(segment.is_settled, segments(brought)))
    events = [one.event for one in brought.house.log.entries_of_vault(brought.vault("anna"), limit=5)]
    (settled,) = [event for event in events if event and "settled" in event.counts]
    assert settled.counts == {"records": 3, "settled": 3}
    assert settled.head is not None
    assert await ids(brought) == await ids(brought, by="nurse-vc") == before


async def test_settled_locks_are_not_settled_again(brought: World) -> None:
    """A reading that finds all in order writes nothing to the vault."""
    await ids(brought)
    before = brought.load("anna").head.version
    await ids(brought)
    assert brought.load("anna").head.version == before
    await brought.add("anna", "anna", weight("80.0"))
    await ids(brought)
    assert all(map(segment.is_settled, segments(brought)))
    assert brought.load("anna").head.version == before + 2


async def test_revocation_moves_settled_locks_to_the_new_generation(brought: World) -> None:
    """The old private half, or a key derived from it, opens none of them."""
    nurse = brought.who("nurse-vc")
    assert isinstance(nurse, Staff)
    rule = await brought.allow("anna", "unit", nurse.commission.unit.id, WEIGHT)
    mine = await ids(brought)
    old = segments(brought)
    await brought.revoke("anna", rule)
    new = segments(brought)
    assert {row.generation for row in new} == {2}
    assert {row.sealed_key for row in old}.isdisjoint(row.sealed_key for row in new)
    assert all(map(segment.is_settled, new))
    with pytest.raises(Refused):
        await ids(brought, by="nurse-vc")
    assert await ids(brought) == mine


async def test_what_was_put_together_is_settled_at_once(lone: World) -> None:
    """The owner's private half is at hand."""
    await ids(lone)
    assert all(map(segment.is_settled, segments(lone)))


async def test_a_revocation_in_between_is_not_undone_by_settling(brought: World) -> None:
    """Locks that were opened before it are of a generation that is gone."""
    nurse, house = brought.who("nurse-vc"), brought.house
    assert isinstance(nurse, Staff)
    rule = await brought.allow("anna", "unit", nurse.commission.unit.id, WEIGHT)
    opened = await open_segments(
        house, brought.who("anna"), brought.alias("anna"), Query((WEIGHT,)), Parts.BODY
    )
    await brought.revoke("anna", rule)
    after = segments(brought)
    await opened.end({"records": 3})
    assert segments(brought) == after
    assert len(await ids(brought)) == 3


async def test_no_more_locks_are_settled_than_one_request_may(
    brought: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest waits for the next time."""
    monkeypatch.setattr(compacting, "_MOST_LOCKS", 2)
    await ids(brought)
    assert sorted(map(segment.is_settled, segments(brought))) == [False, True, True]
    await ids(brought)
    assert all(map(segment.is_settled, segments(brought)))


async def test_segments_that_are_gone_meanwhile_do_not_come_back_by_settling(
    brought: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another reading of the owner's put them together first."""
    anna, alias = brought.who("anna"), brought.alias("anna")
    opened = await open_segments(brought.house, anna, alias, Query((WEIGHT,)), Parts.BODY)
    monkeypatch.setattr(compacting, "MANY", 2)
    assert len(await ids(brought)) == 3
    after = segments(brought)
    assert len(after) == 1
    monkeypatch.undo()
    await opened.end({"records": 3})
    assert segments(brought) == after
