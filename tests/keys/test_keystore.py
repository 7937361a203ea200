"""The KeyStore opens nothing without the log's fresh word for exactly this opening."""

import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from keys import envelope
from keys.envelope import Window, WrapContext
from keys.keystore import KeyStore, RefusedReceiptError, Wrap, WrongPassphraseError
from keys.primitives import CannotOpenError, PrivateKey, tag
from keys.receipt import Opens, Receipt
from tests.keys.conftest import PASSPHRASE
from tests.world import START, Clock

VAULT, DRAWER, UNIT = b"v" * 16, b"d" * 16, "unit:SE2321009905-TESTVE1"
BOUND = WrapContext(VAULT, DRAWER, 1, UNIT)
GENERATION = PrivateKey.generate()


def receipt(keystore: KeyStore, **changes: Any) -> Receipt:
    """Make a receipt as the log does; changes come before its tag."""
    unsigned = Receipt(b"e" * 16, START, VAULT, Opens((UNIT,), ((DRAWER, 1),)))
    changed = structs.replace(unsigned, **changes)
    return structs.replace(changed, tag=tag(keystore.receipt_key(), changed.message()))


@pytest.fixture
def wrap(keystore: KeyStore) -> Wrap:
    """Return a wrap for the unit."""
    return keystore.wrap(GENERATION, bound_to=BOUND, window=Window())


def test_genuine_receipt_opens_its_wrap(keystore: KeyStore, wrap: Wrap) -> None:
    """The way it is meant."""
    assert keystore.open(receipt(keystore), wrap) == GENERATION


def test_receipt_without_its_tag_is_refused(keystore: KeyStore, wrap: Wrap) -> None:
    """Anybody can write one."""
    with pytest.raises(RefusedReceiptError, match="not the log's"):
        keystore.open(structs.replace(receipt(keystore), tag=b""), wrap)


def test_another_logs_receipt_is_refused(keystore: KeyStore, wrap: Wrap) -> None:
    """Only this installation's log is believed."""
    unsigned = receipt(keystore)
    forged = structs.replace(unsigned, tag=tag(b"x" * 32, unsigned.message()))
    with pytest.raises(RefusedReceiptError, match="not the log's"):
        keystore.open(forged, wrap)


@pytest.mark.parametrize(
    "changes",
    [
        {"entry": b"f" * 16},
        {"at": START + timedelta(microseconds=1)},
        {"vault": b"w" * 16},
        {"opens": Opens((UNIT, "region:SE"), ((DRAWER, 1),))},
        {"opens": Opens((UNIT,), ((DRAWER, 1), (DRAWER, 2)))},
        {"pending": True},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_receipt_changed_after_it_was_made_is_refused(
    keystore: KeyStore, wrap: Wrap, changes: dict[str, Any]
) -> None:
    """Every field is signed."""
    with pytest.raises(RefusedReceiptError, match="not the log's"):
        keystore.open(structs.replace(receipt(keystore), **changes), wrap)


@pytest.mark.parametrize(
    ("seconds", "opens"),
    [(0, True), (9.999, True), (10, False), (3600, False), (-9.999, True), (-10, False), (-3600, False)],
)
def test_receipt_is_good_for_under_ten_seconds(
    keystore: KeyStore, wrap: Wrap, clock: Clock, seconds: float, *, opens: bool
) -> None:
    """Neither an old one nor one from the future, by the KeyStore's own clock."""
    clock.move(seconds=seconds)
    if opens:
        assert keystore.open(receipt(keystore), wrap) == GENERATION
    else:
        with pytest.raises(RefusedReceiptError, match="too old, or from the future"):
            keystore.open(receipt(keystore), wrap)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"vault": b"w" * 16}, "another vault"),
        ({"vault": b""}, "another vault"),
        ({"opens": Opens((UNIT,), ((b"x" * 16, 1),))}, "another vault, drawer"),
        ({"opens": Opens((UNIT,), ((DRAWER, 2),))}, "generation"),
        ({"opens": Opens((UNIT,), ())}, "another vault, drawer"),
        ({"opens": Opens(("unit:SE2321009905-TESTVE2",), ((DRAWER, 1),))}, "another recipient"),
        ({"opens": Opens((), ((DRAWER, 1),))}, "another recipient"),
        ({"opens": Opens()}, "another"),
    ],
)
def test_receipt_for_something_else_is_refused(
    keystore: KeyStore, wrap: Wrap, changes: dict[str, Any], says: str
) -> None:
    """Another vault, drawer, generation or recipient, or none."""
    with pytest.raises(RefusedReceiptError, match=says):
        keystore.open(receipt(keystore, **changes), wrap)


