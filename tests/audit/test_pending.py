"""Entries that are durable and wait for their number, on PostgreSQL: what a receipt promises, and who may break it."""

import asyncio
import contextlib
import os
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from audit.database import Connection, Cursor, Kept, PostgreSQLConnection
from audit.errors import LogUnavailableError
from audit.events import EventKind
from audit.leaf import Leaf
from audit.log import AuditLog
from audit.pending import PendingLedger
from audit.verify import Report, verify
from keys.envelope import Window, WrapContext, microseconds
from keys.keystore import KeyStore
from keys.primitives import PrivateKey
from keys.receipt import Opens
from tests import postgres
from tests.audit.audit_world import ANNA, BO, ORIGIN, START, Clock, House, event, head


@pytest.fixture
def house(on_server: House) -> House:
    """A log in PostgreSQL."""
    return on_server


@pytest.fixture
def unsealed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody seal by itself: who reads, and who closes, still does."""
    monkeypatch.setattr(PendingLedger, "seals_every", 3600.0)


@pytest.fixture
def log(house: House, unsealed: None) -> Iterator[AuditLog]:  # noqa: ARG001 it must come first
    """An open log in which entries wait."""
    log = house.open()
    yield log
    log.close()


def count(house: House, table: str) -> int:
    """Count a table's rows."""
    ((found,),) = house.sql(f"SELECT count(*) FROM {table}")  # noqa: S608 fixed words
    return int(found)


def verified(house: House) -> Report:
    """Verify the log."""
    return verify(house.url, checkpoint_dir=house.outside, log_public=house.public, origin=ORIGIN)


async def test_receipt_of_a_waiting_entry_says_so_and_opens(house: House, log: AuditLog) -> None:
    """Nobody waits for a number: the entry is on disk, and that is what releases a key."""
    bound, key = WrapContext(ANNA, b"d" * 16, 1, "owner:x"), PrivateKey.generate()
    wrap = house.keystore.wrap(key, bound_to=bound, window=Window())
    receipt = await log.append(event(START), opens=Opens(("owner:x",), ((b"d" * 16, 1),)))
    assert receipt.pending
    assert (count(house, "log_pending"), count(house, "log_entries")) == (1, 0)
    assert house.keystore.open(receipt, wrap) == key


async def test_a_process_with_a_thousand_connections_still_writes(house: House) -> None:
    """A server's own descriptors may be any number: the log's connection is looked at whatever its number is."""
    with contextlib.ExitStack() as many:
        for _ in range(1100):
            many.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        log = house.open()
        many.callback(log.close)
        for _ in range(3):  # a connection that was idle is looked at first
            assert (await log.append(event(START))).pending
        assert len(log.entries_of_vault(ANNA)) == 3


async def test_whoever_reads_finds_what_waits_and_what_another_process_left(
    house: House, log: AuditLog
) -> None:
    """A page that comes before the sealer would hide the newest access; a process that died seals no more."""
    receipt = await log.append(event(START))
    other = house.open()
    assert [entry.id for entry in other.entries_of_vault(ANNA)] == [receipt.entry]
    second = await log.append(event(START, subject="2"))
    assert other.inclusion(second.entry).index == 1
    assert count(house, "log_pending") == 0
    other.close()


async def test_entries_are_sealed_without_anybodys_asking(house: House) -> None:
    """The promise is kept by the process itself."""
    log = house.open()
    await log.append(event(START))
    for _ in range(200):
        if count(house, "log_entries"):
            break
        await asyncio.sleep(0.02)
    assert (count(house, "log_pending"), count(house, "log_entries")) == (0, 1)
    log.close()


