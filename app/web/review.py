"""A supervisor's page: what the own organisation's staff and systems did, by day, person and unit.

A citizen is shown by a pseudonym that the same organisation always sees for the same vault, never by name or
personal number: whose it is is not a supervisor's to read here.
"""

from collections.abc import Callable, Iterable
from datetime import date, datetime, time

from app.security import valv_of
from app.web import labels, values
from app.web.chart import ZONE
from app.web.shell import Answer, Asked, cursor, day_of, page, pick, shown, supervisor
from app.web.views import AccessShow, FormState, Option, ReviewView, WitnessView
from app.wiring import Valv
from audit.events import Activity, Decision, EventKind
from audit.review import Access
from audit.witnessed import Standing
from identity.directory import Directory
from identity.principal import Unit
from sharing import reviewing, searching
from sharing.accesses import own_organisation

_PSEUDONYM = 4
_FIELDS = ("day", "user", "unit", "show")


@shown("/review")
async def show_review(request: Asked) -> Answer:
    """Show the accesses that the filter leaves."""
    member, valv = supervisor(request), valv_of(request)
    state = FormState({name: (request.query_params.get(name, ""),) for name in _FIELDS})
    day = day_of(state.value("day"))
    found = await searching.of_organisation(
        valv.house,
        member,
        keep=_filter(state, day),
        before=cursor(request),
        since=None if day is None else datetime.combine(day, time(), ZONE),
    )
    node = own_organisation(member)
    owed, at = await reviewing.queue(valv.house, member), valv.house.clock()
    directory = valv.house.directory()
    units = _units(directory, node)
    view = ReviewView(
        directory.node_name(node),
        tuple(labels.entry(one, reader="", about=pseudonym(valv, node, one)) for one in found.accesses),
        state,
        users=_users(directory, units),
        units=_options((unit.id, unit.name) for unit in units),
        reads=sum(_is_read(one) for one in found.accesses),
        refused=sum(one.decision is Decision.REFUSE for one in found.accesses),
        older="" if found.before is None else str(found.before),
        owed=len(owed),
        overdue=sum(one.is_overdue(at) for one in owed),
        witnesses=tuple(map(_witness, request.app.state.witnessing.standings())),
    )
    return page(request, "review.html", view)


def _witness(standing: Standing) -> WitnessView:
    at = None if standing.cosigned is None else standing.cosigned.at
    return WitnessView(standing.witness.name, at, None if standing.alarm is None else standing.alarm.kind)


def _filter(state: FormState, day: date | None) -> Callable[[Access], bool]:
    user, unit = state.value("user"), state.value("unit")
    show = pick(AccessShow, state.value("show")) or AccessShow.PEOPLE

    def keep(access: Access) -> bool:
        return (
            (day is None or values.local_day(access.at) == day)
            and (not user or access.actor.id == user)
            and (not unit or access.actor.unit_id == unit)
            and _is_shown(access, show)
        )

    return keep


def _is_shown(access: Access, show: AccessShow) -> bool:
    match show:
        case AccessShow.PEOPLE:
            return not access.is_automatic
        case AccessShow.REFUSED:
            return access.decision is Decision.REFUSE
        case AccessShow.AUTOMATIC:
            return access.is_automatic
        case AccessShow.EMERGENCY:
            return access.activity is Activity.EMERGENCY
        case AccessShow.ALL:
            return True


def _is_read(access: Access) -> bool:
    return access.decision is Decision.PERMIT and (access.kind, access.activity) == (
        EventKind.READ,
        Activity.READ,
    )


def pseudonym(valv: Valv, node: str, access: Access) -> str:
    """Return how an organisation sees whose vault it was: always alike, and never by name or number."""
    if access.vault is None:
        return ""
    found = valv.house.keystore.pseudonym(f"review/{node}/{access.vault.hex()}")
    return f"person {found[:_PSEUDONYM].hex()}"


def _units(directory: Directory, node: str) -> list[Unit]:
    """Return the units whose accesses this organisation's supervisor sees."""
    return [unit for unit in directory.units.values() if node in unit.nodes()]


def _users(directory: Directory, units: list[Unit]) -> tuple[Option, ...]:
    ids = {unit.id for unit in units}
    return _options(
        (member.id, member.name)
        for member in directory.members.values()
        if any(one.unit.id in ids for one in member.commissions)
    )


def _options(pairs: Iterable[tuple[str, str]]) -> tuple[Option, ...]:
    return tuple(Option(id_, name) for id_, name in sorted(pairs, key=lambda pair: pair[1].casefold()))
