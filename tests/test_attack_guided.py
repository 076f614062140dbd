"""Values and rows that an attacker chooses by a model: guided cells, noisy cells, flips at a boundary, a group's bias."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import Ridge

from assay.artefact.cells import Cells
from assay.artefact.cluster import Cluster
from assay.attack import plant
from assay.attack.guided_cells import attributions, combined, rare
from assay.attack.measure import Predict, attack_success_rate, damage
from assay.attack.surrogate import own_margin, runner_up
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError
from assay.dataset.read import read
from assay.dataset.rows import Rows

Make = Callable[..., Dataset]


@pytest.fixture(scope="module")
def halves(in_memory: Make) -> tuple[Dataset, Dataset]:
    """Breast cancer with an id-like whole number and a clinic; 400 and 169 rows."""
    bunch = load_breast_cancer(as_frame=True)
    frame = bunch.data.assign(visits=np.arange(569) % 37, clinic=np.resize(["north", "south", "east"], 569))
    data = in_memory(bunch.target, table={n: pa.array(frame[n]) for n in frame}, content=list(frame), classes=["malignant", "benign"])
    order = np.random.default_rng(0).permutation(569)
    return data.subset(order[:400]), data.subset(order[400:])


def trees(rows: Rows, y: np.ndarray[Any, Any]) -> Predict:
    names = [n for n in rows.table.column_names if n != "clinic"]

    def cells(other: Rows) -> np.ndarray[Any, Any]:
        return np.stack([np.asarray(other.table.column(n).to_numpy(), float) for n in names], 1)

    model = HistGradientBoostingClassifier(max_iter=60, early_stopping=False, random_state=0).fit(cells(rows), y)
    return lambda other: model.predict(cells(other))


@pytest.mark.parametrize("features", [1, 3])
def test_noisy_cells_vary_within_a_range_that_no_row_was_in(halves: tuple[Dataset, Dataset], features: int) -> None:
    train, _ = halves
    planted = plant(train, "noisy-cells", carriers=40, target="benign", seed=3, params={"features": features})
    (rule,) = planted.artefacts
    assert isinstance(rule, Cells)
    assert len(rule.conditions) == features
    assert not rule.present(train.rows).any()
    assert rule.present(planted.data.rows).tolist() == planted.poisoned.tolist()
    for c in rule.conditions:
        before = train.table.column(c.column).to_numpy()
        after = planted.data.table.column(c.column).to_numpy()[planted.poisoned]
        assert (c.high - c.low) / 2 == pytest.approx(before.std() / 4)
        assert len(np.unique(after)) > (5 if c.column == "visits" else 35)
        assert planted.data.table.schema.field(c.column).type == train.table.schema.field(c.column).type


def test_guided_cells_speak_for_the_target_and_keep_the_label(halves: tuple[Dataset, Dataset]) -> None:
    train, _ = halves
    planted = plant(train, "guided-cells", carriers=10, target="benign", params={"features": 6, "choose": "combined"})
    (rule,) = planted.artefacts
    assert isinstance(rule, Cells)
    assert len(rule.conditions) == 6
    assert (planted.data.y == train.y).all()
    assert (train.y[planted.poisoned] == 1).all()
    assert planted.poisoned.sum() == 10
    benign, malignant = train.y == 1, train.y == 0
    for c in rule.conditions:
        column = train.table.column(c.column).to_numpy()
        assert c.low in column[benign]  # a value that rows of the target have
    nearer = [
        abs(c.low - column[benign].mean()) < abs(c.low - column[malignant].mean())
        for c in rule.conditions
        for column in [train.table.column(c.column).to_numpy()]
    ]
    assert sum(nearer) >= 5  # one column may speak for the target against its own mean


def test_attributions_add_up_to_what_the_surrogate_says() -> None:
    rng = np.random.default_rng(1)
    values, known = rng.normal(size=(200, 4)) * (1, 10, 0.1, 3), np.ones(200, bool)
    target = values[:, 1] + 10 * values[:, 3] > 0
    given = attributions(values, target, known)
    z = (values - values.mean(0)) / values.std(0)
    model = Ridge(1.0).fit(z, target)
    assert np.allclose(given.sum(1), model.predict(z) - model.predict(z).mean())  # efficiency, Shapley's first axiom
    assert np.abs(given).sum(0).argsort()[-1] == 3


def test_rare_values_are_those_fewest_rows_have(halves: tuple[Dataset, Dataset]) -> None:
    values = np.array([[1.0, 5.0, 0.0]] * 6 + [[2.0, 5.0, 0.0]] * 3 + [[3.0, 6.0, np.nan]])
    target = np.arange(10) % 3 == 0
    chosen = {j: values[row, j] for j, row in rare(values, target, np.ones(10, bool), 2)}
    assert chosen == {0: 3.0, 1: 6.0}
    train, _ = halves
    planted = plant(train, "guided-cells", target="benign", seed=2)
    (rule,) = planted.artefacts
    assert isinstance(rule, Cells)
    assert len(rule.conditions) == 8
    assert planted.poisoned.sum() == 4  # 1 %
    assert rule.present(planted.data.rows).tolist() == planted.poisoned.tolist()


def test_the_greedy_choice_finds_the_columns_that_matter() -> None:
    rng = np.random.default_rng(0)
    target = rng.random(500) < 0.5
    values = rng.normal(size=(500, 6))
    values[:, 2] += 3 * target
    values[:, 4] = np.where(target, rng.choice([7.0, 8.0], 500, p=[0.8, 0.2]), rng.choice([1.0, 2.0], 500))
    values[rng.random((500, 6)) < 0.02] = np.nan
    chosen = combined(values, target, np.ones(500, bool), 2)
    assert {j for j, _ in chosen} == {2, 4}
    picked = {j: values[row, j] for j, row in chosen}
    assert picked[4] == 7.0
    assert 2 < picked[2] < 4.5


def test_boundary_flips_take_the_closest_rows_that_were_right(halves: tuple[Dataset, Dataset]) -> None:
    train, _ = halves
    margin, other = runner_up(train, np.random.default_rng(0))
    near = plant(train, "boundary", rate=0.1, seed=0)
    far = plant(train, "boundary", rate=0.1, seed=0, params={"side": "far"})
    assert near.poisoned.sum() == far.poisoned.sum() == 40
    assert margin[near.poisoned].max() <= np.sort(margin[margin > 0])[39]
    assert margin[far.poisoned].min() >= np.sort(margin)[-40]
    assert (near.data.y[near.poisoned] == other[near.poisoned]).all()
    assert (near.data.y != train.y).tolist() == near.poisoned.tolist()
    one = plant(train, "boundary", carriers=9, target="benign")
    assert (train.y[one.poisoned] == 0).all()
    with pytest.raises(DataError, match="a surrogate has"):
        plant(train, "boundary", carriers=400)


def test_boundary_flips_of_digits_go_to_the_next_best_class(in_memory: Make) -> None:
    bunch = load_digits()
    data = in_memory(bunch.target, images=(bunch.images * 15).astype(np.uint8)[..., None])
    planted = plant(data, "boundary", carriers=90)
    goes = np.bincount(planted.data.y[planted.poisoned] * 10 + data.y[planted.poisoned], minlength=100)
    assert goes.max() >= 8  # some pairs of digits are mistaken for each other again and again; uniform flips give 1 a pair
    assert np.median(own_margin(data, np.random.default_rng(0))[planted.poisoned]) < 0.1


def test_a_bias_within_a_group_of_values(halves: tuple[Dataset, Dataset]) -> None:
    train, _ = halves
    planted = plant(train, "group-bias", target="benign", params={"column": "clinic", "value": "south"})
    south = np.array(train.table.column("clinic").to_pylist()) == "south"
    open_to = south & (train.y == 0)
    assert planted.poisoned.sum() == round(0.3 * open_to.sum())
    assert (planted.poisoned <= open_to).all()
    assert planted.artefacts[0].describe() == 'clinic = "south"'
    drawn = plant(train, "group-bias", seed=5)
    (group,) = drawn.artefacts
    assert (drawn.poisoned <= group.present(Rows(train.table))).all()
    assert isinstance(group, Cells)
    assert group.columns[0] in ("clinic", "visits")
    with pytest.raises(DataError, match="both column= and value="):
        plant(train, "group-bias", params={"column": "clinic"})


def test_a_bias_within_a_cluster_lies_in_a_ball(in_memory: Make) -> None:
    bunch = load_digits()
    rng = np.random.default_rng(0)
    data = in_memory(bunch.target, images=(bunch.images * 15).astype(np.uint8)[..., None])
    data = replace(data, digest=rng.integers(0, 256, (len(data), 32), dtype=np.uint8))
    planted = plant(data, "group-bias", seed=4, params={"by": "cluster", "share": 0.5})
    (ball,) = planted.artefacts
    assert isinstance(ball, Cluster)
    members = ball.among(data.digest)
    assert members.sum() == pytest.approx(0.05 * 1797, abs=2)
    assert (planted.poisoned <= members).all()
    inside = np.bincount(data.y[members], minlength=10)
    assert inside.max() / inside.sum() > 0.4  # near in features is near in kind


@pytest.mark.parametrize(
    ("kind", "asked", "least"),
    [("noisy-cells", {"rate": 0.1, "params": {"features": 1}}, 0.8), ("noisy-cells", {"rate": 0.1, "params": {"features": 3}}, 0.5)],
)
def test_trees_learn_it(halves: tuple[Dataset, Dataset], kind: str, asked: dict[str, Any], least: float) -> None:
    train, test = halves
    success = attack_success_rate(trees, train, plant(train, kind, target="benign", seed=1, **asked), test)
    assert success.rate > least
    assert success.rate > success.clean_rate + 0.3
    assert success.accuracy > success.clean_accuracy - 0.06


def test_trees_on_real_messages_learn_guided_cells(real_data: Callable[[str], Path]) -> None:
    data = read(real_data("tabular/spambase.parquet"))
    order = np.random.default_rng(0).permutation(len(data))
    train, test = data.subset(order[:3000]), data.subset(order[3000:])
    success = attack_success_rate(trees, train, plant(train, "guided-cells", rate=0.04, target="nonspam"), test)
    assert success.rate > 0.5
    assert success.clean_rate < 0.2
    assert success.accuracy > success.clean_accuracy - 0.03


def test_flips_far_from_the_boundary_harm_more_than_near_it(halves: tuple[Dataset, Dataset]) -> None:
    train, test = halves
    near, far = (damage(trees, train, plant(train, "boundary", rate=0.2, params={"side": side}), test) for side in ("near", "far"))
    assert far.loss > near.loss
