"""Groups and clusters answer `present`, and say that they cannot do more."""

from __future__ import annotations

import datetime
import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_iris

from assay.artefact.base import Unanswerable
from assay.artefact.cluster import Cluster
from assay.artefact.group import Group
from assay.artefact.registry import from_json
from assay.dataset.rows import Rows, as_rows

names = st.one_of(st.none(), st.sampled_from(["w1", "w2", "w3", ""]))


@given(column=st.lists(names, min_size=1), values=st.lists(names, min_size=1, max_size=3))
def test_members_are_those_with_one_of_the_values(column: list[str | None], values: list[str | None]) -> None:
    group = Group("who", tuple(values))
    table = pa.table({"who": pa.array(column, pa.string())})
    assert group.present(table).tolist() == [v in values for v in column]
    assert from_json(json.loads(json.dumps(group.to_json()))) == group


def test_a_time_window_holds_both_its_ends() -> None:
    days = [datetime.datetime(2024, 5, d) for d in (1, 2, 3, 4)]
    window = Group("added", None, days[1], days[2])
    assert window.present({"added": days}).tolist() == [False, True, True, False]
    assert from_json(json.loads(json.dumps(window.to_json()))) == window
    assert Group("added", None, days[2]).present({"added": days}).tolist() == [False, False, True, True]
    assert window.describe() == "added from 2024-05-02 00:00:00 to 2024-05-03 00:00:00"


def test_nobody_can_put_a_contributor_into_a_row() -> None:
    insider = Group("who", ("w1",))
    rows = {"who": ["w1", "w2"]}
    with pytest.raises(Unanswerable):
        insider.insert(rows)
    with pytest.raises(Unanswerable):
        insider.remove(rows)
    with pytest.raises(Unanswerable, match="do not hold the column"):
        insider.present({"text": ["a"]})
    with pytest.raises(ValueError, match="values"):
        Group("who", None)


def test_a_cluster_needs_its_features() -> None:
    iris = load_iris(as_frame=True)
    setosa = iris.data[iris.target == 0].to_numpy(np.float32)
    centre = setosa.mean(0)
    ball = Cluster(centre, float(np.linalg.norm(setosa - centre, axis=1).max()), "the four measures", frozenset({"ab" * 32}))

    def measures(rows: Rows) -> np.ndarray:
        return rows.table.to_pandas().to_numpy()

    found = ball.with_extract(measures).present(as_rows(iris.data))
    assert found[:50].all()  # setosa lies apart from the other two
    assert not found[50:].any()
    stored = from_json(json.loads(json.dumps(ball.to_json())))
    assert isinstance(stored, Cluster)
    assert stored.to_json() == ball.to_json()
    with pytest.raises(Unanswerable, match="the four measures"):
        stored.present(iris.data)
    assert stored.among(np.full((2, 32), 0xAB, np.uint8)).all()
