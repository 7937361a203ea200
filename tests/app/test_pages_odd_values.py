"""A value that no body has is shown like any other: it must not take the page from whoever reads it."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from app.main import application
from tests.world import START, World, weight

Client = AsyncTestClient[Litestar]


@pytest.fixture
async def anna(world: World) -> AsyncIterator[Client]:
    """Log Anna in on the pages."""
    await world.enter("anna")
    async with AsyncTestClient(application(world.valv), base_url="http://127.0.0.1") as client:
        found = re.search(r'name="_csrf_token"\s+value="([0-9a-f]+)"', (await client.get("/login")).text)
        assert found
        await client.post("/login", data={"_csrf_token": found[1], "persona": "anna"})
        yield client


@pytest.mark.parametrize("value", ["1E+30", "1E+100", "-1E+100", "1E-100", "999999999999999999", "0E+50"])
async def test_page_shows_any_number_that_can_be_stored(world: World, anna: Client, value: str) -> None:
    """A file, or a system that may add, can bring it."""
    await world.add("anna", "anna", weight("70.0", START.replace(day=1)), weight(str(Decimal(value))))
    for path in ("/", "/measurements?category=body-weight&period=all"):
        assert (await anna.get(path)).status_code == 200


@pytest.mark.parametrize("text", ["Infinity", "-inf", "nan", "NaN123", "1_0", "12/x"])
async def test_page_shows_any_text_that_can_be_stored(world: World, anna: Client, text: str) -> None:
    """Some words are numbers to Python."""
    await world.add("anna", "anna", replace(weight("70.0"), quantity=None, canonical=None, text=text))
    for path in ("/", "/measurements?category=body-weight&period=all"):
        assert (await anna.get(path)).status_code == 200
