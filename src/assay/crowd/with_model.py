"""Votes and a model together: the model's out-of-fold predictions are one more witness, heard as far as it deserves.

As in CROWDLAB (Goh, Tkachenko & Mueller 2022, arXiv 2210.06812) a row's label weighs what annotators say against what a model makes
of its content. Here both stand in one likelihood: an annotator has the confusion matrix of Dawid and Skene, and the model gives each
row its own prior, softmax(sharpness * log p + bias). Sharpness and bias are fitted along with the rest, so that an overconfident
model is cooled down and a useless one ends at sharpness 0, which is Dawid and Skene.

The predictions must be out of fold: from a model that did not learn from that row's own votes. A model that repeats the annotators' common
error is no independent witness, and makes the label surer of it.
"""

from __future__ import annotations

from os import PathLike
from typing import Any

import numpy as np
import pyarrow as pa

from assay.crowd.aggregate import Aggregate, agreement, normalised
from assay.crowd.dawid_skene import Pairs, Tally, shards_of
from assay.crowd.majority import shares
from assay.crowd.read import read_table
from assay.crowd.votes import Floats, Votes, names_shown, summed
from assay.dataset.errors import DataError
from assay.dataset.labels import class_name
from assay.dataset.numbers import as_doubles

LEAST = 1e-4  # a model may not rule a class out: its predictions were not made to be multiplied
# Votes, spread as one's own chance to be right has it, added to each row of a confusion matrix: with few votes each, free matrices
# could be bent until any model seems right
OWN_VOTES = 5.0
SHARPNESS_PRIOR = 10.0  # pseudo-rows that hold the sharpness near 0 and the biases near 0
NEWTON_STEPS = 3  # in each round: the posterior is about to change anyway
SETTLED = 1e-5  # mean change of a row's posterior
MOST_ROUNDS = 200
LEAST_TWICE = 0.2  # of the rows with votes: with fewer, a wrong model and a wrong crowd explain each other
SUMS_TO_ONE = 0.01  # how far a row of probabilities may sum from 1


def with_model(votes: Votes, predictions: Floats) -> Aggregate:
    """The label from votes and out-of-fold class probabilities (n, k), rows and classes as in `votes`.

    Rows without votes get a posterior from the model alone (and no label). Raises ValueError for another shape, for what are
    no probabilities, and where too few rows have two votes.
    """
    n, k = len(votes.rows), len(votes.classes)
    if predictions.shape != (n, k):
        raise ValueError(f"predictions of shape {predictions.shape} for {n} rows and {k} classes")
    if (votes.votes_on > 1).sum() < LEAST_TWICE * (votes.votes_on > 0).sum():
        raise ValueError(f"under {LEAST_TWICE:.0%} of the rows have two votes: nothing tells a good model from a bad one")
    if not (np.isfinite(predictions).all() and (predictions >= 0).all()):
        raise ValueError("predictions must be probabilities: finite, and not negative")
    log_p = np.log(np.maximum(predictions, LEAST))
    log_p -= log_p.mean(1, keepdims=True)
    pairs, (shard,) = shards_of([votes])
    voted = shard.voted > 0
    posterior, weights = shares(votes), np.zeros(1 + k)
    for number in range(1, MOST_ROUNDS + 1):  # noqa: B007
        for _ in range(NEWTON_STEPS):
            weights = weights + _newton(weights, log_p[voted], posterior[voted])
        log_prior = np.log(_prior(weights, log_p))
        log_chances = _log_chances(shard.tally(posterior), pairs)
        new, _ = shard.posterior(log_chances, log_prior)
        moved = float(np.abs(new - posterior).sum()) / n
        posterior = new
        if moved < SETTLED:
            break
    return Aggregate("with_model", votes, posterior, agreement(votes, posterior), number)


