"""Whoever writes the log's file is found, and what they did is named. Attackers fix what they can fix."""

import hashlib
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from audit import body, store
from audit.checkpoint import Checkpoint
from audit.database import SQLiteConnection
from audit.events import EventKind
from audit.leaf import Leaf
from audit.merkle import Frontier, leaf_hash
from audit.verify import Fault, Report, verify
from audit.verify_entries import SIZE, blocks
from keys.primitives import Signer
from tests.audit.audit_world import ANNA, BO, CITIZEN, NURSE, ORIGIN, START, House, event, head
from tests.bench import verifying

FAR = START + timedelta(days=1)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, session_keystore: object) -> House:
    """A log of 300 entries of two vaults, with checkpoints outside at 0, 100, 200, 300 and an old copy."""
    from tests.audit.audit_world import Clock  # noqa: PLC0415 a module's fixture makes its own house

    house = House(tmp_path_factory.mktemp("log"), session_keystore, Clock())  # type: ignore[arg-type]
    log = house.open()
    for i in range(300):
        house.clock.move(timedelta(seconds=1))
        vault, actor = (ANNA, NURSE) if i % 3 else (BO, CITIZEN)
        stated = head(i // 30 + 1) if i % 30 == 1 else None
        log.append_now(event(house.clock(), vault=vault, actor=actor, subject=str(i), head=stated))
        if i % 100 == 99:
            log.checkpoint()
        if i == 249:
            log.append_now(event(house.clock(), vault=None, kind=EventKind.LOGIN))
            with (
                closing(sqlite3.connect(house.path)) as now,
                closing(sqlite3.connect(house.folder / "old.db")) as old,
            ):
                now.backup(old)
    log.close()
    return house


@pytest.fixture
def house(in_file: House) -> House:
    """A log not yet made, in a file."""
    return in_file


@pytest.fixture
def copy(made: House, tmp_path: Path) -> House:
    """A copy to do harm to."""
    shutil.copytree(made.folder, tmp_path, dirs_exist_ok=True)
    return House(tmp_path, made.keystore, made.clock)


@pytest.fixture
def database(copy: House) -> Iterator[SQLiteConnection]:
    """The copy's file, as a database writer holds it."""
    with closing(hold(copy.path)) as connection:
        yield connection


def hold(path: Path) -> SQLiteConnection:
    """Connect to a log's file; its SQL knows ``field(leaf, name)`` and ``changed(leaf, name, value)``."""
    connection = sqlite3.connect(path, isolation_level=None, factory=SQLiteConnection)
    connection.create_function("field", 2, lambda leaf, name: getattr(Leaf.decode(leaf), name))
    connection.create_function(
        "changed", 3, lambda leaf, name, value: Leaf.decode(leaf)._replace(**{name: value}).encode()
    )
    return connection


def look(house: House, **more: object) -> Report:
    """Verify with the true key."""
    return verify(
        house.store,
        checkpoint_dir=house.outside,
        log_public=house.public,
        origin=ORIGIN,
        **more,  # type: ignore[arg-type]
    )


def faults(report: Report) -> set[Fault]:
    """Return what was found."""
    return {finding.fault for finding in report.findings}


def places(report: Report, fault: Fault) -> set[str]:
    """Return where a fault was found."""
    return {finding.where for finding in report.findings if finding.fault is fault}


def rebuild(database: SQLiteConnection, signer: Signer | None = None) -> None:
    """Do what an attacker with the program at hand does: hash and list everything anew, and sign if there is a key."""
    hashes, heads = [], []
    for seq, leaf in database.execute("SELECT seq, leaf FROM log_entries ORDER BY seq").fetchall():
        hashes.append(leaf_hash(leaf))
        database.execute("UPDATE log_entries SET leaf_hash = ? WHERE seq = ?", (hashes[-1], seq))
        fields = Leaf.decode(leaf)
        if fields.head_version:
            heads.append((fields.vault, fields.head_version, seq))
    frontier, nodes = Frontier().append(hashes)
    for table in ("log_nodes", "log_ids", "log_names", "log_heads"):
        database.execute(f"DELETE FROM {table}")  # noqa: S608 fixed words
    database.executemany(
        "INSERT INTO log_nodes VALUES (?, ?, ?)",
        [
            (level, first + at, node)
            for level, first, run in nodes
            if not level % 8
            for at, node in enumerate(run)
        ],
    )
    note = database.execute("SELECT note FROM log_tip").fetchone()[0]
    if signer is not None:
        note = Checkpoint(ORIGIN, frontier.size, frontier.root()).signed(signer)
    database.execute(
        "UPDATE log_tip SET size = ?, peaks = ?, note = ?", (frontier.size, frontier.encode(), note)
    )
    store.add_to_lists(database, 0, frontier.size)
    store.add_heads(database, heads)


def renumber(database: SQLiteConnection) -> None:
    """Close every gap, in the sequence and in each vault."""
    rows = database.execute("SELECT seq, field(leaf, 'vault') FROM log_entries ORDER BY seq").fetchall()
    counts: dict[bytes, int] = {}
    for new, (old, vault) in enumerate(rows):
        counts[vault] = counts.get(vault, 0) + 1
        change = "UPDATE log_entries SET seq = ?, leaf = changed(leaf, 'n', ?) WHERE seq = ?"
        database.execute(change, (new, counts[vault], old))


def test_untouched_log_is_sound(made: House) -> None:
    """A verifier that cries wolf is switched off."""
    report = look(made)
    assert report.is_sound, [str(finding) for finding in report.findings]
    assert (report.entries, report.anchored, report.opened, report.gone) == (301, 301, 0, 0)


def test_log_still_growing_is_sound(house: House) -> None:
    """Verifying must not need a stop."""
    log = house.open()
    for _ in range(3):
        log.append_now(event(START))
        report = look(house)
        assert report.is_sound, [str(finding) for finding in report.findings]
    assert (report.entries, report.anchored) == (3, 0)
    log.close()


def test_empty_log_is_sound(house: House) -> None:
    """The first day has no entries."""
    house.open().close()
    assert look(house).is_sound


# --- rows


def test_deleted_entry_is_a_visible_hole(copy: House, database: SQLiteConnection) -> None:
    """The commonest wish: that one access had never been."""
    database.execute("DELETE FROM log_entries WHERE seq = 100")
    report = look(copy)
    assert places(report, Fault.GAP) == {"entry 101"}
    assert faults(report) >= {Fault.OTHER_ROOT, Fault.VAULT_GAP, Fault.TIP}


def test_deleted_entry_is_found_though_all_is_renumbered_and_rehashed(
    copy: House, database: SQLiteConnection
) -> None:
    """Whoever has the program can make the rest consistent, but for what was signed."""
    database.execute("DELETE FROM log_entries WHERE seq = 100")
    renumber(database)
    rebuild(database)
    report = look(copy)
    assert faults(report) == {Fault.OTHER_ROOT, Fault.BEHIND, Fault.MISPLACED}
    first = next(finding for finding in report.findings if finding.fault is Fault.OTHER_ROOT)
    assert "the first 100 agree" in first.detail


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("at_us", "field(leaf, 'at_us') + 1"),
        ("provider", "zeroblob(16)"),
        ("authority", "randomblob(16)"),
        ("commitment", "randomblob(32)"),
        ("head_version", "99"),
        ("head_digest", "randomblob(32)"),
        ("entry_id", "randomblob(16)"),
        ("n", "field(leaf, 'n') + 1000"),
    ],
)
def test_changed_field_is_found_and_named(
    copy: House, database: SQLiteConnection, field: str, value: str
) -> None:
    """Everything that anybody searches by or relies on is in the leaf."""
    change = f"UPDATE log_entries SET leaf = changed(leaf, '{field}', {value}) WHERE seq = 151"  # noqa: S608 fixed words
    database.execute(change)
    assert "entry 151" in places(look(copy), Fault.CHANGED_ROW)
    rebuild(database)
    assert Fault.OTHER_ROOT in faults(look(copy))


