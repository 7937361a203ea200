import base64
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import merkle
from audit.merkle import Frontier, ProofError

SAMPLES = Path(__file__).parents[3] / "shared" / "samples" / "tlog"
CASES = [
    pytest.param(path, id=str(path.relative_to(SAMPLES)))
    for kind in ("inclusion", "consistency")
    for path in sorted((SAMPLES / kind).rglob("*.json"))
]

needs_samples = pytest.mark.skipif(not SAMPLES.is_dir(), reason="other people's samples are not here")


def naive_root(leaves: Sequence[bytes]) -> bytes:
    """RFC 6962's definition, word for word: the second opinion."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + naive_root(leaves[:split]) + naive_root(leaves[split:])).digest()


def leaves_of(count: int) -> list[bytes]:
    """Return some leaf hashes."""
    return [merkle.leaf_hash(str(i).encode()) for i in range(count)]


def finder(leaves: Sequence[bytes]) -> merkle.FindNode:
    """Return what finds nodes by the definition."""

    def find(level: int, index: int) -> bytes:
        assert (index + 1) << level <= len(leaves), "only complete subtrees are asked for"
        return naive_root(leaves[index << level : (index + 1) << level])

    return find


def raw(text: str) -> bytes:
    """Read base64."""
    return base64.b64decode(text)


@needs_samples
@pytest.mark.parametrize("path", CASES)
def test_others_proofs_are_judged_as_their_authors_say(path: Path) -> None:
    """A verifier that takes one forged proof is none; these are transparency-dev's own cases."""
    case = json.loads(path.read_text())
    proof = [raw(step) for step in case["proof"] or ()]
    refused = False
    try:
        if "leafIdx" in case:
            merkle.check_inclusion(
                case["leafIdx"], case["treeSize"], raw(case["leafHash"]), proof, raw(case["root"])
            )
        else:
            roots = raw(case["root1"]), raw(case["root2"])
            merkle.check_consistency(case["size1"], case["size2"], *roots, proof)
    except ProofError:
        refused = True
    assert refused == case["wantErr"], case["desc"]


@needs_samples
def test_the_samples_are_all_there() -> None:
    """An empty folder would let the test above pass by saying nothing."""
    assert len(CASES) > 190


@pytest.mark.parametrize("size", [*range(20), 255, 256, 257, 300])
def test_growing_frontier_has_the_defined_root(size: int) -> None:
    """The log never sees the whole tree: its root must be that of the definition all the same."""
    leaves = leaves_of(size)
    frontier, _ = Frontier().append(leaves)
    assert frontier.root() == naive_root(leaves) == merkle.root_at(size, finder(leaves))
    assert Frontier.decode(size, frontier.encode()) == frontier


def test_completed_nodes_are_the_subtrees_they_claim_to_be() -> None:
    """Proofs are made of stored nodes, so a node under a wrong place is a wrong proof."""
    leaves = leaves_of(37)
    first, early = Frontier().append(leaves[:13])
    _, late = first.append(leaves[13:])
    find = finder(leaves)
    told = [(level, at, node) for level, first, nodes in early + late for at, node in enumerate(nodes, first)]
    assert len(told) == 37 - (37).bit_count()
    assert all(find(level, index) == node for level, index, node in told)


@given(st.data())
def test_made_proofs_hold_and_changed_ones_do_not(data: st.DataObject) -> None:
    """One flipped bit, another index or another size must be refused."""
    size = data.draw(st.integers(1, 70))
    index = data.draw(st.integers(0, size - 1))
    leaves = leaves_of(size)
    root = naive_root(leaves)
    proof = merkle.inclusion_proof(index, size, finder(leaves))
    merkle.check_inclusion(index, size, leaves[index], proof, root)
    for wrong in range(size):
        if wrong != index:
            with pytest.raises(ProofError):
                merkle.check_inclusion(wrong, size, leaves[index], proof, root)
    if proof:
        place = data.draw(st.integers(0, len(proof) - 1))
        proof[place] = bytes((proof[place][0] ^ 1,)) + proof[place][1:]
        with pytest.raises(ProofError):
            merkle.check_inclusion(index, size, leaves[index], proof, root)


@pytest.mark.parametrize("second", range(1, 34))
def test_made_consistency_proofs_hold_and_fail_for_other_roots(second: int) -> None:
    """A log shows by these that it only ever grew."""
    leaves = leaves_of(second)
    for first in range(1, second + 1):
        old, new = naive_root(leaves[:first]), naive_root(leaves)
        proof = merkle.consistency_proof(first, second, finder(leaves))
        merkle.check_consistency(first, second, old, new, proof)
        with pytest.raises(ProofError):
            merkle.check_consistency(first, second, bytes(32), new, proof)
        with pytest.raises(ProofError):
            merkle.check_consistency(first, second, old, bytes(32), proof)


def naive_proof(first: int, leaves: Sequence[bytes], *, whole: bool = True) -> list[bytes]:
    """RFC 6962's SUBPROOF, word for word."""
    if first == len(leaves):
        return [] if whole else [naive_root(leaves)]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    if first <= split:
        return [*naive_proof(first, leaves[:split], whole=whole), naive_root(leaves[split:])]
    return [*naive_proof(first - split, leaves[split:], whole=False), naive_root(leaves[:split])]


@given(st.data())
def test_consistency_proofs_are_the_definitions_and_no_changed_one_holds(data: st.DataObject) -> None:
    """The second opinion makes the same proof; a bit, a step more or less, another size or tree: refused."""
    second = data.draw(st.integers(2, 200))
    first = data.draw(st.integers(1, second - 1))
    leaves = leaves_of(second)
    old, new = naive_root(leaves[:first]), naive_root(leaves)
    proof = merkle.consistency_proof(first, second, finder(leaves))
    assert proof == naive_proof(first, leaves)
    merkle.check_consistency(first, second, old, new, proof)
    place, bit = data.draw(st.integers(0, len(proof) - 1)), data.draw(st.integers(0, 255))
    step = bytearray(proof[place])
    step[bit // 8] ^= 1 << bit % 8
    forked = [*leaves]
    forked[data.draw(st.integers(0, first - 1))] = bytes(32)
    wrong = [
        (first, old, new, [*proof[:place], bytes(step), *proof[place + 1 :]]),
        (first, old, new, proof[:-1]),
        (first, old, new, [*proof, new]),
        (first, old, new, [old, *proof]),
        (first, old, naive_root(forked), naive_proof(first, forked)),
        (first, new, old, proof),
    ]
    for size, start, end, steps in wrong:
        with pytest.raises(ProofError):
            merkle.check_consistency(size, second, start, end, steps)


def test_a_frontier_that_cannot_be_is_refused() -> None:
    """What comes back from the database is untrusted."""
    for size, peaks in ((1, b""), (2, bytes(64)), (3, bytes(63)), (-1, b"")):
        with pytest.raises(ValueError, match="frontier"):
            Frontier.decode(size, peaks)


def test_a_leaf_outside_the_tree_has_no_proof() -> None:
    """A proof of nothing must not be makeable."""
    with pytest.raises(ProofError):
        merkle.inclusion_proof(3, 3, finder(leaves_of(3)))
    with pytest.raises(ProofError):
        merkle.consistency_proof(0, 3, finder(leaves_of(3)))
