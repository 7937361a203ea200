"""What stands in a log entry: ids, enums, rule ids, policy hash, unit, commission, purpose, counts. Never content.

HSLF-FS 2016:40 ch. 4 asks for the actions taken, the unit, the omsorgsgivare if the user came from one, the
time, the user's and the patient's identity; the words for activity and purpose are those of the national log
contract.
"""

from datetime import datetime
from enum import StrEnum
from typing import assert_never

import msgspec

from identity.principal import Citizen, Client, Principal, Proxy, Staff, System
from policies.vocabulary import Category, Purpose


class Activity(StrEnum):
    """The national log contract's activities, with those that concern the vault itself."""

    READ = "Läsa"
    WRITE = "Skriva"
    SIGN = "Signera"
    PRINT = "Utskrift"
    ATTEST = "Vidimera"
    DELETE = "Radera"
    EMERGENCY = "Nödöppning"


class EventKind(StrEnum):
    """What happened, one word a kind; published words never change meaning."""

    LOGIN = "login"
    LOGOUT = "logout"
    LOOKUP = "lookup"  # a citizen was looked up by personal number
    VIEW = "view"  # somebody was shown whose vault it is and what they may add, but no record
    CREATE_VAULT = "create-vault"
    READ = "read"
    ADD = "add"
    IMPORT = "import"
    UNDO_IMPORT = "undo-import"
    GRANT = "grant"
    REVOKE = "revoke"
    LIFT = "lift"  # a block was laid aside for a time, or put back
    CONTACT = "contact"  # somebody was listed among the contacts, or struck from them
    PAUSE = "pause"  # all sharing was paused, or taken up again
    PAPER = "paper"  # staff entered what a citizen had consented to, or blocked, on paper
    CONFIRM = "confirm"  # the citizen said that such an entry is theirs
    MOVE = "move"  # the citizen left a unit, a provider, a region or a municipality: what hung there ended
    EMERGENCY = "emergency"  # a vault was opened in an emergency (nödöppning)
    ACCESS_REQUEST = "access-request"
    READ_LOG = "read-log"
    NOTICE_CHOICE = "notice-choice"  # the citizen, or a guardian, chose what to be told of and how
    NOTIFY = "notify"  # an e-mail said that something is new
    REVIEW = "review"  # a supervisor read what an organisation's staff did
    QUESTION = "question"  # the citizen asked why somebody had looked
    CASE = "case"  # a supervisor took up an access, asked its user about it, or decided what it was
    EXPLAIN = "explain"  # the user said why
    CONTROL = "control"  # a supervisor drew what is to be reviewed, or signed what came of it
    EXPORT = "export"
    COMPACT = "compact"
    ERASE = "erase"
    OUTCOME = "outcome"  # what came of an earlier entry: counts, the new head


class Decision(StrEnum):
    """What was decided about what was asked."""

    PERMIT = "permit"
    REFUSE = "refuse"


class ActorKind(StrEnum):
    """What kind of principal acted."""

    CITIZEN = "citizen"
    PROXY = "proxy"
    STAFF = "staff"
    CLIENT = "client"
    SYSTEM = "system"


class Actor(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Who acted: log contract's user{id, name, title, assignment, care provider, care unit}.

    ``id`` is an HSA-id, a client id, or for a person the alias in hex; never a personal number.
    ``for_id`` and ``for_name`` are the citizen whom a proxy acts for. ``right`` and ``purpose`` are the commission's,
    ``licence`` the person's: what the policies ask about, so that a decision can be made again. Fields stand in the
    order of their names, in which an entry's bytes have them.
    """

    authority_id: str = ""
    authority_kind: str = ""
    commission: str = ""
    for_id: str = ""
    for_name: str = ""
    id: str
    kind: ActorKind
    licence: str = ""
    name: str
    provider_id: str = ""
    provider_kind: str = ""
    provider_name: str = ""
    purpose: str = ""
    right: str = ""
    title: str = ""
    unit_id: str = ""
    unit_name: str = ""

    @classmethod
    def of(cls, principal: Principal) -> "Actor":
        """Describe a principal."""
        match principal:
            case Citizen(person):
                return cls(kind=ActorKind.CITIZEN, id=person.alias.hex(), name=person.name)
            case Proxy(person, citizen, relation):
                return cls(
                    kind=ActorKind.PROXY,
                    id=person.alias.hex(),
                    name=person.name,
                    title=relation,
                    for_id=citizen.alias.hex(),
                    for_name=citizen.name,
                )
            case Staff():
                commission, unit = principal.commission, principal.commission.unit
                return cls(
                    kind=ActorKind.STAFF,
                    id=principal.id,
                    name=principal.name,
                    title=principal.title,
                    licence=principal.licence,
                    commission=commission.id,
                    right=commission.right,
                    purpose=commission.purpose,
                    unit_id=unit.id,
                    unit_name=unit.name,
                    provider_id=unit.provider.id,
                    provider_name=unit.provider.name,
                    provider_kind=unit.provider.kind,
                    authority_id=unit.provider.authority.id,
                    authority_kind=unit.provider.authority.kind,
                )
            case Client():
                return cls(
                    kind=ActorKind.CLIENT,
                    id=principal.id,
                    name=principal.name,
                    provider_id=principal.provider.id,
                    provider_name=principal.provider.name,
                    provider_kind=principal.provider.kind,
                    authority_id=principal.provider.authority.id,
                    authority_kind=principal.provider.authority.kind,
                )
            case System(name, mandate):
                return cls(kind=ActorKind.SYSTEM, id=name, name=name, title=mandate)
            case _:
                assert_never(principal)


class HeadRef(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A vault's head as a leaf states it: version (from 1) and SHA-256 of the head statement."""

    version: int
    digest: bytes


class Event(
    msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, tag_field="v", tag=1
):
    """One thing that happened. ``vault`` is the vault id (16 bytes) or None where no vault is concerned.

    ``rules`` are the ids of the rules that decided, ``rules_version`` the version of the vault's rules by which it was
    decided (0: by none); ``reason`` is a closed word for a refusal, or for a case's step; ``counts``
    maps a closed word (``records``, ``segments``, ``stored`` ...) to a number; ``outcome_of`` is the id of
    the entry whose outcome this is; ``head`` the vault's head after the change; ``policy_hash`` the hex
    SHA-256 of the policy set in force; ``document`` the SHA-256 of a document that was signed or confirmed. ``subject``
    is a further id that the event is about (a rule id, an import id, a request id).
    """

    kind: EventKind
    activity: Activity
    at: datetime
    actor: Actor
    vault: bytes | None = None
    purpose: Purpose | None = None
    categories: tuple[Category, ...] = ()
    decision: Decision = Decision.PERMIT
    reason: str = ""
    rules: tuple[str, ...] = ()
    rules_version: int = 0
    policy_hash: str = ""
    subject: str = ""
    counts: dict[str, int] = {}
    outcome_of: bytes | None = None
    head: HeadRef | None = None
    document: bytes | None = None
