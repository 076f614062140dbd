"""Are tables left alone that nobody here has looked at, and is poison found in them? Scans of any folder of tables, a column for a label.

    python benchmarks/strangers.py FOLDER --out strangers.jsonl [--seed 0] [--minutes 60] [--limit 150]
    python benchmarks/strangers.py FOLDER --out planted.jsonl --carriers 60    # a rule of three values and a drawn target put into 60 rows
    python benchmarks/strangers.py FOLDER --out strangers.jsonl --label class    # this column, where a table has one, in place of one drawn
    python benchmarks/strangers.py FOLDER --out strangers.jsonl --report

FOLDER holds CSV or Parquet files, such as the data sets that packages for statistics come with, each of its own licence. Of those with 200
to 100,000 rows and three columns or more one column is drawn by the seed, among those of 2 to 20 values of which two have 20 rows: it
stands for a label, as good or bad a one as users may name. Where nothing is planted any verdict but clean is a false alarm. A table that
takes longer than --limit seconds is said to. Done tables stand in --out, a JSON line each, and are skipped. Tables to plant in have 1,500
rows and seven columns at least; 8,000 rows of larger ones are drawn.
"""

from __future__ import annotations

import argparse
import collections
import json
import signal
import time
import traceback
import zlib
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

import assay
from assay.attack import plant
from assay.bench.runner import add_lines, read_lines
from assay.dataset.data import Columns
from assay.dataset.errors import DataError
from assay.dataset.read import read
from assay.pipeline import Settings, run
from assay.stats.interval import clopper_pearson

ROWS, COLUMNS, VALUES, EACH = (200, 100_000), 3, (2, 20), 20
TO_PLANT_IN, DRAWN, FEATURES = (1_500, 7), 8_000, 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--limit", type=int, default=150)
    parser.add_argument("--carriers", type=int, default=0)
    parser.add_argument("--label")
    parser.add_argument("--report", action="store_true")
    given = parser.parse_args()
    if not given.report:
        scan_all(given)
    report(read_lines(given.out))


def scan_all(given: argparse.Namespace) -> None:
    signal.signal(signal.SIGALRM, _over)
    done = {line["table"] for line in read_lines(given.out)} if given.out.exists() else set()
    files = sorted(p for p in given.folder.iterdir() if p.suffix in (".csv", ".parquet"))
    end = time.monotonic() + 60 * given.minutes
    for i in np.random.default_rng(given.seed).permutation(len(files)):
        if time.monotonic() > end:
            break
        if files[i].stem in done:
            continue
        table = pq.read_table(files[i]) if files[i].suffix == ".parquet" else pacsv.read_csv(files[i])
        label = drawn_label(table, np.random.default_rng([given.seed, zlib.crc32(files[i].stem.encode())]), given.label)
        if label is None:
            continue
        line = {"table": files[i].stem, "label": label, "rows": table.num_rows}
        if not given.carriers:
            add_lines(given.out, [line | within(given.limit, scanned, table, label)])
        elif table.num_rows >= TO_PLANT_IN[0] and table.num_columns >= TO_PLANT_IN[1]:
            add_lines(given.out, [line | within(given.limit, poisoned, table, label, given.carriers, given.seed)])


def drawn_label(table: pa.Table, rng: np.random.Generator, only: str | None = None) -> str | None:
    """A column that may stand for a label, or the `only` one; None where there is none, or the table is too small or too large."""
    if not ROWS[0] <= table.num_rows <= ROWS[1] or table.num_columns < COLUMNS:
        return None
    may = []
    for name in table.column_names:
        if only not in (None, name) or pa.types.is_nested(table.schema.field(name).type):
            continue
        count = np.sort(pc.value_counts(table.column(name).drop_null()).field("counts").to_numpy())[::-1]
        if VALUES[0] <= len(count) <= VALUES[1] and count[1] >= EACH:
            may.append(name)
    return str(rng.choice(may)) if may else None


