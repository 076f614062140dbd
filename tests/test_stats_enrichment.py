"""Enrichment: against SciPy's Fisher test, and by simulation."""

from __future__ import annotations

import numpy as np
from scipy.stats import fisher_exact

from assay.stats.enrichment import enrichment
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
