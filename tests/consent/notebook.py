"""A stand-in for the log: it keeps entries in a list and makes receipts with the KeyStore's own key."""

import os
from collections.abc import Callable
from datetime import datetime

from msgspec.structs import replace

from audit.events import Event
from keys.keystore import KeyStore
from keys.primitives import tag
from keys.receipt import Opens, Receipt


class DiskFullError(Exception):
    """The entry could not be made durable."""


class Notebook:
    """Entries in order; ``broken`` makes every append fail."""

    def __init__(self, keystore: KeyStore, clock: Callable[[], datetime]) -> None:
        self.entries: list[tuple[Event, Opens]] = []
        self.broken = False
        self._key = keystore.receipt_key()
        self._clock = clock

    async def append(self, event: Event, *, opens: Opens = Opens()) -> Receipt:  # noqa: B008 frozen
        """Keep the entry and give the word for it."""
        if self.broken:
            raise DiskFullError
        self.entries.append((event, opens))
        receipt = Receipt(os.urandom(16), self._clock(), event.vault or b"", opens)
        return replace(receipt, tag=tag(self._key, receipt.message()))