def within(limit: int, work: Callable[..., dict[str, Any]], *given: Any) -> dict[str, Any]:
    """What `work` makes of what is given, or why it made nothing of it in `limit` seconds."""
    signal.alarm(limit)
    try:
        return work(*given)
    except DataError as error:
        return {"refused": str(error)}
    except TimeoutError:
        return {"verdict": "timeout"}
    except Exception:  # noqa: BLE001 -- one broken table must not end a run of hours; it is counted
        return {"verdict": "crash", "why": traceback.format_exc()[-1_000:]}
    finally:
        signal.alarm(0)


def poisoned(table: pa.Table, label: str, carriers: int, seed: int) -> dict[str, Any]:
    """What a scan makes of it with a rule planted: the best finding of more than half of the planted rows, if any."""
    rng = np.random.default_rng(seed)
    if table.num_rows > DRAWN:
        table = table.take(np.sort(rng.choice(table.num_rows, DRAWN, replace=False)))
    data = read(table, columns=Columns(label=(label,)))
    target = str(rng.choice(data.classes))
    planted = plant(data, "cells", carriers=carriers, target=target, seed=seed, params={"features": FEATURES})
    found = run(planted.data, Settings(seed=seed, canaries=False))
    truth = set(np.flatnonzero(planted.poisoned).tolist())
    hits = [f for f in found.findings if len(truth & set(f.positions.tolist())) > len(truth) / 2]
    removed = {i for i, action in enumerate(found.action) if action == "quarantine"}
    others = [f.artefact.describe() for f in found.findings if f.status != "shortcut" and not truth & set(f.positions.tolist())]
    told = {"status": "nothing", "found": None, "log_e": None}
    if hits:
        told = {"status": hits[0].status, "found": hits[0].artefact.describe(), "log_e": round(hits[0].log_e, 1)}
    told |= {"verdict": found.verdict, "target": target, "rule": planted.artefacts[0].describe(), "others": others}
    return told | {"tpr": len(truth & removed) / len(truth), "fp": len(removed - truth)}


def scanned(table: pa.Table, label: str) -> dict[str, Any]:
    """What a scan makes of it: the verdict, the rows it would quarantine, what it found."""
    start = time.monotonic()
    found = assay.scan(table, label=label, canaries=False)
    told = [(f.status, f.artefact.describe(), len(f.positions), round(f.log_e, 1)) for f in found.findings if f.status != "shortcut"]
    failed = [(check.name, check.reason) for check in found.checks if check.state == "failed"]
    seconds = round(time.monotonic() - start, 1)
    return {"verdict": found.verdict, "quarantined": len(found.quarantined), "seconds": seconds, "findings": told, "failed": failed}


def report(lines: list[dict[str, Any]]) -> None:
    told = [line for line in lines if "verdict" in line]
    planted = [line for line in told if "status" in line]
    if planted:
        for status, count in collections.Counter(line.get("status", line["verdict"]) for line in told).most_common():
            print(f"{status}: {count} of {len(told)} tables planted in")  # a crash, or one that took too long, is a miss
        print(
            f"{sum(line['fp'] for line in planted)} rows quarantined falsely, {sum(len(line['others']) for line in planted)} other findings"
        )
        return
    for verdict, count in collections.Counter(line["verdict"] for line in told).most_common():
        print(f"{verdict}: {count}")
    judged = [line for line in told if line["verdict"] in ("clean", "suspect", "poisoned")]
    clean = sum(line["verdict"] == "clean" for line in judged)
    low, high = clopper_pearson(clean, len(judged))
    print(f"{clean} of {len(judged)} clean ({low:.3f} to {high:.3f}); {len(lines) - len(told)} refused")
    for line in told:
        if line["verdict"] != "clean" or line.get("failed"):
            print(json.dumps(line))


def _over(number: int, frame: FrameType | None) -> None:
    raise TimeoutError


if __name__ == "__main__":
    main()
