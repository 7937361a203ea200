"""A source of bytes whose ``read(n)`` gives n bytes until the end, whatever the caller handed over."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

_SIZE = 1 << 16


@contextmanager
def steady(source: BinaryIO | io.RawIOBase) -> Iterator[BinaryIO]:
    """Buffer a raw stream, whose reads may come short, for as long as it is used; it stays open after."""
    if not isinstance(source, io.RawIOBase):
        yield source
        return
    buffered = io.BufferedReader(source, _SIZE)
    try:
        yield cast("BinaryIO", buffered)
    finally:
        buffered.detach()
