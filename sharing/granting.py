"""The citizen's rules: list, see what one would change, make one, take one back.

A change of rules is whole: rule, wraps and head in one transaction. It opens the touched drawers' private halves
by the owner's own receipt, so that new recipients get wraps; and where a wrap is wider than what the rules now
want, a new generation takes over, every segment is re-sealed to it, and the old generation is destroyed.
"""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from audit.events import Activity, EventKind, HeadRef
from consent.codec import rule_to_json
from consent.gate import Authorization
from consent.rules import Rule, RuleError, RuleSet
from identity.principal import Principal
from keys.primitives import PrivateKey
from policies.vocabulary import Action, Category, Deed, Effect, GranteeKind
from sharing.house import House
from vault import state
from vault.change import StaleGenerationError
from vault.naming import DrawerName
from vault.opening import Opening
from vault.state import Drawer, VaultState

_TRIES = 4
MOST_RULES = 1000


class NoSuchRuleError(Exception):
    """The vault has no rule of that id."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What a change of rules does to one node: categories it may read or add that it could not, or no longer."""

    node: str
    name: str
    gains: dict[Action, tuple[Category, ...]]
    loses: dict[Action, tuple[Category, ...]]


def new_rule_id() -> str:
    """Return a new rule's id: 32 hex digits."""
    return secrets.token_hex(16)


async def rules_of(house: House, principal: Principal, alias: bytes) -> RuleSet:
    """Return the vault's rules to one who may manage them; no drawer is opened."""
    vault_state = await house.database.read(lambda connection: house.load(connection, alias))
    await house.ask(principal, vault_state, Deed.MANAGE, EventKind.READ, Activity.READ, subject="rules")
    return vault_state.rules


async def preview(house: House, principal: Principal, alias: bytes, rule: Rule) -> tuple[Difference, ...]:
    """Return what a new rule would change, from the same computation that makes the wraps and the index."""
    check(rule)
    vault_state = await house.database.read(lambda connection: house.load(connection, alias))
    await house.ask(principal, vault_state, Deed.MANAGE, EventKind.READ, Activity.READ, subject="rules")
    return differences(house, vault_state.rules.rules, (*vault_state.rules.rules, rule), house.clock())


async def grant(house: House, principal: Principal, alias: bytes, rule: Rule) -> None:
    """Put an allow or a block in force.

    Raises:
        consent.gate.Refused: the principal may not (a guardian may not block).
    """
    check(rule)
    deed = Deed.BLOCK if rule.effect is Effect.BLOCK else Deed.MANAGE
    await _change(house, principal, alias, deed, EventKind.GRANT, rule, add=True)


def check(rule: Rule) -> None:
    """Refuse a rule that could not do what it says.

    Raises:
        RuleError: an allow to the network: no list of contacts says yet who that is, so no key could be made;
            or a time that UTC's calendar does not have.
    """
    try:
        rule_to_json(rule)
    except OverflowError:
        raise RuleError("valid_from, valid_to: beyond the calendar") from None
    if (rule.effect, rule.grantee.kind) == (Effect.ALLOW, GranteeKind.NETWORK):
        raise RuleError("grantee.kind: sharing with the whole network is not possible yet; name a unit")


async def revoke(house: House, principal: Principal, alias: bytes, rule_id: str) -> None:
    """End a rule; the very next request of every process is decided without it.

    Raises:
        NoSuchRuleError: there is none of that id.
        consent.gate.Refused: the principal may not (no proxy lifts the citizen's block).
    """
    vault_state = await house.database.read(lambda connection: house.load(connection, alias))
    rule = next((one for one in vault_state.rules.rules if one.id == rule_id), None)
    if rule is None:
        await house.ask(principal, vault_state, Deed.MANAGE, EventKind.REVOKE, Activity.DELETE)
        raise NoSuchRuleError
    deed = Deed.BLOCK if rule.effect is Effect.BLOCK else Deed.MANAGE
    await _change(house, principal, alias, deed, EventKind.REVOKE, rule, add=False)


