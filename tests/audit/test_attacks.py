"""Each thing that somebody may do to the log, and who finds it: the table of docs/threat-model.md is this one."""

import base64
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import pytest

from audit import evidence, store
from audit import offline_verifier as verifier
from audit.checkpoint import CheckpointError
from audit.database import SQLiteConnection
from audit.errors import AuditError
from audit.merkle import ProofError
from audit.verify import verify
from keys.primitives import Signer
from tests.audit import test_audit_verify as base
from tests.audit.audit_world import ANNA, ORIGIN, House

THREATS = Path(__file__).parents[2] / "docs/threat-model.md"
copy = base.copy
database = base.database
made = base.made
THIEF = Signer(b"t" * 32)


class Finder(StrEnum):
    """Who finds it."""

    VERIFY = "`valv audit verify`"
    ANCHOR = "a checkpoint kept elsewhere"
    RECEIPT = "a citizen's receipt"


ALL = frozenset(Finder)


@dataclass(frozen=True)
class Attack:
    """Something done to a copy, by one who has the file, or more."""

    name: str
    does: Callable[[House, SQLiteConnection], None]
    found_by: frozenset[Finder]


def run(*statements: str, rebuilt: bool = False) -> Callable[[House, SQLiteConnection], None]:
    """Return an attack by SQL, with everything hashed and listed anew by one who has the program but no key."""

    def do(_copy: House, database: SQLiteConnection) -> None:
        for statement in statements:
            database.execute(statement)
        if rebuilt:
            base.renumber(database)
            base.rebuild(database)

    return do


def roll_back(copy: House, database: SQLiteConnection) -> None:
    """Put an old copy of the file in its place."""
    database.close()
    shutil.copy(copy.folder / "old.db", copy.path)


def roll_all_back(copy: House, database: SQLiteConnection) -> None:
    """Put an old copy of the file and of the folder beside it in their places."""
    roll_back(copy, database)
    for path in copy.outside.glob("checkpoint.*"):
        if int(path.name.partition(".")[2]) > 200:
            path.unlink()
    shutil.copy(copy.outside / "checkpoint.000000000200", copy.outside / "latest")


def sign(copy: House, database: SQLiteConnection, signer: Signer) -> None:
    """Leave out an access, and make a whole log of the rest, with checkpoints, signed by a key."""
    database.execute("DELETE FROM log_entries WHERE seq = 100")
    base.renumber(database)
    base.rebuild(database, signer)
    size, note = database.execute("SELECT size, note FROM log_tip").fetchone()
    database.execute("DELETE FROM log_checkpoints")
    database.execute("INSERT INTO log_checkpoints VALUES (?, ?)", (size, note))
    for path in copy.outside.glob("checkpoint.*"):
        path.unlink()
    for name in ("latest", f"checkpoint.{size:012d}"):
        (copy.outside / name).write_text(note)


def sign_as_another(copy: House, database: SQLiteConnection) -> None:
    """Sign with a key of one's own."""
    sign(copy, database, THIEF)


def fork(copy: House, database: SQLiteConnection) -> None:
    """Sign with the log's own key: a second log, for one reader."""
    sign(copy, database, copy.keystore.log_signer())


SWAP = (
    "CREATE TEMP TABLE two AS SELECT 199 - seq AS seq, field(leaf, 'vault') AS vault FROM log_entries"
    " WHERE seq IN (99, 100)"
)
SWAPPED = (
    "UPDATE log_entries SET leaf = changed(leaf, 'vault', (SELECT vault FROM two WHERE two.seq = log_entries.seq))"
    " WHERE seq IN (99, 100)"
)
REORDER = (
    "UPDATE log_entries SET seq = -1 WHERE seq = 100",
    "UPDATE log_entries SET seq = 100 WHERE seq = 103",
    "UPDATE log_entries SET seq = 103 WHERE seq = -1",
)
DUPLICATE = (
    "CREATE TEMP TABLE one AS SELECT * FROM log_entries WHERE seq = 300",
    "UPDATE one SET seq = 301, leaf = changed(leaf, 'entry_id', randomblob(16))",
    "INSERT INTO log_entries SELECT * FROM one",
)
CHANGE = "UPDATE log_entries SET leaf = changed(leaf, 'provider', zeroblob(16)) WHERE seq = 100"
VERIFIED = frozenset({Finder.VERIFY, Finder.ANCHOR})

