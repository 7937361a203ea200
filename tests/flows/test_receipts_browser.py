"""A citizen takes a receipt and a silence proof along, and checks both on a machine that knows nothing of us."""

import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.flows import test_main_job_browser as walk
from tests.flows.conftest import Server
from tests.flows.test_main_job_browser import Person

pytestmark = walk.pytestmark
browser = walk.browser


def test_receipt_and_silence_proof_are_downloaded_and_checked(
    browser: Browser, server: Server, tmp_path: Path
) -> None:
    """By the program downloaded from the page, alone; one byte changed, and it says no."""
    anna = Person(browser, server, "anna-receipts")
    anna.log_in("Anna Exempelsson")
    anna.go("Vem har tittat?")
    anna.page.get_by_role("link", name="Allt", exact=True).last.click()
    anna.look("log")
    _download(anna, re.compile("^Kvitto"), tmp_path / "kvitto.json")
    anna.page.get_by_role("link", name="Spara bevis och kontrollera dem själv").click()
    anna.look("proof")
    today = datetime.now(UTC).date()
    anna.page.get_by_label("Från och med").fill((today - timedelta(days=3)).isoformat())
    anna.page.get_by_label("Till och med").fill((today - timedelta(days=2)).isoformat())
    anna.page.get_by_role("button", name="Räkna rader").click()
    expect(anna.page.get_by_text("0 rader")).to_be_visible()
    anna.look("proof-found")
    _download(anna, re.compile("Hämta tystnadsbeviset"), tmp_path / "tystnad.json")
    _download(anna, re.compile("verify.py"), tmp_path / "verify.py")
    _download(anna, re.compile("verify.key"), tmp_path / "verify.key")

    done = _verify(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Anna Exempelsson" in done.stdout
    assert "har loggen 0 rader om valvet" in done.stdout

    receipt = tmp_path / "kvitto.json"
    content = receipt.read_bytes()
    receipt.write_bytes(content.replace(b"Anna Exempelsson", b"Anna Exempelsten", 1))
    assert receipt.read_bytes() != content
    refused = _verify(tmp_path)
    assert refused.returncode == 1
    assert "Innehållet är inte det som loggades." in refused.stdout

    anna.refused(400)
    anna.page.goto(f"{server.url}/accesses/proof?from={today}&to={today - timedelta(days=1)}")
    anna.look("proof-error")


def _download(who: Person, name: re.Pattern[str], to: Path) -> None:
    with who.page.expect_download() as download:
        who.page.get_by_role("link", name=name).first.click()
    download.value.save_as(to)


def _verify(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-S", "verify.py", "kvitto.json", "tystnad.json", "--key", "verify.key"]
    return subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", check=False, timeout=60)
