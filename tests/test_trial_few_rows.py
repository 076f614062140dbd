"""Labels with few other rows: ranks among rows of all labels help out, and keep their error promise."""

from __future__ import annotations

import numpy as np

from assay.trial.belonging import belonging, unlike_ordinary
from assay.trial.contradiction import FEW, contradiction


def test_belonging_is_a_share_of_strangers() -> None:
    strangers = np.array([0.4, 0.1, 0.3, 0.2])
    assert belonging(np.array([0.0, 0.25, 1.0]), strangers).tolist() == [0.0, 0.5, 1.0]
    assert belonging(np.array([0.5]), np.zeros(0)).tolist() == [0.0]


def test_strangers_among_few_are_told_where_ranks_among_those_few_cannot() -> None:
    rng = np.random.default_rng(0)
    strangers, ordinary = rng.beta(1, 30, 400), rng.beta(20, 1, 200)
    carriers, others = rng.beta(1, 30, 20), rng.beta(8, 4, FEW // 4)
    assert contradiction(carriers, others).log_e < 12
    assert unlike_ordinary(carriers, strangers, ordinary).log_e > 30


def test_it_is_an_e_value_where_carriers_are_ordinary() -> None:
    rng = np.random.default_rng(1)
    values = []
    for _ in range(400):
        strangers = rng.random(300)
        everybody = rng.random(60) ** 0.3
        ordinary = belonging(everybody[12:], strangers)
        values.append(np.exp(unlike_ordinary(everybody[:12], strangers, ordinary).log_e))
    assert np.mean(values) < 1 + 3 * np.std(values) / 20
    assert np.mean(np.array(values) >= 100) <= 0.01 + 3 * np.sqrt(0.01 / 400)
