"""What a format says must change in its files when some records are taken out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Int = NDArray[np.int64]


@dataclass(frozen=True)
class Gone:
    """A file that holds a removed record and nothing else."""

    path: Path


@dataclass(frozen=True)
class Cut:
    """Bytes `start[i]` to `stop[i]` of a file are taken out; `instead` (i -> bytes) stands in the place of some."""

    path: Path
    start: Int
    stop: Int
    instead: Mapping[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Rewritten:
    """A file that cannot be cut: `write(new)` makes it again without the records, and the old one is kept as it was."""

    path: Path
    write: Callable[[Path], None]


Edit = Gone | Cut | Rewritten


def cut_out(path: Path, start: Int, stop: Int, drop: Int) -> Cut:
    """The records `drop`, of which each is the bytes `start[i]` to `stop[i]` of the file."""
    return Cut(path, *runs(start[drop], stop[drop]))


def written_anew(path: Path, write: Callable[..., None], drop: Int) -> Rewritten:
    """`write(new, drop=drop)` makes the file again without the records `drop`."""
    return Rewritten(path, partial(write, drop=drop))


def runs(start: Int, stop: Int) -> tuple[Int, Int]:
    """The same spans with those that touch joined.

    >>> runs(np.array([0, 5, 20]), np.array([5, 9, 30]))
    (array([ 0, 20]), array([ 9, 30]))
    """
    if len(start) == 0:
        return start, stop
    begins = np.concatenate(([True], start[1:] != stop[:-1]))
    ends = np.concatenate((begins[1:], [True]))
    return start[begins], stop[ends]
