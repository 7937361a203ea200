"""A Receipt: the log's word that an entry is durable, and what may therefore be opened.

``audit/log.py`` alone makes one (a test walks the syntax tree); the KeyStore takes nothing else. The type
stands here so that the KeyStore, a process of its own in production, can check it without knowing the log. The word
is a MAC under a key that the KeyStore holds and gives to the log alone (docs/adr/0011-receipts-are-maced.md).
"""

from dataclasses import dataclass
from datetime import datetime
from struct import Struct

import msgspec

from keys.envelope import context, microseconds
from keys.primitives import same, tag


@dataclass(frozen=True, slots=True)
class Opens:
    """What the entry announces: these generations of these drawers, by whoever holds one of these keys.

    ``recipients`` are recipient ids (``owner:<vault hex>``, ``unit:<HSA-id>``, ...), narrowest first;
    ``drawers`` are (drawer id, generation) pairs.
    """

    recipients: tuple[str, ...] = ()
    drawers: tuple[tuple[bytes, int], ...] = ()


NOTHING = Opens()

_LABEL = context("receipt")
_TIME, _HEAD, _LENGTH, _DRAWER = Struct(">Q"), Struct(">?BBHH"), Struct(">H"), Struct(">BQ")


class Receipt(msgspec.Struct, frozen=True):
    """A durable entry: its 16-byte id, when, on which vault (16 bytes, empty for none), and what it opens.

    ``pending`` says that the entry is on disk but not yet sequenced into the tree (PostgreSQL's sealer).
    """

    entry: bytes
    at: datetime
    vault: bytes
    opens: Opens = NOTHING
    pending: bool = False
    tag: bytes = b""

    def holds(self, key: bytes) -> bool:
        """Tell whether whoever holds this key made it."""
        return same(self.tag, tag(key, self.message()))

    def message(self) -> bytes:
        """Return the bytes that the tag authenticates."""
        return timed(self.at) + untimed(self.entry, self.vault, self.opens, pending=self.pending)


def timed(at: datetime) -> bytes:
    """Return the beginning of a receipt's message: for the log, the same for all that one commit made durable."""
    return _LABEL + _TIME.pack(microseconds(at))


def untimed(entry: bytes, vault: bytes, opens: Opens, *, pending: bool) -> bytes:
    """Return the rest of a receipt's message, which the log knows before the entry is durable.

    Raises:
        struct.error: more recipients or drawers than can be counted, or a longer name.
    """
    recipients, drawers = opens.recipients, opens.drawers
    counts = len(entry), len(vault), len(recipients), len(drawers)
    head = _HEAD.pack(pending, *counts) + entry + vault
    if not recipients and not drawers:
        return head
    parts = [head]
    for recipient in recipients:
        name = recipient.encode()
        parts += (_LENGTH.pack(len(name)), name)
    for drawer, generation in drawers:
        parts += (_DRAWER.pack(len(drawer), generation), drawer)
    return b"".join(parts)
