"""The lately used values of a cache whose reader checks that what it finds is what it wants."""

from threading import Lock
from typing import Generic, TypeVar

_Value = TypeVar("_Value")


class Recent(Generic[_Value]):
    """At most ``limit`` values, one a vault; the longest unused is forgotten first. Safe among threads."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = Lock()
        self._found: dict[bytes, _Value] = {}

    def get(self, vault: bytes) -> _Value | None:
        """Return what was kept last, whatever it was made from."""
        with self._lock:
            return self._found.get(vault)

    def keep(self, vault: bytes, value: _Value) -> None:
        """Keep a value as the latest used."""
        with self._lock:
            self._found.pop(vault, None)
            self._found[vault] = value
            while len(self._found) > self._limit:
                del self._found[next(iter(self._found))]
