"""A rule as it is posted: ``POST /api/consents`` and the pages' form, made into a Rule or refused by field.

Everything is checked here, once; the text of a :class:`~consent.rules.RuleError` begins with the field.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar

from consent.ages import start_of
from consent.rules import Contact, Grantee, Lift, Rule, RuleError
from identity.principal import Relation
from policies.vocabulary import Action, Category, Effect, GranteeKind, Purpose

_FIELDS = (
    "effect", "grantee", "spares", "actions", "categories", "codes", "records", "sources", "purposes",
    "data_from", "data_to", "valid_from", "valid_to", "while_related", "until_plan", "relation", "document",
)  # fmt: skip
_HSA_ID = re.compile(r"SE[0-9]{10}-[A-Z0-9]{1,20}")
_CLIENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_CODE = re.compile(r"[!-~]{1,64}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_RECORD_ID = re.compile(r"[0-9]{8}-[0-9a-f]{16}")
_ALIAS = re.compile(r"[0-9a-f]{32}")
_SOURCE = re.compile(
    rf"mine|device|device:[^\x00-\x1f]{{1,200}}|(?:unit|provider):{_HSA_ID.pattern}|client:{_CLIENT_ID.pattern}"
)
_SOURCES = ("mine", "device", "device:<name>", "unit:<HSA-id>", "provider:<HSA-id>", "client:<id>")
_MOST = 200
_LONGEST_TITLE = 100

_Word = TypeVar("_Word", bound=StrEnum)


def parse_rule(
    raw: Mapping[str, Any],
    *,
    id: str,  # noqa: A002
    author: str,
    created: datetime,
    helper: str = "",
) -> Rule:
    """Return the rule that was posted, under the id, author, time and helper that we give it.

    A day in ``valid_from`` is its first moment and in ``valid_to`` its last, Swedish time.

    Raises:
        RuleError: a field is missing, unknown or wrong; the text names it first.
    """
    _demand_known(raw, _FIELDS)
    rule = Rule(
        id=id,
        effect=_word(Effect, "effect", raw.get("effect")),
        grantee=_grantee(raw.get("grantee"), "grantee"),
        actions=frozenset(_words(Action, "actions", raw)),
        categories=frozenset(_words(Category, "categories", raw)),
        codes=_texts("codes", raw, _CODE, "each a code of 1 to 64 visible characters, as 85354-9"),
        records=_texts("records", raw, _RECORD_ID, "the ids of records"),
        sources=_texts("sources", raw, _SOURCE, f"each {', '.join(_SOURCES)}"),
        spares=frozenset(_grantee(one, "spares") for one in _list("spares", raw)),
        purposes=frozenset(_words(Purpose, "purposes", raw)),
        data_from=_optional(raw, "data_from", parse_day),
        data_to=_optional(raw, "data_to", parse_day),
        valid_from=_optional(raw, "valid_from", _first_moment),
        valid_to=_optional(raw, "valid_to", _last_moment),
        while_related=_flag("while_related", raw),
        until_plan=_record("until_plan", raw),
        relation=None if raw.get("relation") is None else _word(Relation, "relation", raw["relation"]),
        document=_record("document", raw),
        helper=helper,
        author=author,
        created=created,
    )
    if (rule.grantee.kind, rule.effect) == (GranteeKind.CLIENT, Effect.ALLOW) and Action.READ in rule.actions:
        raise RuleError("actions: a client system may add, never read")
    if rule.relation is Relation.RELATIVE and Action.MANAGE in rule.actions:
        raise RuleError("actions: a relative reads and adds, and never shares")
    return rule


def parse_contact(raw: Mapping[str, Any], *, at: datetime) -> Contact:
    """Return the contact that was posted: ``grantee``, ``role``, ``since`` (now, where it is left out), ``until``.

    Raises:
        RuleError: a field is missing, unknown or wrong; the text names it first.
    """
    _demand_known(raw, ("grantee", "role", "since", "until"))
    role = raw.get("role", "")
    if not isinstance(role, str) or len(role) > _LONGEST_TITLE or not role.isprintable():
        raise RuleError(f"role: a text of at most {_LONGEST_TITLE} characters")
    return Contact(
        _grantee(raw.get("grantee"), "grantee"),
        unicodedata.normalize("NFC", role.strip()),
        _optional(raw, "since", _first_moment) or at,
        _optional(raw, "until", _last_moment),
    )


def parse_lift(raw: Mapping[str, Any]) -> Lift:
    """Return how a block is to be laid aside, as posted: ``until``, and ``grantee`` where it is for one alone.

    Raises:
        RuleError: a field is missing, unknown or wrong; the text names it first.
    """
    _demand_known(raw, ("until", "grantee"))
    until = _optional(raw, "until", _last_moment)
    if until is None:
        raise RuleError("until: required")
    return Lift(until, None if raw.get("grantee") is None else _grantee(raw["grantee"], "grantee"))


def parse_grantee(kind: str, identifier: str) -> Grantee:
    """Return whom a kind and an id name.

    Raises:
        RuleError: no such kind, or not an id of it.
    """
    return _grantee({"kind": kind, "id": identifier}, "grantee")


def _demand_known(raw: Mapping[str, Any], names: Iterable[str]) -> None:
    for name in raw:
        if name not in names:
            raise RuleError(f"{name}: no such field")


def _grantee(raw: Any, name: str) -> Grantee:
    if not isinstance(raw, dict) or not set(raw) <= {"kind", "id"}:
        raise RuleError(f"{name}: an object with kind and id")
    kind, identifier = _word(GranteeKind, f"{name}.kind", raw.get("kind")), raw.get("id", "")
    if not isinstance(identifier, str):
        raise RuleError(f"{name}.id: a text")
    identifier = unicodedata.normalize("NFC", identifier)
    match kind:
        case GranteeKind.NETWORK | GranteeKind.EMERGENCY:
            good, form = identifier == "", f"empty for {kind}"
        case GranteeKind.PROXY:
            good, form = _ALIAS.fullmatch(identifier) is not None, "a person's id, 32 hexadecimal digits"
        case GranteeKind.CLIENT:
            good, form = _CLIENT_ID.fullmatch(identifier) is not None, "a client system's id"
        case GranteeKind.ROLE:
            good, form = _is_role(identifier), "a unit's HSA-id, a slash and a title"
        case _:
            good, form = (
                _HSA_ID.fullmatch(identifier) is not None,
                "an HSA-id: SE, ten digits, -, 1-20 of A-Z 0-9",
            )
    if not good:
        raise RuleError(f"{name}.id: must be {form}")
    return Grantee(kind, identifier)


def _is_role(identifier: str) -> bool:
    unit, _, title = identifier.partition("/")
    tidy = title.isprintable() and title == title.strip() and 0 < len(title) <= _LONGEST_TITLE
    return tidy and _HSA_ID.fullmatch(unit) is not None


def _word(kind: type[_Word], name: str, raw: Any) -> _Word:
    if isinstance(raw, str) and raw in set(kind):
        return kind(raw)
    raise RuleError(f"{name}: one of {', '.join(kind)}")


def _list(name: str, raw: Mapping[str, Any]) -> list[Any]:
    found = raw.get(name)
    match found:
        case None:
            return []
        case list():
            return found
        case _:
            raise RuleError(f"{name}: a list")


def _words(kind: type[_Word], name: str, raw: Mapping[str, Any]) -> list[_Word]:
    return [_word(kind, name, item) for item in _list(name, raw)]


def _texts(name: str, raw: Mapping[str, Any], form: re.Pattern[str], told: str) -> frozenset[str]:
    found = [unicodedata.normalize("NFC", one) if isinstance(one, str) else "" for one in _list(name, raw)]
    if len(found) > _MOST:
        raise RuleError(f"{name}: at most {_MOST}")
    if not all(map(form.fullmatch, found)):
        raise RuleError(f"{name}: {told}")
    return frozenset(found)


def _flag(name: str, raw: Mapping[str, Any]) -> bool:
    match raw.get(name):
        case None | False:
            return False
        case True:
            return True
        case _:
            raise RuleError(f"{name}: true or false")


def _record(name: str, raw: Mapping[str, Any]) -> str:
    found = raw.get(name) or ""
    if found and not (isinstance(found, str) and _RECORD_ID.fullmatch(found)):
        raise RuleError(f"{name}: the id of a record")
    return str(found)


_Parsed = TypeVar("_Parsed")


def _optional(raw: Mapping[str, Any], name: str, parse: Callable[[str], _Parsed]) -> _Parsed | None:
    found = raw.get(name)
    if found is None:
        return None
    try:
        if isinstance(found, str):
            return parse(found)
    except (ValueError, OverflowError):
        pass
    raise RuleError(
        f"{name}: a day as 2026-01-31{'' if name.startswith('data') else ', or a time with its zone'}"
    )


def parse_day(text: str) -> date:
    """Return a day as we write it, ``2026-01-31``; a ValueError of another form."""
    if _DAY.fullmatch(text) is None:  # fromisoformat takes weeks and dates without hyphens too
        raise ValueError(text)
    return date.fromisoformat(text)


def _moment(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(text)
    return at


def _first_moment(text: str) -> datetime:
    return (_moment(text) if "T" in text else start_of(parse_day(text))).astimezone(UTC)


def _last_moment(text: str) -> datetime:
    return (_moment(text) if "T" in text else start_of(parse_day(text) + timedelta(days=1))).astimezone(UTC)
