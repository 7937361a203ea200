"""Importing a file: take it as it streams in, show how it goes, undo it."""

import re

from litestar.params import FromPath

from app import uploads
from app.api import find_import
from app.api import undo as undo_import
from app.errors import BadRequestError
from app.security import valv_of
from app.web.formats import Lang
from app.web.shell import (
    Answer,
    Asked,
    Owner,
    check_token,
    form,
    lang_of,
    owner,
    page,
    redirect,
    shown,
    taken,
)
from app.web.views import (
    FieldError,
    FieldProblem,
    FormState,
    ImportState,
    ImportsView,
    ImportView,
    Notice,
    Rejection,
)
from app.whose import parse_id
from importers import intake
from importers.tables import ImportRow
from importers.upload import UploadTooLargeError
from keys.envelope import moment
from sharing import importing
from sharing.importing import RejectedRow

_LINE = re.compile(r"^line(?= )")
_MOST_REJECTIONS = 200
_FORMATS = {"apple-health": "Apple Hälsa", "fhir": "FHIR R4", "fhir-ndjson": "FHIR R4 (NDJSON)"}


@shown("/imports")
async def show_imports(request: Asked) -> Answer:
    """Show the form, and the imports so far."""
    return await _show(request, owner(request), FormState())


@taken("/imports")
async def take(request: Asked) -> Answer:
    """Take a file; its form's token is held before any of it is kept."""
    own = owner(request)
    try:
        found = await uploads.receive(
            request, own.principal, own.alias, check=lambda token: check_token(request, token)
        )
    except UploadTooLargeError:
        return await _show(request, own, _wrong(FieldProblem.FILE_TOO_LARGE), 413)
    except BadRequestError as error:
        missing = str(error) in {"file: missing", "file: empty"}
        if not missing:
            raise
        return await _show(request, own, _wrong(FieldProblem.NO_FILE), 400)
    return redirect(f"/imports/{found.hex()}")


@shown("/imports/{import_id:str}")
async def show_import(request: Asked, import_id: FromPath[str]) -> Answer:
    """Show how an import goes, or went."""
    return page(request, "import.html", await _view(request, owner(request), import_id))


@shown("/imports/{import_id:str}/progress")
async def show_progress(request: Asked, import_id: FromPath[str]) -> Answer:
    """Show the part of the page that changes while an import runs."""
    return page(request, "_import_state.html", await _view(request, owner(request), import_id))


@taken("/imports/{import_id:str}/undo")
async def undo(request: Asked, import_id: FromPath[str]) -> Answer:
    """Remove what an import brought and no other import did."""
    own = owner(request)
    await form(request)
    await undo_import(valv_of(request), own.principal, own.alias, parse_id(import_id))
    return redirect("/imports", Notice.IMPORT_UNDONE)


async def _show(request: Asked, own: Owner, state: FormState, status: int = 200) -> Answer:
    valv = valv_of(request)
    vault = (await importing.manage(valv.house, own.principal, own.alias)).vault
    rows = await valv.house.database.read(lambda reader: intake.of_vault(reader, vault))
    jobs = tuple(_import(row, lang_of(request)) for row in rows)
    view = ImportsView(jobs, state, max_megabytes=valv.settings.max_upload >> 20)
    return page(request, "imports.html", view, status)


def _wrong(problem: FieldProblem) -> FormState:
    return FormState(errors=(FieldError("file", problem),))


async def _view(request: Asked, own: Owner, import_id: str) -> ImportView:
    valv, identifier = valv_of(request), parse_id(import_id)
    row = await find_import(valv, own.principal, own.alias, identifier)
    rejected: tuple[RejectedRow, ...] = ()
    if row.rejected and ImportState(row.state).is_over:
        rejected = await importing.rejections(valv.house, own.principal, own.alias, identifier)
    return _import(row, lang_of(request), rejected)


def _import(row: ImportRow, lang: Lang, rejected: tuple[RejectedRow, ...] = ()) -> ImportView:
    state = ImportState(row.state)
    return ImportView(
        row.import_id.hex(),
        state,
        moment(row.created_us),
        format=_FORMATS.get(row.format, row.format),
        read=row.read,
        stored=row.stored,
        duplicates=row.duplicates,
        rejected=row.rejected,
        rejections=tuple(_rejection(one, lang) for one in rejected[:_MOST_REJECTIONS]),
        done_share=min(row.position / row.size, 1.0) if row.size and row.position else None,
        problem=_problem(row.error, lang),
        rehearsal=row.rehearse,
        can_undo=state in (ImportState.DONE, ImportState.FAILED) and row.stored > 0,
    )


def _rejection(one: RejectedRow, lang: Lang) -> Rejection:
    if lang is Lang.SV:
        return Rejection(_LINE.sub("rad", one.where), one.reason_sv or one.reason)
    return Rejection(one.where, one.reason)


def _problem(error: str, lang: Lang) -> str:
    """Return why a file was refused in one language; the intake writes it in both, Swedish first."""
    swedish, _, english = error.partition(" / ")
    return swedish if lang is Lang.SV or not english else english
