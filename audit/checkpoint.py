"""Checkpoints: C2SP tlog-checkpoint, a signed note over a tree's size and root (Ed25519).

Specifications: c2sp.org/tlog-checkpoint, c2sp.org/signed-note, and c2sp.org/tlog-proof for proofs that leave.
Parsing is strict; a note counts only when a known key's signature holds.
"""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from audit.merkle import HASH_SIZE
from keys.primitives import Signer, signature_holds

_ED25519 = b"\x01"
_DASH = "\u2014 "
_MAX_NOTE = 64 * 1024
_ID_SIZE = 4
_PUBLIC_SIZE = 32
_TREE_LINES = 3


class CheckpointError(Exception):
    """A note is not a checkpoint of this log; the text names the check."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree head: the log's origin, its size, and its RFC 6962 root."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """Return the note's text: three lines."""
        _check_name(self.origin)
        return f"{self.origin}\n{self.size}\n{_encode(self.root)}\n"

    def signed(self, signer: Signer) -> str:
        """Return the note, signed by the log under its origin as key name."""
        text = self.text()
        signature = key_id(self.origin, signer.public()) + signer.sign(text.encode())
        return f"{text}\n{_DASH}{self.origin} {_encode(signature)}\n"


def key_id(name: str, public: bytes) -> bytes:
    """Return the first four bytes of SHA-256 over name, newline, 0x01 and the public key."""
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:_ID_SIZE]


def verifier_key(name: str, public: bytes) -> str:
    """Return the key as others' tools take it: ``<name>+<key id in hex>+<base64 of 0x01 and the key>``."""
    _check_name(name)
    return f"{name}+{key_id(name, public).hex()}+{_encode(_ED25519 + public)}"


def parse_verifier_key(text: str) -> tuple[str, bytes]:
    """Read what :func:`verifier_key` wrote; return the name and the public key.

    Raises:
        CheckpointError: not an Ed25519 verifier key, or its id is not that of its name and key.
    """
    parts = text.strip().split("+", 2)
    if len(parts) != 3:  # noqa: PLR2004 name, id, key
        raise CheckpointError("a verifier key has three parts")
    name, identity, raw = parts[0], parts[1], _decode(parts[2])
    _check_name(name)
    if raw[:1] != _ED25519 or len(raw) != 1 + _PUBLIC_SIZE:
        raise CheckpointError("not an Ed25519 key")
    if key_id(name, raw[1:]).hex() != identity:
        raise CheckpointError("the key's id is another's")
    return name, raw[1:]


def open_checkpoint(note: str, *, origin: str, public: bytes) -> Checkpoint:
    """Parse a note and verify that this log's key signed it; lines of other keys (witnesses) are passed over.

    Raises:
        CheckpointError: malformed, of another origin, not signed by this key, or the signature does not hold.
    """
    checkpoint, text, signatures = _parse(note)
    if checkpoint.origin != origin:
        raise CheckpointError("the checkpoint is of another log")
    known = [raw[_ID_SIZE:] for name, raw in signatures if _is_key(name, raw, origin, public)]
    if not known:
        raise CheckpointError("no signature by the log's key")
    if not all(signature_holds(public, signature, text.encode()) for signature in known):
        raise CheckpointError("the signature does not hold")
    return checkpoint


def proof_text(index: int, proof: Sequence[bytes], note: str, *, extra: bytes = b"") -> str:
    """Return an inclusion proof as C2SP tlog-proof; ``extra`` carries the leaf's data."""
    lines = ["c2sp.org/tlog-proof@v1"]
    if extra:
        lines.append(f"extra {_encode(extra)}")
    lines += [f"index {index}", *map(_encode, proof), "", note]
    return "\n".join(lines)


def _is_key(name: str, raw: bytes, origin: str, public: bytes) -> bool:
    return name == origin and raw[:_ID_SIZE] == key_id(origin, public)


def _parse(note: str) -> tuple[Checkpoint, str, list[tuple[str, bytes]]]:
    if len(note) > _MAX_NOTE or any(char < " " and char != "\n" for char in note):
        raise CheckpointError("too long, or control characters")
    text, blank, tail = note.rpartition("\n\n")
    if not blank or not tail.endswith("\n"):
        raise CheckpointError("no signatures")
    return _tree_head(text), text + "\n", [_signature(line) for line in tail[:-1].split("\n")]


def _tree_head(text: str) -> Checkpoint:
    lines = text.split("\n")
    if len(lines) < _TREE_LINES or not all(lines):
        raise CheckpointError("fewer than three lines, or an empty one")
    origin, size, root = lines[0], lines[1], _decode(lines[2])
    if not (size.isascii() and size.isdecimal()) or (size[0] == "0" and size != "0"):
        raise CheckpointError("the size is not a plain number")
    if int(size) >= 1 << 63:
        raise CheckpointError("the size is too large")
    if len(root) != HASH_SIZE:
        raise CheckpointError("the root has the wrong size")
    return Checkpoint(origin, int(size), root)


def _signature(line: str) -> tuple[str, bytes]:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not space:
        raise CheckpointError("a signature line is malformed")
    _check_name(name)
    raw = _decode(encoded)
    if len(raw) <= _ID_SIZE:
        raise CheckpointError("a signature is too short")
    return name, raw


def _check_name(name: str) -> None:
    if not name or "+" in name or any(char.isspace() or char < " " for char in name):
        raise CheckpointError("a key name is empty or has a space or a plus")


def _encode(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _decode(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise CheckpointError("not base64") from None
    if _encode(raw) != text:
        raise CheckpointError("base64 in another than its one form")
    return raw
