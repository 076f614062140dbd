"""An e-value against one kind: it keeps its promise with laws known only from samples, and speaks where values are of two kinds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import logistic

from assay.stats.two_kinds import ENOUGH, _best_one, _shares, two_kinds

Floats = np.ndarray
SIMULATIONS = 100


def moved(rng: np.random.Generator, ordinary: Floats, place: float, scale: float, count: int) -> Floats:
    """Values the log odds of whose ranks among the ordinary are moved to `place` and narrowed to `scale`."""
    return np.quantile(ordinary, expit(rng.logistic(place, scale, count)))


@pytest.mark.parametrize(("place", "scale"), [(0, 1), (-2, 1), (-4, 1), (1, 1), (-3, 0.5), (-1, 0.3), (-5, 0.7)])
@pytest.mark.parametrize("rows", [ENOUGH, 3_000])
def test_one_kind_is_seldom_called_two(place: float, scale: float, rows: int) -> None:
    """At e >= 20 by chance at most one in twenty, wherever it stands, though both laws are estimated."""
    rng = np.random.default_rng([int(-10 * place) + 50, int(10 * scale), rows])
    true = rng.beta(9, 2, 50_000)
    log_e = np.array(
        [two_kinds(moved(rng, true, place, scale, 60), rng.choice(true, rows), rng.beta(2, 9, rows)) for _ in range(SIMULATIONS)]
    )
    assert (log_e >= np.log(20)).mean() <= 0.05
    assert np.exp(log_e).mean() <= 1


def test_ever_more_values_do_not_find_the_noise_of_few_others() -> None:
    rng = np.random.default_rng(0)
    log_e = np.array([two_kinds(rng.random(20_000), rng.random(ENOUGH), rng.beta(1, 3, ENOUGH)) for _ in range(SIMULATIONS)])
    assert (log_e >= np.log(20)).mean() <= 0.05


@pytest.mark.parametrize("cover", [0.3, 0.5, 0.7])
def test_strangers_among_the_ordinary_are_two_kinds(cover: float) -> None:
    rng = np.random.default_rng(int(100 * cover))
    ordinary, strangers = rng.beta(9, 2, 2_000), rng.beta(2, 9, 2_000)
    own = round(60 * cover)
    log_e = [two_kinds(np.r_[rng.beta(9, 2, own), rng.beta(2, 9, 60 - own)], ordinary, strangers) for _ in range(20)]
    assert min(log_e) > 5


def test_a_copy_adds_nothing_and_too_few_others_say_nothing() -> None:
    rng = np.random.default_rng(3)
    ordinary, strangers = rng.beta(9, 2, 500), rng.beta(2, 9, 500)
    values = np.r_[rng.beta(9, 2, 30), rng.beta(2, 9, 20)]
    alone = two_kinds(values, ordinary, strangers)
    assert two_kinds(np.tile(values, 4), ordinary, strangers, np.full(200, 0.25)) == pytest.approx(alone)
    assert two_kinds(np.tile(values, 4), ordinary, strangers) > 2 * alone
    assert two_kinds(values, ordinary[: ENOUGH - 1], strangers) == -np.inf
    assert two_kinds(values[:0], ordinary, strangers) == -np.inf


def test_the_best_law_is_no_worse_than_any_on_a_fine_grid() -> None:
    """What divides the bets must be the supremum, or the promise is void."""
    rng = np.random.default_rng(4)
    ordinary = rng.random(1_000)
    edges = np.arange(1, 15) / 15
    for _ in range(5):
        seen = rng.multinomial(80, rng.dirichlet(np.full(15, 0.5))).astype(float)
        usual = _shares(ordinary, edges)
        odds = logistic.ppf(np.r_[0, np.cumsum(usual)[:-1], 1])
        best = max(
            float(np.log(np.maximum(np.diff(logistic.cdf(odds, place, scale)), 1e-300)) @ seen)
            for place in np.linspace(-6, 6, 60)
            for scale in np.linspace(0.07, 1, 40)
        )
        assert _best_one(seen, usual) >= best - 1e-6
