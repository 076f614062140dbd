"""Columns that are watched and do not come any more: without a word, their streams would rest for ever.

A feature that is missing is measured (`assay.watch.measures`); a confidence or a slice that is missing has no stream that would move.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.watch.baseline import Baseline
from assay.watch.events import Batch

FEWEST = 200  # predictions in a row without a value that are told, in batches of one event too
LONGER = 10  # times as many as the longest row of them that came to an end: some columns have a value now and then


@dataclass
class Absent:
    """For each watched column, how many predictions in a row had no value, by whole batches, and the longest such row that ended."""

    baseline: Baseline
    runs: dict[str, int] = field(default_factory=dict)
    longest: dict[str, int] = field(default_factory=dict)

    def see(self, batch: Batch) -> None:
        """Count a batch; late labels say nothing of columns."""
        predictions = len(batch) - batch.prediction.count(None)
        if not predictions:
            return
        fields = self.baseline.fields
        there = {column: not _empty(batch.column(column)) for column in self.baseline.slices.columns}
        if self.baseline.measures.confident:
            there[fields.confidence] = not np.isnan(batch.confidence).all()
        self.longest |= {name: max(run, self.longest.get(name, 0)) for name, run in self.runs.items() if there.get(name)}
        self.runs = {name: self.runs.get(name, 0) + predictions for name, has in there.items() if not has}

    def told(self) -> tuple[tuple[str, int], ...]:
        """(column, predictions since its last value) of those that are missing."""
        return tuple((name, run) for name, run in self.runs.items() if run >= max(FEWEST, LONGER * self.longest.get(name, 0)))


def said_of(missing: Sequence[tuple[str, int]]) -> str:
    """One line for people.

    >>> said_of([("country", 2000)])
    'Watched, and missing: country in the last 2,000 predictions. Give it again: what is not there is not watched.'
    """
    columns = ", ".join(f"{name} in the last {run:,} predictions" for name, run in missing)
    return f"Watched, and missing: {columns}. Give it again: what is not there is not watched."


def _empty(column: pa.Array) -> bool:
    if column.null_count == len(column):
        return True
    return pa.types.is_floating(column.type) and bool(pc.all(pc.is_null(column, nan_is_null=True)).as_py())
