"""A revocation of a drawer with very many locks is in force at once, and re-seals them a batch a transaction."""

from datetime import timedelta

import pytest

from app import demo
from audit.events import EventKind
from consent.gate import Refused
from keys.envelope import Window
from policies.engine import Permit, Policies
from policies.vocabulary import Category
from sharing import compacting, granting
from sharing.house import House
from tests.world import World, weight
from vault import change
from vault.database import Database, DatabaseUnavailableError, Fault
from vault.errors import NoKeyError, TamperedError

WEIGHT = Category.BODY_WEIGHT
UNIT = f"unit:{demo.HEALTH_CENTRE}"
HOME = f"unit:{demo.HOME_CARE}"
VALUES = 7


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a transaction move three locks."""
    monkeypatch.setattr(change, "MOST_LOCKS", 3)


@pytest.fixture
async def shared(world: World) -> tuple[World, str]:
    """Return a country where two units see Anna's weights, each value under a lock of its own; and one's rule."""
    await world.enter("anna")
    rule = await world.allow("anna", "unit", demo.HEALTH_CENTRE, WEIGHT)
    await world.allow("anna", "unit", demo.HOME_CARE, WEIGHT)
    for n in range(VALUES):
        await world.add("anna", "anna", weight(f"{60 + n}.0", world.clock() - timedelta(days=20 * n)))
    return world, rule


@pytest.fixture
async def stopped(shared: tuple[World, str], monkeypatch: pytest.MonkeyPatch) -> World:
    """Return a country where the health centre's rule was ended, and the process died after the first transaction."""

    async def died(*_: object) -> None:
        """Do nothing more."""

    world, rule = shared
    with monkeypatch.context() as dying:
        dying.setattr(granting, "_reseal_rest", died)
        await world.revoke("anna", rule)
    return world


def generations(world: World) -> tuple[list[int], list[int]]:
    """Return the generations that there are, and those of the segments."""
    _, drawer, segments = world.drawer("anna", WEIGHT)
    return sorted(drawer.publics), sorted(row.generation for row in segments)


async def seen_by(world: World, reader: str) -> int:
    """Return how many weights somebody reads."""
    return len((await world.read(reader, "anna", WEIGHT)).records)


async def test_revocation_re_seals_everything_in_several_transactions(shared: tuple[World, str]) -> None:
    """No other writer waits for all of it, and in the end the older generation is gone."""
    world, rule = shared
    await world.revoke("anna", rule)
    assert generations(world) == ([2], [2] * VALUES)
    assert world.recipients("anna", WEIGHT, (UNIT, HOME)) == {(HOME, 2)}
    entries = world.house.log.entries_of_vault(world.vault("anna"), limit=20)
    told = [one.event.counts for one in entries if one.event and one.event.kind is EventKind.OUTCOME]
    assert [counts for counts in told if counts.get("resealed")] == [
        {"resealed": 1},
        {"resealed": 3, "left": 1},
        {"resealed": 3, "left": 4},
    ]
    assert (await seen_by(world, "homecare"), await seen_by(world, "anna")) == (VALUES, VALUES)
    with pytest.raises(Refused):
        await seen_by(world, "nurse-vc")


