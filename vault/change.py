"""One change of one vault, inside one write transaction, ended by a new head.

    change = Change(connection, keystore, vault, logged=log.latest_head(vault), at=at)
    ... put_rules, conform, add, remove ...
    head = change.finish()          # then commit, then the outcome entry that carries this head

Every method checks what it touches against the old head first, so that a change never blesses forged rows.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, insert, update

from audit.events import HeadRef
from consent.codec import seal_rules
from consent.rules import RuleSet
from keys.envelope import Window, WrapContext, microseconds, wrap_window
from keys.keystore import KeyStore, VaultKeys
from keys.primitives import PrivateKey, PublicKey
from vault import database, mandates, naming, segment, state
from vault import head as heads
from vault.errors import Finding, TamperedError, VaultError
from vault.head import DrawerDigests, Head, SealedWrap
from vault.naming import DrawerName
from vault.segment import Parts, Segment
from vault.state import Drawer, Profile
from vault.tables import AliasRow, DrawerRow, GenerationRow, SegmentRow, VaultRow, WrapRow

_VAULTS = VaultRow.__table__  # type: ignore[attr-defined]
_ALIASES = AliasRow.__table__  # type: ignore[attr-defined]
_DRAWERS = DrawerRow.__table__  # type: ignore[attr-defined]
_GENERATIONS = GenerationRow.__table__  # type: ignore[attr-defined]
_WRAPS = WrapRow.__table__  # type: ignore[attr-defined]
_SEGMENTS = SegmentRow.__table__  # type: ignore[attr-defined]

_PUT_HEAD = "UPDATE vaults SET head = ?, head_mac = ?, rules = coalesce(?, rules) WHERE vault_id = ?"
#: Nothing of ours is kept under the number of rules that are in force; what somebody else put there gives way.
_DROP_LATER_RULES = "DELETE FROM rule_versions WHERE vault_id = ? AND version >= ?"
_KEEP_RULES = """
INSERT INTO rule_versions (vault_id, version, sealed, written_us)
SELECT vault_id, ?, rules, ? FROM vaults WHERE vault_id = ?
"""
_PUT_MANIFEST = "UPDATE drawers SET manifest = ? WHERE vault_id = ? AND drawer = ?"
_PUT_LOCK = """
UPDATE segments SET generation = ?, sealed_key = ?, digests = ?
WHERE vault_id = ? AND drawer = ? AND tag = ? AND segment = ?
"""
_AT_ONCE = 500  # ids in one statement; engines bound it

#: So many locks are re-sealed in one transaction at most: half a second's work, while nobody else can write.
MOST_LOCKS = 5000


class StaleGenerationError(VaultError):
    """The drawer moved on (a newer generation, segments that are gone): take it anew, seal again and retry."""


class StaleRulesError(VaultError):
    """The rules are no longer those that the change was permitted under: ask again."""


class Resealed(NamedTuple):
    """What became of a drawer's locks: how many went to the newest generation, and how many wait to.

    ``privates`` are the private halves of all generations that there are now.
    """

    moved: int
    left: int
    privates: Mapping[int, PrivateKey]


def create(
    connection: Connection,
    keystore: KeyStore,
    profile: Profile,
    *,
    vault: bytes,
    alias: bytes,
    at: datetime,
    version: int = 1,
) -> HeadRef:
    """Make a new, empty vault for a person; return its first head."""
    keys = keystore.vault_keys(vault)
    rules, sealed_profile = seal_rules(keys, RuleSet(1, written=at)), state.seal_profile(keys, profile)
    head = Head(vault, version, 1, heads.digest_of(rules), heads.digest_of(sealed_profile))
    raw = head.encode()
    values = {
        "vault_id": vault,
        "created_us": microseconds(at),
        "profile": sealed_profile,
        "rules": rules,
        "head": raw,
        "head_mac": keystore.mac_head(raw),
    }
    connection.execute(insert(_VAULTS).values(values))
    connection.execute(insert(_ALIASES).values(alias=alias, vault_id=vault))
    return head.ref()


def touch(connection: Connection, vault: bytes) -> None:
    """Write to a vault's row what stands there: for an answer that must reach the disk, and change nothing."""
    connection.execute(
        update(_VAULTS).where(_VAULTS.c.vault_id == vault).values(created_us=_VAULTS.c.created_us)
    )