def test_receipt_is_used_once(keystore: KeyStore, wrap: Wrap, clock: Clock) -> None:
    """Each opening has an entry of its own in the log."""
    used = receipt(keystore)
    keystore.open(used, wrap)
    with pytest.raises(RefusedReceiptError, match="used before"):
        keystore.open(used, wrap)
    clock.move(seconds=5)
    with pytest.raises(RefusedReceiptError, match="used before"):
        keystore.open(used, wrap)
    assert keystore.open(receipt(keystore, entry=b"f" * 16), wrap) == GENERATION


def test_one_receipt_opens_each_drawer_that_it_names_once(keystore: KeyStore, wrap: Wrap) -> None:
    """A request reads several drawers by one entry."""
    other = WrapContext(VAULT, b"c" * 16, 1, UNIT)
    second = keystore.wrap(GENERATION, bound_to=other, window=Window())
    both = receipt(keystore, opens=Opens((UNIT,), ((DRAWER, 1), (b"c" * 16, 1))))
    assert keystore.open(both, wrap) == GENERATION
    assert keystore.open(both, second) == GENERATION
    with pytest.raises(RefusedReceiptError, match="used before"):
        keystore.open(both, second)


def test_refused_use_is_used_up(keystore: KeyStore, wrap: Wrap) -> None:
    """Trying wraps one after another by one receipt is not possible."""
    one = receipt(keystore)
    with pytest.raises(CannotOpenError):
        keystore.open(one, replace(wrap, sealed=wrap.sealed[:-1]))
    with pytest.raises(RefusedReceiptError, match="used before"):
        keystore.open(one, wrap)


@pytest.mark.parametrize(
    ("before", "after", "opens"),
    [(-1, 1, True), (0, 1, True), (1, 2, False), (-2, -1, False), (-1, 0, False)],
)
def test_window_is_held_by_the_keystores_clock(
    keystore: KeyStore, before: int, after: int, *, opens: bool
) -> None:
    """Not yet come, running, over: no job and no policy takes part."""
    window = Window(START + timedelta(days=before), START + timedelta(days=after))
    timed = keystore.wrap(GENERATION, bound_to=BOUND, window=window)
    if opens:
        assert keystore.open(receipt(keystore), timed) == GENERATION
    else:
        with pytest.raises(RefusedReceiptError, match="time is over or not yet come"):
            keystore.open(receipt(keystore), timed)


def test_wrap_offered_with_another_window_does_not_open(keystore: KeyStore) -> None:
    """Whoever asks says which window a wrap has, and the wrap says whether that is so."""
    over = Window(None, START - timedelta(days=1))
    wrap = keystore.wrap(GENERATION, bound_to=BOUND, window=over)
    with pytest.raises(CannotOpenError):
        keystore.open(receipt(keystore), replace(wrap, window=Window()))


@pytest.mark.parametrize("field", ["vault", "drawer", "generation", "recipient"])
def test_wrap_offered_as_anothers_does_not_open(keystore: KeyStore, wrap: Wrap, field: str) -> None:
    """A wrap moved in the database, with a receipt that is good for where it now stands."""
    elsewhere = {"vault": b"w" * 16, "drawer": b"x" * 16, "generation": 2, "recipient": "unit:SE-OTHER"}
    changed: dict[str, Any] = {field: elsewhere[field]}
    moved = replace(BOUND, **changed)
    keystore.wrap(GENERATION, bound_to=moved, window=Window())
    opens = Opens((moved.recipient,), ((moved.drawer, moved.generation),))
    with pytest.raises(CannotOpenError):
        keystore.open(receipt(keystore, vault=moved.vault, opens=opens), replace(wrap, context=moved))


