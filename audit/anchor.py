"""Checkpoints outside the database: one file a size, ``latest``, and the key to verify them with.

A file is complete or absent: it is written beside, synced, and renamed. The folder belongs on another disk or
machine than the log: it is what shows that a log was rolled back (docs/spec/audit-v1.md).
"""

import os
import threading
from pathlib import Path

from audit.checkpoint import Checkpoint, CheckpointError, open_checkpoint, verifier_key

LATEST = "latest"
KEY = "verifier-key"


class Anchor:
    """The folder of one log's checkpoints."""

    def __init__(self, folder: Path, *, origin: str, public: bytes) -> None:
        self._folder = folder
        self._origin = origin
        self._public = public

    def prepare(self) -> None:
        """Make the folder and write the verifier key where there is none.

        Raises:
            CheckpointError: the folder is another log's.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        mine = verifier_key(self._origin, self._public) + "\n"
        path = self._folder / KEY
        if not path.exists():
            write_durably(self._folder, KEY, mine)
        elif path.read_text() != mine:
            raise CheckpointError("the folder of checkpoints belongs to another log")

    def newest(self) -> Checkpoint | None:
        """Return the newest checkpoint, verified; None in a new folder.

        Raises:
            CheckpointError: it is not this log's, or it is missing though others are there.
        """
        try:
            note = (self._folder / LATEST).read_text()
        except FileNotFoundError:
            if any(self._folder.glob("checkpoint.*")):
                raise CheckpointError("the newest checkpoint is missing outside the database") from None
            return None
        return open_checkpoint(note, origin=self._origin, public=self._public)

    def keep(self, size: int, note: str) -> None:
        """Write a checkpoint durably under its size, then as the newest."""
        write_durably(self._folder, f"checkpoint.{size:012d}", note)
        write_durably(self._folder, LATEST, note)


def write_durably(folder: Path, name: str, text: str) -> None:
    """Write a file beside, sync it, and rename it: it is complete or absent."""
    beside = folder / f".{name}.{os.getpid()}.{threading.get_ident()}"
    with beside.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(folder / name)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
