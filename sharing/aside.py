"""Work beside the event loop: opening many segments, reading or writing a large document.

Two threads: more would only wait for each other, and for the loop, at the interpreter's lock.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

_THREADS = ThreadPoolExecutor(2, thread_name_prefix="aside")


async def aside(work: Callable[[], T]) -> T:
    """Run ``work`` in one of the two threads; others' requests go on meanwhile."""
    return await asyncio.get_running_loop().run_in_executor(_THREADS, work)
