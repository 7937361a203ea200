"""What was said in cases of log review: the citizen's question, the supervisor's, the explanation, the decision.

The log says that a step was taken, by whom and when; here is what they wrote, sealed under a key of the organisation's
that answers for the access, bound to the step's entry. A row that is lost takes words away and no step; one that was
changed, or laid to another step, does not open.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import msgspec
from sqlalchemy import Connection, insert

from consent.rules import RuleError
from keys import envelope
from keys.envelope import context, microseconds, moment
from keys.primitives import KeysError
from keys.receipt import Receipt
from sharing.house import House
from sharing.tables import CaseWordsRow
from vault.database import rows

_WORDS = CaseWordsRow.__table__  # type: ignore[attr-defined]
_SELECT = "SELECT entry_id, access_id, sealed, created_us FROM case_words WHERE"
_OF_ACCESS = f"{_SELECT} access_id = ? ORDER BY created_us"
_OF_STREAM = f"{_SELECT} stream = ? ORDER BY created_us DESC"
_NEWEST = "SELECT max(created_us) FROM case_words WHERE stream = ?"
#: No stream: it is found by its access alone.
NOBODY = bytes(16)
SHORTEST, LONGEST = 10, 2000  # characters


class Step(StrEnum):
    """Which step the words belong to."""

    QUESTION = "question"  # the citizen's
    ASKED = "asked"
    EXPLAINED = "explained"
    DECIDED = "decided"


class Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What one step said. ``measures`` and ``answer`` (to the citizen who asked) are a decision's."""

    step: Step
    by: str
    text: str = ""
    measures: str = ""
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """Words as they were kept: at which step (its entry) of the case about which access, and when."""

    entry: bytes
    access: bytes
    at: datetime
    words: Words


def checked(text: str, *, field: str) -> str:
    """Return what somebody wrote as it is kept, its lines as they were.

    Raises:
        RuleError: it is too short to say anything, or too long; the text names the field.
    """
    kept = "\n".join(" ".join(line.split()) for line in text.strip().splitlines())
    if not SHORTEST <= len(kept) <= LONGEST:
        raise RuleError(f"{field}: {SHORTEST} to {LONGEST} characters")
    return kept


async def keep(
    house: House, node: str, receipt: Receipt, *, access: bytes, stream: bytes, words: Words
) -> None:
    """Keep the words of a step that the log has."""
    created_us = microseconds(receipt.at)
    bound = _bound(receipt.entry, access, created_us)
    row = {
        "entry_id": receipt.entry,
        "access_id": access,
        "stream": stream,
        "sealed": envelope.seal_box(_key(house, node), msgspec.json.encode(words), bound_to=bound),
        "created_us": created_us,
    }
    await house.database.write(lambda connection: connection.execute(insert(_WORDS).values(row)))


def of_access(connection: Connection, house: House, node: str, access: bytes) -> list[Said]:
    """Return what was said of an access, in order."""
    return _opened(house, node, rows(connection, _OF_ACCESS, (access,)))


def of_stream(connection: Connection, house: House, node: str, stream: bytes) -> list[Said]:
    """Return what somebody is to find, newest first."""
    return _opened(house, node, rows(connection, _OF_STREAM, (stream,)))


def newest_of(connection: Connection, stream: bytes) -> datetime | None:
    """Return when the newest words of a stream were kept."""
    newest = rows(connection, _NEWEST, (stream,))[0][0]
    return None if newest is None else moment(newest)


def waiting(told: Iterable[Said]) -> tuple[Said, ...]:
    """Return the questions of what was said, in order, that no decision came after."""
    found: list[Said] = []
    for said in told:
        if said.words.step is Step.QUESTION:
            found.append(said)
        elif said.words.step is Step.DECIDED:
            found.clear()
    return tuple(found)


def questions_to(house: House, node: str) -> bytes:
    """Return the stream of citizens' questions to an organisation."""
    return house.keystore.pseudonym(f"case-questions/{node}")


def asked_of(house: House, node: str, employee: str) -> bytes:
    """Return the stream of what an employee was asked by an organisation."""
    return house.keystore.pseudonym(f"case-asked/{node}/{employee}")


def _opened(house: House, node: str, found: Iterable[tuple[bytes, bytes, bytes, int]]) -> list[Said]:
    """Open what can be opened: what was tampered with says nothing."""
    key, opened = _key(house, node), []
    for entry, access, sealed, created_us in found:
        try:
            plain = envelope.open_box(key, sealed, bound_to=_bound(entry, access, created_us))
        except KeysError:
            continue
        opened.append(Said(entry, access, moment(created_us), msgspec.json.decode(plain, type=Words)))
    return opened


def _bound(entry: bytes, access: bytes, created_us: int) -> bytes:
    return context("case-words", entry, access, created_us)


def _key(house: House, node: str) -> bytes:
    return house.keystore.service_key(f"case-words/{node}")
