"""Cases of log review: what an organisation's supervisors owe a decision, and each step until they have made it.

Every emergency opening is owed one, and so is what a citizen asked about; whatever else is drawn or signalled is handed
in as hits. The log alone says what is owed, who took which step and what was decided (:mod:`audit.cases`,
:mod:`sharing.casebook`); :mod:`sharing.case_words` has what they wrote. All supervisors of an organisation have one
queue, so that one may be away; nobody decides about what they did themselves (policies/own-review.cedar).
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from audit import cases, review
from audit.cases import ASKED, Outcome, Standing
from audit.errors import NoSuchEntryError
from audit.events import Activity, Actor, ActorKind, EventKind
from audit.review import Access
from audit.signals import Hit
from consent.gate import Authorization
from consent.questions import Organisation
from identity.principal import Staff
from policies.vocabulary import Deed
from sharing import case_words, emergency
from sharing.accesses import ask_as_organisation, organisation_of, own_organisation
from sharing.aside import aside
from sharing.case_words import NOBODY, Said, Step, Words
from sharing.house import House

#: Why an access is owed a decision, beside what is handed in: also where its user was asked, for whatever reason.
EMERGENCY, QUESTION, TAKEN = "emergency", "question", "taken"
_MOST = 100.0
#: Entries that are themselves about another access, and so are no matter of a case.
_STEPS = frozenset({EventKind.OUTCOME, EventKind.CASE, EventKind.EXPLAIN, EventKind.CONTROL})
#: An act's outcome is looked for so many entries after it.
_LATER = 50


class NoSuchCaseError(LookupError):
    """There is no such access that this organisation answers for; nothing tells which."""


@dataclass(frozen=True, slots=True)
class Item:
    """One access that is owed a decision: why, until when, how far it has come, and whether it is the asker's own."""

    access: Access
    hits: tuple[Hit, ...]
    due: datetime
    standing: Standing
    is_own: bool

    def is_overdue(self, at: datetime) -> bool:
        """Tell whether the decision should have been made."""
        return self.due < at


