"""Work beside the event loop: opening many segments, reading or writing a large document; and sealing many.

Two threads of each kind: more would only wait for each other, and for the loop, at the interpreter's lock.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

_THREADS = ThreadPoolExecutor(2, thread_name_prefix="aside")
_AHEAD = ThreadPoolExecutor(2, thread_name_prefix="ahead")


async def aside(work: Callable[[], T]) -> T:
    """Run ``work`` in one of the two threads; others' requests go on meanwhile."""
    return await asyncio.get_running_loop().run_in_executor(_THREADS, work)


def ahead(works: Sequence[Callable[[], T]]) -> Iterator[T]:
    """Run several, two at a time, while the caller does something with what has come; a single one right here.

    Their threads are their own: the caller holds the database's write lock, and must not wait for a long reading.
    """
    if len(works) == 1:
        yield works[0]()
    else:
        for future in [_AHEAD.submit(work) for work in works]:
            yield future.result()
