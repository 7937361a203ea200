"""How long each step of log review may take is data, and read strictly."""

from datetime import timedelta
from pathlib import Path

import pytest

from policies.deadlines import Deadlines
from policies.engine import PoliciesError

DAYS = "[days]\nemergency = 14\nquestion = 14\ncase = 30\nexplanation = 7\n"


def test_the_installed_ones_are_read() -> None:
    """As the file says."""
    weeks = timedelta(days=14)
    assert Deadlines.load() == Deadlines(weeks, weeks, timedelta(days=30), timedelta(days=7))


@pytest.mark.parametrize(
    "text",
    [
        "",
        DAYS.replace("question = 14\n", ""),
        DAYS + "other = 3\n",
        DAYS + "[hours]\nemergency = 1\n",
        DAYS.replace("30", "0"),
        DAYS.replace("30", "367"),
        DAYS.replace("30", "2.5"),
        DAYS.replace("30", "true"),
        DAYS.replace("30", "'30'"),
        "days = 3",
        "[days",
    ],
)
def test_a_file_that_is_wrong_stops_the_start(tmp_path: Path, text: str) -> None:
    """The file is named, and what it should hold."""
    (tmp_path / "review.toml").write_text(text)
    with pytest.raises(PoliciesError, match=r"review\.toml"):
        Deadlines.load(tmp_path)


def test_no_file_stops_the_start(tmp_path: Path) -> None:
    """Without it nothing would ever be overdue."""
    with pytest.raises(PoliciesError, match=r"review\.toml"):
        Deadlines.load(tmp_path)
