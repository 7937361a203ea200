"""The import child: bytes from outside are parsed here, in a process that can open nothing of the vault.

It reads a :class:`~importers.wire.Task` from standard input, then parses, fingerprints, sorts into shelves
(drawer and month), leaves out what is there already, seals what is new to public halves, and writes sealed
segments to standard output. Rejected rows go sealed into the intake drawer, the first of them on a shelf of
their own: a file of a million bad rows is stored whole, and its owner is shown some hundred.

Memory: what waits is bounded (:mod:`importers.waiting`), and of what went by only fingerprints are kept.
"""

import json
import resource
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import batched, groupby
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from importers import apple_health, detect, fhir
from importers.candidates import Candidate, FormatError, Item, Reason, Rejection
from importers.detect import Format
from importers.upload import open_upload
from importers.waiting import Key, Waiting
from importers.wire import (
    BrokenPipeToChildError,
    Claim,
    Done,
    Need,
    Progress,
    Sealed,
    Shelf,
    Task,
    from_parent,
    send,
)
from keys.envelope import moment
from keys.keystore import VaultKeys
from keys.primitives import KeysError, PublicKey
from policies.vocabulary import Category
from vault import marks, naming, segment
from vault.columns import NOTHING, Builder, Columns, Marks, Shape, Units
from vault.errors import MalformedRecordError
from vault.naming import INTAKE_DRAWER, rejected_shelf
from vault.record import Author, AuthorKind, Code, Origin, Provenance
from vault.segment import Place
