"""``valv audit verify`` of a log of many entries, beside as many bare SHA-256 calls over bytes of a leaf's size.

The log is made by its own ledger in large groups: numbers, leaves, tree, tip and checkpoints are the product's. Bodies
are sealed once a vault and repeated: they are as long as real ones, and the verifier has no key to open them.
"""

import hashlib
import os
import time
from datetime import timedelta
from pathlib import Path

from msgspec.structs import replace

from audit.draft import drafts
from audit.verify import Report, verify
from keys.keystore import KeyStore
from keys.receipt import NOTHING
from tests.audit.audit_world import ORIGIN, Clock, House, event

GROUP = 10_000
VAULTS = 1000
_LEAF = 186  # bytes: what a leaf's hash covers


def make_log(folder: Path, entries: int, *, url: str = "") -> None:
    """Make a log of so many entries of a thousand vaults, in a file of this folder or in PostgreSQL."""
    folder.mkdir(parents=True, exist_ok=True)
    clock = Clock()
    KeyStore.create(folder / "keys.db", "a passphrase", clock=clock)
    house = House(folder, KeyStore.load(folder / "keys.db", "a passphrase", clock=clock), clock, url)
    (folder / "log.pub").write_bytes(house.public)
    log = house.open()
    events = (
        event(clock(), vault=number.to_bytes(16), subject=str(number))
        for number in range(min(VAULTS, entries))
    )
    patterns = drafts([log._job_now(one, NOTHING, None) for one in events])
    for start in range(0, entries, GROUP):
        clock.move(timedelta(seconds=1))
        milliseconds, chance = int(clock().timestamp() * 1000).to_bytes(6), os.urandom(10 * GROUP)
        group = range(start, min(start + GROUP, entries))
        ids = (milliseconds + chance[10 * place : 10 * place + 10] for place in range(len(group)))
        same = (patterns[place * 7919 % len(patterns)] for place in group)
        log._ledger.commit(
            [replace(pattern, entry_id=entry_id) for pattern, entry_id in zip(same, ids, strict=True)]
        )
        log.checkpoint()
    log.close()


def ours(folder: Path, *, url: str = "") -> float:
    """Return how many seconds it takes to verify that log."""
    started = time.perf_counter()
    report = look(folder, url=url)
    taken = time.perf_counter() - started
    if not report.is_sound:
        raise AssertionError(report.findings)
    return taken


def look(folder: Path, *, url: str = "", processes: int | None = None) -> Report:
    """Verify that log."""
    return verify(
        url or folder / "log.db",
        checkpoint_dir=folder / "checkpoints",
        log_public=(folder / "log.pub").read_bytes(),
        origin=ORIGIN,
        processes=processes,
    )


def baseline(entries: int) -> float:
    """Return how many seconds as many SHA-256 calls take, one after the other."""
    leaves = [os.urandom(_LEAF) for _ in range(GROUP)]
    started = time.perf_counter()
    for _ in range(entries // GROUP):
        for leaf in leaves:
            hashlib.sha256(leaf).digest()
    for leaf in leaves[: entries % GROUP]:
        hashlib.sha256(leaf).digest()
    return time.perf_counter() - started
