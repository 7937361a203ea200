import copy
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, create_engine, text

from app import demo
from identity import branch_store
from identity.branch import BranchError, SignedBranch, open_branch, parse_branch, sign_branch
from identity.branch_changes import Changed, changes
from identity.branch_store import (
    accept_branches,
    current,
    load,
    store_branches,
    stored_branch,
    stored_branches,
)
from identity.directory import Directory, DirectoryError, NotInDirectoryError
from identity.organisations import newest_key, register_organisation, register_organisations, replace_key
from identity.strict import write
from keys.keystore import KeyStore
from keys.primitives import CannotOpenError, Signer, fingerprint
from policies.vocabulary import Category


def whole() -> Directory:
    """Return the made-up country's directory, never stored."""
    return Directory([parse_branch(write(one)) for one in demo.made_up()])


def seeded(connection: Connection, keystore: KeyStore, at: datetime) -> Directory:
    """Return the made-up country's directory, stored."""
    demo.seed_directory(connection, keystore, demo.made_up(), at=at)
    connection.commit()
    return current(connection, keystore)


def next_of(index: int, **changed: Any) -> dict[str, Any]:
    """Return the second version of one of the made-up branches."""
    return {**copy.deepcopy(demo.made_up()[index]), "version": 2, **changed}


def signed(keystore: KeyStore, branch: dict[str, Any]) -> SignedBranch:
    """Sign a branch as its seeded organisation would."""
    return sign_branch(branch, demo.signer_of(keystore, branch["authority"]["id"]))


@pytest.fixture
def own(tmp_path: Path, at: datetime) -> KeyStore:
    """Return a KeyStore in which nobody is registered."""
    return KeyStore.create(tmp_path / "keystore", "a passphrase", clock=lambda: at)


# --- where it is kept


def test_stored_directory_is_the_one_that_was_signed(
    connection: Connection, keystore: KeyStore, at: datetime
) -> None:
    """What comes back is what went in."""
    directory = seeded(connection, keystore, at)
    assert directory.version == 4
    assert dict(directory.units) == dict(whole().units)
    assert dict(directory.members) == dict(whole().members)
    assert load(connection, keystore).version == 4


def test_no_name_of_the_directory_stands_in_clear(
    connection: Connection, keystore: KeyStore, at: datetime, stolen: Callable[[], bytes]
) -> None:
    """A thief of the database learns not even which organisations take part."""
    seeded(connection, keystore, at)
    found = stolen()
    assert found
    for word in ("Exempelby", "Nina", "SE2321009905", "vardgivare", "client-meter", demo.HOME_CARE):
        assert word.encode() not in found


def test_other_process_sees_a_new_branch(
    connection: Connection, database: Engine, keystore: KeyStore, at: datetime
) -> None:
    """The version tells every process to load anew, and unchanged branches are not loaded again."""
    before = seeded(connection, keystore, at)
    assert current(connection, keystore) is before
    newer = next_of(0, staff=demo.made_up()[0]["staff"][1:])
    store_branches(connection, keystore, [signed(keystore, newer)], at=at)
    connection.commit()
    other = create_engine(database.url)
    with other.connect() as elsewhere:
        assert current(elsewhere, keystore).version == 5
    other.dispose()
    after = current(connection, keystore)
    assert after.version == 5
    assert "SE2321009905-TESTP001" not in after.members


