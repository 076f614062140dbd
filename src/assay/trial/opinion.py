"""What each row's content says of its label, by a probe that never saw the row: one opinion for every modality."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay.dataset.data import Dataset
from assay.learn.columns import code_columns
from assay.learn.corpus import read_corpus
from assay.learn.serial import reach_by_label
from assay.learn.tables import fit_table_probe
from assay.learn.text import fit_text_probe
from assay.screen.shingles import near_text_groups
from assay.trial.family import NOTHING, Depth, Heard
from assay.trial.image_probe import image_probe, same_pictures
from assay.trial.text_columns import text_columns

Floats = NDArray[np.float64]
Int = NDArray[np.int64]


@dataclass(frozen=True)
class Opinion:
    """Out-of-fold class probabilities (n, k), and which rows are near-duplicates of one another: (n,) they share a number. `fold` (n,):
    which model a row's probabilities are of, where one model's are not to be ranked with another's (networks are not alike in what they
    favour); None where they may."""

    probabilities: Floats
    same: Int
    fold: Int | None = None

    def votes(self, group: Int) -> Floats:
        """(n,) near-duplicates within one group (n,) share one vote."""
        _, group = np.unique(group, return_inverse=True)
        key = group * (self.same.max(initial=0) + 1) + self.same
        _, inverse, count = np.unique(key, return_inverse=True, return_counts=True)
        return np.asarray(1.0 / count[inverse])


def value_columns(data: Dataset) -> list[str]:
    """The content columns that hold values to compare: no running text, no lists."""
    text = set(text_columns(data))
    kinds = {c: data.table.schema.field(c).type for c in data.columns.content if c not in text}
    return [c for c, kind in kinds.items() if not (pa.types.is_nested(kind) or pa.types.is_null(kind))]


def readable(data: Dataset) -> bool:
    """Whether there is any content that a probe can read."""
    return data.images is not None or bool(text_columns(data)) or bool(value_columns(data))


def opinion_of(data: Dataset, depth: Depth, rng: np.random.Generator, heard: Heard = NOTHING) -> Opinion:
    """By pictures where there are any, else texts, else values. `heard`: what other trials computed already.

    Raises ValueError where there is no content that a probe can read.
    """
    k, known = len(data.classes), heard.probabilities
    if data.images is not None:
        if known is not None:
            return Opinion(known, same_pictures(data.images, heard.pictures), heard.fold)
        (pictures, *_), _, _ = image_probe(data, depth, rng, heard.pictures)
        return Opinion(pictures.probabilities, pictures.groups, pictures.fold)
    if texts := text_columns(data):
        columns = [data.table.column(c).to_pylist() for c in texts]
        joined = pa.array(["\n".join(v or "" for v in parts) for parts in zip(*columns, strict=True)], pa.large_string())
        same = near_text_groups(joined, rng)
        return Opinion(known if known is not None else fit_text_probe(read_corpus(columns), data.y, k, same, rng).probabilities(), same)
    if not value_columns(data):
        raise ValueError("there is no content that a probe can read")
    coded = code_columns(data.table, value_columns(data))
    p = known if known is not None else fit_table_probe(coded, data.y, k, rng).probabilities()
    return Opinion(p, _witnesses(coded.same, p, data.y))


def _witnesses(same: Int, p: Floats, y: Int) -> Int:
    """(n,) rows that are one witness share a number: equal ones; in a table that is a series, those of one label in one stretch of it."""
    within = reach_by_label(lambda rows: p[rows], y)
    return same if not within else np.unique(np.stack([np.arange(len(y)) // within, y]), axis=1, return_inverse=True)[1].ravel()
