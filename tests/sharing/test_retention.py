"""What the log says goes after the policy's years, and not sooner; the tree stands and still verifies."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app import wiring
from audit import verify
from audit.events import EventKind
from audit.verify import Report
from policies.engine import PoliciesError
from policies.retention import Retention
from policies.vocabulary import Category
from sharing import accesses, retention
from tests.sharing.test_cases import staff
from tests.world import World, pressure

YEARS = Retention(5)


def verified(world: World, kept_since: datetime) -> Report:
    """Verify the log by the other program."""
    world.seal_log()
    settings = world.valv.settings
    return verify.verify(
        settings.log,
        checkpoint_dir=settings.checkpoints,
        log_public=world.house.keystore.log_signer().public(),
        bodies_kept_since=kept_since,
    )


@pytest.fixture
async def old(world: World) -> World:
    """Return a world where Anna was read six years ago, and is read again now."""
    await world.enter("anna")
    await world.add("anna", "anna", pressure("121", "81"))
    await world.allow("anna", "unit", staff(world, "nurse-vc").commission.unit.id, Category.BLOOD_PRESSURE)
    await world.read("nurse-vc", "anna")
    world.clock.move(days=6 * 366)
    await world.read("nurse-vc", "anna")
    return world


async def reads(world: World) -> list[bool]:
    """Return of each of Anna's entries, oldest first, whether it can be read."""
    page = await accesses.mine(world.house, world.who("anna"), world.alias("anna"))
    return [one.event is not None for one in reversed(page.entries)]


def retain(world: World) -> int:
    """Take away what is over."""
    return retention.retain(world.house, YEARS, lambda _done, _count: None)


async def test_what_is_older_goes_and_what_is_younger_stays(old: World) -> None:
    """Neither the citizen nor the organisation reads it any more; the new reading is there; the vault is as it was."""
    before = await reads(old)
    taken = retain(old)
    assert taken > 0
    after = await reads(old)
    assert before.count(False) == 0
    assert after[0] is False
    assert after[-2:] == [True, True]
    page = await accesses.of_organisation(old.house, staff(old, "supervisor-region"))
    read = [one.event for one in page.entries if one.event and one.event.kind is EventKind.READ]
    assert len(read) == 1
    found = await old.read("anna", "anna")
    assert len(found.records) == 1


async def test_the_tree_still_verifies_and_only_what_is_over_may_be_gone(old: World) -> None:
    """The other program finds it whole by the policy, and the bodies missing by a longer one."""
    taken = retain(old)
    since = YEARS.kept_since(old.clock())
    report = verified(old, since)
    assert report.is_sound, report.findings
    assert report.gone == taken
    assert not verified(old, since - timedelta(days=20 * 366)).is_sound


async def test_a_receipt_of_what_is_gone_proves_that_it_stood_there(old: World) -> None:
    """Without its opening."""
    page = await accesses.mine(old.house, old.who("anna"), old.alias("anna"))
    oldest = page.entries[-1].id
    retain(old)
    taken = await accesses.receipt(old.house, old.who("anna"), old.alias("anna"), oldest)
    assert taken.opening == b""
    assert b'"event": null' in taken.file()


async def test_a_copy_of_the_bodies_opens_no_more(old: World) -> None:
    """The keys of the months went first: whoever has yesterday's database reads nothing of it."""
    with old.attacker() as attacker:
        kept = (
            [
                (bytes(sealed), seq)
                for seq, sealed in attacker.execute("SELECT seq, sealed FROM log_entries").fetchall()
            ]
            if old.valv.settings.database_url
            else []
        )
    if not kept:
        pytest.skip("the log is a file of its own")
    retain(old)
    with old.attacker() as attacker:
        for sealed, seq in kept:
            attacker.execute("UPDATE log_entries SET sealed = ? WHERE seq = ?", (sealed, seq))
    assert (await reads(old))[0] is False


async def test_it_is_logged_and_done_once(old: World) -> None:
    """Of how many entries, by the product itself; a second time there is nothing to do, and nothing is logged."""
    taken = retain(old)
    size = old.house.log.number_after(old.clock())
    assert retain(old) == 0
    assert old.house.log.number_after(old.clock()) == size
    assert taken > 0


async def test_nothing_goes_before_its_time(world: World) -> None:
    """Five years less a month after."""
    await world.enter("anna")
    await world.add("anna", "anna", pressure("121", "81"))
    world.clock.move(days=5 * 365 - 31)
    assert retain(world) == 0
    assert all(await reads(world))


async def test_what_was_interrupted_is_gone_on_with(old: World) -> None:
    """Ended between the keys and the bodies: what is left goes the next time."""

    def end(_done: int, _count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        retention.retain(old.house, YEARS, end)
    assert (await reads(old))[0] is False
    retain(old)
    assert verified(old, YEARS.kept_since(old.clock())).is_sound


def test_years_are_whole_months() -> None:
    """Since the first of the month: a key is of a month."""
    at = datetime(2031, 3, 30, 23, 59, tzinfo=UTC)
    assert YEARS.kept_since(at) == datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "years = 4", "years = 101", "years = 5.0", "years = 5\nmore = 1", "years ="]
)
def test_fewer_years_than_the_law_asks_for_stop_the_start(tmp_path: Path, text: str) -> None:
    """The file is named."""
    (tmp_path / "retention.toml").write_text(text)
    with pytest.raises(PoliciesError, match=r"retention\.toml"):
        Retention.load(tmp_path)
    assert Retention.load() == YEARS
    assert wiring.wall_clock() > YEARS.kept_since(wiring.wall_clock())
