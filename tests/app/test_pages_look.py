import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

from app.web.formats import Lang
from app.web.rendering import BUILT, Renderer
from tests.app.samples import PAGES
from tests.browser import CHROMIUM, MISSING

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(bool(MISSING), reason=MISSING),
    pytest.mark.skipif(
        not (BUILT / "manifest.json").is_file(), reason="the assets are not built: make assets"
    ),
]

WHOLE_PAGES = [name for name, (template, _, _) in PAGES.items() if not template.startswith("_")]
OTHERWISE_WHEN_WIDE = ("measurements", "measurements-pulse", "patient", "review", "rule-form-errors")
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self';"
    " connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".woff2": "font/woff2"}


class SamplePages(BaseHTTPRequestHandler):
    """Serves ``/<language>/<sample>`` and the built assets, under the product's own security policy."""

    renderer = Renderer()

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer with a page or an asset."""
        path = self.path.split("?")[0]
        if path.startswith("/static/"):
            file = BUILT / "static" / Path(path).name
            self._answer(TYPES[file.suffix], file.read_bytes())
        elif found := re.fullmatch(r"/(sv|en)/([\w-]+)", path):
            template, view, chrome = PAGES[found[2]]
            html = self.renderer.render(template, view, lang=Lang(found[1]), chrome=chrome)
            self._answer("text/html; charset=utf-8", html.encode())
        else:
            self.send_error(404)

    def _answer(self, kind: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Security-Policy", POLICY)
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Serve the samples on a port of its own."""
    with ThreadingHTTPServer(("127.0.0.1", 0), SamplePages) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start a browser once."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield started
        started.close()


@pytest.fixture(scope="module", params=[1280, 360])
def window(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """Open one window, wide or narrow."""
    page = browser.new_page(viewport={"width": request.param, "height": 900})
    yield page
    page.close()


def is_narrow(page: Page) -> bool:
    """Tell whether the window is a telephone's."""
    size = page.viewport_size
    return size is not None and size["width"] < 640


def faults(page: Page) -> list[dict[str, Any]]:
    """Return what axe finds, with everything that can be unfolded unfolded."""
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    page.evaluate((BUILT / "axe.js").read_text())
    found = page.evaluate(f"axe.run(document, {{runOnly: {json.dumps(TAGS)}}})")
    return [{"rule": v["id"], "where": [n["html"][:120] for n in v["nodes"]]} for v in found["violations"]]


@contextmanager
def listening(page: Page, complaints: list[str]) -> Iterator[None]:
    """Collect what the browser complains of."""

    def said(message: ConsoleMessage) -> None:
        complaints.append(message.text)

    def failed(asked: Request) -> None:
        if asked.failure != "net::ERR_ABORTED":  # the icon of a page already left
            complaints.append(asked.url)

    page.on("console", said)
    page.on("requestfailed", failed)
    yield
    page.remove_listener("console", said)
    page.remove_listener("requestfailed", failed)


@pytest.mark.parametrize("name", WHOLE_PAGES)
def test_page_is_accessible_fits_its_window_and_breaks_no_policy(
    window: Page, address: str, name: str
) -> None:
    """WCAG 2.2 AA by axe, no sideways scrolling at 360 px, and the browser complains of nothing."""
    complaints: list[str] = []
    with listening(window, complaints):
        window.goto(f"{address}/sv/{name}")
    wider = window.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    if is_narrow(window) or name in OTHERWISE_WHEN_WIDE:
        assert faults(window) == []
    assert wider <= 0
    assert [c for c in complaints if "404" not in c] == []


def test_the_font_is_our_own(window: Page, address: str) -> None:
    """The kit's family comes with a host of its own; ours is built in."""
    window.goto(f"{address}/sv/find")
    window.evaluate("document.fonts.ready")
    assert window.evaluate("document.fonts.check('16px \"Source Sans 3\"')")
    assert window.evaluate(
        "getComputedStyle(document.querySelector('input[type=text]')).fontFamily"
    ).startswith('"Source Sans 3"')
