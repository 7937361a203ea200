"""A year of a region's accesses with misuse planted in it, for the signals to be tried on.

**Normal life** is episodes of care: a citizen at a unit for some hours to some weeks, seen by several of its staff by
the unit's rhythm (health centres by day, an emergency department and wards round the clock, night staff, summers and
weekends thinner). It is messy: half of the care relations are not on record; telephone advice, referrals, renewals and
wrong clicks are single looks by one person at a citizen whom nobody else at the unit knows; doctors write late in the
evening; floating staff work at units that are not theirs; consultants look from other units at any hour; rounds,
recall lists and quality reviews go through many citizens in minutes; staff, their families and namesakes are citizens
too and get care where they work; some grants are made at the visit, and some regretted the same evening; some print
whole records for a transfer; some are refused again and again since the citizen took back a consent; emergencies
are justified and some of them are seen by one person alone.

**Planted**: 5 cases each of 8 kinds. How each looks, and what in normal life looks alike:

- own: one to four looks at one's own record, at work. Alike: namesakes, met by chance or in care.
- relative: one to four looks over weeks at somebody of one's family. Alike: people of the same surname, met by chance;
  families in care at the same unit. One in four families has a common name.
- colleague: one to three looks at somebody of the same unit. Alike: staff in care where they work; lone looks at them.
- protected: one or two looks at a person with protected identity. Alike: their own care, and lone looks in it.
- sequential: 9 to 25 citizens in a sitting, 8 to 60 seconds each. Alike: recall lists and quality reviews, half without
  a relation.
- off-hours: two to five citizens on an evening or a weekend, from a unit that is closed. Alike: notes written late,
  and calls taken at home.
- bulk: 6 to 14 citizens printed or taken out in a day, or one or two with very much. Alike: coordinators who do it each
  month, transfers.
- grant: a grant made some minutes before the look, taken back within a day. Alike: grants at a visit, some taken back.

The scorer is given accesses and facts as the house has them, no mark: planted accesses are made by the same function,
have ids and numbers by the same clock, and stand in the order of time among all others. Planted people are drawn
from the same staff and citizens, who otherwise live as all others do.
"""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from audit.events import Activity, Actor, ActorKind, Decision, EventKind
from audit.review import Access
from audit.signals import Colleague, Facts, Grant, Known, Tie
from policies.vocabulary import Category, Purpose

ZONE = ZoneInfo("Europe/Stockholm")
NEW_YEAR = datetime(2025, 1, 1, tzinfo=ZONE)
PROVIDER = "SE2120009923-V1"

_COMMON = [
    "Andersson",
    "Johansson",
    "Karlsson",
    "Nilsson",
    "Eriksson",
    "Larsson",
    "Olsson",
    "Persson",
    "Svensson",
    "Gustafsson",
    "Pettersson",
    "Jonsson",
]
_FIRST_PARTS = [
    "Berg",
    "Lind",
    "Ek",
    "Sjö",
    "Ny",
    "Sand",
    "Hög",
    "Väst",
    "Öst",
    "Ström",
    "Alm",
    "Ceder",
    "Gran",
    "Hall",
    "Holm",
    "Kvarn",
    "Lund",
    "Mo",
    "Norr",
    "Palm",
    "Ros",
    "Stor",
    "Tall",
    "Vik",
    "Åker",
]
_LAST_PARTS = [
    "ström",
    "gren",
    "qvist",
    "blad",
    "dahl",
    "man",
    "stedt",
    "lund",
    "berg",
    "feldt",
    "ander",
    "ius",
    "ell",
    "strand",
    "mark",
    "fors",
    "holm",
    "vall",
    "borg",
    "crantz",
]
_GIVEN = [
    "Anna",
    "Eva",
    "Maria",
    "Karin",
    "Sara",
    "Lena",
    "Emma",
    "Malin",
    "Ida",
    "Elin",
    "Linnea",
    "Hanna",
    "Sofia",
    "Ulla",
    "Birgit",
    "Kerstin",
    "Ingrid",
    "Jenny",
    "Johanna",
    "Annika",
    "Cecilia",
    "Helena",
    "Frida",
    "Matilda",
    "Agnes",
    "Astrid",
    "Märta",
    "Britta",
    "Gunilla",
    "Monica",
    "Siv",
    "Maj",
    "Inger",
    "Marie",
    "Ann",
    "Susanne",
    "Pia",
    "Therese",
    "Camilla",
    "Josefin",
    "Lars",
    "Anders",
    "Per",
    "Johan",
    "Karl",
    "Nils",
    "Erik",
    "Olof",
    "Jan",
    "Peter",
    "Mikael",
    "Sven",
    "Fredrik",
    "Jonas",
    "Gustav",
    "Bo",
    "Göran",
    "Leif",
    "Bengt",
    "Ulf",
    "Rolf",
    "Thomas",
    "Hans",
    "Magnus",
    "Mattias",
    "Daniel",
    "Oskar",
    "Viktor",
    "Filip",
    "Emil",
    "Axel",
    "Hugo",
    "Elias",
    "Lucas",
    "Simon",
    "Hassan",
    "Amina",
    "Fatima",
    "Ali",
    "Leila",
    "Mehmet",
    "Ewa",
    "Piotr",
    "Mira",
    "Tuva",
    "Omar",
    "Yasmin",
    "Samir",
    "Nadia",
    "Zlatan",
    "Jasmina",
    "Goran",
    "Milena",
    "Ahmed",
    "Layla",
    "Ibrahim",
    "Zahra",
    "Reza",
    "Shirin",
    "Dragan",
    "Tove",
    "Moa",
    "Alva",
]


