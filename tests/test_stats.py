"""The arithmetic of evidence: exact against brute force, promises by simulation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest, mannwhitneyu

from assay.stats.interval import clopper_pearson
from assay.stats.multiple import bh, e_bh
from assay.stats.poisson_binomial import upper_tail
from assay.stats.ranks import KAPPAS, log_order_ratios, low_rank_e, stands_low

CHANCES = st.lists(st.floats(0.01, 0.99), min_size=1, max_size=8)


@given(CHANCES, st.integers(0, 9))
def test_poisson_binomial_tail_is_that_of_all_outcomes(p: list[float], s: int) -> None:
    total = sum(
        float(np.prod([q if hit else 1 - q for q, hit in zip(p, outcome, strict=True)]))
        for outcome in itertools.product([0, 1], repeat=len(p))
        if sum(outcome) >= s
    )
    assert upper_tail(np.array(p), s) == pytest.approx(total, abs=1e-12)


@pytest.mark.parametrize("heads", [620, 650, 700, 800])
def test_saddle_point_agrees_with_the_binomial_far_out(heads: int) -> None:
    assert upper_tail(np.full(1200, 0.5), heads) == pytest.approx(float(binom.sf(heads - 1, 1200, 0.5)), rel=0.02)


@given(st.integers(1, 200), st.data())
def test_clopper_pearson_is_scipys(trials: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, trials))
    theirs = binomtest(k, trials).proportion_ci(0.95, "exact")
    assert clopper_pearson(k, trials) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


@given(st.lists(st.floats(-5, 30), max_size=30), st.floats(0.001, 0.5))
@settings(max_examples=50)
def test_e_bh_rejects_a_top_set_and_counts_the_unlisted(log_e: list[float], alpha: float) -> None:
    values = np.array(log_e)
    rejected = e_bh(values, len(values), alpha)
    if rejected.any() and not rejected.all():
        assert values[rejected].min() >= values[~rejected].max()
    assert e_bh(values, len(values) + 1000, alpha).sum() <= rejected.sum()


def test_e_bh_leaves_true_nulls_alone_as_promised() -> None:
    """Dependent null e-values (they share half their data): any rejection in at most alpha of 4,000 runs."""
    rng = np.random.default_rng(0)
    alpha, wrong = 0.1, 0
    for _ in range(4000):
        x = rng.normal(size=20) * 0.7 + rng.normal() * 0.7
        x /= np.sqrt(0.98)
        wrong += e_bh(2 * x - 2, 20, alpha).any()  # exp(2x - 2) has mean 1 for x ~ N(0, 1)
    assert wrong / 4000 <= alpha


def test_bh_is_the_textbook_step_up() -> None:
    p = np.array([0.01, 0.02, 0.03, 0.5])
    assert bh(p, 0.05).tolist() == [True, True, True, False]


def test_low_rank_e_is_an_e_value_and_sees_low_ranks() -> None:
    """Under exchangeability the mean e-value is at most 1 (simulated: three standard errors allowed)."""
    rng = np.random.default_rng(1)
    e = np.exp([low_rank_e(x[:8], x[8:]) for x in rng.normal(size=(4000, 48))])
    assert e.mean() <= 1 + 3 * e.std() / np.sqrt(len(e))
    assert low_rank_e(rng.normal(-3, 1, 20), rng.normal(0, 1, 300)) > np.log(1e6)


@pytest.mark.parametrize(("carriers", "others"), [(1, 3), (2, 3), (3, 4)])
def test_order_ratios_average_to_one_over_all_orders(carriers: int, others: int) -> None:
    total = carriers + others
    ratios = [
        np.exp(log_order_ratios(np.array(chosen, float), np.setdiff1d(np.arange(total), chosen).astype(float)))
        for chosen in itertools.combinations(range(total), carriers)
    ]
    assert np.mean(ratios, axis=0) == pytest.approx(np.ones(len(KAPPAS)))


@pytest.mark.parametrize("count", [5, 8])
def test_few_among_many_are_judged_no_more_harshly_by_the_normal_law(count: int) -> None:
    rng = np.random.default_rng(count)
    reference = rng.random(4_000)
    for lean in (1.0, 0.5, 0.2, 0.05):
        carriers = rng.random(count) * lean
        exact = float(mannwhitneyu(carriers, reference, alternative="less", method="exact").pvalue)
        assert stands_low(carriers, reference) == pytest.approx(exact)
        many = np.concatenate([reference + i * 1e-9 for i in range(4)])
        assert stands_low(carriers, many) >= exact * 0.99
