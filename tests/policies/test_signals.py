"""What a file of signals must be before a process starts by it."""

from pathlib import Path

import pytest

from policies import signals
from policies.engine import INSTALLED, PoliciesError
from policies.signals import FILE, Signal, load


def changed(folder: Path, old: str, new: str) -> Path:
    """Return a folder with the installed file, one thing in it changed."""
    text = INSTALLED.joinpath(FILE).read_text()
    assert text.count(old) == 1, old
    (folder / FILE).write_text(text.replace(old, new))
    return folder


def test_installed_file_says_of_every_signal_what_it_weighs() -> None:
    """A signal that weighs nothing though it is on would be looked for in vain."""
    found = load()
    assert set(found) == set(Signal)
    assert all(tuning.weight > 0 for tuning in found.values())


def test_a_signal_that_is_off_weighs_nothing(tmp_path: Path) -> None:
    """It is one word in the file, and the signal's limits may stay."""
    folder = changed(tmp_path, "[emergency]\non = true", "[emergency]\non = false")
    assert load(folder)[Signal.EMERGENCY].weight == 0


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("[emergency]", "[urgency]", "urgency: no such signal"),
        ("[emergency]\non = true\nweight = 16\n", "", "emergency: is missing"),
        ("[emergency]\non = true", "[emergency]", "emergency.on"),
        ("[emergency]\non = true", "[emergency]\non = true\nvolume = 3", "emergency.volume"),
        ("[emergency]\non = true", "[emergency]\non = 1", "emergency.on: must be true or false"),
        ("weight = 16", "weight = 16.0", "emergency.weight"),
        ("weight = 16", 'weight = "16"', "emergency.weight"),
        ("weight = 16", "weight = true", "emergency.weight"),
        ("weight = 16", "weight = 101", "emergency.weight"),
        ("weight = 16", "weight = -1", "emergency.weight"),
        ("minutes = 15", "minutes = 0", "grant-before.minutes"),
        ("minutes = 15", "", "grant-before.minutes"),
        ("begin = 6", "begin = 21", "off-hours.end"),
        ("[emergency]", "[emergency", "cannot be read"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_taken(tmp_path: Path, old: str, new: str, told: str) -> None:
    """A signal misspelt would silently never be looked for."""
    with pytest.raises(PoliciesError) as error:
        load(changed(tmp_path, old, new))
    assert str(error.value).startswith(f"{FILE}: {told}")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """The process does not start without it."""
    with pytest.raises(PoliciesError, match=FILE):
        load(tmp_path)


def test_every_signal_has_its_limits_named() -> None:
    """Else a new one could not be read at all."""
    assert set(signals._LIMITS) == set(Signal)
