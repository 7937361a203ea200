"""A witness's answers, each refusal among them, and what it remembers."""

import base64
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from audit import merkle
from audit.checkpoint import Checkpoint, CheckpointError, key_id, read_note, signature_line
from audit.cosignature import WitnessKey, cosign, open_cosigned
from audit.witness import Answer, Asked, Status, Witness
from keys.primitives import Signer
from tests.audit.audit_world import Clock
from tests.audit.test_merkle import finder, leaves_of, naive_root

LOG, OTHER_LOG, STRANGER, SEES = (Signer(bytes([n]) * 32) for n in range(1, 5))
ORIGIN, OTHER_ORIGIN, NAME = "log.example/one", "log.example/two", "witness.example/w1"
KEY = WitnessKey(NAME, SEES.public())
LEAVES = leaves_of(40)
FORK = [*LEAVES[:10], *leaves_of(100)[60:90]]


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def opened(tmp_path: Path, clock: Clock) -> Iterator[Callable[[], Witness]]:
    """Return how a process opens the one witness."""
    open_now: list[Witness] = []

    def make() -> Witness:
        logs = {ORIGIN: LOG.public(), OTHER_ORIGIN: OTHER_LOG.public()}
        made = Witness(tmp_path / "witness.db", SEES, name=NAME, logs=logs, clock=clock)
        open_now.append(made)
        return made

    yield make
    for witness in open_now:
        witness.close()


@pytest.fixture
def witness(opened: Callable[[], Witness]) -> Witness:
    """A new witness."""
    return opened()


def note_of(size: int, leaves: list[bytes] = LEAVES, *, origin: str = ORIGIN, signer: Signer = LOG) -> str:
    """Return a checkpoint of the first leaves."""
    return Checkpoint(origin, size, naive_root(leaves[:size])).signed(signer)


def asking(old: int, size: int, leaves: list[bytes] = LEAVES, *, note: str = "") -> bytes:
    """Return an honest request."""
    proof = merkle.consistency_proof(old, size, finder(leaves)) if 0 < old <= size else []
    return Asked(old, tuple(proof), note or note_of(size, leaves)).text().encode()


def cosigned(witness: Witness, old: int, size: int) -> None:
    """Let it cosign."""
    assert witness.add_checkpoint(asking(old, size)).status is Status.COSIGNED


def test_a_log_that_only_grows_is_cosigned_each_time(witness: Witness, clock: Clock) -> None:
    """From nothing, on, and again at the same size: with the time, by the witness's key, over the log's own note."""
    for old, size in ((0, 3), (3, 3), (3, 17), (17, 40)):
        clock.move(timedelta(minutes=1))
        answer = witness.add_checkpoint(asking(old, size))
        assert answer.status is Status.COSIGNED
        note = note_of(size) + answer.body
        found = open_cosigned(note, origin=ORIGIN, public=LOG.public(), witness=KEY)
        assert (found.checkpoint.size, found.at, found.line) == (size, clock(), answer.body)
    assert witness.refusals() == []


