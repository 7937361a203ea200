"""The demo's measurements: what a made-up Anna's meters would have sent, added by the real way in."""

import asyncio
import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal

from app import demo, login
from app.wiring import Valv
from identity.branch import PendingStaff
from identity.principal import Citizen, Principal, System
from policies.vocabulary import Category
from sharing.adding import add
from sharing.house import author_of
from vault import state
from vault.days import SWEDEN
from vault.measures import BLOOD_PRESSURE_PANEL, DIASTOLIC, LOINC, SYSTOLIC
from vault.record import Code, Component, Origin, Provenance, Quantity, Record

DAYS = 400
_METER = "Hemmätare (påhittad)"
_WEIGHT = Code(LOINC, "29463-7", "Body weight")
_PULSE = Code(LOINC, "8867-4", "Heart rate")


def seed_demo(valv: Valv) -> None:
    """Give Anna her measurements, once."""
    asyncio.run(_seed(valv))


async def _seed(valv: Valv) -> None:
    house = valv.house
    anna = demo.principal_of("anna", directory=house.directory(), keystore=house.keystore)
    match anna:
        case Citizen(person):
            if await _has_data(valv, person.alias):
                return
            await login.enter(valv, anna)
            records = list(measurements(anna, house.clock()))
            await add(house, anna, person.alias, records)
        case _:
            raise demo.DemoError("anna is a citizen")


async def _has_data(valv: Valv, alias: bytes) -> bool:
    vault = await valv.house.database.read(lambda connection: state.find(connection, alias))
    if vault is None:
        return False
    loaded = await valv.house.database.read(lambda connection: valv.house.load(connection, alias))
    return bool(loaded.head.drawers)


def measurements(who: Principal | PendingStaff, until: datetime) -> Iterator[Record]:
    """Yield blood pressure three times a week, weight weekly and pulse daily, with a slow drift and no chance."""
    if isinstance(who, PendingStaff | System):
        raise TypeError("a citizen")
    provenance = Provenance(author_of(who), Origin.FORM, until, device=_METER)
    today = until.astimezone(SWEDEN).replace(hour=7, minute=30, second=0, microsecond=0)
    for back in range(DAYS, 0, -1):
        at = today - timedelta(days=back)
        wave, drift = math.sin(back / 5), back / DAYS
        pulse = Quantity(Decimal(round(68 + 5 * wave)), "/min")
        yield Record(
            Category.HEART_RATE, "Observation", _PULSE, at, provenance, quantity=pulse, canonical=pulse
        )
        if back % 7 in {1, 3, 5}:
            yield _pressure(
                at, provenance, round(128 + 14 * drift + 6 * wave), round(79 + 8 * drift + 3 * wave)
            )
        if back % 7 == 1:
            weight = Quantity(Decimal(round(10 * (72.4 + 3 * drift + wave / 2))).scaleb(-1), "kg")
            yield Record(
                Category.BODY_WEIGHT,
                "Observation",
                _WEIGHT,
                at,
                provenance,
                quantity=weight,
                canonical=weight,
            )


def _pressure(at: datetime, provenance: Provenance, systolic: int, diastolic: int) -> Record:
    upper, lower = (Quantity(Decimal(value), "mm[Hg]") for value in (systolic, diastolic))
    return Record(
        Category.BLOOD_PRESSURE,
        "Observation",
        BLOOD_PRESSURE_PANEL,
        at,
        provenance,
        components=(Component(SYSTOLIC, upper, upper), Component(DIASTOLIC, lower, lower)),
    )
