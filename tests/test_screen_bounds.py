"""False-discovery bounds keep their word, by simulation: conformal where there are trusted rows, by tail and floor where there are none."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

import assay
from assay.dataset.data import Dataset
from assay.finding import RowScore
from assay.screen import iqr, isolation
from assay.screen.combine import row_bound
from assay.screen.context import Context
from assay.screen.label_errors import find_label_errors
from assay.stats.conformal import conformal_p
from assay.stats.multiple import adjusted, bh
from assay.validate.beside import put_beside
from assay.validate.conformal import FALSE_SHARE, labels, outliers

Make = Callable[..., Dataset]


def made(rng: np.random.Generator, n: int, odd: int, flips: int = 0) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Three tied columns, two classes; the first `odd` rows lie apart, the last `flips` have the wrong label."""
    y = rng.integers(0, 2, n)
    x = rng.normal(size=(n, 3)) + 4 * y[:, None]
    x[:odd] = rng.normal(size=(odd, 3)) * 0.5 + np.array([12.0, -9.0, 12.0])
    told = np.where(np.arange(n) >= n - flips, 1 - y, y)
    return {f"x{j}": x[:, j] for j in range(3)}, told, np.arange(n) < odd


def false_share(flag: np.ndarray, bad: np.ndarray) -> float:
    return float((flag & ~bad).sum() / max(flag.sum(), 1))


def test_conformal_outliers_keep_the_false_discovery_rate(memory: Make) -> None:
    """FDR <= .1 over 25 sets, known to +- .03; and the 8 % odd rows are mostly found."""
    rng = np.random.default_rng(0)
    shares, power = [], []
    for _ in range(25):
        x, y, odd = made(rng, 400, 32)
        good, told, _ = made(rng, 400, 0)
        beside = put_beside(memory("table", x, y), memory("table", good, told))
        found = outliers(beside, rng)
        assert found is not None
        shares.append(false_share(found.flag, odd))
        power.append(found.flag[odd].mean())
    assert np.mean(shares) <= FALSE_SHARE + 0.03
    assert np.mean(power) > 0.5


def test_conformal_labels_keep_the_false_discovery_rate(memory: Make) -> None:
    rng = np.random.default_rng(1)
    shares, power = [], []
    for _ in range(12):
        x, y, _ = made(rng, 500, 0, flips=50)
        good, told, _ = made(rng, 300, 0)
        data, trusted = memory("table", x, y), memory("table", good, told)
        found = labels(put_beside(data, trusted), data, trusted, rng)
        assert found is not None
        flipped = np.arange(500) >= 450
        shares.append(false_share(found.flag, flipped))
        power.append(found.flag[flipped].mean())
    assert np.mean(shares) <= FALSE_SHARE + 0.06
    assert np.mean(power) > 0.6


def test_nothing_is_flagged_where_all_is_alike(memory: Make) -> None:
    """With nothing wrong the chance of any flag is at most .1: at most 8 of 30, three deviations above."""
    rng = np.random.default_rng(2)
    alarms = 0
    for _ in range(30):
        (x, y, _), (good, told, _) = made(rng, 200, 0), made(rng, 200, 0)
        found = outliers(put_beside(memory("table", x, y), memory("table", good, told)), rng)
        alarms += bool(found is not None and found.flag.any())
    assert alarms <= 8


@pytest.mark.parametrize("screen", [iqr.run, isolation.run])
@pytest.mark.parametrize("level", [0.1, 0.3])
def test_bounds_by_tails(memory: Make, screen: Callable[[Context], RowScore], level: float) -> None:
    """Gaussian columns, 1 % odd rows: of the rows with a bound of at most q no more than q are false, over 15 sets."""
    rng = np.random.default_rng(3)
    shares, power = [], []
    for _ in range(15):
        x = rng.normal(size=(2_000, 3))
        x[:20, 0] += 15
        odd = np.arange(2_000) < 20
        found = screen(Context(memory("table", {f"x{j}": x[:, j] for j in range(3)}), None, None, rng))
        assert found.bound is not None
        shares.append(false_share(found.bound <= level, odd))
        power.append((found.bound <= level)[odd].mean())
    assert np.mean(shares) <= level + 0.05
    assert screen is not iqr.run or np.mean(power) >= 0.85


def test_bounds_of_label_errors() -> None:
    """5 % flips on digits, the model a logistic regression: the estimate holds at .1, .2 and .3 to within .1."""
    x, y = load_digits(return_X_y=True)
    shares: dict[float, list[float]] = {0.1: [], 0.2: [], 0.3: []}
    for seed in range(3):
        rng = np.random.default_rng(seed)
        bad = rng.random(len(y)) < 0.05
        told = np.where(bad, (y + rng.integers(1, 10, len(y))) % 10, y)
        p = cross_val_predict(LogisticRegression(C=0.01, max_iter=200), x / 16, told, cv=3, method="predict_proba")
        found = find_label_errors(p, told)
        for level, seen in shares.items():
            seen.append(false_share(found.bound <= level, bad))
    for level, seen in shares.items():
        assert np.mean(seen) <= level + 0.1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(1e-9, 1.0), min_size=1, max_size=40), st.sampled_from([0.01, 0.1, 0.3]))
def test_adjusted_values_are_the_levels_of_rejection(values: list[float], level: float) -> None:
    p = np.array(values)
    slack = np.abs(adjusted(p) - level) < 1e-12
    assert ((adjusted(p) <= level) | slack == bh(p, level) | slack).all()


def test_a_union_of_screens_is_bounded_by_the_sum() -> None:
    one = RowScore("a", np.zeros(3), np.zeros(3, bool), "", np.array([0.01, 0.5, 1.0]))
    two = RowScore("b", np.zeros(3), np.zeros(3, bool), "", np.array([0.2, 0.1, 1.0]))
    none = RowScore("c", np.zeros(3), np.zeros(3, bool), "")
    assert row_bound([one, two, none], 3).round(3).tolist() == [0.02, 0.2, 1.0]
    assert row_bound([none], 3).tolist() == [1.0, 1.0, 1.0]


def test_conformal_p_is_super_uniform() -> None:
    rng = np.random.default_rng(4)
    p = np.array([conformal_p(rng.poisson(3, 49).astype(float), rng.poisson(3, 1).astype(float))[0] for _ in range(4_000)])
    for a in (0.02, 0.1, 0.5):
        assert (p <= a).mean() <= a + 4 * np.sqrt(a / 4_000)


def test_the_report_says_the_bound() -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(size=(500, 2))
    x[3] = 40.0
    report = assay.scan({"a": x[:, 0], "b": x[:, 1], "label": np.where(x[:, 0] > 0, "u", "v")}, label="label", canaries=False)
    bound = report.rows.column("false_discovery").to_pylist()
    assert bound[3] < 0.05
    assert np.median(bound) > 0.9