@pytest.mark.parametrize(
    "change",
    [
        "leaf = x'00'",
        "leaf = 'text'",
        "leaf = CAST(leaf || x'00' AS BLOB)",
        "leaf = CAST(x'02' || substr(leaf, 2) AS BLOB)",
        "leaf = CAST(substr(leaf, 1, 33) || x'ffffffffffffffff' || substr(leaf, 42) AS BLOB)",
        "leaf_hash = x'00'",
        "leaf_hash = 1",
    ],
)
def test_malformed_row_is_found_and_named(copy: House, database: SQLiteConnection, change: str) -> None:
    """SQLite takes any type in any column; the verifier does not."""
    database.execute(f"UPDATE log_entries SET {change} WHERE seq = 151")  # noqa: S608 fixed words
    assert "entry 151" in places(look(copy), Fault.MALFORMED_ROW)


def test_reordered_entries_are_found(copy: House, database: SQLiteConnection) -> None:
    """Order says who looked before the block and who after."""
    database.executescript(
        "UPDATE log_entries SET seq = -1 WHERE seq = 10; UPDATE log_entries SET seq = 10 WHERE seq = 13;"
        "UPDATE log_entries SET seq = 13 WHERE seq = -1;"
    )
    report = look(copy)
    assert faults(report) >= {Fault.TIME_BACK, Fault.VAULT_GAP, Fault.OTHER_ROOT}


