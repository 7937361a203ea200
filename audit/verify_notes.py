"""The verifier's reading of checkpoints: signed notes (docs/spec/audit-v1.md, section 6), none of which it trusts."""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from audit.verify_findings import Fault, Report


@dataclass(frozen=True, slots=True)
class Note:
    """A checkpoint whose signature holds."""

    where: str
    is_outside: bool
    size: int
    root: bytes


class _BadNoteError(Exception):
    def __init__(self, fault: Fault, detail: str = "") -> None:
        super().__init__(fault)
        self.fault, self.detail = fault, detail


def outside(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield place and text of every note outside the database."""
    names = sorted(path.name for path in folder.glob("checkpoint.*")) if folder.is_dir() else []
    for name in [*names, "latest"]:
        try:
            yield f"outside/{name}", (folder / name).read_text()
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError):
            yield f"outside/{name}", ""


class Judge:
    """Reads signed notes with one key and one origin in mind."""

    def __init__(self, public: bytes, origin: str | None, report: Report) -> None:
        self._raw = public
        self._origin = origin
        self._report = report

    def read(self, where: str, text: Any, *, kept_under: Any = None) -> Note | None:
        """Return the note if it counts; else note why not. ``kept_under`` is the size beside it."""
        try:
            size, root = self._judge(text)
        except _BadNoteError as bad:
            self._report.add(where, bad.fault, bad.detail)
            return None
        name, _, number = where.rpartition("checkpoint.")
        if (name and number != f"{size:012d}") or kept_under not in (None, size):
            self._report.add(where, Fault.MISPLACED)
        return Note(where, where.startswith("outside/"), size, root)

    def _judge(self, text: Any) -> tuple[int, bytes]:
        if not isinstance(text, str) or "\n\n" not in text or not text.endswith("\n"):
            raise _BadNoteError(Fault.MALFORMED_NOTE)
        signed, _, tail = text.rpartition("\n\n")
        origin, size, root = self._tree_head(signed.split("\n"))
        if self._origin not in (None, origin):
            raise _BadNoteError(Fault.OTHER_ORIGIN)
        self._check_signatures(origin, f"{signed}\n".encode(), tail.splitlines())
        self._origin = origin
        return size, root

    @staticmethod
    def _tree_head(lines: list[str]) -> tuple[str, int, bytes]:
        if len(lines) < 3 or not all(lines) or not re.fullmatch("[0-9]{1,18}", lines[1]):  # noqa: PLR2004
            raise _BadNoteError(Fault.MALFORMED_NOTE)
        root = _base64(lines[2])
        if len(root) != 32 or str(int(lines[1])) != lines[1]:  # noqa: PLR2004 SHA-256
            raise _BadNoteError(Fault.MALFORMED_NOTE)
        return lines[0], int(lines[1]), root

    def _check_signatures(self, origin: str, signed: bytes, lines: list[str]) -> None:
        identity = hashlib.sha256(origin.encode() + b"\n\x01" + self._raw).digest()[:4]
        found = False
        for line in lines:
            dash, name, encoded = [*line.split(" "), "", ""][:3]
            if dash != "\u2014" or not name:
                raise _BadNoteError(Fault.MALFORMED_NOTE)
            raw = _base64(encoded)
            if name != origin or raw[:4] != identity:
                continue  # another's signature, as a witness's
            if not signature_holds(self._raw, raw[4:], signed):
                raise _BadNoteError(Fault.BAD_SIGNATURE)
            found = True
        if not found:
            raise _BadNoteError(Fault.UNKNOWN_KEY)


def signature_holds(public: bytes, signature: bytes, message: bytes) -> bool:
    """Tell whether an Ed25519 signature is that of a key over a message."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _BadNoteError(Fault.MALFORMED_NOTE) from None
