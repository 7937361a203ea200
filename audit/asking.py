"""Asks this log's witnesses to cosign its newest checkpoint, and believes nothing that they did not sign.

A witness that knows more entries than we have, or another tree, says that the log was rolled back or forked: that is
kept as an alarm (audit/witnessed.py). One that cannot be reached, or answers anything else, changes nothing.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from audit.checkpoint import CheckpointError
from audit.cosignature import WitnessKey
from audit.log import AuditLog
from audit.witness import Asked, Status
from audit.witnessed import Alarm, AlarmKind, Standing, Witnessed

_TRIES = 4  # a witness names the size that it knows; meanwhile another process of ours may have asked


class WitnessError(Exception):
    """A witness gave no answer that can be used; the text says which it gave."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: an HTTP status and a body."""

    status: int
    body: bytes


Post = Callable[[str, bytes], Reply]  # URL and body; raises WitnessError where nothing comes back


@dataclass(frozen=True, slots=True)
class WitnessAt:
    """A witness's key, and where it answers."""

    url: str
    key: WitnessKey


class Asking:
    """One log and its witnesses."""

    def __init__(
        self,
        log: AuditLog,
        folder: Path,
        witnesses: Iterable[WitnessAt],
        *,
        post: Post,
        clock: Callable[[], datetime],
    ) -> None:
        origin, public = log.identity
        self._log, self._post, self._clock = log, post, clock
        self._kept = Witnessed(folder, origin=origin, public=public)
        self.witnesses = tuple(witnesses)

    def standings(self) -> tuple[Standing, ...]:
        """Return where the log stands with each of its witnesses, as far as is written down."""
        return tuple(self._kept.standing(witness.key) for witness in self.witnesses)

    def ask(self, witness: WitnessAt) -> Standing:
        """Ask one witness now; return where the log stands with it.

        Raises:
            WitnessError: it gave no answer that can be used.
            LogUnavailableError: the log cannot be read.
        """
        newest = self._kept.newest(witness.key)
        known = 0 if newest is None else newest.checkpoint.size
        for _ in range(_TRIES):
            head, note = self._log.newest_checkpoint()
            if known > head.size:
                return self._alarm(witness, AlarmKind.ROLLED_BACK, known, head.size, note)
            asked = Asked(known, tuple(self._log.consistency(known, head.size)), note)
            reply = self._post(f"{witness.url}/add-checkpoint", asked.text().encode())
            match reply.status:
                case Status.COSIGNED:
                    return self._take(witness, note, reply.body)
                case Status.NOT_GROWN:
                    return self._alarm(witness, AlarmKind.FORKED, known, head.size, note)
                case Status.OTHER_SIZE if (told := _size(reply.body)) != known:
                    known = told
                case Status.OTHER_SIZE if known == head.size:
                    return self._alarm(witness, AlarmKind.FORKED, known, head.size, note)
                case status:
                    raise WitnessError(f"it answered {status}")
        raise WitnessError("it names another size each time")

    def _take(self, witness: WitnessAt, note: str, body: bytes) -> Standing:
        try:
            line = self._kept.verified(note + body.decode(), witness.key).line
        except (CheckpointError, UnicodeDecodeError):
            raise WitnessError("its cosignature does not hold") from None
        self._kept.keep(note + line, witness.key)  # what else it may have sent is nobody's that we know
        return self._kept.standing(witness.key)

    def _alarm(self, witness: WitnessAt, kind: AlarmKind, known: int, size: int, note: str) -> Standing:
        self._kept.raise_alarm(Alarm(kind, self._clock(), known, size, note), witness.key)
        return self._kept.standing(witness.key)


def _size(body: bytes) -> int:
    """Return the size that a witness says it knows."""
    text = body.removesuffix(b"\n")
    if not text.isdigit() or len(text) > 19 or str(int(text)).encode() != text:  # noqa: PLR2004 digits of 2^63
        raise WitnessError("it names no size")
    return int(text)
