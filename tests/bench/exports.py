"""The whole export as lines of FHIR, beside the same lines written from the plaintext rows.

Ours is what ``/api/export`` streams. The baseline fills one template a kind, made once, row after row: the
fastest that we know of for rows that come one by one. Both write the same bytes but for the ids.
"""

import itertools
import os
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from functools import cache, partial
from typing import BinaryIO

from app.fhir.bundle import Ndjson
from audit.events import EventKind
from sharing import streaming
from sharing.reading import Query
from tests.bench import vaults
from tests.bench.life import KINDS, SECOND, SOURCES, VAULT, number_of
from tests.bench.reads import demand_same
from tests.bench.rows import side_by_side
from tests.bench.sites import Site
from vault.lines import Lines
from vault.resource import to_fhir, to_json

_AT_ONCE = 4096  # rows in one piece, as a full segment has


async def export(site: Site, seconds: float) -> tuple[float, float]:
    """Write everything."""
    query = Query(kind=EventKind.EXPORT)

    async def ours() -> int:
        form = Ndjson([Lines(partial(to_fhir, patient_id=site.alias.hex()))])
        pieces = await streaming.stream(site.house, site.owner, site.alias, query, form.piece)
        with _sink() as sink:
            return sum([sink.write(piece) async for piece in pieces])

    def plain() -> int:
        templates = [_template(site, kind) for kind in range(len(KINDS))]
        with _sink() as sink:
            return sum(sink.write(piece) for piece in _pieces(site, templates))

    demand_same(await ours(), plain())
    return await side_by_side(ours, plain, seconds)


def _sink() -> BinaryIO:
    """Open a file where writing costs nothing more."""
    return open(os.devnull, "wb", buffering=0)  # noqa: PTH123 a device


def _pieces(site: Site, templates: list[str]) -> Iterator[bytes]:
    rows = site.plain.all()
    while some := list(itertools.islice(rows, _AT_ONCE)):
        yield "".join([_line(templates[row[1]], *row) for row in some]).encode()


def _line(
    template: str, category: int, kind: int, start: int, duration: int, value: float, *rest: int
) -> str:
    """Fill a template: times, id, number, as their names follow each other."""
    zone = _zone(rest[-1])
    begin = datetime.fromtimestamp(start / SECOND, zone).isoformat()
    told = begin, category, begin[:4], begin[5:7], start, KINDS[kind].digits, value
    if duration:
        return template % (datetime.fromtimestamp((start + duration) / SECOND, zone).isoformat(), *told)
    return template % told


def _template(site: Site, kind: int) -> str:
    """Write one record of a kind, and leave out what differs between records."""
    one = KINDS[kind]
    category, source = number_of(one.category), SOURCES.index(one.source)
    row = (VAULT, category, kind, 0, one.seconds * SECOND, 987_654_321.0, kind, source, 0)
    (record,) = vaults.columns_of([row], site).records()
    written = to_json(to_fhir(record, patient_id=site.alias.hex())).decode().replace("%", "%%") + "\n"
    number = f"{987_654_321:.{one.digits}f}"
    marks = [(record.start.isoformat(), "%s"), (record.id, "%02d%s%s-%016x"), (number, "%.*f")]
    if record.end is not None:
        marks.append((record.end.isoformat(), "%s"))
    for text, mark in marks:
        assert written.count(text) == 1
        written = written.replace(text, mark)
    return written


@cache
def _zone(minutes: int) -> timezone:
    return timezone(timedelta(minutes=minutes))
