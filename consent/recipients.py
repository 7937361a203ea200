"""Who must be able to open a category's keys: the owner, proxies, and the narrowest node that a grant names.

This is consent a second time, apart from the policies: a key is wrapped to these and to nobody else, so that
a mistake in policy code alone opens nothing. What is finer than node and category (one person, a code, dates,
a purpose) is the gate's matter only.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import assert_never

from consent.ages import birthday, start_of
from consent.nodes import emergency_node, node_of, owner_node, proxy_node
from consent.rules import NAMELESS, Grantee, Rule, RuleSet
from keys.envelope import Window
from policies.vocabulary import Action, Category, Effect, GranteeKind

#: The age at which a guardian's access ends, as ``policies/guardian.cedar`` says too (a test compares them).
GUARDIAN_ENDS = 13

#: Gives the HSA-ids of the units of a person's (employee HSA-id's) commissions.
UnitsOfPerson = Callable[[str], tuple[str, ...]]

#: Gives the nodes that a node lies under: a unit's provider and authority, and the network.
Above = Callable[[str], tuple[str, ...]]


def _nothing_above(_: str) -> tuple[str, ...]:
    return ()


def recipients(
    rules: RuleSet,
    category: Category,
    *,
    vault: bytes,
    at: datetime,
    proxies: Iterable[tuple[str, Window]] = (),
    units_of_person: UnitsOfPerson,
    above: Above = _nothing_above,
) -> dict[str, Window]:
    """Return the recipient ids of a category's keys and the window in which each may open.

    1. the owner, always and for ever; 2. each proxy in its window; 3. emergency access, unless the owner said no to it
    or to all; 4. while sharing is not paused, for each allow of reading that is not over, the nodes it names, in the
    hull of their rules' windows; 5. less the nodes that are blocked whole, themselves or by what they lie under
    (``above``), now and with no end. A block with an end takes no wrap away, since no job would put it back; the gate
    holds it. A block laid aside gives a wrap for as long.
    """
    fit = [rule for rule in rules.rules if Action.READ in rule.holds_for and category in rule.categories]
    found = {owner_node(vault): Window()}
    found |= {name: window for name, window in proxies if not _over(window, at)}
    blocks = [rule for rule in fit if _blocks_whole(rule, at)]
    if not any(rule.grantee.kind in NAMELESS and not rule.spares and not rule.lifts for rule in blocks):
        found[emergency_node(vault)] = Window()
    if rules.paused is None:
        map_ = _Map(vault, rules, at, units_of_person, above)
        for rule in fit:
            if rule.effect is Effect.ALLOW:
                for node, window in map_.wraps_of(rule, blocks):
                    found[node] = _hull(found[node], window) if node in found else window
    return found


def guardian_window(birth_date: date) -> Window:
    """Return the window of a guardian's wrap: it ends as the child's 13th birthday begins, Swedish time."""
    return Window(None, start_of(birthday(birth_date, GUARDIAN_ENDS)))


@dataclass(frozen=True, slots=True)
class _Map:
    """What lies where, for whom, at one moment."""

    vault: bytes
    rules: RuleSet
    at: datetime
    units_of_person: UnitsOfPerson
    above: Above

    def wraps_of(self, rule: Rule, blocks: Collection[Rule]) -> Iterator[tuple[str, Window]]:
        """Yield the nodes that an allow needs wraps for, each in its window; none that are over."""
        for node, bounds in self._nodes(rule.grantee):
            for related in self._relations(node) if rule.while_related else [Window()]:
                window = _common(_common(Window(rule.valid_from, rule.valid_to), bounds), related)
                for block in blocks:
                    window = _common(window, self._left_by(block, node))
                if not _over(window, self.at):
                    yield node, window

    def _nodes(self, grantee: Grantee) -> Iterator[tuple[str, Window]]:
        """Yield the nodes whose keys open for a grantee, and when."""
        match grantee.kind:
            case GranteeKind.UNIT | GranteeKind.PROVIDER | GranteeKind.REGION | GranteeKind.MUNICIPALITY:
                yield node_of(grantee), Window()
            case GranteeKind.ROLE:
                yield node_of(Grantee(GranteeKind.UNIT, grantee.id.partition("/")[0])), Window()
            case GranteeKind.PERSON:
                for unit in self.units_of_person(grantee.id):
                    yield node_of(Grantee(GranteeKind.UNIT, unit)), Window()
            case GranteeKind.PROXY:
                yield proxy_node(self.vault, bytes.fromhex(grantee.id)), Window()
            case GranteeKind.NETWORK:
                for contact in self.rules.contacts:
                    for node, _ in self._nodes(contact.grantee):
                        yield node, Window(contact.since, contact.until)
            case GranteeKind.CLIENT | GranteeKind.EMERGENCY:
                return  # a client system never reads; emergency access is not granted
            case _:
                assert_never(grantee.kind)

    def _relations(self, node: str) -> Iterator[Window]:
        """Yield the windows of the contacts that lie at, over or under a node."""
        for contact in self.rules.contacts:
            for other, _ in self._nodes(contact.grantee):
                if node == other or other in self.above(node) or node in self.above(other):
                    yield Window(contact.since, contact.until)

    def _left_by(self, block: Rule, node: str) -> Window:
        """Return when a whole block leaves a node: always, never, or while it is laid aside.

        Who acts for the owner is none of the staff and systems that a block of the network stops.
        """
        over = (node,) if node.startswith(f"{GranteeKind.PROXY}:") else (node, *self.above(node))
        if node_of(block.grantee) not in over or any(self._meets(one, node) for one in block.spares):
            return Window()
        lifts = [one.until for one in block.lifts if one.grantee is None or self._meets(one.grantee, node)]
        return Window(None, max(lifts, default=self.at))

    def _meets(self, grantee: Grantee, node: str) -> bool:
        """Tell whether a grantee lies at, over or under a node, so that somebody opens by the node's key."""
        return any(
            node == other or other in self.above(node) or node in self.above(other)
            for other, _ in self._nodes(grantee)
        )


def _blocks_whole(rule: Rule, at: datetime) -> bool:
    whole = rule.takes_all and not rule.purposes and rule.valid_to is None
    return rule.effect is Effect.BLOCK and whole and rule.in_force(at)


def _over(window: Window, at: datetime) -> bool:
    start, end = window.not_before, window.not_after
    return end is not None and (end <= at or (start is not None and end <= start))


def _common(one: Window, other: Window) -> Window:
    """Return the time that lies in both windows."""
    starts = [start for start in (one.not_before, other.not_before) if start is not None]
    ends = [end for end in (one.not_after, other.not_after) if end is not None]
    return Window(max(starts, default=None), min(ends, default=None))


def _hull(one: Window, other: Window) -> Window:
    starts, ends = (one.not_before, other.not_before), (one.not_after, other.not_after)
    return Window(
        None if None in starts else min(start for start in starts if start is not None),
        None if None in ends else max(end for end in ends if end is not None),
    )
