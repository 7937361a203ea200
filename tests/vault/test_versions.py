"""Versions of the rules: each is kept as it was, and whoever writes the database can change none of them unseen."""

import asyncio
from collections.abc import Callable

import pytest

from app import demo
from consent.rules import RuleSet
from keys.primitives import KeysError
from policies.vocabulary import Category
from tests.world import Attacker, World
from vault import erasure
from vault.errors import Finding, TamperedError
from vault.versions import versions

BP = Category.BLOOD_PRESSURE


def kept(world: World) -> list[RuleSet]:
    """Return the versions of Anna's rules, the newest first."""
    alias, house = world.alias("anna"), world.house
    return house.database.read_now(
        lambda connection: list(versions(connection, house.load(connection, alias)))
    )


async def change_three_times(world: World) -> tuple[str, str]:
    """Let Anna allow, block and revoke, an hour apart; return the two rules' ids."""
    await world.enter("anna")
    world.clock.move(hours=1)
    allowed = await world.allow("anna", "unit", demo.HEALTH_CENTRE, BP)
    world.clock.move(hours=1)
    blocked = await world.block("anna", "network", "", BP)
    world.clock.move(hours=1)
    await world.revoke("anna", allowed)
    return allowed, blocked


async def test_every_version_is_kept_as_it_was(world: World) -> None:
    """With its time, and a word for the one before it."""
    start = world.clock()
    allowed, blocked = await change_three_times(world)
    found = kept(world)
    assert [one.version for one in found] == [4, 3, 2, 1]
    assert [[rule.id for rule in one.rules] for one in found] == [
        [blocked],
        [allowed, blocked],
        [allowed],
        [],
    ]
    hours = [(one.written - start).total_seconds() / 3600 for one in found if one.written]
    assert hours == [3, 2, 1, 0]
    assert [bool(one.previous) for one in found] == [True, True, True, False]


async def test_new_vault_has_one_version(world: World) -> None:
    """Its first rules are none, and nothing was before them."""
    await world.enter("anna")
    assert [(one.version, one.rules, one.previous) for one in kept(world)] == [(1, (), "")]


async def test_versions_beyond_a_block_of_rows_are_found(world: World) -> None:
    """They are fetched some at a time."""
    await world.enter("anna")
    for _ in range(35):
        await world.revoke("anna", await world.allow("anna", "unit", demo.HEALTH_CENTRE, BP))
    assert [one.version for one in kept(world)] == list(range(71, 0, -1))


def _swap(db: Attacker) -> None:
    moved = "UPDATE rule_versions SET version = ? WHERE version = ?"
    for old, new in ((2, 99), (3, 2), (99, 3)):
        db.execute(moved, (new, old))


def _repeat(db: Attacker) -> None:
    row = db.execute("SELECT sealed FROM rule_versions WHERE version = 2").fetchone()
    db.execute("UPDATE rule_versions SET sealed = ? WHERE version = 3", row)


def _flip(db: Attacker) -> None:
    (sealed,) = db.execute("SELECT sealed FROM rule_versions WHERE version = 2").fetchone()
    changed = bytes(sealed[:-1]) + bytes((sealed[-1] ^ 1,))
    db.execute("UPDATE rule_versions SET sealed = ? WHERE version = 2", (changed,))


ATTACKS: dict[str, tuple[Callable[[Attacker], object], Finding]] = {
    "the first is gone": (
        lambda db: db.execute("DELETE FROM rule_versions WHERE version = 1"),
        Finding.MISSING_RULE_VERSION,
    ),
    "one between is gone": (
        lambda db: db.execute("DELETE FROM rule_versions WHERE version = 2"),
        Finding.MISSING_RULE_VERSION,
    ),
    "all are gone": (lambda db: db.execute("DELETE FROM rule_versions"), Finding.MISSING_RULE_VERSION),
    "two are swapped": (_swap, Finding.REORDERED_RULE_VERSIONS),
    "one stands twice": (_repeat, Finding.REORDERED_RULE_VERSIONS),
    "a byte is changed": (_flip, Finding.CHANGED_RULE_VERSION),
    "one is empty": (
        lambda db: db.execute("UPDATE rule_versions SET sealed = ? WHERE version = 3", (b"",)),
        Finding.REORDERED_RULE_VERSIONS,
    ),
}


@pytest.mark.parametrize(("attack", "finding"), ATTACKS.values(), ids=ATTACKS.keys())
async def test_history_that_somebody_wrote_is_named(
    world: World, attack: Callable[[Attacker], object], finding: Finding
) -> None:
    """A past decision must not be explained by rules that never were."""
    await change_three_times(world)
    with world.attacker() as db:
        attack(db)
    with pytest.raises(TamperedError) as found:
        kept(world)
    assert found.value.finding is finding


async def test_version_of_another_vault_is_named(world: World) -> None:
    """Sealed by us, under the same number, but not the one that the next took over from."""
    await world.enter("anna")
    await world.allow("anna", "unit", demo.HEALTH_CENTRE, BP)
    world.clock.move(hours=1)
    await world.block("anna", "network", "", BP)
    ours = world.copy_database()["rule_versions"]
    await world.enter("bo")
    await world.allow("bo", "unit", demo.HEALTH_CENTRE, BP)
    (bos,) = [row for row in world.copy_database()["rule_versions"] if row not in ours]
    with world.attacker() as db:
        sealed = "UPDATE rule_versions SET sealed = ? WHERE version = 1 AND vault_id = ?"
        db.execute(sealed, (bos["sealed"], world.vault("anna")))
    with pytest.raises(TamperedError) as found:
        kept(world)
    assert found.value.finding is Finding.CHANGED_RULE_VERSION


async def test_what_was_put_in_the_way_of_the_next_version_gives_way(world: World) -> None:
    """Nobody stops a revocation by taking its place."""
    allowed, blocked = await change_three_times(world)
    with world.attacker() as db:
        for version in (4, 5):
            db.execute(
                "INSERT INTO rule_versions VALUES (?, ?, ?, ?)", (world.vault("anna"), version, b"x", 0)
            )
    await world.revoke("anna", blocked)
    assert [one.version for one in kept(world)] == [5, 4, 3, 2, 1]
    assert allowed in {rule.id for one in kept(world) for rule in one.rules}


async def test_erasure_removes_the_versions_too(world: World) -> None:
    """And of a backup no key opens them: they are sealed as the rules are."""
    await change_three_times(world)
    await world.enter("bo")
    await world.allow("bo", "unit", demo.HEALTH_CENTRE, BP)
    annas, backup = world.load("anna"), world.copy_database()
    await asyncio.to_thread(erasure.erase, world.house.database, world.house.keystore, annas)
    left = {bytes(row["vault_id"]) for row in world.copy_database()["rule_versions"]}
    assert left == {world.vault("bo")}
    world.restore_database(backup)
    with pytest.raises(KeysError):
        kept(world)
