"""Erasure destroys keys first, so that no backup of the database brings anything back."""

import asyncio

import pytest

from app import demo
from consent.gate import Refused
from importers.intake import open_upload
from keys.envelope import Window, WrapContext
from keys.keystore import Wrap
from keys.primitives import CannotOpenError, KeysError
from keys.receipt import Opens
from policies.vocabulary import Category
from sharing import importing, summing
from sharing.reading import Query
from tests.sharing.test_keys_follow_consent import genuine_receipt
from tests.world import World, pressure, weight
from vault import erasure, naming

BP = Category.BLOOD_PRESSURE
VC = demo.HEALTH_CENTRE


async def erased(world: World, persona: str) -> None:
    """Erase a citizen's vault."""
    house = world.house
    await asyncio.to_thread(erasure.erase, house.database, house.keystore, world.load(persona))


async def test_restored_copy_of_the_database_opens_nothing(world: World) -> None:
    """Neither rules nor profile nor a record, to the owner or to a unit that had consent."""
    await world.enter("anna")
    await world.add("anna", "anna", pressure("121", "81"), weight("70.5"))
    await world.allow("anna", "unit", VC, BP)
    vault_state, drawer, _ = world.drawer("anna", BP)
    backup = world.copy_database()
    await erased(world, "anna")
    world.restore_database(backup)
    for who in ("anna", "nurse-vc"):
        with pytest.raises(KeysError):
            await world.read(who, "anna", BP)
        with pytest.raises(KeysError):
            await summing.latest(world.house, world.who(who), world.alias("anna"), Query())
    for row in drawer.wraps:
        for node in (f"owner:{vault_state.vault.hex()}", f"unit:{VC}"):
            if naming.recipient_tag(vault_state.keys, node) != row.recipient:
                continue
            receipt = genuine_receipt(world, "nurse-vc", "anna", Opens((node,), ((drawer.id, 1),)))
            bound = WrapContext(vault_state.vault, drawer.id, 1, node)
            with pytest.raises(CannotOpenError):
                world.house.keystore.open(receipt, Wrap(bound, row.sealed, Window()))
    assert len(drawer.wraps) == 3


async def test_vault_that_another_process_erased_opens_nothing(world: World) -> None:
    """What a process remembers of a vault that it has just read must not open yesterday's rows."""
    await world.enter("anna")
    await world.add("anna", "anna", pressure("121", "81"))
    await world.allow("anna", "unit", VC, BP)
    await world.read("anna", "anna", BP)
    await world.read("nurse-vc", "anna", BP)
    other, backup = world.another_process(), world.copy_database()
    house = other.house
    await asyncio.to_thread(erasure.erase, house.database, house.keystore, world.load("anna"))
    with pytest.raises(Refused):
        await world.read("nurse-vc", "anna", BP)
    world.restore_database(backup)
    for who in ("anna", "nurse-vc"):
        with pytest.raises(KeysError):
            await world.read(who, "anna", BP)


async def test_restored_upload_opens_nothing(world: World) -> None:
    """An upload's key stands in its import's row, under a key of the vault's own."""
    await world.enter("anna")
    import_id = await world.upload("anna", b"<HealthData/>", "min-export.xml")
    row = world.find_import("anna", import_id)
    assert open_upload(world.house.keystore, row.vault_id, import_id, row.sealed).filename == "min-export.xml"
    await erased(world, "anna")
    with pytest.raises(CannotOpenError):
        open_upload(world.house.keystore, row.vault_id, import_id, row.sealed)


async def test_erased_rows_are_gone_and_others_stay(world: World) -> None:
    """Only this vault's."""
    await world.enter("anna", "bo")
    await world.add("anna", "anna", pressure("121", "81"))
    await world.add("bo", "bo", pressure("131", "91"))
    vault = world.vault("anna")
    await erased(world, "anna")
    with world.attacker() as db:
        for table in ("vaults", "aliases", "drawers", "generations", "wraps", "segments"):
            query = f"SELECT count(*) FROM {table} WHERE vault_id = ?"  # noqa: S608
            assert db.execute(query, (vault,)).fetchone() == (0,), table
    assert len((await world.read("bo", "bo", BP)).records) == 1


async def test_rejected_rows_are_erased_too(world: World) -> None:
    """They quote the file, and stand in a drawer like any other."""
    await world.enter("anna")
    told = await world.import_file("anna", b'<HealthData><Record type="x"/></HealthData>', "export.xml")
    assert told.rejected == 1
    backup = world.copy_database()
    await erased(world, "anna")
    await asyncio.to_thread(world.restore_database, backup)
    with pytest.raises(KeysError):
        await importing.rejections(world.house, world.who("anna"), world.alias("anna"), told.import_id)
