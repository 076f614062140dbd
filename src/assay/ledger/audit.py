"""Checking a whole log: every entry, every tile, the signed head, and what a reader has seen before.

After `audit` returned, no bit of any entry, tile or checkpoint differs from what was signed, and nothing that lies among the
tiles is not covered. What it cannot see: whether others were shown a different log (a split view needs two readers who
compare checkpoints, or witnesses), and whether what was logged was true.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from assay.ledger import journal
from assay.ledger.checkpoint import Checkpoint
from assay.ledger.errors import Tampered
from assay.ledger.log import Log, follows
from assay.ledger.paths import TOP, WIDTH, Place, parse, width_at
from assay.ledger.storage import Storage
from assay.ledger.tiles import HASH, check_leaves, tile_root, unpack

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Audit:
    """What was checked."""

    head: Checkpoint
    tiles: int
    bundles: int
    acknowledged: int  # durable in the journal, not yet in the tree


def audit(log: Log, seen: Checkpoint | None = None, progress: Progress | None = None) -> Audit:
    """Checks the log from the entries up. Raises Tampered at the first thing that does not fit.

    `seen` is a head that this reader trusts from before: the log must continue it. `progress(done, of)` counts entries.
    About two hashes an entry: a million entries take seconds.
    """
    tree = log.tiles()
    size = tree.size
    if seen is not None:
        follows(tree, seen, "you have seen")
    known: dict[tuple[int, int], bytes] = {}
    roots = []
    for number in range(-(-size // WIDTH)):
        known[0, number] = tree.tile(0, number)
        tree.entries(number)
        if width_at(0, number, size) == WIDTH:
            roots.append(tile_root(known[0, number]))
        if progress is not None:
            progress(min(size, (number + 1) * WIDTH), size)
    for level in range(1, TOP + 1):
        hashes, roots = b"".join(roots), []
        for number in range(-(-len(hashes) // (WIDTH * HASH))):
            expected = hashes[number * WIDTH * HASH : (number + 1) * WIDTH * HASH]
            known[level, number] = expected
            if tree.tile(level, number) != expected:
                raise Tampered(f"the tile {Place(level, number, len(expected) // HASH).path} does not fit the tiles below it")
            if len(expected) == WIDTH * HASH:
                roots.append(tile_root(expected))
    tiles, bundles = _others(log.storage, size, known)
    waiting, _ = journal.pending(log.storage, size)
    return Audit(log.checkpoint(), tiles, bundles, len(waiting))


def _others(storage: Storage, size: int, known: dict[tuple[int, int], bytes]) -> tuple[int, int]:
    """(tiles, bundles) that lie there; each is a beginning of one that was checked, or the whole of it."""
    tiles = bundles = 0
    for path in storage.list("tile/"):
        place = parse(path)
        if place is None:
            raise Tampered(f"{path} is no tile and no entry bundle")
        if place.width > width_at(place.level, place.number, size):
            continue  # made by a writer that has not signed yet, or died before: the journal makes it again
        data = storage.get(path)
        if data is None:
            continue
        if place.level is None:
            bundles += 1
            check_leaves(unpack(data, place), known[0, place.number], place)
        else:
            tiles += 1
            if data != known[place.level, place.number][: place.width * HASH]:
                raise Tampered(f"the tile {path} is not a part of the tree that was signed")
    return tiles, bundles
