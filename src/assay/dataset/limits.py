"""How much a reader takes in before it refuses, and how it tells of its progress.

Every bound can be set for a process: ASSAY_LIMITS="line=256MiB,pixels=100000000,files=50000000".
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, fields, replace

from assay.dataset.errors import DataError

MIB = 1 << 20
VARIABLE = "ASSAY_LIMITS"
UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40, "": 1}

# progress(done, total, what): called now and then with work done so far; cheap
Progress = Callable[[float, float, str], None]


def silent(done: float, total: float, what: str) -> None:
    """A `Progress` that says nothing."""


@dataclass(frozen=True)
class Limits:
    """What a data set and one record of it may cost. Nobody's real data come near these; a hostile or damaged file does."""

    pixels: int = 50_000_000  # of one picture before decoding: a 50-megapixel "bomb" is a few kB of file and 150 MB of memory
    line: int = 64 * MIB  # bytes of one line of CSV or JSON: parsers hold a whole record in memory
    field: int = 16 * MIB  # bytes of one value: War and Peace is 3 MiB
    pictures: int = 4096 * MIB  # bytes of all decoded pictures; above it they are held at a smaller size, and this is said
    faults: float = 0.1  # share of unreadable records above which the file itself is wrong, not some of its records
    columns: int = 20_000  # a text taken for a header has more
    files: int = 20_000_000  # in one folder: their names are held in memory, some 200 bytes each
    records: int = 1_000_000_000  # run-length coded, 10^9 equal rows are a file of a few kB; row numbers alone are 8 GB then
    unpacked: int = 64 * 1024 * MIB  # bytes of all values but pictures, unpacked: kilobytes of archive can unpack to petabytes
    depth: int = 100  # of a JSON value within another: what is learnt from has a handful

    @classmethod
    def of(cls, text: str) -> Limits:
        """The defaults with some of them set. DataError for a name or a number that is none.

        >>> Limits.of("line=1MiB, faults=0.5").line, Limits.of("").depth
        (1048576, 100)
        """
        known = {f.name: type(f.default) for f in fields(cls)}
        given: dict[str, float] = {}
        for part in filter(None, (p.strip() for p in text.split(","))):
            name, _, value = (p.strip() for p in part.partition("="))
            if name not in known:
                raise DataError(f"there is no limit {name!r}", path=VARIABLE, remedy=f"use {', '.join(known)}")
            given[name] = _number(value, known[name], part)
        return replace(cls(), **given)  # type: ignore[arg-type]  # each has the type of its field


def _number(value: str, kind: type, part: str) -> float:
    unit = next(u for u in UNITS if value.endswith(u))
    try:
        number = kind(value.removesuffix(unit).strip()) * (UNITS[unit] if kind is int else 1)
    except ValueError:
        number = -1
    if not 0 < number < float("inf"):
        raise DataError(f"{part!r} is no limit", path=VARIABLE, remedy="write for example line=256MiB")
    return float(number) if kind is float else int(number)


LIMITS = Limits.of(os.environ.get(VARIABLE, ""))
