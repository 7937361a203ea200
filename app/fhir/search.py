"""Search parameters of ``/fhir``, parsed strictly: what is unknown, chained or malformed is refused by name."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from urllib.parse import urlencode

from app.errors import BadRequestError
from policies.vocabulary import Category
from sharing.paging import Order
from vault.measures import FHIR_CATEGORY, OBSERVATION_CATEGORY, OWN_CATEGORY

_LOINC = ("", "http://loinc.org", "urn:oid:2.16.840.1.113883.6.1")
_DATE = re.compile(
    r"(?P<prefix>eq|ge|gt|le|lt)?(?P<day>\d{4}-\d{2}-\d{2})(?P<time>T[0-9:.]+(?:Z|[+-]\d{2}:\d{2})?)?",
    re.ASCII,
)
MAX_COUNT = 5000
DEFAULT_COUNT = 1000
_LONGEST_NUMBER = 18
_ORDERS = {"-date": Order.NEWEST, "date": Order.OLDEST}


@dataclass(frozen=True, slots=True)
class Search:
    """A parsed search: whose, which categories and codes, which local days, in which order, and which page.

    ``cursor`` is what a ``next`` link carries; only its own handler can read it.
    """

    patient: str | None
    categories: tuple[Category, ...] = ()
    codes: frozenset[str] = frozenset()
    first: date | None = None
    last: date | None = None
    order: Order = Order.NEWEST
    count: int = DEFAULT_COUNT
    cursor: str = ""


def parse(parameters: Sequence[tuple[str, str]], *, allowed: frozenset[str]) -> Search:
    """Read a query or form.

    Raises:
        BadRequestError: an unknown, chained, repeated or malformed parameter.
    """
    given: dict[str, list[str]] = {}
    for name, value in parameters:
        if name not in allowed:
            raise BadRequestError(f"{name[:40]}: unknown search parameter")
        given.setdefault(name, []).append(value)
    patients = given.get("patient", []) + given.get("subject", [])
    if len(patients) > 1:
        raise BadRequestError("patient: more than once")
    first, last = _days(given.get("date", []))
    return Search(
        patient=patients[0] if patients else None,
        categories=_categories(given.get("category", [])),
        codes=frozenset(code for text in given.get("code", []) for code in _codes(text)),
        first=first,
        last=last,
        order=_order(given.get("_sort", ["-date"])[-1]),
        count=_number(given, "_count", DEFAULT_COUNT, MAX_COUNT),
        cursor=given.get("_cursor", [""])[-1],
    )


def page_link(base: str, parameters: Sequence[tuple[str, str]], cursor: str) -> Mapping[str, str]:
    """Return the ``next`` link of a page; the parameters hold no personal number."""
    kept = [(name, value) for name, value in parameters if name != "_cursor"]
    return {"relation": "next", "url": f"{base}?{urlencode([*kept, ('_cursor', cursor)])}"}


def _order(text: str) -> Order:
    try:
        return _ORDERS[text]
    except KeyError:
        raise BadRequestError("_sort: date or -date") from None


def _categories(values: list[str]) -> tuple[Category, ...]:
    found: list[Category] = []
    for token in (token for value in values for token in value.split(",")):
        system, _, code = token.rpartition("|")
        if code in set(Category) and system in {"", OWN_CATEGORY}:
            found.append(Category(code))
        elif (members := _members(code)) and system in {"", OBSERVATION_CATEGORY}:
            found += members
        else:
            raise BadRequestError("category: unknown")
    return tuple(dict.fromkeys(found))


def _members(code: str) -> list[Category]:
    """Return our categories within one of FHIR's (vital-signs, laboratory, activity, survey, exam)."""
    return [category for category, fhir in FHIR_CATEGORY.items() if fhir == code]


def _codes(text: str) -> list[str]:
    codes = []
    for token in text.split(","):
        system, _, code = token.rpartition("|")
        if system not in _LOINC and not system.startswith("http"):
            raise BadRequestError("code: not <system>|<code>")
        if not code:
            raise BadRequestError("code: empty")
        codes.append(code)
    return codes


def _days(values: list[str]) -> tuple[date | None, date | None]:
    """Return the first and last day that all the values leave."""
    first: date | None = None
    last: date | None = None
    for value in values:
        found = _DATE.fullmatch(value)
        if found is None:
            raise BadRequestError("date: expected [eq|ge|gt|le|lt]YYYY-MM-DD")
        lower, upper = _bounds(found["prefix"] or "eq", _day(found["day"]), of_moment=bool(found["time"]))
        first = max(filter(None, (first, lower)), default=None)
        last = min(filter(None, (last, upper)), default=None)
    return first, last


def _bounds(prefix: str, day: date, *, of_moment: bool) -> tuple[date | None, date | None]:
    """Return the first and last day that one value leaves.

    A search is by whole days. Of a moment its whole day is taken: who asks for what came after ten o'clock
    must not miss what came at noon.
    """
    step = timedelta(days=0 if of_moment else 1)
    try:
        match prefix:
            case "ge":
                return day, None
            case "gt":
                return day + step, None
            case "le":
                return None, day
            case "lt":
                return None, day - step
            case _:
                return day, day
    except OverflowError:
        raise BadRequestError("date: beyond the calendar") from None


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadRequestError("date: no such day") from None


def _number(given: dict[str, list[str]], name: str, default: int, limit: int) -> int:
    text = given.get(name, [str(default)])[-1]
    if not text.isdecimal() or len(text) > _LONGEST_NUMBER or int(text) > limit:
        raise BadRequestError(f"{name}: a number up to {limit}")
    return int(text)
