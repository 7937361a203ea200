"""A Receipt: the log's signed word that an entry is durable, and what may therefore be opened.

``audit/log.py`` alone makes one (a test walks the syntax tree); the KeyStore takes nothing else. The type
stands here so that the KeyStore, a process of its own in production, can check it without knowing the log.
"""

from dataclasses import dataclass, field
from datetime import datetime

from keys.envelope import context, microseconds
from keys.primitives import signature_holds


@dataclass(frozen=True, slots=True)
class Opens:
    """What the entry announces: these generations of these drawers, by whoever holds one of these keys.

    ``recipients`` are recipient ids (``owner:<vault hex>``, ``unit:<HSA-id>``, ...), narrowest first;
    ``drawers`` are (drawer id, generation) pairs.
    """

    recipients: tuple[str, ...] = ()
    drawers: tuple[tuple[bytes, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Receipt:
    """A durable entry: its 16-byte id, when, on which vault (16 bytes, empty for none), and what it opens.

    ``pending`` says that the entry is on disk but not yet sequenced into the tree (PostgreSQL's sealer).
    """

    entry: bytes
    at: datetime
    vault: bytes
    opens: Opens = field(default_factory=Opens)
    pending: bool = False
    signature: bytes = b""

    def message(self) -> bytes:
        """Return the bytes that the log signs."""
        parts: list[bytes | int | str] = [self.entry, microseconds(self.at), self.vault, int(self.pending)]
        parts += [len(self.opens.recipients), *self.opens.recipients, len(self.opens.drawers)]
        for drawer, generation in self.opens.drawers:
            parts += [drawer, generation]
        return context("receipt", *parts)

    def is_signed_by(self, log_public: bytes) -> bool:
        """Tell whether the log with this Ed25519 public key signed it."""
        return signature_holds(log_public, self.signature, self.message())
