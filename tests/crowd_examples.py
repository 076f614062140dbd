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


def plant_colluders(
    votes: Votes, truth: np.ndarray, rng: np.random.Generator, *, share: float = 0.2, lies: float = 0.5, least: int = 60
) -> tuple[Votes, np.ndarray, np.ndarray]:
    """(votes with a group added, its annotators, its target rows).

    The group is `share` of all annotators. Each member votes on as many rows as a random real annotator, `least` at least; `lies` of
    them are target rows, on which all give the same wrong label; on others they are as right as a random real annotator who
    is right more often than not. There are as many targets as the group's votes can balance.
    """
    n, k, a = len(votes.rows), len(votes.classes), len(votes.annotators)
    members = round(share / (1 - share) * a)
    size = np.minimum(np.maximum(least, rng.choice(votes.votes_of, members)), n)
    count = int(min(max(lies * size.sum() * n / len(votes), lies * np.median(size)), lies * n))
    targets = rng.choice(n, count, replace=False)
    others, wrong = np.setdiff1d(np.arange(n), targets), (truth + rng.integers(1, k, n)) % k
    right = np.bincount(votes.annotator, votes.label == truth[votes.row], a) / votes.votes_of
    rows, who, labels = [votes.row], [votes.annotator], [votes.label]
    for member in range(members):
        on = rng.choice(targets, min(count, round(size[member] * lies)), replace=False)
        off = rng.choice(others, min(len(others), size[member] - len(on)), replace=False)
        honest = np.where(
            rng.random(len(off)) < rng.choice(right[right > 0.5]), truth[off], (truth[off] + rng.integers(1, k, len(off))) % k
        )
        rows, labels = [*rows, on, off], [*labels, wrong[on], honest]
        who.append(np.full(len(on) + len(off), a + member))
    names = (*votes.annotators, *(f"colluder {i}" for i in range(members)))
    planted = Votes(np.concatenate(rows), np.concatenate(who), np.concatenate(labels), votes.rows, names, votes.classes)
    return planted, np.arange(a, a + members), targets
