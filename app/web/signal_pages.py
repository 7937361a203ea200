"""Signals: which accesses of a period are worth a supervisor's look, in order, each with why."""

from datetime import timedelta

from app.security import valv_of
from app.web import labels, values
from app.web.control_pages import organisation_of, period_asked
from app.web.review import pseudonym
from app.web.shell import Answer, Asked, page, shown, supervisor
from app.web.signal_views import SignalRow, SignalsView
from sharing import watching
from sharing.accesses import own_organisation

#: So many are shown; a supervisor reads from the top.
_SHOWN = 200
_LATEST = timedelta(days=30)


@shown("/review/signals")
async def show_signals(request: Asked) -> Answer:
    """Show the signals of a period."""
    member, valv = supervisor(request), valv_of(request)
    asked = period_asked(request, _LATEST, longest=watching.LONGEST)
    if asked.period is None:
        return page(request, "signals.html", SignalsView(organisation_of(request), asked.form), 400)
    since, until = asked.period
    found = await watching.signals(valv.house, member, since, until)
    node = own_organisation(member)
    rows = tuple(
        SignalRow(labels.entry(one.access, reader="", about=pseudonym(valv, node, one.access)), one.hit)
        for one in found.signals[:_SHOWN]
    )
    view = SignalsView(
        organisation_of(request),
        asked.form,
        rows,
        values.local_day(since),
        values.local_day(until - timedelta(microseconds=1)),
        found.looked,
        len(found.signals),
    )
    return page(request, "signals.html", view)
