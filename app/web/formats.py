"""How a language writes what pages show: words, lists, numbers, dates, units, values, charts.

Numbers and dates are written as the language writes them, in Swedish time; each public method of
:class:`Formats` is one of the templates' filters.
"""

from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from itertools import groupby
from typing import Any, TypeVar

from babel.dates import format_date, format_time
from babel.lists import format_list
from babel.numbers import format_decimal
from markupsafe import Markup

from app.web import words
from app.web.chart import NARROW, WIDE, ZONE, Chart, Words, svg
from app.web.measures import MeasureForm
from app.web.views import AccessEntry, Reading, VisitCard
from audit.events import Activity, Decision, EventKind
from audit.signals import Hit
from policies.vocabulary import GranteeKind
from vault.measures import MEASURES

_Dated = TypeVar("_Dated", AccessEntry, VisitCard)
_LONGEST = 18  # digits before the point


class Lang(StrEnum):
    """The languages of the pages; the first is the source."""

    SV = "sv"
    EN = "en"

    @property
    def locale(self) -> str:
        """Babel's name of how this language writes numbers and dates."""
        return {Lang.SV: "sv_SE", Lang.EN: "en_GB"}[self]


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
            "date": self.day,
            "until": self.until,
            "weekday": self.weekday,
            "time": self.time,
            "number": self.number,
            "measure": self.measure,
            "measures": self.measures,
            "unit": self.unit,
            "figure": self.figure,
            "sentence": self.sentence,
            "svg": self.charts,
            "group": self.group,
            "event": self.event,
            "refusal": self.refusal,
            "hit": self.hit,
            "did": self.did,
            "signal": self.signal,
            "signals_too": self.signals_too,
            "by_day": by_day,
        }

    def word(self, member: StrEnum) -> str:
        """Return what a member of a closed vocabulary is called."""
        return self._(words.word(member))

    def all_words(self, members: Iterable[StrEnum]) -> str:
        """Return members in order, as a sentence lists them: "blodtryck, puls och vikt"."""
        called = [self.word(member) for member in members]
        return format_list([text[:1].lower() + text[1:] for text in called], locale=self._locale)

    def group(self, kind: GranteeKind) -> str:
        """Return the heading over one kind of those to share with."""
        return self._(words.GRANTEE_GROUP[kind])

    def event(self, entry: AccessEntry) -> str:
        """Return what somebody did, or wanted to do and was refused."""
        if entry.decision is Decision.REFUSE:
            return self._(words.REFUSED.get(entry.kind, words.REFUSED_ELSE))
        if entry.activity is Activity.EMERGENCY and entry.kind in words.URGENT:
            return self._(words.URGENT[entry.kind])
        return self._(words.LOOKED.get(entry.looked) or words.DONE[entry.kind])

    def refusal(self, reason: str) -> str:
        """Return why something was refused."""
        return self._(words.REASON.get(reason, words.REASON_ELSE))

    def hit(self, hit: Hit) -> str:
        """Return why an access stands in the queue."""
        return self._(words.HIT[hit.rule])

    def signal(self, hit: Hit) -> str:
        """Return a signal's sentence, with the counts that it rests on."""
        return self._(words.SIGNAL[hit.rule]) % hit.because

    def signals_too(self, rules: Iterable[str]) -> str:
        """Return in a word each which other signals fit."""
        return ", ".join(self._(words.SIGNAL_TOO[rule]) for rule in rules)

    def did(self, kind: EventKind) -> str:
        """Return what is done in acts of a kind: läste."""
        return self._(words.DONE[kind])

    def sentence(self, text: str) -> str:
        """Return ``text`` with its first letter large."""
        return text[:1].upper() + text[1:]

    def day(self, at: date) -> str:
        """Return a day: 14 mars 2026."""
        return format_date(_local(at), "d MMMM y", locale=self._locale)

    def until(self, end: datetime) -> str:
        """Return the last day on which something holds that ends just before ``end``."""
        return self.day(end - timedelta(microseconds=1))

    def weekday(self, at: date) -> str:
        """Return a day as a heading: Söndag 14 mars 2026."""
        return self.sentence(format_date(_local(at), "EEEE d MMMM y", locale=self._locale))

    def time(self, at: datetime) -> str:
        """Return the time of day, in Swedish time: 07:30."""
        return format_time(at, "HH:mm", tzinfo=ZONE, locale=self._locale)

    def number(self, value: Decimal | float) -> str:
        """Return a number, with the decimals that it was written with; one too long for that as 1E+30."""
        if isinstance(value, Decimal) and value.adjusted() > _LONGEST:
            return str(value)
        if isinstance(value, Decimal):
            digits = max(-int(value.as_tuple().exponent), 0)
            return format_decimal(value, "#,##0." + "0" * digits if digits else "#,##0", locale=self._locale)
        return format_decimal(value, locale=self._locale)

    def measure(self, thing: Reading | Chart | MeasureForm | str) -> str:
        """Return what a measure is called, by its LOINC code; else by the text that came with it."""
        code = thing if isinstance(thing, str) else thing.code
        if code in words.MEASURE:
            return self._(words.MEASURE[code])
        if code in MEASURES:
            known = MEASURES[code]
            return known.sv if self._locale == Lang.SV.locale else known.en
        return (getattr(thing, "display", "") or code) if not isinstance(thing, str) else code

    def measures(self, codes: Iterable[str]) -> str:
        """Return what the measures of some codes are called, each name once."""
        return ", ".join(dict.fromkeys(map(self.measure, codes)))

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
            "start": self.day(chart.start),
            "end": self.day(chart.end),
        }

    def _description(self, chart: Chart) -> str:
        parts = []
        for series in chart.series:
            if not series.points:
                continue
            values = [point.value for point in series.points]
            latest = max(series.points, key=lambda point: point.at)
            text = self._(
                "%(measure)s: %(count)s värden, lägst %(low)s, högst %(high)s, senast %(last)s den %(day)s."
            )
            parts.append(
                text
                % {
                    "measure": self.measure(series.code),
                    "count": len(values),
                    "low": self.number(min(values)),
                    "high": self.number(max(values)),
                    "last": self.number(latest.value),
                    "day": self.day(latest.at),
                }
            )
        return " ".join(parts) or self._("Inga värden den här tiden.")


def _local(at: date) -> date:
    return at.astimezone(ZONE).date() if isinstance(at, datetime) else at


def by_day(entries: Iterable[_Dated]) -> list[tuple[date, list[_Dated]]]:
    """Return entries or visits, newest first, under the days (in Swedish time) on which they happened."""
    return [(day, list(found)) for day, found in groupby(entries, key=lambda entry: _local(entry.at))]
