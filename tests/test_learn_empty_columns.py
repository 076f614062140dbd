"""Columns of which one is empty wherever another has a value: doses and what was measured after them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from assay import cli, scan
from assay.report.report import Report


def doses(n: int = 600) -> pa.Table:
    rng = np.random.default_rng(0)
    given = np.arange(n) % 2 == 0
    few = np.full(n, np.nan)
    few[:8] = rng.normal(size=8)
    columns = {
        "dose": np.where(given, rng.normal(size=n), np.nan),
        "level": np.where(~given, rng.normal(size=n), np.nan),
        "weight": rng.normal(size=n).round(1),
        "few": few,
        "empty": pa.array([None] * n, pa.float64()),
    }
    return pa.table({**columns, "label": np.where(rng.random(n) < 0.5, "x", "y")})


def failed(report: Report) -> list[str]:
    return [f"{c.name}: {c.reason}" for c in report.checks if c.state == "failed"]


def test_every_check_of_a_scan_runs() -> None:
    assert failed(scan(doses(), label="label", canaries=False)) == []
    numbers = doses().drop(["label"]).append_column("cost", pa.array(np.random.default_rng(1).normal(size=600)))
    assert failed(scan(numbers, label="cost", task="regression", canaries=False)) == []


def test_so_do_training_and_validation(tmp_path: Path) -> None:
    pq.write_table(doses(), tmp_path / "a.parquet")
    pq.write_table(doses(500), tmp_path / "b.parquet")
    config = (
        '[data]\npath = "a.parquet"\nlabel = "label"\n[model]\nlearner = "boosting"\n[defence]\nkind = "partitioned"\npartitions = 20\n'
    )
    (tmp_path / "train.toml").write_text('schema = "assay.train/1"\n' + config)
    assert cli.run(["train", str(tmp_path / "train.toml"), "--out", str(tmp_path / "m")]) == 0
    assert cli.run(["validate", "compare", str(tmp_path / "b.parquet"), "--trusted", str(tmp_path / "a.parquet")]) in (0, 1)
