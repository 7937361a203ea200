"""Opening what an Authorization permits: its receipt releases keys, keys open segments. There is no other way.

A mistake in policy code alone opens nothing: where no wrap for one of the asker's own recipients exists, there
is no key to release.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from consent.gate import Authorization
from keys.envelope import WrapContext, wrap_window
from keys.keystore import KeyStore, Wrap
from keys.primitives import CannotOpenError, Opener, PrivateKey
from vault import naming, segment
from vault.columns import Columns
from vault.errors import NoKeyError
from vault.segment import Segment
from vault.state import Drawer, VaultState
from vault.summary import Summary


class Opening:
    """The keys that one authorization releases, for as long as one request lasts."""

    def __init__(
        self, authorization: Authorization, keystore: KeyStore, state: VaultState, *, at: datetime
    ) -> None:
        self._receipt = authorization.receipt
        self._keystore = keystore
        self._state = state
        self._at = at
        self._keys: dict[tuple[bytes, int], PrivateKey] = {}
        self._openers: dict[tuple[bytes, int], Opener] = {}
        self._secrets: dict[tuple[bytes, int, bytes], bytes] = {}

    def privates(self, drawer: Drawer) -> dict[int, PrivateKey]:
        """Release the private halves of all of a drawer's generations (granting and re-sealing need them).

        Raises:
            NoKeyError: the asker has no wrap whose time it is.
        """
        return {generation: self._private(drawer, generation) for generation in drawer.publics}

    def release(self, drawer: Drawer, rows: Iterable[Segment]) -> None:
        """Release the keys of these segments now; the receipt lives shorter than a long reading takes.

        Raises:
            NoKeyError: the asker has no wrap whose time it is.
        """
        for generation in {row.generation for row in rows}:
            self._opener(drawer, generation)

    def columns(self, drawer: Drawer, rows: Sequence[Segment]) -> Iterator[tuple[Segment, Columns]]:
        """Open segments' records, one segment at a time."""
        for row in rows:
            yield row, segment.open_body(row, self._segment_key(drawer, row))

    def summaries(self, drawer: Drawer, rows: Sequence[Segment]) -> Iterator[Summary]:
        """Open segments' summaries."""
        for row in rows:
            yield segment.open_summary(row, self._segment_key(drawer, row))

    def opener(self, drawer: bytes, generation: int) -> Opener | None:
        """Return the private half of a drawer's generation, if it was released."""
        return self._openers.get((drawer, generation))

    def settled(self, drawer: Drawer, rows: Sequence[Segment]) -> list[Segment]:
        """Return segments with their locks settled."""
        generations = {row.generation for row in rows}
        return segment.settle(rows, {one: self._opener(drawer, one) for one in generations})

    def _segment_key(self, drawer: Drawer, row: Segment) -> bytes:
        mark = (drawer.id, row.generation, row.sealed_key)
        if mark not in self._secrets:
            self._secrets[mark] = segment.open_secret(row, self._opener(drawer, row.generation))
        return segment.key_of(row, self._secrets[mark])

    def _opener(self, drawer: Drawer, generation: int) -> Opener:
        mark = (drawer.id, generation)
        if mark not in self._openers:
            self._openers[mark] = self._private(drawer, generation).opener()
        return self._openers[mark]

    def _private(self, drawer: Drawer, generation: int) -> PrivateKey:
        mark = (drawer.id, generation)
        if mark not in self._keys:
            try:
                self._keys[mark] = self._keystore.open(self._receipt, self._wrap(drawer, generation))
            except CannotOpenError as error:
                raise NoKeyError("the wrap does not open") from error
        return self._keys[mark]

    def _wrap(self, drawer: Drawer, generation: int) -> Wrap:
        """Find the first wrap for one of the receipt's recipients whose time it is; the KeyStore checks again."""
        stored = {row.recipient: row for row in drawer.wraps if row.generation == generation}
        for recipient in self._receipt.opens.recipients:
            row = stored.get(naming.recipient_tag(self._state.keys, recipient))
            if row is None:
                continue
            window = wrap_window(self._state.keys.windows, row.sealed)
            if window.holds(self._at):
                return Wrap(
                    WrapContext(self._state.vault, drawer.id, generation, recipient), row.sealed, window
                )
        raise NoKeyError("no consent, no wrap")
