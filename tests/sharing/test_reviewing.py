"""The figures of log review, and the control record: signed, kept, never changed."""

from datetime import timedelta

import pytest

from app.web.control_document import layout
from audit.cases import Outcome
from consent.gate import Refused
from consent.rules import RuleError
from keys.certificates import Signatory
from sharing import cases, controls, draws, questions, reviewing, signing
from sharing.controls import Kept, Kind
from sharing.reviewing import ControlRecord, UnitFigures
from tests.sharing.test_cases import ANSWER, MOTIVE, anna, citizen, opened, staff
from tests.sharing.test_draws import busy
from tests.world import START, World

__all__ = ["anna"]  # the fixture

MEASURES = "Samtal med enhetschefen, och ny utbildning."


async def reviewed(world: World) -> None:
    """Ten readings, three of them drawn, one opening that is asked about; one drawn and the opening are decided."""
    supervisor = staff(world, "supervisor-region")
    await busy(world)
    entry = await opened(world)
    await questions.ask(world.house, citizen(world), world.alias("anna"), entry)
    world.clock.move(days=1)
    made = await draws.make(world.house, supervisor, START, world.clock())
    world.clock.move(days=1)
    await cases.decide(world.house, supervisor, entry, Outcome.JUSTIFIED, motive=MOTIVE, answer=ANSWER)
    world.clock.move(days=2)
    drawn = made.drawn[0]
    await cases.decide(world.house, supervisor, drawn, Outcome.UNAUTHORISED, motive=MOTIVE, measures=MEASURES)


async def record(world: World, who: str = "supervisor-region") -> bytes:
    """Make the control record of the first two days."""
    until = START + timedelta(days=2)
    return await reviewing.make_record(world.house, staff(world, who), START, until, world.valv.press, layout)


async def kept(world: World) -> Kept:
    """Return the one that was made."""
    (found,) = await controls.all_of(world.house, staff(world, "supervisor-region"), Kind.RECORD)
    return found


async def test_figures_count_what_was_done_and_what_came_of_it(anna: World) -> None:
    """Coverage by unit, cases by outcome, how long they took, what is still owed."""
    await reviewed(anna)
    supervisor = staff(anna, "supervisor-region")
    found = await reviewing.figures(anna.house, supervisor, START, START + timedelta(days=2))
    unit = staff(anna, "nurse-vc").commission.unit
    assert found.units == (UnitFigures(unit.id, unit.name, 10, 2),)
    assert found.findings == {
        Outcome.JUSTIFIED: 1,
        Outcome.UNCLEAR: 0,
        Outcome.UNAUTHORISED: 1,
        Outcome.TECHNICAL: 0,
    }
    assert (found.open, found.overdue) == (2, 0)
    assert (found.selection.emergencies, found.selection.questions) == (1, 1)
    assert [count for _, count in found.selection.draws] == [3]
    assert found.measures == (MEASURES,)
    half, most = found.within(0.5), found.within(0.0)
    assert (half, most) == (timedelta(days=4, hours=2), timedelta(days=2))
    later = await reviewing.figures(
        anna.house, supervisor, START + timedelta(days=3), START + timedelta(days=4)
    )
    assert (later.units, later.closed, later.within(0.5)) == ((), (), None)


async def test_a_record_is_one_signed_file_with_the_same_inside(anna: World) -> None:
    """Signed by the supervisor in their organisation's name; its text and its JSON say the same."""
    await reviewed(anna)
    document = await record(anna)
    found, supervisor = await kept(anna), staff(anna, "supervisor-region")
    assert found.document == document
    assert found.content is not None
    checked = await anna.valv.press.check(found.content, at=anna.clock())
    assert checked.holds
    provider = supervisor.commission.unit.provider.name
    assert [one.who for one in checked.signatures] == [Signatory(supervisor.name, supervisor.id, provider)]
    told = reviewing.decode(found)
    assert isinstance(told, ControlRecord)
    assert (told.reviewer, told.findings[Outcome.UNAUTHORISED], told.measures) == (
        supervisor.name,
        1,
        (MEASURES,),
    )
    assert found.made.document == document
    assert found.made.counts == {"justified": 1, "unclear": 0, "unauthorised": 1, "technical": 0}


async def test_a_record_that_is_changed_or_gone_is_seen(anna: World) -> None:
    """The log lists it; nothing laid in its place is shown."""
    await reviewed(anna)
    await record(anna)
    with anna.attacker() as attacker:
        other = attacker.execute("SELECT sealed FROM controls").fetchall()[0][0]
        attacker.execute("UPDATE controls SET sealed = ?", (other,))
    found = [
        one.content
        for kind in Kind
        for one in await controls.all_of(anna.house, staff(anna, "supervisor-region"), kind)
    ]
    assert found.count(None) == len(found) - 1
    with anna.attacker() as attacker:
        attacker.execute("DELETE FROM controls")
    assert (await kept(anna)).content is None
    assert reviewing.decode(await kept(anna)) is None


async def test_what_one_wrote_is_text_in_the_file(anna: World) -> None:
    """Measures that look like the typesetter's own words are shown as they were written."""
    supervisor, entry = staff(anna, "supervisor-region"), await opened(anna)
    text = '#panic("x") *åtgärd* <etikett>'
    await cases.decide(anna.house, supervisor, entry, Outcome.UNCLEAR, motive=MOTIVE, measures=text)
    anna.clock.move(days=3)
    await record(anna)
    told = reviewing.decode(await kept(anna))
    assert told is not None
    assert told.measures == (text,)


@pytest.mark.parametrize("who", ["nurse-vc", "homecare"])
async def test_only_supervisors_see_figures_or_make_records(anna: World, who: str) -> None:
    """Care staff get neither."""
    anna.clock.move(days=3)
    with pytest.raises(Refused):
        await record(anna, who)
    with pytest.raises(Refused):
        await reviewing.figures(anna.house, staff(anna, who), START, anna.clock())


async def test_a_record_is_of_a_period_that_has_ended(anna: World) -> None:
    """Else it would be of another thing a day later."""
    with pytest.raises(RuleError, match="until"):
        await record(anna)
    with pytest.raises(RuleError, match="until"):
        await reviewing.figures(anna.house, staff(anna, "supervisor-region"), START, START)


async def test_another_organisation_has_its_own(anna: World) -> None:
    """A municipality's supervisor sees none of a region's figures, draws and records."""
    await reviewed(anna)
    await record(anna)
    other = staff(anna, "supervisor-municipality")
    assert await controls.all_of(anna.house, other, Kind.RECORD) == ()
    found = await reviewing.figures(anna.house, other, START, START + timedelta(days=2))
    assert (found.closed, found.selection.emergencies, found.selection.draws) == ((), 0, ())
    assert sum(one.accesses for one in found.units) == 1


async def test_the_queue_has_what_was_drawn_with_what_is_owed_anyway(anna: World) -> None:
    """One list."""
    await reviewed(anna)
    found = await reviewing.queue(anna.house, staff(anna, "supervisor-region"))
    assert [[hit.rule for hit in one.hits] for one in found] == [["sample"], ["sample"]]


def test_the_file_is_signed_by_the_installations_own_root(anna: World) -> None:
    """The same for every process of it."""
    process = anna.another_process()
    try:
        assert process.press.issuer.certificate == anna.valv.press.issuer.certificate
    finally:
        process.close()
    assert signing.DIGEST == "sha256"
