"""Inclusion and consistency proofs of a Merkle tree (RFC 6962, Laurie, Langley, Kasper 2013, sections 2.1.1 and 2.1.2;
checked as RFC 9162, sections 2.1.3.2 and 2.1.4.2, says).

*Inclusion*: this entry is number i of the log whose root this is; a proof is at most ceil(log2 n) hashes.
*Consistency*: the log of size m is a prefix of the log of size n: nothing that was published has been altered or taken
out. Either can be forged only by breaking SHA-256.

Makers take `node(level, index)`, the hash of the whole subtree over leaves [index * 2**level, (index + 1) * 2**level).
Checkers take nothing but the proof, and share no code with the makers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256

from assay.dataset.merkle import node_hash
from assay.ledger.errors import Tampered

Nodes = Callable[[int, int], bytes]

EMPTY = sha256(b"").digest()  # the root of no leaves


def root(size: int, node: Nodes) -> bytes:
    """The root of the first `size` leaves."""
    return EMPTY if size == 0 else _range(0, size, node)


def _split(n: int) -> int:
    """The largest power of two below n > 1."""
    return 1 << ((n - 1).bit_length() - 1)


def _range(low: int, high: int, node: Nodes) -> bytes:
    n = high - low
    if n & (n - 1) == 0:
        level = n.bit_length() - 1
        return node(level, low >> level)
    middle = low + _split(n)
    return node_hash(_range(low, middle, node), _range(middle, high, node))


def inclusion(index: int, size: int, node: Nodes) -> list[bytes]:
    """PATH(index, D[size]): the hashes beside the way from the leaf to the root, the leaf's sibling first.

    Raises ValueError unless 0 <= index < size.
    """
    if not 0 <= index < size:
        raise ValueError(f"index {index} is not below the size {size}")
    path, low, high = [], 0, size
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            path.append(_range(middle, high, node))
            high = middle
        else:
            path.append(_range(low, middle, node))
            low = middle
    return path[::-1]


def consistency(old: int, new: int, node: Nodes) -> list[bytes]:
    """PROOF(old, D[new]); empty where old is 0 or old = new. Raises ValueError unless 0 <= old <= new."""
    if not 0 <= old <= new:
        raise ValueError(f"the old size {old} is above the new size {new}")
    if old in (0, new):
        return []
    path, low, high, whole = [], 0, new, True
    while old != high:
        middle = low + _split(high - low)
        if old <= middle:
            path.append(_range(middle, high, node))
            high = middle
        else:
            path.append(_range(low, middle, node))
            low, whole = middle, False
    if not whole:
        path.append(_range(low, high, node))
    return path[::-1]


def check_inclusion(index: int, size: int, leaf: bytes, path: Sequence[bytes], expected: bytes) -> None:
    """Raises Tampered unless `path` leads from the leaf hash at `index` to the root `expected` of `size` leaves."""
    if not 0 <= index < size:
        raise Tampered(f"the proof is for entry {index} of a log of {size}")
    at, last, made = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise Tampered(f"the inclusion proof has {len(path)} hashes, more than a tree of {size} is high")
        if at & 1 or at == last:
            made = node_hash(sibling, made)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            made = node_hash(made, sibling)
        at, last = at >> 1, last >> 1
    if last != 0:
        raise Tampered(f"the inclusion proof has only {len(path)} hashes, too few for a tree of {size}")
    if made != expected:
        raise Tampered(f"the inclusion proof of entry {index} leads to the root {made.hex()}, expected {expected.hex()}")


def check_consistency(old: int, old_root: bytes, new: int, new_root: bytes, path: Sequence[bytes]) -> None:
    """Raises Tampered unless `path` shows that the tree of `old` leaves is a prefix of the tree of `new` leaves."""
    if old > new:
        raise Tampered(f"the log has shrunk from {old} to {new} entries: it was rolled back")
    if old in (0, new):
        if path:
            raise Tampered(f"a consistency proof from {old} to {new} has no hashes; this has {len(path)}")
        if old == new and old_root != new_root:
            raise Tampered(f"two roots for one size, {old}: {old_root.hex()} and {new_root.hex()}")
        if old == 0 and old_root != EMPTY:
            raise Tampered(f"the root of an empty log is {EMPTY.hex()}, not {old_root.hex()}")
        return
    hashes = list(path) if old & (old - 1) else [old_root, *path]
    if not hashes:
        raise Tampered(f"a consistency proof from {old} to {new} is missing")
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    first = second = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise Tampered(f"the consistency proof from {old} to {new} has too many hashes")
        if at & 1 or at == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            second = node_hash(second, sibling)
        at, last = at >> 1, last >> 1
    if last != 0:
        raise Tampered(f"the consistency proof from {old} to {new} has too few hashes")
    if first != old_root:
        raise Tampered(f"the first {old} entries are no longer the ones that were signed: history was rewritten")
    if second != new_root:
        raise Tampered(f"the consistency proof leads to the root {second.hex()}, expected {new_root.hex()}")