def test_duplicated_entry_is_found(copy: House, database: SQLiteConnection) -> None:
    """An access that never was accuses somebody."""
    database.execute("CREATE TEMP TABLE one AS SELECT * FROM log_entries WHERE seq = 300")
    database.execute("UPDATE one SET seq = 301, leaf = changed(leaf, 'n', field(leaf, 'n') + 1)")
    database.execute("UPDATE one SET leaf = changed(leaf, 'entry_id', randomblob(16))")
    database.execute("INSERT INTO log_entries SELECT * FROM one")
    assert Fault.CHANGED_ROW in faults(look(copy))
    rebuild(database)
    assert faults(look(copy)) == {Fault.MISPLACED}  # the signed tip is of another size


def test_forged_newest_entry_is_found_before_any_checkpoint(house: House) -> None:
    """The tip is signed with every commit, so that nothing can be slipped in behind the last checkpoint."""
    log = house.open()
    for _ in range(3):
        log.append_now(event(START))
    with closing(hold(house.path)) as database:
        database.execute(
            "UPDATE log_entries SET leaf = changed(leaf, 'at_us', field(leaf, 'at_us') + 1) WHERE seq = 2"
        )
        rebuild(database)
        assert faults(look(house)) == {Fault.OTHER_ROOT}
    log.close()


def test_rows_of_two_vaults_swapped_are_found(copy: House, database: SQLiteConnection) -> None:
    """An access moved to another citizen's log is hidden from the one and shown to the other."""
    query = "SELECT field(leaf, 'vault') FROM log_entries WHERE seq IN (30, 31) ORDER BY seq"
    (one,), (other,) = database.execute(query)
    change = "UPDATE log_entries SET leaf = changed(leaf, 'vault', ?) WHERE seq = ?"
    database.executemany(change, [(other, 30), (one, 31)])
    report = look(copy)
    assert places(report, Fault.CHANGED_ROW) == {"entry 30", "entry 31"}
    assert Fault.VAULT_GAP in faults(report)


def test_replaced_body_is_found_without_a_key(copy: House, database: SQLiteConnection) -> None:
    """What an entry says is sealed, and still may not be exchanged for another's."""
    database.execute(
        "UPDATE log_entries SET sealed = (SELECT sealed FROM log_entries WHERE seq = 41) WHERE seq = 40"
    )
    assert places(look(copy), Fault.CHANGED_BODY) == {"entry 40"}


def test_removed_body_is_found_unless_its_time_is_over(copy: House, database: SQLiteConnection) -> None:
    """Retention removes bodies after years, an attacker sooner."""
    database.execute("UPDATE log_entries SET sealed = NULL WHERE seq < 20")
    assert len(places(look(copy), Fault.NO_BODY)) == 20
    report = look(copy, bodies_kept_since=FAR)
    assert report.is_sound
    assert report.gone == 20


