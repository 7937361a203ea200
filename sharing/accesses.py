"""Who has looked: a citizen's own log, and a supervisor's view of their organisation's staff. Asking is logged."""

import asyncio
from dataclasses import dataclass

from audit.entry import Entry
from audit.events import Activity, Actor, EventKind
from consent.gate import Ask, Authorization
from consent.questions import Organisation
from consent.rules import RuleSet
from identity.principal import Principal, Staff
from policies.vocabulary import Deed
from sharing.house import House, purpose_of


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


async def proof(house: House, principal: Principal, alias: bytes, entry_id: bytes) -> str:
    """Return the proof that an entry about a vault stands in the log (C2SP tlog-proof).

    Raises:
        audit.errors.NoSuchEntryError: there is none of that id about this vault.
        consent.gate.Refused: the principal may not read this vault's log.
    """
    vault_state = await house.database.read(lambda connection: house.load(connection, alias))
    subject = entry_id.hex()
    await house.ask(principal, vault_state, Deed.READ_LOG, EventKind.READ_LOG, Activity.READ, subject=subject)
    house.log.entry(entry_id, vault=vault_state.vault)
    await asyncio.to_thread(house.log.checkpoint)
    return house.log.inclusion(entry_id).text()


async def of_organisation(house: House, staff: Staff, *, before: int | None = None, limit: int = 200) -> Page:
    """Return what the supervisor's own organisation's staff and systems did.

    Raises:
        consent.gate.Refused: the commission is not one of log review.
    """
    node = own_organisation(staff)
    await ask_as_organisation(
        house, staff, Organisation(node), Deed.REVIEW_LOG, EventKind.REVIEW, subject=node
    )
    identifier = node.partition(":")[2]
    return _page(house.log.entries_of_organisation(identifier, before_seq=before, limit=limit), limit)


async def ask_as_organisation(
    house: House,
    staff: Staff,
    about: Organisation,
    deed: Deed,
    kind: EventKind,
    activity: Activity = Activity.READ,
    *,
    subject: str,
    reason: str = "",
) -> Authorization:
    """Ask the gate about an organisation's log; what is permitted is in the log when this returns.

    Raises:
        consent.gate.Refused: no; the log has that too.
    """
    asked_for = Ask(
        staff,
        about,
        deed,
        kind,
        activity,
        house.clock(),
        purpose=purpose_of(staff),
        subject_id=subject,
        reason=reason,
    )
    return await house.gate.authorize(asked_for, rules=RuleSet(0))


def own_organisation(staff: Staff) -> str:
    """Return the node that a supervisor answers for: the region or municipality where their provider is the
    same legal person as it (same organisation number), else the provider alone.
    """  # noqa: D205
    return organisation_of(Actor.of(staff))


def organisation_of(actor: Actor) -> str:
    """Return the node whose supervisors answer for what staff or a client system did."""
    same = actor.provider_id.partition("-")[0] == actor.authority_id.partition("-")[0]
    return f"{actor.authority_kind}:{actor.authority_id}" if same else f"provider:{actor.provider_id}"


def _page(entries: list[Entry], limit: int) -> Page:
    return Page(tuple(entries), entries[-1].seq if len(entries) == limit else None)
