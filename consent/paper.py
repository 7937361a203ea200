"""A consent that a citizen gave on paper: what a helper may enter of it, and what the paper itself is.

Whoever helps enters what stands on the paper and no more: a rule about their own authority's care. Who acts for the
citizen, emergency access, contacts and what is said of single records or plans are never entered so.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from consent.ages import start_of
from consent.moving import over
from consent.parse import parse_day, parse_rule
from consent.rules import Rule, RuleError
from identity.directory import Directory
from identity.principal import Staff
from policies.vocabulary import GranteeKind

#: The fields of a rule that a paper can say.
FIELDS = frozenset(
    {
        "effect", "grantee", "actions", "categories", "codes", "sources", "purposes", "data_from", "data_to",
        "valid_from", "valid_to",
    }
)  # fmt: skip
#: Whom it can name, where that lies in the helper's own authority.
NAMED = frozenset(
    {
        GranteeKind.UNIT,
        GranteeKind.ROLE,
        GranteeKind.PERSON,
        GranteeKind.PROVIDER,
        GranteeKind.REGION,
        GranteeKind.MUNICIPALITY,
    }
)
OLDEST = timedelta(days=366)  # what was signed longer ago is asked about anew
LARGEST_SCAN = 1 << 20  # bytes
_LONGEST = 200  # characters of where the paper is kept
_SCANS = {"application/pdf": b"%PDF-", "image/jpeg": b"\xff\xd8\xff", "image/png": b"\x89PNG\r\n\x1a\n"}


@dataclass(frozen=True, slots=True)
class Scan:
    """A picture of the paper: its media type and its bytes."""

    content_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Paper:
    """The paper: the first moment of the Swedish day on which it was signed, where it is kept, maybe a scan."""

    signed: datetime
    kept: str
    scan: Scan | None = None


def parse_paper(raw: Mapping[str, Any], *, at: datetime) -> Paper:
    """Return the paper that was posted: ``signed`` (a day), ``kept``, and ``scan`` with ``type`` and base64 ``data``.

    Raises:
        RuleError: a field is missing, unknown or wrong; the text names it first.
    """
    for name in raw:
        if name not in {"signed", "kept", "scan"}:
            raise RuleError(f"paper.{name}: no such field")
    kept = raw.get("kept")
    if not isinstance(kept, str) or not kept.isprintable() or not 0 < len(kept.strip()) <= _LONGEST:
        raise RuleError(f"paper.kept: where the paper is kept, 1 to {_LONGEST} characters")
    try:
        signed = start_of(parse_day(str(raw.get("signed", ""))))
    except (ValueError, OverflowError):
        raise RuleError("paper.signed: the day it was signed, as 2026-01-31") from None
    if not at - OLDEST <= signed <= at:
        raise RuleError("paper.signed: in the future, or over a year ago: ask for a new signature")
    return Paper(signed, kept.strip(), None if raw.get("scan") is None else _scan(raw["scan"]))


def _scan(raw: Any) -> Scan:
    if not isinstance(raw, dict) or set(raw) != {"type", "data"}:
        raise RuleError("paper.scan: an object with type and data")
    if not all(isinstance(text, str) for text in raw.values()):
        raise RuleError("paper.scan: two texts")
    if raw["type"] not in _SCANS:
        raise RuleError(f"paper.scan.type: one of {', '.join(_SCANS)}")
    if len(raw["data"]) > LARGEST_SCAN * 4 // 3 + 4:
        raise RuleError(f"paper.scan.data: at most {LARGEST_SCAN} bytes")
    try:
        data = base64.b64decode(raw["data"], validate=True)
    except (binascii.Error, ValueError):
        raise RuleError("paper.scan.data: base64") from None
    if len(data) > LARGEST_SCAN or not data.startswith(_SCANS[raw["type"]]):
        raise RuleError(f"paper.scan.data: not {raw['type']}, or more than {LARGEST_SCAN} bytes")
    return Scan(raw["type"], data)


def parse_entry(
    raw: Mapping[str, Any],
    *,
    staff: Staff,
    directory: Directory,
    id: str,  # noqa: A002
    author: str,
    created: datetime,
) -> Rule:
    """Return the rule that a helper posted for a citizen (``author``), not yet confirmed; its document comes later.

    Raises:
        RuleError: a field is missing, unknown or wrong, or more than may be entered; the text names it first.
    """
    for name in raw:
        if name not in FIELDS:
            raise RuleError(f"{name}: cannot be entered from paper")
    rule = parse_rule(raw, id=id, author=author, created=created, helper=staff.id)
    if rule.grantee.kind not in NAMED:
        raise RuleError("grantee.kind: cannot be entered from paper")
    authority = staff.commission.unit.provider.authority
    if f"{authority.kind}:{authority.id}" not in over(rule.grantee, directory):
        raise RuleError("grantee.id: not of the helper's own region or municipality")
    return rule
