"""The vault as staff of a unit see it: how much of each category, and record by record.

The owner reads their own vault by their own receipt, and over it is laid what the gate would open to the one whose
eyes are borrowed (:class:`sharing.reading.Query`, ``lens``). So it is exactly what a reading of theirs would get, and
nothing is released that the owner could not read. Of a category that the asker may not read whole, nothing is shown.
"""

from collections.abc import Iterator

from consent.rules import Grantee, RuleSet
from identity.directory import Directory, NotInDirectoryError
from identity.principal import CommissionRight, Principal, Staff
from policies.vocabulary import Action, Category, GranteeKind, Purpose
from sharing import outlook, paging
from sharing.granting import ask_to_look
from sharing.house import House
from sharing.outlook import WHOLE, Count, Seers, Sight, somebody
from sharing.paging import Page, Wish
from sharing.reading import Query
from vault.columns import join


def told_apart(rules: RuleSet, directory: Directory, unit: str) -> tuple[Grantee, ...]:
    """Return the persons and roles at a unit whom the rules name: they may see something else than others there."""
    return tuple(one for one in sorted(set(_named(rules))) if _at(directory, unit, one) is not None)


async def see_as(
    house: House, principal: Principal, alias: bytes, unit: str, whom: Grantee | None = None
) -> dict[Category, Count]:
    """Return how much of each category somebody at a unit sees: ``before`` all there is, ``after`` theirs.

    ``whom`` is a person or a role there; None stands for anybody of the staff.

    Raises:
        consent.gate.Refused: the principal may not manage sharing here.
        identity.directory.NotInDirectoryError: there is no such unit, or nobody such there.
    """
    seen, managed = await _sight(house, principal, alias, unit, whom)
    whole = {(Action.READ, category): WHOLE for category in sorted(managed)}
    counts = await outlook.count(house, principal, alias, [(whole, seen)])
    found = {category: (category, WHOLE, seen.get((Action.READ, category))) for _, category in whole}
    return {category: counts[key] for category, key in found.items() if key in counts}


async def records_as(
    house: House,
    principal: Principal,
    alias: bytes,
    unit: str,
    wish: Wish,
    *,
    whom: Grantee | None = None,
    categories: tuple[Category, ...] = (),
) -> Page:
    """Return a page of the records that somebody at a unit sees, of some categories or, where empty, all.

    Raises:
        consent.gate.Refused: the principal may not manage sharing here, or read anything of it.
        identity.directory.NotInDirectoryError: there is no such unit, or nobody such there.
        vault.errors.NoKeyError: the principal has no key to any of it.
    """
    seen, _ = await _sight(house, principal, alias, unit, whom)
    lens = {
        category: scope for (_, category), scope in seen.items() if not categories or category in categories
    }
    if not lens:
        return Page(join([]), None, 0)
    return await paging.page(house, principal, alias, Query(tuple(lens), lens=lens), wish)


async def _sight(
    house: House, principal: Principal, alias: bytes, unit: str, whom: Grantee | None
) -> tuple[Sight, frozenset[Category]]:
    """Return what somebody sees of the categories that the asker manages, and these."""
    vault_state = await house.database.read(lambda connection: house.load(connection, alias))
    managed = await ask_to_look(house, principal, vault_state)
    directory = house.directory()
    found = somebody(directory.unit(unit)) if whom is None else _at(directory, unit, whom)
    if found is None:
        raise NotInDirectoryError(unit)
    one = Seers(f"unit:{unit}", 0, found)
    seen = outlook.sights(
        house,
        vault_state,
        vault_state.rules,
        [one],
        house.clock(),
        actions=(Action.READ,),
        categories=tuple(sorted(managed)),
    )[one]
    return seen, managed


def _named(rules: RuleSet) -> Iterator[Grantee]:
    for rule in rules.rules:
        yield rule.grantee
        yield from rule.spares
        yield from (one.grantee for one in rule.lifts if one.grantee is not None)
    yield from (one.grantee for one in rules.contacts)


def _at(directory: Directory, unit: str, whom: Grantee) -> Staff | None:
    """Return a person or a role as they stand at a unit, on a commission of care; None where there is no such one."""
    match whom.kind:
        case GranteeKind.ROLE:
            at, _, title = whom.id.partition("/")
            if at != unit or unit not in directory.units:
                return None
            return Staff("", "", title, "", somebody(directory.units[unit]).commission)
        case GranteeKind.PERSON if whom.id in directory.members:
            member = directory.members[whom.id]
            commissions = (
                one.id
                for one in member.commissions
                if one.unit.id == unit and (one.right, one.purpose) == (CommissionRight.CARE, Purpose.CARE)
            )
            return next(map(member.on, commissions), None)
        case _:
            return None
