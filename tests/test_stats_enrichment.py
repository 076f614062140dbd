"""Enrichment: against SciPy's Fisher test, and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import fisher_exact, hypergeom

from assay.stats.enrichment import enrichment, log_enrichment
from assay.stats.multiple import holm_adjusted


def test_enrichment_is_fishers_test() -> None:
    for drawn, of, chosen, total in [(3, 3, 3, 10), (5, 40, 20, 400), (0, 7, 5, 30), (12, 12, 40, 2000)]:
        table = [[drawn, of - drawn], [chosen - drawn, total - of - chosen + drawn]]
        expected = fisher_exact(table, alternative="greater").pvalue
        found = enrichment(np.array([drawn]), np.array([of]), chosen, total)[0]
        assert np.isclose(found, expected, rtol=1e-9)


def test_nobody_stands_out_by_chance() -> None:
    """2,000 findings of 30 random rows among 600 of 12 contributors of unequal size: any accused in at most 5 % of them."""
    rng = np.random.default_rng(0)
    who = np.repeat(np.arange(12), np.arange(6, 90, 7)[:12])[:600]
    of = np.bincount(who, minlength=12)
    accused = 0
    for _ in range(2000):
        drawn = np.bincount(rng.choice(who, 30, replace=False), minlength=12)
        accused += bool((holm_adjusted(enrichment(drawn, of, 30, len(who))) <= 0.05).any())
    assert accused <= 2000 * 0.05 + 3 * np.sqrt(2000 * 0.05 * 0.95)


def test_holm_by_its_definition() -> None:
    p = np.array([0.04, 0.001, 0.5, 0.012])
    assert holm_adjusted(p).round(12).tolist() == [0.08, 0.004, 0.5, 0.036]
    assert holm_adjusted(np.zeros(0)).tolist() == []


@pytest.mark.parametrize("seed", range(4))
def test_logs_of_tails_are_those_of_scipy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    total = int(rng.integers(20, 5_000))
    of, chosen = rng.integers(1, total + 1, (2, 60))
    drawn = rng.integers(np.maximum(0, of + chosen - total), np.minimum(of, chosen) + 1)
    asked = np.minimum(drawn, np.minimum(of, chosen))
    expected = hypergeom.logsf(asked - 1, total, of, chosen)
    near = np.isfinite(expected)
    assert near.sum() > 30
    assert log_enrichment(asked, of, chosen, total)[near] == pytest.approx(expected[near], rel=1e-6, abs=1e-9)


def test_the_logs_go_on_where_floats_end() -> None:
    """All 400 of 400 among 400 of 5,000: one in 5,000 over 400."""
    exact = -math.log(math.comb(5_000, 400))
    assert log_enrichment(np.array([400]), np.array([400]), np.array([400]), 5_000)[0] == pytest.approx(exact, rel=1e-9)
