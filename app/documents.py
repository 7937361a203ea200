"""A document that a person brings, a mandate on paper: told by its own bytes, and kept as a record of the vault."""

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from litestar import Request
from litestar.datastructures import State
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from app.errors import BadRequestError, TooLargeError
from importers import fhir
from policies.vocabulary import Category
from vault.record import Provenance, Record
from vault.resource import from_json

#: A scanned page or a photograph; what is larger does not belong inside a record (ADR 0010).
MOST_BYTES = 5 << 20
_MOST_FIELDS = 200
_MOST_OF_A_FIELD = 4096
_CATEGORY = {"coding": [{"system": "urn:halsovalvet:category", "code": str(Category.DOCUMENT)}]}
_BEGINS = {b"%PDF-": "application/pdf", b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}
_TEXT = "text/plain; charset=utf-8"
#: What a file is called when it is given back, by its type.
_ENDINGS = {"application/pdf": "pdf", "image/png": "png", "image/jpeg": "jpg", _TEXT: "txt"}


class DocumentError(Exception):
    """The file cannot be kept; ``problem`` is a word for why."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Document:
    """A document's bytes, and what they are."""

    content: bytes
    type: str

    @classmethod
    def of(cls, content: bytes) -> "Document":
        """Tell what bytes are by how they begin; what a browser says of them is not asked.

        Raises:
            DocumentError: they are none, too many, or neither PDF, PNG, JPEG nor plain text.
        """
        if not content:
            raise DocumentError("no-file")
        if len(content) > MOST_BYTES:
            raise DocumentError("file-too-large")
        told = next((kind for begin, kind in _BEGINS.items() if content.startswith(begin)), None)
        if told is None and not _is_text(content):
            raise DocumentError("unknown-format")
        return cls(content, told or _TEXT)

    @property
    def filename(self) -> str:
        """What the file is called when it is given back; nothing of what somebody once called it."""
        return f"fullmakt.{_ENDINGS[self.type]}"

    def record(self, title: str, provenance: Provenance, at: datetime) -> Record:
        """Return the document as a record: a FHIR DocumentReference with the bytes in its attachment."""
        attachment = {
            "contentType": self.type,
            "data": base64.b64encode(self.content).decode(),
            "hash": base64.b64encode(hashlib.sha1(self.content, usedforsecurity=False).digest()).decode(),
            "size": len(self.content),
            "title": title,
            "creation": at.isoformat(),
        }
        resource = {
            "resourceType": "DocumentReference",
            "status": "current",
            "category": [_CATEGORY],
            "type": {"text": title},
            "description": title,
            "date": at.isoformat(),
            "content": [{"attachment": attachment}],
        }
        return fhir.read_resource(resource, provenance=provenance)


def document_in(record: Record) -> Document:
    """Return the document that a record holds.

    Raises:
        DocumentError: it holds none that we kept so.
    """
    try:
        attachment = from_json(record.resource)["content"][0]["attachment"]
        return Document.of(base64.b64decode(attachment["data"], validate=True))
    except (KeyError, IndexError, TypeError, ValueError):
        raise DocumentError("no-file") from None


def _is_text(content: bytes) -> bool:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return False
    return all(char.isprintable() or char in "\t\r\n" for char in text.removeprefix("\ufeff"))


@dataclass(frozen=True, slots=True)
class Posted:
    """A multipart form that came whole: its fields, and the bytes of its file (none where there is no file)."""

    values: dict[str, tuple[str, ...]]
    content: bytes


async def receive(request: Request[Any, Any, State]) -> Posted:
    """Take a form with at most one small file, ``file``; its token is the caller's to check.

    Raises:
        BadRequestError: not such a form.
        TooLargeError: larger than any document that is kept.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != "multipart/form-data" or not options.get("boundary"):
        raise BadRequestError("expected multipart/form-data")
    found: list[tuple[str, bytearray]] = []
    try:
        with PushMultipartParser(options["boundary"], max_segment_count=_MOST_FIELDS) as parser:
            async for chunk in request.stream():
                for event in parser.parse(chunk) if chunk else ():
                    _take(event, found)
    except MultipartError:
        raise BadRequestError("the form is cut or malformed") from None
    values: dict[str, tuple[str, ...]] = {}
    for name, value in found:
        if name != "file":
            values[name] = (*values.get(name, ()), value.decode("utf-8", "replace"))
    return Posted(values, b"".join(bytes(value) for name, value in found if name == "file"))


def _take(event: Any, found: list[tuple[str, bytearray]]) -> None:
    match event:
        case MultipartSegment():
            if event.name == "file" and any(name == "file" for name, _ in found):
                raise BadRequestError("file: more than one")
            found.append((event.name, bytearray()))
        case bytes() | bytearray() if found:
            name, value = found[-1]
            value += event
            if len(value) > (MOST_BYTES if name == "file" else _MOST_OF_A_FIELD):
                raise TooLargeError(f"{name[:40]}: too large")
        case _:
            pass