def _log_chances(tally: Tally, pairs: Pairs) -> Floats:
    """(p, k) log chance of each (annotator, label) pair given each truth.

    Each annotator's matrix is drawn towards their own chance to be right, with errors spread as the crowd's are.
    """
    a, k = pairs.annotators, pairs.classes
    every = np.arange(len(pairs.label))
    total = np.stack([summed(pairs.annotator, tally.pairs[:, t], a) for t in range(k)], axis=1)
    right = summed(pairs.annotator, tally.pairs[every, pairs.label], a)
    coin = (right + right.sum() / total.sum()) / (total.sum(1) + 1)
    errors = np.stack([summed(pairs.label, tally.pairs[:, t], k) for t in range(k)], axis=1) + 1 / k  # (label, truth)
    np.fill_diagonal(errors, 0)
    errors /= errors.sum(0)
    expected = (1 - coin)[pairs.annotator, None] * errors[pairs.label]
    expected[every, pairs.label] = coin[pairs.annotator]
    return np.asarray(np.log((tally.pairs + OWN_VOTES * expected) / (total + OWN_VOTES)[pairs.annotator]))


def _prior(weights: Floats, log_p: Floats) -> Floats:
    return normalised(weights[0] * log_p + weights[1:])


def _newton(weights: Floats, log_p: Floats, posterior: Floats) -> Floats:
    """A Newton step of (sharpness, biases) up the expected log prior, with a Gaussian prior at 0."""
    q = _prior(weights, log_p)
    k = q.shape[1]
    slope = np.concatenate([[((posterior - q) * log_p).sum()], (posterior - q).sum(0)]) - SHARPNESS_PRIOR * weights
    centred = log_p - (q * log_p).sum(1, keepdims=True)
    bend = np.empty((1 + k, 1 + k))
    bend[0, 0] = (q * centred * log_p).sum()
    bend[0, 1:] = bend[1:, 0] = (q * centred).sum(0)
    bend[1:, 1:] = np.diag(q.sum(0)) - q.T @ q
    return np.asarray(np.linalg.solve(bend + SHARPNESS_PRIOR * np.eye(1 + k), slope))


def read_predictions(source: str | PathLike[str] | Any, votes: Votes) -> Floats:
    """(n, k) probabilities from a table with the votes' row names in one column and a column of probabilities for each class.

    The columns of classes bear their names, perhaps after `p_` or `prob_`. DataError where rows or classes are
    missing, or where values are no probabilities. Other rows and columns are passed over.
    """
    table, path = read_table(source)
    columns = [_class_column(table, name, path) for name in votes.classes]
    row = _row_column(table, votes, path, columns)
    names = [None if v is None else class_name(v) for v in table.column(row).to_pylist()]
    place = {name: i for i, name in enumerate(names)}
    missing = [name for name in votes.rows if name not in place]
    if missing:
        raise DataError(
            f"no prediction for {len(missing):,} of {len(votes.rows):,} rows, such as {names_shown(missing)}",
            path=path,
            column=row,
            remedy="predict every row that has votes",
        )
    values = np.stack([as_doubles(table.column(c)) for c in columns], axis=1)
    chosen = values[[place[name] for name in votes.rows]]
    wrong = np.flatnonzero(~(np.isfinite(chosen).all(1) & (chosen >= 0).all(1) & (np.abs(chosen.sum(1) - 1) <= SUMS_TO_ONE)))
    if len(wrong):
        name = votes.rows[int(wrong[0])]
        said = ", ".join(f"{v:.3g}" for v in chosen[wrong[0]])
        raise DataError(
            f"not probabilities that sum to 1: {said}", path=path, row=place[name], remedy="give probabilities, not scores or logits"
        )
    return np.asarray(chosen / chosen.sum(1, keepdims=True))


def _class_column(table: pa.Table, name: str, path: str) -> str:
    for candidate in (name, f"p_{name}", f"prob_{name}"):
        if candidate in table.column_names:
            return candidate
    raise DataError(f"no column of probabilities for the class {name!r}", path=path, remedy=f"name it {name}, p_{name} or prob_{name}")


def _row_column(table: pa.Table, votes: Votes, path: str, taken: list[str]) -> str:
    """The column that holds most of the votes' row names."""
    known = set(votes.rows)
    best, most = None, 0
    for name in table.column_names:
        if name in taken or pa.types.is_floating(table.schema.field(name).type) or pa.types.is_nested(table.schema.field(name).type):
            continue
        found = len({class_name(v) for v in table.column(name).unique().to_pylist() if v is not None} & known)
        if found > most:
            best, most = name, found
    if best is None:
        raise DataError("no column holds the rows that were voted on", path=path, remedy="give their names in a column, as in the votes")
    return best