@pytest.mark.parametrize(
    ("change", "table"),
    [
        ("DELETE FROM log_names WHERE first = (SELECT max(first) FROM log_names)", "log_names"),
        (
            "UPDATE log_names SET numbers = CAST(substr(numbers, 1, 16) || substr(numbers, 25) AS BLOB)",
            "log_names",
        ),
        ("UPDATE log_names SET numbers = CAST(numbers || x'00' AS BLOB)", "log_names"),
        ("UPDATE log_names SET numbers = x''", "log_names"),
        (
            "UPDATE log_names SET numbers = CAST(substr(numbers, 9) || substr(numbers, 1, 8) AS BLOB)",
            "log_names",
        ),
        ("DELETE FROM log_ids WHERE seq = 151", "log_ids"),
        ("DELETE FROM log_heads WHERE version = 3", "log_heads"),
        ("UPDATE log_names SET name = randomblob(16) WHERE first = 0", "log_names"),
        ("UPDATE log_ids SET seq = 150 WHERE seq = 151", "log_ids"),
        ("UPDATE log_heads SET version = 99 WHERE version = 3", "log_heads"),
        ("INSERT INTO log_names VALUES (zeroblob(16), 7, x'0000000000000007')", "log_names"),
        ("INSERT INTO log_names VALUES (zeroblob(16), 1000, x'00000000000003e8')", "log_names"),
        ("INSERT INTO log_names VALUES ('text', 7, x'0000000000000007')", "log_names"),
        ("INSERT INTO log_names VALUES (x'00', 7, x'0000000000000007')", "log_names"),
        ("UPDATE log_names SET first = 'text' WHERE first = 0", "log_names"),
        ("INSERT INTO log_ids VALUES (zeroblob(16), 301)", "log_ids"),
        ("INSERT INTO log_heads VALUES (zeroblob(16), 1, 301)", "log_heads"),
        ("UPDATE log_tip SET listed = 150", "log_names"),
        ("UPDATE log_tip SET listed = 'text'", "log_names"),
    ],
)
def test_wrong_list_is_found(copy: House, database: SQLiteConnection, change: str, table: str) -> None:
    """People read by the lists: what they lack is hidden, and what is put in stands in for something else."""
    before = database.total_changes
    database.execute(change)
    assert database.total_changes > before
    assert f"list {table}" in places(look(copy), Fault.INCONSISTENT_FILE)


def test_list_that_is_behind_is_sound_and_its_rest_is_found(house: House) -> None:
    """Entries are listed some at a time; what a dead process left is listed by whoever reads next."""
    log = house.open()
    for number in range(3):
        log.append_now(event(START, subject=str(number)))
    assert len(log.entries_of_vault(ANNA)) == 3
    with closing(hold(house.path)) as database:
        database.execute("DELETE FROM log_ids WHERE seq > 0")
        database.execute("UPDATE log_names SET numbers = substr(numbers, 1, 8)")
        assert places(look(house), Fault.INCONSISTENT_FILE) == {"list log_ids", "list log_names"}
        database.execute("UPDATE log_tip SET listed = 1")
    assert look(house).is_sound
    assert len(log.entries_of_vault(ANNA)) == 3
    assert look(house).is_sound
    log.close()


def test_list_out_of_order_is_found(copy: House, database: SQLiteConnection) -> None:
    """Whoever searches what is not sorted does not find what is there."""
    database.execute("CREATE TABLE kept AS SELECT * FROM log_names")
    database.execute("DROP TABLE log_names")
    said = "CREATE TABLE log_names (name BLOB, first INTEGER, numbers BLOB, PRIMARY KEY (name{}, first)) WITHOUT ROWID"
    database.execute(said.format(" DESC"))
    database.execute("INSERT INTO log_names SELECT * FROM kept")
    database.execute("PRAGMA writable_schema = ON")
    database.execute("UPDATE sqlite_master SET sql = ? WHERE name = 'log_names'", (said.format(""),))
    assert places(look(copy), Fault.INCONSISTENT_FILE) == {"list log_names"}


