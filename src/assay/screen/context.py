"""What a screen is given, and what it may need.

A screen declares its needs by name; `lacks` says in words why a need is not met, so that a check that does not run is
listed with its reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from assay.dataset.data import MISSING, Dataset
from assay.screen.column_laws import Laws, column_laws
from assay.screen.foreseen import FEWEST_ROWS as FEWEST_ROWS_LEARNT
from assay.screen.foreseen import Foreseen, can_foresee, foresee
from assay.screen.row_blocks import RowBlocks
from assay.screen.statistics import Statistics, row_statistics
from assay.screen.table_values import table_values

Need = Literal["labels", "probabilities", "features", "content", "numbers", "columns", "passages", "number_label", "learnt"]

# A screen compares a row with the others; under this many there is nothing to compare with.
FEWEST_ROWS = 30


@dataclass(frozen=True)
class Context:
    """A data set and what was already learnt about it.

    `probabilities` (n, k) are out-of-fold: the model that gave row i its probabilities never saw row i; columns follow
    `data.classes`. `features` (n, d) were made without labels; Euclidean distance between them is meant to say
    something. `learnt` (n, d) are those of a network that was trained on all rows and their labels.
    """

    data: Dataset
    probabilities: NDArray[np.float64] | None
    features: NDArray[np.float32] | None
    rng: np.random.Generator
    learnt: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        n, k = len(self.data), len(self.data.classes)
        if self.probabilities is not None and self.probabilities.shape != (n, k):
            raise ValueError(f"expected probabilities of shape {(n, k)} (rows, classes), found {self.probabilities.shape}")
        for made in (self.features, self.learnt):
            if made is not None and (made.ndim != 2 or len(made) != n):
                raise ValueError(f"expected features of shape ({n}, d), found {made.shape}")

    @cached_property
    def numbers(self) -> Statistics:
        """The plain numbers of each row (`row_statistics`), read once for all screens."""
        return row_statistics(self.data)

    @cached_property
    def number_blocks(self) -> RowBlocks:
        """The same where workers have them."""
        return RowBlocks.of(self.numbers.values)

    @cached_property
    def laws(self) -> Laws:
        """What each column's numbers say of any of them (`column_laws`), told once for all screens."""
        return column_laws(self.number_blocks)

    @cached_property
    def table_values(self) -> NDArray[np.float64]:
        """A table as numbers (`table_values`), made once for all screens."""
        return table_values(self.data, self.numbers)

    @cached_property
    def table_blocks(self) -> RowBlocks:
        """The same where workers have them."""
        return RowBlocks.of(self.table_values)

    @cached_property
    def foreseen(self) -> Foreseen:
        """What the rest of each row leads one to expect of its numbers (`foresee`), learnt once for all screens."""
        return foresee(self.data, self.rng)

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """(n,) which rows have a class label."""
        if not self.data.labelled or len(self.data.y) != len(self.data):
            return np.zeros(len(self.data), bool)
        return self.data.y != MISSING


def lacks(need: Need, context: Context) -> str | None:
    """Why this need is not met, in words, or None where it is."""
    data = context.data
    if len(data) < FEWEST_ROWS:
        return f"needs at least {FEWEST_ROWS} rows to compare, found {len(data)}"
    if need == "labels" and not context.labelled.any():
        return f"needs labels of at least two classes; the task here is {data.task}"
    if need == "probabilities" and context.probabilities is None:
        return "needs out-of-fold class probabilities, and no probe gave any"
    if need == "features" and context.features is None:
        return "needs label-free features, and none were made"
    if need == "learnt" and context.learnt is None:
        return "needs the features of a network trained on these rows: pictures with labels, depth full, and torch"
    if need == "content" and data.images is None and not data.columns.content:
        return "needs content, and there is neither a picture nor a content column"
    if need == "passages" and (data.modality != "text" or data.task != "none"):
        return "needs text without labels, read as passages"
    if need == "numbers" and not context.numbers.names:
        return "needs numbers: no numeric column here has more than one value"
    if need == "number_label" and (data.task != "regression" or not data.columns.content):
        return f"needs a label that is a number and columns to foretell it from; the task here is {data.task}"
    if need == "columns" and not can_foresee(data):
        return f"needs a table of {FEWEST_ROWS_LEARNT} rows with a column of ten different numbers, and others to foresee it from"
    return None
