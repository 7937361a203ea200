"""Whether this machine has what the browser tests need, asked by the tests and by ``make browser`` alike."""

import shutil
from ctypes.util import find_library

CHROMIUM = shutil.which("chromium")

#: What is missing, with how to get it; empty where nothing is.
MISSING = (
    ""
    if CHROMIUM and find_library("atomic")
    else "no chromium, or no libatomic for its driver (Debian: apt-get install chromium libatomic1)"
)
