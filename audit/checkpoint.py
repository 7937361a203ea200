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

LOG_KEY = b"\x01"  # a log's Ed25519 key
WITNESS_KEY = b"\x04"  # a witness's, for cosignature/v1
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
        return f"{self.origin}\n{self.size}\n{encode64(self.root)}\n"

    def signed(self, signer: Signer) -> str:
        """Return the note, signed by the log under its origin as key name."""
        text = self.text()
        identity = key_id(self.origin, signer.public())
        return f"{text}\n{signature_line(self.origin, identity, signer.sign(text.encode()))}"


def key_id(name: str, public: bytes, *, kind: bytes = LOG_KEY) -> bytes:
    """Return the first four bytes of SHA-256 over name, newline, kind and the public key."""
    return hashlib.sha256(name.encode() + b"\n" + kind + public).digest()[:_ID_SIZE]


def verifier_key(name: str, public: bytes, *, kind: bytes = LOG_KEY) -> str:
    """Return the key as others' tools take it: ``<name>+<key id in hex>+<base64 of kind and key>``."""
    _check_name(name)
    return f"{name}+{key_id(name, public, kind=kind).hex()}+{encode64(kind + public)}"


def parse_verifier_key(text: str, *, kind: bytes = LOG_KEY) -> tuple[str, bytes]:
    """Read what :func:`verifier_key` wrote; return the name and the public key.

    Raises:
        CheckpointError: not an Ed25519 verifier key of this kind, or its id is not that of its name and key.
    """
    parts = text.strip().split("+", 2)
    if len(parts) != 3:  # noqa: PLR2004 name, id, key
        raise CheckpointError("a verifier key has three parts")
    name, identity, raw = parts[0], parts[1], decode64(parts[2])
    _check_name(name)
    if raw[:1] != kind or len(raw) != 1 + _PUBLIC_SIZE:
        raise CheckpointError("not an Ed25519 key of this kind")
    if key_id(name, raw[1:], kind=kind).hex() != identity:
        raise CheckpointError("the key's id is another's")
    return name, raw[1:]


def open_checkpoint(note: str, *, origin: str, public: bytes) -> Checkpoint:
    """Parse a note and verify that this log's key signed it; lines of other keys (witnesses) are passed over.

    Raises:
        CheckpointError: malformed, of another origin, not signed by this key, or the signature does not hold.
    """
    checkpoint, text, signatures = read_note(note)
    if checkpoint.origin != origin:
        raise CheckpointError("the checkpoint is of another log")
    known = signatures_of(origin, key_id(origin, public), signatures)
    if not known:
        raise CheckpointError("no signature by the log's key")
    if not all(signature_holds(public, signature, text.encode()) for signature in known):
        raise CheckpointError("the signature does not hold")
    return checkpoint


def proof_text(index: int, proof: Sequence[bytes], note: str, *, extra: bytes = b"") -> str:
    """Return an inclusion proof as C2SP tlog-proof; ``extra`` carries the leaf's data."""
    lines = ["c2sp.org/tlog-proof@v1"]
    if extra:
        lines.append(f"extra {encode64(extra)}")
    lines += [f"index {index}", *map(encode64, proof), "", note]
    return "\n".join(lines)


def signature_line(name: str, identity: bytes, signature: bytes) -> str:
    """Return a note's line for one signature."""
    return f"{_DASH}{name} {encode64(identity + signature)}\n"


def signatures_of(name: str, identity: bytes, signatures: Sequence[tuple[str, bytes]]) -> list[bytes]:
    """Return what one key signed among a note's signatures."""
    return [raw[_ID_SIZE:] for found, raw in signatures if (found, raw[:_ID_SIZE]) == (name, identity)]


def read_note(note: str) -> tuple[Checkpoint, str, list[tuple[str, bytes]]]:
    """Parse a note; return its tree head, the text that is signed, and name and bytes of each signature.

    Nothing is verified.

    Raises:
        CheckpointError: malformed.
    """
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
    origin, size, root = lines[0], lines[1], decode64(lines[2])
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
    raw = decode64(encoded)
    if len(raw) <= _ID_SIZE:
        raise CheckpointError("a signature is too short")
    return name, raw


def _check_name(name: str) -> None:
    if not name or "+" in name or any(char.isspace() or char < " " for char in name):
        raise CheckpointError("a key name is empty or has a space or a plus")


def encode64(raw: bytes) -> str:
    """Return base64."""
    return base64.b64encode(raw).decode()


def decode64(text: str) -> bytes:
    """Read base64 in its one form.

    Raises:
        CheckpointError: it is not.
    """
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise CheckpointError("not base64") from None
    if encode64(raw) != text:
        raise CheckpointError("base64 in another than its one form")
    return raw
