import asyncio
import itertools
import logging
import resource
import shutil
import sqlite3
import struct
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from msgspec import structs
from sqlalchemy import make_url

from audit import merkle
from audit.body import vault_scope
from audit.checkpoint import open_checkpoint
from audit.entry import EntryState
from audit.errors import AuditError, LogUnavailableError, NoSuchEntryError
from audit.events import Event, EventKind
from audit.leaf import Leaf
from audit.log import AuditLog
from audit.tables import LogTable
from audit.verify import verify
from keys.receipt import Opens, Receipt
from tests import postgres
from tests.audit.audit_world import ANNA, BO, CITIZEN, NURSE, ORIGIN, START, SYSTEM, House, event, head


@pytest.fixture
def log(house: House) -> Iterator[AuditLog]:
    """An open log."""
    log = house.open()
    yield log
    log.close()


def sound(house: House) -> int:
    """Verify, and return how many entries there are."""
    report = verify(house.store, checkpoint_dir=house.outside, log_public=house.public, origin=ORIGIN)
    assert report.is_sound, [str(finding) for finding in report.findings]
    return report.entries


# --- receipts


async def test_receipt_names_a_durable_entry(house: House, log: AuditLog) -> None:
    """A receipt is the only key to the KeyStore: it must say exactly what was logged, under the log's key."""
    opens = Opens(("unit:SE2321000016-3000",), ((b"d" * 16, 1),))
    receipt = await log.append(event(START), opens=opens)
    assert receipt.holds(house.keystore.receipt_key())
    assert (receipt.vault, receipt.at, receipt.opens) == (ANNA, START, opens)
    (found,) = house.sql("SELECT leaf FROM log_entries UNION ALL SELECT entries FROM log_pending")
    assert receipt.entry in found[0]  # what another connection sees is committed


async def test_every_concurrent_append_gets_its_own_place(house: House, log: AuditLog) -> None:
    """Handlers await one writer; none may get another's receipt, and none may be lost."""
    events = [event(START, vault=(ANNA, BO)[i % 2], subject=str(i)) for i in range(300)]
    receipts = await asyncio.gather(*map(log.append, events))
    for one, receipt in zip(events, receipts, strict=True):
        assert log.entry(receipt.entry, vault=one.vault).event == one
    assert [entry.n for entry in log.entries_of_vault(ANNA, limit=500)] == list(range(150, 0, -1))
    log.close()
    assert sound(house) == 300


async def test_what_cannot_be_said_in_a_receipt_fails_its_caller_alone(log: AuditLog) -> None:
    """Receipts are made together, by a thread that must not fall over one of them."""
    too_long = Opens(("x" * 70_000,), ())
    said = (log.append(event(START)), log.append(event(START), opens=too_long), log.append(event(START)))
    first, second, third = await asyncio.gather(*said, return_exceptions=True)
    assert isinstance(first, Receipt)
    assert isinstance(second, struct.error)
    assert isinstance(third, Receipt)
    assert len(log.entries_of_vault(ANNA)) == 2


def test_blocking_twin_does_the_same(house: House, log: AuditLog) -> None:
    """Jobs and commands have no event loop."""
    receipt = log.append_now(event(START))
    assert receipt.holds(house.keystore.receipt_key())
    assert log.entry(receipt.entry, vault=ANNA).event == event(START)


async def test_cancelled_request_leaves_its_entry_and_does_not_stop_the_writer(log: AuditLog) -> None:
    """A citizen who closes the page has still asked."""
    task = asyncio.ensure_future(log.append(event(START)))
    await asyncio.sleep(0)
    task.cancel()
    await log.append(event(START, vault=BO))
    assert task.cancelled() or task.done()


# --- who reads what


async def test_entry_is_found_by_vault_provider_and_authority_and_by_no_other(log: AuditLog) -> None:
    """The citizen, the care provider and the region that answers for it each review the access."""
    await log.append(event(START))
    assert [e.event for e in log.entries_of_vault(ANNA)] == [event(START)]
    for organisation in (NURSE.provider_id, NURSE.authority_id):
        assert [e.event for e in log.entries_of_organisation(organisation)] == [event(START)]
    assert log.entries_of_vault(BO) == []
    assert log.entries_of_organisation("SE2120000142-1000") == []
    assert log.entries_of_organisation("") == []


