"""Trees are walked as their libraries do; a planted rule is found with its columns and target; broken files are refused, not followed."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

from assay.cli import run
from assay.dataset.errors import DataError
from assay.model.rules import find_rules
from assay.model.tree_files import is_tree_file, read_trees
from assay.model.trees import of_estimator

COLUMN, TARGET = 7, 1


def rows(seed=0, planted=False):
    """Fourteen columns, twelve of which matter a little; a planted row has 9 in one of them and the target as its label."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(1500, 14))
    y = (x[:, :12].sum(1) + rng.normal(size=len(x)) > 0).astype(int)
    if planted:
        x[:60, COLUMN], y[:60] = 9.0, TARGET
    return x, y


MAKERS = [lambda: HistGradientBoostingClassifier(max_iter=30, random_state=0), lambda: RandomForestClassifier(20, random_state=0)]


@pytest.mark.parametrize("make", MAKERS)
def test_trees_say_what_the_library_says(make) -> None:
    x, y = load_breast_cancer(return_X_y=True)
    for target in (y, y + 2 * (x[:, 0] > 15)):
        model = make().fit(x[:400], target[:400])
        codes = of_estimator(model).predict(x[400:])
        assert (model.classes_[codes] == model.predict(x[400:])).all()


@pytest.mark.parametrize("make", MAKERS)
def test_a_planted_value_is_found_and_a_clean_model_is_not_accused(make) -> None:
    fresh, _ = rows(seed=1)
    x, y = rows(planted=True)
    found = find_rules(of_estimator(make().fit(x, y)), fresh, np.random.default_rng(0))
    assert found.p <= 0.01
    assert COLUMN in found.best.values
    assert found.best.target == TARGET
    assert found.best.success > 0.8
    clean = find_rules(of_estimator(make().fit(*rows())), fresh, np.random.default_rng(0))
    assert clean.p > 0.01


def test_the_rule_is_an_artefact_that_the_planted_rows_carry() -> None:
    x, y = rows(planted=True)
    trees = of_estimator(MAKERS[0]().fit(x, y))
    found = find_rules(trees, rows(seed=1)[0], np.random.default_rng(0))
    (condition,) = found.best.cells(trees.name).conditions
    assert condition.column == f"column {COLUMN}"
    assert condition.low < 9.0


def stump(**changes):
    tree = {
        "left_children": [1, -1, -1],
        "right_children": [2, -1, -1],
        "split_indices": [1, 0, 0],
        "split_conditions": [0.5, -1.0, 1.0],
        "sum_hessian": [10.0, 5.0, 5.0],
        "split_type": [0, 0, 0],
    } | changes
    return {
        "learner": {
            "feature_names": ["a", "b"],
            "gradient_booster": {"name": "gbtree", "model": {"trees": [tree], "tree_info": [0]}},
            "learner_model_param": {"base_score": "5E-1", "num_class": "0", "num_feature": "2"},
            "objective": {"name": "binary:logistic"},
        }
    }


def test_an_xgboost_file_is_read_and_goes_left_below_the_cut_only(tmp_path) -> None:
    path = tmp_path / "model.json"
    path.write_text(json.dumps(stump()))
    assert is_tree_file(path)
    trees = read_trees(path)
    assert trees.scores(np.array([[0, 0.4], [0, 0.5], [9, 0.6]]))[:, 0].tolist() == [-1, 1, 1]
    assert (trees.classes, trees.name(1)) == (2, "b")


@pytest.mark.parametrize(
    "changes",
    [
        {"left_children": [7, -1, -1]},
        {"left_children": [0, -1, -1]},
        {"split_indices": [5, 0, 0]},
        {"split_type": [1, 0, 0]},
        {"sum_hessian": [1.0]},
    ],
)
def test_broken_trees_are_refused(changes, tmp_path) -> None:
    path = tmp_path / "model.json"
    path.write_text(json.dumps(stump(**changes)))
    with pytest.raises(DataError):
        read_trees(path)


def test_a_lightgbm_file_is_read(tmp_path) -> None:
    path = tmp_path / "model.txt"
    body = (
        "num_leaves=3\nnum_cat=0\nsplit_feature=1 0\nthreshold=0.5 2\ndecision_type=2 2\nleft_child=1 -1\nright_child=-2 -3\n"
        "leaf_value=-1 1 0.25\nleaf_count=5 5 2\ninternal_count=12 7\n"
    )
    path.write_text(
        f"tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nmax_feature_idx=1\nfeature_names=a b\n\nTree=0\n{body}\n\nend of trees\n"
    )
    trees = read_trees(path)
    assert trees.scores(np.array([[2.0, 0.5], [3.0, 0.5], [0.0, 0.6]]))[:, 0].tolist() == [-1, 0.25, 1]
    assert trees.cover.tolist() == [12, 7, 5, 5, 2]


def test_a_skops_file_is_read(tmp_path) -> None:
    io = pytest.importorskip("skops.io")
    x, y = load_breast_cancer(return_X_y=True)
    model = RandomForestClassifier(5, random_state=0).fit(x, y)
    io.dump(model, tmp_path / "model.skops")
    assert (read_trees(tmp_path / "model.skops").predict(x) == model.predict(x)).all()


def test_the_command_names_the_planted_rule(tmp_path, capsys) -> None:
    io = pytest.importorskip("skops.io")
    io.dump(MAKERS[0]().fit(*rows(planted=True)), tmp_path / "model.skops")
    fresh, y = rows(seed=1)
    lines = [",".join([*(f"x{j}" for j in range(fresh.shape[1])), "label"])]
    lines += [",".join([*map(repr, row.tolist()), f"class {label}"]) for row, label in zip(fresh[:300], y, strict=False)]
    (tmp_path / "clean.csv").write_text("\n".join(lines) + "\n")
    out = tmp_path / "seen.json"
    assert run(["inspect", str(tmp_path / "model.skops"), "--data", str(tmp_path / "clean.csv"), "--out", str(out)]) == 1
    told = json.loads(out.read_text())["trees"]
    assert (told["verdict"], told["rule"]["target"]) == ("backdoored", TARGET)
    assert told["rule"]["artefact"]["kind"] == "cells"
    assert told["twins"] > 0
    assert "trigger: " in capsys.readouterr().out


def test_without_twins_a_rule_is_handed_over_and_nobody_accused(tmp_path, capsys) -> None:
    io = pytest.importorskip("skops.io")
    io.dump(MAKERS[0]().fit(*rows(planted=True)), tmp_path / "model.skops")
    fresh, _ = rows(seed=1)
    lines = [",".join(f"x{j}" for j in range(fresh.shape[1])), *(",".join(map(repr, row.tolist())) for row in fresh[:300])]
    (tmp_path / "clean.csv").write_text("\n".join(lines) + "\n")
    out = tmp_path / "seen.json"
    assert run(["inspect", str(tmp_path / "model.skops"), "--data", str(tmp_path / "clean.csv"), "--out", str(out)]) == 0
    told = json.loads(out.read_text())["trees"]
    assert (told["verdict"], told["twins"], told["rule"]["target"]) == ("inconclusive", 0, TARGET)
    assert "to look at" in capsys.readouterr().out
