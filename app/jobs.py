"""Jobs by Celery, on the embedded default: an in-memory queue, a worker in a thread of the server, and a beat.

The queue only wakes the worker. The truth is the job table, swept every second: a task lost with a process is
found there again.
"""

import threading
from collections.abc import Callable

from celery import Celery
from celery.beat import EmbeddedService

SWEEP_SECONDS = 1.0
WORKERS = 2

CELERY = Celery("valv", broker="memory://localhost//")
CELERY.conf.update(
    task_ignore_result=True,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
    beat_schedule={"sweep": {"task": "sweep", "schedule": SWEEP_SECONDS}},
)

#: What a sweep of this process runs: each returns once nothing waits any more.
_sweepers: list[Callable[[], int]] = []


@CELERY.task(name="sweep")  # type: ignore[untyped-decorator]
def sweep() -> None:
    """Run what waits in the job tables of this process's installations."""
    for run_waiting in tuple(_sweepers):
        run_waiting()


class Jobs:
    """The worker of one installation in this process."""

    def __init__(self, run_waiting: Callable[[], int]) -> None:
        self._run_waiting = run_waiting
        self._beat: EmbeddedService | None = None

    def start(self) -> None:
        """Start worker and beat in threads of their own."""
        _sweepers.append(self._run_waiting)
        worker = CELERY.WorkController(
            pool="threads",
            concurrency=WORKERS,
            without_heartbeat=True,
            without_mingle=True,
            without_gossip=True,
            hostname="valv@embedded",
            quiet=True,
        )
        threading.Thread(target=worker.start, name="jobs", daemon=True).start()
        self._beat = EmbeddedService(CELERY, thread=True, scheduler_cls="celery.beat:Scheduler")
        self._beat.daemon = True
        self._beat.start()

    def wake(self) -> None:
        """Ask for a sweep now rather than at the next second."""
        sweep.delay()

    def stop(self) -> None:
        """Stop sweeping; a running import ends with the process and is taken up again after its lease."""
        if self._run_waiting in _sweepers:
            _sweepers.remove(self._run_waiting)
        if self._beat is not None:
            self._beat.stop()
