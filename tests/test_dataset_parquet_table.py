"""Parquet files of our own: read, or refused in one line."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.dataset.errors import DataError
from assay.dataset.parquet_table import parquet_table


def test_columns_are_read_and_what_is_not_there_is_said(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"a": [1, 2], "b": ["x", "y"]}), path)
    assert parquet_table(path, ["b"], remedy="").to_pydict() == {"b": ["x", "y"]}
    assert parquet_table(path, remedy="").column_names == ["a", "b"]
    with pytest.raises(DataError, match=r"no column 'c'.*scan again"):
        parquet_table(path, ["c"], remedy="scan again")


@pytest.mark.parametrize("damage", [lambda data: data[:-3], lambda data: b"PAR1" + bytes(40), lambda data: b""])
def test_damaged_files_are_refused_with_the_remedy(tmp_path: Path, damage: object) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"a": [1, 2]}), path)
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    with pytest.raises(DataError, match=r"cannot be read.*scan again"):
        parquet_table(path, remedy="scan again")
    with pytest.raises(DataError, match="cannot be read"):
        parquet_table(tmp_path / "none.parquet", remedy="")
