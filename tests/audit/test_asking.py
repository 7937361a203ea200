"""A log and its witnesses: what is asked, what is believed, and what is an alarm."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from audit.asking import Asking, Reply, WitnessAt, WitnessError
from audit.checkpoint import Checkpoint, read_note, signature_line
from audit.cosignature import WitnessKey, cosign
from audit.log import AuditLog
from audit.verify import Fault, Report, WitnessKeyError, verify
from audit.witness import Asked, Witness
from audit.witnessed import AlarmKind
from keys.primitives import Signer
from tests.audit.audit_world import ORIGIN, START, House, event

SEES, STRANGER = Signer(b"w" * 32), Signer(b"x" * 32)
NAME, URL = "witness.example/w1", "https://witness.example/w1"
KEY = WitnessKey(NAME, SEES.public())
AT = WitnessAt(URL, KEY)


@dataclass
class Network:
    """Leads to one witness, unless ``answer`` says what comes instead."""

    witness: Witness
    answer: Callable[[bytes], Reply] | None = None
    asked: list[bytes] = field(default_factory=list)

    def __call__(self, url: str, body: bytes) -> Reply:
        """Carry a request."""
        assert url == f"{URL}/add-checkpoint"
        self.asked.append(body)
        if self.answer is not None:
            return self.answer(body)
        answer = self.witness.add_checkpoint(body)
        return Reply(answer.status, answer.body.encode())


@pytest.fixture
def network(house: House, tmp_path: Path) -> Iterator[Network]:
    """A witness that knows the log, elsewhere."""
    logs = {ORIGIN: house.public}
    witness = Witness(tmp_path / "witness.db", SEES, name=NAME, logs=logs, clock=house.clock)
    yield Network(witness)
    witness.close()


def grow(house: House, log: AuditLog, count: int, *, fill: str = "") -> None:
    """Log some more, and carry a checkpoint out."""
    for number in range(count):
        log.append_now(event(house.clock(), subject=f"{fill}{number}"))
    log.checkpoint()


def asking(house: House, log: AuditLog, network: Network) -> Asking:
    """Return how the log asks."""
    return Asking(log, house.outside, [AT], post=network, clock=house.clock)


def verified(house: House, **more: object) -> Report:
    """Verify the log with its witness named."""
    given = {"witnesses": [str(KEY)]} | more
    return verify(house.store, checkpoint_dir=house.outside, log_public=house.public, **given)  # type: ignore[arg-type]


def faults(report: Report) -> set[Fault]:
    """Return what was found."""
    return {one.fault for one in report.findings}


def test_a_growing_log_is_cosigned_and_keeps_the_word(house: House, network: Network) -> None:
    """On both engines, proof after proof; the newest word stands outside the database, and verifies."""
    log = house.open()
    for count in (0, 3, 0, 300):
        house.clock.move(timedelta(minutes=1))
        grow(house, log, count)
        standing = asking(house, log, network).ask(AT)
        assert standing.cosigned is not None
        assert standing.cosigned.checkpoint == log.newest_checkpoint()[0]
        assert standing.cosigned.at == house.clock()
    assert standing.alarm is None
    assert len(network.asked) == 4
    log.close()
    report = verified(house)
    assert report.is_sound
    assert report.cosigned_at == house.clock()
    assert report.anchored == 303


def test_a_log_that_lost_its_place_finds_it(house: House, network: Network) -> None:
    """Whose cosigned checkpoint is gone, or damaged, is told the size by the witness, and goes on from there."""
    log = house.open()
    grow(house, log, 5)
    asked = asking(house, log, network)
    asked.ask(AT)
    kept = house.outside / f"cosigned.{KEY.id.hex()}"
    for damage in (kept.unlink, lambda: kept.write_text("x"), lambda: kept.write_bytes(b"\xff")):
        damage()
        grow(house, log, 2)
        assert asked.standings()[0].cosigned is None
        standing = asked.ask(AT)
        assert standing.alarm is None
        assert standing.cosigned is not None
    log.close()


def rolled_back(house: House, log: AuditLog, network: Network) -> AuditLog:
    """Cosign 5 entries, keep a copy of log and folder, cosign 8, and put the copy back."""
    grow(house, log, 5)
    asking(house, log, network).ask(AT)
    log.close()
    old = house.folder / "old"
    shutil.copytree(house.outside, old / "checkpoints")
    if not house.url:
        shutil.copy(house.path, old / "log.db")
    log = house.open()
    grow(house, log, 3)
    asking(house, log, network).ask(AT)
    log.close()
    shutil.rmtree(house.outside)
    shutil.copytree(old / "checkpoints", house.outside)
    shutil.copy(old / "log.db", house.path)
    for beside in ("-wal", "-shm"):
        Path(f"{house.path}{beside}").unlink(missing_ok=True)
    return house.open()


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_log_that_was_rolled_back_is_found(house: House, network: Network) -> None:
    """File and folder replaced together show nothing by themselves (spec, section 11): the witness remembers."""
    log = rolled_back(house, house.open(), network)
    assert verified(house).is_sound
    standing = asking(house, log, network).ask(AT)
    assert standing.alarm is not None
    assert (standing.alarm.kind, standing.alarm.known, standing.alarm.size) == (AlarmKind.ROLLED_BACK, 8, 5)
    assert standing.alarm.note == log.newest_checkpoint()[1]
    log.close()
    assert faults(verified(house)) == faults(verified(house, witnesses=[])) == {Fault.REFUSED_BY_WITNESS}


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize("more", [3, 4, 300])
def test_a_log_that_was_forked_is_found(house: House, network: Network, more: int) -> None:
    """Rolled back, and grown otherwise to the same size or beyond it."""
    log = rolled_back(house, house.open(), network)
    grow(house, log, more, fill="other")
    standing = asking(house, log, network).ask(AT)
    assert standing.alarm is not None
    assert (standing.alarm.kind, standing.alarm.known) == (AlarmKind.FORKED, 8)
    (kept,) = network.witness.refusals()
    assert kept.note == log.newest_checkpoint()[1] == standing.alarm.note
    log.close()
    assert faults(verified(house)) == {Fault.REFUSED_BY_WITNESS}


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_only_a_person_takes_an_alarm_away(house: House, network: Network) -> None:
    """Later words of the witness do not, nor a second alarm: the first one is the evidence."""
    log = rolled_back(house, house.open(), network)
    asked = asking(house, log, network)
    first = asked.ask(AT).alarm
    network.answer = lambda body: Reply(200, _word(body).encode())
    house.clock.move(timedelta(hours=1))
    assert asked.ask(AT).alarm == first
    network.answer = lambda _: Reply(422, b"")
    assert asked.ask(AT).alarm == first
    path = house.outside / f"alarm.{KEY.id.hex()}"
    assert json.loads(path.read_text())["witness"] == str(KEY)
    path.write_text("{}")
    damaged = asked.standings()[0].alarm
    assert damaged is not None
    assert damaged.kind is AlarmKind.UNREADABLE
    path.rename(house.folder / "kept")
    assert asked.standings()[0].alarm is None
    log.close()


def _word(body: bytes, signer: Signer = SEES) -> str:
    text = Asked.parse(body).note.partition("\n\n")[0] + "\n"
    return cosign(text, signer, NAME, at=START)


ANSWERS: dict[str, Callable[[bytes], Reply]] = {
    "a stranger's word": lambda body: Reply(200, _word(body, STRANGER).encode()),
    "no word": lambda _: Reply(200, b""),
    "not a note": lambda _: Reply(200, b"thank you\n"),
    "not text": lambda _: Reply(200, b"\xff"),
    "a word on another tree": lambda _: Reply(
        200, cosign(Checkpoint(ORIGIN, 9, bytes(32)).text(), SEES, NAME, at=START).encode()
    ),
    "another text before the word": lambda body: Reply(200, b"\n\n" + _word(body).encode()),
    "no size": lambda _: Reply(409, b""),
    "an odd size": lambda _: Reply(409, b"+7\n"),
    "a size of other digits": lambda _: Reply(409, "٣\n".encode()),
    "a huge size": lambda _: Reply(409, b"9" * 5000),
    "an unknown log": lambda _: Reply(404, b""),
    "an unknown key": lambda _: Reply(403, b""),
    "a fault of ours": lambda _: Reply(400, b""),
    "a fault of its own": lambda _: Reply(503, b""),
    "somewhere else": lambda _: Reply(302, b""),
}


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize("name", ANSWERS)
def test_what_the_witness_did_not_sign_is_not_believed(house: House, network: Network, name: str) -> None:
    """And what is neither its word nor a refusal is no alarm: nothing is kept."""
    log = house.open()
    grow(house, log, 5)
    network.answer = ANSWERS[name]
    asked = asking(house, log, network)
    with pytest.raises(WitnessError):
        asked.ask(AT)
    assert asked.standings()[0].cosigned is None
    assert asked.standings()[0].alarm is None
    log.close()


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_size_that_changes_each_time_ends(house: House, network: Network) -> None:
    """A witness that never agrees must not hold the asker for ever."""
    log = house.open()
    grow(house, log, 9)
    network.answer = lambda _: Reply(409, f"{len(network.asked)}\n".encode())
    with pytest.raises(WitnessError):
        asking(house, log, network).ask(AT)
    assert len(network.asked) == 4
    log.close()


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_only_the_witnesss_own_line_is_kept(house: House, network: Network) -> None:
    """Lines of keys that nobody knows could be anything."""
    log = house.open()
    grow(house, log, 5)
    network.answer = lambda body: Reply(200, (_word(body, STRANGER) + _word(body)).encode())
    asking(house, log, network).ask(AT)
    kept = (house.outside / f"cosigned.{KEY.id.hex()}").read_text()
    assert kept == log.newest_checkpoint()[1] + _word(network.asked[-1])
    log.close()


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_the_verifier_misses_a_witness_that_has_not_cosigned(house: House, network: Network) -> None:
    """Named, it must have: a file that is gone, damaged, another's or not the log's counts as none."""
    log = house.open()
    grow(house, log, 5)
    asking(house, log, network).ask(AT)
    log.close()
    assert verified(house).is_sound
    other = str(WitnessKey(NAME, STRANGER.public()))
    assert faults(verified(house, witnesses=[str(KEY), other])) == {Fault.NOT_COSIGNED}
    kept = house.outside / f"cosigned.{KEY.id.hex()}"
    good = kept.read_text()
    _, text, _ = read_note(good)
    never = (1 << 63).to_bytes(8, "big")  # a time that no calendar has, signed all the same
    word = never + SEES.sign(f"cosignature/v1\ntime {1 << 63}\n{text}".encode())
    own = good.rpartition("\u2014")[0]
    wrong = (
        good.replace("\n5\n", "\n4\n"),
        good[:-6] + "\n",
        own,
        own + signature_line(NAME, KEY.id, word),
        "",
    )
    for damaged in wrong:
        kept.write_text(damaged)
        assert Fault.NOT_COSIGNED in faults(verified(house))
    kept.unlink()
    assert faults(verified(house)) == {Fault.NOT_COSIGNED}
    for text in ("", "a+b+c", str(KEY)[:-4], str(KEY).replace("+", "+0", 1)):
        with pytest.raises(WitnessKeyError):
            verified(house, witnesses=[text])


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_cosigned_checkpoint_that_the_tree_does_not_bear_out_is_found(
    house: House, network: Network
) -> None:
    """Log and folder of checkpoints put back, the witness's word left: no network is needed to see it."""
    log = rolled_back(house, house.open(), network)
    newer = Checkpoint(ORIGIN, 8, bytes(32))
    note = newer.signed(house.keystore.log_signer()) + cosign(newer.text(), SEES, NAME, at=house.clock())
    (house.outside / f"cosigned.{KEY.id.hex()}").write_text(note)
    network.answer = lambda _: pytest.fail("it need not even be asked")
    alarm = asking(house, log, network).ask(AT).alarm
    assert alarm is not None
    assert alarm.kind is AlarmKind.ROLLED_BACK
    log.close()
    assert faults(verified(house)) == {Fault.BEHIND, Fault.REFUSED_BY_WITNESS}
