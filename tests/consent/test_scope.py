"""A mask over whole columns opens exactly what the question put for each record does."""

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent.scope import Kind, Probe, Scope, Terms
from tests.consent.plainly import permits

SOURCES = ("mine", "device", "device:Watch", "unit:SE2321000000-1A1")
KINDS = tuple(
    Kind(code, frozenset(sources)) for code in ("a", "b", "c") for sources in ((), SOURCES[:1], SOURCES[1:3])
)
MARKS = (0, 7, 2**64 - 1)
FIRST = date(2026, 1, 1)
DAYS = st.integers(-5, 15).map(lambda number: FIRST + timedelta(days=number))
TERMS = st.builds(
    Terms,
    st.just("rule"),
    st.frozensets(st.sampled_from(("a", "b", "c"))),
    st.none() | DAYS,
    st.none() | DAYS,
    st.frozensets(st.sampled_from(SOURCES), max_size=2),
    st.frozensets(st.sampled_from(MARKS), max_size=2),
)
PROBES = st.frozensets(st.builds(Probe, st.booleans(), st.booleans()))
SCOPES = st.builds(
    Scope, st.lists(TERMS, max_size=3).map(tuple), st.lists(TERMS, max_size=3).map(tuple), PROBES
)
ROWS = st.lists(st.tuples(st.integers(0, len(KINDS) - 1), DAYS, st.sampled_from(MARKS)))


@settings(deadline=None)
@given(SCOPES, ROWS)
def test_mask_is_the_question_put_for_each_row(scope: Scope, rows: list[tuple[int, date, int]]) -> None:
    """No row more, no row less, whatever allows, blocks and permitted classes there are."""
    kind = np.array([one for one, _, _ in rows], dtype=np.int64)
    day = np.array([(one - date(1970, 1, 1)).days for _, one, _ in rows], dtype=np.int64)
    mark = np.array([one for _, _, one in rows], dtype=np.uint64)
    expected = [
        permits(scope, KINDS[one].code, when, sources=KINDS[one].sources, mark=which)
        for one, when, which in rows
    ]
    assert scope.mask(KINDS, kind, day, mark).tolist() == expected
    if scope.by_code_and_day:
        bare = [Kind(one.code) for one in KINDS]
        assert scope.mask(bare, kind, day).tolist() == expected


def test_single_records_need_their_fingerprints() -> None:
    """A mask that cannot tell must not guess."""
    terms = Terms("rule", marks=frozenset({7}))
    nothing = np.zeros(1, dtype=np.int64)
    with pytest.raises(ValueError, match="fingerprints"):
        terms.mask(KINDS, nothing, nothing)
