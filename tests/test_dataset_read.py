"""Reading tables and text: the same records in any format, roles inferred and said, faults named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from sklearn.datasets import load_iris

from assay.dataset.data import Columns
from assay.dataset.errors import DataError
from assay.dataset.read import read


def iris() -> pa.Table:
    data = load_iris()
    columns = {name: data.data[:, i] for i, name in enumerate(data.feature_names)}
    return pa.table({**columns, "species": [data.target_names[y] for y in data.target]})


def messages(n: int = 60) -> pa.Table:
    texts = [f'line {i}: she said "well, {i}"\nand left' for i in range(n)]
    return pa.table({"text": texts, "label": ["ham" if i % 3 else "spam" for i in range(n)], "length": [len(t) for t in texts]})


@pytest.mark.parametrize("make", [iris, messages])
def test_same_records_have_the_same_fingerprint_in_every_table_format(tmp_path: Path, make) -> None:  # type: ignore[no-untyped-def]
    table = make()
    pq.write_table(table, tmp_path / "a.parquet")
    pa_csv.write_csv(table, tmp_path / "a.csv")
    table.to_pandas().to_csv(tmp_path / "a.tsv", sep="\t", index=False)
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()), encoding="utf-8")
    read_all = [read(tmp_path / f"a.{suffix}") for suffix in ("parquet", "csv", "tsv", "jsonl")]
    assert len({data.fingerprint for data in read_all}) == 1
    assert all(np.array_equal(data.digest, read_all[0].digest) for data in read_all)
    assert [data.format for data in read_all] == ["parquet", "csv", "csv", "jsonl"]


def test_roles_are_inferred_and_said(tmp_path: Path) -> None:
    pq.write_table(iris(), tmp_path / "a.parquet")
    data = read(tmp_path / "a.parquet")
    assert (data.modality, data.task, data.columns.label) == ("table", "classification", ("species",))
    assert data.classes == ("setosa", "versicolor", "virginica")
    assert any("'species' is taken for the label" in note for note in data.notes)
    assert len(data.rows) == len(data) == 150


def test_a_named_column_that_is_not_there_lists_those_that_are(tmp_path: Path) -> None:
    pq.write_table(iris(), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"no column 'kind'.*Remedy: name one of the columns.*species"):
        read(tmp_path / "a.parquet", columns=Columns(label=("kind",)))
