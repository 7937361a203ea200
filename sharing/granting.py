"""The citizen's rules: what they are, what a change would do, and the changes: grant, lift, contacts, pause, end.

A change of rules is whole: rule, wraps and head in one transaction. It opens the touched drawers' private halves
by the owner's own receipt, so that new recipients get wraps; and where a wrap is wider than what the rules now
want, a new generation takes over, every segment is re-sealed to it, and the old generation is destroyed.
"""

import contextlib
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from itertools import chain

from sqlalchemy import Connection

from audit.events import Activity, EventKind, HeadRef
from consent.gate import Authorization
from consent.judge import Need
from consent.mandates import companion_id, companion_of
from consent.rules import Contact, Grantee, Lift, Rule, RuleError, RuleSet
from identity.principal import Principal, Proxy, Relation
from keys.primitives import PrivateKey
from policies.vocabulary import Category, Deed, Effect, GranteeKind
from sharing.house import House
from vault import state
from vault.change import Resealed, StaleGenerationError, StaleRulesError
from vault.database import DatabaseUnavailableError
from vault.naming import DrawerName
from vault.opening import Opening
from vault.state import Drawer, VaultState

_TRIES = 4
MOST_RULES = 1000
MOST_CONTACTS = 200


class NoSuchRuleError(Exception):
    """The vault has no rule of that id."""


def new_rule_id() -> str:
    """Return a new rule's id: 32 hex digits."""
    return secrets.token_hex(16)


async def rules_of(house: House, principal: Principal, alias: bytes) -> RuleSet:
    """Return the vault's rules to one who may manage them, or what of them they may; no drawer is opened."""
    vault_state = await house.database.read(lambda connection: house.load(connection, alias))
    return about(vault_state.rules, await ask_to_look(house, principal, vault_state))


async def ask_to_look(
    house: House, principal: Principal, vault_state: VaultState, of: Iterable[Category] = ()
) -> frozenset[Category]:
    """Ask the gate whether somebody may look at what is shared; return the categories that they may look at it of.

    A proxy may who manages some of it, and of that; where it is ``of`` some categories, who manages all of them.

    Raises:
        consent.gate.Refused: no; the log has that too.
    """
    wanted = tuple(sorted(of)) if is_by_mandate(principal) else ()
    authorization = await house.ask(
        principal,
        vault_state,
        Deed.MANAGE,
        EventKind.READ,
        Activity.READ,
        categories=wanted,
        subject="rules",
        need=Need.EVERY if wanted else Need.SOME,
    )
    return frozenset(authorization.scopes) or frozenset(Category)


def is_by_mandate(principal: Principal) -> bool:
    """Tell whether somebody acts by a rule of the owner's, and so as far as that goes."""
    return isinstance(principal, Proxy) and principal.relation is not Relation.GUARDIAN


def about(rules: RuleSet, categories: frozenset[Category]) -> RuleSet:
    """Return what of some rules is about some categories, and no word of others.

    A rule about more is shown as far as it is about these. Contacts say whom one sees for care, whatever it is: they
    are shown to one who manages everything.
    """
    if categories == frozenset(Category):
        return rules
    shared = ((rule, rule.categories & categories) for rule in rules.rules)
    shown = tuple(replace(rule, categories=common) for rule, common in shared if common)
    return replace(rules, rules=shown, contacts=())


# --- what may change


@dataclass(frozen=True, slots=True)
class Wish:
    """A change of what decides about sharing: what is done to the rules as they stand, and how the log tells of it.

    ``make`` raises where it cannot be done to them. ``categories`` are those that the change is about; that others'
    keys change too is found out. ``called`` is what the owner calls people whom it names, by alias.
    """

    make: Callable[[RuleSet], RuleSet]
    kind: EventKind
    subject: str
    categories: frozenset[Category] = frozenset()
    deed: Deed = Deed.MANAGE
    activity: Activity = Activity.WRITE
    called: Mapping[bytes, str] = field(default_factory=dict)


def to_grant(rule: Rule, *, instead_of: Rule | None = None) -> Wish:
    """Put an allow or a block in force, ``instead_of`` one of the same id: who may not end that may not change it.

    A mandate's companion comes with it.
    """
    both = [one for one in (rule, instead_of) if one is not None]
    categories = frozenset(chain.from_iterable(one.categories for one in both))
    deed = Deed.BLOCK if Deed.BLOCK in map(_deed, both) else Deed.MANAGE
    companion = companion_of(rule)
    new = (rule,) if companion is None else (rule, companion)

    def make(rules: RuleSet) -> RuleSet:
        if next((one for one in rules.rules if one.id == rule.id), None) != instead_of:
            raise NoSuchRuleError
        kept = _without(rules, rule)
        if len(kept) + len(new) > MOST_RULES:
            raise RuleError(f"there are {MOST_RULES} rules already; end some first")
        return replace(rules, rules=(*kept, *new))

    return Wish(make, EventKind.GRANT, rule.id, categories, deed)


