"""The one gate: nothing of a vault is released, changed or shown but by an :class:`Authorization` made here.

1. the matter is decided by the law and the citizen's rules (:mod:`consent.judge`, pure),
2. the decision, permit or refusal, is made durable in the log, with what it opens,
3. only then an Authorization with the log's receipt is returned, or :class:`Refused` raised.

A log that fails lets nothing through: its error goes on, and nothing is returned. A citizen who has no vault
takes the same steps as one who did not consent, against :data:`~consent.questions.NOBODY`; who is outside
sees the same refusal, and the cause stands in the log alone. The receipt opens nothing that no wrap was made
for: :mod:`consent.recipients` is consent a second time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol, assert_never

from msgspec.structs import replace

from audit.events import Activity, Actor, Decision, Event, EventKind
from consent.index import Indexes
from consent.judge import Denied, Granted, Matter, Need, judge
from consent.nodes import recipients_of
from consent.questions import NOBODY, Acts, Organisation, Subject
from consent.rules import RuleSet
from consent.scope import Scope
from identity.principal import CommissionRight, Principal, Staff
from keys.receipt import Opens, Receipt
from policies.engine import Policies
from policies.vocabulary import Category, Deed, Purpose

#: The drawers of a vault that a request would open, by name: (drawer id, generation) pairs.
Drawers = Mapping[str, tuple[tuple[bytes, int], ...]]

#: What the citizen's rules have a say in.
_BY_RULES = frozenset({Deed.READ, Deed.ADD, Deed.MANAGE})
_NO_DRAWERS: Drawers = MappingProxyType({})


class Log(Protocol):
    """What the gate needs of the log (``audit.log.AuditLog``): a durable entry, or an error."""

    async def append(self, event: Event, *, opens: Opens = ...) -> Receipt:
        """Return once the entry is on disk."""


class NextStep(StrEnum):
    """What a refused one may do next; it depends on who asks for what, never on whom they ask about."""

    ASK_FOR_ACCESS = "ask-for-access"
    NOTHING = "nothing"


class Refused(Exception):  # noqa: N818 a refusal is an answer, not a fault
    """The answer is no. It tells nothing of why, nor of whether there is anything; the log does."""

    def __init__(self, next_step: NextStep) -> None:
        super().__init__("refused")
        self.next_step = next_step


class NotAuthorizedError(Exception):
    """A stage reached for a category that its Authorization does not hold: a fault in our own code."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked of the gate, and how it is to stand in the log.

    ``subject`` is None for a citizen who has no vault; an :class:`Organisation` goes with ``review-log``,
    :class:`Acts` with ``own-log``, and neither with anything else. ``categories`` are needed for ``read`` and
    ``add``; for other deeds they are told to the log only. ``subject_id`` names a further thing the event is about (a
    rule, an import, a request). ``opened`` is when the emergency opening was made under which it is asked. ``reason``
    is a closed word that the entry of what is permitted bears (a case's outcome); a refusal has its own.
    """

    principal: Principal
    subject: Subject | Organisation | Acts | None
    deed: Deed
    kind: EventKind
    activity: Activity
    at: datetime
    purpose: Purpose | None = None
    categories: tuple[Category, ...] = ()
    subject_id: str = ""
    opened: datetime | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        if self.at.tzinfo is None:
            raise ValueError("a time without a zone")
        if (self.deed is Deed.REVIEW_LOG) != isinstance(self.subject, Organisation):
            raise ValueError("an organisation goes with review-log and with nothing else")
        if (self.deed is Deed.OWN_LOG) != isinstance(self.subject, Acts):
            raise ValueError("a professional's acts go with own-log and with nothing else")


@dataclass(frozen=True, slots=True)
class Authorization:
    """The proof that the next stage demands: what was asked was permitted, and the log has it.

    ``categories`` are the permitted ones, ``scopes`` what of each (``read`` and ``add`` only), ``rules`` the
    ids of the citizen's rules that decided. Where an emergency is not to tell of what is blocked, nothing may be in
    them: the log then has a refusal. Only :meth:`Gate.authorize` makes one.
    """

    ask: Ask
    receipt: Receipt
    categories: tuple[Category, ...] = ()
    scopes: Mapping[Category, Scope] = field(default_factory=dict)
    rules: tuple[str, ...] = ()

    def scope(self, category: Category) -> Scope:
        """Return what of a category is open.

        Raises:
            NotAuthorizedError: nothing is.
        """
        try:
            return self.scopes[category]
        except KeyError:
            raise NotAuthorizedError(f"no authorization for {category}") from None


@dataclass(frozen=True, slots=True)
class Gate:
    """The gate with what it decides by and writes to; built once a process."""

    policies: Policies
    log: Log
    indexes: Indexes = field(default_factory=Indexes)

    async def authorize(
        self, ask: Ask, *, rules: RuleSet, drawers: Drawers = _NO_DRAWERS, need: Need = Need.EVERY
    ) -> Authorization:
        """Decide, write it down, and only then let through.

        ``rules`` are the vault's, read and opened in the same snapshot as the sealed bytes; for nobody's
        vault they are not looked at. ``drawers`` are what a ``read`` would open, or what the owner's matter
        (``manage``, ``block``) touches; for other deeds they are not looked at.

        Raises:
            Refused: it is not permitted, and that may be told. The refusal stands in the log already.
        """
        about = NOBODY if ask.subject is None else ask.subject
        in_force = RuleSet(0) if ask.subject is None else rules
        matter = Matter(ask.principal, about, ask.deed, ask.at, ask.purpose, ask.categories, ask.opened)
        verdict = judge(matter, need, rules=in_force, policies=self.policies, indexes=self.indexes)
        version = in_force.version if ask.deed in _BY_RULES else 0
        match verdict:
            case Granted(scopes, decided):
                categories = tuple(scopes) if scopes else ask.categories
                event = self._event(ask, about, categories, decided, version)
                receipt = await self.log.append(event, opens=_opens(ask, categories, drawers))
                return Authorization(ask, receipt, categories, MappingProxyType(scopes), decided)
            case Denied(reason, decided, is_silent):
                refusal = self._event(ask, about, ask.categories, decided, version)
                refusal = replace(refusal, decision=Decision.REFUSE, reason=reason)
                receipt = await self.log.append(refusal, opens=Opens())
                if is_silent:
                    return Authorization(ask, receipt)  # to nothing: the receipt names no drawer
                raise Refused(next_step(ask.principal, ask.deed))
            case _:
                assert_never(verdict)

    def _event(
        self,
        ask: Ask,
        about: Subject | Organisation | Acts,
        categories: tuple[Category, ...],
        rules: tuple[str, ...],
        version: int,
    ) -> Event:
        return Event(
            kind=ask.kind,
            activity=ask.activity,
            at=ask.at,
            actor=Actor.of(ask.principal),
            vault=about.vault if isinstance(about, Subject) else None,
            purpose=ask.purpose,
            categories=categories,
            rules=rules,
            rules_version=version,
            policy_hash=self.policies.sha256,
            subject=ask.subject_id,
            reason=ask.reason,
        )


def _opens(ask: Ask, categories: tuple[Category, ...], drawers: Drawers) -> Opens:
    """Announce the drawers to the holder's keys: those permitted to read, or all that the owner's own matter
    (re-wrapping for a rule, undoing an import) touches; for any other deed nothing.
    """  # noqa: D205
    match ask.subject, ask.deed:
        case Subject(vault=vault, alias=owner), Deed.READ:
            wanted = tuple(pair for category in categories for pair in drawers.get(category, ()))
            urgent = ask.opened is not None
            return Opens(recipients_of(ask.principal, vault, owner=owner, emergency=urgent), wanted)
        case Subject(vault=vault, alias=owner), Deed.MANAGE | Deed.BLOCK:
            return Opens(
                recipients_of(ask.principal, vault, owner=owner),
                tuple(pair for pairs in drawers.values() for pair in pairs),
            )
        case _:
            return Opens()


def next_step(principal: Principal, deed: Deed) -> NextStep:
    """Return what one who is refused a deed may do next, whoever it is about and whatever stopped it."""
    match principal, deed:
        case Staff() as staff, Deed.READ | Deed.ADD if staff.commission.right is CommissionRight.CARE:
            return NextStep.ASK_FOR_ACCESS
        case _:
            return NextStep.NOTHING
