"""What one who can write the database tries, and the name under which each attempt is refused."""

import asyncio
import hashlib
import threading
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from app import demo
from app.settings import Settings
from consent.gate import Refused
from consent.recent import Recent
from keys.primitives import PrivateKey, PublicKey
from policies.vocabulary import Category
from sharing import granting, summing
from sharing.house import House
from sharing.reading import Query
from tests.world import START, Attacker, World, pressure, weight
from vault import head as heads
from vault import naming, segment, state
from vault.columns import Columns
from vault.errors import Finding, TamperedError
from vault.head import DrawerDigests, Head
from vault.segment import Lock, Parts, Place, Segment
from vault.state import VaultState

BP = Category.BLOOD_PRESSURE
VC = demo.HEALTH_CENTRE
_TABLES = ("vaults", "aliases", "drawers", "generations", "wraps", "segments")


AT = START + timedelta(days=40)


async def _settle(world: World) -> None:
    await world.enter("anna", "bo")
    await world.add("anna", "anna", pressure("121", "81"))
    world.clock.now = AT
    await world.add("anna", "anna", pressure("122", "82", AT))
    await world.add("bo", "bo", pressure("180", "110"))
    await world.allow("anna", "unit", VC, BP)
    assert len((await world.read("nurse-vc", "anna", BP)).records) == 2


