"""Cases of log review: what is owed a decision, by whom, until when, and who may take which step."""

from datetime import timedelta

import pytest

from audit.cases import Outcome
from audit.errors import NoSuchEntryError
from audit.events import EventKind
from audit.signals import Hit
from consent.gate import Refused
from consent.rules import RuleError
from identity.principal import Citizen, Staff
from policies.engine import INSTALLED, LAW_IN_FORCE, Policies
from policies.vocabulary import Category
from sharing import accesses, case_words, cases, emergency, questions
from sharing.case_words import Step
from sharing.cases import Item, NoSuchCaseError
from tests.world import START, World, pressure

REASON = "Medvetslös på akuten, ingen anhörig nås"
MOTIVE = "Patienten kom medvetslös in, som det står i vår journal."
WHY = "Varför öppnade du valvet den här dagen?"
EXPLAINED = "Patienten kom in med ambulans och kunde inte svara."
ANSWER = "Du låg på vår akutmottagning och kunde inte svara själv."


def staff(world: World, persona: str) -> Staff:
    """Return somebody of the staff."""
    found = world.who(persona)
    assert isinstance(found, Staff)
    return found


def citizen(world: World, persona: str = "anna") -> Citizen:
    """Return a citizen."""
    found = world.who(persona)
    assert isinstance(found, Citizen)
    return found


async def opened(world: World, who: str = "nurse-vc") -> bytes:
    """Let somebody open Anna's vault in an emergency; return the entry's id."""
    made = await emergency.open_vault(world.house, staff(world, who), world.alias("anna"), REASON)
    page = await accesses.mine(world.house, world.who("anna"), world.alias("anna"))
    return next(one.id for one in page.entries if one.event and one.event.subject == made.opening.id)


async def queue(world: World, who: str = "supervisor-region", *hits: Hit) -> tuple[Item, ...]:
    """Return what somebody's organisation owes."""
    return await cases.queue(world.house, staff(world, who), hits=hits)


async def decide(world: World, entry: bytes, outcome: Outcome = Outcome.JUSTIFIED, answer: str = "") -> None:
    """Decide as the region's supervisor."""
    supervisor = staff(world, "supervisor-region")
    await cases.decide(world.house, supervisor, entry, outcome, motive=MOTIVE, answer=answer)


@pytest.fixture
async def anna(world: World) -> World:
    """Return a world where Anna has a blood pressure."""
    await world.enter("anna")
    await world.add("anna", "anna", pressure("121", "81"))
    return world


async def test_every_opening_is_owed_until_a_named_supervisor_decides(anna: World) -> None:
    """It is due when the policy says, overdue after, and gone with the decision, which the log has by name."""
    entry = await opened(anna)
    (item,) = await queue(anna)
    assert (item.access.id, item.hits[0].rule) == (entry, "emergency")
    assert item.due == START + timedelta(days=14)
    assert not item.is_overdue(START + timedelta(days=14))
    assert item.is_overdue(START + timedelta(days=14, seconds=1))
    await decide(anna, entry)
    assert await queue(anna) == ()
    case = await cases.find(anna.house, staff(anna, "supervisor-region"), entry)
    assert case.standing.outcome is Outcome.JUSTIFIED
    assert case.standing.decided is not None
    assert case.standing.decided.actor.name == staff(anna, "supervisor-region").name
    assert case.due is None


async def test_the_log_says_what_is_owed_and_no_row_does(anna: World) -> None:
    """Whoever deletes every row of openings and cases takes away words and no debt; nor does it close one."""
    entry, other = await opened(anna), await opened(anna)
    await decide(anna, entry)
    with anna.attacker() as attacker:
        attacker.execute("DELETE FROM emergency_openings")
        attacker.execute("DELETE FROM case_words")
    assert [one.access.id for one in await queue(anna)] == [other]
    process = anna.another_process()
    try:
        found = await cases.queue(process.house, staff(anna, "supervisor-region"))
        assert [one.access.id for one in found] == [other]
    finally:
        process.close()
    case = await cases.find(anna.house, staff(anna, "supervisor-region"), other)
    assert (case.reason, case.said) == ("", ())


async def test_words_laid_to_another_step_say_nothing(anna: World) -> None:
    """They are bound to the step and the access that they were said at."""
    entry, other = await opened(anna), await opened(anna)
    await decide(anna, entry)
    with anna.attacker() as attacker:
        attacker.execute("UPDATE case_words SET access_id = ?", (other,))
    case = await cases.find(anna.house, staff(anna, "supervisor-region"), other)
    assert case.said == ()
    assert case.standing.outcome is None


