"""Fingerprints: by which the intake knows the same record again, without reading what stands there.

A record's content is a row of 16-byte blocks, and its fingerprint a keyed function of them
(:func:`keys.primitives.fingerprints`). The blocks, numbers little-endian (docs/spec/vault-v1.md, section 3):

1. a keyed digest of what the shape says: kind, code, status, unit, device, and for each component code, unit
   and text; where there is no code, its display text, since the words are all there is;
2. start in µs since 1970 and duration in µs (-1 where there is no end);
3. mantissa and exponent of its number, then of each component's, as they came;
4. a keyed digest of text and resource, zeros where there is neither.

Left out on purpose, so that the same fact is known again: who imported it, when and by which way (another
import of the same file is no new fact); the zone (a phone writes all times in the zone it is in at export);
category, canonical quantity and display text (they come of our tables, which grow).
"""

from hashlib import sha256

import numpy as np
import numpy.typing as npt

from keys.envelope import context
from keys.primitives import derive, fingerprints, mac
from vault.columns import Columns, Marks, Shape
from vault.record import Code

_WORDS = npt.NDArray[np.int64]
_NOTHING = bytes(16)


def marks(columns: Columns, intake: bytes) -> Marks:
    """Return each row's fingerprint under a vault's intake key."""
    numbers = np.array([1 + len(shape.parts) for shape in columns.shapes] or [1])[columns.shape]
    found = np.zeros(len(columns), dtype=np.uint64)
    for count in np.bincount(numbers).nonzero()[0].tolist():
        rows = numbers == count
        found[rows] = _alike(columns.take(rows), count, intake)
    return found


def _alike(columns: Columns, count: int, intake: bytes) -> Marks:
    """Return the fingerprints of rows that have ``count`` numbers each."""
    shapes = _words([_digest(intake, *_content(shape)) for shape in columns.shapes])
    texts = _texts(columns, intake)
    blocks = np.empty((count + 3, len(columns), 2), dtype="<i8")
    blocks[0] = shapes[columns.shape]
    blocks[1, :, 0], blocks[1, :, 1] = columns.start, columns.duration
    blocks[2:-1, :, 0] = columns.mantissa.reshape(-1, 2 * count)[:, ::2].T
    blocks[2:-1, :, 1] = columns.exponent.reshape(-1, 2 * count)[:, ::2].T
    blocks[-1] = 0 if texts is None else texts
    return fingerprints(derive(intake, label="fingerprint"), blocks)


def marked(columns: Columns, intake: bytes) -> Columns:
    """Return the same rows with their fingerprints."""
    return columns.marked(marks(columns, intake))


def _texts(columns: Columns, intake: bytes) -> _WORDS | None:
    """Return the digest of each row's text and resource, or None where no row has any."""
    if not columns.strings:
        return None
    pairs, which = np.unique(np.stack((columns.text, columns.resource)), axis=1, return_inverse=True)
    strings = ("", *columns.strings)
    digests = [
        _NOTHING if text == resource == -1 else _digest(intake, strings[text + 1], strings[resource + 1])
        for text, resource in pairs.T.tolist()
    ]
    return _words(digests)[which]


def _content(shape: Shape) -> list[str | int]:
    parts = [
        field for part in shape.parts for field in (*_named(part.code), part.units.unit, part.text)
    ]  # fmt: skip
    device = shape.provenance.device
    return [shape.kind, *_named(shape.code), shape.status, shape.units.unit, device, len(shape.parts), *parts]


def _named(code: Code) -> tuple[str, str]:
    return code.system, code.code or code.display


def _digest(intake: bytes, *fields: str | int) -> bytes:
    """Digest any number of fields, each of any length."""
    parts = [sha256(one.encode()).digest() if isinstance(one, str) else one for one in fields]
    return mac(intake, context("content", *parts))[:16]


def _words(digests: list[bytes]) -> _WORDS:
    return np.frombuffer(b"".join(digests) or _NOTHING, dtype="<i8").reshape(-1, 2)
