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


@dataclass(frozen=True)
class RowBlocks:
    """`columns` numbers a row, in blocks of rows; in this process one block is all, and nothing is copied."""

    engine: Engine
    columns: int
    blocks: tuple[Handle[NDArray[Any]], ...]

    @staticmethod
    def of(values: NDArray[Any]) -> RowBlocks:
        """Of (n, m)."""
        engine = current()
        if not engine.remote:
            return RowBlocks(engine, values.shape[1], (engine.put(values),))
        size = int(np.clip(-(-len(values) // (BLOCKS_A_WORKER * engine.workers)), FEWEST, MOST))
        placed = tuple(engine.put(np.asfortranarray(values[start:stop])) for start, stop in spans(len(values), size))
        return RowBlocks(engine, values.shape[1], placed)

    def map(self, work: Callable[..., R], *arguments: Any) -> Iterator[R]:
        """`work(block, *arguments)` of each block, in their order."""
        return self.engine.map(work, ((block, *arguments) for block in self.blocks))
