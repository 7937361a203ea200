"""What the import child and its parent say to each other over two pipes: msgpack behind a four-byte length.

The child holds a one-time upload key, the vault's blinding and intake keys and public halves; it has no
KeyStore, no database and no network use. It asks for shelves before it seals to them, and is told which
fingerprints are there already.
"""

import struct
from typing import BinaryIO

import msgspec

from vault.segment import Segment

_LENGTH = struct.Struct(">I")
LIMIT = 64 << 20


class Task(msgspec.Struct, tag="task"):
    """The first message: what to read, as whom, and with which keys (parent to child)."""

    path: str
    filename: str
    upload: bytes
    upload_key: bytes
    vault: bytes
    blind: bytes
    intake: bytes
    import_id: bytes
    received_us: int
    author: tuple[str, str, str, str]
    on_behalf_of: str


class Need(msgspec.Struct, tag="need"):
    """The child asks for shelves of one drawer: its name, and months (or the import's id in the intake drawer)."""

    name: str
    months: list[str]


class Shelf(msgspec.Struct, tag="shelf"):
    """The answer: where to seal to, and each shelf's fingerprints, this import's own apart (8 bytes each)."""

    drawer: bytes
    generation: int
    public: bytes
    theirs: list[bytes]
    own: list[bytes]


class Sealed(msgspec.Struct, tag="sealed"):
    """One sealed segment (child to parent)."""

    name: str
    row: Segment


class Claim(msgspec.Struct, tag="claim"):
    """Fingerprints that this import also brought, though another had stored them."""

    name: str
    month: str
    fingerprints: bytes


class Progress(msgspec.Struct, tag="progress"):
    """Counts so far, absolute, and the bytes of the upload that are read."""

    format: str
    position: int
    read: int
    stored: int
    duplicates: int
    rejected: int


class Done(msgspec.Struct, tag="done"):
    """The end; ``error`` is empty, or why the file as a whole was refused, in words for its owner."""

    error: str = ""


FromChild = Need | Sealed | Claim | Progress | Done
FromParent = Task | Shelf

_encode = msgspec.msgpack.Encoder().encode
_from_child: msgspec.msgpack.Decoder[FromChild] = msgspec.msgpack.Decoder(FromChild)
_from_parent: msgspec.msgpack.Decoder[FromParent] = msgspec.msgpack.Decoder(FromParent)


class BrokenPipeToChildError(Exception):
    """The other side ended in the middle of a message."""


def send(pipe: BinaryIO, message: FromChild | FromParent) -> None:
    """Write one message."""
    raw = _encode(message)
    pipe.write(_LENGTH.pack(len(raw)) + raw)
    pipe.flush()


def from_child(pipe: BinaryIO) -> FromChild:
    """Read the child's next message.

    Raises:
        BrokenPipeToChildError: the child is gone, or says what is not of this protocol.
    """
    try:
        return _from_child.decode(_take(pipe))
    except msgspec.MsgspecError as error:
        raise BrokenPipeToChildError("the import child said something unknown") from error


def from_parent(pipe: BinaryIO) -> FromParent:
    """Read the parent's next message."""
    return _from_parent.decode(_take(pipe))


def _take(pipe: BinaryIO) -> bytes:
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise BrokenPipeToChildError("the other side is gone")
    (size,) = _LENGTH.unpack(head)
    raw = pipe.read(size) if size <= LIMIT else b""
    if len(raw) < size or size > LIMIT:
        raise BrokenPipeToChildError("the other side is gone")
    return raw
