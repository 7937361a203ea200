"""The job that tells people by e-mail that something is new: the table of choices is its truth.

1. A row that is due is claimed by a lease; a worker that dies loses it when that is over.
2. What the log has since the last look is looked through; who chose must still be one who may read that log.
3. At most one mail an hour goes out, which says that something is new and nothing else: anybody may read it.
4. That it was sent is written to the row, if it still is ours.

A mail that was handed over by a worker who died before step 4 is handed over again, under the same Message-ID, by which
a mail system can tell that it has it: SMTP knows no better (RFC 5321 4.5.5). None is lost.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec
from sqlalchemy import Connection

from audit import review
from audit.events import Activity, Actor, Decision, Event, EventKind
from audit.review import Access
from consent.judge import Granted, Matter, Need, judge
from identity.principal import Citizen, Person, Principal, Proxy, Relation, System
from keys.envelope import microseconds, moment
from keys.keystore import VaultKeys
from keys.primitives import chance
from policies.vocabulary import Deed
from sharing import notices
from sharing.house import House
from sharing.notices import Choice, Tell
from vault import state
from vault.database import rows, run
from vault.state import VaultState

LEASE = timedelta(seconds=60)
#: How soon after an access a mail goes out, and how seldom at most.
LOOK_EVERY, MAIL_EVERY = timedelta(minutes=1), timedelta(hours=1)
_FIRSTS_EVERY = timedelta(hours=1)
_AT_MOST = 20  # rows of one sweep
_CHUNK = 200
_LONGEST_PAUSE = 8  # doublings of a minute, after failures
_OWNER_SIZE = 16
_LOG = logging.getLogger(__name__)

_DUE = """
SELECT vault_id, person, sealed, lease_owner FROM notices
WHERE due_us > 0 AND due_us <= ? AND (lease_until_us < ? OR lease_until_us > ?) ORDER BY due_us LIMIT 1
"""
_CLAIM = """
UPDATE notices SET lease_owner = ?, lease_until_us = ? WHERE vault_id = ? AND person = ? AND lease_owner = ?
AND sealed = ?
"""
_DONE = """
UPDATE notices SET sealed = ?, due_us = ?, lease_owner = ?, lease_until_us = 0
WHERE vault_id = ? AND person = ? AND lease_owner = ?
"""
_LATER = """
UPDATE notices SET due_us = ?, lease_owner = ?, lease_until_us = 0
WHERE vault_id = ? AND person = ? AND lease_owner = ?
"""


class MailKind(StrEnum):
    """What a mail says: a code to bring back, or that something is new."""

    CODE = "code"
    NEWS = "news"


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail to be handed over; ``id`` is the same each time that it is, and tells nothing."""

    kind: MailKind
    address: str
    id: str
    code: str = ""


class MailError(Exception):
    """The mail was not taken; it is tried again later."""


Send = Callable[[Mail], None]


@dataclass(frozen=True, slots=True)
class _Row:
    vault: bytes
    person: bytes
    sealed: bytes
    lease: bytes


