"""What the screens of single columns need to know of all rows, told from each column's counted values.

Values are counted block by block (`assay.screen.counted`), the counts of a column merged, and what is left of them is small: quartiles, a
deviation, a tail, and the highest scores of one row in as many as there are columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.learn.threads import in_parallel
from assay.screen.by_column import Judge, Scale
from assay.screen.counted import Counted
from assay.screen.iqr import Fences
from assay.screen.missing import disguises
from assay.screen.robust_z import Deviations
from assay.screen.row_blocks import RowBlocks
from assay.screen.tail import Law

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Laws:
    """One entry a column: for `iqr`, for `robust_z`, and the disguises of missing values with how many rows have them."""

    fences: tuple[Judge, ...]
    deviations: tuple[Judge, ...]
    disguises: tuple[dict[float, int], ...]


@dataclass(frozen=True)
class _Column:
    fences: Judge
    deviations: Judge
    disguises: dict[float, int]


def column_laws(numbers: RowBlocks) -> Laws:
    """Of the numbers (n, m) of all rows."""
    engine, many = numbers.engine, numbers.columns
    if engine.remote:
        whole = [engine.folded(_counted, [(block, j) for block in numbers.blocks]) for j in range(many)]
        found = list(engine.map(_told, [(counted, many) for counted in whole]))
    else:
        block = engine.result(numbers.blocks[0])
        found = in_parallel(lambda j: _told(_counted(block, j), many), range(many))
    return Laws(tuple(c.fences for c in found), tuple(c.deviations for c in found), tuple(c.disguises for c in found))


def _counted(block: Float, j: int) -> Counted:
    return Counted.of(block[:, j])


def _told(column: Counted, many: int) -> _Column:
    def judge(scale: Scale) -> Judge:
        return Judge(scale, Law.of(column.scored(scale.score(column.every)), 1 / many))

    return _Column(judge(Fences.of(column)), judge(Deviations.of(column)), disguises(column))
