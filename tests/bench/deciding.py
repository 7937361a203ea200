"""Decisions, masks and the index of rules: what consent costs.

The rules are such as a citizen may make: of units, providers, regions and persons, of some categories each, some
with dates. The bare matcher is the compiled index alone, without law and scope.
"""

import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from consent.index import Indexes
from consent.judge import Granted, Matter, Need, judge
from consent.nodes import standing
from consent.questions import Subject
from consent.rules import Grantee, Rule, RuleSet
from identity.principal import Staff
from keys.envelope import microseconds
from policies.vocabulary import MEASUREMENTS, Action, Category, Deed, Effect, GranteeKind
from sharing import adding, reading
from sharing.house import purpose_of
from sharing.reading import Query
from tests.bench import vaults
from tests.bench.life import HEART_RATE, Measurement, measurements, number_of
from tests.bench.rows import side_by_side
from tests.bench.sites import Site, enter

RULES = (5, 50, 200)
MASKED = 10_000
_ASKED = 100  # questions in one timing, since one is short
_DAYS = 80  # in which a watch measures so many pulses
_VAULT = bytes(16)
_SINCE = date(2020, 1, 1)


async def decision(site: Site, count: int, seconds: float) -> tuple[float, float]:
    """Decide whether the nurse may read, at so many rules, beside their bare matcher."""
    matter, rules, indexes = _matter(site), rules_of(count, _nurse(site)), Indexes()
    index, who = indexes.of(_VAULT, rules), standing(matter.principal)

    def bare() -> None:
        assert index.match(who, Action.READ, matter.categories[0], matter.purpose, matter.at).allows

    return await _each(_deciding(site, count), bare, seconds)


async def grown(site: Site, seconds: float) -> tuple[float, float]:
    """Decide at the most rules measured, beside the fewest."""
    return await _each(_deciding(site, max(RULES)), _deciding(site, min(RULES)), seconds)


async def rebuilt(site: Site, seconds: float) -> tuple[float, float]:
    """Take the index anew after a revocation, beside taking the one at hand, at the most rules measured."""
    all_rules, indexes, settled = rules_of(max(RULES), _nurse(site)), Indexes(), Indexes()
    fewer = RuleSet(all_rules.version + 1, all_rules.rules[:-1])
    turns = itertools.cycle((all_rules, fewer))
    return await _each(
        lambda: indexes.of(_VAULT, next(turns)), lambda: settled.of(_VAULT, all_rules), seconds
    )


async def masked(site: Site, seconds: float) -> tuple[float, float]:
    """Read many records through masks that leave some out, beside the plain query that finds them all."""
    await enter(site)
    now = site.house.clock()
    site.plain.fill(rows := _pulses(now))
    await adding.add(site.house, site.owner, site.alias, vaults.columns_of(rows, site))
    await site.allow(data_from="1990-01-01")
    hidden = (now - timedelta(days=_DAYS // 2)).date()
    await site.allow(effect="block", codes=[HEART_RATE.code], data_from=str(hidden), data_to=str(hidden))
    query = Query((HEART_RATE.category,))

    async def ours() -> int:
        return len((await reading.read(site.house, site.nurse, site.alias, query)).columns)

    def plain() -> int:
        return len(site.plain.rows(number_of(HEART_RATE.category), 0, microseconds(now)))

    assert 0 < await ours() < plain() == len(rows)
    return await side_by_side(ours, plain, seconds)


def _deciding(site: Site, count: int) -> Callable[[], None]:
    matter, rules, indexes = _matter(site), rules_of(count, _nurse(site)), Indexes()

    def decide() -> None:
        verdict = judge(matter, Need.EVERY, rules=rules, policies=site.house.gate.policies, indexes=indexes)
        assert isinstance(verdict, Granted)

    return decide


def _matter(site: Site) -> Matter:
    about = Subject(_VAULT, site.alias, site.owner.person.birth_date)
    at, why = site.house.clock(), purpose_of(site.nurse)
    return Matter(site.nurse, about, Deed.READ, at, why, (HEART_RATE.category,))


def rules_of(count: int, nurse: Staff) -> RuleSet:
    """Return so many rules; the first two let the nurse's unit read and narrow it, few others reach her."""
    chance, unit = random.Random(count), nurse.commission.unit
    hers = (
        Grantee(GranteeKind.UNIT, unit.id),
        Grantee(GranteeKind.PROVIDER, unit.provider.id),
        Grantee(GranteeKind.PERSON, nurse.id),
    )
    grantees = (*hers, *(Grantee(GranteeKind.UNIT, f"{unit.id}-{number}") for number in range(37)))
    first = _rule(0, grantees[0], MEASUREMENTS, since=date(1990, 1, 1))
    narrowing = replace(_rule(1, grantees[1], MEASUREMENTS), effect=Effect.BLOCK, data_to=date(1999, 12, 31))
    rest = [
        _rule(number, chance.choice(grantees), chance.sample(MEASUREMENTS, 3), since=_SINCE)
        for number in range(2, count)
    ]
    return RuleSet(1, (first, narrowing, *rest))


def _rule(number: int, to: Grantee, categories: Sequence[Category], since: date | None = None) -> Rule:
    made = datetime(2025, 1, 1, tzinfo=UTC)
    read = frozenset({Action.READ})
    return Rule(f"{number:032x}", Effect.ALLOW, to, read, frozenset(categories), made, "", data_from=since)


def _pulses(now: datetime) -> list[Measurement]:
    """Return so many pulses as a watch measures in some months."""
    step = timedelta(days=_DAYS) / MASKED
    alike = next(row for row in measurements(100, now) if row[2] == 0)
    return [(*alike[:3], microseconds(now - step * back), *alike[4:]) for back in range(MASKED, 0, -1)]


def _nurse(site: Site) -> Staff:
    assert isinstance(site.nurse, Staff)
    return site.nurse


async def _each(
    ours: Callable[[], object], baseline: Callable[[], object], seconds: float
) -> tuple[float, float]:
    """Return the seconds of one of each: one alone is shorter than the clock is exact."""
    found = await side_by_side(lambda: _repeat(ours), lambda: _repeat(baseline), seconds)
    return found[0] / _ASKED, found[1] / _ASKED


def _repeat(work: Callable[[], object]) -> None:
    for _ in range(_ASKED):
        work()
