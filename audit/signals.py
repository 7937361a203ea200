"""Signals: what makes an access worth a supervisor's look, each with the id of its rule, a score and its reasons."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Hit:
    """That a rule of the law's signals fits an access (``entry`` is its id).

    ``score`` is from 0 to 100; ``because`` holds what the rule's sentence names (counts, times, units), never content.
    """

    entry: bytes
    rule: str
    score: float
    because: Mapping[str, str | int] = field(default_factory=dict)
