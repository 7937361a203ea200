"""What is said must be so: a rule that could do nothing is refused, a refusal is logged as one."""

import pytest

from app import demo
from audit import review
from audit.events import Decision, EventKind
from audit.review import Access
from consent.gate import Refused
from policies.vocabulary import Category
from sharing import accesses
from tests.world import World, pressure, weight
from vault.errors import Finding, TamperedError

HOME = demo.HOME_CARE


async def test_add_outside_a_rules_terms_stands_in_the_log_as_refused(world: World) -> None:
    """The citizen must not read of a permit where nothing was let in."""
    await world.enter("anna")
    await world.allow("anna", "unit", HOME, Category.BODY_WEIGHT, actions=["add"], codes=["3141-9"])
    with pytest.raises(Refused):
        await world.add("homecare", "anna", weight("71.9"))
    page = await accesses.mine(world.house, world.who("anna"), world.alias("anna"))
    tried = [
        one for one in review.mine(page.entries) if isinstance(one, Access) and one.kind is EventKind.ADD
    ]
    assert [one.decision for one in tried] == [Decision.REFUSE]


async def test_deleted_vault_is_missed_and_not_made_anew(world: World) -> None:
    """Whoever can write the database cannot make a vault vanish behind an empty one."""
    await world.enter("anna")
    await world.add("anna", "anna", pressure("120", "80"))
    with world.attacker() as connection:
        vault = world.vault("anna")
        for table in ("vaults", "aliases", "drawers", "generations", "wraps", "segments"):
            connection.execute(f"DELETE FROM {table} WHERE vault_id = ?", (vault,))  # noqa: S608 our own names
    with pytest.raises(TamperedError) as found:
        await world.enter("anna")
    assert found.value.finding is Finding.MISSING_VAULT