def test_index_is_found(copy: House, database: SQLiteConnection) -> None:
    """The log has none: one could hide rows, or be of something else than the leaf."""
    database.execute("CREATE INDEX mine ON log_entries (lower(sealed))")
    assert places(look(copy), Fault.FOREIGN_CODE) == {"index mine"}


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER t AFTER INSERT ON log_entries BEGIN DELETE FROM log_entries WHERE seq = 1; END",
        "CREATE VIEW v AS SELECT * FROM log_entries",
        "ALTER TABLE log_nodes RENAME TO n",
    ],
)
def test_code_in_the_database_is_found(copy: House, database: SQLiteConnection, statement: str) -> None:
    """A trigger could undo what the log writes, after the receipt."""
    database.execute(statement)
    assert Fault.FOREIGN_CODE in faults(look(copy))


# --- tree and tip


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE log_nodes SET hash = randomblob(32)",
        "DELETE FROM log_nodes",
        "INSERT INTO log_nodes VALUES (16, 0, zeroblob(32))",
    ],
)
def test_wrong_node_is_found(copy: House, database: SQLiteConnection, statement: str) -> None:
    """A wrong node gives people proofs that fail, which looks like a lie of the log's."""
    database.execute(statement)
    assert Fault.NODE in faults(look(copy))


@pytest.mark.parametrize(
    "statement",
    ["UPDATE log_tip SET peaks = zeroblob(128)", "UPDATE log_tip SET listed = 302", "DELETE FROM log_tip"],
)
def test_wrong_tip_is_found(copy: House, database: SQLiteConnection, statement: str) -> None:
    """The tip is what the next entry stands on."""
    database.execute(statement)
    assert Fault.TIP in faults(look(copy))


# --- truncation, rollback, keys


def test_truncated_log_is_found_by_what_stands_outside(copy: House, database: SQLiteConnection) -> None:
    """The newest accesses are those that somebody most wants gone."""
    database.executescript(
        "DELETE FROM log_entries WHERE seq >= 290; DELETE FROM log_checkpoints WHERE size > 290;"
    )
    rebuild(database)
    report = look(copy)
    assert Fault.BEHIND in faults(report)
    assert any(place.startswith("outside/") for place in places(report, Fault.BEHIND))


def test_log_rolled_back_to_an_old_copy_is_found(copy: House) -> None:
    """An old copy is sound in itself; only the outside shows that there was more."""
    shutil.copy(copy.folder / "old.db", copy.path)
    report = look(copy)
    assert faults(report) == {Fault.BEHIND}
    assert places(report, Fault.BEHIND) <= {"outside/latest", "outside/checkpoint.000000000301"}


def test_everything_signed_anew_with_another_key_is_found(copy: House, database: SQLiteConnection) -> None:
    """Whoever replaces log, checkpoints and all cannot replace the key that others know."""
    thief = Signer(b"t" * 32)
    database.execute("UPDATE log_entries SET leaf = changed(leaf, 'at_us', field(leaf, 'at_us') - 1)")
    database.execute("DELETE FROM log_checkpoints")
    rebuild(database, thief)
    size, note = database.execute("SELECT size, note FROM log_tip").fetchone()
    database.execute("INSERT INTO log_checkpoints VALUES (?, ?)", (size, note))
    shutil.rmtree(copy.outside)
    copy.outside.mkdir()
    for name in ("latest", f"checkpoint.{size:012d}"):
        (copy.outside / name).write_text(note)
    report = look(copy)
    assert faults(report) == {Fault.UNKNOWN_KEY, Fault.NO_OUTSIDE}
    assert len(places(report, Fault.UNKNOWN_KEY)) == 4
    as_the_thief_says = verify(
        copy.path, checkpoint_dir=copy.outside, log_public=thief.public(), origin=ORIGIN
    )
    assert as_the_thief_says.is_sound


