"""Cosignatures: a witness's word that it has seen no other tree than this one (C2SP tlog-cosignature, cosignature/v1).

The message is a header line, a line with the time, and the checkpoint's whole text. It does not name the witness: so
a key serves one witness alone.
"""

import struct
from dataclasses import dataclass
from datetime import UTC, datetime

from audit.checkpoint import (
    WITNESS_KEY,
    Checkpoint,
    CheckpointError,
    key_id,
    open_checkpoint,
    parse_verifier_key,
    read_note,
    signature_line,
    signatures_of,
    verifier_key,
)
from keys.primitives import Signer, signature_holds

_SIGNATURE_SIZE = 64
_TIME = struct.Struct(">Q")
_LATEST = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class WitnessKey:
    """Who cosigns: the key's name and its public half."""

    name: str
    public: bytes

    @classmethod
    def parse(cls, text: str) -> "WitnessKey":
        """Read a witness's verifier key.

        Raises:
            CheckpointError: it is none.
        """
        return cls(*parse_verifier_key(text, kind=WITNESS_KEY))

    def __str__(self) -> str:
        return verifier_key(self.name, self.public, kind=WITNESS_KEY)

    @property
    def id(self) -> bytes:
        """The key's id: four bytes."""
        return key_id(self.name, self.public, kind=WITNESS_KEY)


@dataclass(frozen=True, slots=True)
class Cosigned:
    """A checkpoint that the log signed and a witness cosigned at a time."""

    checkpoint: Checkpoint
    at: datetime
    line: str  # the witness's, as it stands in the note


def cosign(text: str, signer: Signer, name: str, *, at: datetime) -> str:
    """Return a witness's signature line on a checkpoint's text."""
    seconds = int(at.timestamp())
    key = WitnessKey(name, signer.public())
    return signature_line(name, key.id, _TIME.pack(seconds) + signer.sign(_message(seconds, text)))


def open_cosigned(note: str, *, origin: str, public: bytes, witness: WitnessKey) -> Cosigned:
    """Verify a log's checkpoint, and that the witness cosigned it; of several cosignatures the newest counts.

    Raises:
        CheckpointError: one of the two did not, or a signature by either key does not hold.
    """
    checkpoint = open_checkpoint(note, origin=origin, public=public)
    _, text, signatures = read_note(note)
    made = signatures_of(witness.name, witness.id, signatures)
    if not made:
        raise CheckpointError("the witness has not cosigned it")
    at, newest = max((_time_of(raw, text, witness), raw) for raw in made)
    return Cosigned(checkpoint, at, signature_line(witness.name, witness.id, newest))


def _time_of(raw: bytes, text: str, witness: WitnessKey) -> datetime:
    if len(raw) != _TIME.size + _SIGNATURE_SIZE:
        raise CheckpointError("a cosignature has the wrong size")
    (seconds,) = _TIME.unpack_from(raw)
    if seconds >= _LATEST.timestamp():
        raise CheckpointError("a cosignature's time cannot be")
    if not signature_holds(witness.public, raw[_TIME.size :], _message(seconds, text)):
        raise CheckpointError("the cosignature does not hold")
    return datetime.fromtimestamp(seconds, UTC)


def _message(seconds: int, text: str) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()
