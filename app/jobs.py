"""Jobs by Celery. The queue only wakes; the truth is the job table, which every worker sweeps each second.

The queue carries one word and nothing of any job: who can write to it can cause a look at the table, and who can lose
or stop it delays a job by a second. Default: a queue in memory, and a worker in a thread of the server. With a broker:
``valv worker``, as many as wanted, each with a pool of WORKERS threads and a beat of its own (docs/adr/0015-jobs.md).
"""

import contextlib
import logging
import os
import threading
from collections.abc import Callable
from typing import Any

from celery import Celery
from celery.worker import state as celery_state

from importers.intake import Intake
from sharing.telling import Teller

SWEEP_SECONDS = 1.0
WORKERS = 2
EMBEDDED = "memory://localhost//"
_LOOKS_UP = (
    0.05  # seconds; the queue in memory is looked at so often, and only then does its worker hear of an end
)
_PAUSE = 5.0  # seconds, after a fault that Celery cannot mend, such as a wrong password
_LISTENS_ON = 1.0  # seconds; what listens to a broker looks up seldom, and ends with the process
_LOG = logging.getLogger(__name__)

CELERY = Celery("valv", broker=EMBEDDED)
CELERY.conf.update(
    task_ignore_result=True,
    task_default_queue="valv",
    task_default_delivery_mode="transient",
    worker_hijack_root_logger=False,
    worker_enable_remote_control=False,  # who can write to the queue commands no worker
    worker_prefetch_multiplier=1,
    broker_connection_timeout=3,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
)

#: Whose job tables this process sweeps.
_worked: list[Intake | Teller] = []


@CELERY.task(name="sweep")  # type: ignore[untyped-decorator]
def sweep() -> None:
    """Run what waits in the job tables of this process; what this sweep cannot do, the next one does."""
    for one in tuple(_worked):
        try:
            one.run_waiting()
        except Exception as fault:  # noqa: BLE001 a sweep that fails must not end the sweeping
            _LOG.warning("the job table could not be swept: %s", type(fault).__name__)


class Jobs:
    """One installation's queue in this process, and its worker where :meth:`work` is called."""

    def __init__(self, intake: Intake, *, teller: Teller | None = None, broker: str = "") -> None:
        CELERY.conf.broker_url = broker or EMBEDDED
        CELERY.conf.broker_transport_options = {} if broker else {"polling_interval": _LOOKS_UP}
        self._works: list[Intake | Teller] = (
            [intake] if teller is None else [teller, intake]
        )  # mail is short, an import may be long
        self._asked, self._begun, self._over = threading.Event(), threading.Event(), threading.Event()
        self._pool: Any = None
        self._threads: list[threading.Thread] = []

    def wake(self) -> None:
        """Ask for a sweep now rather than at the next second. It never waits and never fails."""
        self._asked.set()

    def start(self) -> None:
        """Pass on what :meth:`wake` asks for."""
        self._begin(self._ring)

    def work(self) -> None:
        """Start a worker in threads of this process."""
        _worked.extend(self._works)
        celery_state.should_stop = None
        self._begin(self._work)

    def stop(self) -> None:
        """End queue and worker; what runs is given back, for another worker or the next start."""
        for one in self._works:
            one.stop()
        celery_state.should_stop = 0  # an exit code: Celery's own way of being told from another thread
        self._over.set()
        self._asked.set()  # a last word, so that the embedded worker looks up and ends
        if self._pool is not None:
            self._pool.stop()  # which waits for what runs
        for thread in self._threads:
            thread.join(_LISTENS_ON)
        for one in self._works:
            if one in _worked:
                _worked.remove(one)

    def _begin(self, run: Callable[[], None]) -> None:
        thread = threading.Thread(target=run, name="jobs", daemon=True)
        thread.start()
        self._threads.append(thread)

    def _ring(self) -> None:
        """Put the word into the queue; where that fails, say so once till it works again: the beat sweeps anyway."""
        told = False
        while not self._over.is_set():
            self._asked.wait()
            self._asked.clear()
            try:
                sweep.apply_async(retry=True, retry_policy={"max_retries": 1}, expiration=10 * SWEEP_SECONDS)
            except Exception as fault:  # noqa: BLE001 whatever it is, no upload fails for it
                if not told:
                    _LOG.warning(
                        "the queue does not answer (%s): jobs wait for a sweep", type(fault).__name__
                    )
                told = True
            else:
                told = False

    def _work(self) -> None:
        """Run a worker till we are told to stop, and another where it met what it cannot mend (Celery says what)."""
        pause = 0.0
        while not self._over.wait(pause):
            worker = CELERY.WorkController(
                pool="threads",
                concurrency=WORKERS,
                without_heartbeat=True,
                without_mingle=True,
                without_gossip=True,
                hostname=f"valv@{os.getpid()}",
                quiet=True,
            )
            self._pool, ended, pause = worker.pool, threading.Event(), _PAUSE
            beat = threading.Thread(target=self._beat, args=(worker.pool, ended), name="beat", daemon=True)
            beat.start()
            worker.start()
            ended.set()
            beat.join()

    def _beat(self, pool: Any, ended: threading.Event) -> None:
        """Sweep every second in the worker's own pool, whether or not the queue is there."""
        self._begun.set()
        while True:
            if self._begun.is_set():  # else the last one still waits for a thread
                self._begun.clear()
                with contextlib.suppress(RuntimeError):  # the pool has ended, and so will the worker
                    pool.apply_async(self._sweep, (), {}, callback=lambda _: None)
            if ended.wait(SWEEP_SECONDS):
                return

    def _sweep(self) -> None:
        self._begun.set()
        sweep.run()