async def test_a_case_shows_why_it_was_opened_and_what_was_read(anna: World) -> None:
    """The reason as the citizen reads it, and each reading under the opening with its count; no value."""
    entry = await opened(anna)
    await anna.read("nurse-vc", "anna", emergency=True)
    case = await cases.find(anna.house, staff(anna, "supervisor-region"), entry)
    assert case.reason == REASON
    assert [(one.kind, one.counts["records"]) for one in case.reads] == [(EventKind.READ, 1)]
    assert "121" not in repr(case)


async def test_a_user_is_asked_explains_and_the_supervisor_decides(anna: World) -> None:
    """Each step stands in the case with its words and in the log; the user has a day to answer by."""
    entry, supervisor, nurse = await opened(anna), staff(anna, "supervisor-region"), staff(anna, "nurse-vc")
    await cases.ask_user(anna.house, supervisor, entry, WHY)
    assert cases.waits_for(anna.house, nurse)
    (asked,) = await cases.asked(anna.house, nurse)
    assert (asked.question.words.text, asked.due, asked.answer) == (WHY, START + timedelta(days=7), None)
    anna.clock.move(days=1)
    await cases.explain(anna.house, nurse, entry, EXPLAINED)
    assert not cases.waits_for(anna.house, nurse)
    (asked,) = await cases.asked(anna.house, nurse)
    assert asked.answer is not None
    anna.clock.move(days=1)
    await decide(anna, entry)
    case = await cases.find(anna.house, supervisor, entry)
    assert [(one.words.step, one.words.text) for one in case.said] == [
        (Step.ASKED, WHY),
        (Step.EXPLAINED, EXPLAINED),
        (Step.DECIDED, MOTIVE),
    ]
    assert case.standing.asked is not None
    assert case.standing.explained is not None


async def test_nobody_decides_about_what_they_did_themselves(anna: World) -> None:
    """Neither under the same employee id nor under another in the same name; the log has the refusal."""
    entry, nurse = await opened(anna), staff(anna, "nurse-vc")
    commission = staff(anna, "supervisor-region").commission
    for employee in (nurse.id, "SE2321000016-OTHER"):
        both = Staff(employee, nurse.name, nurse.title, "", commission)
        (item,) = await cases.queue(anna.house, both)
        assert item.is_own
        with pytest.raises(Refused):
            await cases.decide(anna.house, both, entry, Outcome.JUSTIFIED, motive=MOTIVE)
        with pytest.raises(Refused):
            await cases.ask_user(anna.house, both, entry, WHY)
    (item,) = await queue(anna)
    assert item.standing.decided is None
    page = await accesses.of_organisation(anna.house, staff(anna, "supervisor-region"))
    steps = [one.event.decision for one in page.entries if one.event and one.event.kind is EventKind.CASE]
    assert steps == ["refuse"] * 4


@pytest.mark.parametrize("who", ["nurse-vc", "homecare"])
async def test_only_supervisors_review(anna: World, who: str) -> None:
    """Care staff, also of the same organisation, see no queue and no case, and decide nothing."""
    entry = await opened(anna)
    for act in (
        cases.queue(anna.house, staff(anna, who)),
        cases.find(anna.house, staff(anna, who), entry),
    ):
        with pytest.raises(Refused):
            await act
    with pytest.raises((Refused, NoSuchCaseError)):
        await cases.decide(anna.house, staff(anna, who), entry, Outcome.JUSTIFIED, motive=MOTIVE)
    assert len(await queue(anna)) == 1


async def test_another_organisations_access_is_as_none(anna: World) -> None:
    """A municipality's supervisor meets the same answer for a region's opening as for an id of nothing."""
    entry, other = await opened(anna), staff(anna, "supervisor-municipality")
    assert await queue(anna, "supervisor-municipality") == ()
    assert await queue(anna, "supervisor-municipality", Hit(entry, "sample", 1)) == ()
    for id_ in (entry, bytes(16)):
        with pytest.raises(NoSuchCaseError):
            await cases.find(anna.house, other, id_)
        with pytest.raises(NoSuchCaseError):
            await cases.ask_user(anna.house, other, id_, WHY)
        with pytest.raises(NoSuchCaseError):
            await cases.decide(anna.house, other, id_, Outcome.JUSTIFIED, motive=MOTIVE)


async def test_a_step_is_no_matter_of_a_case(anna: World) -> None:
    """Deciding about a decision would never end."""
    entry = await opened(anna)
    await decide(anna, entry)
    page = await accesses.of_organisation(anna.house, staff(anna, "supervisor-region"))
    step = next(one.id for one in page.entries if one.event and one.event.kind is EventKind.CASE)
    with pytest.raises(NoSuchCaseError):
        await decide(anna, step)


