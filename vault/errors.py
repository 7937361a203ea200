"""What vault/ raises; delivery turns each into a status in one table, and no cause leaves the house."""

from enum import StrEnum


class VaultError(Exception):
    """Base of the family."""


class Finding(StrEnum):
    """What a head check found. The words stand in the operator's log and in tests, never in a reply."""

    FORGED_HEAD = "forged-head"  # the statement's MAC is not ours
    OLDER_HEAD = "older-head"  # the log knows a newer version
    OTHER_HEAD = "other-head"  # the log knows another statement of the same version
    CHANGED_RULES = "changed-rules"
    MISSING_RULE_VERSION = "missing-rule-version"
    CHANGED_RULE_VERSION = "changed-rule-version"
    REORDERED_RULE_VERSIONS = "reordered-rule-versions"
    CHANGED_PROFILE = "changed-profile"
    CHANGED_PUBLIC_HALF = "changed-public-half"
    CHANGED_WRAPS = "changed-wraps"
    CHANGED_MANIFEST = "changed-manifest"
    FORGED_SEGMENT = "forged-segment"
    MISSING_SEGMENT = "missing-segment"
    MISSING_VAULT = "missing-vault"  # the log has a head for it, the database no row
    FOREIGN_ALIAS = "foreign-alias"  # a person's alias leads to another's vault


class TamperedError(VaultError):
    """The stored rows are not those that the head authenticates; nothing of the vault is opened."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding)
        self.finding = finding


class NoVaultError(VaultError):
    """There is no such vault. Outside it looks like a refusal."""


class MovedOnError(VaultError):
    """A segment is gone since its vault was loaded: its records stand elsewhere now, or were removed."""


class NoKeyError(VaultError):
    """None of the asker's recipients has a wrap for the drawer: no consent, no wrap."""


class MalformedRecordError(VaultError):
    """A record cannot be stored; the text names the field."""