def test_unknown_recipient_opens_nothing(keystore: KeyStore, wrap: Wrap) -> None:
    """Whoever was never named has no key, and asking makes none."""
    bound = replace(BOUND, recipient="unit:SE-NEVER")
    asked = receipt(keystore, opens=Opens(("unit:SE-NEVER",), ((DRAWER, 1),)))
    with pytest.raises(CannotOpenError):
        keystore.open(asked, replace(wrap, context=bound))
    assert keystore._find("recipient/unit:SE-NEVER") is None


class TestShred:
    """Destroying a drawer's key."""

    def test_shredded_drawer_never_opens(self, keystore: KeyStore, wrap: Wrap) -> None:
        """The wrap in hand stands for whatever backup of the database."""
        keystore.shred(VAULT, [DRAWER])
        with pytest.raises(CannotOpenError):
            keystore.open(receipt(keystore), wrap)

    def test_new_shred_key_opens_no_old_wrap(self, keystore: KeyStore, wrap: Wrap) -> None:
        """Should the drawer be written to again, its key is another."""
        keystore.shred(VAULT, [DRAWER])
        keystore.wrap(GENERATION, bound_to=BOUND, window=Window())
        with pytest.raises(CannotOpenError):
            keystore.open(receipt(keystore), wrap)

    def test_other_drawers_stay(self, keystore: KeyStore, wrap: Wrap) -> None:
        """Erasing one vault or drawer touches no other."""
        keystore.shred(VAULT, [b"c" * 16])
        keystore.shred(b"w" * 16, [DRAWER])
        assert keystore.open(receipt(keystore), wrap) == GENERATION

    def test_destroyed_secret_is_gone_from_the_file(
        self, keystore: KeyStore, keystore_file: Path, wrap: Wrap
    ) -> None:
        """Also from its free pages."""
        name = keystore._sealed_name(f"shred/{VAULT.hex()}/{DRAWER.hex()}")
        with closing(sqlite3.connect(keystore_file)) as db:
            (sealed,) = db.execute("SELECT sealed FROM secrets WHERE name = ?", (name,)).fetchone()
        assert sealed in keystore_file.read_bytes()
        keystore.shred(VAULT, [DRAWER])
        assert sealed not in keystore_file.read_bytes()
        assert wrap.sealed

    def test_destroyed_vault_keys_are_not_made_again_alike(self, keystore: KeyStore) -> None:
        """What is asked for after erasure is new, and opens nothing of the old."""
        before = keystore.vault_keys(VAULT)
        keystore.shred_vault_keys(VAULT)
        after = keystore.vault_keys(VAULT)
        assert {before.blind, before.rules, before.intake}.isdisjoint(
            {after.blind, after.rules, after.intake}
        )

    def test_destroyed_month_is_gone_for_its_scope_only(self, keystore: KeyStore) -> None:
        """Retention destroys months, erasure a vault's."""
        kept = keystore.month_key("org:SE1", "2026-03")
        keystore.month_key("vault:01", "2026-03")
        keystore.destroy_month_keys("vault:01", ["2026-03"])
        assert keystore.find_month_key("vault:01", "2026-03") is None
        assert keystore.find_month_key("org:SE1", "2026-03") == kept


