"""The form of a rule, new or changed: what it offers, how a rule fills it in, and the rule that it says.

A rule that is changed keeps its id, whom it names, and whatever the form does not show.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from litestar.exceptions import PermissionDeniedException

from app.errors import BadRequestError
from app.security import valv_of
from app.web import labels, values
from app.web.formats import Lang
from app.web.shell import Answer, Asked, Owner, lang_of, page, pick, picked
from app.web.views import FieldError, FieldProblem, FormState, GranteeLabel, RuleFormView
from consent.parse import parse_rule
from consent.rules import Grantee, Rule, RuleError
from identity.directory import Directory
from identity.principal import Proxy
from policies.vocabulary import Action, Category, Effect, GranteeKind
from sharing import granting
from vault.measures import DIASTOLIC, MEASURES, SYSTOLIC

LONGEST_SEARCH = 100
_DATES = ("data_from", "data_to", "valid_from", "valid_to")
_WRITERS = frozenset({GranteeKind.UNIT, GranteeKind.PROVIDER})
_SPARED = frozenset(GranteeKind) - {GranteeKind.NETWORK, GranteeKind.EMERGENCY, GranteeKind.PROXY}
_PARTS = frozenset({SYSTOLIC.code, DIASTOLIC.code})  # of a record, which has the code of the whole
#: Who wrote it hides it from others: of the same provider (inre spärr), or of other providers (yttre spärr).
INNER, OUTER = "inner", "outer"


# --- showing


def show(request: Asked, own: Owner, effect: Effect, state: FormState, status: int = 200) -> Answer:
    """Show the form, with whom its searches find beside those that are chosen in it."""
    if effect is Effect.BLOCK and isinstance(own.principal, Proxy):
        raise PermissionDeniedException  # the page's own; the gate says the same of the block itself
    directory, rule = valv_of(request).house.directory(), state.value("rule")
    view = RuleFormView(
        effect,
        _grantees(directory, effect, state),
        state,
        codes=_codes(state, lang_of(request)),
        spares=_chosen(directory, state.all("spares"), state.value("spare_who"), _SPARED),
        writers=_chosen(directory, state.all("sources"), state.value("writer_who"), _WRITERS),
        devices=tuple(one for one in state.all("sources") if one.startswith(("device:", "client:"))),
        changed=_label(directory, state.value("grantee"), effect) if rule else None,
    )
    here = f"/sharing/{rule}/change" if rule else f"/sharing/new?effect={effect}"
    return page(request, "rule_form.html", view, status, here=here)


def _grantees(directory: Directory, effect: Effect, state: FormState) -> tuple[GranteeLabel, ...]:
    several = [Grantee(GranteeKind.NETWORK, "")]
    if effect is Effect.BLOCK:
        several.append(Grantee(GranteeKind.EMERGENCY, ""))
    chosen = _grantee(state.value("grantee"))
    named = [chosen] if chosen is not None and labels.is_known(directory, chosen) else []
    found = {
        one.key: replace(one, allowed=effect is Effect.ALLOW)
        for one in (
            *labels.found(directory, state.value("who")[:LONGEST_SEARCH]),
            *(labels.label(directory, one) for one in (*named, *several)),
        )
    }
    return tuple(found.values())


def _chosen(
    directory: Directory, keys: Iterable[str], words: str, kinds: frozenset[GranteeKind]
) -> tuple[GranteeLabel, ...]:
    """Return those of some kinds that are chosen, and those that words find."""
    named = (one for one in map(_grantee, keys) if one is not None and one.kind in kinds)
    hits = (one for one in labels.found(directory, words[:LONGEST_SEARCH]) if one.kind in kinds)
    found = {one.key: one for one in (*(labels.label(directory, one) for one in named), *hits)}
    return tuple(found.values())


def _label(directory: Directory, key: str, effect: Effect) -> GranteeLabel | None:
    named = _grantee(key)
    return None if named is None else replace(labels.label(directory, named), allowed=effect is Effect.ALLOW)


def _codes(state: FormState, lang: Lang) -> tuple[tuple[str, str], ...]:
    """Return the choices of single values: the codes of one name together, and what it is called."""
    offered = {
        " ".join(codes): f"{values.name_of(codes[0], lang)} ({', '.join(codes)})"
        for codes in _groups().values()
    }
    kept = {one: one for one in state.all("codes") if one not in offered}
    return tuple((offered | kept).items())


def _groups() -> dict[tuple[Category, str], list[str]]:
    groups: dict[tuple[Category, str], list[str]] = {}
    for one in MEASURES.values():
        if one.code not in _PARTS:
            groups.setdefault((one.category, one.sv), []).append(one.code)
    return groups


# --- filling in


def filled(rule: Rule) -> FormState:
    """Return the form that says what a rule says."""
    groups = [" ".join(codes) for codes in _groups().values() if rule.codes.issuperset(codes)]
    rest = rule.codes.difference(*(group.split() for group in groups))
    return FormState(
        {
            "rule": (rule.id,),
            "grantee": (_key(rule.grantee),),
            "actions": tuple(sorted(rule.actions)),
            "categories": tuple(sorted(rule.categories)),
            "codes": (*groups, *sorted(rest)),
            "sources": tuple(sorted(rule.sources)),
            "spares": tuple(_key(one) for one in sorted(rule.spares)),
            "while_related": ("1",) if rule.while_related else (),
            **{name: (text,) if text else () for name, text in _days_of(rule).items()},
        }
    )


def _days_of(rule: Rule) -> dict[str, str]:
    """Return the days that the form shows of a rule's times: the last is the one before the end."""
    ends = None if rule.valid_to is None else rule.valid_to - datetime.resolution
    times = {"valid_from": rule.valid_from, "valid_to": ends}
    days: dict[str, date | None] = {
        "data_from": rule.data_from,
        "data_to": rule.data_to,
        **{name: None if at is None else values.local_day(at) for name, at in times.items()},
    }
    return {name: "" if day is None else day.isoformat() for name, day in days.items()}


