"""How much a reader takes in before it refuses, and how it tells of its progress."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

MIB = 1 << 20

# progress(done, total, what): called now and then with work done so far; cheap
Progress = Callable[[float, float, str], None]


def silent(done: float, total: float, what: str) -> None:
    """A `Progress` that says nothing."""


@dataclass(frozen=True)
class Limits:
    """What one record may cost. Nobody's real record comes near these; a hostile or damaged file does."""

    pixels: int = 50_000_000  # of one picture before decoding: a 50-megapixel "bomb" is a few kB of file and 150 MB of memory
    line: int = 64 * MIB  # bytes of one line of CSV or JSON: parsers hold a whole record in memory
    field: int = 16 * MIB  # bytes of one value: War and Peace is 3 MiB
    pictures: int = 4096 * MIB  # bytes of all decoded pictures; above it they are held at a smaller size, and this is said
    faults: float = 0.1  # share of unreadable records above which the file itself is wrong, not some of its records
    columns: int = 20_000  # a text taken for a header has more


LIMITS = Limits()
