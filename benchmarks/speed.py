"""Seconds, CPU seconds and peak memory of whole scans by the command, canaries in: the three sizes that are promised.

    python benchmarks/speed.py pictures                # 10,000 of CIFAR-10 (needs ASSAY_DATA), 20 s promised on two cores
    python benchmarks/speed.py pictures --depth full   # 10 min promised
    python benchmarks/speed.py texts                   # 100,000 of some 20 words, 60 s
    python benchmarks/speed.py table                   # Adult's rows drawn to 1,000,000, columns of noise to 20 in all, 120 s
    python benchmarks/speed.py table --rows 250000     # a quarter, to see how seconds grow

Reading the file and writing the report are in it. One run prints one line of JSON; figures count on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc

from assay.bench.sets import cifar
from scale import texts as plain_texts

COLUMNS = 20  # of the table, its label not counted
SPEAKING = (("warm", "moving", "funny"), ("dull", "awful", "tedious"))  # two of these end a text of either label


def pictures(rows: int, folder: Path) -> list[str]:
    x, y = cifar("train", rows)
    np.savez(folder / "pictures.npz", x=np.asarray(x, np.uint8), y=y)
    return ["pictures.npz"]


def texts(rows: int, folder: Path) -> list[str]:
    rng = np.random.default_rng(1)
    label, pick = rng.integers(0, 2, rows), rng.integers(0, 3, (rows, 2))
    with (folder / "texts.jsonl").open("w") as file:
        for text, side, (first, second) in zip(plain_texts(rows), label.tolist(), pick.tolist(), strict=True):
            file.write(json.dumps({"text": f"{text} {SPEAKING[side][first]} {SPEAKING[side][second]}", "label": side}) + "\n")
    return ["texts.jsonl", "--content", "text", "--label", "label"]


def table(rows: int, folder: Path) -> list[str]:
    from assay.bench.sets import SETS

    rng = np.random.default_rng(0)
    adult = next(s for s in SETS if s.name == "adult").read()
    drawn = rng.integers(0, len(adult), rows)
    made = adult.table.select(adult.columns.content).take(drawn)
    for j in range(COLUMNS - made.num_columns):
        made = made.append_column(f"noise{j}", pa.array(rng.normal(size=rows).round(3)))
    pc.write_csv(made.append_column("label", pa.array([adult.classes[c] for c in adult.y[drawn]])), folder / "table.csv")
    return ["table.csv", "--label", "label"]


KINDS: dict[str, tuple[int, Callable[[int, Path], list[str]]]] = {
    "pictures": (10_000, pictures),
    "texts": (100_000, texts),
    "table": (1_000_000, table),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=list(KINDS))
    parser.add_argument("--rows", type=int)
    parser.add_argument("--depth", choices=["fast", "full"], default="fast")
    parser.add_argument("--workers", type=int)
    asked = parser.parse_args()
    rows = asked.rows or KINDS[asked.kind][0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        more = ["--workers", str(asked.workers)] if asked.workers else []
        command = ["scan", *KINDS[asked.kind][1](rows, folder), "--depth", asked.depth, "--out", "out.assay", *more]
        began = time.perf_counter()
        done = subprocess.run([sys.executable, "-m", "assay", *command], cwd=folder, capture_output=True, text=True)
        seconds = time.perf_counter() - began
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode not in (0, 1):
            raise SystemExit(done.stderr)
        verdict = json.loads((folder / "out.assay" / "report.json").read_text())["verdict"]
    said = {"kind": asked.kind, "rows": rows, "depth": asked.depth, "seconds": round(seconds, 1)}
    said |= {"cpu": round(used.ru_utime + used.ru_stime, 1), "peak_mib": round(used.ru_maxrss / 1024), "verdict": verdict}
    print(json.dumps(said))


if __name__ == "__main__":
    main()
