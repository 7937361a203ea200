"""What the verifier can find, and the report of it (audit/verify.py). Nothing here is shared with the log."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

MOST_FINDINGS = 1000


class Fault(StrEnum):
    """What can be wrong with a log, in a sentence each."""

    UNREADABLE = "the database cannot be read to its end"
    FOREIGN_CODE = "the database holds a trigger, a view or a filter on the log's tables, or lacks a table"
    INCONSISTENT_FILE = "tables and indexes do not agree: the database's own check, or a count, finds it so"
    NO_OUTSIDE = "no valid checkpoint outside the database: nothing shows that the log was not rolled back"
    MALFORMED_NOTE = "not a checkpoint"
    OTHER_ORIGIN = "a checkpoint of another log"
    UNKNOWN_KEY = "a checkpoint signed by an unknown key"
    BAD_SIGNATURE = "a checkpoint whose signature does not hold"
    MISPLACED = "a checkpoint kept under another size than its own"
    NOT_COSIGNED = "no checkpoint that this witness has cosigned"
    REFUSED_BY_WITNESS = "a witness has refused the log, as rolled back or forked; a person must find out why"
    BEHIND = "the log has fewer entries than a signed checkpoint: it was truncated or rolled back"
    OTHER_ROOT = "the entries are not those that were signed: changed, moved, added or removed"
    GAP = "entries are missing: the sequence has a gap"
    MALFORMED_ROW = "a column has not the form of the specification"
    CHANGED_ROW = "the entry's columns do not hash to its stored leaf hash"
    CHANGED_BODY = "the sealed body is not the one that was logged"
    NO_BODY = "the sealed body is gone before its time"
    WRONG_BODY = "the opened body does not match its commitment, or states another head"
    TIME_BACK = "time goes backwards"
    NODE = "a stored node of the tree is wrong, missing or superfluous"
    TIP = "the stored tip is not the tree's edge"
    VAULT_GAP = "an entry of this vault is missing or out of order: its running number has a gap"
    HEAD_BACK = "the vault's head goes backwards, or two heads have one version"
    VAULT_BEHIND = "the vault's stored head is older than the log, or another of the same version"


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault, where it is, and what more can be said."""

    where: str
    fault: Fault
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.fault}" + (f" ({self.detail})" if self.detail else "")


@dataclass(slots=True)
class Findings:
    """The first thousand; ``more`` counts the rest."""

    findings: list[Finding] = field(default_factory=list)
    more: int = 0

    def add(self, where: str, fault: Fault, detail: str = "") -> None:
        """Note a finding."""
        self.extend(Findings([Finding(where, fault, detail)]))

    def extend(self, others: "Findings") -> None:
        """Note another part's findings after one's own."""
        room = MOST_FINDINGS - len(self.findings)
        self.findings += others.findings[:room]
        self.more += len(others.findings[room:]) + others.more


@dataclass(slots=True)
class Report(Findings):
    """What was verified, and every finding."""

    entries: int = 0
    root: bytes = b""
    checkpoints: int = 0  # notes whose signature holds
    anchored: int = 0  # entries covered by the newest checkpoint outside the database
    cosigned_at: datetime | None = None  # when a witness that was named signed last
    opened: int = 0  # bodies held against their commitment
    gone: int = 0  # bodies gone in their time
    waiting: int = 0  # entries written but not yet sequenced: no part of the tree
    waiting_since: datetime | None = None  # the oldest of them

    @property
    def is_sound(self) -> bool:
        """Tell whether nothing was found."""
        return not self.findings
