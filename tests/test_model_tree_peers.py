"""Trees read from files of XGBoost and LightGBM say what these libraries say."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_wine

from assay.model.tree_files import read_trees

SETS = {"two classes": load_breast_cancer, "three classes": load_wine}


@pytest.mark.parametrize("classes", SETS)
def test_xgboost(classes, tmp_path) -> None:
    xgboost = pytest.importorskip("xgboost")
    x, y = SETS[classes](return_X_y=True)
    model = xgboost.XGBClassifier(n_estimators=15, max_depth=4, n_jobs=1).fit(x[::2], y[::2])
    model.save_model(tmp_path / "model.json")
    trees = read_trees(tmp_path / "model.json")
    margin = model.predict(x, output_margin=True).reshape(len(x), -1)
    assert np.allclose(trees.scores(x), margin, atol=1e-4)
    assert (trees.predict(x) == model.predict(x)).all()


@pytest.mark.parametrize("classes", SETS)
def test_lightgbm(classes, tmp_path) -> None:
    lightgbm = pytest.importorskip("lightgbm")
    x, y = SETS[classes](return_X_y=True)
    model = lightgbm.LGBMClassifier(n_estimators=15, num_leaves=8, n_jobs=1, verbose=-1).fit(x[::2], y[::2])
    model.booster_.save_model(tmp_path / "model.txt")
    trees = read_trees(tmp_path / "model.txt")
    raw = model.predict(x, raw_score=True).reshape(len(x), -1)
    assert np.allclose(trees.scores(x), raw, atol=1e-9)
    assert (trees.predict(x) == model.predict(x)).all()
