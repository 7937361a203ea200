"""Fråga om detta: a citizen asks why somebody looked, and gets an answer from who supervises that somebody.

The question is an entry of the citizen's own log and, sealed, one in the queue of the organisation that answers for the
access (:mod:`sharing.cases`). If the organisation's copy is lost, the citizen's log still says that they asked, and
when the answer was due.
"""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from audit import review
from audit.entry import Entry
from audit.errors import NoSuchEntryError
from audit.events import Activity, EventKind
from audit.review import Access
from identity.principal import Citizen, Principal, Proxy
from policies.vocabulary import Deed
from sharing import asking, case_words, searching
from sharing.accesses import as_told, organisation_of
from sharing.case_words import Said, Step, Words
from sharing.cases import answers_to
from sharing.house import House
from vault.state import VaultState

#: How the log names a look at one's own questions.
LOOKED = "questions"
_MOST = 200


@dataclass(frozen=True, slots=True)
class Question:
    """A question of the citizen's: about which access, asked when, to be answered until when, and the answer."""

    access: Access
    at: datetime
    due: datetime
    answer: Said | None

    def is_overdue(self, at: datetime) -> bool:
        """Tell whether it should have been answered."""
        return self.answer is None and self.due < at


async def ask(house: House, principal: Citizen | Proxy, alias: bytes, access_id: bytes) -> None:
    """Ask why an access was made. One that waits for its answer is asked once, however often the log says so.

    Raises:
        audit.errors.NoSuchEntryError: no organisation made one of that id in this vault.
        consent.gate.Refused: the principal may not read this vault's log.
    """
    vault_state = await house.database.read(lambda connection: house.load(connection, alias))
    made = await house.ask(
        principal, vault_state, Deed.READ_LOG, EventKind.QUESTION, Activity.WRITE, subject=access_id.hex()
    )
    node = organisation_of(_access([house.log.entry(access_id, vault=vault_state.vault)]).actor)
    told = await house.database.look(lambda one: case_words.of_access(one, house, node, access_id))
    if case_words.waiting(told):
        return
    stream = case_words.questions_to(house, node)
    words = Words(Step.QUESTION, "")  # the supervisor reviews the access, and is not told whose it was
    await case_words.keep(house, node, made.receipt, access=access_id, stream=stream, words=words)


async def mine(house: House, principal: Principal, alias: bytes) -> tuple[Question, ...]:
    """Return what was asked about this vault's log, newest first, with the answers.

    Raises:
        consent.gate.Refused: the principal may not read this vault's log.
    """
    vault_state = await house.database.read(lambda connection: house.load(connection, alias))
    found = await searching.of_vault(
        house,
        principal,
        alias,
        keep=lambda access: access.kind is EventKind.QUESTION,
        wanted=_MOST,
        subject=LOOKED,
    )
    return tuple([await _question(house, principal, vault_state, one) for one in found.accesses])


async def unseen(house: House, principal: Principal, alias: bytes) -> bool:
    """Tell whether an answer came since this very person last looked at their questions.

    Raises:
        consent.gate.Refused: there is an answer, and the principal may not read this vault's log.
    """
    vault_state = await house.database.read(lambda connection: house.load(connection, alias))
    newest = await house.database.look(
        lambda one: case_words.newest_of(one, answers_to(house, vault_state.vault))
    )
    if newest is None:
        return False
    own = asking.principal_alias(principal)

    def is_look(access: Access) -> bool:
        return (access.kind, access.subject, access.actor.id) == (EventKind.READ_LOG, LOOKED, own)

    found = await searching.of_vault(house, principal, alias, keep=is_look, since=newest, wanted=1)
    return not any(one.at >= newest for one in found.accesses)


def _access(entries: Iterable[Entry]) -> Access:
    """Return the access that an entry is, if an organisation made it."""
    found = next(iter(review.accesses(entries)), None)
    if not isinstance(found, Access) or found.actor.kind not in review.ORGANISED:
        raise NoSuchEntryError("no such entry")
    return found


async def _question(house: House, principal: Principal, vault_state: VaultState, asked: Access) -> Question:
    access_id = bytes.fromhex(asked.subject)
    access = _access(
        as_told(house, principal, vault_state, [house.log.entry(access_id, vault=vault_state.vault)])
    )
    node = organisation_of(access.actor)
    told = await house.database.look(lambda one: case_words.of_access(one, house, node, access_id))
    since = itertools.dropwhile(lambda one: one.entry != asked.id, told)
    return Question(access, asked.at, asked.at + house.deadlines.question, _answer_of(since))


def _answer_of(told: Iterable[Said]) -> Said | None:
    """Return the latest answer in what was said, if there is one."""
    return next((one for one in reversed(list(told)) if one.words.answer), None)
