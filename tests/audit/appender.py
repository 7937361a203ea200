"""A process of its own that appends to a log: ``appender.py <folder> <store> <vault hex> <count>``, 0 for no end.

The store is the log's file, whose tables are there, or its URL.

It prints each entry's id in hex once it has the receipt, and nothing before.
"""

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from audit.log import AuditLog
from keys.keystore import KeyStore
from tests.audit.audit_world import ORIGIN, event

_AT_ONCE = 4


def now() -> datetime:
    """Return the time: these processes are real."""
    return datetime.now(UTC)


async def append(log: AuditLog, vault: bytes, count: int) -> None:
    """Append in small waves, and say what was acknowledged."""
    done = 0
    while not count or done < count:
        wave = min(_AT_ONCE, count - done) if count else _AT_ONCE
        receipts = await asyncio.gather(*(log.append(event(now(), vault=vault)) for _ in range(wave)))
        for receipt in receipts:
            sys.stdout.write(receipt.entry.hex() + "\n")
        sys.stdout.flush()
        done += wave


def main() -> None:
    """Open the log of the folder and append."""
    folder, store, vault, count = Path(sys.argv[1]), sys.argv[2], bytes.fromhex(sys.argv[3]), int(sys.argv[4])
    log = AuditLog.open(
        store if store.startswith("postgresql") else Path(store),
        KeyStore.load(folder / "keys.db", "a passphrase", clock=now),
        origin=ORIGIN,
        checkpoint_dir=folder / "checkpoints",
        clock=now,
        checkpoint_every=timedelta(milliseconds=50),
    )
    asyncio.run(append(log, vault, count))
    log.close()


if __name__ == "__main__":
    main()
