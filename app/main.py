"""The application: every route on one page, who may come to each, and what is the same for all.

/            pages for people (app/web): session cookie, CSRF token on every form
/fhir        FHIR R4 for machines (app/fhir): Bearer
/api         what FHIR does not name (app/api.py): Bearer
/log         the log's tree of hashes (app/log_routes.py): anybody
/demo        personas and their tokens, on a demo installation only
/schema      the API's description, shown by our own files
/static      styles, scripts, fonts, built at set-up
/verify.py   the program that checks receipts, and /verify.key, the log's key (app/web/receipt_pages.py)
/health      whether the process serves
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

from litestar import Litestar, MediaType, Request, Response, Router, get
from litestar.config.allowed_hosts import AllowedHostsConfig
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.static_files import create_static_files_router
from sqlalchemy import Connection

from app import errors, security
from app.api import API, DEMO
from app.described import describe
from app.fhir.routes import ROUTES as FHIR
from app.jobs import Jobs
from app.log_routes import LOG, Turns
from app.security import Access
from app.web.rendering import BUILT, Renderer
from app.web.routes import PAGES
from app.web.shell import error_page
from app.wiring import Valv
from app.witnessing import Witnessing, asking
from identity import sessions, throttle

_SCHEMA_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Hälsovalvet API</title><link rel="stylesheet" href="{swagger-ui.css}">
<script src="{swagger-ui.js}" defer></script><script src="{schema.js}" defer></script></head>
<body><main id="swagger-ui"></main></body></html>
"""


@get("/health", opt={"access": Access.PUBLIC}, media_type=MediaType.TEXT, sync_to_thread=False)
def health() -> str:
    """Whether the process serves."""
    return "ok"


@get("/schema", opt={"access": Access.PUBLIC}, include_in_schema=False, sync_to_thread=False)
def schema_page(request: Request[object, object, State]) -> Response[str]:
    """The API's description as a page, from our own files."""
    text = _SCHEMA_PAGE
    for name in ("swagger-ui.css", "swagger-ui.js", "schema.js"):
        text = text.replace(f"{{{name}}}", request.app.state.renderer.asset(name))
    return Response(text, media_type=MediaType.HTML)


@get("/schema/openapi.json", opt={"access": Access.PUBLIC}, include_in_schema=False, sync_to_thread=False)
def schema_json(request: Request[object, object, State]) -> dict[str, object]:
    """The API's description (OpenAPI 3.1)."""
    return describe(request.app.openapi_schema.to_schema())


def application(valv: Valv) -> Litestar:
    """Return the application that serves one installation."""
    jobs = Jobs(valv.intake, teller=valv.teller, broker=valv.settings.broker_url)
    witnessing = Witnessing(asking(valv))

    @asynccontextmanager
    async def running(_app: Litestar) -> AsyncIterator[None]:
        valv.intake.tidy()
        await valv.house.database.write(lambda writing: _forget(writing, valv.house.clock()))
        jobs.start()
        if not valv.settings.broker_url:
            jobs.work()
        witnessing.start()
        try:
            yield
        finally:
            await asyncio.to_thread(jobs.stop)
            await asyncio.to_thread(witnessing.stop)
            valv.close()

    return Litestar(
        route_handlers=[
            *PAGES,
            API,
            FHIR,
            DEMO,
            *LOG,
            health,
            schema_page,
            schema_json,
            _static(BUILT / "static"),
        ],
        guards=[security.guard],
        before_send=[security.add_headers],
        exception_handlers={Exception: errors.handle, HTTPException: errors.handle},
        allowed_hosts=AllowedHostsConfig(allowed_hosts=_hosts(valv)),
        logging_config=None,  # the command line has set logging up: no URL, no name of anyone
        state=State(
            {
                "valv": valv,
                "renderer": Renderer(),
                "error_page": error_page,
                "jobs": jobs,
                "turns": Turns(),
                "witnessing": witnessing,
            }
        ),
        lifespan=[running],
        openapi_config=OpenAPIConfig(
            title="Hälsovalvet",
            version="0.1.0",
            use_handler_docstrings=True,
            path="/schema/generated",
            render_plugins=[JsonRenderPlugin()],
        ),
        debug=False,
    )


def _forget(writing: Connection, at: datetime) -> None:
    """Remove sessions that are over and look-ups that are long counted."""
    sessions.end_expired(writing, at=at)
    throttle.forget_old(writing, at=at)


def _hosts(valv: Valv) -> list[str]:
    """Return the host names that a request may name, with our port and without."""
    hosts = valv.settings.allowed_hosts
    return [*hosts, *(f"{host}:{valv.settings.port}" for host in hosts)]


def _static(folder: Path) -> Router:
    folder.mkdir(parents=True, exist_ok=True)
    return create_static_files_router(
        path="/static", directories=[folder], opt={"access": Access.PUBLIC}, include_in_schema=False
    )
