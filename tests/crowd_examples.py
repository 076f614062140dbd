"""Crowds for the tests: the real ones, and small ones made from stated chances."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from assay.crowd.votes import Votes, from_arrays

REAL = ("bluebird", "dog", "product", "rte")


def real_crowd(real_data: Callable[[str], Path], name: str) -> tuple[Votes, np.ndarray]:
    """(votes, truth as class codes) of one of the real sets with known answers."""
    table = pq.read_table(real_data("crowd/labels.parquet"))
    table = table.filter(pc.equal(table["set"], name))
    votes = from_arrays(table["task"].to_numpy(), table["worker"].to_numpy(), table["label"].to_numpy())
    answers = pq.read_table(real_data("crowd/truth.parquet"))
    answers = answers.filter(pc.equal(answers["set"], name))
    known = dict(zip(answers["task"].to_pylist(), map(str, answers["truth"].to_pylist()), strict=True))
    return votes, np.array([votes.classes.index(known[row]) for row in votes.rows])


def made_crowd(
    rng: np.random.Generator, rows: int = 300, annotators: int = 20, each: int = 5, classes: int = 3, skill: tuple[float, float] = (6, 2)
) -> tuple[Votes, np.ndarray]:
    """Annotators who err independently, with chances to be right from a Beta of `skill`; `each` of them on a row."""
    truth = rng.integers(0, classes, rows)
    right = rng.beta(*skill, annotators)
    row = np.repeat(np.arange(rows), each)
    annotator = np.argsort(rng.random((rows, annotators)), axis=1)[:, :each].ravel()
    wrong = (truth[row] + rng.integers(1, classes, rows * each)) % classes
    label = np.where(rng.random(rows * each) < right[annotator], truth[row], wrong)
    names = [tuple(f"{kind}{i}" for i in range(count)) for kind, count in (("r", rows), ("w", annotators), ("c", classes))]
    return Votes(row, annotator, label, *names, time=np.arange(rows * each, dtype=float)), truth
