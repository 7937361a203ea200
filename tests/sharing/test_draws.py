"""Random draws: the seed is logged first, all is kept, and the draw can be made again."""

from datetime import timedelta

import pytest

from audit.events import EventKind
from consent.gate import Refused
from consent.rules import RuleError
from policies.vocabulary import Category
from sharing import accesses, cases, controls, draws
from sharing.controls import Kind, NoSuchControlError
from sharing.draws import Draw
from tests.sharing.test_cases import anna, staff
from tests.world import START, World

__all__ = ["anna"]  # the fixture

BP = Category.BLOOD_PRESSURE
HOUR = timedelta(hours=1)


async def busy(world: World) -> None:
    """Let the nurse read ten times, and the home care once."""
    for who, kind in (("nurse-vc", "unit"), ("homecare", "unit")):
        await world.allow("anna", kind, staff(world, who).commission.unit.id, BP)
    for _ in range(10):
        await world.read("nurse-vc", "anna")
    await world.read("homecare", "anna")
    world.clock.move(hours=2)


async def made(world: World, who: str = "supervisor-region") -> Draw:
    """Draw from the last two hours."""
    return await draws.make(world.house, staff(world, who), START, world.clock())


async def test_a_draw_is_of_the_own_organisations_accesses(anna: World) -> None:
    """The nurse's ten readings for the region, the home care's one for the municipality; nobody's own acts."""
    await busy(anna)
    found = await made(anna)
    assert (found.population, len(found.drawn)) == (10, 3)
    assert [(one.unit, one.kind) for one in found.strata] == [
        (staff(anna, "nurse-vc").commission.unit.id, EventKind.READ)
    ]
    other = await made(anna, "supervisor-municipality")
    assert (other.population, len(other.drawn)) == (1, 1)
    assert set(found.drawn).isdisjoint(other.drawn)


async def test_the_seed_is_in_the_log_before_the_draw_and_what_came_of_it_after(anna: World) -> None:
    """Whoever draws until they like it leaves every seed behind."""
    await busy(anna)
    found = await made(anna)
    page = await accesses.of_organisation(anna.house, staff(anna, "supervisor-region"))
    events = [one.event for one in reversed(page.entries) if one.event]
    begun = next(one for one in events if one.kind is EventKind.CONTROL)
    (outcome,) = [one for one in events if one.kind is EventKind.OUTCOME and one.subject == found.seed]
    assert (begun.subject, begun.reason, begun.actor.name) == (
        found.seed,
        "draw",
        staff(anna, "supervisor-region").name,
    )
    assert outcome.counts == {"population": 10, "drawn": 3}
    assert events.index(begun) < events.index(outcome)
    (kept,) = await controls.all_of(anna.house, staff(anna, "supervisor-region"), Kind.DRAW)
    assert kept.document == outcome.document
    assert draws.decode(kept) == found


async def test_a_draw_can_be_made_again(anna: World) -> None:
    """The same while the log has the same; accesses after the period change nothing."""
    await busy(anna)
    await made(anna)
    await anna.read("nurse-vc", "anna")
    supervisor = staff(anna, "supervisor-region")
    (kept,) = await controls.all_of(anna.house, supervisor, Kind.DRAW)
    again = await draws.again(anna.house, supervisor, kept.document)
    assert (again.is_same_population, again.is_same) == (True, True)


async def test_what_was_drawn_stands_in_the_queue_once_however_often(anna: World) -> None:
    """With why, until somebody decides."""
    await busy(anna)
    found = await made(anna)
    supervisor = staff(anna, "supervisor-region")
    hits = await draws.hits(anna.house, supervisor)
    assert {one.entry for one in hits} == set(found.drawn)
    items = await cases.queue(anna.house, supervisor, hits=(*hits, *hits))
    assert {one.access.id for one in items} == set(found.drawn)
    assert {hit.rule for one in items for hit in one.hits} == {"sample"}


async def test_a_changed_or_removed_row_is_seen(anna: World) -> None:
    """The log lists the draw, and that its document is gone; one laid in its place is not believed."""
    await busy(anna)
    await made(anna)
    await made(anna)
    supervisor = staff(anna, "supervisor-region")
    first, second = await controls.all_of(anna.house, supervisor, Kind.DRAW)
    with anna.attacker() as attacker:
        rows = attacker.execute("SELECT digest, sealed FROM controls").fetchall()
        sealed = {bytes(row[0]): bytes(row[1]) for row in rows}
        attacker.execute("DELETE FROM controls WHERE digest = ?", (first.document,))
        attacker.execute(
            "UPDATE controls SET sealed = ? WHERE digest = ?", (sealed[first.document], second.document)
        )
    found = await controls.all_of(anna.house, supervisor, Kind.DRAW)
    assert [one.content for one in found] == [None, None]
    assert [one.document for one in found] == [first.document, second.document]
    assert await draws.hits(anna.house, supervisor) == ()
    with pytest.raises(NoSuchControlError):
        await draws.again(anna.house, supervisor, first.document)


@pytest.mark.parametrize("who", ["nurse-vc", "homecare"])
async def test_only_supervisors_draw(anna: World, who: str) -> None:
    """Nothing is drawn, and the log has that they tried."""
    await busy(anna)
    with pytest.raises(Refused):
        await made(anna, who)
    with pytest.raises(Refused):
        await controls.all_of(anna.house, staff(anna, who), Kind.DRAW)


async def test_another_organisations_draw_is_as_none(anna: World) -> None:
    """Not listed, not repeated."""
    await busy(anna)
    await made(anna)
    (kept,) = await controls.all_of(anna.house, staff(anna, "supervisor-region"), Kind.DRAW)
    other = staff(anna, "supervisor-municipality")
    assert await controls.all_of(anna.house, other, Kind.DRAW) == ()
    for document in (kept.document, bytes(32)):
        with pytest.raises(NoSuchControlError):
            await draws.again(anna.house, other, document)


@pytest.mark.parametrize(("since", "until"), [(HOUR, HOUR), (2 * HOUR, HOUR), (HOUR, 3 * HOUR)])
async def test_a_period_has_begun_and_ended(anna: World, since: timedelta, until: timedelta) -> None:
    """What is still going on could be another population a minute later."""
    await busy(anna)
    with pytest.raises(RuleError, match="until"):
        await draws.make(anna.house, staff(anna, "supervisor-region"), START + since, START + until)
