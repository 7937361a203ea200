"""The verifier's sums: equal for the same rows however they are cut, and for no others."""

import numpy as np
import pytest

from audit.verify_lists import IDS, NAMES, Total, marks_of_keys, marks_of_numbers, read, total

KEY = bytes(range(32))
ANNA, BO = b"a" * 16, b"b" * 16


def run(*seqs: int) -> bytes:
    """Return a run of numbers."""
    return b"".join(seq.to_bytes(8, "big") for seq in seqs)


def total_of(*rows: tuple[bytes, int, bytes], before: int = 100) -> Total:
    """Return the sum over rows of names."""
    return read(NAMES, rows, before=100).total(KEY, before=before)


def test_runs_come_to_what_their_single_entries_do() -> None:
    """The entries know nothing of how their numbers were listed."""
    listed = total_of((ANNA, 1, run(1, 3)), (ANNA, 5, run(5)), (BO, 2, run(2, 4)))
    names = np.frombuffer(ANNA + ANNA + ANNA + BO + BO, np.uint8).reshape(-1, 16)
    seqs = np.array([1, 3, 5, 2, 4])
    marks = marks_of_numbers(seqs, np.zeros_like(seqs), key=KEY)
    assert listed == total(marks_of_keys(names, key=KEY), marks)


def test_numbers_that_changed_names_come_to_something_else() -> None:
    """The same names and the same numbers, differently joined, hide an access."""
    mine = total_of((ANNA, 1, run(1)), (BO, 2, run(2)))
    theirs = total_of((ANNA, 2, run(2)), (BO, 1, run(1)))
    assert mine.rows == theirs.rows
    assert (mine.low, mine.high) != (theirs.low, theirs.high)


def test_entries_that_came_later_do_not_count() -> None:
    """A list may be read later than the entries."""
    assert total_of((ANNA, 1, run(1, 50)), (BO, 60, run(60)), before=50) == total_of((ANNA, 1, run(1)))


@pytest.mark.parametrize(
    "rows",
    [
        [(BO, 1, run(1)), (ANNA, 2, run(2))],
        [(ANNA, 1, run(1, 3, 2))],
        [(ANNA, 1, run(1, 1))],
        [(ANNA, 1, run(1, 5)), (ANNA, 3, run(3, 6))],
        [(ANNA, 1, run(1)), (ANNA, 1, run(1))],
        [(ANNA, 2, run(1))],
        [(ANNA, 1, run(1, 100))],
        [(ANNA, -1, (-1).to_bytes(8, "big", signed=True))],
        [(ANNA, 1, run(1)[:7])],
        [(ANNA[:15], 1, run(1))],
    ],
)
def test_names_out_of_order_or_form_are_refused(rows: list[tuple[bytes, int, bytes]]) -> None:
    """Whoever searches such a list would not find what it holds."""
    with pytest.raises(ValueError):  # noqa: PT011 its text is told, not its type
        read(NAMES, rows, before=100)


@pytest.mark.parametrize("rows", [[(BO, 1), (ANNA, 2)], [(ANNA, 1), (ANNA, 2)], [(ANNA, -1)], [(ANNA, 100)]])
def test_ids_out_of_order_or_range_are_refused(rows: list[tuple[bytes, int]]) -> None:
    """An id is there once."""
    with pytest.raises(ValueError):  # noqa: PT011 its text is told, not its type
        read(IDS, rows, before=100)
