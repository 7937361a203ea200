"""The log's one writer thread: drafts come in by a queue and go out in groups, one durable commit each.

Invariants:
- a waiter is told that its entry is written only after the commit returned;
- whoever waits for an entry that was not written is told so, and nothing of it is tried again;
- what nobody waits for (outcomes) is tried again while the fault lasts, and counted when it is lost;
- no fault ends the thread, and none outlives its cause.
"""

import asyncio
import contextlib
import itertools
import logging
import os
import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from audit.draft import Job, Waiter, drafts
from audit.errors import LogUnavailableError
from audit.keeper import RETRY_AFTER, Keeper, unavailable
from audit.ledger import Ledger
from audit.sequencer import Refusals
from keys.receipt import Receipt

LARGEST_GROUP = 1024
MOST_WAITING = 10_000  # outcomes that may wait for a fault to go

_logger = logging.getLogger("audit")


_Result = Receipt | LogUnavailableError
Receipts = Callable[[Sequence[Job], datetime], list[Receipt]]


class Writer:
    """Owns the thread; see the module's docstring."""

    def __init__(self, ledger: Ledger, keeper: Keeper, *, receipts: Receipts) -> None:
        self._ledger = ledger
        self._keeper = keeper
        self._receipts = receipts
        self._queue: queue.SimpleQueue[list[Job] | None] = queue.SimpleQueue()
        self._gathered: dict[asyncio.AbstractEventLoop, list[Job]] = {}
        self._gate = threading.Lock()
        self._closed = False
        self._late: list[Job] = []
        self.lost = 0
        self._process = os.getpid()
        self._thread = threading.Thread(target=self._run, name="audit-writer", daemon=True)

    # --- called from any thread

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Put a job into the queue.

        Raises:
            LogUnavailableError: closed, or the writer does not live in this process (after a fork).
        """
        with self._gate:
            if self._is_shut():
                raise LogUnavailableError("the log is closed")
            self._queue.put([job])

    def gather(self, job: Job) -> None:
        """Put a job into the queue with all else that this turn of the event loop brings: one wake-up, one commit.

        Else the thread would wake at the first of thirty requests, and fight the others for the interpreter.

        Raises:
            LogUnavailableError: as :meth:`submit`.
        """
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # a thread's: it goes by itself
            self.submit(job)
            return
        if (jobs := self._gathered.get(loop)) is None:
            if self._is_shut():
                raise LogUnavailableError("the log is closed")
            jobs = self._gathered[loop] = []
            loop.call_soon(self._hand_over, loop)
        jobs.append(job)

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        """Queue what a turn of the loop brought; this runs in the loop's thread, and so does every append to it."""
        jobs = self._gathered.pop(loop, None)
        if jobs is None:
            return
        with self._gate:
            if not self._closed:
                self._queue.put(jobs)
                return
        self.lose(sum(job.waiter is None for job in jobs))
        _tell(jobs, itertools.repeat(LogUnavailableError("the log is closed")))

    def _is_shut(self) -> bool:
        return self._closed or os.getpid() != self._process

    def close(self) -> None:
        """Write what waits, and stop."""
        with contextlib.suppress(RuntimeError):
            self._hand_over(asyncio.get_running_loop())
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
            jobs, goes_on = self._take()
            jobs, self._late = self._late + jobs, []
            for start in range(0, len(jobs), LARGEST_GROUP):
                self._write(jobs[start : start + LARGEST_GROUP])
        self.lose(len(self._late))

    def _take(self) -> tuple[list[Job], bool]:
        """Wait for a job, and take what else is there: what comes during a commit is the next group."""
        jobs: list[Job] = []
        with contextlib.suppress(queue.Empty):
            more = self._queue.get(timeout=RETRY_AFTER if self._late else None)
            while more is not None:
                jobs += more
                if len(jobs) >= LARGEST_GROUP:
                    return jobs, True
                more = self._queue.get_nowait()
            return jobs, False
        return jobs, True

    def _write(self, jobs: Sequence[Job]) -> None:
        try:
            self._keeper.check()
            written = self._ledger.commit(drafts(jobs))
        except Exception as error:  # noqa: BLE001 whatever it was: nobody gets a receipt, and the thread lives on
            self._put_off([job for job in jobs if job.waiter is None])
            _tell(jobs, itertools.repeat(unavailable(error)))
            return
        if written.refused:
            jobs = self._refuse(jobs, written.refused)
        _tell(jobs, self._receipts(jobs, written.at))
        self._keeper.stir()

    def _refuse(self, jobs: Sequence[Job], refused: Refusals) -> list[Job]:
        """Tell those whose entry was refused alone; return the others."""
        alone = [job for job in jobs if job.entry_id in refused]
        _tell(alone, [refused[job.entry_id] for job in alone])
        self.lose(sum(job.waiter is None for job in alone))
        return [job for job in jobs if job.entry_id not in refused]

    def _put_off(self, jobs: Sequence[Job]) -> None:
        room = MOST_WAITING - len(self._late)
        self._late += jobs[:room]
        self.lose(len(jobs[room:]))


def _tell(jobs: Sequence[Job], results: Iterable[_Result]) -> None:
    """Settle each waiter in its own thread, with one wake-up for each event loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[Waiter, _Result]]] = {}
    for job, result in zip(jobs, results, strict=False):
        waiter = job.waiter
        if isinstance(waiter, asyncio.Future):
            by_loop.setdefault(waiter.get_loop(), []).append((waiter, result))
        elif waiter is not None:
            _settle([(waiter, result)])
    for loop, mine in by_loop.items():
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_settle, mine)


def _settle(told: Iterable[tuple[Waiter, _Result]]) -> None:
    for waiter, result in told:
        if waiter.done():  # its handler was cancelled; the entry stands, no receipt leaves
            continue
        if isinstance(result, LogUnavailableError):
            waiter.set_exception(
                LogUnavailableError(*result.args)
            )  # one each: a raised one keeps its traceback
        else:
            waiter.set_result(result)