def _key(grantee: Grantee) -> str:
    return f"{grantee.kind}:{grantee.id}"


# --- reading


def effect_of(fields: FormState) -> Effect:
    """Return whether a form is of an allow or a block."""
    found = pick(Effect, fields.value("effect"))
    if found is None:
        raise BadRequestError("effect: allow or block")
    return found


async def read(request: Asked, own: Owner, fields: FormState) -> Rule | FormState:
    """Return the rule that the form says, or the form with what is wrong.

    Raises:
        sharing.granting.NoSuchRuleError: it changes a rule that there is not.
    """
    house = valv_of(request).house
    at, directory, old = house.clock(), house.directory(), await _old(request, own, fields)
    problems = list(_problems(fields, directory, values.local_day(at), old))
    if problems:
        return FormState(fields.values, tuple(problems))
    try:
        made = parse_rule(_raw(fields, directory), id=granting.new_rule_id(), author=own.self_id, created=at)
        return made if old is None else _kept(old, made, fields)
    except RuleError as error:
        name = str(error).partition(":")[0].partition(".")[0]
        problem = FieldProblem.SYSTEM_READS if name == "actions" else FieldProblem.CHOOSE_ONE
        return FormState(fields.values, (FieldError(name, problem),))


async def _old(request: Asked, own: Owner, fields: FormState) -> Rule | None:
    """Return the rule that a form changes; whom it names stays, and so does whether it allows or blocks."""
    if not fields.value("rule"):
        return None
    found = await granting.find_rule(valv_of(request).house, own.principal, own.alias, fields.value("rule"))
    same = (found.effect, _key(found.grantee)) == (effect_of(fields), fields.value("grantee"))
    if not same or found.grantee.kind is GranteeKind.PROXY or fields.value("reach"):
        raise BadRequestError("effect, grantee, reach: not the rule's; end it and make a new one")
    return found


def _kept(old: Rule, made: Rule, fields: FormState) -> Rule:
    """Return a changed rule with what the form does not show, and with times as they were where their day is."""
    same = {
        name: getattr(old, name)
        for name, day in _days_of(old).items()
        if name.startswith("valid") and day == fields.value(name).strip()
    }
    unseen = ("id", "purposes", "records", "until_plan", "lifts", "document", "helper", "confirmed")
    return replace(made, **same, **{name: getattr(old, name) for name in unseen})