async def test_one_explains_only_what_one_was_asked(anna: World) -> None:
    """Not before, and not for a colleague."""
    entry = await opened(anna)
    with pytest.raises(NoSuchCaseError):
        await cases.explain(anna.house, staff(anna, "nurse-vc"), entry, EXPLAINED)
    await cases.ask_user(anna.house, staff(anna, "supervisor-region"), entry, WHY)
    with pytest.raises(NoSuchCaseError):
        await cases.explain(anna.house, staff(anna, "doctor-hospital"), entry, EXPLAINED)
    assert await cases.asked(anna.house, staff(anna, "doctor-hospital")) == ()


@pytest.mark.parametrize("text", ["", "kort", " " * 50, "x" * 2001])
async def test_words_are_given(anna: World, text: str) -> None:
    """A motive that says nothing documents nothing; nothing is logged of it."""
    entry, supervisor = await opened(anna), staff(anna, "supervisor-region")
    with pytest.raises(RuleError, match="motive"):
        await cases.decide(anna.house, supervisor, entry, Outcome.UNCLEAR, motive=text)
    with pytest.raises(RuleError, match="text"):
        await cases.ask_user(anna.house, supervisor, entry, text)
    assert len(await queue(anna)) == 1


async def test_a_case_can_be_decided_again(anna: World) -> None:
    """The latest counts; both stay."""
    entry = await opened(anna)
    await decide(anna, entry, Outcome.UNCLEAR)
    anna.clock.move(days=1)
    await decide(anna, entry, Outcome.UNAUTHORISED)
    case = await cases.find(anna.house, staff(anna, "supervisor-region"), entry)
    assert case.standing.outcome is Outcome.UNAUTHORISED
    assert len(case.said) == 2


async def test_whatever_is_handed_in_stands_in_the_same_queue(anna: World) -> None:
    """A drawn or signalled access, once, with all its reasons and the nearest day."""
    entry = await opened(anna)
    await anna.read("nurse-vc", "anna", emergency=True)
    page = await accesses.of_organisation(anna.house, staff(anna, "supervisor-region"))
    read = next(one.id for one in page.entries if one.event and one.event.kind is EventKind.READ)
    found = await queue(anna, "supervisor-region", Hit(entry, "sample", 1), Hit(read, "off-hours", 40))
    assert [(one.access.id, [hit.rule for hit in one.hits]) for one in found] == [
        (entry, ["emergency", "sample"]),
        (read, ["off-hours"]),
    ]
    assert found[1].due == START + timedelta(days=30)


async def test_whatever_is_taken_up_stays_in_the_queue_until_it_is_decided(anna: World) -> None:
    """Also what nobody owed: once its user was asked, it is not forgotten."""
    await opened(anna)
    await anna.read("nurse-vc", "anna", emergency=True)
    supervisor = staff(anna, "supervisor-region")
    page = await accesses.of_organisation(anna.house, supervisor)
    read = next(one.id for one in page.entries if one.event and one.event.kind is EventKind.READ)
    anna.clock.move(days=60)
    await cases.ask_user(anna.house, supervisor, read, WHY)
    (item,) = [one for one in await queue(anna) if one.access.id == read]
    assert [hit.rule for hit in item.hits] == ["taken"]
    assert item.due == anna.clock() + timedelta(days=30)
    case = await cases.find(anna.house, supervisor, read)
    assert case.due == item.due
    await decide(anna, read)
    assert read not in {one.access.id for one in await queue(anna)}


