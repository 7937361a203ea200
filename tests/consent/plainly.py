"""The finer terms of rules, asked of one record at a time: what masks over columns are held against."""

from datetime import date

from consent.scope import Kind, Probe, Scope, Terms


def fits(terms: Terms, kind: Kind, day: date, mark: int = 0) -> bool:
    """Tell whether a record of this kind, day and fingerprint fits a rule."""
    return (
        (not terms.codes or kind.code in terms.codes)
        and (not terms.sources or bool(terms.sources & kind.sources))
        and (terms.data_from is None or terms.data_from <= day)
        and (terms.data_to is None or day <= terms.data_to)
        and (not terms.marks or mark in terms.marks)
    )


def permits(
    scope: Scope, code: str, day: date, *, sources: frozenset[str] = frozenset(), mark: int = 0
) -> bool:
    """Tell whether a record is open."""
    kind = Kind(code, sources)
    probe = Probe(
        allowed=any(fits(terms, kind, day, mark) for terms in scope.allows),
        denied=any(fits(terms, kind, day, mark) for terms in scope.denies),
    )
    return probe in scope.permitted