def _problems(fields: FormState, directory: Directory, today: date, old: Rule | None) -> Iterator[FieldError]:
    if fields.value("reach"):
        if _hidden(fields, directory) is None:
            yield FieldError("sources", FieldProblem.CHOOSE_WRITER)
    elif old is None:
        grantee = _grantee(fields.value("grantee"))
        if grantee is None or not labels.is_known(directory, grantee):
            yield FieldError("grantee", FieldProblem.UNKNOWN_GRANTEE)
    if not picked(Action, fields.all("actions")):
        yield FieldError("actions", FieldProblem.CHOOSE_SOME)
    categories = _categories(fields)
    if not categories:
        yield FieldError("categories", FieldProblem.CHOOSE_SOME)
    elif not _fit(_codes_of(fields), categories):
        yield FieldError("codes", FieldProblem.CODES_ELSEWHERE)
    if any(one is None or one.kind not in _SPARED for one in map(_grantee, fields.all("spares"))):
        yield FieldError("spares", FieldProblem.UNKNOWN_GRANTEE)
    yield from wrong_days(fields, _DATES, today)


def _fit(codes: frozenset[str], categories: frozenset[Category]) -> bool:
    """Tell whether each chosen category has a chosen value, and the other way round; an unknown code may be of any."""
    known = {MEASURES[code].category for code in codes if code in MEASURES}
    return not codes or (known <= categories and (known == categories or not codes <= set(MEASURES)))


def wrong_days(fields: FormState, names: Iterable[str], today: date) -> Iterator[FieldError]:
    """Yield what is wrong with the days of a form: not days, an end before its start, a last day that is over."""
    days = {name: day_of(fields.value(name)) for name in names}
    for name, day in days.items():
        if day is None and fields.value(name).strip():
            yield FieldError(name, FieldProblem.NOT_A_DATE)
    end = days["valid_to"]
    if end is not None and end < today:
        yield FieldError("valid_to", FieldProblem.IN_THE_PAST)
    for first, last in (("data_from", "data_to"), ("valid_from", "valid_to")):
        start, stop = days.get(first), days.get(last)
        if start is not None and stop is not None and stop < start:
            yield FieldError(last, FieldProblem.END_BEFORE_START)


def _grantee(key: str) -> Grantee | None:
    kind, colon, id_ = key.partition(":")
    found = pick(GranteeKind, kind)
    return Grantee(found, id_) if found is not None and colon else None


def day_of(text: str) -> date | None:
    """Return the day that a field names, if it is one."""
    try:
        return datetime.strptime(text.strip(), "%Y-%m-%d").date()  # noqa: DTZ007 a day has no zone
    except ValueError:
        return None


def _codes_of(fields: FormState) -> frozenset[str]:
    return frozenset(code for group in fields.all("codes") for code in group.split())


def _categories(fields: FormState) -> frozenset[Category]:
    """Return the categories that are ticked, or in a block of all but some, the others."""
    ticked = frozenset(picked(Category, fields.all("categories")))
    return frozenset(Category) - ticked if fields.value("but") else ticked


def _hidden(fields: FormState, directory: Directory) -> tuple[Grantee, Grantee] | None:
    """Return from whom an inner or outer block hides what one unit or provider wrote, and whom it spares."""
    writers = [
        one for one in map(_grantee, fields.all("sources")) if one is not None and one.kind in _WRITERS
    ]
    if len(writers) != 1 or len(fields.all("sources")) != 1:
        return None
    (writer,) = writers
    unit = directory.units.get(writer.id)
    if fields.value("reach") == INNER:
        return None if unit is None else (Grantee(GranteeKind.PROVIDER, unit.provider.id), writer)
    provider = writer.id if unit is None else unit.provider.id
    spared = Grantee(GranteeKind.PROVIDER, provider)
    return (Grantee(GranteeKind.NETWORK, ""), spared) if provider in directory.providers else None


def _raw(fields: FormState, directory: Directory) -> dict[str, Any]:
    """Return the rule as it would be posted."""
    named = _grantee(fields.value("grantee"))
    spares = [one for one in map(_grantee, fields.all("spares")) if one is not None]
    if fields.value("reach") and (hidden := _hidden(fields, directory)) is not None:
        named, spared = hidden
        spares.append(spared)
    if named is None:
        raise BadRequestError("grantee: nobody")
    return {
        "effect": fields.value("effect"),
        "grantee": {"kind": named.kind, "id": named.id},
        "actions": list(fields.all("actions")),
        "categories": sorted(_categories(fields)),
        "codes": sorted(_codes_of(fields)),
        "sources": list(fields.all("sources")),
        "spares": [{"kind": one.kind, "id": one.id} for one in spares],
        "while_related": bool(fields.value("while_related")),
        **{name: fields.value(name).strip() or None for name in _DATES},
    }
