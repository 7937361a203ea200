"""Turns (template, view, chrome, language) into a page.

Swedish is the source language: texts stand in the templates and in :mod:`app.web.words`, and
``locales/<language>/messages.po`` holds the others. Numbers, dates and times are written as the language
writes them, in Swedish time. Everything is escaped. A view's missing attribute or a missing top-level name
raises; only the kit's own macros may ask their parameters for what was not given.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import is_dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from babel.dates import format_date, format_time
from babel.lists import format_list
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from babel.support import NullTranslations, Translations
from jinja2 import (
    ChainableUndefined,
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    PackageLoader,
    UndefinedError,
)
from markupsafe import Markup

from app.web import words
from app.web.chart import NARROW, WIDE, ZONE, Chart, Words, svg
from app.web.measures import MeasureForm
from app.web.views import Chrome, Reading

HERE = Path(__file__).parent
TEMPLATES = HERE / "templates"
BUILT = HERE / "built"
LOCALES = HERE / "locales"


class Lang(StrEnum):
    """The languages of the pages; the first is the source."""

    SV = "sv"
    EN = "en"

    @property
    def locale(self) -> str:
        """Babel's name of how this language writes numbers and dates."""
        return {Lang.SV: "sv_SE", Lang.EN: "en_GB"}[self]


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
        environment.globals["asset"] = self.asset
        environment.globals["with_lang"] = with_lang
        environment.globals["other_languages"] = [(other, _OWN_NAMES[other]) for other in Lang if other is not lang]
        environment.filters.update(Formats(lang, translations.gettext).filters())
        return environment


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


class Formats:
    """The templates' filters in one language."""

    def __init__(self, lang: Lang, gettext: Callable[[str], str]) -> None:
        self._locale = lang.locale
        self._ = gettext

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by the names that templates use."""
        return {
            "word": self.word,
            "words": self.all_words,
            "marked": self._,
            "date": self.date,
            "until": self.until,
            "weekday": self.weekday,
            "time": self.time,
            "number": self.number,
            "measure": self.measure,
            "unit": self.unit,
            "figure": self.figure,
            "sentence": self.sentence,
            "svg": self.charts,
        }

    def word(self, member: StrEnum) -> str:
        """Return what a member of a closed vocabulary is called."""
        return self._(words.word(member))

    def all_words(self, members: Iterable[StrEnum]) -> str:
        """Return members in order, as a sentence lists them: "blodtryck, puls och vikt"."""
        called = [self.word(member) for member in members]
        return format_list([text[:1].lower() + text[1:] for text in called], locale=self._locale)

    def sentence(self, text: str) -> str:
        """Return ``text`` with its first letter large."""
        return text[:1].upper() + text[1:]

    def date(self, at: date) -> str:
        """Return a day: 14 mars 2026."""
        return format_date(_local(at), "d MMMM y", locale=self._locale)

    def until(self, end: datetime) -> str:
        """Return the last day on which something holds that ends just before ``end``."""
        return self.date(end - timedelta(microseconds=1))

    def weekday(self, at: date) -> str:
        """Return a day as a heading: Söndag 14 mars 2026."""
        return self.sentence(format_date(_local(at), "EEEE d MMMM y", locale=self._locale))

    def time(self, at: datetime) -> str:
        """Return the time of day, in Swedish time: 07:30."""
        return format_time(at, "HH:mm", tzinfo=ZONE, locale=self._locale)

    def number(self, value: Decimal | float) -> str:
        """Return a number, with the decimals that it was written with."""
        if isinstance(value, Decimal):
            digits = max(-int(value.as_tuple().exponent), 0)
            return format_decimal(value, "#,##0." + "0" * digits if digits else "#,##0", locale=self._locale)
        return format_decimal(value, locale=self._locale)

    def measure(self, thing: Reading | Chart | MeasureForm | str) -> str:
        """Return what a measure is called, by its LOINC code; else by the text that came with it."""
        code = thing if isinstance(thing, str) else thing.code
        if code in words.MEASURE:
            return self._(words.MEASURE[code])
        return (getattr(thing, "display", "") or code) if not isinstance(thing, str) else code

    def unit(self, code: str, unit: str) -> str:
        """Return a unit as people write it."""
        text = words.UNIT_OF.get((code, unit), words.UNIT.get(unit, unit))
        return self._(text) if text else ""

    def figure(self, reading: Reading) -> str:
        """Return a reading's number without its unit, or its text: 128/82."""
        return "/".join(self.number(n) for n in reading.numbers) or reading.text

    def charts(self, chart: Chart, ident: str) -> Markup:
        """Draw a chart for both sizes."""
        said = Words(ident, self._title(chart), self._description(chart), self._locale)
        return svg(chart, said, WIDE) + svg(chart, said, NARROW)

    def _title(self, chart: Chart) -> str:
        text = self._("%(measure)s från %(start)s till %(end)s")
        return text % {
            "measure": self.measure(chart),
            "start": self.date(chart.start),
            "end": self.date(chart.end),
        }

    def _description(self, chart: Chart) -> str:
        parts = []
        for series in chart.series:
            if not series.points:
                continue
            values = [point.value for point in series.points]
            latest = max(series.points, key=lambda point: point.at)
            text = self._("%(measure)s: %(count)s värden, lägst %(low)s, högst %(high)s, senast %(last)s den %(day)s.")
            parts.append(
                text
                % {
                    "measure": self.measure(series.code),
                    "count": len(values),
                    "low": self.number(min(values)),
                    "high": self.number(max(values)),
                    "last": self.number(latest.value),
                    "day": self.date(latest.at),
                }
            )
        return " ".join(parts) or self._("Inga värden den här tiden.")


def _local(at: date) -> date:
    return at.astimezone(ZONE).date() if isinstance(at, datetime) else at
