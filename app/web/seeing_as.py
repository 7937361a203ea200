"""See as…: the citizen's vault as staff of a unit see it, counted and record by record."""

from dataclasses import replace

from app import cursor as cursors
from app.security import valv_of
from app.web import labels, values
from app.web.rule_form import LONGEST_SEARCH
from app.web.rule_views import SeeAsRecordsView, SeeAsView
from app.web.shell import Answer, Asked, lang_of, owner, page, pick, shown
from app.web.views import FormState, GranteeLabel
from consent.parse import parse_grantee
from consent.rules import Grantee
from identity.directory import Directory
from policies.vocabulary import Category, GranteeKind
from sharing import granting, seeing
from sharing.paging import Wish


@shown("/sharing/as")
async def show_as(request: Asked) -> Answer:
    """Show how much of the vault a unit's staff sees, or one there whom the rules name."""
    own, valv = owner(request), valv_of(request)
    words, unit, whom = _asked(request)
    directory = valv.house.directory()
    hits = labels.found(directory, words[:LONGEST_SEARCH])
    found = tuple(one for one in hits if one.kind is GranteeKind.UNIT)
    view = SeeAsView(None, found, FormState({"who": (words,)}))
    if unit:
        counts = await seeing.see_as(valv.house, own.principal, own.alias, unit, whom)
        rules = await granting.rules_of(valv.house, own.principal, own.alias)
        named = seeing.told_apart(rules, directory, unit)
        view = replace(
            view,
            unit=labels.node(directory, f"unit:{unit}"),
            counts={name: (one.after, one.before) for name, one in counts.items() if one.before},
            others=tuple(labels.label(directory, one) for one in named),
            whom=_label(directory, whom),
        )
    return page(request, "see_as.html", view)


@shown("/sharing/as/records")
async def show_records_as(request: Asked) -> Answer:
    """Show the records that they see, the newest first, page by page."""
    own, house = owner(request), valv_of(request).house
    _, unit, whom = _asked(request)
    category, before = (
        pick(Category, request.query_params.get("category")),
        request.query_params.get("before", ""),
    )
    after, total = cursors.unseal(house.keystore, own.alias, before) if before else (None, None)
    found = await seeing.records_as(
        house,
        own.principal,
        own.alias,
        unit,
        Wish(values.MOST_ROWS, after=after, told=after is None),
        whom=whom,
        categories=() if category is None else (category,),
    )
    total = total if found.total is None else found.total
    directory, lang = house.directory(), lang_of(request)
    view = SeeAsRecordsView(
        labels.node(directory, f"unit:{unit}"),
        _label(directory, whom),
        category,
        tuple(values.reading_of(record, lang) for record in found.columns.records()),
        total or 0,
        older="" if found.more is None else cursors.seal(house.keystore, own.alias, found.more, total),
        is_older=after is not None,
    )
    return page(request, "see_as_records.html", view)


def _asked(request: Asked) -> tuple[str, str, Grantee | None]:
    """Return what was searched for, which unit, and which person or role there."""
    words, unit, whom = (request.query_params.get(name, "") for name in ("who", "unit", "whom"))
    kind, _, id_ = whom.partition(":")
    return words, unit, parse_grantee(kind, id_) if kind else None


def _label(directory: Directory, whom: Grantee | None) -> GranteeLabel | None:
    return None if whom is None else labels.label(directory, whom)
