"""The compiled index of one vault's rules: bitsets over whom, action, category and purpose, then the windows.

Rule *i* is bit *i* of Python integers, so that a question is a few ANDs whatever the number of rules. The
index is a cache of a :class:`~consent.rules.RuleSet` and never its source: it is used only for the very rules
it was compiled from, so that a change is seen by the next request of every process.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from consent.nodes import Standing, node_of
from consent.recent import Recent
from consent.rules import Rule, RuleSet
from policies.vocabulary import Action, Category, Effect, Purpose


@dataclass(frozen=True, slots=True)
class Match:
    """The rules that fit a question, in the order of the set."""

    allows: tuple[Rule, ...] = ()
    denies: tuple[Rule, ...] = ()


class Index:
    """One rule set, compiled."""

    __slots__ = (
        "_actions",
        "_allows",
        "_any_purpose",
        "_bounded",
        "_categories",
        "_purposes",
        "_subjects",
        "rules",
    )

    def __init__(self, rules: RuleSet) -> None:
        self.rules = rules
        self._subjects: dict[str, int] = {}
        self._actions: dict[Action, int] = {}
        self._categories: dict[Category, int] = {}
        self._purposes: dict[Purpose, int] = {}
        self._any_purpose = self._allows = self._bounded = 0
        for position, rule in enumerate(rules.rules):
            self._add(1 << position, rule)

    def match(
        self, who: Standing, action: Action, category: Category, purpose: Purpose | None, at: datetime
    ) -> Match:
        """Return the allows and the blocks that are in force and fit."""
        named, under = self._of(who.named), self._of(who.under)
        fit = self._actions.get(action, 0) & self._categories.get(category, 0) & (named | under)
        fit &= self._any_purpose | (0 if purpose is None else self._purposes.get(purpose, 0))
        for position in _bits(fit & self._bounded):
            if not self.rules.rules[position].in_force(at):
                fit &= ~(1 << position)
        return Match(self._pick(fit & self._allows & named), self._pick(fit & ~self._allows))

    def _add(self, bit: int, rule: Rule) -> None:
        node = node_of(rule.grantee)
        self._subjects[node] = self._subjects.get(node, 0) | bit
        for action in rule.actions:
            self._actions[action] = self._actions.get(action, 0) | bit
        for category in rule.categories:
            self._categories[category] = self._categories.get(category, 0) | bit
        for purpose in rule.purposes:
            self._purposes[purpose] = self._purposes.get(purpose, 0) | bit
        if not rule.purposes:
            self._any_purpose |= bit
        if rule.effect is Effect.ALLOW:
            self._allows |= bit
        if rule.valid_from is not None or rule.valid_to is not None:
            self._bounded |= bit

    def _of(self, nodes: Iterable[str]) -> int:
        found = 0
        for node in nodes:
            found |= self._subjects.get(node, 0)
        return found

    def _pick(self, bits: int) -> tuple[Rule, ...]:
        return tuple(self.rules.rules[position] for position in _bits(bits))


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
