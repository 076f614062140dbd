"""Appending: which tiles and entry bundles a longer log needs. Pure: reads through `get`, writes nothing."""

from __future__ import annotations

from collections.abc import Sequence

from assay.ledger.paths import HEIGHT, WIDTH, Place, width_at
from assay.ledger.tiles import HASH, Get, Tiles, leaves, pack, tile_root


def grown(get: Get, tree: Tiles, entries: Sequence[bytes]) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """(entry bundles, tiles) by path that the tree needs when `entries` follow its last; those already there are not listed.

    About two hashes an entry, and each new tile once.
    """
    size = tree.size
    bundles: dict[str, bytes] = {}
    first, held = divmod(size, WIDTH)
    pending = ([*tree.entries(first)] if held else []) + list(entries)
    for start in range(0, len(pending), WIDTH):
        bundle = pending[start : start + WIDTH]
        bundles[Place(None, first + start // WIDTH, len(bundle)).path] = pack(bundle)

    tiles: dict[str, bytes] = {}
    level, added = 0, leaves(entries)
    while added:
        first, held = divmod(size >> (HEIGHT * level), WIDTH)
        data = (tree.tile(level, first) if held else b"") + added
        added = b""
        for start in range(0, len(data), WIDTH * HASH):
            part = data[start : start + WIDTH * HASH]
            tiles[Place(level, first + start // (WIDTH * HASH), len(part) // HASH).path] = part
            if len(part) == WIDTH * HASH:
                added += tile_root(part)
        level += 1
    return bundles, tiles


def outgrown(old: int, new: int) -> list[str]:
    """Below which paths the partial tiles and bundles lie that the log of `old` entries had, and that of `new` has in full.

    The specification lets them go; those that are partial still stay, since a checkpoint was published that needs them.
    """
    gone, level = [], 0
    while old >> (HEIGHT * level):
        number, width = divmod(old >> (HEIGHT * level), WIDTH)
        if width and width_at(level, number, new) == WIDTH:
            gone += [Place(row, number).path + ".p/" for row in ((None, 0) if level == 0 else (level,))]
        level += 1
    return gone
