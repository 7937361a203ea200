"""View models of what a citizen takes along of their log."""

from dataclasses import dataclass
from datetime import date

from app.web.views import FormState


@dataclass(frozen=True, slots=True)
class SilenceCard:
    """How many entries the log has in a period, and how many of them are acts of organisations."""

    first: date
    last: date
    within: int
    by_organisations: int


@dataclass(frozen=True, slots=True)
class ProofView:
    """The log's key, and a period that was asked for."""

    key: str
    form: FormState
    found: SilenceCard | None = None
