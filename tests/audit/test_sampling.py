"""The stratified draw: repeatable, proportionate, independent of the order in which the log is read."""

import hashlib
import hmac
import math
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import sampling
from audit.events import Activity, Actor, ActorKind, Decision, EventKind
from audit.review import Access
from audit.sampling import Stratum
from policies.engine import INSTALLED, PoliciesError
from policies.sampling import Criteria
from tests.world import START

CRITERIA = Criteria(percent=2.0, least=3, most=200)
IDS = st.binary(min_size=16, max_size=16)
STRATA = st.builds(
    Stratum, st.sampled_from(["A", "B", "C"]), st.sampled_from([EventKind.READ, EventKind.ADD])
)
POPULATIONS = st.dictionaries(IDS, STRATA, max_size=120)
SEEDS = st.binary(min_size=32, max_size=32)


@given(SEEDS, POPULATIONS, st.randoms())
def test_a_draw_is_the_same_in_whatever_order_the_log_is_read(
    seed: bytes, population: dict[bytes, Stratum], random: Random
) -> None:
    """And every drawn access is of its stratum, once."""
    items = list(population.items())
    random.shuffle(items)
    made = sampling.draw(seed, population, CRITERIA)
    assert sampling.draw(seed, dict(items), CRITERIA) == made
    drawn = [bytes.fromhex(id_) for one in made for id_ in one.drawn]
    assert len(drawn) == len(set(drawn))
    for one in made:
        assert {population[bytes.fromhex(id_)] for id_ in one.drawn} <= {Stratum(one.unit, one.kind)}
    assert sum(one.population for one in made) == len(population)


@given(SEEDS, POPULATIONS)
def test_each_stratum_gives_its_share(seed: bytes, population: dict[bytes, Stratum]) -> None:
    """Its percent rounded up, at least so many, or all there are."""
    counts = Counter(population.values())
    for one in sampling.draw(seed, population, CRITERIA):
        count = counts[Stratum(one.unit, one.kind)]
        assert len(one.drawn) == min(count, max(3, math.ceil(count * 0.02)))


@given(SEEDS, POPULATIONS)
def test_it_can_be_drawn_by_the_specification_alone(seed: bytes, population: dict[bytes, Stratum]) -> None:
    """The lowest HMAC-SHA256 under the seed, by the standard library."""
    for one in sampling.draw(seed, population, CRITERIA):
        ids = [id_ for id_, of in population.items() if of == Stratum(one.unit, one.kind)]
        ids.sort(key=lambda id_: hmac.new(seed, id_, hashlib.sha256).digest())
        assert one.drawn == tuple(id_.hex() for id_ in ids[: len(one.drawn)])
    digest = hashlib.sha256(b"".join(sorted(population))).hexdigest()
    assert sampling.digest(population) == digest


@given(SEEDS, st.integers(1, 40))
def test_no_more_is_drawn_than_the_most(seed: bytes, most: int) -> None:
    """What is over it is taken from the largest; a small stratum keeps its own while a large one has more."""
    population = {
        bytes([unit, n]) + bytes(14): Stratum(name, EventKind.READ)
        for unit, (name, size) in enumerate([("A", 5), ("B", 200), ("C", 80)])
        for n in range(size)
    }
    made = sampling.draw(seed, population, Criteria(percent=10.0, least=1, most=most))
    sizes = {one.unit: len(one.drawn) for one in made}
    assert sum(sizes.values()) == min(most, 29)
    assert max(sizes["A"], sizes["C"]) <= sizes["B"] + 1


def test_many_seeds_draw_everyone_alike() -> None:
    """No access is drawn much more or less often than another: within five standard deviations of its share."""
    population = {n.to_bytes(16, "big"): Stratum("A", EventKind.READ) for n in range(50)}
    criteria = Criteria(percent=20.0, least=1, most=100)
    times: Counter[str] = Counter()
    for n in range(2000):
        (one,) = sampling.draw(hashlib.sha256(b"%d" % n).digest(), population, criteria)
        times.update(one.drawn)
    expected, deviation = 2000 * 0.2, math.sqrt(2000 * 0.2 * 0.8)
    assert all(abs(times[id_.hex()] - expected) < 5 * deviation for id_ in population)


def test_the_population_is_what_staff_were_permitted_to_do_with_data() -> None:
    """No citizen's act, no system's, no refusal, and no emergency, which is reviewed anyway."""

    def act(
        kind: EventKind, who: ActorKind = ActorKind.STAFF, decision: Decision = Decision.PERMIT
    ) -> Access:
        actor, id_ = Actor(id="SE1-A", kind=who, name="", unit_id="U"), f"{kind}{who}{decision}".encode()
        return Access(id_, 0, START, actor, kind, Activity.READ, None, (), decision, "", (), None, "")

    wanted = [act(kind) for kind in (EventKind.READ, EventKind.ADD, EventKind.VIEW, EventKind.EXPORT)]
    others = [
        act(EventKind.READ, ActorKind.CITIZEN),
        act(EventKind.READ, ActorKind.CLIENT),
        act(EventKind.READ, decision=Decision.REFUSE),
        act(EventKind.EMERGENCY),
        act(EventKind.REVIEW),
        act(EventKind.LOGIN),
    ]
    found = sampling.of_population([*wanted, *others])
    assert found == {one.id: Stratum("U", one.kind) for one in wanted}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "percent = 2.0\nleast = 3",
        "percent = 2.0\nleast = 3\nmost = 200\nmore = 1",
        "percent = 0.0\nleast = 3\nmost = 200",
        "percent = 101.0\nleast = 3\nmost = 200",
        "percent = 2.0\nleast = 0\nmost = 200",
        "percent = 2.0\nleast = 201\nmost = 200",
        "percent = 2.0\nleast = 3\nmost = 10001",
        "percent = 'two'\nleast = 3\nmost = 200",
        "percent = ",
    ],
)
def test_criteria_that_are_wrong_stop_the_start(tmp_path: Path, text: str) -> None:
    """The file is named."""
    (tmp_path / "sampling.toml").write_text(text)
    with pytest.raises(PoliciesError, match=r"sampling\.toml"):
        Criteria.load(tmp_path)
    assert Criteria.load(INSTALLED) == CRITERIA
