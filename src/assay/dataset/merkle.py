"""The Merkle tree hash of RFC 6962 (Laurie, Langley, Kasper 2013, section 2.1): one value for a list of records in
their order.

Two lists have the same root only if they are the same, unless SHA-256 is broken; leaves and nodes are hashed with
different prefixes, so that no inner node can be passed off as a record.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from assay.engine.base import current

HASH = 32  # bytes
LEAF, NODE = b"\x00", b"\x01"
LEAVES = 1 << 16  # of a block that is hashed by itself: 2 MB, a tenth of a second


def leaf_hash(entry: bytes) -> bytes:
    """SHA-256(0x00 || entry)."""
    return sha256(LEAF + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    return sha256(NODE + left + right).digest()


def tree_hash(entries: Sequence[bytes]) -> bytes:
    """MTH(entries), 32 bytes; of no entries SHA-256 of the empty string.

    Level by level: a last node without a partner moves up as it is, which is the same tree as the RFC's split at the
    largest power of two below n. n - 1 node hashes.

    >>> tree_hash([]).hex()[:16]
    'e3b0c44298fc1c14'
    >>> tree_hash([b""]).hex()[:16]
    '6e340b9cffb37a98'
    """
    return joined([sha256(LEAF + entry).digest() for entry in entries])


def root_of(entries: bytes) -> bytes:
    """The tree hash of entries of 32 bytes each that lie one after another, block by block by the engine in use."""
    step = HASH * LEAVES
    return joined(list(current().map(subtree_hash, ((entries[start : start + step],) for start in range(0, len(entries), step)))))


def subtree_hash(entries: bytes) -> bytes:
    """The tree hash of entries of 32 bytes each that lie one after another: one block of a longer list."""
    return tree_hash([entries[start : start + HASH] for start in range(0, len(entries), HASH)])


def joined(nodes: Sequence[bytes]) -> bytes:
    """The root over neighbouring subtrees of one size, a power of two, of which the last may be smaller: MTH of all their entries.

    So blocks of a list may be hashed by themselves, anywhere.

    >>> joined([tree_hash([b"a", b"b"]), tree_hash([b"c"])]) == tree_hash([b"a", b"b", b"c"])
    True
    """
    level = list(nodes)
    if not level:
        return sha256(b"").digest()
    while len(level) > 1:
        odd = level[-1:] if len(level) % 2 else []
        level = [sha256(NODE + left + right).digest() for left, right in zip(level[::2], level[1::2], strict=False)] + odd
    return level[0]
