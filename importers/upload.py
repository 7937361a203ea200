"""An upload on disk: sealed frame by frame as it arrives, under a one-time key, and read back as a stream.

A frame is four length bytes and a box (``keys.envelope``) bound to the upload's id, the frame's number and
whether it is the last: a cut, reordered or foreign file does not open. The key never stands beside the file.
"""

import io
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from keys import envelope
from keys.envelope import context
from keys.primitives import CannotOpenError, random_key

FRAME = 1 << 18
_LENGTH = struct.Struct(">I")


class UploadTooLargeError(Exception):
    """The upload is larger than this installation takes; the text says the limit."""


class UploadWriter:
    """Seals what it is given into one file; :meth:`finish` makes it durable."""

    def __init__(self, path: Path, upload: bytes, *, limit: int) -> None:
        self.key = random_key()
        self.size = 0
        self._upload, self._limit, self._number = upload, limit, 0
        self._pending = bytearray()
        self._path = path
        self._file = path.open("xb")

    def write(self, data: bytes) -> None:
        """Take some bytes.

        Raises:
            UploadTooLargeError: past the limit; the file is gone.
        """
        self.size += len(data)
        if self.size > self._limit:
            self.discard()
            raise UploadTooLargeError(f"the file is larger than {self._limit >> 20} MB")
        self._pending += data
        while len(self._pending) > FRAME:
            self._frame(bytes(self._pending[:FRAME]), last=0)
            del self._pending[:FRAME]

    def finish(self) -> None:
        """Write the last frame and flush to disk."""
        self._frame(bytes(self._pending), last=1)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def discard(self) -> None:
        """Remove the file."""
        self._file.close()
        self._path.unlink(missing_ok=True)

    def _frame(self, plaintext: bytes, *, last: int) -> None:
        bound = context("upload", self._upload, self._number, last)
        box = envelope.seal_box(self.key, plaintext, bound_to=bound)
        self._file.write(_LENGTH.pack(len(box)) + box)
        self._number += 1


def open_upload(file: BinaryIO, upload: bytes, key: bytes) -> io.BufferedReader:
    """Return an upload as a stream that gives as much as is asked for, also across frames.

    Raises:
        CannotOpenError: the file is cut or changed, or is another upload's.
    """
    return io.BufferedReader(_UploadReader(file, upload, key), FRAME)


class _UploadReader(io.RawIOBase):
    """The opened upload, raw: a read ends where a frame does. Seekable, as zip archives are read from their end."""

    def __init__(self, file: BinaryIO, upload: bytes, key: bytes) -> None:
        super().__init__()
        self._file, self._upload, self._key = file, upload, key
        self._frames = list(_scan(file))
        self._size = (len(self._frames) - 1) * FRAME + len(self._open(len(self._frames) - 1))
        self._position = 0
        self._cached: tuple[int, bytes] = (-1, b"")

    def readable(self) -> bool:
        """Streams of uploads are readable."""
        return True

    def seekable(self) -> bool:
        """Streams of uploads are seekable."""
        return True

    def tell(self) -> int:
        """Return the position in plaintext bytes."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move the position."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill the buffer with what comes next.

        Raises:
            CannotOpenError: a frame was changed, cut or moved.
        """
        if self._position >= self._size:
            return 0
        number, inside = divmod(self._position, FRAME)
        if self._cached[0] != number:
            self._cached = (number, self._open(number))
        piece = self._cached[1][inside : inside + len(buffer)]
        buffer[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)

    def _open(self, number: int) -> bytes:
        at, size = self._frames[number]
        self._file.seek(at)
        last = int(number == len(self._frames) - 1)
        bound = context("upload", self._upload, number, last)
        return envelope.open_box(self._key, self._file.read(size), bound_to=bound)


def _scan(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """Yield each frame's offset and size."""
    end = file.seek(0, io.SEEK_END)
    at = file.seek(0)
    if end == 0:
        raise CannotOpenError("the upload is empty")
    while at < end:
        file.seek(at)
        raw = file.read(_LENGTH.size)
        if len(raw) < _LENGTH.size:
            raise CannotOpenError("the upload is cut")
        (size,) = _LENGTH.unpack(raw)
        yield at + _LENGTH.size, size
        at += _LENGTH.size + size
