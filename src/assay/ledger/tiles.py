"""The tree, read from tiles: every hash that is given out has been checked against the signed root.

The tiles on the right edge, hashed together, must give the root; a full tile must hash to its place in the tile above it.
So a reader needs to trust nobody who stores the tiles, and reads few of them for one proof.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from hashlib import sha256

from assay.dataset.merkle import NODE
from assay.ledger.errors import Tampered
from assay.ledger.paths import HEIGHT, WIDTH, Place, width_at
from assay.ledger.proofs import root

HASH = 32  # bytes of SHA-256
KEPT = 4096  # tiles held in memory: 32 MB

Get = Callable[[str], bytes | None]


def above(hashes: bytes) -> bytes:
    """The level above: parents of the hashes, pair by pair; a last one without a partner is left out."""
    pair = 2 * HASH
    return b"".join([sha256(NODE + hashes[i : i + pair]).digest() for i in range(0, len(hashes) // pair * pair, pair)])


def tile_root(tile: bytes) -> bytes:
    """The root of a full tile, 256 hashes."""
    for _ in range(HEIGHT):
        tile = above(tile)
    return tile


class Tiles:
    """The tree of `size` leaves whose root is `expected`, read through `get`.

    Raises Tampered, at once or when a tile is read, where a tile is missing or is not the one that was signed. Without an
    `expected` root (for the writer, before it signs) the tiles are taken at their word.
    """

    def __init__(self, get: Get, size: int, expected: bytes | None) -> None:
        self._get = get
        self.size = size
        self._kept: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        self._edge = self._right_edge()
        self.root = root(size, self.node)
        if expected is not None and self.root != expected:
            raise Tampered(f"the tiles give the root {self.root.hex()} at size {size}, the checkpoint says {expected.hex()}")

    def _right_edge(self) -> dict[tuple[int, int], bytes]:
        edge, level = {}, 0
        while self.size >> (HEIGHT * level):
            number, width = divmod(self.size >> (HEIGHT * level), WIDTH)
            if width:
                edge[level, number] = self._read(level, number)
            level += 1
        return edge

    def _read(self, level: int, number: int) -> bytes:
        width = width_at(level, number, self.size)
        place = Place(level, number, width)
        data = self._get(place.path)
        if data is None and width < WIDTH:  # a partial tile may be taken away once the full one is there
            place = Place(level, number)
            data = self._get(place.path)
        if data is None:
            raise Tampered(f"the tile {Place(level, number, width).path} is missing")
        if len(data) != place.width * HASH:
            raise Tampered(f"the tile {place.path} has {len(data)} bytes, expected {place.width * HASH}")
        return data[: width * HASH]

    def tile(self, level: int, number: int) -> bytes:
        """The hashes of a tile as far as this tree goes, checked."""
        key = (level, number)
        if key in self._edge:
            return self._edge[key]
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        data = self._read(level, number)
        if tile_root(data) != self.node(HEIGHT * (level + 1), number):
            raise Tampered(f"the tile {Place(level, number).path} is not the one that was signed")
        self._kept[key] = data
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return data

    def node(self, level: int, index: int) -> bytes:
        """The hash of the whole subtree over leaves [index * 2**level, (index + 1) * 2**level)."""
        row, rest = divmod(level, HEIGHT)
        number, first = divmod(index << rest, WIDTH)
        hashes = self.tile(row, number)[first * HASH : (first + (1 << rest)) * HASH]
        if len(hashes) != HASH << rest:
            raise ValueError(f"the subtree {index} of level {level} is not whole in a tree of {self.size}")
        for _ in range(rest):
            hashes = above(hashes)
        return hashes

    def entries(self, number: int) -> list[bytes]:
        """The entries of one bundle as far as this tree goes, checked against their leaf hashes."""
        width = width_at(None, number, self.size)
        place = Place(None, number, width)
        data = self._get(place.path)
        if data is None and width < WIDTH:
            place = Place(None, number)
            data = self._get(place.path)
        if data is None:
            raise Tampered(f"the entry bundle {Place(None, number, width).path} is missing")
        entries = unpack(data, place)[:width]
        check_leaves(entries, self.tile(0, number), place)
        return entries


def pack(entries: Sequence[bytes]) -> bytes:
    """An entry bundle: each entry after its length as big-endian uint16.

    >>> pack([b"ab", b""])
    b'\\x00\\x02ab\\x00\\x00'
    """
    return b"".join([len(entry).to_bytes(2) + entry for entry in entries])


def unpack(data: bytes, place: Place) -> list[bytes]:
    """Raises Tampered unless `data` is exactly as many entries as the place holds."""
    entries, at = [], 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 2])
        entry = data[at + 2 : at + 2 + length]
        if at + 2 > len(data) or len(entry) != length:
            raise Tampered(f"the entry bundle {place.path} is cut off")
        entries.append(entry)
        at += 2 + length
    if len(entries) != place.width:
        raise Tampered(f"the entry bundle {place.path} holds {len(entries)} entries, expected {place.width}")
    return entries


def leaves(entries: Sequence[bytes]) -> bytes:
    """The leaf hashes, one after another."""
    return b"".join([sha256(b"\x00" + entry).digest() for entry in entries])


def check_leaves(entries: Sequence[bytes], tile: bytes, place: Place) -> None:
    """Raises Tampered where an entry does not hash to its leaf."""
    found = leaves(entries)
    if found != tile[: len(found)]:
        wrong = next(i for i in range(len(entries)) if found[i * HASH : (i + 1) * HASH] != tile[i * HASH : (i + 1) * HASH])
        raise Tampered(f"entry {place.number * WIDTH + wrong} in {place.path} is not the one that was logged")