class TestFile:
    """One sealed file."""

    def test_wrong_passphrase_opens_nothing(self, keystore_file: Path, clock: Clock) -> None:
        """By its name, so that the operator knows."""
        with pytest.raises(WrongPassphraseError):
            KeyStore.load(keystore_file, PASSPHRASE + "x", clock=clock)

    def test_right_passphrase_finds_the_same_secrets(
        self, keystore: KeyStore, keystore_file: Path, clock: Clock
    ) -> None:
        """After a restart."""
        loaded = KeyStore.load(keystore_file, PASSPHRASE, clock=clock)
        assert loaded.vault_keys(VAULT) == keystore.vault_keys(VAULT)
        wrapped = keystore.wrap(GENERATION, bound_to=BOUND, window=Window())
        assert loaded.open(receipt(keystore), wrapped) == GENERATION

    def test_missing_file_is_not_made(self, tmp_path: Path, clock: Clock) -> None:
        """A mistyped folder must not end in new keys."""
        with pytest.raises(FileNotFoundError):
            KeyStore.load(tmp_path / "none", PASSPHRASE, clock=clock)
        assert not (tmp_path / "none").exists()

    def test_existing_file_is_never_overwritten(self, keystore_file: Path, clock: Clock) -> None:
        """It would be every vault's end."""
        before = keystore_file.read_bytes()
        with pytest.raises(FileExistsError):
            KeyStore.create(keystore_file, PASSPHRASE, clock=clock)
        assert keystore_file.read_bytes() == before

    def test_file_is_its_owners_only(self, made: KeyStore) -> None:
        """Nobody else on the machine reads it."""
        assert made._path.stat().st_mode & 0o777 == 0o600

    def test_nothing_in_the_file_stands_in_clear(self, keystore: KeyStore, keystore_file: Path) -> None:
        """Neither a secret nor a name: whose keys there are is nobody's business."""
        keystore.wrap(GENERATION, bound_to=BOUND, window=Window())
        keystore.vault_keys(VAULT)
        keystore.service_secret("issuer", make=lambda: b"-----BEGIN PRIVATE KEY-----")
        raw = keystore_file.read_bytes()
        stored = keystore._connection().execute("SELECT name, sealed FROM secrets").fetchall()
        opened = [
            envelope.open_box(keystore._root, sealed, bound_to=envelope.context("secret", name))
            for name, sealed in stored
        ]
        assert len(opened) > 6
        for secret in (*opened, keystore._root, PASSPHRASE.encode()):
            assert secret not in raw
        for word in (
            b"unit:",
            b"SE2321009905",
            b"shred",
            b"recipient",
            VAULT.hex().encode(),
            VAULT,
            b"BEGIN",
        ):
            assert word not in raw

    def test_moved_secret_does_not_open(
        self, keystore: KeyStore, keystore_file: Path, another: Callable[[], KeyStore]
    ) -> None:
        """Who writes the file cannot put one secret in another's place."""
        keystore.service_key("one")
        keystore.service_key("two")
        names = [keystore._sealed_name(f"service/use/{name}") for name in ("one", "two")]
        with closing(sqlite3.connect(keystore_file)) as db:
            db.execute(
                "UPDATE secrets SET sealed = (SELECT sealed FROM secrets WHERE name = ?) WHERE name = ?",
                names,
            )
            db.commit()
        with pytest.raises(CannotOpenError):
            another().service_key("two")

    def test_copied_file_opens_with_its_passphrase_only(
        self, keystore: KeyStore, keystore_file: Path, tmp_path: Path, clock: Clock
    ) -> None:
        """A thief of the file has the passphrase to guess at 64 MiB a try."""
        keystore.vault_keys(VAULT)
        stolen = Path(shutil.copy(keystore_file, tmp_path / "stolen.db"))
        with pytest.raises(WrongPassphraseError):
            KeyStore.load(stolen, "", clock=clock)


_ASK = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from keys.envelope import Window, WrapContext
from keys.keystore import KeyStore
from keys.primitives import PrivateKey

file, root, go = Path(sys.argv[1]), bytes.fromhex(sys.argv[2]), Path(sys.argv[3])
keystore = KeyStore(file, root, clock=lambda: datetime.now(UTC))
print("ready", flush=True)
while not go.exists():
    time.sleep(0.001)
