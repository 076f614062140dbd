"""The numbers of all rows as blocks of rows, where an engine's workers have them: placed once, for every screen that asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from assay.engine.base import Engine, Handle, current, spans

R = TypeVar("R")

BLOCKS_A_WORKER = 4  # of which the last ones begun even out what the first took
FEWEST, MOST = 10_000, 250_000  # rows of a block: each costs some milliseconds; 250,000 of 20 columns are 40 MB
STEP = 2_000  # that blocks are multiples of, so that work on some rows at a time has the same ones together in any block


@dataclass(frozen=True)
class RowBlocks:
    """`columns` numbers a row, in blocks of rows; in this process one block is all, and nothing is copied."""

    engine: Engine
    columns: int
    starts: tuple[int, ...]
    blocks: tuple[Handle[NDArray[Any]], ...]

    @staticmethod
    def of(values: NDArray[Any]) -> RowBlocks:
        """Of (n, m)."""
        engine = current()
        if not engine.remote:
            return RowBlocks(engine, values.shape[1], (0,), (engine.put(values),))
        size = int(np.clip(-(-len(values) // (BLOCKS_A_WORKER * engine.workers)), FEWEST, MOST))
        edges = spans(len(values), -(-size // STEP) * STEP)
        placed = tuple(engine.put(_compact(values[start:stop])) for start, stop in edges)
        return RowBlocks(engine, values.shape[1], tuple(start for start, _ in edges), placed)

    def map(self, work: Callable[..., R], *arguments: Any) -> Iterator[R]:
        """`work(block, *arguments)` of each block, in their order."""
        return self.engine.map(work, ((block, *arguments) for block in self.blocks))

    def map_from(self, work: Callable[..., R], *arguments: Any) -> Iterator[R]:
        """`work(block, its first row, *arguments)` of each block, in their order."""
        return self.engine.map(work, ((block, start, *arguments) for block, start in zip(self.blocks, self.starts, strict=True)))


def _compact(block: NDArray[Any]) -> NDArray[Any]:
    """As it lies in memory, without gaps: only so does it travel by a file."""
    return block if block.flags.c_contiguous else np.asfortranarray(block)