def to_revoke(rule: Rule) -> Wish:
    """End a rule, and with a mandate its companion."""

    def make(rules: RuleSet) -> RuleSet:
        _found(rules, rule.id)
        return replace(rules, rules=_without(rules, rule))

    return Wish(make, EventKind.REVOKE, rule.id, rule.categories, _deed(rule), Activity.DELETE)


def to_close(plan: str) -> Wish:
    """Say that a plan is closed: every allow that was to hold until then ends.

    Whoever acts by mandate needs one for all of the vault, as for contacts: the allows may be of any category.
    """

    def make(rules: RuleSet) -> RuleSet:
        kept = tuple(one for one in rules.rules if one.until_plan != plan)
        if not plan or len(kept) == len(rules.rules):
            raise NoSuchRuleError
        return replace(rules, rules=kept)

    return Wish(make, EventKind.REVOKE, plan, activity=Activity.DELETE)


def to_lift(rule: Rule, lift: Lift | None, at: datetime) -> Wish:
    """Lay a block aside for a time (for all, or for one unit), or with None put it back at once."""
    if rule.effect is not Effect.BLOCK or rule.grantee.kind is GranteeKind.EMERGENCY:
        raise RuleError("until: only a block of somebody can be laid aside")
    if lift is not None and lift.until <= at:
        raise RuleError("until: in the past")

    def make(rules: RuleSet) -> RuleSet:
        found = _found(rules, rule.id)
        still = [one for one in found.lifts if at < one.until and lift and one.grantee != lift.grantee]
        lifted = replace(found, lifts=(*still, *([lift] if lift else [])))
        return replace(rules, rules=tuple(lifted if one.id == rule.id else one for one in rules.rules))

    return Wish(make, EventKind.LIFT, rule.id, rule.categories, Deed.BLOCK)


def to_list(contact: Contact) -> Wish:
    """List somebody among the contacts; an earlier word about them gives way."""

    def make(rules: RuleSet) -> RuleSet:
        kept = [one for one in rules.contacts if one.grantee != contact.grantee]
        if len(kept) >= MOST_CONTACTS:
            raise RuleError(f"there are {MOST_CONTACTS} contacts already; end some first")
        return replace(rules, contacts=(*kept, contact))

    return Wish(make, EventKind.CONTACT, "contacts")


def to_unlist(grantee: Grantee) -> Wish:
    """Strike somebody from the contacts: what was shared while they were listed ends."""

    def make(rules: RuleSet) -> RuleSet:
        kept = tuple(one for one in rules.contacts if one.grantee != grantee)
        if len(kept) == len(rules.contacts):
            raise NoSuchRuleError
        return replace(rules, contacts=kept)

    return Wish(make, EventKind.CONTACT, "contacts", activity=Activity.DELETE)


def to_pause(at: datetime | None) -> Wish:
    """Pause all sharing from a moment on, or with None take it up again as it was."""
    return Wish(lambda rules: replace(rules, paused=at), EventKind.PAUSE, "pause")


def _deed(rule: Rule) -> Deed:
    """Return whose matter a rule is: blocks and mandates are the owner's own, whoever else manages sharing."""
    own = rule.effect is Effect.BLOCK or rule.grantee.kind is GranteeKind.PROXY
    return Deed.BLOCK if own else Deed.MANAGE


def _without(rules: RuleSet, rule: Rule) -> tuple[Rule, ...]:
    gone = {rule.id, companion_id(rule)}
    return tuple(one for one in rules.rules if one.id not in gone)


def _found(rules: RuleSet, rule_id: str) -> Rule:
    found = next((one for one in rules.rules if one.id == rule_id), None)
    if found is None:
        raise NoSuchRuleError
    return found


# --- changing


async def grant(house: House, principal: Principal, alias: bytes, rule: Rule) -> None:
    """Put an allow or a block in force.

    Raises:
        consent.gate.Refused: the principal may not (a guardian may not block).
        consent.rules.RuleError: there are too many.
    """
    await carry_out(house, principal, alias, to_grant(rule))


async def revoke(house: House, principal: Principal, alias: bytes, rule_id: str) -> None:
    """End a rule; the very next request of every process is decided without it.

    Raises:
        NoSuchRuleError: there is none of that id.
        consent.gate.Refused: the principal may not (no proxy lifts the citizen's block).
    """
    rule = await find_rule(house, principal, alias, rule_id)
    await carry_out(house, principal, alias, to_revoke(rule))


async def find_rule(house: House, principal: Principal, alias: bytes, rule_id: str) -> Rule:
    """Return a rule that is to be changed; that there is none is told to one who may know.

    Raises:
        NoSuchRuleError: there is none of that id.
        consent.gate.Refused: there is none, and the principal may not know.
    """
    vault_state = await house.database.read(lambda connection: house.load(connection, alias))
    try:
        return _found(vault_state.rules, rule_id)
    except NoSuchRuleError:
        await house.ask(principal, vault_state, Deed.MANAGE, EventKind.REVOKE, Activity.DELETE)
        raise


