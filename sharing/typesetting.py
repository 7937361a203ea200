"""Documents as files that people read and machines verify: PDF/A-3a and PDF/UA-1, tagged, with their source inside.

Typst sets them in the process. What people wrote goes in as data and never as markup, so that nothing in it can be more
than text. The source (JSON) rides in the file as an attachment: whoever has the file has what it was made from.
"""

import asyncio
import re
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import msgspec
import typst

_TEMPLATE = Path(__file__).with_name("document.typ")
SOURCE = "source.json"
_LACKING = re.compile('text `"(.+)"` could not be displayed')


@dataclass(frozen=True, slots=True)
class Table:
    """A table; each row has a cell for each name of the head."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        if any(len(row) != len(self.head) for row in self.rows):
            raise ValueError("a row has a cell for each name of the head")


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with what stands below it, in this order; facts are pairs of label and value."""

    heading: str
    paragraphs: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """What is to be set: its text, and the JSON that it was made from.

    ``language`` is a BCP 47 tag; ``dated`` stands in the file's metadata, as ``title``, ``author`` and ``description``
    do.
    """

    title: str
    author: str
    description: str
    dated: date
    sections: tuple[Section, ...]
    source: bytes
    source_media_type: str = "application/json"
    language: str = "sv"


class TypesettingError(Exception):
    """The document cannot be set; the text says why. ``lacking`` is what no font has a sign for, if that is why."""

    def __init__(self, told: str) -> None:
        super().__init__(told)
        found = _LACKING.search(told)
        self.lacking = "" if found is None else found[1]


async def typeset(document: Document, *, fonts: Path) -> bytes:
    """Return a document as PDF, set aside from the event loop; ``fonts`` holds Source Sans 3 as TrueType.

    Raises:
        TypesettingError: a character has no sign in the fonts, or the document breaks a rule of PDF/UA.
    """
    return await asyncio.to_thread(_typeset, document, fonts)


def _typeset(document: Document, fonts: Path) -> bytes:
    told = {
        "title": document.title,
        "author": document.author,
        "description": document.description,
        "date": [document.dated.year, document.dated.month, document.dated.day],
        "language": document.language,
        "sections": [asdict(section) for section in document.sections],
        "attachment": {
            "name": SOURCE,
            "text": document.source.decode(),
            "media_type": document.source_media_type,
            "description": document.description,
        },
    }
    try:
        made: bytes = typst.compile(
            _TEMPLATE,
            font_paths=[fonts],
            ignore_system_fonts=True,
            sys_inputs={"data": msgspec.json.encode(told).decode()},
            format="pdf",
            pdf_standards=["a-3a", "ua-1"],
        )
    except typst.TypstError as error:
        raise TypesettingError(error.message) from None
    return made