class Teller:
    """Tells those who are due; any number of them may be at work on one table."""

    def __init__(self, house: House, send: Send) -> None:
        self._house = house
        self._send = send
        self._stopped = False

    def stop(self) -> None:
        """Begin with no further row."""
        self._stopped = True

    def run_waiting(self) -> None:
        """Look after what is due."""
        for row in self._claimed():
            try:
                self._look_after(row)
            except Exception as fault:  # noqa: BLE001 one vault that cannot be read holds up nobody else's
                _LOG.warning("somebody could not be told: %s", type(fault).__name__)
                later = microseconds(self._house.clock() + MAIL_EVERY)
                self._write(_LATER, (later, b"", row.vault, row.person, row.lease))

    def _claimed(self) -> Iterator[_Row]:
        for _ in range(_AT_MOST):
            row = None if self._stopped else self._house.database.write_now(self._claim)
            if row is None:
                return
            yield row

    def _claim(self, connection: Connection) -> _Row | None:
        at = self._house.clock()
        now, ahead = microseconds(at), microseconds(at + 2 * LEASE)
        found = rows(connection, _DUE, (now, now, ahead))
        if not found:
            return None
        vault, person, box, before = (bytes(one) for one in found[0])
        lease = chance(_OWNER_SIZE)
        values = (lease, microseconds(at + LEASE), vault, person, before, box)
        return _Row(vault, person, box, lease) if run(connection, _CLAIM, values).rowcount == 1 else None

    def _look_after(self, row: _Row) -> None:
        house, at = self._house, self._house.clock()
        logged = house.log.latest_head(row.vault)
        vault_state = house.database.read_now(
            lambda connection: state.load(connection, house.keystore, row.vault, logged=logged)
        )
        choice = notices.opened(vault_state.keys, row.person, row.sealed)
        if not self._may_read(choice, vault_state, at):
            return self._keep(row, vault_state.keys, choice, due_us=0)
        choice = self._caught_up(choice, row.vault)
        mail = self._mail(row, choice, at)
        if mail is not None:
            choice = self._handed_over(mail, choice, row.vault, at)
        return self._keep(row, vault_state.keys, choice, due_us=_due(choice, at))

    def _may_read(self, choice: Choice, vault_state: VaultState, at: datetime) -> bool:
        """Ask whether who chose may still read this log: a guardian's time ends, and a rule of law may change."""
        matter = Matter(_principal(choice, vault_state), self._house.subject(vault_state), Deed.READ_LOG, at)
        gate = self._house.gate
        verdict = judge(
            matter, Need.EVERY, rules=vault_state.rules, policies=gate.policies, indexes=gate.indexes
        )
        is_guardian = bytes.fromhex(choice.alias) in vault_state.profile.guardians
        return isinstance(verdict, Granted) and (not choice.relation or is_guardian)

    def _caught_up(self, choice: Choice, vault: bytes) -> Choice:
        """Look through what the log has since the last time, and note whether any of it is to be told."""
        found = self._since(vault, choice.seen)
        if not found:
            return choice
        told = notices.matching(found, choice, choice.alias)
        others = [one for one in found if notices.is_access(one, choice.alias)]
        first = notices.firsts(others, choice.first)
        pending = choice.pending or any(one.seq > choice.told for one in told)
        seen = max(one.seq for one in found)
        return msgspec.structs.replace(choice, seen=seen, first=first, pending=pending)

    def _since(self, vault: bytes, seen: int) -> list[Access]:
        found: list[Access] = []
        before: int | None = None
        while True:
            chunk = self._house.log.entries_of_vault(vault, before_seq=before, limit=_CHUNK)
            fresh = [one for one in chunk if one.seq > seen]
            found += [one for one in review.accesses(fresh) if isinstance(one, Access)]
            if len(fresh) < _CHUNK:
                return found
            before = fresh[-1].seq

    def _mail(self, row: _Row, choice: Choice, at: datetime) -> Mail | None:
        """Return the mail that is to go out now, if any."""
        if choice.code and not choice.sent:
            named = self._name(row, f"code/{choice.code_us}")
            return Mail(MailKind.CODE, choice.address, named, choice.code)
        may_again = not choice.mailed_us or at >= moment(choice.mailed_us) + MAIL_EVERY
        if choice.confirmed and choice.pending and may_again:
            return Mail(MailKind.NEWS, choice.address, self._name(row, f"news/{choice.told}"))
        return None

    def _name(self, row: _Row, what: str) -> str:
        return self._house.keystore.pseudonym(f"mail/{row.vault.hex()}/{row.person.hex()}/{what}").hex()

    def _handed_over(self, mail: Mail, choice: Choice, vault: bytes, at: datetime) -> Choice:
        """Hand a mail over; where it tells of the log, the log has it first, and then whether it was taken."""
        entry = None
        if mail.kind is MailKind.NEWS:
            entry = self._house.log.append_now(self._event(vault, at)).entry
        try:
            self._send(mail)
        except MailError:
            if entry is not None:
                refused = {"decision": Decision.REFUSE, "reason": "not-sent"}
                self._house.log.append_now(
                    self._event(vault, at, kind=EventKind.OUTCOME, outcome_of=entry, **refused)
                )
            return msgspec.structs.replace(choice, failures=choice.failures + 1)
        if mail.kind is MailKind.CODE:
            return msgspec.structs.replace(choice, sent=True, failures=0)
        done = {"mailed_us": microseconds(at), "told": choice.seen, "pending": False, "failures": 0}
        return msgspec.structs.replace(choice, **done)

    def _event(self, vault: bytes, at: datetime, **more: object) -> Event:
        given = {"kind": EventKind.NOTIFY, "activity": Activity.WRITE, **more}
        actor = Actor.of(System("notices", "the choice of one who reads this log"))
        return Event(at=at, actor=actor, vault=vault, policy_hash=self._house.gate.policies.sha256, **given)  # type: ignore[arg-type]

    def _keep(self, row: _Row, keys: VaultKeys, choice: Choice, *, due_us: int) -> None:
        box = notices.sealed(keys, row.person, choice)
        self._write(_DONE, (box, due_us, b"", row.vault, row.person, row.lease))

    def _write(self, statement: str, values: tuple[object, ...]) -> None:
        self._house.database.write_now(lambda connection: run(connection, statement, values))


def _principal(choice: Choice, vault_state: VaultState) -> Principal:
    profile = vault_state.profile
    owner = Person(vault_state.owner, profile.name, profile.birth_date, profile.protected)
    if not choice.relation:
        return Citizen(Person(bytes.fromhex(choice.alias), profile.name, profile.birth_date))
    return Proxy(
        Person(bytes.fromhex(choice.alias), "", profile.birth_date), owner, Relation(choice.relation)
    )


def _due(choice: Choice, at: datetime) -> int:
    """Return when a choice is looked at again, 0 where there is nothing to look for."""
    waits = choice.confirmed or (choice.code and not choice.sent)
    if choice.failures and waits:
        return microseconds(at + LOOK_EVERY * 2 ** min(choice.failures, _LONGEST_PAUSE))
    if choice.confirmed:
        last = moment(choice.mailed_us) + MAIL_EVERY if choice.mailed_us else at
        return microseconds(max(at + LOOK_EVERY, last))
    if waits:
        return microseconds(at + LOOK_EVERY)
    return 0 if choice.tell is Tell.EMERGENCY else microseconds(at + _FIRSTS_EVERY)
