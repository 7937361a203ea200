"""The verifier's reading of witnesses' words (docs/spec/audit-v1.md, section 15): what one cosigned, and refused.

It shares nothing with what asks the witnesses. Whether the log's own signature on a cosigned checkpoint holds, and
whether the tree agrees, is held by the caller, as for every other note.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from audit.verify_findings import Fault, Report
from audit.verify_notes import signature_holds

_KIND = b"\x04"  # cosignature/v1
_SIGNED = 4 + 8 + 64  # key id, time, Ed25519


class WitnessKeyError(ValueError):
    """Not a witness's verifier key."""


@dataclass(frozen=True, slots=True)
class _Key:
    name: str
    public: bytes
    id: bytes


def cosigned(folder: Path, keys: Sequence[str], report: Report) -> Iterator[tuple[str, str]]:
    """Yield place and text of the newest note of each witness whose signature on it holds; note what is missing.

    Raises:
        WitnessKeyError: one of the keys is none.
    """
    for key in map(_key, keys):
        where = f"outside/cosigned.{key.id.hex()}"
        try:
            note = (folder / f"cosigned.{key.id.hex()}").read_text()
            at = _newest(key, note)
        except (OSError, ValueError, OverflowError):
            report.add(where, Fault.NOT_COSIGNED, key.name)
            continue
        if report.cosigned_at is None or at > report.cosigned_at:
            report.cosigned_at = at
        yield where, note


def hold_alarms(folder: Path, report: Report) -> None:
    """Note each refusal that was kept: whoever's it is, a person has to know why."""
    for path in sorted(folder.glob("alarm.*")) if folder.is_dir() else ():
        report.add(f"outside/{path.name}", Fault.REFUSED_BY_WITNESS)


def _key(text: str) -> _Key:
    name, _, rest = text.strip().partition("+")
    identity, _, encoded = rest.partition("+")
    try:
        raw = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise WitnessKeyError("not a witness's verifier key") from None
    expected = hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4]
    if not name or raw[:1] != _KIND or len(raw) != 33 or expected.hex() != identity:  # noqa: PLR2004 kind and key
        raise WitnessKeyError("not a witness's verifier key")
    return _Key(name, raw[1:], expected)


def _newest(key: _Key, note: str) -> datetime:
    """Return when the witness signed last.

    Raises:
        ValueError: it did not, or one of its signatures does not hold.
    """
    signed, blank, tail = note.rpartition("\n\n")
    times = list[datetime]()
    for line in tail.splitlines() if blank else ():
        dash, name, encoded = [*line.split(" "), "", ""][:3]
        raw = base64.b64decode(encoded, validate=True)
        if (dash, name, raw[:4]) != ("\u2014", key.name, key.id):
            continue
        seconds = int.from_bytes(raw[4:12], "big")
        message = f"cosignature/v1\ntime {seconds}\n{signed}\n".encode()
        if len(raw) != _SIGNED or not signature_holds(key.public, raw[12:], message):
            raise ValueError(line)
        times.append(datetime.fromtimestamp(seconds, UTC))
    return max(times)
