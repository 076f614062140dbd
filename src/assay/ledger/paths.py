"""Where a tiled log keeps what, as C2SP tlog-tiles lays it out (c2sp.org/tlog-tiles, "Merkle Tree", "Log entries").

    checkpoint                        the signed tree head, the only path that ever changes
    tile/0/x001/x234/067              256 leaf hashes: entries 1234067 * 256 and on
    tile/1/000.p/17                   the first 17 roots of full level-0 tiles
    tile/entries/000.p/5              the first 5 entries, each after its length as uint16

This module knows the layout and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

WIDTH = 256  # hashes a full tile holds; fixed by the specification
HEIGHT = 8  # tree levels a tile spans: WIDTH = 2 ** HEIGHT
TOP = 63  # the highest level that the specification allows
CHECKPOINT = "checkpoint"
ENTRIES = "entries"

_PLACE = re.compile(r"tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([0-9]{1,3}))?")


@dataclass(frozen=True, order=True)
class Place:
    """One tile or entry bundle. `level` is None for entries; `width` 1 to 256, where 256 is a full one."""

    level: int | None
    number: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """The path below the log's prefix.

        >>> Place(0, 1234067).path, Place(None, 0, 5).path
        ('tile/0/x001/x234/067', 'tile/entries/000.p/5')
        """
        level = ENTRIES if self.level is None else str(self.level)
        return f"tile/{level}/{_spread(self.number)}" + ("" if self.width == WIDTH else f".p/{self.width}")


def _spread(number: int) -> str:
    digits = str(number)
    digits = digits.rjust(-(-len(digits) // 3) * 3, "0")
    parts = [digits[i : i + 3] for i in range(0, len(digits), 3)]
    return "/".join(["x" + part for part in parts[:-1]] + parts[-1:])


def parse(path: str) -> Place | None:
    """The place a path names, or None where it names none.

    >>> parse("tile/1/000.p/17")
    Place(level=1, number=0, width=17)
    >>> parse("tile/1/000.p/017") is None
    True
    """
    found = _PLACE.fullmatch(path)
    if not found:
        return None
    level, number, width = found.groups()
    digits = int(number.replace("x", "").replace("/", ""))
    place = Place(None if level == ENTRIES else int(level), digits, WIDTH if width is None else int(width))
    in_range = (place.level is None or place.level <= TOP) and (width is None or 1 <= place.width < WIDTH)
    return place if in_range and place.path == path else None


def width_at(level: int | None, number: int, size: int) -> int:
    """How many hashes tile `number` of `level` holds in a tree of `size` leaves; 0 where it does not exist.

    >>> [width_at(0, 273, 70000), width_at(1, 0, 70000), width_at(1, 1, 70000), width_at(2, 0, 70000)]
    [112, 256, 17, 1]
    """
    held = size >> (HEIGHT * (level or 0))
    return max(0, min(WIDTH, held - number * WIDTH))


def places(size: int) -> Iterator[Place]:
    """Every tile and entry bundle of a tree of `size` leaves, entries first, then tiles from the leaves up."""
    for level in [None, *range(TOP + 1)]:
        held = size >> (HEIGHT * (level or 0))
        if not held:
            return
        for number in range(-(-held // WIDTH)):
            yield Place(level, number, width_at(level, number, size))