async def test_quiet_process_seals_what_a_dead_one_left(
    house: House, log: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process may die between its receipt and its number; another one need not write to come to it."""
    await log.append(event(START))
    monkeypatch.setattr(PendingLedger, "seals_every", 0.01)
    monkeypatch.setattr("audit.keeper._LOOK_AFTER", 0.01)
    alive = house.open()
    for _ in range(200):
        if count(house, "log_entries"):
            break
        await asyncio.sleep(0.02)
    assert count(house, "log_entries") == 1
    alive.close()


async def test_newest_head_is_seen_before_it_is_sealed(house: House, log: AuditLog) -> None:
    """A rolled-back vault is refused by whichever process serves it, at once."""
    other = house.open()
    await log.append(event(START, head=head(1)))
    assert other.latest_head(ANNA) == head(1)
    other.entries_of_vault(ANNA)
    assert count(house, "log_pending") == 0
    await other.append(event(START, head=head(2)))
    assert log.latest_head(ANNA) == head(2)
    assert log.latest_head(BO) is None
    other.close()


async def test_fork_is_refused_while_the_other_head_still_waits(house: House, log: AuditLog) -> None:
    """Two heads of one version are a replayed database, sealed or not."""
    other = house.open()
    await log.append(event(START, head=head(3)))
    with pytest.raises(LogUnavailableError, match="another head"):
        await other.append(event(START, head=head(3, b"x")))
    other.close()


async def test_two_heads_that_became_durable_at_once_keep_the_first(
    house: House, log: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both were acknowledged, so both get their place; only one can be the head."""
    monkeypatch.setattr(PendingLedger, "_forks", lambda *_: {})
    await log.append(event(START, head=head(3)))
    house.clock.move(timedelta(milliseconds=1))
    await log.append(event(START, head=head(3, b"x")))
    assert len(log.entries_of_vault(ANNA)) == 2
    assert log.latest_head(ANNA) == head(3)
    log.close()
    assert verified(house).is_sound


_COLUMNS = (
    ("at_us", microseconds(START) + 1),
    ("vault", BO),
    ("vault", b"v" * 17),
    ("head_version", 0),
    ("head_version", -1),
    ("entries", b""),
    ("entries", b"something else"),
    ("mac", bytes(32)),
    ("wseq", 3),
    ("writer", b"w" * 16),
)


async def stopped(house: House, log: AuditLog, match: str) -> None:
    """Hold that nothing is sealed or shown, and that after a minute nothing more is accepted."""
    sealed = count(house, "log_entries")
    with pytest.raises(LogUnavailableError, match=match):
        log.entries_of_vault(ANNA)
    await log.append(event(house.clock(), subject="within the promise"))
    house.clock.move(timedelta(seconds=61))
    with pytest.raises(LogUnavailableError, match="waited too long"):
        await log.append(event(house.clock()))
    assert count(house, "log_entries") == sealed


@pytest.mark.parametrize(("column", "value"), _COLUMNS)
async def test_changed_row_stops_the_log(house: House, log: AuditLog, column: str, value: object) -> None:
    """Who writes the database cannot have us sign what was not logged."""
    await log.append(event(START, head=head(1)))
    house.sql(f"UPDATE log_pending SET {column} = ?", value)  # noqa: S608 fixed words
    await stopped(house, log, "changed|removed")


@pytest.mark.parametrize("place", [0, 20, 40, 100, 150, 200, 700])
async def test_changed_byte_of_an_entry_stops_the_log(house: House, log: AuditLog, place: int) -> None:
    """Its id, its vault, its organisations, digests, head and body are all under the row's MAC."""
    await log.append(event(START, head=head(1)))
    house.sql("UPDATE log_pending SET entries = set_byte(entries, ?, get_byte(entries, ?) # 1)", place, place)
    await stopped(house, log, "changed")


async def test_removed_row_stops_the_log(house: House, log: AuditLog) -> None:
    """An access that was acknowledged cannot be forgotten before it has its number."""
    for subject in "123":
        await log.append(event(START, subject=subject))
    house.sql("DELETE FROM log_pending WHERE wseq = 2")
    await stopped(house, log, "removed")


async def test_removed_last_row_stops_the_log(house: House, log: AuditLog) -> None:
    """Nothing comes after it whose number would show the gap; but its process knows how far it has written."""
    await log.append(event(START))
    log.entries_of_vault(ANNA)
    await log.append(event(START))
    house.sql("DELETE FROM log_pending")
    await stopped(house, log, "removed")


async def test_repeated_row_stops_the_log(house: House, log: AuditLog) -> None:
    """An old entry put back would be a second access that nobody made."""
    await log.append(event(START))
    house.sql("CREATE TABLE kept AS SELECT * FROM log_pending")
    log.entries_of_vault(ANNA)
    house.sql("INSERT INTO log_pending SELECT * FROM kept")
    await stopped(house, log, "repeated")


@pytest.mark.parametrize(
    "change", ["UPDATE log_writers SET last = 0", "UPDATE log_writers SET mac = kept.mac, last = 1 FROM kept"]
)
async def test_changed_writer_does_not_make_a_repeated_row_good(
    house: House, log: AuditLog, change: str
) -> None:
    """The mark that tells how far a writer's entries were sealed is authenticated like they are."""
    await log.append(event(START))
    house.sql("CREATE TABLE kept AS SELECT * FROM log_pending")
    log.entries_of_vault(ANNA)
    house.sql("INSERT INTO log_pending SELECT * FROM kept")
    house.sql(change)
    await stopped(house, log, "changed")


async def test_forgotten_writer_does_not_make_a_repeated_row_good(house: House, log: AuditLog) -> None:
    """Without its mark a row may be as if it was never sealed: its entry is there already."""
    await log.append(event(START))
    house.sql("CREATE TABLE kept AS SELECT * FROM log_pending")
    log.entries_of_vault(ANNA)
    house.sql("DELETE FROM log_writers")
    house.sql("INSERT INTO log_pending SELECT * FROM kept")
    await stopped(house, log, "could not be written")


async def test_log_goes_on_when_the_row_is_right_again(house: House, log: AuditLog) -> None:
    """Recovery is putting back what was taken, and no restart."""
    await log.append(event(START))
    house.sql("CREATE TABLE kept AS SELECT * FROM log_pending")
    house.sql("UPDATE log_pending SET vault = ?", BO)
    await stopped(house, log, "changed")
    house.sql("DELETE FROM log_pending WHERE wseq = 1")
    house.sql("INSERT INTO log_pending SELECT * FROM kept")
    assert len(log.entries_of_vault(ANNA)) == 2
    await log.append(event(house.clock()))
    log.close()
    report = verified(house)
    assert report.is_sound, [str(finding) for finding in report.findings]


async def test_sealing_that_is_late_is_made_up_for_and_refuses_nobody(house: House, log: AuditLog) -> None:
    """A machine that slept for a night has entries that waited for a night, and nothing wrong with them."""
    await log.append(event(START))
    house.clock.move(timedelta(hours=8))
    await log.append(event(house.clock()))
    assert (count(house, "log_entries"), count(house, "log_pending")) == (1, 1)


async def test_entry_that_is_sealed_before_its_writer_has_counted_it_does_not_seem_to_wait(
    house: House, log: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The keeper may come between a commit and what its thread does next; a night later nobody may be refused."""
    lent = Kept.lent
    committed: list[Kept] = []

    @contextlib.contextmanager
    def lent_and_sealed(kept: Kept) -> Iterator[Connection]:
        with lent(kept) as connection:
            yield connection
        if threading.current_thread().name == "audit-writer" and not committed:
            committed.append(kept)
            log.entries_of_vault(ANNA)  # which seals

    monkeypatch.setattr(Kept, "lent", lent_and_sealed)
    await log.append(event(START))
    assert (count(house, "log_entries"), count(house, "log_pending")) == (1, 0)
    monkeypatch.setattr(Kept, "lent", lent)
    house.clock.move(timedelta(hours=8))
    await log.append(event(house.clock()))


async def test_clock_far_behind_another_process_is_told(house: House, log: AuditLog) -> None:
    """A receipt whose time is wrong would outlive its ten seconds, or never be good."""
    house.clock.move(timedelta(minutes=5))
    await log.append(event(START))
    log.entries_of_vault(ANNA)
    behind = House(house.folder, house.keystore, Clock(), house.url).open()
    with pytest.raises(LogUnavailableError, match="clock"):
        await behind.append(event(START))
    behind.close()


async def test_group_whose_end_is_in_doubt_is_there_once_or_not_at_all(
    house: House, log: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection may go between the commit and the word of it; no number may then be used twice."""
    whole = PostgreSQLConnection.execute

    def cut(self: PostgreSQLConnection, sql: str, *given: Any) -> Cursor:
        done = whole(self, sql, *given)
        if sql.startswith("INSERT INTO log_pending"):
            raise ConnectionResetError
        return done

    await log.append(event(START, subject="before"))
    monkeypatch.setattr(PostgreSQLConnection, "execute", cut)
    with pytest.raises(LogUnavailableError):
        await log.append(event(START, subject="in doubt"))
    monkeypatch.setattr(PostgreSQLConnection, "execute", whole)
    await log.append(event(START, subject="after"))
    found = {entry.event.subject for entry in log.entries_of_vault(ANNA) if entry.event}
    assert found == {"before", "in doubt", "after"}
    log.close()
    assert verified(house).is_sound


@pytest.fixture
def server() -> Iterator[postgres.Server]:
    """A server of one's own, to be killed."""
    if postgres.MISSING:
        pytest.skip(postgres.MISSING)
    made = postgres.Server(durable=True)
    yield made
    made.close()


async def test_killed_server_gives_no_receipt_and_loses_none(
    server: postgres.Server, tmp_path: Path, session_keystore: KeyStore
) -> None:
    """What was acknowledged stands after a power cut, and the process needs no restart."""
    house = House(tmp_path, session_keystore, Clock(), server.create())
    log = house.open()
    receipts = [await log.append(event(START, kind=EventKind.READ, head=head(1)))]
    server.kill()
    with pytest.raises(LogUnavailableError):
        await log.append(event(START))
    with pytest.raises(LogUnavailableError):
        log.latest_head(ANNA)
    with pytest.raises(LogUnavailableError):
        log.entries_of_vault(ANNA)
    log.follow(event(START, kind=EventKind.OUTCOME))
    server.start()
    receipts.append(await log.append(event(START)))
    assert log.latest_head(ANNA) == head(1)
    log.close()
    assert log.lost_outcomes == 0
    assert {receipt.entry for receipt in receipts} < {
        Leaf.decode(leaf).entry_id for (leaf,) in house.sql("SELECT leaf FROM log_entries")
    }
    report = verified(house)
    assert report.is_sound, [str(finding) for finding in report.findings]


async def test_sealing_does_not_chase_what_comes_meanwhile(
    house: House, log: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A steady trickle of entries would else be sealed one by one, and a reader wait for ever."""
    await log.append(event(START))
    sealed, some = list[int](), PendingLedger._seal_some

    def meanwhile(ledger: PendingLedger, *, wait: bool) -> int:
        sealed.append(some(ledger, wait=wait))
        log.append_now(event(START, subject=str(len(sealed))))
        return sealed[-1]

    monkeypatch.setattr(PendingLedger, "_seal_some", meanwhile)
    log._ledger.seal(wait=True)
    assert sealed == [1]
    assert (count(house, "log_entries"), count(house, "log_pending")) == (1, 1)


def test_sealing_takes_no_more_than_fits_at_once(
    house: House, log: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an hour without a sealer, memory must not grow with what waits."""
    monkeypatch.setattr("audit.pending._TAKE", _few())
    monkeypatch.setattr("audit.pending.MOST_AT_ONCE", 3)
    for number in range(10):
        house.clock.move(timedelta(milliseconds=1))
        log.append_now(event(house.clock(), subject=str(number)))
    found = [entry.event and entry.event.subject for entry in log.entries_of_vault(ANNA)]
    assert found == [str(number) for number in reversed(range(10))]


def _few() -> str:
    from audit import pending  # noqa: PLC0415 its statement, with another limit

    return pending._TAKE.replace(str(pending.MOST_AT_ONCE), "3")
