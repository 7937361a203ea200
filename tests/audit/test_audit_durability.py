import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from audit.verify import Report, verify
from keys.keystore import KeyStore
from tests.audit.audit_world import ANNA, BO, ORIGIN, START

ROOT = Path(__file__).parents[2]


@contextmanager
def appending(folder: Path, vault: bytes, count: int) -> Iterator[subprocess.Popen[str]]:
    """Run the appender as a process of its own."""
    command = [sys.executable, "-m", "tests.audit.appender", str(folder), vault.hex(), str(count)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def verified(folder: Path) -> Report:
    """Verify the log of a folder."""
    public = KeyStore.load(folder / "keys.db", "a passphrase", clock=lambda: START).log_signer().public()
    return verify(folder / "log.db", checkpoint_dir=folder / "checkpoints", log_public=public, origin=ORIGIN)


def logged(folder: Path) -> set[str]:
    """Return the ids of all entries."""
    connection = sqlite3.connect(folder / "log.db")
    ids = {entry_id.hex() for (entry_id,) in connection.execute("SELECT entry_id FROM log_entries")}
    connection.close()
    return ids


def test_no_acknowledged_entry_is_lost_by_kill_9(tmp_path: Path, keystore_file: Path) -> None:
    """A receipt releases a key, so the entry behind it must outlive any death of the process."""
    shutil.copy(keystore_file, tmp_path / "keys.db")
    acknowledged: set[str] = set()
    for _ in range(3):
        with appending(tmp_path, ANNA, 0) as process:
            assert process.stdout is not None
            for line in process.stdout:
                acknowledged.add(line.strip())
                if len(acknowledged) % 40 == 0:
                    break
            process.kill()
            acknowledged |= {line.strip() for line in process.stdout if len(line) == 33}
    assert len(acknowledged) >= 120
    assert acknowledged <= logged(tmp_path)
    report = verified(tmp_path)
    assert report.is_sound, [str(finding) for finding in report.findings]


def test_two_processes_grow_one_tree(tmp_path: Path, keystore_file: Path) -> None:
    """Web, worker and command append to one log; none may number over the other."""
    shutil.copy(keystore_file, tmp_path / "keys.db")
    with (
        appending(tmp_path, ANNA, 200) as one,
        appending(tmp_path, BO, 200) as other,
        appending(tmp_path, ANNA, 100) as third,
    ):
        acknowledged = [line.strip() for process in (one, other, third) for line in process.stdout or ()]
        assert [process.wait(30) for process in (one, other, third)] == [0, 0, 0]
    assert len(set(acknowledged)) == 500
    assert set(acknowledged) == logged(tmp_path)
    report = verified(tmp_path)
    assert report.is_sound, [str(finding) for finding in report.findings]
    assert (report.entries, report.anchored) == (500, 500)