class Change:
    """A change under way; see the module's docstring."""

    def __init__(
        self,
        connection: Connection,
        keystore: KeyStore,
        vault: bytes,
        *,
        logged: HeadRef | None,
        at: datetime,
    ) -> None:
        self.state = state.load(connection, keystore, vault, logged=logged)
        self.at = at
        self._connection = connection
        self._keystore = keystore
        self._head = self.state.head
        self._rules = b""
        self._drawers: dict[DrawerName, Drawer | None] = {}

    def drawer(self, name: DrawerName) -> Drawer | None:
        """Return a drawer as it stands in this change."""
        if name not in self._drawers:
            self._drawers[name] = state.drawer(self._connection, self.state, name)
        return self._drawers[name]

    def demand_rules(self, version: int) -> None:
        """Go on only under the rules that the change was permitted under.

        Raises:
            StaleRulesError: they have been changed since.
        """
        if self.state.head.rules_version != version:
            raise StaleRulesError("the rules have changed")

    def put_rules(self, rules: RuleSet, *, called: Mapping[bytes, str] = MappingProxyType({})) -> None:
        """Replace the rules, once in a change; their version moves on by one, and those that stood are kept.

        ``called`` is what the owner calls proxies that are new, by alias.
        """
        replaced = self.state.head
        number = replaced.rules_version + 1
        numbered = replace(rules, version=number, previous=replaced.rules.hex(), written=self.at)
        vault = self.state.vault
        database.run(self._connection, _DROP_LATER_RULES, (vault, replaced.rules_version))
        kept = replaced.rules_version, microseconds(self.at), vault
        database.run(self._connection, _KEEP_RULES, kept)
        mandates.keep(self._connection, self._keystore, self.state.keys, numbered, called)
        self._rules = seal_rules(self.state.keys, numbered)
        self._head = replace(self._head, rules_version=numbered.version, rules=heads.digest_of(self._rules))

    def generation_for(self, name: DrawerName, wanted: Mapping[str, Window]) -> tuple[int, PublicKey]:
        """Return the generation to add to, starting a new one where wraps are wider than ``wanted``.

        Public halves suffice: whoever adds never holds a private one.
        """
        found = self.drawer(name)
        if found is None:
            found = Drawer(name, self._id(name), {}, (), {})
        if not found.publics or self._wider(found, wanted, found.current):
            generation, key = self._new_generation(found, wanted)
            return generation, key.public()
        return found.current, PublicKey(found.publics[found.current])

    def add(self, name: DrawerName, rows: Sequence[Segment]) -> None:
        """Store segments that were sealed in this process.

        Raises:
            StaleGenerationError: one is sealed to another generation than the current.
            TamperedError: one is not this drawer's.
        """
        found, tags = self._existing(name), {row.tag for row in rows}
        if any(row.generation != found.current for row in rows):
            raise StaleGenerationError("sealed to an older generation")
        for row in rows:
            if (row.vault_id, row.drawer, row.born) != (self.state.vault, found.id, row.generation):
                raise TamperedError(Finding.FORGED_SEGMENT)
        old = self._shelves(found, tags)
        database.insert(self._connection, _SEGMENTS, rows)
        self._restack(found, [*old, *rows], tags)

    def add_foreign(self, name: DrawerName, rows: Sequence[Segment]) -> None:
        """Store segments that another process sealed, which parses foreign bytes and is not trusted.

        Raises:
            StaleGenerationError: one is sealed to another generation than the current.
            TamperedError: one is not this drawer's, or its digests are not those of its parts.
        """
        for row in rows:
            segment.digest(row, Parts.ALL)
        self.add(name, rows)

    def remove(self, name: DrawerName, rows: Sequence[Segment]) -> None:
        """Delete segments.

        Raises:
            StaleGenerationError: one of them is gone already; what was read of them is not to be kept again.
        """
        found = self._existing(name)
        tags = {row.tag for row in rows}
        gone = {row.segment for row in rows}
        there = self._shelves(found, tags)
        if not gone <= {row.segment for row in there}:
            raise StaleGenerationError("removed by another")
        kept = [row for row in there if row.segment not in gone]
        self._delete_segments(found, gone)
        self._restack(found, kept, tags)

    def relock(self, name: DrawerName, rows: Sequence[Segment]) -> None:
        """Replace the sealed keys of segments by those given.

        Raises:
            StaleGenerationError: one of them is gone, or has moved to another generation.
        """
        found = self._existing(name)
        tags = {row.tag for row in rows}
        there = {row.segment: row for row in self._shelves(found, tags)}
        for row in rows:
            old = there.get(row.segment)
            if old is None or (old.generation, old.digests[32:]) != (row.generation, row.digests[32:]):
                raise StaleGenerationError("moved by another")
            there[row.segment] = row
        self._put_locks(found, rows)
        self._restack(found, list(there.values()), tags)

    def conform(
        self, name: DrawerName, wanted: Mapping[str, Window], privates: Mapping[int, PrivateKey]
    ) -> Resealed:
        """Make a drawer's wraps those of ``wanted``, in every generation that there is.

        Where any is wider, a new generation takes over, and locks go to it: :data:`MOST_LOCKS` now, the others by
        :meth:`reseal`. ``privates`` are the private halves of all generations, opened by the owner's receipt.
        """
        found = self._existing(name)
        if any(self._wider(found, wanted, generation) for generation in found.publics):
            generation, key = self._new_generation(found, wanted)
            privates = {**privates, generation: key}
        resealed = self._move(name, privates)
        for generation in self._existing(name).publics:
            self._complete(self._existing(name), generation, wanted, privates[generation])
        return resealed

    def reseal(self, name: DrawerName, privates: Mapping[int, PrivateKey]) -> Resealed:
        """Go on moving locks to the newest generation; once none is left, the older ones are destroyed.

        Nothing is moved to a generation that somebody can open who cannot open the older ones.

        Raises:
            StaleGenerationError: ``privates`` are not those of the drawer's generations: another moved it on.
        """
        found = self._existing(name)
        if set(found.publics) != set(privates):
            raise StaleGenerationError("the drawer moved on")
        if opens_more(self.state.keys, found):
            return Resealed(0, 0, privates)
        return self._move(name, privates)

    def finish(self) -> HeadRef:
        """Write the new head and return what the outcome entry states of it."""
        self._head = replace(self._head, version=self.state.head.version + 1)
        raw = self._head.encode()
        put = raw, self._keystore.mac_head(raw), self._rules or None, self.state.vault
        database.run(self._connection, _PUT_HEAD, put)
        return self._head.ref()

    # --- generations and wraps

    def _id(self, name: DrawerName) -> bytes:
        return naming.drawer_id(self.state.keys, name)

    def _existing(self, name: DrawerName) -> Drawer:
        found = self.drawer(name)
        if found is None:
            raise VaultError("no such drawer")
        return found

    def _wider(self, found: Drawer, wanted: Mapping[str, Window], generation: int) -> set[bytes]:
        """Return whose wraps of a generation open more than is wanted, and are not over."""
        allowed = {naming.recipient_tag(self.state.keys, who): window for who, window in wanted.items()}
        wider = set()
        for recipient, row in _wraps_of(found, generation).items():
            window = self._window(row)
            over = window.not_after is not None and window.not_after <= self.at
            if not over and not (recipient in allowed and allowed[recipient].covers(window)):
                wider.add(recipient)
        return wider

    def _window(self, row: SealedWrap) -> Window:
        return wrap_window(self.state.keys.windows, row.sealed)

    def _new_generation(self, found: Drawer, wanted: Mapping[str, Window]) -> tuple[int, PrivateKey]:
        key = PrivateKey.generate()
        public = key.public()
        generation = max(found.publics, default=0) + 1
        at = {"vault_id": self.state.vault, "drawer": found.id}
        if not found.publics:
            self._connection.execute(insert(_DRAWERS).values(**at, manifest=b""))
        self._connection.execute(insert(_GENERATIONS).values(**at, generation=generation, public=public.raw))
        grown = replace(found, publics={**found.publics, generation: public.raw})
        self._complete(grown, generation, wanted, key)
        return generation, key

    def _complete(
        self, found: Drawer, generation: int, wanted: Mapping[str, Window], key: PrivateKey
    ) -> None:
        """Make the wraps that a generation lacks, replace what is too narrow, take away what is too wide."""
        present = _wraps_of(found, generation)
        wider = self._wider(found, wanted, generation)
        made: dict[bytes, SealedWrap] = {}
        for who, window in wanted.items():
            tag = naming.recipient_tag(self.state.keys, who)
            if tag in present and tag not in wider and self._window(present[tag]).covers(window):
                continue
            bound = WrapContext(self.state.vault, found.id, generation, who)
            sealed = self._keystore.wrap(key, bound_to=bound, window=window).sealed
            made[tag] = SealedWrap(generation, tag, sealed)
        gone = wider | set(made)
        if gone:
            self._connection.execute(
                delete(_WRAPS).where(
                    *self._where(_WRAPS, found),
                    _WRAPS.c.generation == generation,
                    _WRAPS.c.recipient.in_(list(gone)),
                )
            )
        if made:
            new = [(self.state.vault, found.id, *row) for row in made.values()]
            database.insert(self._connection, _WRAPS, new)
        kept = [row for row in found.wraps if row.generation != generation or row.recipient not in gone]
        self._settle(replace(found, wraps=(*kept, *made.values())))

    def _move(self, name: DrawerName, privates: Mapping[int, PrivateKey]) -> Resealed:
        """Seal locks of older generations to the newest, the others being destroyed once no lock needs them."""
        found = self._existing(name)
        if len(found.publics) == 1:
            return Resealed(0, 0, privates)
        behind = state.behind(self._connection, self.state, found)
        tags = _first(behind, MOST_LOCKS)
        rows = state.segments(self._connection, self.state, found, tags=tags, parts=Parts.KEYS)
        old = [row for row in rows if row.generation != found.current][:MOST_LOCKS]
        openers = {one: privates[one].opener() for one in (found.current, *{row.generation for row in old})}
        moved = {row.segment: row for row in segment.settle(old, openers, generation=found.current)}
        self._put_locks(found, moved.values())
        self._restack(found, [moved.get(row.segment, row) for row in rows], tags)
        left = sum(behind.values()) - len(moved)
        if not left:
            self._destroy_older(name, set(found.shelves) - set(tags))
        there = self._existing(name).publics
        return Resealed(len(moved), left, {one: privates[one] for one in there})

    def _destroy_older(self, name: DrawerName, unseen: Iterable[bytes]) -> None:
        """Destroy all generations but the newest, and their wraps, once the shelves not looked at yet are held too."""
        found = self._existing(name)
        self._shelves(found, unseen)
        for table in (_GENERATIONS, _WRAPS):
            self._connection.execute(
                delete(table).where(*self._where(table, found), table.c.generation != found.current)
            )
        wraps = tuple(row for row in found.wraps if row.generation == found.current)
        self._settle(replace(found, publics={found.current: found.publics[found.current]}, wraps=wraps))

    # --- shelves, manifest and head

    def _shelves(self, found: Drawer, tags: Iterable[bytes]) -> list[Segment]:
        return state.segments(self._connection, self.state, found, tags=tags, parts=Parts.DIGESTS)

    def _restack(self, found: Drawer, rows: Sequence[Segment], tags: Iterable[bytes]) -> None:
        stacks: dict[bytes, list[Segment]] = {tag: [] for tag in tags}
        for row in rows:
            stacks[row.tag].append(row)
        shelves = {tag: shelf for tag, shelf in found.shelves.items() if tag not in stacks}
        for tag, stack in stacks.items():
            if stack:
                shelves[tag] = segment.shelf_digest(stack, Parts.DIGESTS)
        manifest = heads.encode_manifest(shelves)
        database.run(self._connection, _PUT_MANIFEST, (manifest, self.state.vault, found.id))
        self._settle(replace(found, shelves=shelves))

    def _put_locks(self, found: Drawer, rows: Iterable[Segment]) -> None:
        at = self.state.vault, found.id
        put = [(row.generation, row.sealed_key, row.digests, *at, row.tag, row.segment) for row in rows]
        database.run_each(self._connection, _PUT_LOCK, put)

    def _delete_segments(self, found: Drawer, ids: Iterable[bytes]) -> None:
        gone = list(ids)
        for at in range(0, len(gone), _AT_ONCE):
            some = _SEGMENTS.c.segment.in_(gone[at : at + _AT_ONCE])
            self._connection.execute(delete(_SEGMENTS).where(*self._where(_SEGMENTS, found), some))

    def _settle(self, found: Drawer) -> None:
        """Take a drawer as it now stands into the head."""
        self._drawers[found.name] = found
        self._head = self._head.with_drawer(
            found.id,
            DrawerDigests(
                heads.digest_generations(found.publics),
                heads.digest_wraps(found.wraps),
                heads.digest_of(heads.encode_manifest(found.shelves)),
            ),
        )

    def _where(self, table: Any, found: Drawer) -> tuple[Any, Any]:
        columns = table.c
        return columns.vault_id == self.state.vault, columns.drawer == found.id


def opens_more(keys: VaultKeys, of: Drawer) -> bool:
    """Tell whether somebody has a wrap of a drawer's newest generation, and none as wide of an older one."""
    newest = _wraps_of(of, of.current)
    for generation in set(of.publics) - {of.current}:
        older = _wraps_of(of, generation)
        for recipient, row in newest.items():
            window = wrap_window(keys.windows, row.sealed)
            if recipient not in older or not wrap_window(keys.windows, older[recipient].sealed).covers(
                window
            ):
                return True
    return False


def _wraps_of(found: Drawer, generation: int) -> dict[bytes, SealedWrap]:
    return {row.recipient: row for row in found.wraps if row.generation == generation}


def _first(counted: Mapping[bytes, int], most: int) -> list[bytes]:
    """Return as many shelves as hold ``most`` of what is counted."""
    tags, room = [], most
    for tag, count in counted.items():
        if room <= 0:
            break
        tags.append(tag)
        room -= count
    return tags
