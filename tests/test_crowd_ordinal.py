"""Labels in an order: nearer to the truth than counting, on crowds with leanings; and what must not change."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.crowd.dawid_skene import dawid_skene
from assay.crowd.majority import majority
from assay.crowd.ordinal import median, middle, ordinal
from assay.crowd.read import read_votes
from assay.crowd.votes import Votes
from crowd_examples import made_crowd


def graders(rng, rows=400, annotators=15, each=5, grades=5, leaning=0.5, spread=(0.4, 1.6)):
    """Grades by people who lean and scatter. Laplace noise, which the model does not assume."""
    truth = np.minimum(rng.binomial(grades - 1, rng.beta(1.5, 1.5, rows)), grades - 1)
    row = np.repeat(np.arange(rows), each)
    who = np.argsort(rng.random((rows, annotators)), axis=1)[:, :each].ravel()
    lean, scatter = rng.normal(0, leaning, annotators), rng.uniform(*spread, annotators) / np.sqrt(2)
    said = np.clip(np.rint(truth[row] + lean[who] + scatter[who] * rng.laplace(size=len(row))), 0, grades - 1).astype(np.int64)
    names = [tuple(map(str, range(count))) for count in (rows, annotators, grades)]
    return Votes(row, who, said, *names), truth


def far(found, truth):
    return np.abs(found.label - truth).mean()


def test_nearer_to_the_truth_than_the_others():
    """Mean distance over eight crowds."""
    crowds = [graders(np.random.default_rng([4, seed])) for seed in range(8)]
    away = {f.__name__: np.mean([far(f(votes), truth) for votes, truth in crowds]) for f in (ordinal, median, majority, dawid_skene)}
    assert away["ordinal"] < 0.85 * away["median"]
    assert away["ordinal"] < 0.9 * min(away["majority"], away["dawid_skene"])


def test_the_anaesthetists_agree_with_their_confusion_matrices(real_data):
    """No truth is known; the ordinal model and Dawid and Skene differ by a class at most, on few of the 45 patients."""
    votes = read_votes(real_data("crowd/dawid_skene_anaesthesia.parquet"), duplicates="all")
    apart = np.abs(ordinal(votes).label - dawid_skene(votes).label)
    assert apart.max() <= 1
    assert apart.sum() <= 6


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_the_scale_read_from_the_other_end_gives_the_same(seed):
    votes, _ = graders(np.random.default_rng(seed), rows=40, annotators=6)
    k = len(votes.classes)
    turned = Votes(votes.row, votes.annotator, k - 1 - votes.label, votes.rows, votes.annotators, votes.classes[::-1])
    assert np.allclose(ordinal(votes).posterior, ordinal(turned).posterior[:, ::-1], atol=1e-6)


@pytest.mark.parametrize("method", [ordinal, median])
def test_rows_without_votes_have_no_label(method):
    votes, _ = made_crowd(np.random.default_rng(0), rows=50)
    found = method(votes.take(votes.row > 2))
    assert found.label[:3].tolist() == [-1] * 3
    assert np.allclose(found.posterior.sum(1), 1)
    assert ((found.confidence > 0) & (found.confidence <= 1)).all()


@given(st.lists(st.integers(0, 4), min_size=1, max_size=9))
def test_the_middle_of_shares_is_a_median(said):
    found = int(middle((np.bincount(said, minlength=5) / len(said))[None])[0])
    away = [np.abs(np.array(said) - c).sum() for c in range(5)]
    assert away[found] == min(away)
