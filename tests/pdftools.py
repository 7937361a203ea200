"""Other people's programs that judge a PDF file; ``make pdftools`` asks here whether this machine has them."""

import shutil
import subprocess
from pathlib import Path

#: What is missing, with how to get it; empty where nothing is.
MISSING = (
    ""
    if all(map(shutil.which, ("pdfsig", "pdftotext", "qpdf")))
    else "no poppler, or no qpdf (Debian: apt-get install poppler-utils qpdf)"
)


def told_by(*command: str | Path) -> str:
    """Return what one of them says of a file; times are UTC."""
    return subprocess.run(command, capture_output=True, text=True, check=False, env={"TZ": "UTC"}).stdout


def find_no_fault(file: Path) -> bool:
    """Tell whether qpdf finds the file whole."""
    return subprocess.run(["qpdf", "--check", file], capture_output=True, check=False).returncode == 0