@dataclass
class Unit:
    """A unit, what kind, and who works there."""

    id: str
    name: str
    kind: str
    staff: list["Member"] = field(default_factory=list)


@dataclass(eq=False)
class Member:
    """One of the staff; ``own`` is their own vault, where they have one."""

    id: str
    name: str
    title: str
    pattern: str  # day, rota, night
    home: Unit
    units: list[Unit]
    busy: float
    own: bytes | None = None
    kin: list[bytes] = field(default_factory=list)

    def at(self, unit: Unit) -> Actor:
        """Return how the log names them on their commission at a unit."""
        return Actor(
            kind=ActorKind.STAFF,
            id=self.id,
            name=self.name,
            title=self.title,
            commission=f"{self.id}-{unit.id}",
            unit_id=unit.id,
            unit_name=unit.name,
            provider_id=PROVIDER,
        )


@dataclass(frozen=True)
class Year:
    """What was made: the accesses in order of time, what the house knows, and the planted accesses by case and kind."""

    accesses: list[Access]
    facts: Facts
    cases: dict[tuple[str, int], frozenset[bytes]]


@dataclass
class _Citizen:
    name: str
    protected: bool
    home: Unit
    ties: list[Tie] = field(default_factory=list)
    grants: dict[str, Grant] = field(default_factory=dict)


@dataclass
class _Act:
    at: datetime
    member: Member
    unit: Unit
    vault: bytes
    kind: EventKind = EventKind.READ
    activity: Activity = Activity.READ
    records: int = 1
    refused: bool = False
    purpose: Purpose = Purpose.CARE
    rule: str = ""
    case: tuple[str, int] | None = None


# Staff by kind of unit: how many units of 400 staff's region, who works there by what hours.
_KINDS = {
    "centre": (14, (("Läkare", "day", 4), ("Sjuksköterska", "day", 6), ("Medicinsk sekreterare", "day", 2))),
    "ward": (
        7,
        (
            ("Läkare", "rota", 3),
            ("Sjuksköterska", "rota", 9),
            ("Sjuksköterska", "night", 3),
            ("Undersköterska", "rota", 4),
        ),
    ),
    "emergency": (2, (("Läkare", "rota", 8), ("Sjuksköterska", "rota", 12), ("Undersköterska", "rota", 4))),
    "clinic": (
        6,
        (
            ("Läkare", "day", 4),
            ("Sjuksköterska", "day", 3),
            ("Kurator", "day", 1),
            ("Medicinsk sekreterare", "day", 1),
        ),
    ),
    "records": (1, (("Koordinator", "day", 4), ("Medicinsk sekreterare", "day", 4))),
}
_SPAN = {"centre": 30, "ward": 8, "emergency": 1, "clinic": 45, "records": 5}
_SHARE = {"centre": 42, "ward": 22, "emergency": 16, "clinic": 17, "records": 3}


