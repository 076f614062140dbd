"""Work for the tests of engines: workers import it by name."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Seen:
    """A state that remembers the order in which it was merged."""

    numbers: tuple[int, ...] = ()

    def merge(self, other: Seen) -> Seen:
        return Seen(self.numbers + other.numbers)


def seen(number: int) -> Seen:
    return Seen((number,))


def total(block: np.ndarray, start: int, stop: int) -> int:
    return int(block[start:stop].sum())


def writable(block: np.ndarray) -> bool:
    return bool(block.flags.writeable)


def doubled(block: np.ndarray) -> np.ndarray:
    return block * 2


def refuse(number: int) -> int:
    raise ValueError(f"no {number}")


def die_once(marker: str) -> str:
    """The first time, its process ends as if it had been killed."""
    path = Path(marker)
    if not path.exists():
        path.touch()
        os._exit(9)
    return "done"


def slowly(number: int, seconds: float) -> int:
    time.sleep(seconds)
    return number * number


def slow_once(marker: str, seconds: float) -> str:
    """The first time it takes that long, as on a node that hardly runs."""
    path = Path(marker)
    if not path.exists():
        path.touch()
        for _ in range(int(20 * seconds)):  # as work does, it hears between two steps that it is called off
            time.sleep(0.05)
    return "done"


def told(what: str) -> str:
    return f"told: {what}"


def hold_on(folder: str) -> None:
    """Place a block, say which process a worker is, and wait."""
    from assay.engine.cores import Cores

    with Cores(1, Path(folder)) as cores:
        placed = cores.put(np.arange(100_000))
        print(cores.result(cores.submit(number_of, placed)), flush=True)
        sys.stdin.read()


def number_of(_: object) -> int:
    return os.getpid()


def runs(number: int) -> bool:
    """Whether that process runs."""
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{number}/stat")  # one that has ended may wait for somebody to ask how
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"
