"""Measurements straight into columns, for tests and benches that need many; and one record's fingerprint."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from vault.columns import NO_END, NO_NUMBER, Columns, Floats, Ints, Shape
from vault.marks import marks
from vault.record import Record

_POWERS = 10.0 ** np.arange(10)


def measured(
    shapes: Sequence[Shape],
    shape: npt.NDArray[np.uint16],
    start: Ints,
    values: Floats,
    digits: Ints | int,
    *,
    duration: Ints | None = None,
    zone: npt.NDArray[np.int16] | None = None,
) -> Columns:
    """Return measurements of one number each, with so many decimals; without more they are moments, in UTC."""
    count = len(start)
    numbers, exponents = np.zeros((count, 2), np.int64), np.full((count, 2), NO_NUMBER, np.int8)
    numbers[:, 0], exponents[:, 0] = np.rint(values * _POWERS[digits]), -digits
    return Columns(
        shapes=tuple(shapes),
        strings=(),
        shape=shape,
        start=start,
        duration=np.full(count, NO_END) if duration is None else duration,
        zone=np.zeros(count, np.int16) if zone is None else zone,
        mantissa=numbers.ravel(),
        exponent=exponents.ravel(),
        text=np.full(count, -1, np.int32),
        resource=np.full(count, -1, np.int32),
        fingerprint=np.zeros(count, np.uint64),
        offsets=np.arange(0, 2 * count + 1, 2, dtype=np.int64),
    )


def mark(record: Record, intake: bytes) -> int:
    """Return one record's fingerprint under a vault's intake key."""
    return int(marks(Columns.of([record]), intake)[0])
