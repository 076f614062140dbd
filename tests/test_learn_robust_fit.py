"""A regression on poisoned rows: the error stays within a tenth of the clean model's, and clean data lose little."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_diabetes

from assay.dataset.data import Columns, Dataset
from assay.learn.head import fit_head
from assay.learn.robust_fit import BULK, bulk, robust_fit
from assay.screen.context import Context, lacks
from assay.screen.number_labels import number_label, run

Floats = NDArray[np.float64]
KINDS = ("label", "leverage", "shift")


def poison(x: Floats, y: Floats, kind: str, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """A tenth of all rows is poison: labels at the other end; a corner of the content with the wrong label; labels moved up."""
    extra = len(y) // 9
    source = rng.choice(len(y), extra)
    px, low, high = x[source].copy(), y.min(), y.max()
    if kind == "label":
        py = np.where(y[source] > np.median(y), low, high)
    elif kind == "shift":
        py = np.minimum(y[source] + 0.6 * (high - low), high)
    else:
        slope = fit_head(x, (y - y.mean())[:, None]).weights[:-1, 0]
        corner = np.where(slope > 0, np.quantile(x, 0.98, axis=0), np.quantile(x, 0.02, axis=0))
        px, py = np.where(rng.random(px.shape) < 0.9, corner, px), np.full(extra, low)
    return np.vstack([x, px]), np.r_[y, py]


@pytest.mark.parametrize("kind", KINDS)
def test_at_ten_per_cent_poison_the_error_is_within_a_tenth_of_the_clean_models(kind: str) -> None:
    x, y = load_diabetes(return_X_y=True)
    x = (x - x.mean(0)) / x.std(0)
    ratios, plain = [], []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        test = rng.random(len(y)) < 0.3
        centre = np.median(y[~test])
        clean = fit_head(x[~test], (y[~test] - centre)[:, None])
        dirty_x, dirty_y = poison(x[~test], y[~test], kind, rng)

        def error(told: Floats, y: Floats = y[test]) -> float:
            return float(np.sqrt(np.mean((told - y) ** 2)))

        base = error(clean.scores(np.column_stack([x[test], np.ones(test.sum())]))[:, 0] + centre)
        ratios.append(error(robust_fit(dirty_x, dirty_y).predict(x[test])) / base)
        ridge = fit_head(dirty_x, (dirty_y - centre)[:, None])
        plain.append(error(ridge.scores(np.column_stack([x[test], np.ones(test.sum())]))[:, 0] + centre) / base)
    assert max(ratios) < 1.10
    assert np.mean(ratios) <= np.mean(plain)


def test_clean_rows_are_kept() -> None:
    x, y = load_diabetes(return_X_y=True)
    assert len(robust_fit(x, y).kept) >= 0.98 * len(y)


def test_the_bulk_leaves_a_far_corner_out() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 4))
    x[:60] += 6
    kept = bulk(x)
    assert len(kept) == np.ceil(BULK * 400)
    assert (kept >= 60).all()


def test_constant_values_and_few_rows() -> None:
    rng = np.random.default_rng(0)
    fit = robust_fit(rng.normal(size=(50, 2)), np.full(50, 3.0))
    np.testing.assert_allclose(fit.predict(rng.normal(size=(5, 2))), 3.0)
    with pytest.raises(ValueError, match="cannot tell"):
        robust_fit(np.zeros((3, 5)), np.zeros(3))


def test_the_screen_flags_moved_numbers_and_hardly_any_clean_row(in_memory: Callable[..., Dataset]) -> None:
    x, y = load_diabetes(return_X_y=True)
    bad = np.zeros(len(y), bool)
    bad[::40] = True
    moved = np.where(bad, y + 500.0, y)
    table = {**{f"c{i}": x[:, i] for i in range(3)}, "value": moved}
    data = in_memory(np.zeros(len(y), np.int64), table=table, content=["c0", "c1", "c2"], classes=["a"])
    assert lacks("number_label", Context(data, None, None, np.random.default_rng(0))) is not None
    data = replace(data, task="regression", columns=Columns(("c0", "c1", "c2"), ("value",)), classes=(), y=np.zeros(0, np.int64))
    context = Context(data, None, None, np.random.default_rng(0))
    assert lacks("number_label", context) is None
    told = run(context)
    assert told.flag[bad].all()
    assert not told.flag[~bad].any()
    np.testing.assert_array_equal(number_label(data), moved)
