"""The one table from what the house raises to what goes out. Denied and absent look alike; no cause leaves.

Pages get an error page, ``/fhir`` an OperationOutcome, everything else problem+json (RFC 9457). The cause goes
to the operator's log, under a reference that the reply carries.
"""

import json
import logging
import secrets
import traceback
from dataclasses import dataclass, replace
from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.response import Redirect

from app.security import NotLoggedInError, StaleAuthenticationError
from audit.errors import LogUnavailableError, NoSuchEntryError, TooManyEntriesError
from consent.gate import NextStep, Refused
from consent.rules import RuleError
from identity.directory import NotInDirectoryError
from identity.errors import IdentityError
from identity.numbers import NumberError
from importers.candidates import FormatError
from importers.upload import UploadTooLargeError
from keys.primitives import KeysError
from sharing.asking import NoSuchRequestError
from sharing.cases import NoSuchCaseError
from sharing.controls import NoSuchControlError
from sharing.granting import NoSuchRuleError
from vault.database import DatabaseUnavailableError
from vault.errors import MalformedRecordError, NoKeyError, NoVaultError, TamperedError, VaultError

LOGGER = logging.getLogger("valv")


class BadRequestError(Exception):
    """What a machine sent is wrong: the text says what and where, and repeats no personal number."""


class NotFoundError(Exception):
    """There is nothing at that address for this caller."""


class TooLargeError(Exception):
    """What a machine sent is more than is taken at once; the text says how much is."""


class StreamBrokenError(Exception):
    """An answer broke off after it had begun; the operator's log has the cause, under the reference."""


class TooManyRequestsError(Exception):
    """The caller's commission has looked up too many, or so; ``retry_after`` in seconds."""

    def __init__(self, retry_after: int, what: str = "look-ups") -> None:
        super().__init__(f"Too many {what}")
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Problem:
    """What goes out: status, FHIR issue code, a title, and where it helps a sentence and a next step."""

    status: int
    code: str
    title: str
    detail: str = ""
    next_step: str = ""
    retry_after: int | None = None
    reference: str = ""


_DATABASE = (
    "Databasen svarar inte just nu. Försök igen om en stund. / "
    "The database does not answer now. Try again in a while."
)
_LOG = (
    "Inget kan skrivas i loggen just nu, och utan den lämnas inget ut. Försök igen om en stund. / "
    "Nothing can be logged now, and without the log nothing is shown. Try again in a while."
)
_ASK = "Ask the citizen for access: POST /api/access-requests (on the pages: Be om åtkomst)."


def problem_of(error: Exception) -> Problem:  # noqa: C901, PLR0911, PLR0912 one table, read from top to bottom
    """Return what an exception becomes outside."""
    match error:
        case Refused(next_step=NextStep.ASK_FOR_ACCESS) | NoKeyError() | NoVaultError():
            return Problem(403, "forbidden", "Not permitted", "You may not do this.", _ASK)
        case Refused():
            return Problem(403, "forbidden", "Not permitted", "You may not do this.")
        case StaleAuthenticationError():
            return Problem(403, "login", "Log in again", "This needs a login under five minutes old.")
        case (
            RuleError()
            | NumberError()
            | BadRequestError()
            | FormatError()
            | MalformedRecordError()
            | TooManyEntriesError()
        ):
            return Problem(400, "invalid", "The request is wrong", str(error))
        case RecursionError():
            return Problem(400, "structure", "The request is wrong", "The body is nested too deeply.")
        case (
            NotInDirectoryError()
            | NotFoundError()
            | NoSuchRuleError()
            | NoSuchRequestError()
            | NoSuchEntryError()
            | NoSuchCaseError()
            | NoSuchControlError()
        ):
            return Problem(404, "not-found", "Nothing here")
        case UploadTooLargeError() | TooLargeError():
            return Problem(413, "too-long", "Too large", str(error))
        case TooManyRequestsError(retry_after=seconds):
            return Problem(429, "throttled", str(error), retry_after=seconds)
        case LogUnavailableError():
            return Problem(503, "transient", "Nothing can be logged", _LOG, retry_after=5)
        case DatabaseUnavailableError():
            return Problem(503, "transient", "The database does not serve now", _DATABASE, retry_after=5)
        case HTTPException(status_code=status) if status < 500:  # noqa: PLR2004 the client's own
            return Problem(status, _CODES.get(status, "invalid"), _TITLES.get(status, "The request is wrong"))
        case TamperedError() | VaultError() | KeysError() | IdentityError():
            return Problem(503, "exception", "The vault cannot be opened now")
        case _:
            return Problem(500, "exception", "Something went wrong on our side")


_UNAVAILABLE = LogUnavailableError | DatabaseUnavailableError
_CODES = {401: "login", 403: "forbidden", 404: "not-found", 405: "not-supported", 413: "too-long"}
_TITLES = {
    401: "Log in first",
    403: "Not permitted",
    404: "Nothing here",
    405: "Not that method",
    413: "Too large",
}


def handle(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Answer an exception; the cause is logged under a reference where it is ours."""
    if isinstance(error, NotLoggedInError):
        return Redirect("/login", status_code=303)
    problem = reported(error)
    path = request.scope["path"]
    headers = dict(getattr(error, "headers", None) or {})
    if problem.retry_after is not None:
        headers["Retry-After"] = str(problem.retry_after)
    if path.startswith("/fhir"):
        return _respond(operation_outcome(problem), problem, headers, "application/fhir+json")
    if path.startswith(("/api", "/demo", "/schema", "/log/")):
        return _respond(problem_details(problem), problem, headers, "application/problem+json")
    return request.app.state.error_page(request, problem, headers)  # type: ignore[no-any-return]


def reported(error: Exception) -> Problem:
    """Return what an exception becomes outside; our own faults go to the operator's log under a reference.

    The log gets the kind of the fault and where in our code it was, never its text: what Python says of a
    value quotes the value.
    """
    problem = problem_of(error)
    if problem.status < 500:  # noqa: PLR2004 our own fault, or the log's
        return problem
    reference = secrets.token_hex(4)
    LOGGER.error("%s %s: %s%s", reference, type(error).__name__, _quiet(error), _trace(error))
    return replace(problem, next_step="", reference=reference)


def problem_details(problem: Problem) -> dict[str, Any]:
    """Return RFC 9457 problem details."""
    told = {"type": "about:blank", "title": problem.title, "status": problem.status}
    extra = {"detail": problem.detail, "next": problem.next_step, "reference": problem.reference}
    return {**told, **{name: value for name, value in extra.items() if value}}


def operation_outcome(problem: Problem) -> dict[str, Any]:
    """Return a FHIR R4 OperationOutcome."""
    text = " ".join(part for part in (problem.detail or problem.title, problem.next_step) if part)
    issue: dict[str, Any] = {"severity": "error", "code": problem.code, "diagnostics": text}
    if problem.reference:
        issue["details"] = {"text": f"reference {problem.reference}"}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def _respond(
    body: dict[str, Any], problem: Problem, headers: dict[str, str], media_type: str
) -> Response[bytes]:
    return Response(
        json.dumps(body, ensure_ascii=False).encode(),
        status_code=problem.status,
        headers=headers,
        media_type=media_type,
    )


def _quiet(error: Exception) -> str:
    """Return what the operator's log may hold: a finding's name, never content."""
    return str(error) if isinstance(error, VaultError | _UNAVAILABLE) else ""


def _trace(error: Exception) -> str:
    if isinstance(error, VaultError | KeysError | IdentityError | _UNAVAILABLE):
        return ""
    return "\n" + "".join(traceback.format_tb(error.__traceback__)).rstrip()
