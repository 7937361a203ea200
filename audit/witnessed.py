"""What witnesses said of this log, kept with its checkpoints outside the database (docs/spec/audit-v1.md, section 15).

``cosigned.<key id>`` is the newest checkpoint that the witness cosigned. ``alarm.<key id>`` is there once the witness
has refused, and stays: no later cosignature takes it away, nor does this program. A person who knows why moves it.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from audit.anchor import write_durably
from audit.checkpoint import CheckpointError
from audit.cosignature import Cosigned, WitnessKey, open_cosigned


class AlarmKind(StrEnum):
    """What a witness's refusal says of the log."""

    ROLLED_BACK = "rolled-back"  # it knows more entries than there are
    FORKED = "forked"  # the entries are not those that it has cosigned
    UNREADABLE = "unreadable"  # the note of the alarm was damaged; that there was one is seen


@dataclass(frozen=True, slots=True)
class Alarm:
    """A refusal: when, how many entries the witness knows, how many there were, and the checkpoint that it refused."""

    kind: AlarmKind
    at: datetime | None = None
    known: int = 0
    size: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where this log stands with one witness."""

    witness: WitnessKey
    cosigned: Cosigned | None
    alarm: Alarm | None


class Witnessed:
    """The folder, for one log."""

    def __init__(self, folder: Path, *, origin: str, public: bytes) -> None:
        self._folder, self._origin, self._public = folder, origin, public

    def standing(self, witness: WitnessKey) -> Standing:
        """Return where the log stands with a witness; a file that does not verify counts as none."""
        return Standing(witness, self.newest(witness), self._alarm(witness))

    def newest(self, witness: WitnessKey) -> Cosigned | None:
        """Return the newest checkpoint that the witness cosigned, verified."""
        try:
            note = (self._folder / f"cosigned.{witness.id.hex()}").read_text()
            return self.verified(note, witness)
        except (OSError, UnicodeDecodeError, CheckpointError):
            return None

    def verified(self, note: str, witness: WitnessKey) -> Cosigned:
        """Return a cosigned checkpoint once both signatures hold.

        Raises:
            CheckpointError: one does not.
        """
        return open_cosigned(note, origin=self._origin, public=self._public, witness=witness)

    def keep(self, note: str, witness: WitnessKey) -> None:
        """Keep a checkpoint with the witness's cosignature on it, unless a newer one is there.

        Raises:
            CheckpointError: it is not signed by both.
        """
        cosigned = self.verified(note, witness)
        before = self.newest(witness)
        if before is None or before.checkpoint.size <= cosigned.checkpoint.size:
            write_durably(self._folder, f"cosigned.{witness.id.hex()}", note)

    def raise_alarm(self, alarm: Alarm, witness: WitnessKey) -> bool:
        """Keep an alarm; the first one stays, as it is the evidence. Tell whether it is new."""
        if self._alarm(witness) is not None:
            return False
        said = {
            "v": 1,
            "kind": alarm.kind,
            "at": "" if alarm.at is None else alarm.at.isoformat(),
            "witness": str(witness),
            "known": alarm.known,
            "size": alarm.size,
            "note": alarm.note,
        }
        text = json.dumps(said, ensure_ascii=False, indent=1) + "\n"
        write_durably(self._folder, f"alarm.{witness.id.hex()}", text)
        return True

    def _alarm(self, witness: WitnessKey) -> Alarm | None:
        path = self._folder / f"alarm.{witness.id.hex()}"
        try:
            said = json.loads(path.read_text())
            at = datetime.fromisoformat(said["at"]).astimezone(UTC)
            return Alarm(
                AlarmKind(said["kind"]), at, int(said["known"]), int(said["size"]), str(said["note"])
            )
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError):
            return Alarm(AlarmKind.UNREADABLE)
