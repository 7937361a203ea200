"""The past: who could see what on a day, and a decision of the log made again."""

from datetime import timedelta

from litestar.params import FromPath

from app.security import valv_of
from app.web import labels, rule_form, values
from app.web.rule_views import DecisionView, ThenPart, ThenRow, ThenView, VerdictLine
from app.web.shell import Answer, Asked, Owner, owner, page, pick, shown
from app.web.views import FieldError, FieldProblem, FormState, RuleCard
from app.whose import parse_id
from app.wiring import Valv
from consent.ages import start_of
from policies.vocabulary import Category, GranteeKind
from sharing import again, granting, history
from sharing.again import Unknown, Verdict
from sharing.history import Reach, Stretch


@shown("/sharing/then")
async def show_then(request: Asked) -> Answer:
    """Show who could see a category on a day, when of it, and by which rules; today where no day is given."""
    own, house = owner(request), valv_of(request).house
    today = values.local_day(house.clock())
    text = request.query_params.get("day", "").strip()
    asked = rule_form.day_of(text)
    day = asked if asked is not None and asked <= today else today
    state = FormState({"day": (text or today.isoformat(),)})
    if text and asked is None:
        state = FormState(state.values, (FieldError("day", FieldProblem.NOT_A_DATE),))
    elif asked is not None and asked > today:
        state = FormState(state.values, (FieldError("day", FieldProblem.IN_THE_FUTURE),))
    category = pick(Category, request.query_params.get("category")) or Category.BLOOD_PRESSURE
    rows: tuple[ThenRow, ...] = ()
    if not state.errors:
        found = await history.who_could(house, own.principal, own.alias, category, day)
        cards = await _cards(request, own) if found else {}
        rows = tuple(_row(valv_of(request), one, cards) for one in found)
    bounds = start_of(day), start_of(day + timedelta(days=1))
    view = ThenView(category, day, today, *bounds, rows, state)
    return page(request, "then.html", view, 400 if state.errors else 200)


async def _cards(request: Asked, own: Owner) -> dict[str, RuleCard]:
    """Return every rule that is or was, as it last was and as far as the one who asks may know it."""
    valv = valv_of(request)
    _, found, managed = await history.take(valv.house, own.principal, own.alias)
    told = (granting.about(rules, managed) for rules in reversed(found))
    at, last = valv.house.clock(), {rule.id: rule for rules in told for rule in rules.rules}
    return {id_: labels.card(valv, rule, reader=own.self_id, at=at) for id_, rule in last.items()}


def _row(valv: Valv, one: Reach, cards: dict[str, RuleCard]) -> ThenRow:
    grantee = labels.node(valv.house.directory(), one.node)
    if grantee.kind is GranteeKind.PROXY:
        grantee = labels.person(valv, grantee)
    parts = tuple(_part(part, cards) for part in one.stretches)
    return ThenRow(grantee, one.people, parts, one.by_law)


def _part(one: Stretch, cards: dict[str, RuleCard]) -> ThenPart:
    rules, blocks = (tuple(cards[rule] for rule in ids) for ids in (one.allows, one.blocks))
    return ThenPart(one.since, one.until, one.could, rules, blocks)


# --- a decision made again


@shown("/accesses/{entry_id:str}")
async def show_decision(request: Asked, entry_id: FromPath[str]) -> Answer:
    """Show an entry of the log, decided again by the rules of its moment."""
    own, valv = owner(request), valv_of(request)
    event, made = await again.decide_again(valv.house, own.principal, own.alias, parse_id(entry_id))
    entry = None if event is None else labels.logged(entry_id, event, reader=own.self_id)
    if isinstance(made, Unknown):
        return page(request, "decision.html", DecisionView(entry, made))
    at = valv.house.clock() if event is None else event.at
    cards = tuple(labels.card(valv, rule, reader=own.self_id, at=at) for rule in made.rules)
    view = DecisionView(
        entry,
        version=made.version,
        agrees=made.agrees,
        logged=_line(made.logged),
        made=_line(made.made),
        rules=cards,
    )
    return page(request, "decision.html", view)


def _line(one: Verdict) -> VerdictLine:
    return VerdictLine(one.decision, one.categories, one.reason)
