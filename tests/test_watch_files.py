"""Files of events: what is the same is the same, in whatever format it comes."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.dataset.errors import DataError
from assay.watch.baseline import learn
from assay.watch.gate_folder import GateFolder
from assay.watch.table_files import events_table
from assay.watch.watch import Watch
from watch_examples import FIELDS, traffic

SUFFIXES = (".csv", ".jsonl", ".parquet")


def write(path, columns):
    """Where a value is None, a CSV file has a blank cell."""
    if path.suffix == ".csv":
        rows = zip(*columns.values(), strict=True)
        lines = [",".join(columns), *(",".join("" if v is None else str(v) for v in row) for row in rows)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in pa.table(columns).to_pylist()), encoding="utf-8")
    else:
        pq.write_table(pa.table(columns), path)
    return path


def plain(columns):
    return {name: values.tolist() if isinstance(values, np.ndarray) else values for name, values in columns.items()}


def blank(values, every):
    return [None if i % every else v for i, v in enumerate(values)]


def test_blank_cells_are_missing_in_every_format(tmp_path):
    rng = np.random.default_rng(0)
    trusted = {**traffic(rng, 3000), "label": (label := np.where(rng.random(3000) < 0.5, "good", "bad"))}
    trusted["prediction"] = np.where(rng.random(3000) < 0.05, "bad", label)
    events = {**plain(traffic(rng, 1000)), "id": [f"e{i}" for i in range(1000)]}
    events |= {"prediction": (said := rng.choice(["good", "bad"], 1000).tolist()), "label": blank(said, 2)}
    events |= {"country": blank(events["country"], 10), "age": blank(events["age"], 3), "contributor": [None] * 1000}
    baseline, found = learn(trusted, FIELDS), []
    for suffix in SUFFIXES:
        with Watch.create(tmp_path / f"w{suffix}", baseline) as watch:
            watch.ingest(events_table(write(tmp_path / f"e{suffix}", events)))
            found.append(watch.status())
    assert found[0] == found[1] == found[2]
    assert (found[0].labels, found[0].pending) == (500, 500)
    assert not [alert for alert in found[0].alerts if "errors" in alert.title]


def test_a_gate_refuses_a_row_without_contributor_in_every_format(tmp_path):
    rng = np.random.default_rng(1)
    label = rng.choice(["yes", "no"], 600)
    rows = {"x": np.round(rng.normal(size=600) + (label == "yes"), 3).tolist(), "label": label.tolist(), "contributor": ["ann"] * 600}
    GateFolder.create(tmp_path / "g", pa.table(rows), label="label", contributor="contributor", features=["x"]).close()
    rows["contributor"] = [None if i == 7 else "ann" for i in range(600)]
    for suffix in SUFFIXES:
        with GateFolder(tmp_path / "g") as gate, pytest.raises(DataError, match="row 7, column 'contributor': a row without a value"):
            gate.submit(events_table(write(tmp_path / f"r{suffix}", rows)))


def test_a_file_says_what_is_wrong_with_it(tmp_path):
    path = tmp_path / "e.csv"
    path.write_text("prediction,id,id\na,1,2\n")
    with pytest.raises(DataError, match=r"e.csv, column 'id': two columns have this name"):
        events_table(path)
    pq.write_table(pa.table([["a"], ["b"]], ["id", "id"]), tmp_path / "e.parquet")
    with pytest.raises(DataError, match=r"e.parquet, column 'id': two columns have this name"):
        events_table(tmp_path / "e.parquet")
    path.write_text("prediction,id\na,1\nb\n")
    with pytest.raises(DataError, match=r"e.csv, row 1: 1 fields where 2 are expected"):
        events_table(path)
    path.write_text("prediction,id\n")
    assert events_table(path).num_rows == 0
