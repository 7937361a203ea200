"""The Merkle tree of RFC 6962 section 2.1: hashes, the growing frontier, proofs and their verification.

Pure functions over hashes. A *node* (level, index) is the hash of the complete subtree over the leaves
``[index << level, (index + 1) << level)``; whoever makes a proof hands in a function that finds one.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

HASH_SIZE = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()

Nodes = tuple[int, int, tuple[bytes, ...]]  # level, index of the first, hashes
FindNode = Callable[[int, int], bytes]  # (level, index) -> hash


class ProofError(Exception):
    """A proof does not hold; the text names the step that failed."""


def leaf_hash(data: bytes) -> bytes:
    """Return SHA-256 of 0x00 and the leaf's data."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return SHA-256 of 0x01 and the two children."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """A tree of ``size`` leaves as the roots of its complete subtrees, largest first."""

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if self.size < 0 or len(self.peaks) != self.size.bit_count():
            raise ValueError("a frontier has one peak for each set bit of its size")

    def append(self, leaves: Sequence[bytes]) -> tuple["Frontier", list[Nodes]]:
        """Add leaf hashes; return the new frontier and the nodes that became complete, leaves left out, by level.

        Level by level: what stands there already is the left one's, what has no right one stays there.
        """
        peaks, rest, complete = list(self.peaks), list[bytes](), list[Nodes]()
        nodes, level, index = list(leaves), 0, self.size
        while nodes:
            if index & 1:
                nodes.insert(0, peaks.pop())
            if len(nodes) & 1:
                rest.append(nodes.pop())
            nodes = list(map(node_hash, nodes[::2], nodes[1::2]))
            level, index = level + 1, index >> 1
            complete.append((level, index, tuple(nodes)))
        return Frontier(self.size + len(leaves), (*peaks, *reversed(rest))), complete

    def root(self) -> bytes:
        """Return the tree's root hash."""
        return _fold(self.peaks)

    def encode(self) -> bytes:
        """Return the peaks, joined; the size goes beside them."""
        return b"".join(self.peaks)

    @classmethod
    def decode(cls, size: int, raw: bytes) -> "Frontier":
        """Read what :meth:`encode` wrote."""
        if len(raw) % HASH_SIZE:
            raise ValueError("a frontier is whole hashes")
        return cls(size, tuple(raw[i : i + HASH_SIZE] for i in range(0, len(raw), HASH_SIZE)))


def root_at(size: int, find: FindNode) -> bytes:
    """Return the root of the first ``size`` leaves of a larger tree."""
    return _range_root(0, size, find)


def inclusion_proof(index: int, size: int, find: FindNode) -> list[bytes]:
    """Return the path from leaf ``index`` to the root of the first ``size`` leaves (RFC 6962, 2.1.1)."""
    if not 0 <= index < size:
        raise ProofError("the leaf is not in a tree of this size")
    return _path(index, 0, size, find)


def consistency_proof(first: int, second: int, find: FindNode) -> list[bytes]:
    """Return the proof that the first ``first`` of ``second`` leaves are unchanged (RFC 6962, 2.1.2)."""
    if not 0 < first <= second:
        raise ProofError("a consistency proof goes from a smaller tree that is not empty")
    return [] if first == second else _subproof(first, 0, second, find, whole=True)


def check_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """Verify an inclusion proof (RFC 9162, 2.1.3.2).

    Raises:
        ProofError: the leaf is not shown to be at ``index`` in the tree of ``size`` with ``root``.
    """
    if not 0 <= index < size:
        raise ProofError("the leaf is not in a tree of this size")
    if len(leaf) != HASH_SIZE or any(len(step) != HASH_SIZE for step in proof):
        raise ProofError("a hash has the wrong size")
    at, last, node = index, size - 1, leaf
    for step in proof:
        if last == 0:
            raise ProofError("the proof is too long")
        if at & 1 or at == last:
            node = node_hash(step, node)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            node = node_hash(node, step)
        at, last = at >> 1, last >> 1
    if last:
        raise ProofError("the proof is too short")
    if node != root:
        raise ProofError("the proof leads to another root")


def check_consistency(
    first: int, second: int, first_root: bytes, second_root: bytes, proof: Sequence[bytes]
) -> None:
    """Verify a consistency proof (RFC 9162, 2.1.4.2).

    Raises:
        ProofError: the larger tree is not shown to begin with the smaller.
    """
    if not 0 <= first <= second:
        raise ProofError("the first tree is larger than the second")
    if first == second:
        if proof:
            raise ProofError("trees of one size need no proof")
        if first_root != second_root:
            raise ProofError("two roots for one size")
        return
    if first == 0:
        raise ProofError("every tree begins with the empty one; a proof of it shows nothing")
    if any(len(step) != HASH_SIZE for step in proof):
        raise ProofError("a hash has the wrong size")
    _walk_consistency(first, second, first_root, second_root, list(proof))


def _walk_consistency(first: int, second: int, old: bytes, new: bytes, steps: list[bytes]) -> None:
    if first & (first - 1) == 0:
        steps.insert(0, old)  # a complete first tree is its own first step
    if not steps:
        raise ProofError("the proof is empty")
    at, last = first - 1, second - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    left = right = steps[0]
    for step in steps[1:]:
        if last == 0:
            raise ProofError("the proof is too long")
        if at & 1 or at == last:
            left, right = node_hash(step, left), node_hash(step, right)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            right = node_hash(right, step)
        at, last = at >> 1, last >> 1
    if last:
        raise ProofError("the proof is too short")
    if left != old or right != new:
        raise ProofError("the proof leads to another root")


def _fold(peaks: Sequence[bytes]) -> bytes:
    if not peaks:
        return EMPTY_ROOT
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = node_hash(peak, root)
    return root


def _range_root(begin: int, end: int, find: FindNode) -> bytes:
    """Return the root over ``[begin, end)``, where a power of two not under its length divides ``begin``."""
    peaks = []
    while begin < end:
        level = (end - begin).bit_length() - 1
        peaks.append(find(level, begin >> level))
        begin += 1 << level
    return _fold(peaks)


def _split(count: int) -> int:
    """Return the largest power of two under ``count``."""
    return 1 << ((count - 1).bit_length() - 1)


def _path(index: int, begin: int, end: int, find: FindNode) -> list[bytes]:
    if end - begin == 1:
        return []
    middle = begin + _split(end - begin)
    if index < middle:
        return [*_path(index, begin, middle, find), _range_root(middle, end, find)]
    return [*_path(index, middle, end, find), _range_root(begin, middle, find)]


def _subproof(first: int, begin: int, end: int, find: FindNode, *, whole: bool) -> list[bytes]:
    """RFC 6962's SUBPROOF; ``first`` counts from ``begin``; ``whole``: the verifier knows this subtree."""
    count = end - begin
    if first == count:
        return [] if whole else [_range_root(begin, end, find)]
    split = _split(count)
    if first <= split:
        steps = _subproof(first, begin, begin + split, find, whole=whole)
        return [*steps, _range_root(begin + split, end, find)]
    steps = _subproof(first - split, begin + split, end, find, whole=False)
    return [*steps, _range_root(begin, begin + split, find)]
