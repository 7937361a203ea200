"""How n records become one compressed block of columns, and back (docs/spec/vault-v1.md, segment body).

The fingerprints are not in the block: they stand beside it in the clear, since they are keyed.
"""

import struct
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import zstandard

from keys.envelope import microseconds
from policies.vocabulary import Category
from vault.columns import Columns, Ints, Part, Shape, Units, read_marks
from vault.errors import MalformedRecordError
from vault.record import Author, AuthorKind, Code, Origin, Provenance

VERSION = 1
_HEADER = struct.Struct(">BIIqI2B")  # version, records, length of the JSON, first start, tick, widths
_TICKS = (1_000_000, 1_000, 1)  # µs
_U2, _I1, _I2, _I4, _I8 = map(np.dtype, ("<u2", "<i1", "<i2", "<i4", "<i8"))
_NATIVE = {kind: kind.newbyteorder("=") for kind in (_U2, _I1, _I2, _I4, _I8)}
_OF_WIDTH = {1: _I1, 2: _I2, 4: _I4, 8: _I8}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAX_BLOCK = 256 << 20


def encode(columns: Columns, ends: Sequence[int]) -> list[bytes]:
    """Write records as blocks that lie one behind the other: each of the rows up to one of ``ends``.

    What is counted in ticks, and how wide, is settled for all together: to ask of each takes longer than it saves.
    """
    tick, steps = _steps(columns.start, [0, *ends[:-1]])
    steps, mantissa = _narrow(steps), _narrow(columns.mantissa)
    return [
        _encode(
            columns.between(begin, end).compact(),
            tick,
            steps[begin:end],
            mantissa[columns.numbered(begin, end)],
        )
        for begin, end in pairwise([0, *ends])
    ]


def _encode(columns: Columns, tick: int, steps: Ints, mantissa: Ints) -> bytes:
    head = _write_head(_Head(list(map(_shape_of, columns.shapes)), list(columns.strings)))
    arrays = (
        (columns.shape, _U2),
        (steps, steps.dtype),
        (columns.duration, _I8),
        (columns.zone, _I2),
        (mantissa, mantissa.dtype),
        (columns.exponent, _I1),
        (columns.text, _I4),
        (columns.resource, _I4),
    )
    written = [array.astype(kind, copy=False).tobytes() for array, kind in arrays]
    first = int(columns.start[0]) if len(columns) else 0
    widths = steps.itemsize, mantissa.itemsize
    begins = _HEADER.pack(VERSION, len(columns), len(head), first, tick, *widths)
    return _zstd.compressor.compress(b"".join((begins, head, *written)))


def decode(block: bytes, fingerprints: bytes) -> Columns:
    """Read what :func:`encode` wrote; ``fingerprints`` are 8 bytes a record, big-endian.

    Raises:
        MalformedRecordError: not a version 1 block, or its parts do not agree.
    """
    try:
        columns = _decode(_decompress(block), fingerprints)
    except (
        zstandard.ZstdError,
        struct.error,
        msgspec.MsgspecError,
        ValueError,
        LookupError,
        OverflowError,
    ) as error:
        raise MalformedRecordError("segment body: malformed") from error
    if len(columns.fingerprint) != len(columns):
        raise MalformedRecordError("segment body: fingerprints and records differ in number")
    return columns


def _decode(raw: bytes, fingerprints: bytes) -> Columns:
    version, count, size, first, tick, *widths = _HEADER.unpack_from(raw)
    if version != VERSION:
        raise MalformedRecordError("segment body: unknown version")
    if tick not in _TICKS:
        raise MalformedRecordError("segment body: unknown tick")
    of_step, of_mantissa = (_OF_WIDTH[width] for width in widths)
    head = _read_head(raw[_HEADER.size : _HEADER.size + size])
    shapes = tuple(one.shape() for one in head.shapes)
    reader = _Reader(raw, _HEADER.size + size)
    shape = reader.take(_U2, count)
    offsets = np.zeros(count + 1, dtype=np.int64)
    np.array([one.numbers for one in shapes], dtype=np.int64)[shape].cumsum(out=offsets[1:])
    columns = Columns(
        shapes=shapes,
        strings=tuple(head.strings),
        shape=shape,
        start=first + tick * reader.take(of_step, count).cumsum(dtype=np.int64),
        duration=reader.take(_I8, count),
        zone=reader.take(_I2, count),
        mantissa=reader.take(of_mantissa, int(offsets[-1])).astype(np.int64),
        exponent=reader.take(_I1, int(offsets[-1])),
        text=reader.take(_I4, count),
        resource=reader.take(_I4, count),
        fingerprint=read_marks(fingerprints),
        offsets=offsets,
    )
    reader.end()
    _check_indexes(columns)
    return columns


