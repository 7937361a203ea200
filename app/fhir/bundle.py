"""Bundles outwards, of resources already written as JSON: a page at once, or a stream of any length."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vault.columns import Columns
from vault.lines import Lines
from vault.resource import to_json

_MATCH = b',"search":{"mode":"match"}'


def searchset(
    resources: Sequence[bytes], *, total: int | None = None, links: Sequence[Mapping[str, str]] = ()
) -> bytes:
    """Return a searchset Bundle; ``total`` counts what may be seen over all pages, where it is told."""
    parts = []
    if resources:
        parts.append(b'"entry":[%b]' % b",".join(b'{"resource":%b%b}' % (one, _MATCH) for one in resources))
    if links:
        parts.append(b'"link":%b' % to_json(list(links)))
    parts.append(b'"resourceType":"Bundle"')
    if total is not None:
        parts.append(b'"total":%d' % total)
    return b"{%b}" % b",".join([*parts, b'"type":"searchset"'])


@dataclass(slots=True)
class Ndjson:
    """A stream of resources, one a line (https://hl7.org/fhir/R4/nd-json.html)."""

    lines: Sequence[Lines]
    media_type = "application/fhir+ndjson"

    def piece(self, columns: Columns) -> bytes:
        """Write some records."""
        return b"".join(lines.block(columns, after=b"\n") for lines in self.lines)

    def end(self) -> bytes:
        """Write what stands behind the last."""
        return b""


@dataclass(slots=True)
class Bundle:
    """A stream of resources as one Bundle; a searchset tells its total at the end, when it is known."""

    kind: str
    lines: Sequence[Lines]
    count: int = 0
    media_type = "application/fhir+json"

    def piece(self, columns: Columns) -> bytes:
        """Write some records, before the first what a Bundle begins with."""
        after = _MATCH + b"}" if self.kind == "searchset" else b"}"
        entries = b"".join(lines.block(columns, before=b',{"resource":', after=after) for lines in self.lines)
        begin = self._begin + b',"entry":[' if entries and not self.count else b""
        self.count += len(columns) * len(self.lines)
        return begin + entries[1:] if begin else entries

    def end(self) -> bytes:
        """Write what stands behind the last."""
        total = b',"total":%d' % self.count if self.kind == "searchset" else b""
        return (b"]" if self.count else self._begin) + total + b"}"

    @property
    def _begin(self) -> bytes:
        return b'{"resourceType":"Bundle","type":"%b"' % self.kind.encode()


def form(kind: str, accept: str, lines: Sequence[Lines]) -> Ndjson | Bundle:
    """Return the form that is asked for: NDJSON, or else a Bundle of a kind."""
    asked = {one.partition(";")[0].strip() for one in accept.lower().split(",")}
    return Ndjson(lines) if asked & _NDJSON_TYPES else Bundle(kind, lines)


_NDJSON_TYPES = frozenset({"application/fhir+ndjson", "application/ndjson", "application/x-ndjson"})
