"""What a format says must change in its files when some records are taken out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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
