"""The compiled index of one vault's rules: bitsets over whom, action, category and purpose, then the windows.

Rule *i* is bit *i* of Python integers, so that a question is a few ANDs whatever the number of rules. The
index is a cache of a :class:`~consent.rules.RuleSet` and never its source: it is used only for the very rules
it was compiled from, so that a change is seen by the next request of every process.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from consent.nodes import NETWORK, Standing, node_of, rule_node
from consent.recent import Recent
from consent.rules import Rule, RuleSet
from policies.vocabulary import Action, Category, Effect, GranteeKind, Purpose

#: Who is named so is known to the citizen; a provider's or a region's staff need not be.
_CLOSE = frozenset({GranteeKind.UNIT, GranteeKind.ROLE, GranteeKind.PERSON})


@dataclass(frozen=True, slots=True)
class Match:
    """The rules that fit a question, in the order of the set; whether who asks is a contact, or named in an allow."""

    allows: tuple[Rule, ...] = ()
    denies: tuple[Rule, ...] = ()
    related: bool = False


class Index:
    """One rule set, compiled."""

    __slots__ = (
        "_actions",
        "_allows",
        "_any_purpose",
        "_bounded",
        "_categories",
        "_contacts",
        "_purposes",
        "_related",
        "_subjects",
        "rules",
    )

    def __init__(self, rules: RuleSet) -> None:
        self.rules = rules
        self._subjects: dict[str, int] = {}
        self._actions: dict[Action, int] = {}
        self._categories: dict[Category, int] = {}
        self._purposes: dict[Purpose, int] = {}
        self._any_purpose = self._allows = self._bounded = self._related = 0
        self._contacts = {node_of(one.grantee): one for one in rules.contacts}
        for position, rule in enumerate(rules.rules):
            self._add(1 << position, rule)

    def match(
        self, who: Standing, action: Action, category: Category, purpose: Purpose | None, at: datetime
    ) -> Match:
        """Return the allows and the blocks that are in force and fit."""
        related = self._is_related(who, at)
        named = self._of((*who.named, NETWORK) if related else who.named)
        fit = self._actions.get(action, 0) & self._categories.get(category, 0) & (named | self._of(who.under))
        fit &= self._any_purpose | (0 if purpose is None else self._purposes.get(purpose, 0))
        if not related:
            fit &= ~self._related
        for position in _bits(fit & self._bounded):
            if not _holds(self.rules.rules[position], who, at):
                fit &= ~(1 << position)
        allows = self._pick(0 if self.rules.paused else fit & self._allows & named)
        related = related or any(rule.grantee.kind in _CLOSE for rule in allows)
        return Match(allows, self._pick(fit & ~self._allows), related)

    def _is_related(self, who: Standing, at: datetime) -> bool:
        """Tell whether the owner lists one of the nodes among their contacts."""
        found = (self._contacts.get(node) for node in who.named) if self._contacts else ()
        return any(one is not None and one.in_force(at) for one in found)

    def _add(self, bit: int, rule: Rule) -> None:
        node = rule_node(rule)
        self._subjects[node] = self._subjects.get(node, 0) | bit
        for action in rule.holds_for:
            self._actions[action] = self._actions.get(action, 0) | bit
        for category in rule.categories:
            self._categories[category] = self._categories.get(category, 0) | bit
        for purpose in rule.purposes:
            self._purposes[purpose] = self._purposes.get(purpose, 0) | bit
        if not rule.purposes:
            self._any_purpose |= bit
        if rule.effect is Effect.ALLOW:
            self._allows |= bit
        if rule.valid_from is not None or rule.valid_to is not None or rule.spares or rule.lifts:
            self._bounded |= bit
        if rule.while_related:
            self._related |= bit

    def _of(self, nodes: Iterable[str]) -> int:
        found = 0
        for node in nodes:
            found |= self._subjects.get(node, 0)
        return found

    def _pick(self, bits: int) -> tuple[Rule, ...]:
        return tuple(self.rules.rules[position] for position in _bits(bits))


def _holds(rule: Rule, who: Standing, at: datetime) -> bool:
    """Tell whether a rule is in force, and neither spares who asks nor is laid aside for them."""
    return (
        rule.in_force(at)
        and not any(node_of(one) in who.named for one in rule.spares)
        and not any(
            at < one.until and (one.grantee is None or node_of(one.grantee) in who.named)
            for one in rule.lifts
        )
    )


def _bits(bits: int) -> Iterator[int]:
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest


class Indexes:
    """The indexes of the vaults lately asked about, at most ``limit`` of them.

    The key is (vault, rules version), and the rules themselves are compared too: a version that a rolled-back
    transaction had used must not be mistaken for the one that was committed.
    """

    def __init__(self, *, limit: int = 2048) -> None:
        self._recent = Recent[Index](limit)

    def of(self, vault: bytes, rules: RuleSet) -> Index:
        """Return the index of exactly these rules, compiling where the one at hand is of others."""
        index = self._recent.get(vault)
        if index is None or index.rules != rules:
            index = Index(rules)
        self._recent.keep(vault, index)
        return index
