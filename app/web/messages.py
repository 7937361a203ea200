"""The texts that pages can say, and what is still to be translated.

``python -m app.web.messages`` collects them from the templates and from app/web/*.py into
``locales/<language>/messages.po``, keeps what is translated, and says what is not.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from babel.messages import Catalog, Message
from babel.messages.extract import extract_python
from babel.messages.pofile import read_po, write_po
from jinja2.ext import babel_extract

from app.web.formats import Lang
from app.web.rendering import LOCALES, TEMPLATES

_KEYWORDS = {"_": None, "N_": None, "gettext": None, "ngettext": (1, 2)}
_HERE = Path(__file__).parent


def collect() -> Catalog:
    """Return every text in the source language."""
    catalog = Catalog(project="Hälsovalvet", fuzzy=False)
    for path in sorted(TEMPLATES.glob("*.html")):
        _add(catalog, path, babel_extract)
    for path in sorted(_HERE.glob("*.py")):
        _add(catalog, path, extract_python)
    return catalog


def _add(catalog: Catalog, path: Path, extractor: object) -> None:
    with path.open("rb") as source:
        for name, texts in _found(extractor, source):
            if name == "ngettext":
                catalog.add((texts[0], texts[1]))
            else:
                catalog.add(texts if isinstance(texts, str) else texts[0])


def _found(extractor: object, source: BinaryIO) -> Iterator[tuple[str, str | tuple[str, ...]]]:
    assert callable(extractor)  # noqa: S101 - narrows for the type checker
    for _, name, texts, _ in extractor(source, _KEYWORDS, [], {"encoding": "utf-8", "silent": "false"}):
        if texts and (not isinstance(texts, tuple) or texts[0]):
            yield name, texts


def translated(lang: Lang) -> Catalog:
    """Return a language's catalogue as it stands in the file."""
    path = LOCALES / lang / "messages.po"
    if not path.is_file():
        return Catalog(locale=lang.value, project="Hälsovalvet", fuzzy=False)
    with path.open("rb") as file:
        return read_po(file, locale=lang.value)


def untranslated(lang: Lang) -> list[Message]:
    """Return what the pages can say and the language has no text for."""
    known = translated(lang)
    return [message for message in collect() if message.id and not _is_whole(known.get(message.id))]


def _is_whole(message: Message | None) -> bool:
    if message is None or message.fuzzy:
        return False
    texts = message.string if isinstance(message.string, tuple) else (message.string,)
    return bool(texts) and all(texts)


def main() -> int:
    """Bring every catalogue up to date; return 1 if anything lacks a translation."""
    missing = 0
    for lang in Lang:
        if lang is Lang.SV:
            continue
        catalog = translated(lang)
        catalog.update(collect(), no_fuzzy_matching=True)
        catalog.obsolete.clear()
        path = LOCALES / lang / "messages.po"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            write_po(file, catalog, no_location=True, omit_header=True, sort_output=True, width=100)
        for message in untranslated(lang):
            print(f"{lang}: {message.id}")  # noqa: T201
            missing += 1
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
