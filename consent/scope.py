"""What of a category is open: the finer terms of the rules that fit, as masks over records already opened.

Policies read no attribute of a record (a test says so), so they are asked once for each *class* of record:
some allow fits it or none does, some block fits it or none does. Which class a record is in is then plain
arithmetic over its code, source, day and fingerprint, and never SQL, since those are sealed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from consent.rules import Rule

Mask = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.integer]
_EPOCH = date(1970, 1, 1)
_MARK_DIGITS = 16  # at the end of a record's id: its fingerprint, hexadecimal


class Probe(NamedTuple):
    """A class of records: does an allow fit, does a block fit."""

    allowed: bool
    denied: bool


class Kind(NamedTuple):
    """What a rule can tell of records by their kind: the code, and where they come from (``Rule.sources``)."""

    code: str
    sources: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Terms:
    """The finer terms of one rule, where empty all; the days are both included.

    ``marks`` are single records' fingerprints.
    """

    rule: str
    codes: frozenset[str] = frozenset()
    data_from: date | None = None
    data_to: date | None = None
    sources: frozenset[str] = frozenset()
    marks: frozenset[int] = frozenset()

    @classmethod
    def of(cls, rule: Rule) -> "Terms":
        """Take a rule's finer terms."""
        marks = frozenset(int(record[-_MARK_DIGITS:], 16) for record in rule.records)
        return cls(rule.id, rule.codes, rule.data_from, rule.data_to, rule.sources, marks)

    @property
    def whole(self) -> bool:
        """Tell whether every record fits."""
        return self.by_code_and_day and not self.codes and self.data_from is None and self.data_to is None

    @property
    def by_code_and_day(self) -> bool:
        """Tell whether code and day settle which records fit, as a summary knows them."""
        return not self.sources and not self.marks

    def mask(self, kinds: Sequence[Kind], kind: Numbers, day: Numbers, mark: Numbers | None = None) -> Mask:
        """Tell which rows of whole columns fit.

        Each row has an index into ``kinds``, its day's number since 1970 and its fingerprint, which may be left
        out where the terms are :attr:`by_code_and_day`.
        """
        fits = np.ones(len(day), dtype=np.bool_)
        if self.codes or self.sources:
            fits &= np.array([self._names(one) for one in kinds], dtype=np.bool_)[kind]
        if self.data_from is not None:
            fits &= day >= (self.data_from - _EPOCH).days
        if self.data_to is not None:
            fits &= day <= (self.data_to - _EPOCH).days
        if self.marks:
            if mark is None:
                raise ValueError("single records are named, and no fingerprints are given")
            fits &= np.isin(mark, np.array(sorted(self.marks), dtype=np.uint64))
        return fits

    def _names(self, kind: Kind) -> bool:
        return (not self.codes or kind.code in self.codes) and (
            not self.sources or not self.sources.isdisjoint(kind.sources)
        )


@dataclass(frozen=True, slots=True)
class Scope:
    """What of one category is permitted: ``permitted`` are the classes for which the policies said Permit.

    ``allows``, ``denies`` and ``permitted`` are all that is needed to compute the mask over whole columns.
    Codes are the records' own; a block on one part of a composite measurement names the composite's code.
    """

    allows: tuple[Terms, ...]
    denies: tuple[Terms, ...]
    permitted: frozenset[Probe]

    def mask(self, kinds: Sequence[Kind], kind: Numbers, day: Numbers, mark: Numbers | None = None) -> Mask:
        """Tell which rows of whole columns are open; see :meth:`Terms.mask`."""
        if self.whole:
            return np.ones(len(day), dtype=np.bool_)
        allowed = _any([terms.mask(kinds, kind, day, mark) for terms in self.allows], len(day))
        denied = _any([terms.mask(kinds, kind, day, mark) for terms in self.denies], len(day))
        classes = [(allowed == probe.allowed) & (denied == probe.denied) for probe in self.permitted]
        return _any(classes, len(day))

    @property
    def whole(self) -> bool:
        """Tell whether every record of the category is open, so that no mask is needed."""
        return reachable(self.allows, self.denies) <= self.permitted

    @property
    def by_code_and_day(self) -> bool:
        """Tell whether code and day settle what is open, so that a summary can be masked as its records are."""
        return self.whole or all(terms.by_code_and_day for terms in (*self.allows, *self.denies))

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