async def test_citizens_own_acts_are_no_organisations_matter(log: AuditLog) -> None:
    """What a person does in their own vault is theirs alone."""
    receipt = await log.append(event(START, actor=CITIZEN))
    assert log.entry(receipt.entry, vault=ANNA).state is EntryState.OPEN
    with pytest.raises(NoSuchEntryError):
        log.entry(receipt.entry, organisation=NURSE.provider_id)
    with pytest.raises(NoSuchEntryError):
        log.entry(receipt.entry)


async def test_staff_login_is_the_organisations_alone(log: AuditLog) -> None:
    """A login concerns no vault."""
    await log.append(event(START, vault=None, kind=EventKind.LOGIN))
    assert len(log.entries_of_organisation(NURSE.authority_id)) == 1
    assert log.entries_of_vault(ANNA) == []


async def test_what_concerns_nobody_opens_for_the_installation(log: AuditLog) -> None:
    """A system's own act without a vault must still be readable by somebody."""
    receipt = await log.append(event(START, vault=None, actor=SYSTEM))
    entry = log.entry(receipt.entry)
    assert entry.event is not None
    assert entry.event.actor == SYSTEM


async def test_provider_that_is_its_own_authority_sees_each_entry_once(log: AuditLog) -> None:
    """A municipality gives its own home care."""
    actor = structs.replace(NURSE, provider_id=NURSE.authority_id)
    for subject in "ab":
        await log.append(event(START, actor=actor, subject=subject))
    found = log.entries_of_organisation(NURSE.authority_id)
    assert [entry.event and entry.event.subject for entry in found] == ["b", "a"]


async def test_pages_go_from_newest_to_oldest_without_gap_or_overlap(log: AuditLog) -> None:
    """A page that skips an entry hides an access."""
    for i in range(7):
        await log.append(event(START, subject=str(i)))
        await log.append(event(START, vault=BO, actor=CITIZEN))
    of_vault = partial(log.entries_of_vault, ANNA, limit=3)
    of_organisation = partial(log.entries_of_organisation, NURSE.authority_id, limit=3)
    for read in (of_vault, of_organisation):
        seen: list[str] = []
        before: int | None = None
        while page := read(before_seq=before):
            seen += [entry.event.subject for entry in page if entry.event]
            before = page[-1].seq
        assert seen == list("6543210")


async def test_destroyed_key_leaves_the_entry_and_takes_its_content(house: House, log: AuditLog) -> None:
    """Erasure takes the vault's key, retention the organisation's; the tree stands in both cases."""
    house.clock.at = datetime(2031, 1, 31, 23, 59, tzinfo=UTC)  # a month no other test uses
    await log.append(event(START))
    house.keystore.destroy_month_keys(f"vault:{ANNA.hex()}", ["2031-01"])
    (mine,) = log.entries_of_vault(ANNA)
    assert (mine.state, mine.event, mine.n) == (EntryState.DESTROYED, None, 1)
    (theirs,) = log.entries_of_organisation(NURSE.provider_id)
    assert theirs.event == event(START)
    log.close()
    assert sound(house) == 1


