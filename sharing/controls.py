"""What log review keeps: draws and control records, as documents whose digests stand in the log.

A document is sealed under a key of the organisation's and never changed: it is found by its SHA-256, which the log
has in the outcome of the entry that it was made under. One whose row is gone is still listed, as gone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from msgspec.structs import replace
from sqlalchemy import Connection, insert

from audit import review
from audit.events import Decision, EventKind
from audit.review import Access
from consent.gate import Authorization
from consent.questions import Organisation
from identity.principal import Staff
from keys import envelope
from keys.envelope import context, microseconds
from keys.primitives import KeysError
from policies.vocabulary import Deed
from sharing.accesses import ask_as_organisation, own_organisation
from sharing.aside import aside
from sharing.house import House
from sharing.tables import ControlRow
from vault.database import rows

_CONTROLS = ControlRow.__table__  # type: ignore[attr-defined]
_FIND = "SELECT sealed FROM controls WHERE digest = ?"


class Kind(StrEnum):
    """What kind of document it is: the reason of its entry in the log."""

    DRAW = "draw"
    RECORD = "record"


class NoSuchControlError(LookupError):
    """This organisation has no such document; nothing tells whether another has."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A document as the log knows it: who made it and when, its digest, and what it holds.

    ``content`` is None where nothing was finished, or where the document is gone or is not what was logged.
    """

    made: Access
    content: bytes | None

    @property
    def document(self) -> bytes:
        """The digest; empty where nothing was finished."""
        return self.made.document or b""


async def keep(
    house: House, begun: Authorization, node: str, content: bytes, counts: Mapping[str, int]
) -> bytes:
    """Keep a document and log its digest as the outcome of what it was made under; return the digest."""
    document = sha256(content).digest()
    row = {
        "digest": document,
        "sealed": envelope.seal_box(_key(house, node), content, bound_to=context("control", document)),
        "created_us": microseconds(begun.receipt.at),
    }
    await house.database.write(lambda connection: connection.execute(insert(_CONTROLS).values(row)))
    await house.log.append(replace(house.outcome(begun, counts), document=document))
    return document


async def all_of(house: House, staff: Staff, kind: Kind) -> tuple[Kept, ...]:
    """Return an organisation's documents of a kind, newest first, to its supervisor.

    Raises:
        consent.gate.Refused: the commission is not one of log review.
    """
    node = own_organisation(staff)
    await ask_as_organisation(
        house, staff, Organisation(node), Deed.REVIEW_LOG, EventKind.REVIEW, subject=kind
    )
    return await aside(lambda: _all_of(house, node, kind))


async def find(house: House, staff: Staff, kind: Kind, document: bytes) -> Kept:
    """Return one document that is there.

    Raises:
        NoSuchControlError: there is none of that kind and digest.
        consent.gate.Refused: the commission is not one of log review.
    """
    for one in await all_of(house, staff, kind):
        if one.document == document and one.content is not None:
            return one
    raise NoSuchControlError


def _all_of(house: House, node: str, kind: Kind) -> tuple[Kept, ...]:
    entries = house.casebooks.of(house.log, node.partition(":")[2])
    made = [
        one
        for one in review.accesses(entries)
        if isinstance(one, Access) and _is_control(one) and one.reason == kind
    ]
    return house.database.look_now(
        lambda connection: tuple(Kept(one, _content(connection, house, node, one)) for one in reversed(made))
    )


def _is_control(access: Access) -> bool:
    return access.kind is EventKind.CONTROL and access.decision is Decision.PERMIT


def _content(connection: Connection, house: House, node: str, made: Access) -> bytes | None:
    if made.document is None:
        return None
    found = rows(connection, _FIND, (made.document,))
    if not found:
        return None
    try:
        content = envelope.open_box(
            _key(house, node), found[0][0], bound_to=context("control", made.document)
        )
    except KeysError:
        return None
    return content if sha256(content).digest() == made.document else None


def _key(house: House, node: str) -> bytes:
    return house.keystore.service_key(f"controls/{node}")
