"""The separate checker: it agrees with what was certified, and finds every kind of false claim."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from sklearn.datasets import load_digits
from sklearn.naive_bayes import GaussianNB

from assay.harden.ensemble import PartitionedClassifier
from assay.harden.recheck import Certificate, _elected, certificate, recheck
from assay.harden.recheck import _row as row_wrong
from assay.harden.votes import plurality, run_off

OPTIONS = [{}, {"spread": 2}, {"election": "run-off"}]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("grouped", [False, True])
def test_it_finds_nothing_wrong_with_true_certificates(options, grouped: bool) -> None:
    x, y = load_digits(return_X_y=True)
    groups = np.arange(900) // 5 if grouped else None
    ensemble = PartitionedClassifier(GaussianNB(), partitions=15, **options).fit(x[:900], y[:900], groups=groups)
    claim = certificate(ensemble, x[900:1100])
    assert (claim.radius > 0).sum() > 100
    assert recheck(claim, x[:900], y[:900], x[900:1100], ensemble, np.random.default_rng(0), groups) == []


def test_sparse_rows_are_dealt_alike() -> None:
    x, y = load_digits(return_X_y=True)
    sparse = csr_matrix(x[:300])
    ensemble = PartitionedClassifier(partitions=5).fit(sparse, y[:300])
    claim = certificate(ensemble, sparse[:20])
    assert recheck(claim, sparse, y[:300], sparse[:20], ensemble, np.random.default_rng(0), members=1) == []


def test_every_false_claim_is_found() -> None:
    x, y = load_digits(return_X_y=True)
    ensemble = PartitionedClassifier(GaussianNB(), partitions=15).fit(x[:600], y[:600])
    claim = certificate(ensemble, x[600:640])

    def said(**changed) -> str:
        return " ".join(recheck(replace(claim, **changed), x[:600], y[:600], x[600:640], ensemble, np.random.default_rng(0), members=15))

    assert said() == ""
    assert "poisons may make it" in said(radius=claim.radius + 1)
    assert "is elected" in said(prediction=(claim.prediction + 1) % 10)
    moved = claim.partition.copy()
    moved[7] = (moved[7] + 1) % 15
    assert "training row 7 belongs to partition" in said(partition=moved)
    votes = claim.votes.copy()
    votes[:, 4] = claim.prediction
    assert "member 4 votes otherwise" in said(votes=votes, **plurality_of(votes))
    assert "training rows are claimed" in said(partition=claim.partition[1:])


def plurality_of(votes: np.ndarray) -> dict[str, np.ndarray]:
    found = plurality(votes, 10)
    return {"prediction": found.prediction, "radius": found.radius}


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12))
@settings(max_examples=200, deadline=None)
def test_both_agree_on_every_plurality(votes: list[int]) -> None:
    """The largest radius that the checker lets pass is the one that was certified."""
    cast = np.array([votes])
    found = plurality(cast, 4)
    feeds = np.arange(len(votes))[:, None]
    claim = Certificate(4, "plurality", cast, None, feeds, np.zeros(0, np.int64), found.prediction, found.radius)
    assert row_wrong(claim, 0) == ""
    assert row_wrong(replace(claim, radius=found.radius + 1), 0) != ""


@given(st.integers(0, 2**32 - 1), st.integers(3, 9))
@settings(max_examples=200, deadline=None)
def test_run_offs_pass(seed: int, members: int) -> None:
    scores = np.random.default_rng(seed).random((1, members, 4))
    found = run_off(scores.argmax(2), scores, 4)
    feeds = np.arange(members)[:, None]
    claim = Certificate(4, "run-off", scores.argmax(2), scores, feeds, np.zeros(0, np.int64), found.prediction, found.radius)
    assert row_wrong(claim, 0) == ""


@given(st.integers(0, 2**32 - 1), st.integers(3, 7))
@settings(max_examples=300, deadline=None)
def test_no_member_that_changes_sides_beats_a_run_off_or_the_checker(seed: int, members: int) -> None:
    """Brute force over one member's whole behaviour, four classes: what wins by it was certified to nobody."""
    scores = np.random.default_rng(seed).integers(0, 4, (1, members, 4)).astype(float)
    votes = scores.argmax(2)
    found = run_off(votes, scores, 4)
    winner = _elected(votes[0].tolist(), scores[0].tolist(), 4)
    assert winner == found.prediction[0]
    if found.radius[0] < 1:
        return
    for member in range(members):
        for vote in range(4):
            for ranking in itertools.permutations(range(4)):
                cast, said = votes[0].tolist(), scores[0].tolist()
                cast[member], said[member] = vote, [float(place) for place in ranking]
                assert _elected(cast, said, 4) == winner
