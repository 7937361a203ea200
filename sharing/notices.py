"""Notices by choice: what a person wants to be told of in a vault's log, where, and what of it is new to them.

The log is the truth: a notice is an access that stands there, and that somebody has seen it, an entry of their own.
What is kept beside it is the choice, sealed under the vault's rules key: how much, an address that counts once a code
sent there has come back, and how far the log was looked through. Emergencies are told to all; nobody is asked.
"""

import itertools
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import Connection

from audit.events import Activity, ActorKind, Decision, EventKind
from audit.review import Access
from identity.principal import Citizen, Proxy
from keys.envelope import context, microseconds, open_box, seal_box
from keys.keystore import KeyStore, VaultKeys
from keys.primitives import CannotOpenError, MalformedError, chance, same
from policies.vocabulary import Deed
from sharing.house import House
from vault.database import rows, run

#: How the log names a look at what is new.
LOOKED = "notices"
CODE_HOLDS = timedelta(minutes=30)
#: No code is sent more often, so that nobody fills a stranger's mailbox from here.
CODE_EVERY = timedelta(minutes=2)
_CODE_TRIES = 5
_LONGEST = 254  # of an address, RFC 5321 4.5.3.1.3
ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", re.ASCII)
_ACCESSES = frozenset(
    {EventKind.READ, EventKind.VIEW, EventKind.ADD, EventKind.EXPORT, EventKind.PAPER, EventKind.EMERGENCY}
)

_ONE = "SELECT sealed FROM notices WHERE vault_id = ? AND person = ?"
_PUT = """
INSERT INTO notices (vault_id, person, sealed, due_us, lease_owner, lease_until_us) VALUES (?, ?, ?, ?, ?, 0)
ON CONFLICT (vault_id, person) DO UPDATE SET sealed = excluded.sealed, due_us = excluded.due_us,
lease_owner = excluded.lease_owner, lease_until_us = 0
"""


class NoticeError(Exception):
    """What was posted cannot be; the text is a closed word."""


class Tell(StrEnum):
    """How much somebody wants to be told of; each holds those after it."""

    EVERY = "every"  # every access by a person, and every first one of an organisation
    FIRST = "first"  # the first access of each organisation
    EMERGENCY = "emergency"  # emergency openings only


class Choice(
    msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, tag_field="v", tag=1
):
    """One person's choice and how far it has come. ``relation`` is as what they act, empty for the owner.

    ``seen`` is up to which entry the log was looked through, ``first`` the first entry of each organisation in it;
    ``told`` up to which entry the last mail told, ``pending`` whether there is more since. ``code`` waits to come back
    from ``address``; ``sent`` tells that it was sent.
    """

    alias: str
    relation: str = ""
    tell: Tell = Tell.EMERGENCY
    address: str = ""
    confirmed: bool = False
    code: str = ""
    code_us: int = 0
    sent: bool = False
    tries: int = 0
    seen: int = -1
    told: int = -1
    mailed_us: int = 0
    pending: bool = False
    failures: int = 0
    first: dict[str, int] = {}

    @property
    def awaits_code(self) -> bool:
        """Tell whether a code is on its way to the address, or there."""
        return bool(self.code)


@dataclass(frozen=True, slots=True)
class News:
    """What somebody is told of, newest first, and how many of the first of it they have not looked at yet."""

    accesses: tuple[Access, ...]
    unseen: int


def person_tag(keystore: KeyStore, alias: bytes) -> bytes:
    """Return the tag under which a person's choice stands, the same in every vault."""
    return keystore.pseudonym(f"notices-of/{alias.hex()}")


# --- what is told


def news(accesses: Iterable[Access], choice: Choice, reader: str) -> News:
    """Return what is told of accesses (newest first), and how much of it is newer than the reader's last look."""
    listed = list(accesses)
    told = matching(listed, choice, reader)
    fresh = {one.id for one in itertools.takewhile(lambda one: not is_look(one, reader), listed)}
    return News(tuple(told), sum(one.id in fresh for one in told))


def before_this_look(accesses: Iterable[Access], reader: str) -> list[Access]:
    """Return accesses (newest first) without the reader's newest look: the one by which they are looking now."""
    listed = list(accesses)
    now = next((place for place, one in enumerate(listed) if is_look(one, reader)), len(listed))
    return listed[:now] + listed[now + 1 :]


def matching(accesses: Iterable[Access], choice: Choice, reader: str) -> list[Access]:
    """Return those of accesses (newest first) that a choice asks for."""
    listed = [one for one in accesses if is_access(one, reader)]
    first = firsts(listed, choice.first)
    return [one for one in listed if _is_told(one, choice.tell, first)]


def is_access(access: Access, reader: str) -> bool:
    """Tell whether somebody else got at the vault's data."""
    actor = access.actor
    return (
        access.decision is Decision.PERMIT
        and access.kind in _ACCESSES
        and actor.kind in {ActorKind.STAFF, ActorKind.CLIENT, ActorKind.PROXY}
        and actor.id != reader
        and (bool(access.categories) or access.kind in {EventKind.EMERGENCY, EventKind.PAPER})
    )


def is_look(access: Access, reader: str) -> bool:
    """Tell whether an entry says that this very person looked at what is new."""
    return (access.kind, access.subject, access.actor.id) == (EventKind.READ_LOG, LOOKED, reader)


def firsts(accesses: Iterable[Access], known: Mapping[str, int]) -> dict[str, int]:
    """Return the first entry of each organisation: those known, and of accesses (newest first) those that are not."""
    found: dict[str, int] = {}
    for one in accesses:
        if one.actor.provider_id:
            found[one.actor.provider_id] = one.seq
    return {**found, **known}


