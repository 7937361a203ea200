"""Who must be able to open a category's keys: the owner, proxies, and the narrowest node that a grant names.

This is consent a second time, apart from the policies: a key is wrapped to these and to nobody else, so that
a mistake in policy code alone opens nothing. What is finer than node and category (one person, a code, dates,
a purpose) is the gate's matter only.
"""

from collections.abc import Callable, Iterable
from datetime import date, datetime
from typing import assert_never

from consent.ages import birthday, start_of
from consent.nodes import node_of, owner_node
from consent.rules import Grantee, Rule
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
    rules: tuple[Rule, ...],
    category: Category,
    *,
    vault: bytes,
    at: datetime,
    proxies: Iterable[tuple[str, Window]] = (),
    units_of_person: UnitsOfPerson,
    above: Above = _nothing_above,
) -> dict[str, Window]:
    """Return the recipient ids of a category's keys and the window in which each may open.

    1. the owner, always and for ever; 2. each proxy in its window; 3. for each allow of reading that is not
    over, the nodes it names, in the hull of their rules' windows; 4. less the nodes that are blocked whole,
    themselves or by what they lie under (``above``), now and with no end. A block with an end takes no wrap
    away, since no job would put it back; the gate holds it.
    """
    fit = [rule for rule in rules if Action.READ in rule.actions and category in rule.categories]
    found = {owner_node(vault): Window()}
    found |= {name: window for name, window in proxies if not _over(window, at)}
    blocked = {node_of(rule.grantee) for rule in fit if _blocks_whole(rule, at)}
    for rule in fit:
        window = Window(rule.valid_from, rule.valid_to)
        if rule.effect is not Effect.ALLOW or _over(window, at):
            continue
        for node in _nodes(rule.grantee, units_of_person):
            if blocked.isdisjoint((node, *above(node))):
                found[node] = _hull(found[node], window) if node in found else window
    return found


def guardian_window(birth_date: date) -> Window:
    """Return the window of a guardian's wrap: it ends as the child's 13th birthday begins, Swedish time."""
    return Window(None, start_of(birthday(birth_date, GUARDIAN_ENDS)))


def _nodes(grantee: Grantee, units_of_person: UnitsOfPerson) -> tuple[str, ...]:
    match grantee.kind:
        case GranteeKind.UNIT | GranteeKind.PROVIDER | GranteeKind.REGION | GranteeKind.MUNICIPALITY:
            return (node_of(grantee),)
        case GranteeKind.ROLE:
            return (node_of(Grantee(GranteeKind.UNIT, grantee.id.partition("/")[0])),)
        case GranteeKind.PERSON:
            return tuple(node_of(Grantee(GranteeKind.UNIT, unit)) for unit in units_of_person(grantee.id))
        case GranteeKind.NETWORK | GranteeKind.CLIENT:
            return ()  # no directory names a network's members yet; a client system never reads
        case _:
            assert_never(grantee.kind)


def _blocks_whole(rule: Rule, at: datetime) -> bool:
    bounds = (rule.data_from, rule.data_to, rule.valid_to)
    whole = not rule.codes and not rule.purposes and bounds == (None, None, None)
    return rule.effect is Effect.BLOCK and whole and rule.in_force(at)


def _over(window: Window, at: datetime) -> bool:
    return window.not_after is not None and window.not_after <= at


def _hull(one: Window, other: Window) -> Window:
    starts, ends = (one.not_before, other.not_before), (one.not_after, other.not_after)
    return Window(
        None if None in starts else min(start for start in starts if start is not None),
        None if None in ends else max(end for end in ends if end is not None),
    )
