"""Entries on their way in: what the log was told, and what of it goes to the disk.

A *job* is made for each event by whoever logs it; the writer makes all that wait into *drafts* at once, step by step,
since a step costs half as much done thirty times in a row as between all the others. Nothing in that may fail: whatever
is wrong with one event shows when its job is made, and is told to its caller alone.
"""

import asyncio
from collections.abc import Iterable
from concurrent.futures import Future

import msgspec

from audit.body import SALT_SIZE, Readers
from audit.events import HeadRef
from audit.leaf import commit, digest_of_sealed
from keys.primitives import chance
from keys.receipt import Opens, Receipt

Waiter = asyncio.Future[Receipt] | Future[Receipt]


class Job(msgspec.Struct, frozen=True):
    """An event, encoded, its readers, and who waits for its receipt: None for nobody."""

    entry_id: bytes
    text: bytes
    readers: Readers
    head: HeadRef | None
    vault: bytes
    opens: Opens
    untimed: bytes  # what the receipt will say, but for the time
    waiter: Waiter | None


class Draft(msgspec.Struct, gc=False):
    """An entry sealed and committed to, not yet numbered."""

    entry_id: bytes
    vault: bytes
    organisations: bytes  # the provider's pseudonym, then the authority's
    digests: bytes  # the commitment, then the sealed record's
    sealed: bytes
    head: HeadRef | None


def drafts(jobs: Iterable[Job]) -> list[Draft]:
    """Salt, seal and commit to each event."""
    salted = [chance(SALT_SIZE) + job.text for job in jobs]
    sealed = [job.readers.seal(text, entry_id=job.entry_id) for job, text in zip(jobs, salted, strict=True)]
    committed = [commit(text) for text in salted]
    digests = [digest_of_sealed(record) for record in sealed]
    return [
        Draft(job.entry_id, job.readers.vault, job.readers.organisations, one + other, record, job.head)
        for job, one, other, record in zip(jobs, committed, digests, sealed, strict=True)
    ]
