"""Jobs by Celery, on the embedded default: an in-memory queue, a worker in a thread of the server, and a beat.

The queue only wakes the worker. The truth is the job table, swept every second: a task lost with a process is
found there again.
"""

import threading
from collections.abc import Callable

from celery import Celery
from celery.beat import EmbeddedService

SWEEP_SECONDS = 1.0


class Jobs:
    """The worker of one process."""

    def __init__(self, run_waiting: Callable[[], int]) -> None:
        self._celery = Celery("valv", broker="memory://", set_as_current=False)
        self._celery.conf.update(
            task_ignore_result=True,
            worker_hijack_root_logger=False,
            broker_connection_retry_on_startup=True,
            beat_schedule={"sweep": {"task": "sweep", "schedule": SWEEP_SECONDS}},
        )

        def sweep() -> None:
            run_waiting()

        self._sweep = self._celery.task(name="sweep", shared=False)(sweep)
        self._beat: EmbeddedService | None = None

    def start(self) -> None:
        """Start worker and beat in threads of their own."""
        worker = self._celery.WorkController(
            pool="threads",
            concurrency=2,
            without_heartbeat=True,
            without_mingle=True,
            without_gossip=True,
            hostname="valv@embedded",
            quiet=True,
        )
        threading.Thread(target=worker.start, name="jobs", daemon=True).start()
        self._beat = EmbeddedService(self._celery, thread=True, scheduler_cls="celery.beat:Scheduler")
        self._beat.daemon = True
        self._beat.start()

    def wake(self) -> None:
        """Ask for a sweep now rather than at the next second."""
        self._sweep.delay()

    def stop(self) -> None:
        """Stop sweeping; a running import ends with the process and is taken up again after its lease."""
        if self._beat is not None:
            self._beat.stop()
