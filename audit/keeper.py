"""What has to happen to a log beside writing it, in a thread of its own: sealing, and checkpoints outside.

Invariants:
- while a checkpoint cannot leave, :meth:`Keeper.check` raises, so that the writer accepts nothing;
- no fault ends the thread, and none outlives its cause.
"""

import logging
import threading
import time
from datetime import timedelta

from audit.checkpoint import CheckpointError
from audit.errors import LogUnavailableError
from audit.ledger import Ledger

RETRY_AFTER = 0.5  # seconds until what failed is tried again
_LOOK_AFTER = 1.0  # seconds until a quiet process looks for what others, now dead, left unsealed

_logger = logging.getLogger("audit")


class Keeper:
    """Owns the thread; see the module's docstring."""

    def __init__(self, ledger: Ledger, *, checkpoint_every: timedelta) -> None:
        self._ledger = ledger
        self._pace = checkpoint_every.total_seconds()
        self._stirred = threading.Event()
        self._stopping = threading.Event()
        self._dirty = False
        self._failed = False
        self._unanchored = False
        self._anchored_at = 0.0
        self._thread = threading.Thread(target=self._run, name="audit-keeper", daemon=True)

    # --- called from any thread

    def start(self) -> None:
        """Check that the log continues its outside checkpoints, and begin to keep it.

        Raises:
            LogUnavailableError: it does not, or it cannot be written.
        """
        self.checkpoint()
        self._thread.start()

    def stir(self) -> None:
        """Say that something was written."""
        if not self._stirred.is_set():
            self._stirred.set()

    def check(self) -> None:
        """Raise as long as the last checkpoint could not leave, and still cannot.

        Raises:
            LogUnavailableError: no entry without its anchor.
        """
        if self._unanchored:
            self.checkpoint()

    def seal(self) -> None:
        """Give all that is durable its number and its place in the lists, before somebody reads.

        Raises:
            LogUnavailableError: that cannot be done.
        """
        try:
            sealed = self._ledger.seal(wait=True)
        except Exception as error:  # noqa: BLE001 whatever it was: what is not whole is not shown
            raise unavailable(error) from None
        if sealed:
            self.stir()

    def checkpoint(self) -> None:
        """Carry a checkpoint out of the database now.

        Raises:
            LogUnavailableError: it could not be written, or contradicts one that was.
        """
        self._dirty = False  # before: what is written meanwhile stirs the thread again
        self._anchored_at = time.monotonic()
        try:
            self._ledger.checkpoint()
        except Exception as error:  # noqa: BLE001 whatever it was: the writer tries again before it commits
            self._dirty = self._unanchored = True
            raise unavailable(error) from None
        self._unanchored = False

    def close(self) -> None:
        """Stop, after what waits has its number and a last checkpoint has left."""
        self._stopping.set()
        self._stirred.set()
        if self._thread.is_alive():
            self._thread.join()

    # --- the thread

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._dirty = self._stirred.wait(self._patience()) or self._dirty
            if not self._stopping.wait(self._ledger.seals_every):
                self._stirred.clear()
                self._round(is_last=False)
        self._dirty, self._anchored_at = True, -self._pace
        self._round(is_last=True)

    def _patience(self) -> float:
        """Return how long to wait for a stir."""
        if self._failed:
            return RETRY_AFTER
        return self._until_due() if self._dirty else _LOOK_AFTER

    def _until_due(self) -> float:
        return max(0.0, self._anchored_at + self._pace - time.monotonic())

    def _round(self, *, is_last: bool) -> None:
        try:
            self._dirty = self._ledger.seal(wait=is_last) or self._dirty
            if self._dirty and self._until_due() == 0.0:
                self.checkpoint()
            self._failed = False
        except Exception as error:  # noqa: BLE001 whatever it was: the thread lives on, and tries again
            if not self._failed:
                _logger.error("the log is not kept: %s", unavailable(error))  # noqa: TRY400 no traceback: no content
            self._failed = True


def unavailable(error: Exception) -> LogUnavailableError:
    """Return the error for others, and tell the operator; neither holds content."""
    if isinstance(error, LogUnavailableError):
        return error
    _logger.error("the log could not be written: %s", type(error).__name__)
    text = str(error) if isinstance(error, CheckpointError) else "the log could not be written"
    return LogUnavailableError(text)
