"""Turns (template, view, chrome, language) into a page.

Swedish is the source language: texts stand in the templates and in :mod:`app.web.words`, and
``locales/<language>/messages.po`` holds the others. Numbers, dates and times are written as the language
writes them, in Swedish time. Everything is escaped. A view's missing attribute or a missing top-level name
raises; only the kit's own macros may ask their parameters for what was not given.
"""

import json
from collections.abc import Mapping
from dataclasses import is_dataclass
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations
from jinja2 import (
    ChainableUndefined,
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    PackageLoader,
    UndefinedError,
)

from app.web import words
from app.web.formats import Formats, Lang
from app.web.views import AccessShow, Chrome, Period, PersonaGroup
from audit.cases import Outcome
from policies.vocabulary import Category, Purpose
from sharing.notices import Tell

HERE = Path(__file__).parent
TEMPLATES = HERE / "templates"
BUILT = HERE / "built"
LOCALES = HERE / "locales"


class StrictUndefined(ChainableUndefined):
    """Lets the kit's macros ask mappings for what is not there; everything else that is missing raises.

    A view that lacks an attribute raises when it is asked; a name that lacks a value raises when it is shown.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if is_dataclass(self._undefined_obj):
            raise UndefinedError(self._undefined_message)

    def __str__(self) -> str:
        """Refuse to be shown, but for what a macro's parameter did not carry."""
        if isinstance(self._undefined_obj, Mapping) or self._undefined_name is None:
            return ""
        raise UndefinedError(self._undefined_message)

    def __html__(self) -> str:
        """Refuse likewise where the page is escaped."""
        return str(self)


class Renderer:
    """Renders pages from ``templates`` with the assets of ``built`` (made by :mod:`app.web.build`)."""

    def __init__(self, templates: Path = TEMPLATES, built: Path = BUILT, locales: Path = LOCALES) -> None:
        manifest = built / "manifest.json"
        self._assets: dict[str, str] = json.loads(manifest.read_text()) if manifest.is_file() else {}
        self._environments = {lang: self._environment(lang, templates, locales) for lang in Lang}

    def render(self, template: str, view: object, *, lang: Lang, chrome: Chrome) -> str:
        """Return the page.

        Raises:
            UndefinedError: the view lacks what the template shows.
        """
        page = self._environments[lang].get_template(template)
        return page.render(view=view, chrome=chrome, lang=lang.value)

    def asset(self, name: str) -> str:
        """Return an asset's address, which changes with its content.

        Raises:
            KeyError: nothing of that name was built; ``make assets`` builds.
        """
        return f"/static/{name}?v={self._assets[name]}"

    def _environment(self, lang: Lang, templates: Path, locales: Path) -> Environment:
        environment = Environment(
            loader=ChoiceLoader([FileSystemLoader(templates), PackageLoader("nhsuk_frontend_jinja")]),
            autoescape=True,
            undefined=StrictUndefined,
            extensions=["jinja2.ext.i18n"],
            auto_reload=False,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        translations = catalogue(lang, locales)
        environment.install_gettext_translations(translations, newstyle=True)  # type: ignore[attr-defined]
        environment.globals.update(_VOCABULARIES)
        environment.globals["asset"] = self.asset
        environment.globals["with_lang"] = with_lang
        others = [(other, _OWN_NAMES[other]) for other in Lang if other is not lang]
        environment.globals["other_languages"] = others
        environment.filters.update(Formats(lang, translations.gettext).filters())
        return environment


_VOCABULARIES = {
    "access_shows": tuple(AccessShow),
    "all_categories": tuple(Category),
    "all_purposes": tuple(Purpose),
    "outcomes": tuple(Outcome),
    "grantee_kinds": tuple(words.GRANTEE_GROUP),
    "periods": tuple(Period),
    "tells": tuple(Tell),
    "persona_groups": tuple(PersonaGroup),
}
_OWN_NAMES = {Lang.SV: "Svenska", Lang.EN: "English"}


def catalogue(lang: Lang, locales: Path = LOCALES) -> NullTranslations:
    """Return a language's texts; the source language has none of its own."""
    if lang is Lang.SV:
        return NullTranslations()
    with (locales / lang / "messages.po").open("rb") as po:
        texts = read_po(po, locale=lang.locale)
    compiled = BytesIO()
    write_mo(compiled, texts)
    compiled.seek(0)
    return Translations(compiled)


def with_lang(here: str, lang: str) -> str:
    """Return the address ``here`` with its language set; the rest of its query stays."""
    parts = urlsplit(here)
    query = [(name, value) for name, value in parse_qsl(parts.query) if name not in ("lang", "done")]
    return f"{parts.path}?{urlencode([*query, ('lang', lang)])}"
