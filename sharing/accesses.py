"""Who has looked: a citizen's own log, and a supervisor's view of their organisation's staff. Asking is logged."""

import asyncio
from dataclasses import dataclass
from datetime import date, timedelta

from audit.entry import Entry
from audit.events import Activity, EventKind
from audit.evidence import Receipt, Silence
from consent.ages import start_of
from consent.gate import Ask
from consent.questions import Organisation
from consent.rules import RuleSet
from identity.principal import Principal, Staff
from policies.vocabulary import Deed
from sharing.house import House, purpose_of

#: What an entry says that a silence proof was asked for.
SILENCE = "silence"


@dataclass(frozen=True, slots=True)
class Page:
    """Entries, newest first; ``before`` is the sequence number to ask on from, or None at the end."""

    entries: tuple[Entry, ...]
    before: int | None


async def mine(
    house: House, principal: Principal, alias: bytes, *, before: int | None = None, limit: int = 200
) -> Page:
    """Return the entries about a vault to its owner or their proxy.

    Raises:
        consent.gate.Refused: the principal may not read this vault's log.
    """
    vault_state = await house.database.read(lambda connection: house.load(connection, alias))
    await house.ask(principal, vault_state, Deed.READ_LOG, EventKind.READ_LOG, Activity.READ)
    return _page(house.log.entries_of_vault(vault_state.vault, before_seq=before, limit=limit), limit)


async def receipt(house: House, principal: Principal, alias: bytes, entry_id: bytes) -> Receipt:
    """Return the receipt of an entry about a vault: its proof, and what it says.

    Raises:
        audit.errors.NoSuchEntryError: there is none of that id about this vault.
        consent.gate.Refused: the principal may not read this vault's log.
    """
    vault = await _ask(house, principal, alias, entry_id.hex())
    return await asyncio.to_thread(house.log.take_receipt, entry_id, vault=vault)


async def silence(house: House, principal: Principal, alias: bytes, first: date, last: date) -> Silence:
    """Return how many entries there are about a vault from one Swedish day to another, both counted, with proofs.

    The entry of the asking itself is what ends a period that reaches to now.

    Raises:
        audit.errors.TooManyEntriesError: there are more than one file is to hold.
        consent.gate.Refused: the principal may not read this vault's log.
    """
    vault = await _ask(house, principal, alias, SILENCE)
    end = start_of(last + timedelta(days=1))
    return await asyncio.to_thread(house.log.take_silence, vault, start_of(first), end)


async def _ask(house: House, principal: Principal, alias: bytes, subject: str) -> bytes:
    """Ask to read a vault's log, which is logged with what for; return the vault."""
    vault_state = await house.database.read(lambda connection: house.load(connection, alias))
    await house.ask(principal, vault_state, Deed.READ_LOG, EventKind.READ_LOG, Activity.READ, subject=subject)
    return vault_state.vault


async def of_organisation(house: House, staff: Staff, *, before: int | None = None, limit: int = 200) -> Page:
    """Return what the supervisor's own organisation's staff and systems did.

    Raises:
        consent.gate.Refused: the commission is not one of log review.
    """
    node = own_organisation(staff)
    asked = Ask(
        staff,
        Organisation(node),
        Deed.REVIEW_LOG,
        EventKind.REVIEW,
        Activity.READ,
        house.clock(),
        purpose=purpose_of(staff),
        subject_id=node,
    )
    await house.gate.authorize(asked, rules=RuleSet(0))
    identifier = node.partition(":")[2]
    return _page(house.log.entries_of_organisation(identifier, before_seq=before, limit=limit), limit)


def own_organisation(staff: Staff) -> str:
    """Return the node that a supervisor answers for: the region or municipality where their provider is the
    same legal person as it (same organisation number), else the provider alone.
    """  # noqa: D205
    provider = staff.commission.unit.provider
    same = provider.id.partition("-")[0] == provider.authority.id.partition("-")[0]
    return f"{provider.authority.kind}:{provider.authority.id}" if same else f"provider:{provider.id}"


def _page(entries: list[Entry], limit: int) -> Page:
    return Page(tuple(entries), entries[-1].seq if len(entries) == limit else None)
