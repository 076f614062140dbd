"""Tests by exchangeability: exact on continuous laws, and never too small a p-value on any."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import betabinom

from assay.stats.exchangeable import more_beyond, more_often, unseen_values
from assay.stats.multiple import holm


@pytest.mark.parametrize(("beyond", "new", "rank", "old"), [(3, 50, 99, 99), (20, 40, 60, 80), (1, 5, 1, 9)])
def test_exceedances_are_beta_binomial(beyond: int, new: int, rank: int, old: int) -> None:
    """The number of new values above the r-th smallest of n old ones is beta-binomial (m, n - r + 1, r)."""
    law = betabinom(new, old - rank + 1, rank)
    assert more_beyond(beyond, new, rank, old) == pytest.approx(law.sf(beyond - 1), rel=1e-6)


def test_p_values_hold_for_ties_and_rare_values() -> None:
    """P(p <= a) <= a over 2,000 pairs of samples of one law, at .05 and .01, up to four deviations of the simulation."""
    rng = np.random.default_rng(0)
    p = {"beyond": [], "often": [], "unseen": []}  # type: dict[str, list[float]]
    for _ in range(2_000):
        x, y = rng.poisson(2, 80), rng.poisson(2, 60)
        p["beyond"].append(more_beyond(int((y > x.max()).sum()), 60, 80, 80))
        p["often"].append(more_often(int((y > 4).sum()), 60, int((x > 4).sum()), 80))
        names = rng.zipf(1.7, 140).clip(max=500)
        old, new = (np.bincount(part, minlength=501) for part in (names[:80], names[80:]))
        p["unseen"].append(unseen_values(old, new))
    for name, values in p.items():
        for a in (0.05, 0.01):
            assert np.mean(np.array(values) <= a) <= a + 4 * np.sqrt(a / 2_000), name


def test_unseen_values_have_power() -> None:
    assert unseen_values(np.array([900, 100, 0]), np.array([400, 95, 5])) < 1e-2
    assert unseen_values(np.array([900, 100, 0]), np.array([400, 80, 20])) < 1e-8
    many = unseen_values(np.r_[np.full(50, 20), np.zeros(30, int)], np.r_[np.full(50, 10), np.ones(30, int)])
    assert many < 1e-4


def test_holm_rejects_no_true_null_more_often_than_alpha() -> None:
    rng = np.random.default_rng(1)
    assert np.mean([holm(rng.random(20), 0.05).any() for _ in range(2_000)]) <= 0.05 + 4 * np.sqrt(0.05 / 2_000)
    assert not holm(np.zeros(0), 0.05).size