def test_missing_outside_is_told(copy: House) -> None:
    """Without anything outside nobody can exclude a rollback, and a green report would say that one had."""
    shutil.rmtree(copy.outside)
    assert faults(look(copy)) == {Fault.NO_OUTSIDE}


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("\n301\n", "\n302\n", Fault.BAD_SIGNATURE),
        (ORIGIN, "halsovalvet.example/other", Fault.OTHER_ORIGIN),
        ("\n301\n", "\n0301\n", Fault.MALFORMED_NOTE),
        ("\n301\n", f"\n{'3' * 5000}\n", Fault.MALFORMED_NOTE),
        ("\u2014", "-", Fault.MALFORMED_NOTE),
        ("\n\n", "\n", Fault.MALFORMED_NOTE),
    ],
)
def test_changed_checkpoint_is_found(copy: House, old: str, new: str, fault: Fault) -> None:
    """A checkpoint counts only whole."""
    latest = copy.outside / "latest"
    latest.write_text(latest.read_text().replace(old, new))
    assert places(look(copy), fault) == {"outside/latest"}


def test_checkpoint_under_another_size_is_found(copy: House) -> None:
    """An old checkpoint under a new name would hide how far the log had come."""
    shutil.copy(copy.outside / "checkpoint.000000000100", copy.outside / "checkpoint.000000000301")
    assert Fault.MISPLACED in faults(look(copy))


def test_file_that_is_no_database_is_told(copy: House) -> None:
    """The report must come, whatever the file."""
    copy.path.write_bytes(b"no database" * 1000)
    assert Fault.UNREADABLE in faults(look(copy))


# --- with keys, with vaults


def test_bodies_match_their_commitments_with_keys_at_hand(made: House) -> None:
    """An auditor with one vault's key checks what was said, not only that it was not changed."""
    opened = look(made, open_body=body.opener(made.keystore, [body.vault_scope(ANNA)]))
    assert (opened.is_sound, opened.opened) == (True, 200)


def test_opened_body_that_breaks_its_commitment_is_found(made: House) -> None:
    """A log that committed to one text and shows another is a liar."""
    report = look(made, open_body=lambda entry_id, _at, _sealed: hashlib.sha256(entry_id).digest() + b"{}")
    assert len(places(report, Fault.WRONG_BODY)) == 301


def heads_of(house: House, version: int, fill: bytes = b"") -> Callable[[bytes], tuple[int, bytes] | None]:
    """Return a database in which Anna's vault has this head."""
    stated = head(version, fill)
    mine = {house.keystore.pseudonym(body.vault_scope(ANNA)): (stated.version, stated.digest)}
    return mine.get


@pytest.mark.parametrize(
    ("version", "fill", "is_found"), [(9, b"", True), (10, b"", False), (10, b"x", True), (11, b"", False)]
)
def test_vault_older_than_the_log_is_found(made: House, version: int, fill: bytes, *, is_found: bool) -> None:
    """A vault of yesterday has yesterday's rules; one ahead of the log is of a crash before its outcome."""
    report = look(made, heads=heads_of(made, version, fill))
    assert (faults(report) == {Fault.VAULT_BEHIND}) is is_found
    assert report.is_sound is not is_found


def test_head_that_goes_back_is_found(copy: House, database: SQLiteConnection) -> None:
    """A head stated twice with two digests would be two vaults in one."""
    database.execute("UPDATE log_entries SET leaf = changed(leaf, 'head_version', 1) WHERE seq = 31")
    assert places(look(copy), Fault.HEAD_BACK) == {"entry 31"}