class TestQuestions:
    """Fråga om detta."""

    async def test_a_question_reaches_its_supervisor_and_the_answer_the_citizen(self, anna: World) -> None:
        """Due as the policy says; the supervisor is not told who asks; the answer is read by the one who asked."""
        entry, who, alias = await opened(anna), citizen(anna), anna.alias("anna")
        await decide(anna, entry)
        anna.clock.move(days=1)
        await questions.ask(anna.house, who, alias, entry)
        (item,) = await queue(anna)
        assert [hit.rule for hit in item.hits] == ["question"]
        assert item.due == START + timedelta(days=15)
        case = await cases.find(anna.house, staff(anna, "supervisor-region"), entry)
        assert len(case.questions) == 1
        assert who.person.name not in repr(case.questions)
        (question,) = await questions.mine(anna.house, who, alias)
        assert (question.access.id, question.answer) == (entry, None)
        assert question.is_overdue(START + timedelta(days=16))
        anna.clock.move(days=1)
        with pytest.raises(RuleError, match="answer"):
            await decide(anna, entry)
        await decide(anna, entry, answer=ANSWER)
        assert await queue(anna) == ()
        assert await questions.unseen(anna.house, who, alias)
        (question,) = await questions.mine(anna.house, who, alias)
        assert question.answer is not None
        assert question.answer.words.answer == ANSWER
        assert not await questions.unseen(anna.house, who, alias)

    async def test_one_that_waits_is_asked_once(self, anna: World) -> None:
        """However often the button is pressed."""
        entry = await opened(anna)
        for _ in range(3):
            await questions.ask(anna.house, citizen(anna), anna.alias("anna"), entry)
        case = await cases.find(anna.house, staff(anna, "supervisor-region"), entry)
        assert len(case.questions) == 1

    async def test_one_asks_only_about_what_an_organisation_did_in_the_own_vault(self, anna: World) -> None:
        """Not about another's log, not about what one did oneself, not about nothing."""
        entry = await opened(anna)
        await anna.enter("bo")
        with pytest.raises(NoSuchEntryError):
            await questions.ask(anna.house, citizen(anna, "bo"), anna.alias("bo"), entry)
        with pytest.raises(Refused):
            await questions.ask(anna.house, citizen(anna, "bo"), anna.alias("anna"), entry)
        page = await accesses.mine(anna.house, citizen(anna), anna.alias("anna"))
        own = next(one.id for one in page.entries if one.event and one.event.kind is EventKind.ADD)
        for id_ in (own, bytes(16)):
            with pytest.raises(NoSuchEntryError):
                await questions.ask(anna.house, citizen(anna), anna.alias("anna"), id_)
        assert (await queue(anna))[0].hits == (Hit(entry, "emergency", 100.0),)

    async def test_where_a_name_is_kept_back_the_question_tells_the_role(self, anna: World) -> None:
        """As the log does; an emergency is named whatever the policies say."""
        await anna.allow("anna", "unit", staff(anna, "nurse-vc").commission.unit.id, Category.BLOOD_PRESSURE)
        await anna.read("nurse-vc", "anna")
        page = await accesses.mine(anna.house, citizen(anna), anna.alias("anna"))
        read = next(one for one in page.entries if one.event and one.event.kind is EventKind.READ)
        law = {**LAW_IN_FORCE, "staff-names": "role"}
        object.__setattr__(anna.house.gate, "policies", Policies.load(INSTALLED, law))
        opening = await opened(anna)
        for entry, name in (
            (read.id, staff(anna, "nurse-vc").title),
            (opening, staff(anna, "nurse-vc").name),
        ):
            await questions.ask(anna.house, citizen(anna), anna.alias("anna"), entry)
            newest = (await questions.mine(anna.house, citizen(anna), anna.alias("anna")))[0]
            assert (newest.access.id, newest.access.actor.name) == (entry, name)

    async def test_a_lost_question_is_still_in_the_citizens_log(self, anna: World) -> None:
        """Whoever deletes the row hides it from the supervisor, and not that it was asked and is overdue."""
        entry = await opened(anna)
        await questions.ask(anna.house, citizen(anna), anna.alias("anna"), entry)
        with anna.attacker() as attacker:
            attacker.execute("DELETE FROM case_words")
        (question,) = await questions.mine(anna.house, citizen(anna), anna.alias("anna"))
        assert question.is_overdue(START + timedelta(days=15))


async def test_words_are_sealed_and_streams_tell_nobody(anna: World) -> None:
    """What stands in clear of a case is ids, sizes and times; whose question it is no id tells."""
    entry = await opened(anna)
    await cases.ask_user(anna.house, staff(anna, "supervisor-region"), entry, WHY)
    with anna.attacker() as attacker:
        (row,) = attacker.execute("SELECT * FROM case_words").fetchall()
    held = repr(tuple(row))
    assert WHY[:10] not in held
    assert staff(anna, "nurse-vc").id not in held
    streams = {case_words.asked_of(anna.house, f"region:{one}", "SE1-A") for one in range(3)}
    assert len(streams) == 3


async def test_who_may_review_for_an_organisation_the_directory_says(anna: World) -> None:
    """Those with a commission of log review at it: the region's one, the municipality's one, and none of another's."""
    directory = anna.house.directory()
    for who in ("supervisor-region", "supervisor-municipality"):
        node = accesses.own_organisation(staff(anna, who))
        assert accesses.supervisors_of(directory, node) == {staff(anna, who).id}
    assert accesses.supervisors_of(directory, "provider:SE1-X") == frozenset()
