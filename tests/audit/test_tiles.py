"""The tree's tiles: the right hashes under the one address of each, and nothing under any other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import merkle, tiles
from audit.tiles import NoSuchTileError, Tile
from tests.audit.audit_world import CITIZEN, House, event
from tests.audit.test_merkle import naive_root


@given(st.integers(0, 63), st.one_of(st.integers(0, 2_000_000), st.integers(0, 10**18)), st.integers(1, 256))
def test_a_tile_has_one_address(level: int, index: int, width: int) -> None:
    """What is written is read back, or is longer than any log's."""
    tile = Tile(level, index, width)
    if len(tile.path) <= 40:
        assert Tile.parse(tile.path) == tile


def test_addresses_are_those_of_the_specification() -> None:
    """Its own example, and the narrow cases beside it."""
    assert Tile(0, 1234067).path == "0/x001/x234/067"
    assert Tile(3, 0, 1).path == "3/000.p/1"
    assert Tile(0, 999).path == "0/999"
    assert Tile(0, 1000).path == "0/x001/000"


@pytest.mark.parametrize(
    "path",
    [
        "",
        "0",
        "0/",
        "0/0",
        "0/00",
        "0/0000",
        "0/1000",
        "00/000",
        "64/000",
        "-1/000",
        "a/000",
        "entries/000",
        "0/x000/000",
        "0/001/000",
        "0/x001/x000",
        "0/000.p/0",
        "0/000.p/00",
        "0/000.p/01",
        "0/000.p/256",
        "0/000.p/999",
        "0/000.p/",
        "0/000.p",
        "0/000/",
        "0/٠٠٠",
        "0/000\n",
        "0/../000",
        "0/" + "x000/" * 50 + "001",
    ],
)
def test_odd_address_is_none(path: str) -> None:
    """Two addresses of one tile would be cached twice, and looseness is where traversal begins."""
    with pytest.raises(NoSuchTileError):
        Tile.parse(path)


def test_tiles_hold_the_hashes_of_the_tree_and_no_more(house: House) -> None:
    """On both engines: leaves below, roots of full tiles above; a client that builds the tree gets the signed root."""
    log = house.open()
    for number in range(520):
        log.append_now(event(house.clock(), actor=CITIZEN, subject=str(number)))
    log.checkpoint()
    head, _ = log.newest_checkpoint()
    assert head.size == 520
    leaves = [bytes(row[0]) for row in house.sql("SELECT leaf_hash FROM log_entries ORDER BY seq")]
    below = [log.tile(Tile(0, 0)), log.tile(Tile(0, 1)), log.tile(Tile(0, 2, 8))]
    assert b"".join(below) == b"".join(leaves)
    assert log.tile(Tile(1, 0, 2)) == naive_root(leaves[:256]) + naive_root(leaves[256:512])
    assert naive_root(leaves) == head.root
    assert log.tile(Tile(0, 2, 3)) == b"".join(leaves[512:515])  # as at an earlier checkpoint
    for missing in (
        Tile(0, 2, 9),
        Tile(0, 2),
        Tile(0, 3, 1),
        Tile(1, 0, 3),
        Tile(1, 0),
        Tile(2, 0, 1),
        Tile(63, 0, 1),
    ):
        with pytest.raises(NoSuchTileError):
            log.tile(missing)
    proof = log.consistency(256, 520)
    merkle.check_consistency(256, 520, naive_root(leaves[:256]), head.root, proof)
    log.close()


def test_no_tile_shows_what_no_checkpoint_covers(house: House) -> None:
    """A hash that is public before it is signed outside could still be taken back."""
    log = house.open()
    log.append_now(event(house.clock()))
    with pytest.raises(NoSuchTileError):
        log.tile(Tile(0, 0, 1))
    log.checkpoint()
    assert len(log.tile(Tile(0, 0, 1))) == 32
    assert tiles.WIDTH == 256
    log.close()