# --- large logs


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of two whole blocks and the beginning of a third."""
    folder = tmp_path_factory.mktemp("large") / "log"
    verifying.make_log(folder, 33_000)
    return folder


def test_large_log_is_sound_in_one_process_or_many(large: Path) -> None:
    """However it is cut, it is one tree."""
    one, two = (verifying.look(large, processes=processes) for processes in (1, 2))
    assert one == two
    assert (one.is_sound, one.entries, one.anchored) == (True, 33_000, 33_000)


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("DELETE FROM log_entries WHERE seq = 0", "entry 1: GAP"),
        ("DELETE FROM log_entries WHERE seq = 16383", "entry 16384: GAP"),
        ("DELETE FROM log_entries WHERE seq = 16384", "entry 16385: GAP"),
        ("DELETE FROM log_entries WHERE seq < 16384", "entry 16384: GAP"),
        ("DELETE FROM log_entries WHERE seq = 32999", "tip: TIP"),
        ("UPDATE log_entries SET seq = 1000000000000 WHERE seq = 20000", "entry 1000000000000: GAP"),
        ("UPDATE log_entries SET seq = -1 WHERE seq = 20000", "entry -1: GAP"),
        (
            "UPDATE log_entries SET leaf = changed(leaf, 'at_us', 1) WHERE seq = 16384",
            "entry 16384: TIME_BACK",
        ),
        (
            "UPDATE log_entries SET leaf = changed(leaf, 'n', field(leaf, 'n') + 1) WHERE seq = 32768",
            "entry 32768: VAULT_GAP",
        ),
        ("UPDATE log_entries SET sealed = x'00' WHERE seq = 32769", "entry 32769: CHANGED_BODY"),
        ("UPDATE log_entries SET leaf = 'text' WHERE seq = 16385", "entry 16385: MALFORMED_ROW"),
        ("UPDATE log_nodes SET hash = zeroblob(32) WHERE idx = 100", "node 8/100: NODE"),
        ("DELETE FROM log_names WHERE first BETWEEN 20000 AND 20100", "list log_names: INCONSISTENT_FILE"),
    ],
)
def test_fault_in_any_block_is_found_and_named(
    large: Path, tmp_path: Path, statement: str, found: str
) -> None:
    """At a block's border nobody is to look away."""
    folder = tmp_path / "log"
    shutil.copytree(large, folder)
    with closing(hold(folder / "log.db")) as database:
        database.execute(statement)
    report = verifying.look(folder, processes=2)
    assert found in {f"{finding.where}: {finding.fault.name}" for finding in report.findings}


def test_process_that_dies_is_told(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence is not soundness."""
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert places(verifying.look(large, processes=2), Fault.UNREADABLE) == {"database"}


def test_progress_is_told(large: Path) -> None:
    """A log of years takes minutes."""
    said: list[tuple[int, int]] = []
    verify(
        large / "log.db",
        checkpoint_dir=large / "checkpoints",
        log_public=(large / "log.pub").read_bytes(),
        told=lambda done, count: said.append((done, count)),
    )
    assert said == [(16_384, 33_000), (32_768, 33_000), (33_000, 33_000)]


# --- on PostgreSQL


@pytest.fixture
def served(on_server: House) -> House:
    """A log of twenty entries on PostgreSQL."""
    log = on_server.open()
    for number in range(20):
        log.append_now(event(START, subject=str(number), head=head(number + 1) if number % 7 == 0 else None))
    log.close()
    return on_server


@pytest.mark.parametrize("processes", [1, 2])
def test_log_on_postgresql_is_sound(served: House, processes: int) -> None:
    """It is the same log; further processes see the same snapshot."""
    report = look(served, processes=processes)
    assert report.is_sound, [str(finding) for finding in report.findings]
    assert (report.entries, report.anchored, report.waiting) == (20, 20, 0)


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("DELETE FROM log_entries WHERE seq = 7", "entry 8: GAP"),
        (
            "UPDATE log_entries SET leaf = set_byte(leaf, 60, get_byte(leaf, 60) # 1) WHERE seq = 7",
            "entry 7: CHANGED_ROW",
        ),
        ("UPDATE log_entries SET leaf = 'text' WHERE seq = 7", "entry 7: MALFORMED_ROW"),
        ("DELETE FROM log_names WHERE length(numbers) > 0", "list log_names: INCONSISTENT_FILE"),
        ("UPDATE log_ids SET seq = 6 WHERE seq = 7", "list log_ids: INCONSISTENT_FILE"),
        ("UPDATE log_heads SET version = 4 WHERE version = 8", "list log_heads: INCONSISTENT_FILE"),
        ("INSERT INTO log_names VALUES ('text', 7, int8send(7))", "list log_names: INCONSISTENT_FILE"),
        (
            "INSERT INTO log_names SELECT name, 20, int8send(20) FROM log_names LIMIT 1",
            "list log_names: INCONSISTENT_FILE",
        ),
        ("UPDATE log_entries SET sealed = NULL WHERE seq = 7", "entry 7: NO_BODY"),
        ("UPDATE log_tip SET size = 19", "tip: TIP"),
        ("INSERT INTO log_nodes VALUES (8, 0, 'x')", "nodes: NODE"),
        ("DELETE FROM log_entries WHERE seq > 10", "outside/checkpoint.000000000020: BEHIND"),
        ("CREATE RULE r AS ON DELETE TO log_pending DO INSTEAD NOTHING", "database: FOREIGN_CODE"),
        ("ALTER TABLE log_entries ENABLE ROW LEVEL SECURITY", "database: FOREIGN_CODE"),
        ("CREATE TABLE heir () INHERITS (log_entries)", "database: FOREIGN_CODE"),
        (
            "ALTER TABLE log_nodes RENAME TO n; CREATE VIEW log_nodes AS SELECT * FROM n",
            "database: FOREIGN_CODE",
        ),
        ("DROP TABLE log_tip", "database: UNREADABLE"),
    ],
)
def test_fault_on_postgresql_is_found_and_named(served: House, statement: str, found: str) -> None:
    """Whoever can write the server's tables is found as whoever can write the file."""
    for one in statement.split("; "):
        served.sql(one)
    assert found in {f"{finding.where}: {finding.fault.name}" for finding in look(served).findings}


def test_index_of_no_use_on_postgresql_is_found(served: House) -> None:
    """With the extension amcheck at hand, every index is held to its table."""
    served.sql("CREATE EXTENSION amcheck")
    assert look(served).is_sound
    served.sql("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'log_names_pkey'::regclass")
    assert places(look(served), Fault.INCONSISTENT_FILE) == {"index log_names_pkey"}


def test_what_waits_for_its_place_is_counted(served: House) -> None:
    """It is durable and promised, and not yet in the tree."""
    served.sql(
        "INSERT INTO log_pending (writer, wseq, at_us, vault, head_version, entries, mac)"
        " VALUES (?, 1, 1000000, ?, 0, 'x', 'x')",
        *(b"0123456789abcdef",) * 2,
    )
    report = look(served)
    assert report.is_sound
    assert (report.waiting, report.waiting_since) == (1, datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC))