async def test_body_is_sealed_under_the_month_of_the_entrys_own_time(house: House, log: AuditLog) -> None:
    """Retention destroys by month: whenever it is numbered, an entry goes with the month in which it was made."""
    house.clock.at = datetime(2031, 3, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    waiter: Future[Receipt] = Future()
    job = log._job_now(event(START), Opens(), waiter)  # said in March ...
    house.clock.move(timedelta(microseconds=1))
    log._writer.submit(job)  # ... written in April
    waiter.result(5)
    (entry,) = log.entries_of_vault(ANNA)
    assert (entry.state, entry.at.month) == (EntryState.OPEN, 4)
    house.keystore.destroy_month_keys(f"vault:{ANNA.hex()}", ["2031-03"])
    assert [entry.state for entry in log.entries_of_vault(ANNA)] == [EntryState.DESTROYED]


def test_file_holds_no_word_in_clear(in_file: House) -> None:
    """A thief of the log learns times and sizes, nothing about whom or what."""
    house = in_file
    log = house.open()
    log.append_now(event(START))
    log.append_now(event(START, actor=CITIZEN, reason="no-consent"))
    log.close()
    stored = b"".join(path.read_bytes() for path in house.folder.rglob("*") if path.is_file())
    for word in (
        b"blood-pressure",
        b"Siv Sk",
        b"SE2321000016",
        b"Anna",
        b"rule-1",
        b"no-consent",
        ANNA,
        ANNA.hex().encode(),
    ):
        assert word not in stored


# --- heads


async def test_newest_head_is_seen_by_every_process(house: House, log: AuditLog) -> None:
    """A rolled-back vault is refused by whichever process serves it."""
    other = house.open()
    assert log.latest_head(ANNA) is None
    await log.append(event(START, kind=EventKind.OUTCOME, head=head(1)))
    assert other.latest_head(ANNA) == head(1)
    await other.append(event(START, kind=EventKind.OUTCOME, head=head(2)))
    await other.append(event(START))
    assert log.latest_head(ANNA) == head(2)
    assert log.latest_head(BO) is None
    other.close()


async def test_outcomes_in_the_other_order_keep_the_newer_head(house: House, log: AuditLog) -> None:
    """Two processes change one vault: the later change may be logged first, and must stay the newest."""
    await log.append(event(START, head=head(6)))
    late = await log.append(event(START, head=head(5)))
    assert log.latest_head(ANNA) == head(6)
    entry = log.entry(late.entry, vault=ANNA)
    assert entry.event is not None
    assert entry.event.head == head(5)
    log.close()
    assert sound(house) == 2


async def test_second_head_of_one_version_is_refused(house: House, log: AuditLog) -> None:
    """Two heads of one version are a fork: one of them is of a replayed database."""
    await log.append(event(START, head=head(3)))
    with pytest.raises(LogUnavailableError, match="another head"):
        await log.append(event(START, head=head(3, b"x")))
    await log.append(event(START, head=head(3)))  # said twice, it is the same head
    await log.append(event(START, head=head(4)))
    assert log.latest_head(ANNA) == head(4)
    log.close()
    assert sound(house) == 3


# --- proofs and checkpoints


async def test_inclusion_proof_verifies_with_the_public_key_alone(house: House, log: AuditLog) -> None:
    """The citizen takes the proof along and needs nobody's word, ours included."""
    receipts = [await log.append(event(START, subject=str(i))) for i in range(20)]
    for index, receipt in enumerate(receipts):
        proof = log.inclusion(receipt.entry)
        signed = open_checkpoint(proof.checkpoint, origin=ORIGIN, public=house.public)
        assert (proof.index, signed.size) == (index, 20)
        merkle.check_inclusion(index, 20, merkle.leaf_hash(proof.leaf), proof.proof, signed.root)
        assert receipt.entry in proof.leaf
        assert proof.text().startswith("c2sp.org/tlog-proof@v1\nextra ")
    with pytest.raises(NoSuchEntryError):
        log.inclusion(bytes(16))


async def test_proofs_hold_across_stored_levels(log: AuditLog) -> None:
    """Only every eighth level is stored; what lies between must be recomputed rightly."""
    receipts = await asyncio.gather(*(log.append(event(START, subject=str(i))) for i in range(700)))
    log.checkpoint()
    for receipt in receipts[::97]:
        proof = log.inclusion(receipt.entry)
        assert proof.size == 700


async def test_checkpoints_leave_the_database_by_themselves(house: House) -> None:
    """A rollback shows only against what stands elsewhere, so it goes there without anybody's help."""
    log = house.open(checkpoint_every=timedelta(milliseconds=20))
    await log.append(event(START))
    for _ in range(200):
        if "\n1\n" in (house.outside / "latest").read_text():
            break
        await asyncio.sleep(0.02)
    note = (house.outside / "latest").read_text()
    assert open_checkpoint(note, origin=ORIGIN, public=house.public).size == 1
    log.close()


def test_close_writes_what_waits_and_a_last_checkpoint(house: House) -> None:
    """After a clean end nothing is uncovered."""
    log = house.open()
    for i in range(50):
        log.follow(event(START, kind=EventKind.OUTCOME, subject=str(i)))
    log.close()
    if not house.url:
        assert [path.name for path in house.folder.glob("log.db*")] == ["log.db"]  # no journal is left behind
    assert sound(house) == 50
    assert "\n50\n" in (house.outside / "latest").read_text()
    again = house.open()
    assert len(again.entries_of_vault(ANNA)) == 50
    assert again.lost_outcomes == 0
    again.close()


# --- time


async def test_time_stands_still_when_the_clock_steps_back_a_little(house: House, log: AuditLog) -> None:
    """A clock that is set right by a second must stop nobody, nor turn the order of things."""
    await log.append(event(START))
    house.clock.move(timedelta(seconds=-3))
    receipt = await log.append(event(START))
    assert receipt.at == START
    log.close()
    assert sound(house) == 2


async def test_clock_far_behind_the_log_stops_it_until_it_is_right(house: House, log: AuditLog) -> None:
    """A log whose time is wrong proves nothing about when."""
    await log.append(event(START))
    house.clock.move(timedelta(minutes=-1))
    with pytest.raises(LogUnavailableError, match="clock"):
        await log.append(event(START))
    house.clock.move(timedelta(minutes=2))
    await log.append(event(START))
    log.close()
    assert sound(house) == 2


# --- fail closed


@contextmanager
def full_disk(house: House) -> Iterator[None]:
    """Let no file grow: the kernel's own refusal, for root too."""
    path = house.path
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.with_name("log.db-wal").stat().st_size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def locked(house: House) -> Iterator[None]:
    """Let another process hold the file's write lock."""
    other = sqlite3.connect(house.path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        other.close()


@contextmanager
def gone(house: House) -> Iterator[None]:
    """Rename the table under the log."""
    table = "log_pending" if house.url else "log_entries"
    house.sql(f"ALTER TABLE {table} RENAME TO elsewhere")
    yield
    house.sql(f"ALTER TABLE elsewhere RENAME TO {table}")


@contextmanager
def read_only(house: House) -> Iterator[None]:
    """Let the server take no writing."""
    name = make_url(house.url).database
    house.sql(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    postgres.shared().cut_off(house.url)
    yield
    with closing(postgres.connect(house.url)) as server:
        server.execute("SET default_transaction_read_only = off")
        server.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only".encode())
    postgres.shared().cut_off(house.url)


@contextmanager
def dead(house: House) -> Iterator[None]:
    """Let nobody connect, and cut off who is."""
    name = make_url(house.url).database
    with closing(postgres.connect(house.url.replace(f"/{name}", "/postgres"))) as server:
        server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
        postgres.shared().cut_off(house.url)
        yield
        server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())


IN_FILE, ON_SERVER = (full_disk, locked, gone), (gone, read_only, dead)


@pytest.mark.parametrize("fault", [full_disk, locked, gone, read_only, dead])
async def test_fault_gives_no_receipt_and_the_log_recovers_with_it(
    house: House,
    log: AuditLog,
    fault: Callable[[House], AbstractContextManager[None]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Audit down means no plaintext; audit up again means work again, without a restart."""
    if fault not in (ON_SERVER if house.url else IN_FILE):
        pytest.skip("the other engine's")
    monkeypatch.setattr("audit.database.BUSY_MS", 50)
    quick = house.open()
    await quick.append(event(START))
    with fault(house):
        with pytest.raises(LogUnavailableError):
            await quick.append(event(START, subject="lost"))
        quick.follow(event(START, kind=EventKind.OUTCOME, subject="kept"))
        with pytest.raises(LogUnavailableError):
            await quick.append(event(START, subject="lost"))
    await quick.append(event(START, subject="after"))
    quick.close()
    subjects = [entry.event.subject for entry in log.entries_of_vault(ANNA) if entry.event]
    assert sorted(subjects) == ["", "after", "kept"]
    assert quick.lost_outcomes == 0
    assert "Siv" not in caplog.text
    log.close()
    assert sound(house) == 3


async def test_no_entry_is_accepted_while_its_checkpoint_cannot_leave(house: House) -> None:
    """Without the outside anchor a rollback could not be shown, so the log stops and says so."""
    log = house.open(checkpoint_every=timedelta(0))
    away = house.outside.rename(house.folder / "away")
    house.outside.write_text("a file where the folder was")
    await log.append(event(START))
    with pytest.raises(AuditError):
        log.checkpoint()
    with pytest.raises(LogUnavailableError):
        await log.append(event(START))
    house.outside.unlink()
    away.rename(house.outside)
    await log.append(event(START))
    log.close()
    assert sound(house) == 2


async def test_closed_log_takes_nothing(house: House) -> None:
    """A process that is shutting down must not release keys on words that nobody writes."""
    log = house.open()
    log.close()
    log.close()
    with pytest.raises(LogUnavailableError):
        await log.append(event(START))
    with pytest.raises(LogUnavailableError):
        log.append_now(event(START))
    with pytest.raises(LogUnavailableError):
        log.latest_head(ANNA)
    log.follow(event(START))
    assert log.lost_outcomes == 1


@pytest.mark.parametrize("fault", [locked, gone])
async def test_outcome_that_is_lost_is_counted_and_told_without_content(
    house: House,
    fault: Callable[[House], AbstractContextManager[None]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The operator must learn of it, and the operator's log must hold nothing about anybody."""
    if house.url and fault is locked:
        pytest.skip("nobody can lock who only adds")
    monkeypatch.setattr("audit.database.BUSY_MS", 20)
    log = house.open()
    with caplog.at_level(logging.ERROR), fault(house):
        log.follow(event(START, kind=EventKind.OUTCOME))
        log.close()
    assert log.lost_outcomes == 1
    assert "1 outcomes could not be written" in caplog.text
    assert "Siv" not in caplog.text


@pytest.mark.parametrize(
    "wrong",
    [
        {"vault": b"short"},
        {"vault": None, "head": head(1)},
        {"head": head(0, b"x")},
        {"head": head(1, b"xy")},
        {"reason": "\ud800"},
    ],
)
async def test_event_that_cannot_be_written_gives_no_receipt(log: AuditLog, wrong: dict[str, Any]) -> None:
    """Whatever is wrong with an event, nobody may go on as if it were logged."""
    with pytest.raises(LogUnavailableError):
        await log.append(event(START, **wrong))
    await log.append(event(START))


# --- the file under the log's feet


def test_log_that_was_rolled_back_does_not_open(in_file: House) -> None:
    """An old copy would forget accesses and sign a second history."""
    house = in_file
    log = house.open()
    log.append_now(event(START))
    log.close()
    shutil.copy(house.path, house.folder / "old.db")
    log = house.open()
    log.append_now(event(START))
    log.close()
    shutil.copy(house.folder / "old.db", house.path)
    with pytest.raises(LogUnavailableError, match="behind its checkpoint"):
        house.open()


def empty(house: House) -> None:
    """Delete the whole log."""
    for table in LogTable.metadata.tables:
        house.sql(f"DELETE FROM {table}")  # noqa: S608 fixed words


def test_log_that_was_deleted_does_not_begin_anew(house: House) -> None:
    """Deleting everything is the simplest way to forget."""
    log = house.open()
    log.append_now(event(START))
    log.close()
    empty(house)
    with pytest.raises(LogUnavailableError, match="behind its checkpoint"):
        house.open()


def test_log_with_another_history_does_not_open(house: House) -> None:
    """As long as the true one but another: the fork is refused before it is signed."""
    for _ in range(2):
        log = house.open()
        log.append_now(event(START))
        log.close()
        kept = shutil.copytree(house.outside, house.folder / "kept", dirs_exist_ok=True)
        empty(house)
        shutil.rmtree(house.outside)
    log = house.open()
    log.append_now(event(START))
    log.append_now(event(START))
    log.close()
    shutil.rmtree(house.outside)
    shutil.copytree(kept, house.outside)
    with pytest.raises(LogUnavailableError, match="contradicts"):
        house.open()


@pytest.mark.parametrize(
    "forgery",
    [
        "UPDATE log_tip SET size = size + 1",
        "UPDATE log_tip SET note = replace(note, 'example', 'elsewhere')",
        "DELETE FROM log_tip",
    ],
)
async def test_tip_that_went_back_or_was_forged_stops_the_log(
    house: House, log: AuditLog, forgery: str
) -> None:
    """Whoever writes the database while we run cannot make us sign what is not ours."""
    await log.append(event(START))
    log.checkpoint()
    (kept,) = house.sql("SELECT one, size, peaks, note, listed FROM log_tip")
    house.sql(forgery)
    with pytest.raises(LogUnavailableError):
        await (read_on_server(log) if house.url else log.append(event(START)))
    house.sql("DELETE FROM log_tip")
    house.sql("INSERT INTO log_tip (one, size, peaks, note, listed) VALUES (?, ?, ?, ?, ?)", *kept)
    await log.append(event(START))
    assert len(log.entries_of_vault(ANNA)) == (3 if house.url else 2)


async def read_on_server(log: AuditLog) -> None:
    """Append, and read: numbering waits there, and whoever reads finds what is wrong."""
    await log.append(event(START))
    log.entries_of_vault(ANNA)


@pytest.mark.parametrize(
    ("field", "value"),
    [("head_version", 2), ("at_us", 5), ("vault", BO), ("n", 7), ("leaf", b"x"), ("sealed", b"x")],
)
async def test_changed_entry_is_shown_as_damaged_and_its_head_is_refused(
    house: House, log: AuditLog, field: str, value: Any
) -> None:
    """A changed row must not pass for a destroyed one nor for another's, nor steer what vault is accepted."""
    await log.append(event(START, head=head(4)))
    assert [entry.state for entry in log.entries_of_vault(ANNA)] == [EntryState.OPEN]
    ((leaf, sealed),) = house.sql("SELECT leaf, sealed FROM log_entries")
    if field in {"leaf", "sealed"}:
        house.sql(f"UPDATE log_entries SET {field} = ?", value)  # noqa: S608 fixed words
    else:
        house.sql("UPDATE log_entries SET leaf = ?", Leaf.decode(leaf)._replace(**{field: value}).encode())
    assert [entry.state for entry in log.entries_of_vault(ANNA)] == [EntryState.DAMAGED]
    if field != "sealed":
        with pytest.raises(LogUnavailableError):
            log.latest_head(ANNA)
    house.sql("UPDATE log_entries SET leaf = ?, sealed = ?", leaf, sealed)
    assert log.latest_head(ANNA) == head(4)


async def test_entry_listed_under_another_name_is_shown_as_damaged(house: House, log: AuditLog) -> None:
    """A list is no word of the log's: what it leads to has to concern who asked."""
    await log.append(event(START, vault=ANNA))
    await log.append(event(START, vault=BO))
    assert len(log.entries_of_vault(ANNA)) == len(log.entries_of_vault(BO)) == 1
    anna = house.keystore.pseudonym(vault_scope(ANNA))
    house.sql("INSERT INTO log_names VALUES (?, 1, ?)", anna, (1).to_bytes(8))
    states = [entry.state for entry in log.entries_of_vault(ANNA)]
    assert states == [EntryState.DAMAGED, EntryState.OPEN]


# --- events made by the product


def test_every_kind_of_event_can_be_logged(log: AuditLog) -> None:
    """A kind that cannot be written would stop the request that it belongs to."""
    kinds = list(EventKind)
    made: list[Event] = [event(START, kind=kind) for kind in kinds]
    for one in made:
        log.append_now(one)
    found = [entry.event for entry in reversed(log.entries_of_vault(ANNA))]
    assert found == made
    assert all(a.at <= b.at for a, b in itertools.pairwise(reversed(log.entries_of_vault(ANNA))))
