"""What a citizen takes along of their log and checks without us: receipts, silence proofs, the program and the key."""

import re
from datetime import date, timedelta
from pathlib import Path

from litestar import Response, get
from litestar.params import FromPath

from app.errors import BadRequestError, NotFoundError
from app.security import Access, valv_of
from app.web import rule_form, values
from app.web.receipt_views import ProofView, SilenceCard
from app.web.shell import Answer, Asked, as_file, owner, page, shown
from app.web.views import FieldError, FieldProblem, FormState
from audit import evidence
from audit.errors import TooManyEntriesError
from sharing import accesses

_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
#: The program as it stands in the package: it is served, and never run here.
VERIFIER = Path(evidence.__file__).with_name("offline_verifier.py")
_JSON = "application/json"


@shown("/accesses/{entry_id:str}/receipt")
async def download_receipt(request: Asked, entry_id: FromPath[str]) -> Response[bytes]:
    """Give the receipt of an entry as a file."""
    own, house = owner(request), valv_of(request).house
    if _ID.fullmatch(entry_id) is None:
        raise NotFoundError
    taken = await accesses.receipt(house, own.principal, own.alias, bytes.fromhex(entry_id))
    return as_file(taken.file(), _JSON, f"kvitto-{entry_id}.json")


@shown("/accesses/silence")
async def download_silence(request: Asked) -> Response[bytes]:
    """Give the silence proof of a period as a file."""
    own, house = owner(request), valv_of(request).house
    first, last = period_of(request)
    taken = await accesses.silence(house, own.principal, own.alias, first, last)
    return as_file(taken.file(), _JSON, f"tystnad-{first}-{last}.json")


@shown("/accesses/proof")
async def show_proof(request: Asked) -> Answer:
    """Show what can be taken along and how it is checked; with a period, how many entries it has."""
    own, house = owner(request), valv_of(request).house
    today = values.local_day(house.clock())
    given = {name: request.query_params.get(name, "").strip() for name in ("from", "to")}
    month_ago = (today - timedelta(days=30)).isoformat()
    state = FormState({"from": (given["from"] or month_ago,), "to": (given["to"] or today.isoformat(),)})
    key, found = house.log.verifier_key, None
    if any(given.values()):
        state = FormState(state.values, tuple(_wrong(given["from"], given["to"], today)))
        if not state.errors:
            first, last = period_of(request)
            try:
                taken = await accesses.silence(house, own.principal, own.alias, first, last)
                found = SilenceCard(first, last, taken.within, taken.by_organisations)
            except TooManyEntriesError:
                state = FormState(state.values, (FieldError("from", FieldProblem.TOO_MANY_ENTRIES),))
    view = ProofView(key, state, found)
    return page(request, "proof.html", view, 400 if state.errors else 200)


def period_of(request: Asked) -> tuple[date, date]:
    """Return the period asked for, by its first and last day.

    Raises:
        BadRequestError: no period, or one that is not over by today.
    """
    first, last = (request.query_params.get(name, "").strip() for name in ("from", "to"))
    if _wrong(first, last, values.local_day(valv_of(request).house.clock())):
        raise BadRequestError(
            "from, to: days as 2026-01-31, the first no later than the last, which is today at most"
        )
    return date.fromisoformat(first), date.fromisoformat(last)


def _wrong(first: str, last: str, today: date) -> list[FieldError]:
    """Return what is wrong with a period's two days."""
    begin, end = rule_form.day_of(first), rule_form.day_of(last)
    wrong = [
        FieldError(name, FieldProblem.NOT_A_DATE)
        for name, day, text in (("from", begin, first), ("to", end, last))
        if day is None or day.isoformat() != text or day.year < 1900  # noqa: PLR2004 nothing was logged before
    ]
    if wrong or begin is None or end is None:
        return wrong
    if end > today:
        return [FieldError("to", FieldProblem.IN_THE_FUTURE)]
    return [FieldError("to", FieldProblem.END_BEFORE_START)] if end < begin else []


# --- for anybody


@get("/verify.py", opt={"access": Access.PUBLIC}, include_in_schema=False, sync_to_thread=True)
def verifier() -> Response[bytes]:
    """The program that checks receipts and silence proofs: one file, which needs Python and nothing of ours."""
    return as_file(VERIFIER.read_bytes(), "text/x-python", "verify.py")


@get("/verify.key", opt={"access": Access.PUBLIC}, include_in_schema=False, sync_to_thread=False)
def verifier_key(request: Asked) -> Response[bytes]:
    """The log's public key, as the program takes it."""
    return as_file(f"{valv_of(request).house.log.verifier_key}\n".encode(), "text/plain", "verify.key")