def _is_told(access: Access, tell: Tell, first: Mapping[str, int]) -> bool:
    is_first = bool(access.actor.provider_id) and first[access.actor.provider_id] == access.seq
    match tell:
        case _ if access.kind is EventKind.EMERGENCY:
            return True
        case Tell.EMERGENCY:
            return False
        case Tell.FIRST:
            return is_first
        case Tell.EVERY:
            return is_first or not access.is_automatic


# --- the choice


async def choice_of(house: House, principal: Citizen | Proxy, alias: bytes) -> Choice:
    """Return what a person chose; who never did is told of emergencies. It is their own: no record is read."""
    own = principal.person.alias

    def work(connection: Connection) -> Choice:
        return find(connection, house.keystore, house.load(connection, alias).keys, own)

    found = await house.database.read(work)
    return found if found.relation == _relation(principal) else _fresh(principal)


def find(connection: Connection, keystore: KeyStore, keys: VaultKeys, alias: bytes) -> Choice:
    """Return a person's choice; one that does not open is none."""
    tag = person_tag(keystore, alias)
    found = rows(connection, _ONE, (keys.vault, tag))
    if not found:
        return Choice(alias.hex())
    try:
        return opened(keys, tag, bytes(found[0][0]))
    except (CannotOpenError, MalformedError, msgspec.MsgspecError):
        return Choice(alias.hex())


async def choose(
    house: House, principal: Citizen | Proxy, alias: bytes, tell: Tell, address: str | None
) -> Choice:
    """Keep a choice. A new address gets a code first; an empty one ends all mail; None leaves it as it was.

    Raises:
        NoticeError: ``address`` is none, or a code was just sent.
        consent.gate.Refused: the principal may not read this vault's log, and so is not told of it.
    """
    if address and (len(address) > _LONGEST or ADDRESS.fullmatch(address) is None):
        raise NoticeError("address")
    at_us, code = microseconds(house.clock()), f"{int.from_bytes(chance(8)) % 10**6:06d}"

    def change(before: Choice) -> Choice:
        told = _changed(before, tell=tell)
        if address is None or (address == before.address and before.confirmed):
            return told
        if not address:
            return _changed(told, address="", confirmed=False, code="")
        if before.code_us > 0 and 0 <= at_us - before.code_us < _us(CODE_EVERY):
            if address == before.address:
                return told
            raise NoticeError("wait")
        new = {"address": address, "confirmed": False, "code": code, "code_us": at_us}
        return _changed(told, **new, sent=False, tries=0, failures=0)

    return await _keep(house, principal, alias, change)


async def confirm(house: House, principal: Citizen | Proxy, alias: bytes, code: str) -> None:
    """Take the code that came to the address; what comes from now on is told there.

    Raises:
        NoticeError: it is not the code, it is too old, or it was tried too often.
        consent.gate.Refused: the principal may not read this vault's log.
    """
    at_us, newest = microseconds(house.clock()), house.log.number_after(house.clock()) - 1

    def change(before: Choice) -> Choice:
        is_open = before.code and at_us - before.code_us <= _us(CODE_HOLDS) and before.tries < _CODE_TRIES
        if is_open and same(before.code.encode(), code.encode()):
            return _changed(before, confirmed=True, code="", sent=False, told=newest, pending=False)
        return _changed(before, tries=before.tries + 1)

    if not (await _keep(house, principal, alias, change)).confirmed:
        raise NoticeError("code")


async def _keep(
    house: House, principal: Citizen | Proxy, alias: bytes, change: Callable[[Choice], Choice]
) -> Choice:
    """Change a person's choice as it is at that moment, once the gate has let them."""
    vault_state = await house.database.read(lambda connection: house.load(connection, alias))
    await house.ask(principal, vault_state, Deed.READ_LOG, EventKind.NOTICE_CHOICE, Activity.WRITE)
    due = microseconds(house.clock())

    def work(connection: Connection) -> Choice:
        found = find(connection, house.keystore, vault_state.keys, principal.person.alias)
        before = found if found.relation == _relation(principal) else _fresh(principal)
        changed = change(before)
        put(connection, house.keystore, vault_state.keys, changed, due)
        return changed

    return await house.database.write(work)


def _changed(choice: Choice, **fields: Any) -> Choice:
    return msgspec.structs.replace(choice, **fields)


def _us(span: timedelta) -> int:
    return span // timedelta(microseconds=1)


def put(connection: Connection, keystore: KeyStore, keys: VaultKeys, choice: Choice, due_us: int) -> None:
    """Write a choice; whoever works on the row has lost it."""
    tag = person_tag(keystore, bytes.fromhex(choice.alias))
    run(connection, _PUT, (keys.vault, tag, sealed(keys, tag, choice), due_us, b""))


def sealed(keys: VaultKeys, tag: bytes, choice: Choice) -> bytes:
    """Seal a choice into its place."""
    return seal_box(keys.rules, msgspec.json.encode(choice), bound_to=context("notice", keys.vault, tag))


def opened(keys: VaultKeys, tag: bytes, box: bytes) -> Choice:
    """Open a sealed choice.

    Raises:
        CannotOpenError, MalformedError: it is not of this place.
    """
    return msgspec.json.decode(
        open_box(keys.rules, box, bound_to=context("notice", keys.vault, tag)), type=Choice
    )


def _relation(principal: Citizen | Proxy) -> str:
    return str(principal.relation) if isinstance(principal, Proxy) else ""


def _fresh(principal: Citizen | Proxy) -> Choice:
    return Choice(principal.person.alias.hex(), _relation(principal))
