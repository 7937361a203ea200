"""Searching the log for what somebody may see of it: a page of accesses that fit, and where to go on.

One question to the gate, one entry for having read, however many entries are looked through. What became
unreadable is left out here; ``valv audit verify`` counts it.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from audit import review
from audit.entry import Entry
from audit.events import Activity, ActorKind, EventKind
from audit.review import Access
from consent.questions import Organisation
from consent.rules import RuleSet
from identity.principal import Principal, Staff
from policies.vocabulary import Deed
from sharing.accesses import as_told, ask_as_organisation, own_organisation
from sharing.house import House

CHUNK = 200
#: How the log names a professional's look at what they themself did.
OWN = "own-accesses"
#: No search looks through more than this; it says where to go on instead.
MOST = 4000
#: How far back from a page's start the outcomes of its newest acts are looked for.
_LATER = 50

Keep = Callable[[Access], bool]
_Fetch = Callable[[int | None, int], list[Entry]]


@dataclass(frozen=True, slots=True)
class Found:
    """Accesses, newest first; ``before`` is where to go on, or None; ``rules`` are the vault's own."""

    accesses: tuple[Access, ...]
    before: int | None
    rules: RuleSet = RuleSet(0)  # noqa: RUF009 a frozen value


async def of_vault(
    house: House,
    principal: Principal,
    alias: bytes,
    *,
    keep: Keep,
    before: int | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    wanted: int = 50,
    most: int = MOST,
    subject: str = "",
    activity: Activity = Activity.READ,
) -> Found:
    """Search a vault's log for its owner or their proxy, from ``until`` no further back than ``since``.

    ``subject`` and ``activity`` tell the log what for; no more than ``most`` entries are looked through.

    Raises:
        consent.gate.Refused: the principal may not read this vault's log.
    """
    vault_state = await house.database.read(lambda connection: house.load(connection, alias))
    await house.ask(principal, vault_state, Deed.READ_LOG, EventKind.READ_LOG, activity, subject=subject)
    vault = vault_state.vault
    if until is not None:
        end = house.log.number_after(until)
        before = end if before is None else min(before, end)

    def fetch(start: int | None, limit: int) -> list[Entry]:
        entries = house.log.entries_of_vault(vault, before_seq=start, limit=limit)
        return as_told(house, principal, vault_state, entries)

    accesses, rest = await _search(fetch, keep, before, wanted, since, most)
    return Found(accesses, rest, vault_state.rules)


async def of_organisation(
    house: House,
    staff: Staff,
    *,
    keep: Keep,
    before: int | None = None,
    since: datetime | None = None,
    wanted: int = 200,
) -> Found:
    """Search what the supervisor's own organisation's staff and systems did, no further back than ``since``.

    Raises:
        consent.gate.Refused: the commission is not one of log review.
    """
    node = own_organisation(staff)
    await ask_as_organisation(
        house, staff, Organisation(node), Deed.REVIEW_LOG, EventKind.REVIEW, subject=node
    )
    identifier = node.partition(":")[2]

    def fetch(start: int | None, limit: int) -> list[Entry]:
        return house.log.entries_of_organisation(identifier, before_seq=start, limit=limit)

    def kept(access: Access) -> bool:
        return access.actor.kind in review.ORGANISED and keep(access)

    accesses, rest = await _search(fetch, kept, before, wanted, since)
    return Found(accesses, rest)


async def of_own(house: House, staff: Staff, *, before: int | None = None, wanted: int = 50) -> Found:
    """Search what a professional themself did on the commission they act on.

    Raises:
        consent.gate.Refused: not even that may be read.
    """
    provider = staff.commission.unit.provider.id
    own_acts = Organisation(own_organisation(staff), is_own=True)
    await ask_as_organisation(house, staff, own_acts, Deed.ANSWER_FOR, EventKind.READ_LOG, subject=OWN)

    def fetch(start: int | None, limit: int) -> list[Entry]:
        return house.log.entries_of_organisation(provider, before_seq=start, limit=limit)

    def own(access: Access) -> bool:
        actor = access.actor
        return (actor.kind, actor.id, actor.commission) == (ActorKind.STAFF, staff.id, staff.commission.id)

    accesses, rest = await _search(fetch, own, before, wanted, None)
    return Found(accesses, rest)


async def _search(
    fetch: _Fetch, keep: Keep, before: int | None, wanted: int, since: datetime | None, most: int = MOST
) -> tuple[tuple[Access, ...], int | None]:
    found: list[Access] = []
    newer: list[Entry] = []
    start = None if before is None else before + _LATER
    for _ in range(most // CHUNK):
        chunk = fetch(start, CHUNK)
        found += [
            one for one in _readable(chunk, newer) if (before is None or one.seq < before) and keep(one)
        ]
        if len(found) > wanted:
            return tuple(found[:wanted]), found[wanted - 1].seq
        if len(chunk) < CHUNK or (since is not None and chunk[-1].at < since):
            return tuple(found), None
        newer, start = chunk, chunk[-1].seq
        await asyncio.sleep(0)  # others' requests go on between two chunks
    return tuple(found), start


def _readable(chunk: list[Entry], newer: list[Entry]) -> Iterator[Access]:
    return (one for one in review.accesses(chunk, later=newer) if isinstance(one, Access))
