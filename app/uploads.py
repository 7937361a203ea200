"""Takes an upload as it streams in: one multipart form, its fields before its file, sealed frame by frame.

The form's token is checked, and the act is authorized and in the log, before the first byte of the file is kept.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from litestar import Request
from litestar.datastructures import State
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from app.errors import BadRequestError, TooManyRequestsError
from app.security import CSRF_FIELD, valv_of
from app.wiring import Valv
from audit.events import Activity, EventKind
from consent.gate import Authorization
from identity.principal import Principal, Proxy
from importers import intake
from importers.intake import Upload
from importers.tables import ImportRow
from importers.upload import UploadWriter
from keys.envelope import microseconds
from policies.vocabulary import Deed
from sharing.house import author_of

WAITING_AT_ONCE = 20  # imports of one vault: each may lie on disk at full size till its turn comes
_FIELD_LIMIT = 4096
_TRUE = frozenset({"1", "true", "on"})
_NAME = re.compile(r"[^\w .()-]")


@dataclass(slots=True)
class _Form:
    """What has come of the form so far."""

    values: dict[str, str] = field(default_factory=dict)
    filename: str = ""
    writer: UploadWriter | None = None


async def receive(
    request: Request[Any, Any, State],
    principal: Principal,
    alias: bytes,
    *,
    check: Callable[[str], None],
    rehearse: bool = False,
) -> bytes:
    """Take a form with a ``file`` into a queued import; return its id.

    ``check`` is called with the CSRF token's value before the file is touched, and raises if it does not hold;
    ``rehearse`` is also a field of the form.

    Raises:
        BadRequestError: not a multipart form with one file.
        TooManyRequestsError: too many imports wait already.
        importers.upload.UploadTooLargeError: larger than this installation takes.
        consent.gate.Refused: the principal may not import here.
    """
    valv, import_id, form = valv_of(request), os.urandom(16), _Form()
    begin = _Beginning(valv, principal, alias, import_id, check)
    try:
        await _parse(request, form, begin)
        _finished(form).finish()
    except BaseException:
        if form.writer is not None:
            form.writer.discard()
        raise
    row = _row(valv, begin, form, rehearse=rehearse or form.values.get("rehearse", "") in _TRUE)
    await valv.house.database.write(lambda connection: intake.queue(connection, row))
    request.app.state.jobs.wake()
    return import_id


def _finished(form: _Form) -> UploadWriter:
    if form.writer is None:
        raise BadRequestError("file: missing")
    if form.writer.size == 0:
        raise BadRequestError("file: empty")
    return form.writer


@dataclass(slots=True)
class _Beginning:
    """Checks and authorizes once the file is reached."""

    valv: Valv
    principal: Principal
    alias: bytes
    import_id: bytes
    check: Callable[[str], None]
    authorization: Authorization | None = None

    async def file(self, form: _Form) -> UploadWriter:
        """Return where the file goes, once everything that must come before it holds."""
        if form.writer is not None:
            raise BadRequestError("file: more than one")
        self.check(form.values.get(CSRF_FIELD, ""))
        house = self.valv.house
        vault_state = await house.database.read(lambda connection: house.load(connection, self.alias))
        self.authorization = await house.ask(
            self.principal,
            vault_state,
            Deed.MANAGE,
            EventKind.IMPORT,
            Activity.WRITE,
            subject=self.import_id.hex(),
        )
        vault = vault_state.vault
        rows = await house.database.read(lambda connection: intake.of_vault(connection, vault))
        if sum(row.state in {"queued", "running"} for row in rows) >= WAITING_AT_ONCE:
            raise TooManyRequestsError(60, "imports at once")
        path = self.valv.intake.path(self.import_id)
        return UploadWriter(path, self.import_id, limit=self.valv.settings.max_upload)


async def _parse(request: Request[Any, Any, State], form: _Form, begin: _Beginning) -> None:
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != "multipart/form-data" or not options.get("boundary"):
        raise BadRequestError("expected multipart/form-data with a file")
    segment: MultipartSegment | None = None
    try:
        with PushMultipartParser(options["boundary"], max_segment_count=16) as parser:
            async for chunk in request.stream():
                if not chunk:
                    continue
                for event in parser.parse(chunk):
                    segment = await _take(event, segment, form, begin)
    except MultipartError:
        raise BadRequestError("the form is cut or malformed") from None


async def _take(
    event: Any, segment: MultipartSegment | None, form: _Form, begin: _Beginning
) -> MultipartSegment | None:
    match event:
        case MultipartSegment() if event.name == "file":
            form.writer = await begin.file(form)
            form.filename = _NAME.sub("", event.filename or "")[-80:]
            return event
        case MultipartSegment():
            form.values[event.name] = ""
            return event
        case bytes() | bytearray() if segment is not None and segment.name == "file" and form.writer:
            form.writer.write(bytes(event))
            return segment
        case bytes() | bytearray() if segment is not None:
            form.values[segment.name] += event.decode("utf-8", "replace")
            if len(form.values[segment.name]) > _FIELD_LIMIT:
                raise BadRequestError(f"{segment.name[:40]}: too long")
            return segment
        case _:
            return None


def _row(valv: Valv, begin: _Beginning, form: _Form, *, rehearse: bool) -> ImportRow:
    authorization, writer = begin.authorization, form.writer
    assert authorization is not None  # noqa: S101 receive() has checked both
    assert writer is not None  # noqa: S101
    author = author_of(begin.principal)
    now, vault = microseconds(valv.house.clock()), authorization.receipt.vault
    upload = Upload(
        key=writer.key,
        filename=form.filename,
        entry=authorization.receipt.entry,
        author=(author.kind, author.id, author.name, author.organisation),
        on_behalf_of=begin.principal.citizen.name if isinstance(begin.principal, Proxy) else "",
    )
    return ImportRow(
        vault_id=vault,
        import_id=begin.import_id,
        state="queued",
        rehearse=rehearse,
        format="",
        sealed=intake.seal_upload(valv.house.keystore, vault, begin.import_id, upload),
        created_us=now,
        updated_us=now,
        size=writer.size,
    )
