"""Work beside the event loop: opening many segments, reading or writing a large document.

Two threads a process: more would only wait for each other, and for the loop, at the interpreter's lock.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

_THREADS = ThreadPoolExecutor(2, thread_name_prefix="aside")


async def aside(work: Callable[[], T]) -> T:
    """Run ``work`` in one of the two threads; others' requests go on meanwhile."""
    return await asyncio.get_running_loop().run_in_executor(_THREADS, work)


def ahead(works: Sequence[Callable[[], T]]) -> Iterator[T]:
    """Run several, two at a time, while the caller does something with what has come; a single one right here."""
    if len(works) == 1:
        yield works[0]()
    else:
        for future in [_THREADS.submit(work) for work in works]:
            yield future.result()