ATTACKS = [
    Attack("An entry is deleted", run("DELETE FROM log_entries WHERE seq = 100"), ALL),
    Attack(
        "… and all is numbered and hashed anew",
        run("DELETE FROM log_entries WHERE seq = 100", rebuilt=True),
        ALL,
    ),
    Attack("Entries are reordered", run(*REORDER), ALL),
    Attack("… and all is numbered and hashed anew", run(*REORDER, rebuilt=True), ALL),
    Attack("An entry is changed", run(CHANGE), ALL),
    Attack("… and all is hashed anew", run(CHANGE, rebuilt=True), ALL),
    Attack("An entry is put in twice", run(*DUPLICATE), VERIFIED),
    Attack("… and all is numbered and hashed anew", run(*DUPLICATE, rebuilt=True), VERIFIED),
    Attack(
        "The newest entries are cut off",
        run(
            "DELETE FROM log_entries WHERE seq > 289",
            "DELETE FROM log_checkpoints WHERE size > 289",
            rebuilt=True,
        ),
        ALL,
    ),
    Attack("The file is rolled back to an old copy", roll_back, ALL),
    Attack("… and the folder of checkpoints with it", roll_all_back, ALL - {Finder.VERIFY}),
    Attack("Two vaults' entries are swapped", run(SWAP, SWAPPED), ALL),
    Attack("… and all is numbered and hashed anew", run(SWAP, SWAPPED, rebuilt=True), ALL),
    Attack("All is signed anew with another key, file and folder", sign_as_another, ALL),
    Attack("A fork for one reader, signed with the log's own key", fork, ALL - {Finder.VERIFY}),
]


@pytest.fixture
def kept(made: House, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What others kept: the folder of checkpoints as it was."""
    folder = tmp_path_factory.mktemp("kept") / "checkpoints"
    shutil.copytree(made.outside, folder)
    return folder


@pytest.fixture(scope="module")
def receipts(made: House) -> list[bytes]:
    """What citizens took along: receipts of Anna's entries 97, 100 and 299 (whose neighbours are Bo's)."""
    log = made.open()
    found = {entry.seq: entry for entry in log.entries_of_vault(ANNA, limit=400)}
    taken = [log.take_receipt(found[seq].id, vault=ANNA).file() for seq in (97, 100, 299)]
    log.close()
    return taken


def is_found_by_receipt(copy: House, receipts: list[bytes]) -> bool:
    """Ask the log as it now is for the proofs of the entries whose receipts were kept; hold all against each other."""
    key = verifier.Key(ORIGIN, copy.public)
    with closing(base.hold(copy.path)) as database:
        try:
            checked = [
                verifier.check(content, key) for content in (*receipts, *_again(copy, database, receipts))
            ]
            verifier.compare([row for _, rows, _ in checked for row in rows], [head for *_, head in checked])
        except (verifier.Wrong, LookupError, ProofError, CheckpointError, AuditError):
            return True
    return False


def _again(copy: House, database: SQLiteConnection, receipts: list[bytes]) -> Iterator[bytes]:
    for content in receipts:
        told = json.loads(content)
        leaf = base64.b64decode(told["proof"].split("\n")[1].removeprefix("extra "))
        row = store.by_id(database, leaf[1:17])
        if row is None:
            raise LookupError("the entry that the receipt proves is gone")
        proven = evidence.prove(database, [row], origin=ORIGIN, public=copy.public)
        if proven is None:
            raise LookupError("no checkpoint covers what one covered before")
        told["proof"] = proven[0].text()
        yield (json.dumps(told, ensure_ascii=False, indent=1) + "\n").encode()


def found_by(copy: House, kept: Path, receipts: list[bytes]) -> frozenset[Finder]:
    """Return who finds what was done to a copy."""
    elsewhere = verify(copy.store, checkpoint_dir=kept, log_public=copy.public, origin=ORIGIN)
    finders = {
        Finder.VERIFY: not base.look(copy).is_sound,
        Finder.ANCHOR: not elsewhere.is_sound,
        Finder.RECEIPT: is_found_by_receipt(copy, receipts),
    }
    return frozenset(finder for finder, finds in finders.items() if finds)


def test_nobody_finds_anything_in_an_untouched_log(copy: House, kept: Path, receipts: list[bytes]) -> None:
    """A finder that always cries finds nothing."""
    assert found_by(copy, kept, receipts) == frozenset()


@pytest.mark.parametrize("attack", ATTACKS, ids=[f"{at}-{one.name}" for at, one in enumerate(ATTACKS)])
def test_attack_is_found_by_those_who_are_said_to_find_it(
    attack: Attack, copy: House, database: SQLiteConnection, kept: Path, receipts: list[bytes]
) -> None:
    """And by no other, so that nobody trusts what would not have told."""
    attack.does(copy, database)
    assert found_by(copy, kept, receipts) == attack.found_by
    assert attack.found_by


def table() -> str:
    """Return the table as the threat model has it."""
    heads = ["What is done", *(finder.value for finder in Finder)]
    rows = [[one.name, *("found" if finder in one.found_by else "–" for finder in Finder)] for one in ATTACKS]
    return "\n".join(f"| {' | '.join(row)} |" for row in [heads, ["---"] * len(heads), *rows])


def test_threat_model_has_this_table() -> None:
    """What the document promises is what was tried."""
    assert table() in THREATS.read_text()