class Region:
    """Makes a year of one region by one seed."""

    def __init__(self, seed: int, *, citizens: int) -> None:
        self.random = random.Random(seed)
        self.acts: list[_Act] = []
        self.citizens: dict[bytes, _Citizen] = {}
        self.units = self._units()
        self.staff = [member for unit in self.units for member in unit.staff]
        self._float_staff()
        self._settle(citizens)
        self.vaults = list(self.citizens)
        self.by_unit: dict[str, list[bytes]] = {unit.id: [] for unit in self.units}
        for vault, one in self.citizens.items():
            self.by_unit[one.home.id].append(vault)
        self._rules = 0

    # --- people

    def name(self) -> str:
        """Return a made-up name; three in ten surnames are common ones."""
        r = self.random
        rare = r.choice(_FIRST_PARTS) + r.choice(_LAST_PARTS)
        return f"{r.choice(_GIVEN)} {r.choice(_COMMON) if r.random() < 0.3 else rare}"

    def _units(self) -> list[Unit]:
        units = []
        for kind, (count, posts) in _KINDS.items():
            for number in range(count):
                unit = Unit(f"SE2120009923-{kind[0].upper()}{number}", f"{kind} {number}", kind)
                for title, pattern, many in posts:
                    for _ in range(many):
                        self._employ(unit, title, pattern)
                units.append(unit)
        return units

    def _employ(self, unit: Unit, title: str, pattern: str) -> None:
        id_ = f"SE2120009923-{len(unit.staff)}{unit.id[-2:]}{unit.kind[1].upper()}"
        busy = self.random.lognormvariate(0, 0.7)
        unit.staff.append(Member(id_, self.name(), title, pattern, unit, [unit], busy))

    def _float_staff(self) -> None:
        for member in self.random.sample(self.staff, len(self.staff) // 12):
            member.units.append(self.random.choice(self.units[:-1]))

    def _settle(self, count: int) -> None:
        """Let citizens live here: staff and their families among them."""
        r = self.random
        for member in self.staff:
            if r.random() < 0.75:
                member.own = self._citizen(member.name)
            for _ in range(r.choice((0, 1, 1, 2, 3))):
                member.kin.append(self._citizen(f"{r.choice(_GIVEN)} {member.name.split()[-1]}"))
        while len(self.citizens) < count:
            self._citizen(self.name())

    def _citizen(self, name: str) -> bytes:
        r = self.random
        vault = r.randbytes(16)
        home = r.choice([unit for unit in self.units if unit.kind == "centre"])
        self.citizens[vault] = found = _Citizen(name, r.random() < 0.006, home)
        if r.random() < 0.55:
            found.ties.append(Tie(f"unit:{home.id}", NEW_YEAR - timedelta(days=r.randrange(1, 900))))
        found.grants[f"r{vault.hex()}"] = Grant(NEW_YEAR - timedelta(days=r.randrange(1, 600)))
        return vault

    # --- time

    def day(self) -> datetime:
        """Return a day: fewer in July and on weekends, for what can wait."""
        r = self.random
        while True:
            found = NEW_YEAR + timedelta(days=r.randrange(365))
            if r.random() < (0.55 if found.month == 7 else 1.0):
                return found

    def moment(self, day: datetime, hour: float) -> datetime:
        """Return a moment of a day."""
        return day.replace(hour=0) + timedelta(seconds=int(hour * 3600) + self.random.randrange(60))

    def by_day(self, day: datetime) -> datetime:
        """Return a moment in office hours on a weekday near ``day``."""
        while day.weekday() >= 5:
            day += timedelta(days=1)
        return self.moment(day, min(18.5, max(6.8, self.random.gauss(11.5, 2.4))))

    def any_hour(self, day: datetime) -> datetime:
        """Return a moment round the clock, nights thinner."""
        hour = self.random.uniform(0, 24) if self.random.random() < 0.45 else self.random.gauss(13, 3.5) % 24
        return self.moment(day, hour)

    def at_work(self, unit: Unit, day: datetime) -> datetime:
        """Return a moment when a unit works."""
        return self.any_hour(day) if unit.kind in ("ward", "emergency") else self.by_day(day)

    def on_duty(self, unit: Unit, at: datetime) -> Member:
        """Return one who works at a unit then: by pattern, some of them floating."""
        r, night = self.random, not 6 <= at.hour < 21
        pool = [one for one in unit.staff if one.pattern in {"night" if night else "day", "rota"}]
        if r.random() < 0.04:
            pool = [one for one in self.staff if unit in one.units and one.home is not unit] or pool
        pool = pool or unit.staff
        return r.choices(pool, [one.busy for one in pool])[0]

    # --- normal life

    def live(self, count: int) -> None:
        """Make so many accesses of normal life."""
        r = self.random
        ways: list[tuple[Callable[[], None], float]] = [
            (self.episode, 100),
            (self.lone, 45),
            (self.late, 5),
            (self.recall, 1.2),
            (self.audit, 0.05),
            (self.transfer, 0.8),
            (self.refusals, 0.25),
            (self.opening, 0.7),
            (self.on_the_spot, 3),
        ]
        for member in self.units[-1].staff[:4]:
            for month in range(12):
                self.monthly(member, month)
        acts, weights = [way for way, _ in ways], [weight for _, weight in ways]
        while len(self.acts) < count:
            r.choices(acts, weights)[0]()

    def act(self, at: datetime, member: Member, unit: Unit, vault: bytes, **more: object) -> _Act:
        """Make one access; the records that it shows are many or few."""
        records = max(1, int(self.random.lognormvariate(2.5, 1.1)))
        made = _Act(at, member, unit, vault, **{"records": records, **more})  # type: ignore[arg-type]
        self.acts.append(made)
        return made

    def unit(self) -> Unit:
        """Return a unit by how much is done there."""
        return self.random.choices(
            self.units, [_SHARE[one.kind] / _KINDS[one.kind][0] for one in self.units]
        )[0]

    def patient(self, unit: Unit) -> bytes:
        """Return a citizen: a centre's are mostly its own."""
        r = self.random
        if unit.kind == "centre" and r.random() < 0.85:
            return r.choice(self.by_unit[unit.id])
        return r.choice(self.vaults)

    def episode(self) -> None:
        """A citizen in care at a unit, seen by several; half of them become a relation on record."""
        r, unit = self.random, self.unit()
        vault, start = self.patient(unit), self.at_work(unit, self.day())
        if r.random() < 0.45:
            self.citizens[vault].ties.append(Tie(f"unit:{unit.id}", start.astimezone(UTC)))
        if r.random() < 0.06:
            self.grant(vault, start, ended=r.random() < 0.04)
        looks = max(1, int(r.expovariate(1 / (11 if unit.kind == "ward" else 4))))
        for number in range(looks):
            day = start + timedelta(days=r.expovariate(2 / _SPAN[unit.kind])) if number else start
            at = self.at_work(unit, day) if number else start
            if at < NEW_YEAR + timedelta(days=365):
                printed = r.random() < 0.01
                member = self.on_duty(unit, at)
                self.act(at, member, unit, vault, activity=Activity.PRINT if printed else Activity.READ)

    def lone(self) -> None:
        """Advice, a referral, a renewal, a consultation, a wrong click: one person, once."""
        unit = self.unit()
        at = self.at_work(unit, self.day())
        far = self.random.random() < 0.4
        vault = self.random.choice(self.vaults) if far else self.patient(unit)
        self.act(at, self.on_duty(unit, at), unit, vault, refused=self.random.random() < 0.04)

    def late(self) -> None:
        """Notes written in the evening or on a weekend, calls taken at home: mostly of the unit's own citizens."""
        r = self.random
        unit = r.choice([one for one in self.units if one.kind in ("centre", "clinic")])
        doctors = [one for one in unit.staff if one.title == "Läkare"]
        member = r.choice(doctors if r.random() < 0.85 else unit.staff)
        at = self.moment(self.day(), r.choice((20.2, 21, 22, 5.5)) + r.random() * 0.7)
        for _ in range(r.choice((1, 1, 2, 3, 5))):
            vault = self.patient(unit) if r.random() < 0.85 else r.choice(self.vaults)
            self.act(at, member, unit, vault)
            at += timedelta(minutes=r.uniform(1, 15))

    def recall(self) -> None:
        """A round, or a list of those to be called: many in minutes, most of them known."""
        r, unit = self.random, self.unit()
        at = self.at_work(unit, self.day())
        member = self.on_duty(unit, at)
        lately = [one.vault for one in self.acts[-4000:] if one.unit is unit]
        for _ in range(r.randrange(5, 22)):
            vault = r.choice(lately) if lately and r.random() < 0.75 else self.patient(unit)
            self.act(at, member, unit, vault, records=3)
            at += timedelta(seconds=r.uniform(15, 140))

    def audit(self) -> None:
        """A quality review by one who has nothing else to do with these citizens."""
        r, unit = self.random, r_unit(self)
        at, member = self.by_day(self.day()), r.choice(unit.staff)
        for _ in range(r.randrange(8, 25)):
            self.act(at, member, unit, self.patient(unit), purpose=Purpose.QUALITY)
            at += timedelta(seconds=r.uniform(25, 200))

    def monthly(self, member: Member, month: int) -> None:
        """A coordinator's list of each month, taken out."""
        at = self.by_day(NEW_YEAR + timedelta(days=30 * month + 2))
        for _ in range(self.random.randrange(6, 18)):
            vault = self.random.choice(self.vaults)
            self.act(
                at, member, member.home, vault, kind=EventKind.EXPORT, records=self.random.randrange(20, 120)
            )
            at += timedelta(minutes=self.random.uniform(1, 6))

    def transfer(self) -> None:
        """A record printed whole, since the citizen goes elsewhere."""
        r, unit = self.random, self.unit()
        vault, at = self.patient(unit), self.at_work(unit, self.day())
        records = int(r.lognormvariate(4.6, 0.9))
        for _ in range(r.choice((1, 1, 1, 2))):
            self.act(at - timedelta(hours=r.uniform(1, 40)), self.on_duty(unit, at), unit, vault)
        self.act(at, self.on_duty(unit, at), unit, vault, activity=Activity.PRINT, records=records)

    def refusals(self) -> None:
        """Refused again and again: the citizen took a consent back, or the list was an old one."""
        r, unit = self.random, self.unit()
        at = self.at_work(unit, self.day())
        member = self.on_duty(unit, at)
        for _ in range(r.randrange(2, 7)):
            self.act(at, member, unit, self.patient(unit), refused=True)
            at += timedelta(minutes=r.uniform(0.5, 20))

    def opening(self) -> None:
        """A justified emergency, mostly at an emergency department, and mostly seen by others there too."""
        r = self.random
        kind = "emergency" if r.random() < 0.8 else "ward"
        unit = r.choice([one for one in self.units if one.kind == kind])
        at, vault = self.any_hour(self.day()), r.choice(self.vaults)
        self.act(
            at, self.on_duty(unit, at), unit, vault, kind=EventKind.EMERGENCY, activity=Activity.EMERGENCY
        )
        for _ in range(r.choice((0, 1, 2, 4))):
            at += timedelta(minutes=r.uniform(2, 50))
            self.act(at, self.on_duty(unit, at), unit, vault)

    def on_the_spot(self) -> None:
        """A grant made at the visit, and read by it; one in twenty is regretted the same day."""
        r, unit = self.random, self.unit()
        at, vault = self.at_work(unit, self.day()), self.patient(unit)
        rule = self.grant(vault, at - timedelta(minutes=r.uniform(1, 30)), ended=r.random() < 0.05)
        for _ in range(r.choice((1, 1, 2, 3))):
            self.act(at, self.on_duty(unit, at), unit, vault, rule=rule)
            at += timedelta(hours=r.uniform(0.1, 30))

    def grant(self, vault: bytes, at: datetime, *, ended: bool) -> str:
        """Let a citizen make a rule, and maybe end it soon."""
        self._rules += 1
        rule, made = f"g{self._rules:06d}{vault[:4].hex()}", at.astimezone(UTC)
        until = made + timedelta(hours=self.random.uniform(0.3, 20)) if ended else None
        self.citizens[vault].grants[rule] = Grant(made, until)
        return rule

    # --- misuse

    def misuse(self, kind: str, number: int) -> None:
        """Plant one case."""
        before = len(self.acts)
        {
            "own": self._own,
            "relative": self._relative,
            "colleague": self._colleague,
            "protected": self._protected,
            "sequential": self._sequential,
            "off-hours": self._off_hours,
            "bulk": self._bulk,
            "grant": self._grant,
        }[kind]()
        for one in self.acts[before:]:
            one.case = kind, number

    def _looks(self, member: Member, vault: bytes, count: int) -> None:
        """Look at one citizen now and then, at work."""
        at = self.at_work(member.home, self.day())
        for _ in range(count):
            self.act(at, member, member.home, vault)
            at = self.at_work(member.home, at + timedelta(days=self.random.expovariate(1 / 12)))
            if at >= NEW_YEAR + timedelta(days=365):
                return

    def _own(self) -> None:
        member = self.random.choice([one for one in self.staff if one.own])
        assert member.own
        self._looks(member, member.own, self.random.randrange(1, 5))

    def _relative(self) -> None:
        member = self.random.choice([one for one in self.staff if one.kin])
        self._looks(member, self.random.choice(member.kin), self.random.randrange(1, 5))

    def _colleague(self) -> None:
        r = self.random
        member = r.choice(self.staff)
        others = [one.own for one in member.home.staff if one is not member and one.own]
        if not others:
            self._colleague()
            return
        self._looks(member, r.choice(others), r.randrange(1, 4))

    def _protected(self) -> None:
        hidden = [vault for vault, one in self.citizens.items() if one.protected]
        self._looks(self.random.choice(self.staff), self.random.choice(hidden), self.random.randrange(1, 3))

    def _sequential(self) -> None:
        r, member = self.random, self.random.choice(self.staff)
        at = self.at_work(member.home, self.day())
        for _ in range(r.randrange(9, 26)):
            self.act(at, member, member.home, r.choice(self.vaults), refused=r.random() < 0.15)
            at += timedelta(seconds=r.uniform(8, 60))

    def _off_hours(self) -> None:
        r = self.random
        member = r.choice([one for one in self.staff if one.pattern == "day"])
        at = self.moment(self.day(), r.choice((20.5, 22, 23.2, 1, 3)) + r.random() * 0.6)
        for _ in range(r.randrange(2, 6)):
            self.act(at, member, member.home, r.choice(self.vaults))
            at += timedelta(minutes=r.uniform(1, 12))

    def _bulk(self) -> None:
        r, member = self.random, self.random.choice(self.staff)
        at, is_wide = self.at_work(member.home, self.day()), self.random.random() < 0.6
        for _ in range(r.randrange(6, 15) if is_wide else r.randrange(1, 3)):
            records = r.randrange(15, 150) if is_wide else r.randrange(600, 4000)
            taken = {"activity": Activity.PRINT} if r.random() < 0.5 else {"kind": EventKind.EXPORT}
            self.act(at, member, member.home, r.choice(self.vaults), records=records, **taken)
            at += timedelta(minutes=r.uniform(1, 10))

    def _grant(self) -> None:
        r, member = self.random, self.random.choice(self.staff)
        at, vault = self.at_work(member.home, self.day()), self.random.choice(self.vaults)
        rule = self.grant(vault, at - timedelta(minutes=r.uniform(1, 12)), ended=True)
        self.act(at, member, member.home, vault, rule=rule)


def r_unit(region: Region) -> Unit:
    """Return a unit whose staff review."""
    return region.random.choice([one for one in region.units if one.kind in ("clinic", "records")])


KINDS = ("own", "relative", "colleague", "protected", "sequential", "off-hours", "bulk", "grant")


def year(seed: int, *, normal: int = 200_000, each: int = 5) -> Year:
    """Make a year: normal accesses, and ``each`` cases of every kind."""
    region = Region(seed, citizens=max(2500, normal // 12))
    region.live(normal)
    for kind in KINDS:
        for number in range(each):
            region.misuse(kind, number)
    return _logged(region)


def _logged(region: Region) -> Year:
    """Write all down as the log would, in the order of time."""
    cases: dict[tuple[str, int], set[bytes]] = {}
    accesses = []
    actors: dict[tuple[str, str], Actor] = {}
    for seq, one in enumerate(sorted(region.acts, key=lambda act: act.at)):
        at = one.at.astimezone(UTC)
        id_ = int(at.timestamp() * 1000).to_bytes(6, "big") + region.random.randbytes(10)
        key = one.member.id, one.unit.id
        actor = actors.get(key) or actors.setdefault(key, one.member.at(one.unit))
        accesses.append(_access(one, id_, seq, at, actor))
        if one.case:
            cases.setdefault(one.case, set()).add(id_)
    citizens = {
        vault: Known(one.name, one.protected, tuple(one.ties), one.grants)
        for vault, one in region.citizens.items()
    }
    staff = {one.id: Colleague(one.name, frozenset(unit.id for unit in one.units)) for one in region.staff}
    return Year(accesses, Facts(citizens, staff, ZONE), {case: frozenset(ids) for case, ids in cases.items()})


def _access(one: _Act, id_: bytes, seq: int, at: datetime, actor: Actor) -> Access:
    return Access(
        id=id_,
        seq=seq,
        at=at,
        actor=actor,
        kind=one.kind,
        activity=one.activity,
        purpose=one.purpose,
        categories=(Category.BLOOD_PRESSURE,),
        decision=Decision.REFUSE if one.refused else Decision.PERMIT,
        reason="no-rule" if one.refused else "",
        rules=() if one.refused else (one.rule or f"r{one.vault.hex()}",),
        vault=one.vault,
        subject="",
        counts={} if one.refused else {"records": one.records},
        is_finished=True,
    )


def found(made: Year, entries: Iterable[bytes]) -> dict[str, int]:
    """Return how many cases of each kind have one of their accesses among some entries."""
    shown, counts = set(entries), dict.fromkeys(KINDS, 0)
    for (kind, _), ids in made.cases.items():
        counts[kind] += bool(ids & shown)
    return counts