bound = WrapContext(b"v" * 16, b"d" * 16, 1, sys.argv[5])
print(keystore.wrap(PrivateKey(bytes.fromhex(sys.argv[6])), bound_to=bound, window=Window()).sealed.hex())
print(keystore.vault_keys(b"v" * 16).rules.hex())
print(keystore.month_key("vault:01", "2026-03").hex())
print(keystore.service_secret("issuer", make=lambda: sys.argv[4].encode()).decode())
"""


def test_processes_agree_on_secrets_made_when_first_needed(
    keystore: KeyStore, keystore_file: Path, tmp_path: Path
) -> None:
    """Two processes that need a key at the same moment must not each have their own."""
    go = tmp_path / "go"
    wrapped = (UNIT, GENERATION.seed.hex())
    asking = [
        subprocess.Popen(
            [sys.executable, "-c", _ASK, str(keystore_file), keystore._root.hex(), str(go), name, *wrapped],
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("first", "second", "third")
    ]
    assert [process.stdout.readline() for process in asking if process.stdout] == ["ready\n"] * 3
    go.touch()
    told = [process.communicate(timeout=30)[0].split() for process in asking]
    for number, (sealed, *_) in enumerate(told):
        once = receipt(keystore, entry=bytes(15) + bytes([number]))
        assert keystore.open(once, Wrap(BOUND, bytes.fromhex(sealed), Window())) == GENERATION
    assert told[0][1:] == told[1][1:] == told[2][1:]
    assert told[0][3] in {"first", "second", "third"}


def test_two_openings_of_one_file_share_what_is_destroyed(
    keystore: KeyStore, another: Callable[[], KeyStore], wrap: Wrap
) -> None:
    """No process keeps a shred key."""
    other = another()
    assert other.open(receipt(keystore), wrap) == GENERATION
    keystore.shred(VAULT, [DRAWER])
    with pytest.raises(CannotOpenError):
        other.open(receipt(keystore, entry=b"f" * 16), wrap)


def test_vault_keys_that_another_process_destroyed_are_forgotten(
    keystore: KeyStore, another: Callable[[], KeyStore]
) -> None:
    """What is remembered between requests must not outlive an erasure, whoever makes it."""
    other, before = another(), keystore.vault_keys(VAULT)
    assert keystore.vault_keys(VAULT) is before
    other.shred_vault_keys(VAULT)
    assert keystore.vault_keys(VAULT).rules != before.rules


def test_vault_keys_that_another_thread_destroyed_are_forgotten(keystore: KeyStore) -> None:
    """Each thread has its own connection and so its own memory."""
    before = keystore.vault_keys(VAULT)
    thread = threading.Thread(target=keystore.shred_vault_keys, args=(VAULT,))
    thread.start()
    thread.join()
    assert keystore.vault_keys(VAULT).rules != before.rules


def test_recipient_that_another_process_destroyed_opens_nothing(
    keystore: KeyStore, another: Callable[[], KeyStore], wrap: Wrap
) -> None:
    """A recipient's key is read anew each time."""
    other = another()
    assert other.open(receipt(keystore), wrap) == GENERATION
    keystore._destroy([f"recipient/{BOUND.recipient}"])
    with pytest.raises(CannotOpenError):
        other.open(receipt(keystore, entry=b"f" * 16), wrap)


def test_aliases_and_pseudonyms_are_keyed_and_apart(keystore: KeyStore) -> None:
    """The same number has one alias here, and neither its hash nor a pseudonym is it."""
    alias = keystore.alias("197503259280")
    assert alias == keystore.alias("197503259280")
    assert len(alias) == 16
    assert alias != keystore.alias("197503259281")
    assert alias != keystore.pseudonym("197503259280")


def test_head_is_authenticated_under_a_key_of_its_own(keystore: KeyStore) -> None:
    """One bit more is another statement."""
    tag = keystore.mac_head(b"statement")
    assert keystore.head_holds(b"statement", tag)
    assert not keystore.head_holds(b"statement\0", tag)
    assert not keystore.head_holds(b"statement", tag[:-1])
    assert not keystore.head_holds(b"statement", b"")
