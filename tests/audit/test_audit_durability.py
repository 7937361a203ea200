"""Processes of their own over one log, on both engines, and what is left when they are killed."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from audit.leaf import Leaf
from audit.verify import Report, verify
from tests.audit.audit_world import ANNA, BO, ORIGIN, House

ROOT = Path(__file__).parents[2]


@pytest.fixture
def shared(house: House, keystore_file: Path) -> House:
    """A log whose KeyStore stands where the processes find it."""
    house.keystore.log_signer()  # made before the file is copied
    shutil.copy(keystore_file, house.folder / "keys.db")
    house.make()
    return house


@contextmanager
def appending(house: House, vault: bytes, count: int) -> Iterator["subprocess.Popen[str]"]:
    """Run the appender as a process of its own."""
    given = [str(house.folder), str(house.store), vault.hex(), str(count)]
    command = [sys.executable, "-m", "tests.audit.appender", *given]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def verified(house: House) -> Report:
    """Verify the log."""
    return verify(house.store, checkpoint_dir=house.outside, log_public=house.public, origin=ORIGIN)


def logged(house: House) -> set[str]:
    """Return the ids of all entries that have their place."""
    return {Leaf.decode(leaf).entry_id.hex() for (leaf,) in house.sql("SELECT leaf FROM log_entries")}


def test_no_acknowledged_entry_is_lost_by_kill_9(shared: House) -> None:
    """A receipt releases a key, so the entry behind it must outlive any death of the process."""
    acknowledged: set[str] = set()
    for _ in range(3):
        with appending(shared, ANNA, 0) as process:
            assert process.stdout is not None
            for line in process.stdout:
                acknowledged.add(line.strip())
                if len(acknowledged) % 40 == 0:
                    break
            process.kill()
            acknowledged |= {line.strip() for line in process.stdout if len(line) == 33}
    assert len(acknowledged) >= 120
    with appending(shared, BO, 1) as process:  # the next process seals what the dead ones left
        assert process.wait(30) == 0
    assert acknowledged <= logged(shared)
    report = verified(shared)
    assert report.is_sound, [str(finding) for finding in report.findings]


def test_several_processes_grow_one_tree(shared: House) -> None:
    """Web, worker and command append to one log; none may number over the other."""
    with (
        appending(shared, ANNA, 200) as one,
        appending(shared, BO, 200) as other,
        appending(shared, ANNA, 100) as third,
    ):
        acknowledged = [line.strip() for process in (one, other, third) for line in process.stdout or ()]
        assert [process.wait(30) for process in (one, other, third)] == [0, 0, 0]
    assert len(set(acknowledged)) == 500
    assert set(acknowledged) == logged(shared)
    report = verified(shared)
    assert report.is_sound, [str(finding) for finding in report.findings]
    assert (report.entries, report.anchored) == (500, 500)
