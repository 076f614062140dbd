"""The accountant beside published figures and a peer; private heads; what k poisons can do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from scipy.stats import norm
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import parametrize_with_checks

from assay.harden.privacy import gaussian_epsilon, noise_for, raised, raised_gaussian, sampled_epsilon
from assay.harden.private import PrivateClassifier
from assay.harden.sever import SeverClassifier
from assay.harden.trimmed import TrimmedClassifier


@parametrize_with_checks([PrivateClassifier(epsilon=20.0, random_state=0), TrimmedClassifier(), SeverClassifier(share=0.02)])
def test_they_are_scikit_learn_estimators(estimator, check) -> None:
    check(estimator)


@pytest.mark.parametrize(
    ("rate", "noise", "steps", "peer"),
    [(0.01, 4.0, 10_000, 1.03549), (256 / 60_000, 1.1, 60 * 234, 2.59436), (0.05, 2.0, 500, 2.76858), (1.0, 30.0, 100, 1.38628)],
)
def test_the_accountant_agrees_with_opacus(rate, noise, steps, peer) -> None:
    """`opacus.accountants.analysis.rdp` 1.6 at delta 1e-5; it has fractional orders, so ours may be a little above and never below."""
    ours = sampled_epsilon(noise, steps, rate, 1e-5)
    assert peer - 1e-4 <= ours <= 1.02 * peer


def test_published_figures_are_upper_bounds() -> None:
    """Abadi et al. (2016, section 3.2): 1.26. TensorFlow Privacy's MNIST tutorial: 3.01. Both turn moments into epsilon loosely."""
    assert 0.8 * 1.26 < sampled_epsilon(4.0, 10_000, 0.01, 1e-5) < 1.26
    assert 0.8 * 3.01 < sampled_epsilon(1.1, 60 * 60_000 // 256, 256 / 60_000, 1e-5) < 3.01


@given(st.floats(0.05, 3.0), st.floats(1e-8, 1e-2))
@settings(max_examples=40, deadline=None)
def test_the_exact_epsilon_is_below_the_bound(mu: float, delta: float) -> None:
    exact = gaussian_epsilon(mu, delta)
    assert exact <= sampled_epsilon(1 / mu, 1, 1.0, delta) + 1e-9
    spent = norm.cdf(mu / 2 - exact / mu) - np.exp(exact) * norm.cdf(-mu / 2 - exact / mu)
    assert spent <= delta + 1e-9


@given(st.floats(0.001, 0.999), st.integers(0, 30), st.floats(0.05, 1.0))
@settings(max_examples=60, deadline=None)
def test_the_exact_group_bound_is_within_the_loose_one(probability: float, poisons: int, mu: float) -> None:
    epsilon = gaussian_epsilon(mu, 1e-5)
    exact, loose = raised_gaussian(probability, poisons, mu), raised(probability, poisons, epsilon, 1e-5)
    assert probability - 1e-9 <= exact <= loose + 1e-9


def test_no_noise_no_promise() -> None:
    with pytest.raises(ValueError, match="no noise"):
        noise_for(1e-9, 1e-12, 10_000)


def test_one_row_moves_the_weights_no_further_than_the_clip() -> None:
    """With the same noise, the first step differs by clip / n at most where one label is another: the sensitivity is the clip."""
    x, y = load_digits(return_X_y=True)
    x, y = x[:200] / 16, y[:200]
    model = PrivateClassifier(steps=1, clip=0.3, random_state=0)
    with_row = model.fit(x, y)
    first = np.column_stack([with_row.coef_, with_row.intercept_])
    for row in (0, 7, 19):
        other = y.copy()
        other[row] = (y[row] + 1) % 10
        again = PrivateClassifier(steps=1, clip=0.3, random_state=0).fit(x, other)
        second = np.column_stack([again.coef_, again.intercept_])
        assert np.linalg.norm(second - first) <= 2 * 2.0 / 200 * 0.3 + 1e-9  # a changed row is one out and one in


def test_a_contributor_counts_once_however_many_rows_they_bring() -> None:
    x, y = load_digits(return_X_y=True)
    x, y = x[:300] / 16, y[:300]
    groups = np.r_[np.zeros(150, int), np.arange(1, 151)]
    changed = y.copy()
    changed[:150] = (y[:150] + 1) % 10
    one, two = (PrivateClassifier(steps=1, random_state=0).fit(x, labels, groups=groups) for labels in (y, changed))
    apart = np.linalg.norm(np.column_stack([one.coef_ - two.coef_, one.intercept_ - two.intercept_]))
    assert 0 < apart <= 2 * 2.0 / 300 + 1e-9


def test_it_learns_more_with_more_epsilon_dense_or_sparse() -> None:
    x, y = load_digits(return_X_y=True)
    x = x / 16
    score = [PrivateClassifier(epsilon=e, random_state=1).fit(x[:1300], y[:1300]).score(x[1300:], y[1300:]) for e in (0.05, 1.0, 8.0)]
    assert score[0] < score[1] <= score[2] + 0.03
    assert score[2] > 0.8
    sparse = PrivateClassifier(epsilon=8.0, random_state=1).fit(csr_matrix(x[:1300]), y[:1300])
    assert abs(sparse.score(csr_matrix(x[1300:]), y[1300:]) - score[2]) < 0.02


def test_sampled_steps_keep_the_budget() -> None:
    x, y = load_digits(return_X_y=True)
    model = PrivateClassifier(epsilon=3.0, sample_rate=0.2, steps=100, random_state=0).fit(x / 16, y)
    assert model.epsilon_ <= 3.0
    assert model.mu_ is None
    assert model.raised(0.01, 1) == pytest.approx(raised(0.01, 1, model.epsilon_, 1e-5))
    assert model.score(x / 16, y) > 0.6


def test_trimming_finds_flipped_labels() -> None:
    x, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    flipped = rng.choice(len(y), 120, replace=False)
    labels = y.copy()
    labels[flipped] = (y[flipped] + rng.integers(1, 10, 120)) % 10
    model = TrimmedClassifier(share=0.1).fit(x / 16, labels)
    assert (~model.kept_[flipped]).mean() > 0.9
    assert (~model.kept_).sum() == int(0.1 * len(y))


def test_how_much_is_trimmed_can_be_chosen_by_held_out_rows() -> None:
    """A quarter of the labels wrong: much is trimmed, and it helps; none wrong: nothing is."""
    x, y = load_breast_cancer(return_X_y=True)
    x = (x - x.mean(0)) / x.std(0)
    rng = np.random.default_rng(0)
    wrong = rng.choice(400, 100, replace=False)
    labels = y.copy()
    labels[wrong] = 1 - y[wrong]
    weak = LogisticRegression(C=100.0, max_iter=2000)
    chosen, plain = TrimmedClassifier(weak, share="choose").fit(x[:400], labels[:400]), weak.fit(x[:400], labels[:400])
    assert chosen.share_ >= 0.1
    assert (~chosen.kept_)[wrong].sum() > (~chosen.kept_).sum() / 2
    assert chosen.score(x[400:], y[400:]) > plain.score(x[400:], y[400:])
    assert TrimmedClassifier(share="choose").fit(x[:400], y[:400]).share_ == 0.0
    with pytest.raises(ValueError, match="choose"):
        TrimmedClassifier(share="much").fit(x, y)


def test_sever_drops_rows_that_pull_one_way_dense_or_sparse() -> None:
    """Far rows with a wrong label turn a plane that cannot go round them; dropping as many rows as there are of them mends it."""
    rng = np.random.default_rng(0)
    x = np.r_[rng.normal(-1, 1, (400, 5)), rng.normal(1, 1, (400, 5)), rng.normal(9, 0.1, (40, 5))]
    y = np.r_[np.zeros(400), np.ones(400), np.zeros(40)]
    plain, model = LogisticRegression().fit(x, y), SeverClassifier(share=40 / 840).fit(x, y)
    assert model.kept_[800:].mean() < 0.1
    assert model.score(x[:800], y[:800]) > plain.score(x[:800], y[:800]) + 0.1
    assert (SeverClassifier(share=40 / 840).fit(csr_matrix(x), y).kept_ == model.kept_).mean() > 0.99
