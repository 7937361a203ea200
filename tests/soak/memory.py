"""The memory of one server while many vaults of a life's measurements are opened in turn.

The vaults are filled by the real path. One server is asked, as the owner of each, for a page of the list, a month,
and all there is; the most memory that it ever held is read after each.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import numpy as np

from app import wiring
from app.settings import Settings
from app.wiring import Valv
from identity import bearer
from identity.principal import Citizen
from keys.envelope import microseconds
from policies.vocabulary import Category
from sharing import adding
from sharing.house import author_of
from tests.columns import measured
from tests.crowd import settle
from tests.flows.conftest import start, stop
from vault.columns import Shape, Units, join
from vault.measures import LOINC
from vault.record import Code, Origin, Provenance

_YEARS = timedelta(days=3650)
_KINDS = (
    (Category.HEART_RATE, "8867-4", "/min", 74, 0.8),
    (Category.OXYGEN_SATURATION, "59408-5", "%", 97, 0.1),
    (Category.BODY_WEIGHT, "29463-7", "kg", 78, 0.1),
)


@dataclass(frozen=True, slots=True)
class Memory:
    """What the server held: resident MB before the first vault, and the most it ever held."""

    vaults: int
    before: float
    most: float


async def run(folder: Path, *, count: int, measurements: int, told: Callable[[str], None]) -> Memory:
    """Fill so many vaults, then open each of them through one server."""
    wiring.create(Settings(folder), demo=True)
    valv = wiring.open_installation(Settings(folder))
    try:
        owners = [await settle(valv, number) for number in range(1, count + 1)]
        for number, owner in enumerate(owners, start=1):
            await _fill(valv, owner, number, measurements)
            told(f"vault {number} of {count} is filled")
        return _open_all(valv, folder, owners, told)
    finally:
        valv.close()


async def _fill(valv: Valv, owner: Citizen, number: int, count: int) -> None:
    house = valv.house
    chance, until = np.random.default_rng(number), microseconds(house.clock())
    parts = []
    for category, code, unit, mean, share in _KINDS:
        rows = max(1, round(count * share))
        provenance = Provenance(author_of(owner), Origin.FHIR_API, house.clock(), device="Watch")
        units = Units(unit, unit, same=True)
        shape = Shape(category, "Observation", Code(LOINC, code), "final", units, (), provenance)
        start = (
            until - np.sort(chance.choice(_YEARS // timedelta(seconds=1), rows, replace=False)) * 1_000_000
        )
        values = np.round(chance.normal(mean, 0.9, rows), 1)
        parts.append(measured([shape], np.zeros(rows, np.uint16), start, values, 1))
    await adding.add(house, owner, owner.person.alias, join(parts))


def _open_all(valv: Valv, folder: Path, owners: list[Citizen], told: Callable[[str], None]) -> Memory:
    server = start(folder)
    try:
        before = most = _resident(server.process.pid)
        month_ago = (datetime.now(UTC) - timedelta(days=30)).date()
        for number, owner in enumerate(owners, start=1):
            token = bearer.issue(valv.issuer, valv.house.keystore, owner, at=valv.house.clock())
            with httpx.Client(
                base_url=server.url, timeout=300, headers={"Authorization": f"Bearer {token}"}
            ) as http:
                for query in ("category=heart-rate&_count=100", f"category=body-weight&date=ge{month_ago}"):
                    answer = http.get(f"/fhir/Observation?{query}")
                    assert answer.status_code == 200, answer.text
                    assert answer.json()["entry"]
                with http.stream(
                    "GET", "/fhir/Patient/" + owner.person.alias.hex() + "/$everything"
                ) as all_of_it:
                    assert all_of_it.status_code == 200
                    size = sum(len(part) for part in all_of_it.iter_bytes())
            most = max(most, _resident(server.process.pid))
            told(f"vault {number} of {len(owners)}: {size >> 20} MB out, {most:.0f} MB at most")
    finally:
        stop(server)
    return Memory(len(owners), before, most)


def _resident(process: int) -> float:
    """Return the most memory that a process ever held, in MB."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024