def test_server_that_is_gone_is_told(served: House) -> None:
    """The report must come, whatever the database."""
    report = verify(
        "postgresql://nobody@127.0.0.1:1/none", checkpoint_dir=served.outside, log_public=served.public
    )
    assert faults(report) == {Fault.UNREADABLE}


# --- the program


def test_verifier_shares_no_code_with_the_log() -> None:
    """It would share the log's mistakes."""
    code = "import sys, audit.verify; print([m for m in sys.modules if m.split('.')[0] in sys.argv[1:]])"
    names = ["audit", "keys", "identity", "policies", "sqlalchemy", "sqlmodel"]
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code, *names], cwd=root, capture_output=True, text=True, check=True
    )
    assert {name.partition("_")[0] for name in eval(done.stdout)} == {"audit", "audit.verify"}  # noqa: S307 our own


def test_report_stays_short_however_much_is_wrong(copy: House, database: SQLiteConnection) -> None:
    """Somebody has to read it."""
    database.execute(
        "UPDATE log_entries SET leaf = changed(changed(leaf, 'at_us', 1), 'n', 5000 - field(leaf, 'n')), sealed = x'00'"
    )
    report = look(copy)
    assert len(report.findings) <= 1000
    assert str(report.findings[-1])


@pytest.mark.parametrize(
    ("signed", "last", "count"),
    [
        (0, None, 0), (0, 0, 1), (0, 1 << 62, 1), (10, 1 << 62, 1), (SIZE, SIZE - 1, 1), (SIZE + 1, SIZE, 2),
        (1 << 40, SIZE, 2), (1 << 40, -5, 1), (5 * SIZE, 1 << 62, 5),
    ],
)  # fmt: skip
def test_blocks_hold_every_number_once_and_are_no_more_than_was_signed_for(
    signed: int, last: int | None, count: int
) -> None:
    """A row with a number that somebody made up must not make the verifier look for all before it."""
    found = blocks(signed, last)
    assert len(found) == count
    if last is not None:
        assert (found[0].least, found[-1].last) == (-(1 << 63), last)
    assert all(after.least == before.last + 1 for before, after in pairwise(found))
