"""What the page of signals is given; the table of pages is in :mod:`app.web.views`."""

from dataclasses import dataclass
from datetime import date

from app.web.views import AccessEntry, FormState
from audit.signals import Hit


@dataclass(frozen=True, slots=True)
class SignalRow:
    """One access with the signals on it: the leading one, and the others by id."""

    entry: AccessEntry
    hit: Hit

    @property
    def also(self) -> tuple[str, ...]:
        """The other rules that fit."""
        return tuple(str(self.hit.because.get("also", "")).split())

    @property
    def more(self) -> int:
        """For how many further accesses of the same person and rule it stands."""
        return int(self.hit.because.get("more", 0))


@dataclass(frozen=True, slots=True)
class SignalsView:
    """The signals of a period, the weightiest first: those shown, of ``found``, among ``looked`` accesses."""

    organisation: str
    form: FormState
    rows: tuple[SignalRow, ...] = ()
    since: date | None = None
    until: date | None = None
    looked: int = 0
    found: int = 0
