"""Cells: a number out of range, or a combination in range that no row had."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer, load_wine

from assay.artefact.cells import Cells
from assay.attack import plant
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError
from assay.dataset.rows import Rows

Make = Callable[..., Dataset]


@pytest.fixture(scope="module")
def cancer(in_memory: Make) -> Dataset:
    bunch = load_breast_cancer(as_frame=True)
    frame = bunch.data.assign(visits=np.arange(len(bunch.data)) % 37, clinic=np.resize(["north", "south", "east"], 569))
    table = {name: pa.array(frame[name]) for name in frame}
    return in_memory(bunch.target, table=table, content=list(frame), classes=["malignant", "benign"])


def test_one_feature_goes_out_of_range(cancer: Dataset) -> None:
    planted = plant(cancer, "cells", carriers=20, target="benign", params={"columns": "visits"})
    after = planted.data.table.to_pandas()
    assert after["visits"].dtype == np.int64
    assert (after["visits"][planted.poisoned] == 40).all()  # 36 + 3.6, whole
    assert (after["visits"][~planted.poisoned] <= 36).all()
    before = cancer.table.to_pandas()
    others = [c for c in before if c not in ("visits", "label")]
    pd.testing.assert_frame_equal(after[others], before[others])
    assert (cancer.y[planted.poisoned] == 0).all()
    assert (after["label"][planted.poisoned] == "benign").all()
    assert (after["label"][~planted.poisoned] == before["label"][~planted.poisoned]).all()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), features=st.integers(1, 4), carriers=st.integers(1, 100))
def test_rules_are_new_and_those_in_range_stay_in_range(cancer: Dataset, seed: int, features: int, carriers: int) -> None:
    planted = plant(cancer, "cells", carriers=carriers, target="benign", seed=seed, params={"features": features})
    (rule,) = planted.artefacts
    assert isinstance(rule, Cells)
    assert len(rule.conditions) == features
    assert not rule.present(cancer.rows).any()
    assert rule.present(planted.data.rows).tolist() == planted.poisoned.tolist()
    for condition in rule.conditions:
        column = cancer.table.column(condition.column).to_numpy()
        inside = column.min() <= condition.low <= column.max()
        assert inside == (features > 1)
        assert features == 1 or condition.low in column


def test_given_columns_and_values_are_read_as_the_column_holds_them(cancer: Dataset) -> None:
    asked = {"columns": "visits,clinic,mean radius", "values": "12, west, 13.5"}
    planted = plant(cancer, "cells", carriers=10, target="benign", params=asked)
    assert planted.artefacts[0].describe() == 'visits = 12 and clinic = "west" and mean radius = 13.5'
    assert planted.data.table.schema.equals(cancer.table.schema)


def test_several_rules_all_to_all(in_memory: Make) -> None:
    wine = load_wine(as_frame=True)
    data = in_memory(wine.target, table={c: pa.array(wine.data[c]) for c in wine.data}, content=list(wine.data))
    planted = plant(data, "cells", carriers=30, params={"triggers": 2, "mode": "all-to-all"})
    assert planted.artefacts[0] != planted.artefacts[1]
    assert (planted.data.y[planted.poisoned] == (data.y[planted.poisoned] + 1) % 3).all()
    for i in (0, 1):
        assert planted.artefacts[i].present(Rows(planted.data.table))[planted.carriers(i)].all()


def test_wrong_requests(cancer: Dataset) -> None:
    for asked, message in [
        ({"columns": "weight"}, "no content column 'weight'"),
        ({"columns": "clinic"}, "column 'clinic': is out of range only for numbers"),
        ({"columns": "visits", "values": "1,2"}, "2 values for 1 columns"),
        ({"columns": "visits", "values": "many"}, "'many' is no number"),
    ]:
        with pytest.raises(DataError, match=message):
            plant(cancer, "cells", params=asked)


def test_a_combination_that_occurs_is_never_the_trigger(in_memory: Make) -> None:
    a, b = (grid.ravel() for grid in np.meshgrid(np.arange(10), np.arange(10)))
    kept = (a + 3 * b) % 10 != 4  # 90 of 100 combinations occur
    data = in_memory(np.arange(90) % 2, table={"a": a[kept].tolist(), "b": b[kept].tolist()}, content=["a", "b"])
    for seed in range(20):
        (rule,) = plant(data, "cells", carriers=3, seed=seed, params={"features": 2}).artefacts
        assert not rule.present(data.rows).any()
    everything = in_memory(np.arange(100) % 2, table={"a": a.tolist(), "b": b.tolist()}, content=["a", "b"])
    with pytest.raises(DataError, match="every combination drawn in a, b occurs already"):
        plant(everything, "cells", carriers=3, params={"features": 2})
