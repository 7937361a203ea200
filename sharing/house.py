"""What every use case stands on, and what they all do alike: find, load, ask the gate, say what came of it.

A citizen who has no vault is answered by the *decoy*, a real and empty vault made at installation, so that
absence takes the very same steps as a lack of consent.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection

from audit.events import Activity, Actor, Event, EventKind, HeadRef
from audit.log import AuditLog
from consent.gate import Ask, Authorization, Gate
from consent.judge import Need
from consent.nodes import NETWORK, owner_node, proxy_node, standing
from consent.questions import Subject
from consent.recipients import guardian_window, recipients
from consent.rules import RuleSet
from identity.directory import Directory
from identity.principal import Citizen, Client, Principal, Proxy, Staff, System
from keys.envelope import Window
from keys.keystore import KeyStore
from policies.deadlines import Deadlines
from policies.sampling import Criteria
from policies.signals import Tunings
from policies.vocabulary import Action, Category, Deed, Purpose
from sharing.aside import aside
from sharing.casebook import Casebooks
from vault import state
from vault.change import Change
from vault.database import Database, cursor_of
from vault.errors import Finding, TamperedError
from vault.naming import INTAKE_DRAWER, DrawerName
from vault.record import Author, AuthorKind
from vault.state import Drawer, VaultState

T = TypeVar("T")
Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class House:
    """The dependencies, built once (app/wiring.py)."""

    database: Database
    keystore: KeyStore
    log: AuditLog
    gate: Gate
    directory: Callable[[], Directory]
    decoy: bytes
    clock: Clock
    deadlines: Deadlines
    sampling: Criteria
    signals: Tunings
    casebooks: Casebooks = field(default_factory=Casebooks)

    def locate(self, connection: Connection, alias: bytes) -> bytes:
        """Return the vault that an alias leads to, or the decoy."""
        return state.find(connection, alias) or self.decoy

    def load(self, connection: Connection, alias: bytes) -> VaultState:
        """Find, load and verify a vault inside a snapshot.

        1. the vault is found in a snapshot of its own, 2. the log is asked for its newest head, and only then
        3. the caller's snapshot begins with its first row: a change committed in between makes the vault newer
        than the log said, never older. 4. The vault must be this person's own: whoever can write the database
        could else lead one person's alias to another's vault.
        """
        vault = self.database.look_now(lambda earlier: self.locate(earlier, alias))
        loaded = state.load(connection, self.keystore, vault, logged=self.log.latest_head(vault))
        return self._own(loaded, alias)

    async def look(self, alias: bytes, work: Callable[[Connection, VaultState], T], *, is_long: bool) -> T:
        """Do the same for what only reads, by ``vault.database.rows``; aside, where it reads for long.

        Nearly always nobody changes the vault meanwhile. So each statement is first its own snapshot, and the head
        tells whether what they found belongs together and is not older than the log. Where it does not, all is asked
        again as :meth:`load` does it, of one moment; what then does not fit was tampered with.
        """

        def found(connection: Connection) -> T:
            try:
                vault, row = state.fetch(connection, alias, self.decoy)
                logged = self.log.latest_head(vault, beside=cursor_of(connection))
                loaded = state.verified(row, vault, self.keystore, logged=logged)
                return work(connection, self._own(loaded, alias))
            except TamperedError:
                vault = self.locate(connection, alias)
                logged = self.log.latest_head(vault)
            with self.database.snapshot(connection):
                loaded = state.load(connection, self.keystore, vault, logged=logged)
                return work(connection, self._own(loaded, alias))

        if is_long:
            return await aside(lambda: self.database.look_now(found))
        return await self.database.look(found)

    def _own(self, loaded: VaultState, alias: bytes) -> VaultState:
        if loaded.vault != self.decoy and loaded.owner != alias:
            raise TamperedError(Finding.FOREIGN_ALIAS)
        return loaded

    def may_fit(
        self,
        principal: Principal,
        vault_state: VaultState,
        action: Action,
        categories: Iterable[Category],
        purpose: Purpose | None = None,
    ) -> tuple[Category, ...]:
        """Return the categories that any allow of the citizen's could let staff into; all, for others.

        Only these are worth loading, and where none fits, the decoy and a citizen who did not consent take the
        same steps. The gate decides all the same.
        """
        if not isinstance(principal, Staff):
            return tuple(categories)
        index = self.gate.indexes.of(vault_state.vault, vault_state.rules)
        who, at, why = standing(principal), self.clock(), purpose or purpose_of(principal)
        return tuple(one for one in categories if index.match(who, action, one, why, at).allows)

    def change(self, connection: Connection, vault: bytes, at: datetime) -> Change:
        """Begin a change inside a write transaction."""
        return Change(connection, self.keystore, vault, logged=self.log.latest_head(vault), at=at)

    def wanted(
        self, vault_state: VaultState, name: DrawerName, at: datetime, *, rules: RuleSet | None = None
    ) -> Mapping[str, Window]:
        """Return who may hold a drawer's key at a moment, under the vault's own rules or those given."""
        profile, vault = vault_state.profile, vault_state.vault
        window = guardian_window(profile.birth_date)
        guardians = () if profile.protected else profile.guardians
        proxies = tuple((proxy_node(vault, guardian), window) for guardian in guardians)
        if name == INTAKE_DRAWER:
            return {owner_node(vault): Window(), **dict(proxies)}
        directory = self.directory()
        return recipients(
            vault_state.rules if rules is None else rules,
            Category(name),
            vault=vault,
            at=at,
            proxies=proxies,
            units_of_person=directory.units_of_person,
            above=lambda node: (*directory.above(node), NETWORK),
        )

    async def ask(
        self,
        principal: Principal,
        vault_state: VaultState,
        deed: Deed,
        kind: EventKind,
        activity: Activity,
        *,
        categories: tuple[Category, ...] = (),
        purpose: Purpose | None = None,
        subject: str = "",
        need: Need = Need.EVERY,
        drawers: Mapping[DrawerName, Drawer] | None = None,
        opened: datetime | None = None,
    ) -> Authorization:
        """Ask the gate: may this principal do this deed? What is permitted is in the log when this returns.

        Raises:
            consent.gate.Refused: no; the log has that too.
            audit.errors.LogUnavailableError: nothing could be written down, so nothing is permitted.
        """
        asked = Ask(
            principal,
            self.subject(vault_state),
            deed,
            kind,
            activity,
            self.clock(),
            purpose=purpose or purpose_of(principal),
            categories=categories,
            subject_id=subject,
            opened=opened,
        )
        opens = {
            name: tuple((drawer.id, generation) for generation in drawer.publics)
            for name, drawer in (drawers or {}).items()
        }
        return await self.gate.authorize(asked, rules=vault_state.rules, drawers=opens, need=need)

    def subject(self, vault_state: VaultState) -> Subject:
        """Return what the gate needs to know of a vault."""
        profile = vault_state.profile
        return Subject(vault_state.vault, vault_state.owner, profile.birth_date, profile.protected)

    def outcome(
        self, authorization: Authorization, counts: Mapping[str, int], head: HeadRef | None = None
    ) -> Event:
        """Return the event that says what came of an authorized one, with the new head if there is one."""
        ask = authorization.ask
        return Event(
            kind=EventKind.OUTCOME,
            activity=ask.activity,
            at=self.clock(),
            actor=Actor.of(ask.principal),
            vault=authorization.receipt.vault or None,
            purpose=ask.purpose,
            categories=authorization.categories,
            policy_hash=self.gate.policies.sha256,
            subject=ask.subject_id,
            counts=dict(counts),
            outcome_of=authorization.receipt.entry,
            head=head,
        )

    async def changed(self, authorization: Authorization, head: HeadRef, counts: Mapping[str, int]) -> None:
        """Write a committed change's outcome with the vault's new head; await it before any reply."""
        await self.log.append(self.outcome(authorization, counts, head))


def purpose_of(principal: Principal) -> Purpose | None:
    """Return the purpose that a request has where it names none: the commission's; a client's is care."""
    match principal:
        case Staff():
            return principal.commission.purpose
        case Client():
            return Purpose.CARE
        case Citizen() | Proxy() | System():
            return None


def author_of(principal: Principal) -> Author:
    """Return how a principal stands as the author of what they add."""
    match principal:
        case Citizen(person):
            return Author(AuthorKind.CITIZEN, person.alias.hex(), person.name)
        case Proxy(person, _, relation):
            return Author(AuthorKind.PROXY, person.alias.hex(), person.name, relation)
        case Staff():
            unit, named = principal.commission.unit, f"{principal.name}, {principal.title}"
            return Author(
                AuthorKind.PROFESSIONAL,
                principal.id,
                named,
                unit.name,
                unit=unit.id,
                provider=unit.provider.id,
            )
        case Client(id=identifier, name=name, provider=provider):
            return Author(AuthorKind.CLIENT, identifier, name, provider.name, provider=provider.id)
        case System():
            raise TypeError("the product itself writes no records")
