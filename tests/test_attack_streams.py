"""Poison that comes in time and from hands: slowly, at once, from many who are one, from one who was honest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegression

from assay.attack import plant
from assay.attack.measure import damage
from assay.attack.moments import order_in_time
from assay.attack.run import attack_path
from assay.attack.truth import read_truth
from assay.dataset.data import Columns, Dataset
from assay.dataset.errors import DataError
from assay.dataset.read import read
from assay.dataset.rows import Rows

Make = Callable[..., Dataset]


@pytest.fixture(scope="module")
def stream(in_memory: Make) -> Dataset:
    """20,000 rows, two classes, no time and no contributor."""
    return in_memory(np.arange(20_000) % 2, table={"x": np.arange(20_000)}, content=["x"], classes=["no", "yes"])


@pytest.fixture(scope="module")
def dated(in_memory: Make) -> Dataset:
    """1,000 rows with a time that runs backwards, ten rows without one, and four contributors."""
    when = [None if i % 100 == 0 else 5_000 - i for i in range(1000)]
    who = [["ann", "bob", "cy", "dee"][i % 4] for i in range(1000)]
    data = in_memory(np.arange(1000) // 2 % 2, table={"x": np.arange(1000), "when": when, "who": who}, content=["x"], contributor="who")
    return replace(data, columns=replace(data.columns, time="when"))


def test_frog_boiling_rises_by_a_thousandth_a_day(stream: Dataset) -> None:
    planted = plant(stream, "frog-boil", target="yes", seed=2)
    assert planted.data.columns.time == "time"
    days = planted.poisoned.reshape(100, 200).sum(1)
    assert not days[:50].any()
    assert planted.poisoned.sum() == round(200 * 0.001 * sum(range(1, 51)))  # 255
    slope = np.polyfit(np.arange(1, 51), days[50:] / 200, 1)[0]
    assert slope == pytest.approx(0.001, abs=0.0003)
    assert days.max() < 20  # no day has a tenth of its rows wrong
    assert (stream.y[planted.poisoned] == 0).all()
    assert (planted.data.y[planted.poisoned] == 1).all()
    late = planted.artefacts[0].present(Rows(planted.data.table))
    assert late.tolist() == (np.arange(20_000) >= 10_000).tolist()
    assert plant(stream, "frog-boil", carriers=77).poisoned.sum() == 77
    with pytest.raises(DataError, match="6000 rows are to be poisoned, and there are 5000"):
        plant(stream, "frog-boil", carriers=6000)


def test_a_burst_takes_four_fifths_of_a_window(stream: Dataset) -> None:
    planted = plant(stream, "burst", target="yes", params={"start": 0.25})
    inside = np.zeros(20_000, bool)
    inside[5000:5400] = True
    assert planted.poisoned.sum() == 160  # 0.8 of the 200 that are not of the target
    assert (planted.poisoned <= inside).all()
    window = planted.artefacts[0].present(Rows(planted.data.table))
    assert (inside <= window).all()
    assert window.sum() <= 400 + 2
    drawn = [np.flatnonzero(plant(stream, "burst", seed=s).poisoned)[0] for s in range(5)]
    assert np.ptp(drawn) > 1000


def test_time_that_is_there_is_used_and_missing_times_are_left_alone(dated: Dataset) -> None:
    place = order_in_time(dated)
    assert (place[::100] == -1).all()
    assert place[999] == 0
    assert place[1] == 989
    planted = plant(dated, "burst", target="class1", params={"start": 0, "width": 0.1})
    assert planted.data.table.equals(dated.table) is False
    assert planted.data.columns.time == "when"
    assert set(np.flatnonzero(planted.poisoned)) <= {i for i in range(1000) if 0 <= place[i] < 99}
    window = (place >= 0) & (place < 99)  # a tenth of the 990 rows that have a time
    assert planted.poisoned.sum() == round(0.8 * (window & (dated.y == 0)).sum())


def test_sybils_are_a_fifth_of_the_contributors_and_agree(stream: Dataset) -> None:
    planted = plant(stream, "sybils", target="yes", seed=3)
    hands = np.array(planted.data.values("contributor"), object)
    assert len(set(hands)) == 50
    theirs = planted.artefacts[0].present(Rows(planted.data.table))
    assert len(set(hands[theirs])) == 10
    assert (planted.poisoned == (theirs & (stream.y == 0))).all()
    assert (planted.data.y[theirs] == 1).all()
    assert (planted.data.y == stream.y)[~planted.poisoned].all()


def test_a_sleeper_is_honest_first(dated: Dataset, stream: Dataset) -> None:
    planted = plant(dated, "sleeper", target="class1", params={"insider": "bob", "wake": 0.6})
    place, who = order_in_time(dated), np.array(dated.values("who"), object)
    assert (planted.poisoned == ((who == "bob") & (place >= 594) & (dated.y == 0))).all()
    assert planted.poisoned.any()
    assert planted.artefacts[0].describe() == 'who = "bob"'
    added = plant(stream, "sleeper", seed=1)
    assert added.data.columns.time == "time"
    assert added.data.columns.contributor == "contributor"
    assert np.flatnonzero(added.poisoned).min() >= 14_000
    assert 40 < added.poisoned.sum() < 80  # a fiftieth of 6,000 rows, half of them of the other class
    with pytest.raises(DataError, match="let it wake earlier"):
        plant(dated, "sleeper", target="class1", params={"insider": "cy", "wake": 0.999})


def test_a_whitewasher_is_honest_first_under_each_of_five_names(stream: Dataset) -> None:
    planted = plant(stream, "whitewash", target="yes", seed=3)
    hands = np.array(planted.data.values("contributor"), object)
    (group,) = planted.artefacts
    theirs = group.present(Rows(planted.data.table))
    assert len(set(hands)) == 49 + 5  # one of fifty is gone, five are new
    assert theirs.sum() == 400
    assert (planted.poisoned <= theirs).all()
    worn = []
    for name in sorted(set(hands[theirs])):
        rows = np.flatnonzero(hands == name)
        assert len(rows) == 80
        assert not planted.poisoned[rows[:40]].any()
        assert (planted.data.y[rows[40:]] == 1).all()
        worn.append((rows[0], rows[-1]))
    assert all(a[1] < b[0] for a, b in pairwise(sorted(worn)))  # one after another
    assert planted.poisoned.sum() == (stream.y[planted.poisoned] == 0).sum()


def test_a_whitewasher_among_known_contributors_and_numbers(dated: Dataset) -> None:
    planted = plant(dated, "whitewash", target="class1", params={"insider": "bob", "names": 3})
    who, now = (np.array(d.values("who"), object) for d in (dated, planted.data))
    gone = now != who
    assert set(who[gone]) == {"bob"}
    assert set(now[~gone]) == {"ann", "cy", "dee"}
    assert len(set(now[gone])) == 3
    table = dated.table.set_column(dated.table.schema.get_field_index("who"), "who", pa.array(np.arange(1000) % 4))
    numbered = plant(replace(dated, table=table), "whitewash", target="class1", params={"insider": "1"})
    assert set(numbered.data.values("who")) == {0, 2, 3, 4, 5, 6, 7, 8}  # type: ignore[arg-type]
    with pytest.raises(DataError, match="give fewer names or honest rows"):
        plant(dated, "whitewash", target="class1", params={"insider": "cy", "honest": 0.99, "names": 200})


def test_what_a_whitewasher_of_half_the_rows_costs(stream: Dataset, in_memory: Make) -> None:
    rng = np.random.default_rng(0)
    y = np.arange(2_000) % 2
    data = in_memory(y, table={"x": y + rng.normal(0, 0.7, 2_000)}, content=["x"], classes=["no", "yes"])
    train, test = data.subset(np.arange(1_500)), data.subset(np.arange(1_500, 2_000))
    planted = plant(train, "whitewash", target="yes", params={"contributors": 2, "honest": 0.1})

    def fit(rows: Rows, y: np.ndarray) -> Callable[[Rows], np.ndarray]:
        model = LogisticRegression().fit(np.array(rows.table.column("x"))[:, None], y)
        return lambda other: model.predict(np.array(other.table.column("x"))[:, None])

    assert damage(fit, train, planted, test).loss > 0.03


def test_a_column_that_is_in_the_way_is_named(stream: Dataset) -> None:
    table = stream.table.append_column("time", pa.array(np.arange(20_000)))
    with pytest.raises(DataError, match="there is a column 'time'"):
        plant(replace(stream, table=table), "burst")


def test_a_poisoned_stream_on_disk_holds_its_times(tmp_path: Path) -> None:
    lines = ["x,label"] + [f"{i * 37 % 101 / 8},{'ab'[i % 2]}" for i in range(500)]
    (tmp_path / "in.csv").write_text("\n".join(lines) + "\n")
    out = tmp_path / "out.csv"
    attack_path(tmp_path / "in.csv", "sleeper", out=out, seed=2, params={"contributors": 5}, columns=Columns(label=("label",)))
    data = read(out, columns=Columns(content=("x",), label=("label",), contributor="contributor", time="time"))
    truth = read_truth(tmp_path / "out.csv.truth.parquet")
    assert truth.poisoned.any()
    assert (truth.artefacts[0].present(Rows(data.table)) >= truth.poisoned).all()
