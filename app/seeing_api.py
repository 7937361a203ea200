"""``/api/sharing/as``: the citizen's vault as staff of a unit see it, counted and record by record."""

from functools import partial
from typing import Any
from urllib.parse import parse_qsl

from litestar import Request, Response, get
from litestar.datastructures import State

from app import cursor
from app.fhir.bundle import searchset
from app.fhir.search import page_link, parse
from app.security import principal, valv_of
from app.whose import alias_for
from consent.parse import parse_grantee
from consent.rules import Grantee
from sharing import seeing
from sharing.paging import Wish
from vault.lines import Lines
from vault.resource import to_fhir

Call = Request[Any, Any, State]
#: What may be asked for: whose eyes, and of FHIR's parameters those that a list of records has.
_WHOSE = frozenset({"unit", "whom"})
_SEARCHED = frozenset({"category", "_count", "_cursor", "_sort"})


@get("/sharing/as")
async def see_as(request: Call) -> dict[str, Any]:
    """How much of each category a unit's staff, or one person or role there, sees, of how much there is."""
    house, who = valv_of(request).house, principal(request)
    found = await seeing.see_as(house, who, alias_for(who, None), *_eyes(request))
    return {
        "categories": {
            name: {"all": count.before, "seen": count.after} for name, count in found.items() if count.before
        }
    }


@get("/sharing/as/records")
async def see_records_as(request: Call) -> Response[bytes]:
    """The records that they see, as a FHIR searchset: what a search of theirs would find, page by page."""
    house, who = valv_of(request).house, principal(request)
    alias, (unit, whom) = alias_for(who, None), _eyes(request)
    asked = parse_qsl(request.url.query, keep_blank_values=True)
    search = parse([one for one in asked if one[0] not in _WHOSE], allowed=_SEARCHED)
    after, total = cursor.unseal(house.keystore, alias, search.cursor) if search.cursor else (None, None)
    wish = Wish(search.count, search.order, after, told=after is None)
    found = await seeing.records_as(house, who, alias, unit, wish, whom=whom, categories=search.categories)
    total = found.total if after is None else total
    links = []
    if found.more is not None:
        sealed = cursor.seal(house.keystore, alias, found.more, total)
        links.append(page_link("/api/sharing/as/records", asked, sealed))
    entries = Lines(partial(to_fhir, patient_id=alias.hex())).of(found.columns)
    return Response(searchset(entries, total=total, links=links), media_type="application/fhir+json")


HANDLERS = (see_as, see_records_as)


def _eyes(request: Call) -> tuple[str, Grantee | None]:
    """Return which unit, and which person (``person:<HSA-id>``) or role (``role:<unit>/<title>``) there."""
    kind, _, id_ = request.query_params.get("whom", "").partition(":")
    return request.query_params.get("unit", ""), parse_grantee(kind, id_) if kind else None