BAD_STEP = base64.b64encode(b"short").decode()
MALFORMED = {
    "not a note": b"old 0\n\nhello\n",
    "nothing": b"",
    "not UTF-8": b"\xff\xfe",
    "no old size": note_of(3).encode(),
    "a leading zero": asking(0, 3).replace(b"old 0", b"old 00"),
    "a signed size": asking(0, 3).replace(b"old 0", b"old +0"),
    "other digits": "old ٣\n\n".encode() + note_of(3).encode(),
    "a step that is no hash": f"old 1\n{BAD_STEP}\n\n{note_of(3)}".encode(),
    "a step that is no base64": f"old 1\n!!!!\n\n{note_of(3)}".encode(),
    "too many steps": asking(0, 3).replace(b"old 0\n", b"old 1\n" + (b"A" * 43 + b"=\n") * 64),
    "no signature": f"old 0\n\n{note_of(3).partition(chr(10) * 2)[0]}\n".encode(),
    "older than nothing": asking(4, 3),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_no_request_is_refused(witness: Witness, name: str) -> None:
    """400, and nothing is remembered."""
    assert witness.add_checkpoint(MALFORMED[name]) == Answer(Status.MALFORMED)
    cosigned(witness, 0, 3)


def test_an_unknown_log_is_refused(witness: Witness) -> None:
    """404: its origin is no known log's, whoever signed."""
    note = note_of(3, origin="log.example/three")
    assert witness.add_checkpoint(asking(0, 3, note=note)) == Answer(Status.UNKNOWN_LOG)


FORGED = {
    "an unknown key": note_of(3, signer=STRANGER),
    "another known log's key": note_of(3, signer=OTHER_LOG),
    "a bad signature": "".join(
        (note_of(3).partition("\u2014")[0], signature_line(ORIGIN, key_id(ORIGIN, LOG.public()), bytes(64)))
    ),
    "another size than was signed": note_of(3).replace("\n3\n", "\n4\n"),
    "another origin than was signed": note_of(3).replace(ORIGIN, OTHER_ORIGIN),
}


@pytest.mark.parametrize("name", FORGED)
def test_what_the_log_did_not_sign_is_refused(witness: Witness, name: str) -> None:
    """403, and not kept: it proves nothing about the log."""
    assert witness.add_checkpoint(asking(0, 3, note=FORGED[name])) == Answer(Status.NOT_SIGNED)
    assert witness.refusals() == []
    cosigned(witness, 0, 3)


def test_another_old_size_is_answered_with_the_known_one(witness: Witness) -> None:
    """409: so an asker that has lost its place finds it; asking alone is no fault of the log's."""
    cosigned(witness, 0, 17)
    for old in (0, 3, 16, 18):
        assert witness.add_checkpoint(asking(old, 40)) == Answer(Status.OTHER_SIZE, "17\n")
    assert witness.refusals() == []
    cosigned(witness, 17, 40)


def test_a_smaller_tree_is_refused_and_kept(witness: Witness) -> None:
    """A log that was rolled back shows a tree it has outgrown; once is enough as evidence."""
    cosigned(witness, 0, 17)
    for old in (0, 3, 10, 3):
        assert witness.add_checkpoint(asking(old, 10)) == Answer(Status.OTHER_SIZE, "17\n")
    (kept,) = witness.refusals()
    assert (kept.origin, kept.status, kept.size, kept.known) == (ORIGIN, Status.OTHER_SIZE, 10, 17)
    assert kept.note == note_of(10)
    cosigned(witness, 17, 40)


def test_another_root_at_the_same_size_is_refused_and_kept(witness: Witness) -> None:
    """409, and two checkpoints of one size in hand: nobody can deny the fork."""
    cosigned(witness, 0, 17)
    assert witness.add_checkpoint(asking(17, 17, FORK)) == Answer(Status.OTHER_SIZE, "17\n")
    assert [(one.size, one.note) for one in witness.refusals()] == [(17, note_of(17, FORK))]
    cosigned(witness, 17, 17)


@pytest.mark.parametrize("size", [18, 32, 40])
def test_a_tree_that_did_not_grow_from_the_known_one_is_refused_and_kept(witness: Witness, size: int) -> None:
    """422: the fork's own proof, an honest proof with one bit changed, one cut, and none."""
    cosigned(witness, 0, 17)
    honest = merkle.consistency_proof(17, size, finder(LEAVES))
    changed = [bytes([honest[0][0] ^ 1]) + honest[0][1:], *honest[1:]]
    refused = [asking(17, size, FORK)]
    refused += [
        Asked(17, tuple(p), note_of(size)).text().encode()
        for p in (changed, honest[:-1], [], [*honest, bytes(32)])
    ]
    for raw in refused:
        assert witness.add_checkpoint(raw) == Answer(Status.NOT_GROWN)
    assert {one.note for one in witness.refusals()} == {note_of(size, FORK), note_of(size)}
    cosigned(witness, 17, size)


def test_a_proof_from_nothing_is_refused(witness: Witness) -> None:
    """Every tree grows from the empty one; who sends a proof of it means something else."""
    raw = Asked(0, (bytes(32),), note_of(3)).text().encode()
    assert witness.add_checkpoint(raw) == Answer(Status.NOT_GROWN)


def test_an_empty_tree_has_one_root(witness: Witness) -> None:
    """Before the first entry there is a checkpoint too."""
    cosigned(witness, 0, 0)
    note = Checkpoint(ORIGIN, 0, bytes(32)).signed(LOG)
    assert witness.add_checkpoint(asking(0, 0, note=note)) == Answer(Status.OTHER_SIZE, "0\n")


def test_logs_are_kept_apart(witness: Witness) -> None:
    """What one log did moves no other."""
    cosigned(witness, 0, 17)
    note = note_of(3, FORK, origin=OTHER_ORIGIN, signer=OTHER_LOG)
    assert witness.add_checkpoint(asking(0, 3, note=note)).status is Status.COSIGNED
    cosigned(witness, 17, 40)


def test_another_process_remembers(opened: Callable[[], Witness]) -> None:
    """What one was shown, none is shown otherwise."""
    first, second = opened(), opened()
    cosigned(first, 0, 17)
    assert second.add_checkpoint(asking(17, 17, FORK)).status is Status.OTHER_SIZE
    cosigned(second, 17, 40)
    assert first.add_checkpoint(asking(17, 40)) == Answer(Status.OTHER_SIZE, "40\n")


def test_of_many_at_once_those_cosigned_are_one_line_of_trees(opened: Callable[[], Witness]) -> None:
    """The check and the change are one step, among threads and processes: never two trees of one log."""
    witnesses = [opened(), opened()]
    cosigned(witnesses[0], 0, 10)
    answers: dict[int, Answer] = {}
    ready = threading.Barrier(12)

    def ask(number: int) -> None:
        size, leaves = 18 + number // 2, (LEAVES, FORK)[number % 2]
        raw = asking(10, size, leaves)
        ready.wait()
        answers[number] = witnesses[number % 2].add_checkpoint(raw)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    statuses = [one.status for one in answers.values()]
    assert (
        statuses.count(Status.COSIGNED) == 1
    )  # whoever came first; all others named a size that was no longer it
    assert statuses.count(Status.OTHER_SIZE) == 11


def test_what_is_kept_of_refusals_is_bounded(witness: Witness, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log's key in wrong hands must not fill the witness's disk."""
    monkeypatch.setattr("audit.witness._MOST_REFUSED", 3)
    cosigned(witness, 0, 17)
    for size in range(1, 10):
        assert witness.add_checkpoint(asking(0, size)).status is Status.OTHER_SIZE
    assert len(witness.refusals()) == 3


# --- the cosignature itself


def test_cosignature_is_what_the_specification_says() -> None:
    """Header line, time line, the whole note: checked against bytes put together by hand."""
    at = datetime(2026, 3, 14, 9, 30, 0, 900_000, tzinfo=UTC)
    _, text, _ = read_note(note_of(3))
    raw = base64.b64decode(cosign(text, SEES, NAME, at=at).split(" ")[2])
    seconds = int(datetime(2026, 3, 14, 9, 30, tzinfo=UTC).timestamp())
    assert raw[4:12] == seconds.to_bytes(8, "big")
    assert raw[12:] == SEES.sign(f"cosignature/v1\ntime {seconds}\n{text}".encode())
    assert WitnessKey.parse(str(KEY)) == KEY


AT = datetime(2026, 3, 14, tzinfo=UTC)
TEXT = read_note(note_of(3))[1]
LINE = cosign(TEXT, SEES, NAME, at=AT)
RAW = base64.b64decode(LINE.split(" ")[2])
NOT_COSIGNED = {
    "no cosignature": "",
    "another witness's": cosign(TEXT, STRANGER, NAME, at=AT),
    "under another name": cosign(TEXT, SEES, "witness.example/w2", at=AT),
    "of another tree": cosign(read_note(note_of(4))[1], SEES, NAME, at=AT),
    "another time": signature_line(NAME, RAW[:4], bytes(8) + RAW[12:]),
    "a time past all years": signature_line(NAME, RAW[:4], b"\xff" * 8 + RAW[12:]),
    "cut": signature_line(NAME, RAW[:4], RAW[4:-1]),
    "a log's signature by the same key": signature_line(NAME, RAW[:4], SEES.sign(TEXT.encode())),
    "a good one and a bad one": LINE + signature_line(NAME, RAW[:4], bytes(72)),
}


@pytest.mark.parametrize("name", NOT_COSIGNED)
def test_a_cosignature_that_does_not_hold_is_not_believed(name: str) -> None:
    """What comes over the network counts for nothing but its signature."""
    with pytest.raises(CheckpointError):
        open_cosigned(note_of(3) + NOT_COSIGNED[name], origin=ORIGIN, public=LOG.public(), witness=KEY)


def test_a_cosignature_on_what_the_log_did_not_sign_is_not_believed() -> None:
    """A witness alone makes no checkpoint."""
    note = note_of(3, signer=STRANGER) + LINE
    with pytest.raises(CheckpointError):
        open_cosigned(note, origin=ORIGIN, public=LOG.public(), witness=KEY)
