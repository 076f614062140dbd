"""Seconds of validation and of every screen on a large CSV file of numbers and categories: wall, and CPU where others compute too.

    python benchmarks/rows_speed.py [--rows 1000000] [--columns 30] [--screens ecod,conditional]

One run, made data: two thirds of the columns are numbers that hang together, one third categories, a label of two classes.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc

from assay.dataset.data import Columns
from assay.dataset.read import read
from assay.screen.context import Context
from assay.screen.registry import SCREENS, run_screens
from assay.screen.table_values import table_values
from assay.validate.check import check_expectations
from assay.validate.infer import infer_expectations


def made(rows: int, columns: int, rng: np.random.Generator) -> pa.Table:
    cause = rng.normal(size=(rows, 3))
    table = {}
    for j in range(columns - 1):
        if j % 3 == 2:
            table[f"c{j}"] = pa.array(rng.integers(0, 4 + 2 * j, rows)).cast(pa.string())
        else:
            table[f"x{j}"] = np.round(cause[:, j % 3] + 0.5 * rng.normal(size=rows), 4)
    table["label"] = np.where(cause[:, 0] + rng.normal(size=rows) > 0, "yes", "no")
    return pa.table(table)


def clock() -> tuple[float, float]:
    """Wall and CPU seconds."""
    return time.perf_counter(), time.process_time()


def since(began: tuple[float, float]) -> str:
    wall, cpu = clock()
    return f"{wall - began[0]:.1f} s ({cpu - began[1]:.1f} CPU)"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=30)
    parser.add_argument("--screens", default=",".join(s.name for s in SCREENS))
    asked = parser.parse_args()
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.csv"
        pc.write_csv(made(asked.rows, asked.columns, rng), path)
        print(f"{asked.rows:,} x {asked.columns}, {path.stat().st_size / 1e6:.0f} MB as CSV")
        began = clock()
        data = read(path, columns=Columns(label=("label",)))
        print(f"  read: {since(began)}", flush=True)
    began = clock()
    rules = infer_expectations(data.subset(np.arange(asked.rows // 2)))
    print(f"  validate infer on half: {since(began)}", flush=True)
    began = clock()
    found = check_expectations(data, rules)
    print(f"  validate check: {since(began)}, {len(found.violations)} violations", flush=True)
    features = table_values(data).astype(np.float32)[:, :20]
    probabilities = np.clip(rng.random((len(data), 2)), 0.01, 1)
    context = Context(data, probabilities / probabilities.sum(axis=1, keepdims=True), features, rng)
    began = clock()
    for screen in (s for s in SCREENS if s.name in asked.screens.split(",")):
        start = clock()
        _, checks = run_screens(context, [screen])
        print(f"  {checks[0].name}: {checks[0].state}, {since(start)}", flush=True)
    print(f"  all screens: {since(began)}; peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
