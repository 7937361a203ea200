"""The log's one writer thread: drafts come in by a queue and go out in groups, one durable commit each.

Invariants:
- a waiter is told that its entry is written only after COMMIT returned;
- whoever waits for an entry that was not written is told so, and nothing of it is tried again;
- what nobody waits for (outcomes) is tried again while the fault lasts, and counted when it is lost;
- no fault ends the thread, and none outlives its cause.
"""

import asyncio
import contextlib
import logging
import queue
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import timedelta

from audit.checkpoint import CheckpointError
from audit.errors import LogUnavailableError
from audit.sequencer import Draft, Sequencer

LARGEST_GROUP = 1024
RETRY_AFTER = 0.5  # seconds until outcomes that could not be written are tried again
MOST_WAITING = 10_000  # outcomes that may wait for a fault to go

_logger = logging.getLogger("audit")


@dataclass(frozen=True, slots=True)
class Job:
    """A draft and who waits for it: its future gets the entry's time in microseconds; None for nobody."""

    draft: Draft
    waiter: "asyncio.Future[int] | Future[int] | None"


_Result = tuple["asyncio.Future[int] | Future[int]", int | LogUnavailableError]


class Writer:
    """Owns the thread; see the module's docstring."""

    def __init__(self, sequencer: Sequencer, *, checkpoint_every: timedelta) -> None:
        self._sequencer = sequencer
        self._pace = checkpoint_every.total_seconds()
        self._queue: queue.SimpleQueue[Job | Future[None] | None] = queue.SimpleQueue()
        self._gate = threading.Lock()
        self._closed = False
        self._late: list[Job] = []
        self._dirty = False
        self._anchored_at = 0.0
        self._anchor_fault = False
        self.lost = 0
        self._thread = threading.Thread(target=self._run, name="audit-writer", daemon=True)

    # --- called from any thread

    def start(self) -> None:
        """Check that the log continues its outside checkpoints, and begin to write.

        Raises:
            LogUnavailableError: it does not, or the file cannot be written.
        """
        try:
            self._checkpoint()
        except Exception as error:  # noqa: BLE001 whatever it was, the log does not open
            self._sequencer.forget()
            raise _unavailable(error) from None
        self._thread.start()

    def submit(self, item: "Job | Future[None]") -> None:
        """Put a job, or a wish for a checkpoint, into the queue.

        Raises:
            LogUnavailableError: closed, or the writer does not live in this process (after a fork).
        """
        with self._gate:
            if self._closed or not self._thread.is_alive():
                raise LogUnavailableError("the log is closed")
            self._queue.put(item)

    def close(self) -> None:
        """Write what waits, a last checkpoint, and stop."""
        with self._gate:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        if self._thread.is_alive():
            self._thread.join()

    @property
    def is_closed(self) -> bool:
        """Tell whether it was closed."""
        return self._closed

    def lose(self, count: int) -> None:
        """Count outcomes that will not be written, and say so, without content."""
        if count:
            self.lost += count
            _logger.error("%d outcomes could not be written to the log", count)

    # --- the thread

    def _run(self) -> None:
        goes_on = True
        while goes_on:
            jobs, wishes, goes_on = self._take()
            jobs, self._late = self._late + jobs, []
            for start in range(0, len(jobs), LARGEST_GROUP):
                self._write(jobs[start : start + LARGEST_GROUP])
            self._checkpoint_when_due(wishes, last=not goes_on)
        self.lose(len(self._late))
        self._sequencer.forget()  # gives the file back

    def _take(self) -> tuple[list[Job], list[Future[None]], bool]:
        jobs: list[Job] = []
        wishes: list[Future[None]] = []
        wait: float | None = self._patience()
        with contextlib.suppress(queue.Empty):
            while len(jobs) < LARGEST_GROUP:
                item = self._queue.get(timeout=wait) if wait != 0 else self._queue.get_nowait()
                wait = 0
                match item:
                    case None:
                        return jobs, wishes, False
                    case Job():
                        jobs.append(item)
                    case _:
                        wishes.append(item)
        return jobs, wishes, True

    def _patience(self) -> float | None:
        if self._late:
            return RETRY_AFTER
        if self._dirty:
            return max(0.001, self._anchored_at + self._pace - time.monotonic())
        return None

    def _write(self, jobs: Sequence[Job]) -> None:
        try:
            if self._anchor_fault:
                self._checkpoint()  # no entry without its anchor: fails for as long as the fault lasts
            written = self._sequencer.commit(job.draft for job in jobs)
        except Exception as error:  # noqa: BLE001 whatever it was: nobody gets a receipt, and the thread lives on
            self._sequencer.forget()
            fault = _unavailable(error)
            self._put_off([job for job in jobs if job.waiter is None])
            _tell([(job.waiter, fault) for job in jobs if job.waiter is not None])
            return
        self._dirty = self._dirty or bool(written.drafts)
        refused = {draft.entry_id: fault for draft, fault in written.refused}
        self.lose(sum(job.waiter is None and job.draft.entry_id in refused for job in jobs))
        _tell(
            [
                (job.waiter, refused.get(job.draft.entry_id, written.at_us))
                for job in jobs
                if job.waiter is not None
            ]
        )

    def _put_off(self, jobs: Sequence[Job]) -> None:
        room = MOST_WAITING - len(self._late)
        self._late += jobs[:room]
        self.lose(len(jobs[room:]))

    def _checkpoint_when_due(self, wishes: Sequence[Future[None]], *, last: bool) -> None:
        due = last or time.monotonic() >= self._anchored_at + self._pace
        if not wishes and not (self._dirty and due):
            return
        fault: LogUnavailableError | None = None
        try:
            self._checkpoint()
        except Exception as error:  # noqa: BLE001 whatever it was: the next group tries again before it commits
            self._sequencer.forget()
            self._anchor_fault = True
            self._anchored_at = time.monotonic()
            fault = _unavailable(error)
        for wish in wishes:
            if fault is None:
                wish.set_result(None)
            else:
                wish.set_exception(fault)

    def _checkpoint(self) -> None:
        self._sequencer.write_checkpoint()
        self._dirty, self._anchor_fault = False, False
        self._anchored_at = time.monotonic()


def _unavailable(error: Exception) -> LogUnavailableError:
    if isinstance(error, LogUnavailableError):
        return error
    _logger.error("the log could not be written: %s", type(error).__name__)
    text = str(error) if isinstance(error, CheckpointError) else "the log could not be written"
    return LogUnavailableError(text)


def _tell(results: Sequence[_Result]) -> None:
    """Settle each waiter in its own thread, with one wake-up for each event loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Result]] = {}
    for waiter, result in results:
        if isinstance(waiter, asyncio.Future):
            by_loop.setdefault(waiter.get_loop(), []).append((waiter, result))
        else:
            _settle([(waiter, result)])
    for loop, mine in by_loop.items():
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_settle, mine)


def _settle(results: Sequence[_Result]) -> None:
    for waiter, result in results:
        if waiter.done():  # its handler was cancelled; the entry stands, no receipt leaves
            continue
        if isinstance(result, LogUnavailableError):
            waiter.set_exception(
                LogUnavailableError(*result.args)
            )  # one each: a raised one keeps its traceback
        else:
            waiter.set_result(result)
