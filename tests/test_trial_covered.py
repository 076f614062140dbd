"""Surprise where an attacker lays the artefact over rows that keep their label, and which carriers are his."""

from __future__ import annotations

import numpy as np

from assay.trial.evidence import planted, surprise


def test_cover_rows_do_not_silence_surprise_that_bets_on_them() -> None:
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.full(10, 0.3), 200) * 0.98 + 0.002
    y = np.array([rng.choice(10, p=row / row.sum()) for row in p])
    y[:80] = 3
    assert surprise(p, y).log_e_targeted[3] < 0
    assert surprise(p, y, covered=True).log_e_targeted[3] > 50
    assert surprise(p, y, covered=True).target == 3


def test_a_pure_target_costs_no_more_than_the_choice_of_bets() -> None:
    p, y = np.full((30, 4), 0.25), np.full(30, 2)
    pure, mixed = surprise(p, y).log_e_targeted[2], surprise(p, y, covered=True).log_e_targeted[2]
    assert pure - np.log(3) <= mixed <= pure


def test_its_mean_is_at_most_one_where_labels_are_drawn_from_what_the_content_says() -> None:
    rng, found = np.random.default_rng(1), []
    for _ in range(1000):
        p = rng.dirichlet(np.ones(3), 4) * 0.94 + 0.02
        y = np.array([rng.choice(3, p=row / row.sum()) for row in p])
        asked = surprise(p, y, covered=True)
        found.append([*np.exp(asked.log_e_targeted), np.exp(asked.log_e_untargeted)])
    mean, error = np.mean(found, 0), np.std(found, 0) / np.sqrt(len(found))
    assert (mean < 1 + 3 * error).all()


def test_carriers_of_the_targets_own_kind_are_told_from_planted_ones() -> None:
    rng = np.random.default_rng(2)
    others, strangers = rng.beta(8, 2, 300), rng.beta(2, 8, 300)
    support = np.concatenate([rng.beta(2, 8, 100), rng.beta(8, 2, 20)])
    named = planted(support, 20, others, strangers)
    assert named[:100].mean() > 0.95
    assert named[100:].mean() < 0.5
    assert planted(support, 0, others, strangers).all()  # none is expected