async def test_revocation_is_whole_before_its_locks_are(
    stopped: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever was shut out has no wrap of any generation, so no policy lets them in; the others read everything."""
    assert generations(stopped) == ([1, 2], [1] * 4 + [2] * 3)
    assert stopped.recipients("anna", WEIGHT, (UNIT, HOME)) == {(HOME, 1), (HOME, 2)}
    assert await seen_by(stopped, "homecare") == VALUES
    monkeypatch.setattr(Policies, "decide", lambda _self, _question: Permit(("everything",)))
    monkeypatch.setattr(House, "may_fit", lambda *args, **_: tuple(args[4]))
    with pytest.raises(NoKeyError):
        await seen_by(stopped, "nurse-vc")


async def test_owners_readings_go_on_where_a_revocation_was_stopped(stopped: World) -> None:
    """It needs no job and no step by hand."""
    waiting = compacting.waiting
    assert await waiting(stopped.house, stopped.alias("anna")) == 4
    for left in (1, 0, 0):
        assert await seen_by(stopped, "anna") == VALUES
        assert await waiting(stopped.house, stopped.alias("anna")) == left
        there, of = generations(stopped)
        assert (there, of.count(1)) == ([1, 2] if left else [2], left)
    assert await seen_by(stopped, "homecare") == VALUES


async def test_next_change_of_rules_goes_on_too(stopped: World) -> None:
    """A grant moves what is left, and wraps the newest generation alone."""
    await stopped.allow("anna", "unit", demo.HEALTH_CENTRE, WEIGHT)
    assert generations(stopped) == ([2], [2] * VALUES)
    assert await seen_by(stopped, "nurse-vc") == VALUES


async def test_staff_who_read_move_nothing(stopped: World) -> None:
    """The vault is the owner's."""
    before = generations(stopped)
    await seen_by(stopped, "homecare")
    assert generations(stopped) == before


async def test_reading_moves_nothing_to_a_generation_that_more_people_open(world: World) -> None:
    """What was sealed before somebody got a key is not theirs because its owner looked at it."""
    await world.enter("anna")
    await world.add("anna", "anna", weight("70.0"))
    at = world.clock()

    def widen(connection: object) -> None:
        begun = world.house.change(connection, world.vault("anna"), at)  # type: ignore[arg-type]
        found = begun.drawer(WEIGHT)
        assert found is not None
        wanted = world.house.wanted(begun.state, WEIGHT, at)
        begun._new_generation(found, {**wanted, UNIT: Window()})
        begun.finish()

    await world.house.database.write(widen)
    assert await seen_by(world, "anna") == 1
    assert generations(world) == ([1, 2], [1])
    assert world.recipients("anna", WEIGHT, (UNIT,)) == {(UNIT, 2)}
    assert await compacting.waiting(world.house, world.alias("anna")) == 0


async def test_faulty_database_leaves_the_revocation_in_force(
    shared: tuple[World, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left waits for the owner's next reading; the one who revoked is not told that it failed."""
    world, rule = shared
    write, done = Database.write, list[object]()

    async def once(self: Database, work: object) -> object:
        if done:
            raise DatabaseUnavailableError(Fault.BUSY)
        done.append(work)
        return await write(self, work)  # type: ignore[arg-type]

    with monkeypatch.context() as faulty:
        faulty.setattr(Database, "write", once)
        await world.revoke("anna", rule)
    assert generations(world)[0] == [1, 2]
    with pytest.raises(Refused):
        await seen_by(world, "nurse-vc")
    assert await seen_by(world, "anna") == VALUES


async def test_another_change_in_between_takes_over(
    shared: tuple[World, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The generations are not those whose keys this request holds, so it stops; the other re-seals what is left."""
    world, rule = shared

    def moved_on(*_: object, **__: object) -> object:
        raise change.StaleGenerationError("the drawer moved on")

    with monkeypatch.context() as racing:
        racing.setattr(granting, "_reseal_more", moved_on)
        await world.revoke("anna", rule)
    assert generations(world)[0] == [1, 2]
    await world.block("anna", "unit", demo.HOME_CARE, WEIGHT)
    assert generations(world) == ([3], [3] * VALUES)
    assert world.recipients("anna", WEIGHT, (UNIT, HOME)) == set()


async def test_segment_that_hides_behind_the_newest_generation_is_found(stopped: World) -> None:
    """Whoever writes a newer generation to a row would have its key destroyed: the digests say which it is."""
    with stopped.attacker() as attacker:
        attacker.execute("UPDATE segments SET generation = 2 WHERE generation = 1")
    with pytest.raises(TamperedError):
        await seen_by(stopped, "anna")
    with stopped.attacker() as attacker:
        there = attacker.execute("SELECT count(DISTINCT generation) FROM generations")
        assert there.fetchone()[0] == 2
