"""Attacks on texts that need no class: instruction data, a corpus for pre-training, the pages behind a search."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.artefact.base import Artefact
from assay.attack.base import Attack, Int, Needs, Planted
from assay.attack.triggered import draw
from assay.dataset.data import Dataset
from assay.dataset.rows import Rows


class CorpusAttack(Attack):
    """Rewrites rows in place: an attacker who adds rows leaves the same poison, and a few harmless rows more."""

    needs: ClassVar[Needs] = "corpus"


def rows_with_text(data: Dataset, column: str, size: int, rng: np.random.Generator) -> Int:
    """`size` drawn positions whose text is there, sorted; DataError where there are too few."""
    there = np.asarray(pc.fill_null(pc.greater(pc.utf8_length(pc.utf8_trim_whitespace(data.table.column(column))), 0), False), dtype=bool)
    return draw(data, np.flatnonzero(there), size, rng, "with a text")


def rewritten(data: Dataset, column: str, positions: Int, texts: list[str]) -> Dataset:
    """A copy with other texts at these positions of a column."""
    values = data.table.column(column).to_pylist()
    for position, text in zip(positions, texts, strict=True):
        values[position] = text
    kind = data.table.schema.field(column).type
    rows: Rows = data.rows.with_column(column, pa.array(values, kind))
    return data.with_content(rows)


def planted(data: Dataset, positions: Int, shared: tuple[Artefact, ...], kind: str) -> Planted:
    """The poisoned copy and its truth: no class changes, and there is no trigger to put into test rows of a class."""
    poisoned = np.zeros(len(data), bool)
    poisoned[positions] = True
    return Planted(data, poisoned, shared, kind)
