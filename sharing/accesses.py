"""Who has looked: a citizen's own log, and a supervisor's view of their organisation's staff. Asking is logged."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta

import msgspec

from audit.entry import Entry
from audit.events import Activity, Actor, ActorKind, Event, EventKind
from audit.evidence import Receipt, Silence
from consent.ages import start_of
from consent.gate import Ask, Authorization
from consent.judge import Granted, Matter, Need, judge
from consent.questions import Organisation
from consent.rules import RuleSet
from identity.directory import Directory
from identity.principal import CommissionRight, Principal, Staff
from policies.vocabulary import Deed
from sharing.house import House, purpose_of
from vault.state import VaultState

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
    entries = house.log.entries_of_vault(vault_state.vault, before_seq=before, limit=limit)
    return _page(as_told(house, principal, vault_state, entries), limit)


async def receipt(house: House, principal: Principal, alias: bytes, entry_id: bytes) -> Receipt:
    """Return the receipt of an entry about a vault: its proof, and what it says.

    An opening is whole or not at all, so where the policies keep a name back it is left out.

    Raises:
        audit.errors.NoSuchEntryError: there is none of that id about this vault.
        consent.gate.Refused: the principal may not read this vault's log.
    """
    vault_state = await _ask(house, principal, alias, entry_id.hex())
    vault = vault_state.vault
    taken = await asyncio.to_thread(house.log.take_receipt, entry_id, vault=vault)
    entry = house.log.entry(entry_id, vault=vault)
    (told,) = as_told(house, principal, vault_state, [entry])
    return taken if told == entry else replace(taken, opening=b"")


async def silence(house: House, principal: Principal, alias: bytes, first: date, last: date) -> Silence:
    """Return how many entries there are about a vault from one Swedish day to another, both counted, with proofs.

    The entry of the asking itself is what ends a period that reaches to now.

    Raises:
        audit.errors.TooManyEntriesError: there are more than one file is to hold.
        consent.gate.Refused: the principal may not read this vault's log.
    """
    vault = (await _ask(house, principal, alias, SILENCE)).vault
    end = start_of(last + timedelta(days=1))
    return await asyncio.to_thread(house.log.take_silence, vault, start_of(first), end)


async def _ask(house: House, principal: Principal, alias: bytes, subject: str) -> VaultState:
    """Ask to read a vault's log, which is logged with what for; return the vault's state."""
    vault_state = await house.database.read(lambda connection: house.load(connection, alias))
    await house.ask(principal, vault_state, Deed.READ_LOG, EventKind.READ_LOG, Activity.READ, subject=subject)
    return vault_state


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


def as_told(
    house: House, principal: Principal, vault_state: VaultState, entries: Iterable[Entry]
) -> list[Entry]:
    """Return entries of a vault as their reader is told of staff: by name, or where policy says so by role and unit.

    One whose name is kept back stands there under a tag that is theirs in this vault alone, so that it can be told
    whether it was the same. Who opened in an emergency is named whatever the policies say: it is owed an explanation.
    """
    listed = list(entries)
    asked = Matter(principal, house.subject(vault_state), Deed.KNOW_STAFF, house.clock())
    gate = house.gate
    verdict = judge(asked, Need.EVERY, rules=vault_state.rules, policies=gate.policies, indexes=gate.indexes)
    if isinstance(verdict, Granted):
        return listed
    return [replace(one, event=event_as_told(house, one.event)) for one in listed]


def event_as_told(house: House, event: Event | None) -> Event | None:
    """Return an entry's event without the name of staff."""
    if event is None or event.actor.kind is not ActorKind.STAFF or event.activity is Activity.EMERGENCY:
        return event
    vault = (event.vault or b"").hex()
    tag = house.keystore.pseudonym(f"staff-of/{vault}/{event.actor.id}/{event.actor.commission}").hex()
    hidden = msgspec.structs.replace(
        event.actor, id="", name=event.actor.title, title="", commission=tag, licence=""
    )
    return msgspec.structs.replace(event, actor=hidden)


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


def supervisors_of(directory: Directory, node: str) -> frozenset[str]:
    """Return the employees who may review for an organisation, by id: those with a commission of log review there."""
    return frozenset(
        member.id
        for member in directory.members.values()
        for one in member.commissions
        if one.right is CommissionRight.LOG_REVIEW
        and own_organisation(Staff(member.id, member.name, member.title, member.licence, one)) == node
    )


def _page(entries: list[Entry], limit: int) -> Page:
    return Page(tuple(entries), entries[-1].seq if len(entries) == limit else None)
