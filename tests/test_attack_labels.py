"""Labels flipped at random, between two classes, within a group, by an insider; content untouched."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import chisquare
from sklearn.datasets import load_digits

from assay.artefact.group import Group
from assay.attack import plant
from assay.attack.labels import relabel
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError
from assay.dataset.rows import Rows

Make = Callable[..., Dataset]


@pytest.fixture(scope="module")
def digits(in_memory: Make) -> Dataset:
    bunch = load_digits()
    site = np.resize(["Rome", "Oslo", "Lima", "Kyiv", "Bonn"], len(bunch.target))
    images = (bunch.images * 15).astype(np.uint8)[..., None]
    table = {"site": pa.array(site), "year": pa.array(np.arange(len(site)) % 4)}
    return in_memory(bunch.target, images=images, table=table, classes=[str(c) for c in range(10)])


def test_random_flips_go_evenly_to_all_other_classes(digits: Dataset) -> None:
    planted = plant(digits, "flip", rate=0.5, seed=4)
    moved = (planted.data.y - digits.y)[planted.poisoned] % 10
    assert planted.poisoned.sum() == round(0.5 * 1797)
    assert (moved != 0).all()
    assert chisquare(np.bincount(moved, minlength=10)[1:]).pvalue > 0.001
    assert (planted.data.y == digits.y)[~planted.poisoned].all()
    assert planted.data.images is digits.images
    assert planted.artefacts == ()


def test_pairwise(digits: Dataset) -> None:
    planted = plant(digits, "flip", carriers=60, target="8", params={"from": "3"})
    assert (digits.y[planted.poisoned] == 3).all()
    assert (planted.data.y[planted.poisoned] == 8).all()
    assert planted.poisoned.sum() == 60
    with pytest.raises(DataError, match=r"500 rows .* there are 183 of class '3' that are not '8' yet"):
        plant(digits, "flip", carriers=500, target="8", params={"from": "3"})


def test_a_share_of_one_group(digits: Dataset) -> None:
    planted = plant(digits, "flip", target="0", params={"column": "site", "value": "Oslo", "share": "0.3"})
    sites = np.array(digits.table.column("site").to_pylist())
    group = (sites == "Oslo") & (digits.y != 0)
    assert planted.poisoned.sum() == round(0.3 * group.sum())
    assert (planted.poisoned <= group).all()
    assert planted.artefacts[0].describe() == 'site = "Oslo"'
    numbered = plant(digits, "flip", carriers=9, params={"column": "year", "value": "2"})
    assert (np.array(digits.table.column("year"))[numbered.poisoned] == 2).all()
    with pytest.raises(DataError, match="both column= and value="):
        plant(digits, "flip", params={"column": "site"})


def test_an_insider_relabels_their_own_rows_of_one_class(digits: Dataset) -> None:
    planted = plant(digits, "insider", target="4", seed=2, params={"from": "9", "contributors": 20})
    data = planted.data
    assert data.columns.contributor == "contributor"
    hands = np.array(data.values("contributor"))
    assert sorted(np.unique(hands, return_counts=True)[1]) == [89] * 3 + [90] * 17
    (group,) = planted.artefacts
    assert isinstance(group, Group)
    theirs = group.present(Rows(data.table))
    assert (planted.poisoned == (theirs & (digits.y == 9))).all()
    assert planted.poisoned.any()
    assert (data.y[planted.poisoned] == 4).all()
    assert (data.y == digits.y)[~planted.poisoned].all()


def test_an_insider_among_known_contributors(in_memory: Make) -> None:
    who = pa.array(["ann", "bob", "cy"] * 20)
    data = in_memory([0, 1] * 30, table={"x": list(range(60)), "who": who}, content=["x"], contributor="who")
    planted = plant(data, "insider", carriers=4, target="class1", params={"insider": "bob"})
    assert planted.poisoned.sum() == 4
    assert set(np.array(who)[planted.poisoned]) == {"bob"}
    assert planted.data.table.column("who").equals(data.table.column("who"))
    with pytest.raises(DataError, match=r"no contributor 'dan'.*ann, bob, cy"):
        plant(data, "insider", params={"insider": "dan"})


def test_numeric_label_columns_stay_numeric(in_memory: Make) -> None:
    from dataclasses import replace

    data = in_memory([0, 1] * 30, table={"x": list(range(60))}, content=["x"], classes=["0", "1"])
    table = data.table.set_column(1, "label", pa.array([0, 1] * 30, pa.int8()))
    planted = plant(replace(data, table=table), "flip", carriers=5, target="1")
    assert planted.data.table.schema.field("label").type == pa.int8()
    assert (np.array(planted.data.table.column("label")) == planted.data.y).all()


def test_rows_without_a_label_are_left_alone(in_memory: Make) -> None:
    y = np.array([0, 1, -1] * 20)
    data = in_memory(y, table={"x": list(range(60))}, content=["x"])
    planted = plant(data, "flip", rate=0.5)
    assert not planted.poisoned[y < 0].any()
    assert (relabel(data, y).y == y).all()


def test_unlabelled_data_cannot_be_relabelled(in_memory: Make) -> None:
    data = in_memory([0] * 20, table={"x": list(range(20))}, content=["x"])
    with pytest.raises(DataError, match="fewer than two classes"):
        plant(data, "flip")