async def _change(
    house: House, principal: Principal, alias: bytes, deed: Deed, kind: EventKind, rule: Rule, *, add: bool
) -> None:
    """Change the rules; begin anew where somebody's writing moved a drawer's generation in between."""
    for attempt in range(1, _TRIES + 1):
        try:
            await _change_once(house, principal, alias, deed, kind, rule, add=add)
        except StaleGenerationError:
            if attempt == _TRIES:
                raise
        else:
            return


async def _change_once(
    house: House, principal: Principal, alias: bytes, deed: Deed, kind: EventKind, rule: Rule, *, add: bool
) -> None:
    vault_state, drawers = await house.database.read(
        lambda connection: _take(house, connection, alias, rule.categories)
    )
    authorization = await house.ask(
        principal,
        vault_state,
        deed,
        kind,
        Activity.WRITE if add else Activity.DELETE,
        categories=tuple(sorted(rule.categories)),
        subject=rule.id,
        drawers=drawers,
    )
    at = house.clock()
    opening = Opening(authorization, house.keystore, vault_state, at=at)
    privates = {name: opening.privates(drawer) for name, drawer in drawers.items()}
    head, resealed = await house.database.write(
        lambda connection: _apply(house, connection, authorization, rule, privates, at, add=add)
    )
    await house.changed(authorization, head, {"resealed": resealed})


def _take(
    house: House, connection: Connection, alias: bytes, categories: Iterable[Category]
) -> tuple[VaultState, dict[DrawerName, Drawer]]:
    vault_state = house.load(connection, alias)
    found = {name: state.drawer(connection, vault_state, name) for name in categories}
    return vault_state, {name: drawer for name, drawer in found.items() if drawer is not None}


def _apply(
    house: House,
    connection: Connection,
    authorization: Authorization,
    rule: Rule,
    privates: dict[DrawerName, dict[int, PrivateKey]],
    at: datetime,
    *,
    add: bool,
) -> tuple[HeadRef, int]:
    change = house.change(connection, authorization.receipt.vault, at)
    kept = tuple(one for one in change.state.rules.rules if one.id != rule.id)
    rules = (*kept, rule) if add else kept
    if len(rules) > MOST_RULES:
        raise RuleError(f"there are {MOST_RULES} rules already; end some first")
    change.put_rules(RuleSet(0, rules))
    resealed = 0
    for name in sorted(rule.categories):
        drawer = change.drawer(name)
        if drawer is None:
            continue
        if set(drawer.publics) != set(privates.get(name, {})):
            raise StaleGenerationError("the drawer moved on")
        resealed += change.conform(name, house.wanted(change.state, name, at, rules=rules), privates[name])
    return change.finish(), resealed


def differences(
    house: House, before: Iterable[Rule], after: Iterable[Rule], at: datetime
) -> tuple[Difference, ...]:
    """Compare two sets of rules node by node, by what each lets in whole or in part."""
    old, new = _reach(before, at), _reach(after, at)
    directory = house.directory()
    found = []
    for node in sorted({node for node, _ in (*old, *new)}):
        gains = {act: _ordered(new.get((node, act), set()) - old.get((node, act), set())) for act in Action}
        loses = {act: _ordered(old.get((node, act), set()) - new.get((node, act), set())) for act in Action}
        if any(gains.values()) or any(loses.values()):
            found.append(Difference(node, directory.node_name(node), gains, loses))
    return tuple(found)


def _reach(rules: Iterable[Rule], at: datetime) -> dict[tuple[str, Action], set[Category]]:
    """Return what each named node may do: its allows that are not over, less its own whole blocks."""
    reach: dict[tuple[str, Action], set[Category]] = {}
    ordered = sorted(rules, key=lambda rule: rule.effect is Effect.BLOCK)
    for rule in ordered:
        if rule.valid_to is not None and rule.valid_to <= at:
            continue
        for action in rule.actions:
            held = reach.setdefault((f"{rule.grantee.kind}:{rule.grantee.id}", action), set())
            match rule.effect:
                case Effect.ALLOW:
                    held |= rule.categories
                case Effect.BLOCK if not (rule.codes or rule.purposes or rule.data_from or rule.data_to):
                    held -= rule.categories
                case Effect.BLOCK:
                    continue
    return reach


def _ordered(categories: set[Category]) -> tuple[Category, ...]:
    return tuple(category for category in Category if category in categories)