@pytest.fixture(scope="module")
def settled(template: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Return a country where Anna and Bo have blood pressures and Anna lets the health centre read hers."""
    world = World.copy_of(template, tmp_path_factory.mktemp("settled") / "data")
    asyncio.run(_settle(world))
    world.close()
    return world.settings


@pytest.fixture
def world(settled: Settings, tmp_path: Path) -> Iterator[World]:
    """Return a copy of that country."""
    made = World.copy_of(settled, tmp_path / "data", now=AT)
    yield made
    made.remove()


def one_month(vault_state: VaultState, row: Segment) -> datetime:
    """Return a moment of the month that a segment is filed under."""
    at = {naming.month_tag(vault_state.keys, BP, naming.month_of(one)): one for one in (START, AT)}
    return at[row.tag]


def days(world: World) -> dict[str, date]:
    """Return a query's first and last day: all that is in the vault."""
    return {"first": START.date(), "last": world.clock().date()}


async def found(world: World, reader: str = "nurse-vc") -> Finding:
    """Return under which name a new process's readings are refused: of all, and of months that are named beforehand."""
    findings = set[Finding]()
    for query in ({}, days(world)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(state, "_DRAWERS_SEEN", Recent(2048))
            with pytest.raises(TamperedError) as refused:
                await world.read(reader, "anna", BP, **query)
        findings.add(refused.value.finding)
    (finding,) = findings
    return finding


async def found_in_summaries(world: World, reader: str = "nurse-vc") -> Finding:
    """Return under which name the next look at the newest values, from summaries, is refused."""
    with pytest.raises(TamperedError) as refused:
        await summing.latest(world.house, world.who(reader), world.alias("anna"), Query((BP,)))
    return refused.value.finding


def insert(connection: Attacker, row: Segment) -> None:
    """Put a segment into the table, and nothing else."""
    columns = row._asdict()
    places = ",".join("?" * len(columns))
    statement = f"INSERT INTO segments ({','.join(columns)}) VALUES ({places})"  # noqa: S608
    connection.execute(statement, list(columns.values()))


def rows(connection: Attacker, table: str, vault: bytes) -> list[tuple[object, ...]]:
    """Return a vault's rows of a table, to be put back later."""
    found = connection.execute(f"SELECT * FROM {table} WHERE vault_id = ?", (vault,))  # noqa: S608
    return list(found.fetchall())


def put_back(connection: Attacker, table: str, vault: bytes, saved: list[tuple[object, ...]]) -> None:
    """Replace a vault's rows of a table by older ones."""
    connection.execute(f"DELETE FROM {table} WHERE vault_id = ?", (vault,))  # noqa: S608
    places = ",".join("?" * len(saved[0]))
    for row in saved:
        connection.execute(f"INSERT INTO {table} VALUES ({places})", row)  # noqa: S608


class TestForgedSegment:
    """HPKE has no sender: anybody can seal a record to the real public half."""

    @pytest.mark.parametrize(
        ("fixed_up", "finding"),
        [
            ("nothing", Finding.FORGED_SEGMENT),
            ("manifest", Finding.CHANGED_MANIFEST),
            ("head", Finding.FORGED_HEAD),
        ],
    )
    async def test_forged_segment_is_refused(self, world: World, fixed_up: str, finding: Finding) -> None:
        """However far the forger fixes digests up, the head's MAC is out of reach."""
        vault_state, drawer, segments = world.drawer("anna", BP)
        public = PublicKey(drawer.publics[1])
        lock = Lock.to(public, vault=vault_state.vault, drawer=drawer.id, generation=1)
        place = Place(lock, segments[0].tag)
        forged = segment.seal(
            Columns.of([pressure("200", "120")]), place, import_id=b"", written=world.clock()
        )
        shelf = [*(one for one in segments if one.tag == forged.tag), forged]
        manifest = heads.encode_manifest(
            {**drawer.shelves, forged.tag: segment.shelf_digest(shelf, Parts.BODY)}
        )
        old = vault_state.head.drawers[drawer.id]
        digests = DrawerDigests(old.generations, old.wraps, heads.digest_of(manifest))
        head = vault_state.head.with_drawer(drawer.id, digests).encode()
        with world.attacker() as db:
            insert(db, forged)
            if fixed_up in {"manifest", "head"}:
                db.execute("UPDATE drawers SET manifest = ? WHERE drawer = ?", (manifest, drawer.id))
            if fixed_up == "head":
                db.execute("UPDATE vaults SET head = ? WHERE vault_id = ?", (head, vault_state.vault))
        assert await found(world) is finding
        assert await found(world, "anna") is finding

    async def test_a_change_does_not_bless_a_forged_segment(self, world: World) -> None:
        """Adding to another shelf and to the same one leave the forgery what it is."""
        vault_state, drawer, segments = world.drawer("anna", BP)
        public = PublicKey(drawer.publics[1])
        lock = Lock.to(public, vault=vault_state.vault, drawer=drawer.id, generation=1)
        place = Place(lock, segments[0].tag)
        forged = segment.seal(
            Columns.of([pressure("200", "120")]), place, import_id=b"", written=world.clock()
        )
        with world.attacker() as db:
            insert(db, forged)
        world.clock.move(days=60)
        await world.add("anna", "anna", pressure("123", "83", world.clock()))
        assert await found(world) is Finding.FORGED_SEGMENT
        with pytest.raises(TamperedError):
            await world.add("anna", "anna", pressure("124", "84", one_month(vault_state, segments[0])))
        assert await found(world) is Finding.FORGED_SEGMENT
        with pytest.raises(TamperedError):
            await world.block("anna", "unit", VC, BP)

    @pytest.mark.parametrize(
        "column",
        [
            "tag", "segment", "generation", "born", "import_id", "sealed_key", "body", "summary",
            "fingerprints", "digests", "written_us",
        ],
    )  # fmt: skip
    async def test_no_column_of_a_segment_can_be_changed(self, world: World, column: str) -> None:
        """The shelf's digest counts every column; what a reading does not fetch, it does not believe either."""
        _, drawer, segments = world.drawer("anna", BP)
        value = getattr(segments[0], column)
        changed = value + 1 if isinstance(value, int) else bytes([(value or b"\0")[0] ^ 1]) + value[1:]
        with world.attacker() as db:
            done = db.execute(
                f"UPDATE segments SET {column} = ? WHERE segment = ?",  # noqa: S608
                (changed, segments[0].segment),
            )
            assert done.rowcount == 1
        assert drawer.current == 1
        expected = {Finding.FORGED_SEGMENT, Finding.MISSING_SEGMENT}
        asks = found_in_summaries if column == "summary" else found
        assert await asks(world) in expected
        assert await asks(world, "anna") in expected


class TestMissingAndMoved:
    """Rows that go, come twice, or come from elsewhere."""

    async def test_deleted_segment_is_refused(self, world: World) -> None:
        """What is left out of a medical record may be what mattered."""
        _, _, segments = world.drawer("anna", BP)
        with world.attacker() as db:
            db.execute("DELETE FROM segments WHERE segment = ?", (segments[0].segment,))
        assert await found(world) is Finding.MISSING_SEGMENT

    async def test_deleted_segment_beside_others_is_refused(self, world: World) -> None:
        """Also where the month has others left."""
        await world.add("anna", "anna", pressure("123", "83", world.clock()))
        _, _, segments = world.drawer("anna", BP)
        tags = [one.tag for one in segments]
        gone = next(one for one in segments if tags.count(one.tag) > 1)
        with world.attacker() as db:
            db.execute("DELETE FROM segments WHERE segment = ?", (gone.segment,))
        assert await found(world) is Finding.FORGED_SEGMENT

    async def test_duplicated_segment_is_refused(self, world: World) -> None:
        """The same readings twice would shift a trend."""
        _, _, segments = world.drawer("anna", BP)
        with world.attacker() as db:
            insert(db, segments[0]._replace(segment=b"\7" * 16))
        assert await found(world) is Finding.FORGED_SEGMENT

    async def test_a_month_that_nothing_counts_is_not_shown(self, world: World) -> None:
        """A forger may name a month that the vault has nothing in; a reading that names it too sees nothing there."""
        vault_state, drawer, _ = world.drawer("anna", BP)
        before = START - timedelta(days=60)
        lock = Lock.to(PublicKey(drawer.publics[1]), vault=vault_state.vault, drawer=drawer.id, generation=1)
        place = Place(lock, naming.month_tag(vault_state.keys, BP, naming.month_of(before)))
        columns = Columns.of([pressure("200", "120", before)])
        with world.attacker() as db:
            insert(db, segment.seal(columns, place, import_id=b"", written=world.clock()))
        for days in ({}, {"first": before.date(), "last": AT.date()}):
            assert len((await world.read("nurse-vc", "anna", BP, **days)).records) == 2

    async def test_deleted_drawer_is_refused(self, world: World) -> None:
        """A drawer that the head tells of must be there."""
        _, drawer, _ = world.drawer("anna", BP)
        with world.attacker() as db:
            for table in ("drawers", "generations", "wraps", "segments"):
                db.execute(f"DELETE FROM {table} WHERE drawer = ?", (drawer.id,))  # noqa: S608
        assert await found(world) is Finding.CHANGED_MANIFEST

    async def test_changed_manifest_is_refused(self, world: World) -> None:
        """A shelf left out of the manifest would hide its month."""
        _, drawer, segments = world.drawer("anna", BP)
        kept = {tag: shelf for tag, shelf in drawer.shelves.items() if tag != segments[0].tag}
        with world.attacker() as db:
            at = (heads.encode_manifest(kept), drawer.id)
            db.execute("UPDATE drawers SET manifest = ? WHERE drawer = ?", at)
        assert await found(world) is Finding.CHANGED_MANIFEST

    async def test_what_the_head_counts_is_read_by_who_has_seen_its_manifest(self, world: World) -> None:
        """A process that verified the drawer asks for named months alone, and holds them to what it verified."""
        _, drawer, (one, other) = world.drawer("anna", BP)
        before = await world.read("nurse-vc", "anna", BP, **days(world))
        with world.attacker() as db:
            db.execute("DELETE FROM drawers WHERE drawer = ?", (drawer.id,))
        assert (await world.read("nurse-vc", "anna", BP, **days(world))).records == before.records
        with world.attacker() as db:
            db.execute("UPDATE segments SET tag = ? WHERE segment = ?", (one.tag, other.segment))
        with pytest.raises(TamperedError) as refused:
            await world.read("nurse-vc", "anna", BP, **days(world))
        assert refused.value.finding in {Finding.FORGED_SEGMENT, Finding.MISSING_SEGMENT}

    async def test_segment_moved_between_vaults_is_refused(self, world: World) -> None:
        """Bo's reading must never stand as Anna's."""
        vault_state, drawer, mine = world.drawer("anna", BP)
        _, _, theirs = world.drawer("bo", BP)
        with world.attacker() as db:
            db.execute("DELETE FROM segments WHERE segment = ?", (mine[0].segment,))
            db.execute(
                "UPDATE segments SET vault_id = ?, drawer = ?, tag = ? WHERE segment = ?",
                (vault_state.vault, drawer.id, mine[0].tag, theirs[0].segment),
            )
        assert await found(world) is Finding.FORGED_SEGMENT

    async def test_vault_row_moved_between_vaults_is_refused(self, world: World) -> None:
        """Bo's whole head, with its own good MAC, is not Anna's."""
        anna, bo = world.vault("anna"), world.vault("bo")
        with world.attacker() as db:
            db.execute(
                "UPDATE vaults SET (profile, rules, head, head_mac) ="
                " (SELECT profile, rules, head, head_mac FROM vaults WHERE vault_id = ?) WHERE vault_id = ?",
                (bo, anna),
            )
        assert await found(world) is Finding.FORGED_HEAD

    async def test_alias_moved_between_vaults_is_refused(self, world: World) -> None:
        """Who asks for Anna must not be shown Bo, though Bo allowed the same unit."""
        await world.allow("bo", "unit", VC, BP)
        with world.attacker() as db:
            at = (world.vault("bo"), world.alias("anna"))
            db.execute("UPDATE aliases SET vault_id = ? WHERE alias = ?", at)
        assert await found(world) is Finding.FOREIGN_ALIAS

    @pytest.mark.parametrize("tables", [("aliases",), _TABLES], ids=["the way to it", "every row"])
    async def test_deleted_vault_is_missed(self, world: World, tables: tuple[str, ...]) -> None:
        """No empty vault takes the place of one that the log knows."""
        vault = world.vault("anna")
        with world.attacker() as db:
            for table in tables:
                db.execute(f"DELETE FROM {table} WHERE vault_id = ?", (vault,))  # noqa: S608
        with pytest.raises(TamperedError) as refused:
            await world.enter("anna")
        assert refused.value.finding is Finding.MISSING_VAULT
        with pytest.raises(Refused):
            await world.read("nurse-vc", "anna", BP)

    async def test_wrap_moved_between_drawers_is_refused(self, world: World) -> None:
        """A unit's key to blood pressure must not become one to weight."""
        await world.add("anna", "anna", weight("70.5"))
        _, pressures, _ = world.drawer("anna", BP)
        _, weights, _ = world.drawer("anna", Category.BODY_WEIGHT)
        assert len(pressures.wraps) == 3
        with world.attacker() as db:
            columns = "vault_id, generation, recipient, sealed"
            db.execute(
                f"INSERT INTO wraps (drawer, {columns}) SELECT ?, {columns} FROM wraps"  # noqa: S608
                " WHERE drawer = ? ON CONFLICT DO NOTHING",
                (weights.id, pressures.id),
            )
        with pytest.raises(TamperedError) as refused:
            await world.read("anna", "anna", Category.BODY_WEIGHT)
        assert refused.value.finding is Finding.CHANGED_WRAPS


class TestKeysAndRules:
    """Public halves, wraps, rules, profile."""

    async def test_swapped_public_half_is_refused_before_anything_is_sealed_to_it(self, world: World) -> None:
        """Else every later value would be readable to the attacker."""
        _, drawer, _ = world.drawer("anna", BP)
        with world.attacker() as db:
            public = PrivateKey.generate().public().raw
            db.execute("UPDATE generations SET public = ? WHERE drawer = ?", (public, drawer.id))
        assert await found(world) is Finding.CHANGED_PUBLIC_HALF
        with pytest.raises(TamperedError) as refused:
            await world.add("anna", "anna", pressure("123", "83", world.clock()))
        assert refused.value.finding is Finding.CHANGED_PUBLIC_HALF

    async def test_added_generation_is_refused(self, world: World) -> None:
        """A newer generation of the attacker's own would take over all sealing."""
        _, drawer, _ = world.drawer("anna", BP)
        with world.attacker() as db:
            made = (world.vault("anna"), drawer.id, 2, PrivateKey.generate().public().raw)
            db.execute("INSERT INTO generations VALUES (?, ?, ?, ?)", made)
        assert await found(world) is Finding.CHANGED_PUBLIC_HALF

    @pytest.mark.parametrize("how", ["flipped", "another's", "yesterday's", "none"])
    async def test_changed_rules_are_refused(self, world: World, how: str) -> None:
        """A widened rule or a block that is gone must be the owner's doing."""
        anna, bo = world.vault("anna"), world.vault("bo")
        with world.attacker() as db:
            (yesterday,) = db.execute("SELECT rules FROM vaults WHERE vault_id = ?", (anna,)).fetchone()
        await world.block("anna", "unit", VC, BP)
        with world.attacker() as db:
            (now,) = db.execute("SELECT rules FROM vaults WHERE vault_id = ?", (anna,)).fetchone()
            (others,) = db.execute("SELECT rules FROM vaults WHERE vault_id = ?", (bo,)).fetchone()
            blob = {
                "flipped": now[:-1] + bytes([now[-1] ^ 1]),
                "another's": others,
                "yesterday's": yesterday,
                "none": b"",
            }[how]
            db.execute("UPDATE vaults SET rules = ? WHERE vault_id = ?", (blob, anna))
        assert await found(world) is Finding.CHANGED_RULES
        with pytest.raises(TamperedError):
            await granting.rules_of(world.house, world.who("anna"), world.alias("anna"))

    async def test_changed_profile_is_refused(self, world: World) -> None:
        """The profile says who is guardian and whether the identity is protected."""
        with world.attacker() as db:
            (theirs,) = db.execute(
                "SELECT profile FROM vaults WHERE vault_id = ?", (world.vault("bo"),)
            ).fetchone()
            at = (theirs, world.vault("anna"))
            db.execute("UPDATE vaults SET profile = ? WHERE vault_id = ?", at)
        assert await found(world) is Finding.CHANGED_PROFILE

    async def test_deleted_block_with_its_old_head_is_refused(self, world: World) -> None:
        """Yesterday's rules fit yesterday's head, but the log knows a newer one."""
        vault = world.vault("anna")
        with world.attacker() as db:
            saved = rows(db, "vaults", vault)
        await world.block("anna", "unit", demo.HOME_CARE, BP)
        with world.attacker() as db:
            put_back(db, "vaults", vault, saved)
        assert await found(world) is Finding.OLDER_HEAD

    async def test_revoked_wrap_put_back_is_refused(self, world: World) -> None:
        """The wraps alone do not fit the head."""
        rule = await world.allow("anna", "unit", demo.HOME_CARE, BP)
        vault = world.vault("anna")
        with world.attacker() as db:
            saved = rows(db, "wraps", vault)
        await world.revoke("anna", rule)
        with world.attacker() as db:
            put_back(db, "wraps", vault, saved)
        assert await found(world) is Finding.CHANGED_WRAPS

    @pytest.mark.parametrize("tables", [("vaults", "wraps"), _TABLES])
    async def test_yesterdays_rule_with_yesterdays_wrap_is_refused(
        self, world: World, tables: tuple[str, ...]
    ) -> None:
        """Every row of the vault as it was fits together, and is refused as older than the log."""
        rule = await world.allow("anna", "unit", demo.HOME_CARE, BP)
        vault = world.vault("anna")
        with world.attacker() as db:
            saved = {table: rows(db, table, vault) for table in tables}
        await world.revoke("anna", rule)
        with world.attacker() as db:
            for table, old in saved.items():
                put_back(db, table, vault, old)
        assert await found(world, "anna") is Finding.OLDER_HEAD
        assert await found(world, "homecare") is Finding.OLDER_HEAD


class TestHead:
    """The head itself."""

    async def test_restored_database_is_an_older_head(self, world: World) -> None:
        """The log stands in its own file, and knows what was last."""
        copy = world.copy_database()
        await world.add("anna", "anna", pressure("123", "83", world.clock()))
        world.restore_database(copy)
        assert await found(world) is Finding.OLDER_HEAD

    @pytest.mark.parametrize(
        "forge",
        [
            lambda head, _: (head, bytes(32)),
            lambda head, _: (head, hashlib.sha256(head).digest()),
            lambda head, mac: (Head.decode(head).with_drawer(b"d" * 16, DrawerDigests(*[b"x" * 32] * 3)).encode(), mac),
            lambda head, mac: (head[:17] + (99).to_bytes(8, "big") + head[25:], mac),
            lambda head, _: (head, b""),
            lambda _, mac: (b"", mac),
        ],
        ids=["no MAC", "a plain digest", "another drawer", "a later version", "an empty MAC", "an empty head"],
    )  # fmt: skip
    async def test_forged_head_is_refused(
        self, world: World, forge: Callable[[bytes, bytes], tuple[bytes, bytes]]
    ) -> None:
        """Only the KeyStore can make a head."""
        vault = world.vault("anna")
        with world.attacker() as db:
            query = "SELECT head, head_mac FROM vaults WHERE vault_id = ?"
            head, mac = forge(*db.execute(query, (vault,)).fetchone())
            db.execute("UPDATE vaults SET head = ?, head_mac = ? WHERE vault_id = ?", (head, mac, vault))
        assert await found(world) is Finding.FORGED_HEAD

    async def test_vault_newer_than_the_log_is_accepted_and_logged_by_the_next_change(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A process that ends between its commit and its outcome entry must not lock the owner out."""

        async def ends(*_: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as crash:
            crash.setattr(House, "changed", ends)
            with pytest.raises(KeyboardInterrupt):
                await world.add("anna", "anna", pressure("123", "83", world.clock()))
        vault, stored = world.vault("anna"), world.load("anna").head.version
        logged = world.house.log.latest_head(vault)
        assert logged is not None
        assert logged.version == stored - 1
        assert len((await world.read("nurse-vc", "anna", BP)).records) == 3
        await world.add("anna", "anna", pressure("124", "84", world.clock()))
        assert world.house.log.latest_head(vault) == world.load("anna").head.ref()
        assert world.load("anna").head.version == stored + 1

    async def test_another_statement_of_the_logged_version_is_refused(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A state that a crash left unlogged does not come back once the log knows another of its version."""
        before = world.copy_database()

        async def ends(*_: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as crash:
            crash.setattr(House, "changed", ends)
            with pytest.raises(KeyboardInterrupt):
                await world.add("anna", "anna", pressure("123", "83", world.clock()))
        unlogged = world.copy_database()
        world.restore_database(before)
        await world.add("anna", "anna", pressure("124", "84", world.clock()))
        world.restore_database(unlogged)
        assert await found(world) is Finding.OTHER_HEAD

    async def test_change_between_the_log_and_the_snapshot_is_no_attack(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Another process may commit and log at any moment; a reader sees it or not, and never an older head."""
        other = World(world.settings, world.clock, world.another_process())
        real, house = type(world.house.log).latest_head, world.house
        raced: list[bool] = []

        def racing(log: object, vault: bytes, **beside: object) -> object:
            if log is house.log and not raced:
                raced.append(True)
                add_in_another_thread(other)
            return real(log, vault, **beside)  # type: ignore[arg-type]

        monkeypatch.setattr(type(house.log), "latest_head", racing)
        assert len((await world.read("nurse-vc", "anna", BP)).records) == 3
        assert raced


def add_in_another_thread(world: World) -> None:
    """Let another process add and log a value, start to end, while this one stands still."""
    errors: list[BaseException] = []

    def work() -> None:
        try:
            asyncio.run(world.add("anna", "anna", pressure("125", "85", world.clock())))
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert not errors
