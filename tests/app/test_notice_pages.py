"""The page of notices: what is new until one has looked, the choice, and the code."""

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace as changed
from datetime import timedelta

import pytest
from litestar import Litestar

from app.mailing import Mailer, Server
from app.wiring import Valv
from sharing.telling import Teller
from tests.app import test_pages
from tests.app.test_pages import ANNA, UNIT, Browser, Clock, add_pressure, alias, share, unshare_all
from tests.smtp import Post, post

app, clock, valv = test_pages.app, test_pages.clock, test_pages.valv


@pytest.fixture
def mailbox() -> Iterator[Post]:
    """Run an SMTP server."""
    with post() as server:
        yield server


@pytest.fixture
async def mailing(app: Litestar, valv: Valv, mailbox: Post, clock: Clock) -> AsyncIterator[Teller]:
    """Serve the pages of an installation that sends mail; return its job."""
    mailer = Mailer(Server.parse(mailbox.url), "besked@valv.example")
    job = Teller(valv.house, lambda mail: mailer.send(mail, at=clock()))
    app.state.valv = changed(valv, teller=job)
    yield job
    app.state.valv = valv


@pytest.fixture
async def browser(app: Litestar, valv: Valv) -> AsyncIterator[Browser]:
    """Return Anna's browser."""
    found = Browser(app, valv)
    await found.log_in("anna")
    yield found
    await found.client.aclose()


@pytest.fixture
async def nurse(app: Litestar, valv: Valv) -> AsyncIterator[Browser]:
    """Return the nurse's browser."""
    found = Browser(app, valv)
    yield found
    await found.client.aclose()


async def _looked_at(browser: Browser, nurse: Browser) -> None:
    await unshare_all(browser)
    await browser.post("/measurements/add", **add_pressure("128", "82"))
    await share(browser, UNIT, "read", "blood-pressure")
    await nurse.log_in("nurse-vc")
    assert (await nurse.get(f"/staff/patients/{alias(browser.valv, ANNA)}")).status_code == 200


async def test_what_is_new_is_counted_on_the_overview_until_it_was_looked_at(
    browser: Browser, nurse: Browser
) -> None:
    """The count goes when the list was opened, not before; and what was never chosen is not counted."""
    await browser.get("/notices")
    await browser.post("/notices", tell="emergency")
    await browser.get("/notices")
    await _looked_at(browser, nurse)
    assert "nytt besked" not in (await browser.get("/")).text
    await browser.post("/notices", tell="every")
    overview = (await browser.get("/")).text
    assert re.search(r"Du har \d+ ny(tt|a) besked", overview)
    assert re.search(r"Du har \d+ ny(tt|a) besked", (await browser.get("/")).text)
    listed = (await browser.get("/notices")).text
    assert "Nina Exempelkvist" in listed
    assert ">Nytt</strong>" in listed
    assert "besked</h2>" not in (await browser.get("/")).text
    assert ">Nytt</strong>" not in (await browser.get("/notices")).text


async def test_without_a_server_no_address_is_asked_for(browser: Browser) -> None:
    """A field that leads to nothing would be a promise."""
    page = (await browser.get("/notices")).text
    assert 'name="address"' not in page
    await browser.post("/notices", tell="every", address="anna@example.se")
    assert "anna@example.se" not in (await browser.get("/notices")).text


@pytest.mark.usefixtures("clock")
async def test_an_address_is_confirmed_by_the_code_that_came(
    browser: Browser, mailing: Teller, mailbox: Post, clock: Clock
) -> None:
    """From the form by the mail back to the form."""
    clock.at += timedelta(minutes=3)
    await browser.log_in("anna")
    await browser.get("/notices")
    answer = await browser.post("/notices", tell="every", address=" anna@example.se ")
    assert answer.status_code == 303
    assert "Bekräfta din e-postadress" in (await browser.get("/notices")).text
    mailing.run_waiting()
    code = re.search(r"\b([0-9]{6})\b", mailbox.bodies()[-1])
    assert code is not None
    wrong = await browser.post("/notices/confirm", code="x")
    assert (wrong.status_code, 'href="#code"' in wrong.text) == (400, True)
    assert (await browser.post("/notices/confirm", code=f" {code[1]} ")).status_code == 303
    page = (await browser.get("/notices")).text
    assert "Adressen är bekräftad" in page
    assert "Bekräfta din e-postadress" not in page
    await browser.post("/notices", tell="emergency", address="")
    assert "anna@example.se" not in (await browser.get("/notices")).text


@pytest.mark.usefixtures("mailing")
async def test_what_is_no_address_is_said_at_its_field(browser: Browser) -> None:
    """The form comes back as it was sent."""
    await browser.get("/notices")
    answer = await browser.post("/notices", tell="first", address="anna")
    assert answer.status_code == 400
    assert 'href="#address"' in answer.text
    assert 'value="anna"' in answer.text
    assert (await browser.post("/notices", tell="everything", address="")).status_code == 400


async def test_a_choice_needs_a_login_under_five_minutes_old(browser: Browser, clock: Clock) -> None:
    """A browser left open sends nobody's notices elsewhere."""
    await browser.get("/notices")
    clock.at += timedelta(minutes=6)
    assert (await browser.post("/notices", tell="every")).status_code == 403


async def test_staff_have_no_notices(nurse: Browser) -> None:
    """It is a page of citizens and guardians."""
    await nurse.log_in("nurse-vc")
    assert (await nurse.get("/notices")).status_code == 403
    assert (await nurse.post("/notices", tell="every")).status_code == 403
