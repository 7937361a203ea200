"""Whom and what a citizen's list of accesses shows: a filter read from an address that says nothing to others.

People and units are named in it by tags keyed for this vault, so that no address, and no history of a browser, holds
an id of anybody. Who can be chosen are those that stand in what was looked through; the tags of the others work too.
"""

from datetime import date, datetime, time, timedelta
from urllib.parse import urlencode

from app.web import labels, values
from app.web.chart import ZONE
from app.web.shell import Asked, day_of, pick
from app.web.views import AccessShow, FormState, Option
from audit.events import Activity, Actor, Decision
from audit.review import Access
from keys.keystore import KeyStore
from policies.vocabulary import Category, Purpose

_FIELDS = ("show", "who", "unit", "category", "purpose", "first", "last")
_TAG = 8
_LAST_DAY = date.max - timedelta(days=1)


class Sieve:
    """Lets through what a filter asks for, and remembers whom it met; one of these serves one request."""

    def __init__(self, request: Asked, keystore: KeyStore, alias: bytes, *, reader: str) -> None:
        given = {name: request.query_params.get(name, "") for name in _FIELDS}
        self.show = pick(AccessShow, given["show"]) or AccessShow.PEOPLE
        self._category = pick(Category, given["category"])
        self._purpose = pick(Purpose, given["purpose"])
        self._who, self._unit = given["who"], given["unit"]
        self._first, self._last = day_of(given["first"]), day_of(given["last"])
        self.form = FormState({name: (value,) for name, value in given.items()})
        self._keystore, self._scope, self._reader = keystore, f"accesses/{alias.hex()}", reader
        self._tags: dict[str, str] = {}
        self._people: dict[str, str] = {}
        self._units: dict[str, str] = {}
        self.looked = 0

    @property
    def since(self) -> datetime | None:
        """When the first day begins, in Swedish time."""
        return None if self._first is None else datetime.combine(self._first, time(), ZONE)

    @property
    def until(self) -> datetime | None:
        """When the last day ends, in Swedish time."""
        if self._last is None or self._last > _LAST_DAY:
            return None
        return datetime.combine(self._last + timedelta(days=1), time(), ZONE)

    @property
    def query(self) -> str:
        """The filter as an address has it."""
        return urlencode({name: value for name in _FIELDS if (value := self.form.value(name))})

    def __call__(self, access: Access) -> bool:
        """Tell whether an access is asked for."""
        self.looked += 1
        actor = access.actor
        who, unit = (
            self._tag(f"who/{actor.kind}/{actor.id or actor.commission}"),
            self._tag(f"unit/{actor.unit_id}"),
        )
        if not _is_shown(access, self.show, self._reader):
            return False
        self._people.setdefault(who, _name(actor))
        if actor.unit_id:
            self._units.setdefault(unit, f"{actor.unit_name}, {actor.provider_name}")
        return (
            (not self._who or who == self._who)
            and (not self._unit or unit == self._unit)
            and (self._category is None or self._category in access.categories)
            and (self._purpose is None or access.purpose is self._purpose)
            and (self._first is None or values.local_day(access.at) >= self._first)
            and (self._last is None or values.local_day(access.at) <= self._last)
        )

    def people(self) -> tuple[Option, ...]:
        """Return the people who can be chosen, and the one who is."""
        return _options(self._people, self._who)

    def units(self) -> tuple[Option, ...]:
        """Return the units that can be chosen, and the one that is."""
        return _options(self._units, self._unit)

    def _tag(self, name: str) -> str:
        if name not in self._tags:
            self._tags[name] = self._keystore.pseudonym(f"{self._scope}/{name}")[:_TAG].hex()
        return self._tags[name]


def _name(actor: Actor) -> str:
    called = labels.actor_label(actor, "")
    return f"{called.name}, {called.title}" if called.title else called.name


def _options(met: dict[str, str], chosen: str) -> tuple[Option, ...]:
    """Return choices by name; the chosen one too where it was not met, without a name."""
    named = dict(met) if not chosen or chosen in met else {chosen: "", **met}
    return tuple(Option(id_, name) for id_, name in sorted(named.items(), key=lambda one: one[1].casefold()))


def _is_shown(access: Access, show: AccessShow, reader: str) -> bool:
    match show:
        case AccessShow.PEOPLE:
            return not access.is_automatic and not labels.is_by(access.actor, reader)
        case AccessShow.REFUSED:
            return access.decision is Decision.REFUSE
        case AccessShow.AUTOMATIC:
            return access.is_automatic
        case AccessShow.EMERGENCY:
            return access.activity is Activity.EMERGENCY
        case AccessShow.ALL:
            return True
