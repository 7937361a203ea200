"""What the owner allowed or blocked: one rule, parsed and well-formed, and the set of a vault's rules."""

from dataclasses import dataclass
from datetime import date, datetime

from policies.vocabulary import Action, Category, Effect, GranteeKind, Purpose


class RuleError(Exception):
    """A rule that cannot be: the text says which field and why, in words for the one who wrote it."""


@dataclass(frozen=True, slots=True)
class Grantee:
    """Whom a rule names.

    ``id``: HSA-id (person, unit, provider, region, municipality), ``<unit HSA-id>/<title>`` (role), client id
    (client), empty (network).
    """

    kind: GranteeKind
    id: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One allow or block. Empty ``codes`` and ``purposes`` mean all; ``categories`` and ``actions`` never
    are empty (nothing is not permission).

    ``data_from``/``data_to`` bound the records' own dates (both included); ``valid_from <= t < valid_to``
    bounds when the rule is in force. ``author`` names who made it (alias in hex) and ``created`` when.
    """  # noqa: D205

    id: str
    effect: Effect
    grantee: Grantee
    actions: frozenset[Action]
    categories: frozenset[Category]
    created: datetime
    author: str
    codes: frozenset[str] = frozenset()
    purposes: frozenset[Purpose] = frozenset()
    data_from: date | None = None
    data_to: date | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if not self.actions:
            raise RuleError("actions: at least one of read, add")
        if not self.categories:
            raise RuleError("categories: at least one")
        if (self.grantee.kind is GranteeKind.NETWORK) != (not self.grantee.id):
            raise RuleError("grantee.id: needed for every kind but network")
        if self.data_from and self.data_to and self.data_to < self.data_from:
            raise RuleError("data_to: before data_from")
        if self.valid_from and self.valid_to and self.valid_to <= self.valid_from:
            raise RuleError("valid_to: not after valid_from")

    def in_force(self, at: datetime) -> bool:
        """Tell whether the rule holds at a moment."""
        return (self.valid_from is None or self.valid_from <= at) and (
            self.valid_to is None or at < self.valid_to
        )


@dataclass(frozen=True, slots=True)
class RuleSet:
    """A vault's rules at one version, as the vault's head authenticates them."""

    version: int
    rules: tuple[Rule, ...] = ()
