"""The pages for people who move, from the browser's side."""

import re

from app.demo import HEALTH_CENTRE, HEART_CLINIC
from tests.app.test_pages import UNIT, Browser, Clock, app, browser, clock, other, valv

__all__ = ["app", "browser", "clock", "other", "valv"]  # fixtures
NEW = f"/sharing/move/new?from={UNIT}&unit={HEART_CLINIC}"


async def shared(browser: Browser) -> None:
    """Let Anna share blood pressure with the health centre."""
    await browser.log_in("anna")
    await browser.get("/sharing/new")
    saved = await browser.post(
        "/sharing", effect="allow", grantee=UNIT, actions=["read"], categories=["blood-pressure"]
    )
    assert saved.status_code == 303


async def test_leave_and_tick_what_is_to_stand_for_it(browser: Browser) -> None:
    """Choose, see what ends, leave, search, see what is proposed with nothing ticked, and tick."""
    await shared(browser)
    choose = await browser.get("/sharing/move")
    assert f'value="{UNIT}"' in choose.text
    about = await browser.get(f"/sharing/move?from={UNIT}")
    assert "Vill du lämna Exempelby vårdcentral?" in about.text
    assert "De här kommer inte längre att få" in about.text
    left = await browser.post("/sharing/move", **{"from": UNIT})
    assert left.status_code == 303
    search = await browser.get(left.headers["location"])
    assert "Det som du delade där har slutat" in search.text
    found = await browser.get(f"/sharing/move/new?from={UNIT}&who=provlandets")
    assert f'value="{HEART_CLINIC}"' in found.text
    proposed = await browser.get(NEW)
    key = re.search(r'name="accept" type="checkbox" value="([0-9a-f]{32})"(.*?)>', proposed.text)
    assert key is not None
    assert "checked" not in key[2]
    nothing = await browser.post("/sharing/move/new", **{"from": UNIT, "unit": HEART_CLINIC})
    assert (nothing.status_code, "Välj minst ett alternativ" in nothing.text) == (400, True)
    assert "Provlandets sjukhus" not in (await browser.get("/sharing")).text
    await browser.get(NEW)
    done = await browser.post("/sharing/move/new", **{"from": UNIT, "unit": HEART_CLINIC, "accept": key[1]})
    assert (done.status_code, done.headers["location"]) == (303, "/sharing?done=proposals-accepted")
    assert "Provlandets sjukhus" in (await browser.get("/sharing")).text
    assert "Det finns inget mer att föreslå här" in (await browser.get(NEW)).text
    again = await browser.get("/sharing/move")
    assert "Det här har du avslutat nyligen" in again.text


async def test_accepting_needs_a_login_just_now_and_leaving_does_not(browser: Browser, clock: Clock) -> None:
    """To end is as easy as it is at once; what is granted is granted by the one who is there."""
    await shared(browser)
    clock.at = clock.at.replace(hour=clock.at.hour, minute=clock.at.minute + 6)
    await browser.get(f"/sharing/move?from={UNIT}")
    assert (await browser.post("/sharing/move", **{"from": UNIT})).status_code == 303
    assert (await browser.get(NEW)).status_code == 403
    fields = {"from": UNIT, "unit": HEART_CLINIC, "accept": "0" * 32}
    assert (await browser.post("/sharing/move/new", **fields)).status_code == 403


async def test_what_cannot_be_left_is_not_there(browser: Browser) -> None:
    """A place on which nothing hangs, and what is no place."""
    await browser.log_in("bo")
    assert "inget att lämna" in (await browser.get("/sharing/move")).text
    for path in (
        f"/sharing/move?from=unit:{HEALTH_CENTRE}",
        "/sharing/move?from=network:",
        "/sharing/move?from=x",
    ):
        assert (await browser.get(path)).status_code == 404
    await browser.get("/sharing/contacts")
    assert (await browser.post("/sharing/move", **{"from": UNIT})).status_code == 404
    assert (await browser.post("/sharing/move", token="0" * 64, **{"from": UNIT})).status_code == 403


async def test_staff_have_no_such_page(browser: Browser) -> None:
    """It is the citizen's."""
    await browser.log_in("nurse-vc")
    for path in ("/sharing/move", NEW):
        assert (await browser.get(path)).status_code == 403
