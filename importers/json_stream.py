"""One JSON text of any length, value by value: no more of it is held than the value at hand.

The decoder is :mod:`json`'s own; only the brackets and commas around the values are read here.
"""

import codecs
import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from importers.candidates import FormatError, Reason

_CHUNK = 1 << 18
_BLANK = " \t\n\r"
_CLOSING = '}]"'
_UNDECIDED = len("e+1")  # by which a number may go on


class JsonStream:
    """A cursor in a stream of JSON. Every method raises FormatError where the text is no JSON, or not UTF-8."""

    def __init__(self, stream: BinaryIO, decoder: json.JSONDecoder, *, limit: int) -> None:
        self._stream, self._decoder, self._limit = stream, decoder, limit
        self._utf8 = codecs.getincrementaldecoder("utf-8-sig")()
        self._text, self._at, self._over, self._is_text = "", 0, False, True
        self._lines, self._columns = 0, 0  # before the text at hand

    def peek(self) -> str:
        """Return the next character that is not blank, or nothing at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in _BLANK:
                self._at += 1
            if self._at < len(self._text) or not self._more():
                return self._text[self._at : self._at + 1]

    def take(self, wanted: str) -> str:
        """Take the next character, which must be one of these."""
        found = self.peek()
        if not found or found not in wanted:
            raise self._refused(self._at)
        self._at += 1
        return found

    def value(self) -> Any:
        """Take one value whole."""
        self.peek()
        while True:
            try:
                found, end = self._decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if not self._more():
                    raise self._refused(error.pos) from None
            except RecursionError:
                raise FormatError(Reason.TOO_DEEP) from None
            else:
                ended = len(self._text) - end >= _UNDECIDED or self._text[end - 1] in _CLOSING
                if ended or not self._more():
                    self._at = end
                    return found

    def names(self) -> Iterator[str]:
        """Take an object, yielding each name; whoever asks takes the value before asking on."""
        self.take("{")
        if self.peek() == "}":
            self.take("}")
            return
        going = ","
        while going == ",":
            if self.peek() != '"':
                raise self._refused(self._at)
            name: str = self.value()
            self.take(":")
            yield name
            going = self.take(",}")

    def elements(self) -> Iterator[Any]:
        """Take an array, yielding each value."""
        self.take("[")
        if self.peek() == "]":
            self.take("]")
            return
        going = ","
        while going == ",":
            yield self.value()
            going = self.take(",]")

    def _more(self) -> bool:
        """Read on, twice as much as is at hand, and drop what was taken; tell whether there was more."""
        if not self._is_text:
            raise FormatError(Reason.NOT_UTF8)
        if self._over:
            return False
        taken = self._text[: self._at]
        lines = taken.count("\n")
        self._columns = len(taken) - taken.rfind("\n") - 1 if lines else self._columns + len(taken)
        self._lines += lines
        rest = self._text[self._at :]
        if len(rest) > self._limit:
            raise FormatError(Reason.TOO_LARGE)
        raw = self._stream.read(max(_CHUNK, len(rest)))
        self._over = not raw
        self._text, self._at = rest + self._decoded(raw), 0
        return True

    def _decoded(self, raw: bytes) -> str:
        """Decode as much as is text; what follows is refused when it is its turn."""
        try:
            return self._utf8.decode(raw, final=not raw)
        except UnicodeDecodeError as error:
            self._is_text = False
            return error.object[: error.start].decode()

    def _refused(self, at: int) -> FormatError:
        before = self._text[:at]
        lines = before.count("\n")
        column = len(before) - before.rfind("\n") if lines else self._columns + len(before) + 1
        return FormatError(Reason.NOT_JSON, f"{self._lines + lines + 1}:{column}")
