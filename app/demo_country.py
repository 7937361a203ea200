"""Sweden's 21 regions and 290 municipalities for the demo's directory: real names, and nothing else that is real.

The names and official codes stand in ``demo_country.csv``. What stands below them is made up: each region has a
vårdgivare and each municipality an omsorgsgivare, of one unit, and nobody works there. The organisation numbers inside
the HSA-ids are the codes with a wrong check digit, so that they are no one's.

Gotland's municipality is its region: one organisation, so one branch, with a provider of each kind. The directory has
thus 21 regions and 289 municipalities by kind, and 290 municipalities by whom they are.
"""

import csv
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from stdnum import luhn

from identity.branch import FORMAT, FORMAT_VERSION

GOTLAND, GOTLANDS_REGION = "0980", "09"

_REGION_CODE = 2


def codes() -> Mapping[str, str]:
    """Return the names by code: a region's of two digits, a municipality's of four."""
    lines = files("app").joinpath("demo_country.csv").read_text(encoding="utf-8").splitlines()
    return {row["code"]: row["name"] for row in csv.DictReader(one for one in lines if one[0] != "#")}


def country() -> list[dict[str, Any]]:
    """Return a branch for each region, then one for each municipality that is not a region itself."""
    told = codes()
    regions = [_region(code, name) for code, name in told.items() if len(code) == _REGION_CODE]
    municipalities = [code for code in told if len(code) > _REGION_CODE and code != GOTLAND]
    return [*regions, *(_municipality(code, told[code]) for code in municipalities)]


def branch_of(
    authority: dict[str, str],
    *,
    providers: list[dict[str, Any]],
    staff: list[dict[str, Any]],
    clients: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """Return the first version of a branch (:mod:`identity.branch`)."""
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "version": 1,
        "authority": authority,
        "providers": providers,
        "staff": staff,
        "clients": clients or [],
    }


def provider_of(id_: str, name: str, kind: str, *units: tuple[str, str]) -> dict[str, Any]:
    """Return a provider of a branch; a unit is its id and its name."""
    return {"id": id_, "name": name, "kind": kind, "units": [{"id": u, "name": n} for u, n in units]}


def _region(code: str, name: str) -> dict[str, Any]:
    number = _number(f"2321009{code}")
    care = f"{name}, hälso- och sjukvård (påhittad)"
    unit = (f"{number}-TESTVE1", f"Vårdcentral i {name} (påhittad)")
    providers = [provider_of(f"{number}-TESTVG1", care, "vardgivare", unit)]
    if code == GOTLANDS_REGION:
        providers.append(_social(number, name, f"Hemtjänst i {name} (påhittad)"))
    authority = {"kind": "region", "id": f"{number}-TEST", "name": f"{name} (demo)"}
    return branch_of(authority, providers=providers, staff=[])


def _municipality(code: str, name: str) -> dict[str, Any]:
    """Put a name as it stands in the list: its genitive is not always what a rule would make of it."""
    number = _number(f"21200{code}")
    authority = {"kind": "municipality", "id": f"{number}-TEST", "name": f"{name}, kommun (demo)"}
    provider = _social(number, f"{name}, kommun", f"Hemtjänst, {name} (påhittad)")
    return branch_of(authority, providers=[provider], staff=[])


def _social(number: str, name: str, unit: str) -> dict[str, Any]:
    provider = f"{name}: omsorg (påhittad)"
    return provider_of(f"{number}-TESTOG1", provider, "omsorgsgivare", (f"{number}-TESTVE2", unit))


def _number(nine: str) -> str:
    wrong = (int(luhn.calc_check_digit(nine)) + 1) % 10
    return f"SE{nine}{wrong}"
