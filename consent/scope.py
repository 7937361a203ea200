"""What of a category is open: the finer terms of the rules that fit, as masks over records already opened.

Policies read no attribute of a record (a test says so), so they are asked once for each *class* of record:
some allow fits it or none does, some block fits it or none does. Which class a record is in is then plain
arithmetic over its code and day, and never SQL, since those are sealed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from consent.rules import Rule

Mask = npt.NDArray[np.bool_]
_EPOCH = date(1970, 1, 1)


class Probe(NamedTuple):
    """A class of records: does an allow fit, does a block fit."""

    allowed: bool
    denied: bool


@dataclass(frozen=True, slots=True)
class Terms:
    """The finer terms of one rule; empty ``codes`` mean all, the days are both included."""

    rule: str
    codes: frozenset[str] = frozenset()
    data_from: date | None = None
    data_to: date | None = None

    @classmethod
    def of(cls, rule: Rule) -> "Terms":
        """Take a rule's finer terms."""
        return cls(rule.id, rule.codes, rule.data_from, rule.data_to)

    @property
    def whole(self) -> bool:
        """Tell whether every record fits."""
        return not self.codes and self.data_from is None and self.data_to is None

    def fit(self, code: str, day: date) -> bool:
        """Tell whether a record of this code and day fits."""
        return (
            (not self.codes or code in self.codes)
            and (self.data_from is None or self.data_from <= day)
            and (self.data_to is None or day <= self.data_to)
        )

    def mask(self, codes: Sequence[str], code: npt.NDArray[np.integer], day: npt.NDArray[np.int64]) -> Mask:
        """Tell it of whole columns: each row's index into ``codes`` and its day's number since 1970."""
        fits = np.ones(len(day), dtype=np.bool_)
        if self.codes:
            fits &= np.array([one in self.codes for one in codes], dtype=np.bool_)[code]
        if self.data_from is not None:
            fits &= day >= (self.data_from - _EPOCH).days
        if self.data_to is not None:
            fits &= day <= (self.data_to - _EPOCH).days
        return fits


@dataclass(frozen=True, slots=True)
class Scope:
    """What of one category is permitted: ``permitted`` are the classes for which the policies said Permit.

    ``allows``, ``denies`` and ``permitted`` are all that is needed to compute the mask over whole columns.
    Codes are the records' own; a block on one part of a composite measurement names the composite's code.
    """

    allows: tuple[Terms, ...]
    denies: tuple[Terms, ...]
    permitted: frozenset[Probe]

    def permits(self, code: str, day: date) -> bool:
        """Tell whether a record of this code and day is open."""
        probe = Probe(
            allowed=any(terms.fit(code, day) for terms in self.allows),
            denied=any(terms.fit(code, day) for terms in self.denies),
        )
        return probe in self.permitted

    def mask(self, codes: Sequence[str], code: npt.NDArray[np.integer], day: npt.NDArray[np.int64]) -> Mask:
        """Tell which rows of whole columns are open; see :meth:`Terms.mask`."""
        if self.whole:
            return np.ones(len(day), dtype=np.bool_)
        allowed = _any([terms.mask(codes, code, day) for terms in self.allows], len(day))
        denied = _any([terms.mask(codes, code, day) for terms in self.denies], len(day))
        classes = [(allowed == probe.allowed) & (denied == probe.denied) for probe in self.permitted]
        return _any(classes, len(day))

    @property
    def whole(self) -> bool:
        """Tell whether every record of the category is open, so that no mask is needed."""
        return reachable(self.allows, self.denies) <= self.permitted

    @property
    def rules(self) -> tuple[str, ...]:
        """The ids of the rules that decide."""
        return tuple(terms.rule for terms in (*self.allows, *self.denies))


def reachable(allows: tuple[Terms, ...], denies: tuple[Terms, ...]) -> frozenset[Probe]:
    """Return the classes that a record can be in; the others need no question."""
    return frozenset(
        Probe(allowed=allowed, denied=denied) for allowed in _outcomes(allows) for denied in _outcomes(denies)
    )


def _outcomes(terms: tuple[Terms, ...]) -> tuple[bool, ...]:
    if not terms:
        return (False,)
    return (True,) if any(one.whole for one in terms) else (False, True)


def _any(masks: Sequence[Mask], count: int) -> Mask:
    found: Mask = np.logical_or.reduce([np.zeros(count, dtype=np.bool_), *masks])
    return found
