"""Votes and a model's predictions: better together where the model knows something, no worse where it does not."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from assay.crowd.aggregate import methods
from assay.crowd.votes import Votes
from assay.crowd.with_model import read_predictions, with_model
from assay.dataset.errors import DataError
from crowd_examples import made_crowd


def digits_crowd(rng, each):
    x, truth = load_digits(return_X_y=True)
    x, truth = x[:900] / 16, truth[:900]
    n, a = len(truth), 30
    skill = rng.beta(4, 2, a)
    row, annotator = np.repeat(np.arange(n), each), np.argsort(rng.random((n, a)), axis=1)[:, :each].ravel()
    wrong = (truth[row] + rng.integers(1, 10, n * each)) % 10
    label = np.where(rng.random(n * each) < skill[annotator], truth[row], wrong)
    return x, truth, Votes(row, annotator, label, *(tuple(map(str, range(c))) for c in (n, a, 10)))


@pytest.mark.parametrize("each", [2, 3])
def test_better_than_votes_or_model_alone(each):
    x, truth, votes = digits_crowd(np.random.default_rng(0), each)
    found = {name: f(votes).label for name, f in methods().items()}
    predicted = cross_val_predict(LogisticRegression(C=0.1), x, found["majority"], cv=3, method="predict_proba")
    right = (with_model(votes, predicted).label == truth).mean()
    assert right > (predicted.argmax(1) == truth).mean() + 0.03
    assert right > max((label == truth).mean() for label in found.values()) + 0.03


def test_a_model_that_knows_nothing_costs_little():
    rng = np.random.default_rng(1)
    votes, truth = made_crowd(rng, 800, 20, 3)
    alone = (methods()["dawid_skene"](votes).label == truth).mean()
    for predictions in (np.full((800, 3), 1 / 3), rng.dirichlet(np.ones(3), 800), np.eye(3)[np.zeros(800, int)]):
        assert (with_model(votes, predictions).label == truth).mean() >= alone - 0.01


def test_what_is_no_prediction_is_refused():
    votes, _ = made_crowd(np.random.default_rng(2), 20, 5, 3)
    with pytest.raises(ValueError, match="shape"):
        with_model(votes, np.ones((20, 2)))
    with pytest.raises(ValueError, match="probabilities"):
        with_model(votes, np.full((20, 3), np.nan))
    once = votes.take(np.unique(votes.row, return_index=True)[1])
    with pytest.raises(ValueError, match="two votes"):
        with_model(once, np.full((20, 3), 1 / 3))


def test_predictions_are_matched_by_name(tmp_path):
    votes, _ = made_crowd(np.random.default_rng(3), 20, 5, 3)
    p = np.random.default_rng(4).dirichlet(np.ones(3), 20)
    order = np.random.default_rng(5).permutation(20)
    table = pa.table({"id": [f"r{i}" for i in order], **{f"p_c{j}": p[order, j] for j in (2, 0, 1)}})
    pq.write_table(table, tmp_path / "p.parquet")
    assert np.allclose(read_predictions(tmp_path / "p.parquet", votes), p)
    with pytest.raises(DataError, match="no prediction for 5 of 20 rows"):
        read_predictions(table.slice(0, 15), votes)
    with pytest.raises(DataError, match="no column of probabilities for the class 'c1'"):
        read_predictions(table.drop(["p_c1"]), votes)
    with pytest.raises(DataError, match="sum to 1"):
        read_predictions(table.set_column(1, "p_c2", pa.array(np.full(20, 3.0))), votes)