def test_only_what_changed_is_loaded_anew(
    connection: Connection, keystore: KeyStore, at: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A country of branches would else be verified in every process whenever one of them changes."""
    seeded(connection, keystore, at)
    store_branches(connection, keystore, [signed(keystore, next_of(1))], at=at)
    connection.commit()
    opened: list[str] = []

    def watched(unverified: SignedBranch, **keys: Any) -> Any:
        found = open_branch(unverified, **keys)
        opened.append(found.authority.id)
        return found

    monkeypatch.setattr(branch_store, "open_branch", watched)
    after = current(connection, keystore)
    assert opened == [demo.REGION_PROVLANDET]
    assert dict(after.units) == dict(whole().units)
    assert after.units.keys() == load(connection, keystore).units.keys()


def test_deleted_branch_is_gone_at_the_next_change(
    connection: Connection, keystore: KeyStore, at: datetime
) -> None:
    """What a process knows from before does not stay in its directory once the row is gone."""
    seeded(connection, keystore, at)
    connection.execute(text("DELETE FROM directory_branches WHERE change = 1"))
    store_branches(connection, keystore, [signed(keystore, next_of(1))], at=at)
    connection.commit()
    assert demo.HEALTH_CENTRE not in current(connection, keystore).units


def test_older_row_put_back_below_a_newer_change_is_refused(
    connection: Connection, keystore: KeyStore, at: datetime
) -> None:
    """Its bytes open and its signature holds, but this process has seen its next version."""
    seeded(connection, keystore, at)
    table = branch_store._BRANCHES
    (before,) = connection.execute(table.select().where(table.c.change == 1)).mappings()
    store_branches(connection, keystore, [signed(keystore, next_of(0))], at=at)
    connection.commit()
    assert current(connection, keystore).version == 5
    connection.execute(table.delete().where(table.c.change == 5))
    connection.execute(table.insert(), [dict(before)])
    store_branches(connection, keystore, [signed(keystore, next_of(1))], at=at)
    store_branches(connection, keystore, [signed(keystore, next_of(2))], at=at)
    connection.commit()
    with pytest.raises(DirectoryError, match="older than the one in use"):
        current(connection, keystore)


def test_many_branches_are_stored_together_or_not_at_all(
    connection: Connection, keystore: KeyStore, at: datetime
) -> None:
    """Each has a change of its own; one that is refused takes the others with it."""
    seeded(connection, keystore, at)
    taken = store_branches(connection, keystore, [signed(keystore, next_of(i)) for i in (0, 1)], at=at)
    assert [(before and before.version, after.version) for before, after in taken.branches] == [
        (1, 2),
        (1, 2),
    ]
    assert taken.directory.version == load(connection, keystore).version == 6
    both = [signed(keystore, next_of(2)), signed(keystore, next_of(0))]
    with pytest.raises(DirectoryError, match="version 2 is not newer"):
        store_branches(connection, keystore, both, at=at)
    assert load(connection, keystore).version == 6


def test_rehearsal_stores_nothing(connection: Connection, keystore: KeyStore, at: datetime) -> None:
    """It checks the same and returns the same."""
    seeded(connection, keystore, at)
    accepted = accept_branches(connection, keystore, [signed(keystore, next_of(0, staff=[], clients=[]))])
    assert "SE2321009905-TESTP001" not in accepted.directory.members
    assert load(connection, keystore).version == 4


def test_stored_branches_are_told_with_what_was_signed_and_when(
    connection: Connection, keystore: KeyStore, at: datetime
) -> None:
    """For the operator: each branch as it stands, and one of them to the byte."""
    seeded(connection, keystore, at)
    later = at + timedelta(hours=1)
    newer = signed(keystore, next_of(3))
    store_branches(connection, keystore, [newer], at=later)
    found = stored_branches(connection, keystore)
    assert [one.branch.authority.name for one in found] == sorted(one.branch.authority.name for one in found)
    assert {(one.branch.version, one.at) for one in found} == {(1, at), (2, later)}
    assert stored_branch(connection, keystore, demo.PROVKOPING).signed.payload == newer.payload
    with pytest.raises(NotInDirectoryError):
        stored_branch(connection, keystore, "SE2120000000-NEW")


def test_older_branch_is_not_taken_after_a_newer(
    connection: Connection, keystore: KeyStore, at: datetime
) -> None:
    """An old signed branch would bring back staff who have left."""
    seeded(connection, keystore, at)
    again = signed(keystore, demo.made_up()[0])
    with pytest.raises(DirectoryError, match="version 1 is not newer than 1"):
        store_branches(connection, keystore, [again], at=at)


def test_branch_cannot_take_another_organisations_unit(
    connection: Connection, keystore: KeyStore, at: datetime
) -> None:
    """Else one municipality could put its own staff at another's unit and read by its grants."""
    seeded(connection, keystore, at)
    thief = next_of(3)
    thief["providers"][0]["units"].append({"id": demo.HEALTH_CENTRE, "name": "Min"})
    with pytest.raises(DirectoryError, match=f"unit {demo.HEALTH_CENTRE}: stands in two branches, of SE"):
        store_branches(connection, keystore, [signed(keystore, thief)], at=at)


def test_branch_of_an_unregistered_organisation_is_refused(
    connection: Connection, keystore: KeyStore, at: datetime
) -> None:
    """No key is trusted because it came along with what it signs."""
    branch = next_of(3)
    branch["authority"]["id"] = "SE2120000000-NEW"
    with pytest.raises(DirectoryError, match="no key is registered"):
        store_branches(connection, keystore, [sign_branch(branch, Signer(bytes(32)))], at=at)


def test_changed_or_moved_branch_row_is_refused(
    connection: Connection, keystore: KeyStore, at: datetime
) -> None:
    """Whoever writes the database can neither change a branch nor put one in another's place."""
    seeded(connection, keystore, at)
    connection.execute(text("UPDATE directory_branches SET change = 9 WHERE change = 4"))
    with pytest.raises(CannotOpenError):
        current(connection, keystore)


def test_older_database_than_the_process_has_seen_is_refused(
    connection: Connection, keystore: KeyStore, at: datetime
) -> None:
    """A table that went back in time would bring back staff who have left."""
    seeded(connection, keystore, at)
    connection.execute(text("DELETE FROM directory_branches WHERE change = 4"))
    with pytest.raises(DirectoryError, match="older than the one in use"):
        current(connection, keystore)


# --- keys

ONE, TWO, THREE = (Signer(bytes([n]) * 32) for n in (1, 2, 3))
MINE = demo.PROVKOPING


def replace(keystore: KeyStore, old: Signer, new: Signer) -> None:
    """Replace one key by another, as the operator does."""
    replace_key(keystore, MINE, new.public(), replaces=fingerprint(old.public()))


def test_key_is_registered_once_and_not_replaced_by_registering(own: KeyStore) -> None:
    """Registering cannot take an organisation over, nor bring a retired key back."""
    for _ in range(2):
        register_organisation(own, MINE, ONE.public())
    with pytest.raises(DirectoryError, match="another key"):
        register_organisation(own, MINE, TWO.public())
    with pytest.raises(DirectoryError, match="another key"):
        register_organisations(own, {MINE: TWO.public()})
    replace(own, ONE, TWO)
    register_organisation(own, MINE, TWO.public())
    with pytest.raises(DirectoryError, match="another key"):
        register_organisation(own, MINE, ONE.public())


def test_only_an_hsa_id_is_registered(own: KeyStore) -> None:
    """It becomes part of recipient ids."""
    with pytest.raises(DirectoryError, match="must be an HSA-id"):
        register_organisation(own, "Provköping", ONE.public())


def test_replacing_names_the_key_in_use(own: KeyStore) -> None:
    """So that a command given twice, late or for another organisation replaces nothing."""
    with pytest.raises(DirectoryError, match="no key is registered"):
        replace(own, ONE, TWO)
    register_organisation(own, MINE, ONE.public())
    with pytest.raises(DirectoryError, match=f"another fingerprint, {fingerprint(ONE.public())}"):
        replace(own, TWO, THREE)
    replace(own, ONE, TWO)
    with pytest.raises(DirectoryError, match="another fingerprint"):
        replace(own, ONE, THREE)
    for old in (ONE, TWO):
        with pytest.raises(DirectoryError, match="is or was"):
            replace(own, TWO, old)
    replace(own, TWO, THREE)
    assert newest_key(own, MINE) == THREE.public()


def test_new_branch_must_be_signed_by_the_newest_key(
    connection: Connection, own: KeyStore, at: datetime
) -> None:
    """A stolen key is worth nothing once it is replaced, and what was stored stands until its next version."""
    register_organisation(own, MINE, ONE.public())
    first, second = next_of(3), next_of(3, version=3)
    store_branches(connection, own, [sign_branch(first, ONE)], at=at)
    connection.commit()
    replace(own, ONE, TWO)
    assert demo.CARE_HOME in load(connection, own).units
    with pytest.raises(BranchError, match=f"signature: is not by the key of {MINE}"):
        store_branches(connection, own, [sign_branch(second, ONE)], at=at)
    store_branches(connection, own, [sign_branch(second, TWO)], at=at)
    assert demo.CARE_HOME in load(connection, own).units


def test_running_process_follows_a_replaced_key(
    connection: Connection, database: Engine, own: KeyStore, at: datetime, tmp_path: Path
) -> None:
    """It has read the first key long ago, and must not refuse the directory because of that."""
    register_organisation(own, MINE, ONE.public())
    store_branches(connection, own, [sign_branch(next_of(3), ONE)], at=at)
    connection.commit()
    assert current(connection, own).version == 1
    operator = KeyStore.load(tmp_path / "keystore", "a passphrase", clock=lambda: at)
    replace(operator, ONE, TWO)
    other = create_engine(database.url)
    with other.begin() as elsewhere:
        store_branches(elsewhere, operator, [sign_branch(next_of(3, version=3), TWO)], at=at)
    other.dispose()
    assert current(connection, own).version == 2
    assert newest_key(own, MINE) == TWO.public()


# --- what changes


def test_changes_are_counted_by_kind() -> None:
    """Added, removed, renamed, and what keeps its name but says something else."""
    before = parse_branch(write(demo.made_up()[0]))
    newer = next_of(0)
    newer["providers"][0]["name"] = "Regionens vård"
    newer["providers"][0]["units"][1]["name"] = "Medicin"
    newer["providers"][0]["units"].append({"id": "SE2321009905-TESTVE3", "name": "Ny mottagning"})
    newer["staff"][0]["title"] = "Sjuksköterska"
    newer["staff"][0]["commissions"][0]["unit"] = demo.MEDICAL_CLINIC
    del newer["staff"][2]
    newer["clients"][0]["categories"] = [Category.GLUCOSE]
    found = {one.what: one for one in changes(before, parse_branch(write(newer)))}
    assert found == {
        "authority": Changed("authority", 0, 0, 0, 0),
        "providers": Changed("providers", 0, 0, 1, 0),
        "units": Changed("units", 1, 0, 1, 0),
        "staff": Changed("staff", 0, 1, 0, 1),
        "commissions": Changed("commissions", 0, 1, 0, 1),
        "clients": Changed("clients", 0, 0, 0, 1),
    }
    assert [one.added for one in changes(None, before)] == [1, 2, 4, 3, 4, 1]