def _steps(start: Ints, begins: Sequence[int]) -> tuple[int, Ints]:
    """Return how far each start is from the one before, and the tick (µs) in which that is counted.

    Of those where a block begins it is nothing.
    """
    steps = np.zeros_like(start)
    np.subtract(start[1:], start[:-1], out=steps[1:])
    steps[[at for at in begins if at < len(start)]] = 0
    for tick in _TICKS[:-1]:
        counted = np.rint(steps / tick).astype(np.int64)
        if np.all(counted * tick == steps):
            return tick, counted
    return _TICKS[-1], steps


def _narrow(array: Ints) -> npt.NDArray[Any]:
    """Return an array in the narrowest integers that hold it."""
    least, most = int(np.minimum.reduce(array, initial=0)), int(np.maximum.reduce(array, initial=0))
    bits = max(most, ~least).bit_length() + 1
    return array.astype(next(kind for width, kind in _OF_WIDTH.items() if bits <= 8 * width))


class _Zstd(threading.local):
    """A thread's own: to make one costs as much as to use it on a month."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(level=1)
        self.decompressor = zstandard.ZstdDecompressor()


_zstd = _Zstd()


def _decompress(block: bytes) -> bytes:
    """Open one zstd frame of a stated size and nothing behind it: a bound on output does not bind such a frame."""
    if not 0 <= zstandard.get_frame_parameters(block).content_size <= MAX_BLOCK:
        raise MalformedRecordError("segment body: too large")
    return _zstd.decompressor.decompress(block, allow_extra_data=False)


def _check_indexes(columns: Columns) -> None:
    """Refuse rows that name a string that is not there (a shape that is not there has raised already)."""
    for column in (columns.text, columns.resource):
        if len(column) and not -1 <= np.minimum.reduce(column) <= np.maximum.reduce(column) < len(
            columns.strings
        ):
            raise MalformedRecordError("segment body: malformed")


class _Reader:
    def __init__(self, raw: bytes, at: int) -> None:
        self._raw, self._at = raw, at

    def take(self, kind: np.dtype[Any], count: int) -> npt.NDArray[Any]:
        array = np.frombuffer(self._raw, dtype=kind, count=count, offset=self._at)
        self._at += array.nbytes
        return array.astype(_NATIVE[kind])

    def end(self) -> None:
        if self._at != len(self._raw):
            raise MalformedRecordError("segment body: malformed")


class _Shape(msgspec.Struct, forbid_unknown_fields=True):
    """A shape as it stands in the block's JSON."""

    category: Category
    kind: str
    code: tuple[str, str, str]
    status: str
    units: tuple[str, str | None, bool]
    components: list[tuple[str, str, str, str, str, str | None, bool]]
    author: list[str]
    origin: Origin
    received: int
    on_behalf_of: str = msgspec.field(name="for")
    device: str
    import_id: str = msgspec.field(name="import")

    @classmethod
    def of(cls, shape: Shape) -> "_Shape":
        """Take a shape apart."""
        source, code = shape.provenance, shape.code
        author = source.author
        return cls(
            category=shape.category,
            kind=shape.kind,
            code=(code.system, code.code, code.display),
            status=shape.status,
            units=(shape.units.unit, shape.units.canonical, shape.units.same),
            components=[
                (part.code.system, part.code.code, part.code.display, part.text, *part.units)
                for part in shape.parts
            ],
            author=[author.kind, author.id, author.name, author.organisation, *_workplace(author)],
            origin=source.origin,
            received=microseconds(source.received),
            on_behalf_of=source.on_behalf_of,
            device=source.device,
            import_id=source.import_id,
        )

    def shape(self) -> Shape:
        """Put it together again."""
        received = _EPOCH + timedelta(microseconds=self.received)
        kind, *named = self.author
        if len(named) not in {3, 5}:
            raise MalformedRecordError("segment body: malformed")
        author = Author(AuthorKind(kind), *named)
        provenance = Provenance(author, self.origin, received, self.on_behalf_of, self.device, self.import_id)
        parts = tuple(Part(Code(*part[:3]), part[3], Units(*part[4:])) for part in self.components)
        code, units = Code(*self.code), Units(*self.units)
        return Shape(self.category, self.kind, code, self.status, units, parts, provenance)


def _workplace(author: Author) -> tuple[str, ...]:
    """Return the ids of unit and provider, or nothing where the author has none: people's have not."""
    return (author.unit, author.provider) if author.unit or author.provider else ()


_shape_of = lru_cache(maxsize=1 << 12)(_Shape.of)


class _Head(msgspec.Struct, forbid_unknown_fields=True):
    shapes: list[_Shape]
    strings: list[str]


_read_head = msgspec.json.Decoder(_Head).decode
_write_head = msgspec.json.Encoder().encode
