"""Strict reading of JSON: closed objects, known types, errors that say where and what, never the value.

Used for what was written elsewhere or long ago: directory branches, sessions at rest, token claims.
"""

import json
import unicodedata
from collections.abc import Iterable
from datetime import date
from enum import StrEnum
from typing import Any, NoReturn, TypeVar

from identity.errors import IdentityError

LONGEST_TEXT = 200

E = TypeVar("E", bound=StrEnum)


class ShapeError(IdentityError):
    """JSON is not of the shape it should be; the text is ``<where>: <what is wrong>``."""


class Value:
    """One JSON value and its place (``staff[2].commissions[0].unit``)."""

    __slots__ = ("_raw", "where")

    def __init__(self, raw: Any, where: str = "") -> None:
        self._raw = raw
        self.where = where

    def refuse(self, why: str) -> NoReturn:
        """Raise an error that names this place."""
        raise ShapeError(f"{self.where or 'document'}: {why}")

    def fields(self, *required: str, optional: Iterable[str] = ()) -> dict[str, "Value"]:
        """Read an object that has every required name and no name beside these and the optional ones."""
        if not isinstance(self._raw, dict):
            self.refuse("must be an object")
        known = {*required, *optional}
        if missing := [name for name in required if name not in self._raw]:
            self.refuse(f"lacks {', '.join(missing)}")
        if set(self._raw) - known:
            self.refuse(f"has a field beside {', '.join(sorted(known))}")
        return {name: Value(raw, f"{self.where}.{name}".lstrip(".")) for name, raw in self._raw.items()}

    def field(self, name: str) -> "Value":
        """Read one field of an object whose other fields are not yet known."""
        if not isinstance(self._raw, dict) or name not in self._raw:
            self.refuse(f"lacks {name}")
        return Value(self._raw[name], f"{self.where}.{name}".lstrip("."))

    def raw_object(self) -> dict[str, Any]:
        """Return an object as it is, for what is open by its nature (further claims of a token)."""
        if not isinstance(self._raw, dict):
            self.refuse("must be an object")
        return self._raw

    def items(self) -> list["Value"]:
        """Read a list."""
        if not isinstance(self._raw, list):
            self.refuse("must be a list")
        return [Value(raw, f"{self.where}[{i}]") for i, raw in enumerate(self._raw)]

    def text(self, *, may_be_empty: bool = False) -> str:
        """Read a short text: NFC, no control characters, no space around it."""
        raw = self._raw
        if not isinstance(raw, str):
            self.refuse("must be text")
        if not raw and not may_be_empty:
            self.refuse("must not be empty")
        if len(raw) > LONGEST_TEXT:
            self.refuse(f"must be at most {LONGEST_TEXT} characters")
        if raw != raw.strip() or not unicodedata.is_normalized("NFC", raw) or not (raw + "x").isprintable():
            self.refuse("must be NFC, without control characters or space around it")
        return raw

    def integer(self) -> int:
        """Read a whole number."""
        if not isinstance(self._raw, int) or isinstance(self._raw, bool):
            self.refuse("must be a whole number")
        return self._raw

    def flag(self) -> bool:
        """Read true or false."""
        if not isinstance(self._raw, bool):
            self.refuse("must be true or false")
        return self._raw

    def choice(self, vocabulary: type[E]) -> E:
        """Read one word of a closed vocabulary."""
        try:
            return vocabulary(self._raw)
        except ValueError:
            self.refuse(f"must be one of {', '.join(vocabulary)}")

    def octets(self, size: int) -> bytes:
        """Read bytes written as lower-case hexadecimal digits."""
        raw = self._raw
        if not isinstance(raw, str) or len(raw) != 2 * size or set(raw) - set("0123456789abcdef"):
            self.refuse(f"must be {2 * size} hexadecimal digits")
        return bytes.fromhex(raw)

    def day(self) -> date:
        """Read a date (``YYYY-MM-DD``)."""
        try:
            found = date.fromisoformat(self._raw)
        except (TypeError, ValueError):
            self.refuse("must be a date")
        if found.isoformat() != self._raw:
            self.refuse("must be a date")
        return found


def read(raw: bytes | str) -> Value:
    """Parse JSON: UTF-8, no name twice in an object, no NaN, not nested beyond reason.

    Raises:
        ShapeError: it is not that.
    """
    try:
        text = raw if isinstance(raw, str) else raw.decode()  # json itself would take UTF-16 too
        return Value(json.loads(text, object_pairs_hook=_no_name_twice, parse_constant=_no_constant))
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise ShapeError(f"document: not well-formed JSON at {place}") from None
    except (ValueError, RecursionError):
        raise ShapeError("document: not well-formed JSON") from None


def write(document: Any) -> bytes:
    """Write JSON in one form only: sorted names, no spaces, UTF-8."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def _no_name_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ShapeError("document: a name stands twice in one object")
    return found


def _no_constant(_: str) -> NoReturn:
    raise ValueError("not a JSON number")