@dataclass(frozen=True, slots=True)
class Case:
    """One access under review, with all that was said of it; ``due`` is None where nothing is owed any more.

    ``reads`` is what was done under an emergency opening, ``reason`` why it was made. ``questions`` are the citizen's
    that have no answer yet, ``decisions`` the entries of all that were made.
    """

    access: Access
    standing: Standing
    due: datetime | None
    is_own: bool
    said: tuple[Said, ...]
    reads: tuple[Access, ...] = ()
    reason: str = ""
    questions: tuple[Said, ...] = ()
    decisions: tuple[Access, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """What an employee was asked about an access of theirs: the question, until when, and what they answered."""

    access: Access
    question: Said
    due: datetime
    answer: Said | None


async def queue(house: House, staff: Staff, *, hits: Sequence[Hit] = ()) -> tuple[Item, ...]:
    """Return what is owed a decision, the most overdue first: emergencies, questions, and what is handed in.

    Raises:
        consent.gate.Refused: the commission is not one of log review.
    """
    node = own_organisation(staff)
    await ask_as_organisation(
        house, staff, Organisation(node), Deed.REVIEW_LOG, EventKind.REVIEW, subject=node
    )
    return await aside(lambda: _owed(house, staff, node, hits))


async def find(house: House, staff: Staff, access_id: bytes) -> Case:
    """Return a case, to a supervisor of the organisation that answers for the access.

    Raises:
        NoSuchCaseError: it answers for none of that id.
        consent.gate.Refused: the commission is not one of log review.
    """
    node = own_organisation(staff)
    about = access_id.hex()
    await ask_as_organisation(
        house, staff, Organisation(node), Deed.REVIEW_LOG, EventKind.REVIEW, subject=about
    )
    return await aside(lambda: _case(house, staff, node, access_id))


async def ask_user(house: House, staff: Staff, access_id: bytes, text: str) -> None:
    """Ask whoever made an access why.

    Raises:
        RuleError: the text is too short, or too long.
        NoSuchCaseError: the organisation answers for none of that id, or no person made it.
        consent.gate.Refused: the commission is not one of log review, or the access is their own.
    """
    text, node = case_words.checked(text, field="text"), own_organisation(staff)
    access = await aside(lambda: _access(house, node, access_id))
    if access.actor.kind is not ActorKind.STAFF:
        raise NoSuchCaseError
    made = await _step(house, staff, node, access, ASKED)
    words = Words(Step.ASKED, staff.name, text)
    stream = case_words.asked_of(house, node, access.actor.id)
    await case_words.keep(house, node, made.receipt, access=access_id, stream=stream, words=words)


async def decide(
    house: House,
    staff: Staff,
    access_id: bytes,
    outcome: Outcome,
    *,
    motive: str,
    measures: str = "",
    answer: str = "",
) -> None:
    """Decide what an access was. One can be decided again: the latest counts, and all stand in the log.

    ``answer`` goes to the citizen who asked, and is needed where one waits.

    Raises:
        RuleError: a text is too short, or too long.
        NoSuchCaseError: the organisation answers for none of that id.
        consent.gate.Refused: the commission is not one of log review, or the access is their own.
    """
    motive, node = case_words.checked(motive, field="motive"), own_organisation(staff)
    measures = case_words.checked(measures, field="measures") if measures.strip() else ""
    access = await aside(lambda: _access(house, node, access_id))
    waiting = await house.database.look(lambda one: _unanswered(one, house, node, access_id))
    answer = case_words.checked(answer, field="answer") if waiting or answer.strip() else ""
    made = await _step(house, staff, node, access, outcome)
    words = Words(Step.DECIDED, staff.name, motive, measures, answer)
    stream = NOBODY if not answer or access.vault is None else answers_to(house, access.vault)
    await case_words.keep(house, node, made.receipt, access=access_id, stream=stream, words=words)


async def asked(house: House, staff: Staff) -> tuple[Asked, ...]:
    """Return what somebody was asked about their own accesses, on the commission they act on, newest first.

    Raises:
        consent.gate.Refused: staff of another kind; nobody is.
    """
    node = own_organisation(staff)
    own = Organisation(node, is_own=True)
    await ask_as_organisation(house, staff, own, Deed.ANSWER_FOR, EventKind.READ_LOG, subject="asked")
    return await aside(lambda: _asked(house, staff, node))


def waits_for(house: House, staff: Staff) -> bool:
    """Tell whether somebody was asked what they have not answered; no word of it."""
    node = own_organisation(staff)
    stream = case_words.asked_of(house, node, staff.id)

    def work(connection: Connection) -> bool:
        return any(
            _explained_after(case_words.of_access(connection, house, node, one.access), one) is None
            for one in case_words.of_stream(connection, house, node, stream)
        )

    return house.database.look_now(work)


async def explain(house: House, staff: Staff, access_id: bytes, text: str) -> None:
    """Answer what one was asked.

    Raises:
        RuleError: the text is too short, or too long.
        NoSuchCaseError: nobody asked them about such an access.
    """
    text, node = case_words.checked(text, field="text"), own_organisation(staff)
    if not any(one.access.id == access_id for one in await asked(house, staff)):
        raise NoSuchCaseError
    own = Organisation(node, is_own=True)
    made = await ask_as_organisation(
        house, staff, own, Deed.ANSWER_FOR, EventKind.EXPLAIN, Activity.WRITE, subject=access_id.hex()
    )
    words = Words(Step.EXPLAINED, staff.name, text)
    await case_words.keep(house, node, made.receipt, access=access_id, stream=NOBODY, words=words)


def answers_to(house: House, vault: bytes) -> bytes:
    """Return the stream of answers to a citizen's questions."""
    return house.keystore.pseudonym(f"case-answers/{vault.hex()}")


# --- the steps


async def _step(house: House, staff: Staff, node: str, access: Access, word: str) -> Authorization:
    """Take a supervisor's step: into the log, or refused there."""
    about = Organisation(node, is_own=_is_own(staff, access.actor))
    return await ask_as_organisation(
        house,
        staff,
        about,
        Deed.REVIEW_LOG,
        EventKind.CASE,
        Activity.ATTEST,
        subject=access.id.hex(),
        reason=str(word),
    )


def _is_own(staff: Staff, actor: Actor) -> bool:
    """Tell whether somebody did it themself; one person can have several employee ids, and their name with each."""
    if actor.kind is not ActorKind.STAFF:
        return False
    return actor.id == staff.id or actor.name.casefold() == staff.name.casefold()


# --- what is owed


def _owed(house: House, staff: Staff, node: str, hits: Sequence[Hit]) -> tuple[Item, ...]:
    book = _book(house, node)
    standings = cases.standings(book)
    asked_at = _questions(house, node, standings)
    found: dict[bytes, list[Hit]] = {}
    for hit in (
        *(Hit(one.id, EMERGENCY, _MOST) for one in _undecided_openings(book, standings, node)),
        *(Hit(id_, QUESTION, _MOST) for id_ in asked_at),
        *(Hit(id_, TAKEN, _MOST) for id_, one in standings.items() if one.asked and not one.decided),
        *hits,
    ):
        found.setdefault(hit.entry, []).append(hit)
    items = []
    for id_, reasons in found.items():
        standing = standings.get(id_, Standing())
        if standing.outcome is not None and id_ not in asked_at:
            continue  # handed in, and decided already
        try:
            access = _access(house, node, id_)
        except NoSuchCaseError:
            continue
        due = _due(house, access, reasons, asked_at, taken=standing.asked)
        items.append(Item(access, tuple(reasons), due, standing, _is_own(staff, access.actor)))
    return tuple(sorted(items, key=lambda one: (one.due, one.access.seq)))


def _undecided_openings(
    book: Iterable[Access], standings: Mapping[bytes, Standing], node: str
) -> Iterator[Access]:
    for one in filter(cases.is_opening, book):
        if organisation_of(one.actor) == node and standings.get(one.id, Standing()).outcome is None:
            yield one


def _due(
    house: House,
    access: Access,
    hits: Iterable[Hit],
    asked_at: Mapping[bytes, datetime],
    *,
    taken: Access | None,
) -> datetime:
    days = house.deadlines
    dues = []
    for hit in hits:
        match hit.rule:
            case "emergency":
                dues.append(access.at + days.emergency)
            case "taken" if taken is not None:
                dues.append(taken.at + days.case)
            case "question" if access.id in asked_at:
                dues.append(asked_at[access.id] + days.question)
            case _:
                dues.append(access.at + days.case)
    return min(dues)


def _book(house: House, node: str) -> list[Access]:
    """Return an organisation's emergencies, what was done under them, and the steps of its cases."""
    entries = house.casebooks.of(house.log, node.partition(":")[2])
    return [one for one in review.accesses(entries) if isinstance(one, Access)]


def _questions(house: House, node: str, standings: Mapping[bytes, Standing]) -> dict[bytes, datetime]:
    """Return when the oldest question that has no answer was asked, by the access it is about."""
    stream = case_words.questions_to(house, node)
    told = house.database.look_now(lambda one: case_words.of_stream(one, house, node, stream))
    waiting: dict[bytes, datetime] = {}
    for said in told:
        decided = standings.get(said.access, Standing()).decided
        if decided is None or decided.at < said.at:
            waiting[said.access] = said.at
    return waiting


def _unanswered(connection: Connection, house: House, node: str, access_id: bytes) -> tuple[Said, ...]:
    return case_words.waiting(case_words.of_access(connection, house, node, access_id))


# --- one case


def _access(house: House, node: str, access_id: bytes) -> Access:
    """Return an access that an organisation answers for, with its outcome.

    Raises:
        NoSuchCaseError: it answers for none of that id.
    """
    organisation = node.partition(":")[2]
    try:
        entry = house.log.entry(access_id, organisation=organisation)
    except NoSuchEntryError:
        raise NoSuchCaseError from None
    later = house.log.entries_of_organisation(organisation, before_seq=entry.seq + _LATER, limit=_LATER)
    found = next(iter(review.accesses([entry], later=later)), None)
    is_one = isinstance(found, Access) and found.kind not in _STEPS and found.actor.kind in review.ORGANISED
    if not isinstance(found, Access) or not is_one or organisation_of(found.actor) != node:
        raise NoSuchCaseError
    return found


def _case(house: House, staff: Staff, node: str, access_id: bytes) -> Case:
    access = _access(house, node, access_id)
    book = _book(house, node)
    standing = cases.standings(book).get(access_id, Standing())
    said = house.database.look_now(lambda one: case_words.of_access(one, house, node, access_id))
    questions = case_words.waiting(said)
    hits = [Hit(access_id, QUESTION, _MOST)] if questions else []
    is_opening = cases.is_opening(access)
    if is_opening and standing.outcome is None:
        hits.append(Hit(access_id, EMERGENCY, _MOST))
    if standing.asked and not standing.decided:
        hits.append(Hit(access_id, TAKEN, _MOST))
    asked_at = {one.access: one.at for one in reversed(questions)}
    return Case(
        access,
        standing,
        _due(house, access, hits, asked_at, taken=standing.asked) if hits else None,
        _is_own(staff, access.actor),
        tuple(said),
        reads=_under(book, access) if is_opening else (),
        reason=emergency.reason_of(house, access.vault, access.subject)
        if is_opening and access.vault
        else "",
        questions=questions,
        decisions=tuple(one for one in book if cases.is_decision(one, access_id)),
    )


def _under(book: Iterable[Access], opening: Access) -> tuple[Access, ...]:
    return tuple(
        one for one in book if one.subject == opening.subject and one.kind is not EventKind.EMERGENCY
    )


def _asked(house: House, staff: Staff, node: str) -> tuple[Asked, ...]:
    stream = case_words.asked_of(house, node, staff.id)

    def work(connection: Connection) -> list[tuple[Said, list[Said]]]:
        told = case_words.of_stream(connection, house, node, stream)
        return [(one, case_words.of_access(connection, house, node, one.access)) for one in told]

    found = []
    for question, said in house.database.look_now(work):
        access = _access(house, node, question.access)
        due = question.at + house.deadlines.explanation
        found.append(Asked(access, question, due, _explained_after(said, question)))
    return tuple(found)


def _explained_after(said: Iterable[Said], question: Said) -> Said | None:
    """Return the first explanation after a question."""
    after = itertools.dropwhile(lambda one: one.entry != question.entry, said)
    return next((one for one in after if one.words.step is Step.EXPLAINED), None)
