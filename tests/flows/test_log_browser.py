"""What people see of the log, as they walk it in headless Chromium: read, filter, print, own acts, notices by mail.

Screenshots at 1280 and 360 px go to ``build/screenshots``, as those of the main job.
"""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.flows import test_main_job_browser as walk
from tests.flows import test_proof_browser as proof
from tests.flows.conftest import Server, start, stop
from tests.flows.test_main_job_browser import Person
from tests.smtp import Post, post

pytestmark = walk.pytestmark
browser = walk.browser
VC = "Exempelby vårdcentral"
LIMIT = 20  # seconds until a mail must have come


@pytest.fixture(scope="module")
def mailbox() -> Iterator[Post]:
    """Run an SMTP server."""
    with post() as server:
        yield server


@pytest.fixture(scope="module")
def server(mailbox: Post, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Give one server that sends mail to the module's tests."""
    data = tmp_path_factory.mktemp("flow") / "data"
    running = start(data, VALV_SMTP=mailbox.url, VALV_SMTP_FROM="besked@valv.example")
    yield running
    stop(running)


def test_log_is_read_filtered_printed_answered_for_and_told_of(
    browser: Browser, server: Server, mailbox: Post, tmp_path: Path
) -> None:
    """Choose to be told and confirm; see what is new, the visit, a filter, a print; the nurse sees her own acts."""
    anna = proof._anna_with_values(browser, server, tmp_path)
    anna.name = "anna-log"
    proof._share(anna, VC, "Läsa", "Vikt")

    _choose(anna, mailbox)
    nurse = proof._nurse(browser, server)
    nurse.name = "nurse-log"
    nurse.page.reload()
    nurse.go("Det jag har gjort")
    expect(nurse.page.get_by_text(re.compile("hos person [0-9a-f]{8}")).first).to_be_visible()
    assert nurse.page.get_by_text("Anna Exempelsson").count() == 0
    nurse.look("own")

    anna.go("Översikt")
    expect(anna.page.get_by_role("heading", name=re.compile("nya besked"))).to_be_visible()
    anna.look("overview-news")
    anna.page.get_by_role("link", name="Se vad som är nytt").click()
    expect(anna.page.get_by_text("Nytt", exact=True).first).to_be_visible()
    anna.look("notices-new")
    anna.go("Översikt")
    expect(anna.page.get_by_role("heading", name=re.compile("nya besked"))).to_have_count(0)

    _filter(anna)
    _print(anna)
    assert len(mailbox.mails) == 1, "the first news may wait a minute, and none may say more than that"


def _choose(anna: Person, mailbox: Post) -> None:
    """Ask to be told of everything, by mail."""
    anna.go("Vem har tittat?")
    anna.page.get_by_role("link", name=re.compile("^Besked")).click()
    anna.page.get_by_label("Varje gång någon har tittat eller lagt till").check()
    anna.page.get_by_label("E-postadress").fill("anna@example.se")
    anna.look("notices-choice")
    anna.page.get_by_role("button", name="Spara").click()
    code = re.search(r"\b([0-9]{6})\b", _next_mail(mailbox, 1))
    assert code is not None
    anna.look("notices-code")
    anna.page.get_by_label("Kod").fill(code[1])
    anna.page.get_by_role("button", name="Bekräfta").click()
    expect(anna.page.get_by_role("status")).to_contain_text("bekräftad")


def _filter(anna: Person) -> None:
    """Find nothing, and then the nurse."""
    anna.go("Vem har tittat?")
    expect(anna.page.get_by_text(re.compile("händelser i följd")).first).to_be_visible()
    anna.look("accesses")
    summary = anna.page.locator("summary", has_text="Välj person")
    summary.focus()
    anna.page.keyboard.press("Enter")
    anna.page.get_by_label("Vilka uppgifter").select_option("glucose")
    anna.page.get_by_role("button", name="Visa", exact=True).click()
    anna.look("accesses-filtered-none")
    anna.page.get_by_role("link", name="Visa alla igen").click()
    anna.page.locator("summary", has_text="Välj person").click()
    option = anna.page.locator("#who option", has_text="Nina Exempelkvist")
    anna.page.locator("#who").select_option(value=option.get_attribute("value") or "")
    anna.page.get_by_role("button", name="Visa", exact=True).click()
    expect(anna.page.locator("strong", has_text="Nina Exempelkvist").first).to_be_visible()
    assert "SE23" not in anna.page.url
    anna.look("accesses-filtered")


def _print(anna: Person) -> None:
    """On screen, on paper, as a file."""
    anna.page.get_by_role("link", name="Skriv ut hela listan").click()
    expect(anna.page.get_by_role("heading", name="Utdrag ur loggen för Anna Exempelsson")).to_be_visible()
    expect(anna.page.get_by_role("button", name="Skriv ut")).to_be_visible()
    assert anna.page.get_by_role("navigation").count() == 0
    anna.look("print")
    anna.page.emulate_media(media="print")
    expect(anna.page.get_by_role("button", name="Skriv ut")).to_be_hidden()
    expect(anna.page.get_by_role("button", name="Logga ut")).to_be_hidden()
    anna.look("print-on-paper")
    anna.page.emulate_media(media="screen")
    anna.page.get_by_role("link", name="Vem har tittat?").click()
    with anna.page.expect_download() as download:
        anna.page.get_by_role("link", name=re.compile("Hämta den som fil")).click()
    assert b'"AuditEvent"' in download.value.path().read_bytes()


def _next_mail(mailbox: Post, count: int) -> str:
    deadline = time.monotonic() + LIMIT
    while len(mailbox.mails) < count:
        assert time.monotonic() < deadline, "no mail came"
        time.sleep(0.05)
    return mailbox.bodies()[count - 1]