async def carry_out(house: House, principal: Principal, alias: bytes, wish: Wish) -> None:
    """Change the rules; begin anew where somebody's writing moved a drawer or the rules in between.

    Raises:
        consent.gate.Refused: the principal may not.
        Exception: what the wish raises of the rules as they stand.
    """
    for attempt in range(1, _TRIES + 1):
        try:
            await _carry_out_once(house, principal, alias, wish)
        except (StaleGenerationError, StaleRulesError):
            if attempt == _TRIES:
                raise
        else:
            return


async def _carry_out_once(house: House, principal: Principal, alias: bytes, wish: Wish) -> None:
    vault_state, drawers = await house.database.read(lambda connection: _take(house, connection, alias, wish))
    authorization = await house.ask(
        principal,
        vault_state,
        wish.deed,
        wish.kind,
        wish.activity,
        categories=tuple(sorted(wish.categories)),
        subject=wish.subject,
        drawers=drawers,
    )
    at = house.clock()
    wish.make(vault_state.rules)  # what it raises is raised before any key is opened
    opening = Opening(authorization, house.keystore, vault_state, at=at)
    privates = {name: opening.privates(drawer) for name, drawer in drawers.items()}
    head, resealed = await house.database.write(
        lambda connection: _apply(house, connection, vault_state, wish, privates, at)
    )
    moved, left = sum(one.moved for one in resealed.values()), sum(one.left for one in resealed.values())
    await house.changed(authorization, head, _told(moved, left))
    await _reseal_rest(house, authorization, vault_state.vault, resealed)


async def _reseal_rest(
    house: House, authorization: Authorization, vault: bytes, resealed: Mapping[DrawerName, Resealed]
) -> None:
    """Re-seal what one transaction had no room for, so many at a time that nobody else waits for long.

    The change is in force already, and nothing is lost where this is stopped: the owner's next reading goes on with it
    (:mod:`sharing.compacting`).
    """
    left = sum(one.left for one in resealed.values())
    for name, started in resealed.items():
        one = started
        while one.left:
            more = partial(_reseal_more, house, vault=vault, name=name, privates=one.privates)
            try:
                head, one = await house.database.write(more)
            except (StaleGenerationError, DatabaseUnavailableError):
                return
            left -= one.moved
            await house.changed(authorization, head, _told(one.moved, left))


def _reseal_more(
    house: House,
    connection: Connection,
    *,
    vault: bytes,
    name: DrawerName,
    privates: Mapping[int, PrivateKey],
) -> tuple[HeadRef, Resealed]:
    change = house.change(connection, vault, house.clock())
    found = change.reseal(name, privates)
    return change.finish(), found


def _told(moved: int, left: int) -> dict[str, int]:
    """Return what the log is told of re-sealing."""
    return {"resealed": moved, **({"left": left} if left else {})}


def _take(
    house: House, connection: Connection, alias: bytes, wish: Wish
) -> tuple[VaultState, dict[DrawerName, Drawer]]:
    """Take the drawers that the change is about: those of its categories, and all whose keys others shall have."""
    vault_state = house.load(connection, alias)
    found = {name: state.drawer(connection, vault_state, name) for name in Category}
    with contextlib.suppress(NoSuchRuleError, RuleError):  # it is said once it has been asked of the gate
        after, at = wish.make(vault_state.rules), house.clock()
        about = {
            name
            for name in Category
            if name in wish.categories
            or house.wanted(vault_state, name, at) != house.wanted(vault_state, name, at, rules=after)
        }
        return vault_state, {
            name: drawer for name, drawer in found.items() if drawer is not None and name in about
        }
    return vault_state, {}


def _apply(
    house: House,
    connection: Connection,
    asked: VaultState,
    wish: Wish,
    privates: dict[DrawerName, dict[int, PrivateKey]],
    at: datetime,
) -> tuple[HeadRef, dict[DrawerName, Resealed]]:
    change = house.change(connection, asked.vault, at)
    change.demand_rules(asked.head.rules_version)
    before = change.state
    rules = wish.make(before.rules)
    change.put_rules(rules, called=wish.called)
    resealed: dict[DrawerName, Resealed] = {}
    for name in Category:
        drawer = change.drawer(name)
        wanted = house.wanted(before, name, at, rules=rules)
        if drawer is None or (name not in privates and wanted == house.wanted(before, name, at)):
            continue
        if set(drawer.publics) != set(privates.get(name, {})):
            raise StaleGenerationError("the drawer moved on")
        resealed[name] = change.conform(name, wanted, privates[name])
    return change.finish(), resealed
