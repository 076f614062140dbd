"""Power against a trigger put into rows of any class, some of which have the target's label already.

    python benchmarks/any_class.py --out out/any_class.jsonl --sets sms,adult --plantings 2 --minutes 12
    python benchmarks/any_class.py --out out/any_class.jsonl --table

A cell is a set, a number of carriers and the share of them that had the target's label by themselves (0: the usual planting, which
takes rows of other labels alone). Each planting has its own rows, trigger and target; the scan is told nothing. A phrase in texts, one
cell out of range in tables, a 3x3 corner in pictures. Two rates of truth: of rows whose label was changed, and of all rows that carry the
trigger; a row that does not carry it is false. `--without` leaves the trial of two kinds out, as it was before there was one.
"""

from __future__ import annotations

import time
import zlib
from collections import defaultdict
from contextlib import nullcontext
from typing import Any
from unittest import mock

import numpy as np
import pyarrow as pa

from assay.attack.registry import attack as by_kind
from assay.bench import sets as real_sets
from assay.bench.natural import rebuilt
from assay.bench.runner import add_lines
from assay.dataset.data import Dataset
from assay.pipeline import Settings, run
from plantings import options, there_already

ROWS = {"sst2": 4_000, "adult": 8_000, "ag_news": 7_000, "gtsrb": 4_000, "cifar10": 4_000}  # else at most:
MOST_ROWS = 6_000
SETS = "sms,sst2,ag_news,adult"
CARRIERS, SHARES = "20,50,100", "0,0.3,0.5,0.6,0.8"
KINDS = {"text": "phrase", "table": "cells", "image": "patch"}


def planted(data: Dataset, carriers: int, share: float, seed: int) -> tuple[Dataset, np.ndarray, np.ndarray, int]:
    """A copy with the trigger; the rows that carry it, those of them that were relabelled, and the target."""
    rng = np.random.default_rng([carriers, int(share * 10), seed])
    attack = by_kind(KINDS[data.modality])
    made = attack.make(data, 1, rng, attack.settle({}))[0]
    target = seed % len(data.classes)
    free = ~made.artefact.present(data.rows)
    own, rest = (np.flatnonzero(free & ((data.y == target) == same) & (data.y >= 0)) for same in (True, False))
    cover = min(round(share * carriers), len(own) // 2)
    rows = np.sort(np.r_[rng.choice(own, cover, replace=False), rng.choice(rest, carriers - cover, replace=False)])
    stamped = made.stamp(data.subset(rows).rows, rng)
    y = data.y.copy()
    y[rows] = target
    return data.with_content(_with(data, rows, stamped), y), rows, rows[data.y[rows] != target], target


def _with(data: Dataset, rows: np.ndarray, stamped: Any) -> Any:
    if data.images is not None:
        images = data.images.copy()
        images[rows] = stamped.images
        return type(stamped)(data.rows.table, images)
    table = data.rows.table
    columns = {}
    for name in table.column_names:
        values = table.column(name).to_pylist()
        for row, value in zip(rows, stamped.table.column(name).to_pylist(), strict=True):
            values[row] = value
        columns[name] = pa.array(values)
    return type(stamped)(pa.table(columns), None)


def one(name: str, whole: Dataset, carriers: int, share: float, seed: int, without: bool) -> dict[str, Any]:
    rng = np.random.default_rng([zlib.crc32(name.encode()), seed, 77])
    size = min(ROWS.get(name, MOST_ROWS), len(whole))
    data, rows, relabelled, target = planted(
        rebuilt(whole.subset(np.sort(rng.choice(len(whole), size, replace=False)))), carriers, share, seed
    )
    silent = mock.patch("assay.trial.acquittal.two_kinds", return_value=-np.inf) if without else nullcontext()
    began = time.perf_counter()
    with silent:
        found = run(data, Settings(seed=seed, canaries=False))
    removed = np.array([a == "quarantine" for a in found.action])
    return {
        "set": name, "wanted": carriers, "share": share, "seed": seed, "without": without, "target": data.classes[target],
        "rows": len(data), "carriers": len(rows), "relabelled": len(relabelled), "verdict": found.verdict,
        "confirmed": any(f.status == "confirmed" and np.isin(f.positions, rows).mean() > 0.5 for f in found.findings),
        "tpr_relabelled": float(removed[relabelled].mean()), "tpr_carriers": float(removed[rows].mean()),
        "fp": int(removed.sum() - removed[rows].sum()), "seconds": time.perf_counter() - began,
    }  # fmt: skip


def table(lines: list[dict[str, Any]]) -> str:
    cells: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for x in lines:
        cells[x["set"], x["wanted"], x["share"], x["without"]].append(x)
    head = ("set", "carriers", "had the label", "trial", "confirmed", "of relabelled rows", "of all carriers", "false rows")
    out = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for (name, carriers, share, without), xs in sorted(cells.items()):
        relabelled, carrying = (np.mean([x[f"tpr_{whose}"] for x in xs]) for whose in ("relabelled", "carriers"))
        found = f"{sum(x['confirmed'] for x in xs)} of {len(xs)} | {relabelled:.3f} | {carrying:.3f} | {sum(x['fp'] for x in xs)}"
        out.append(f"| {name} | {carriers} | {share:.0%} | {'without' if without else 'with'} | {found} |")
    return "\n".join(out)


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--sets", default=SETS)
    parser.add_argument("--carriers", default=CARRIERS)
    parser.add_argument("--shares", default=SHARES)
    parser.add_argument("--without", action="store_true", help="leave the trial of two kinds out")
    chosen = parser.parse_args()
    done = there_already(chosen, table, "set", "wanted", "share", "seed", "without")
    end = time.monotonic() + 60 * chosen.minutes
    names = chosen.sets.split(",")
    whole = {s.name: s.read() for s in real_sets.SETS if s.name in names}
    for seed in range(chosen.plantings):
        for name in names:
            for carriers in map(int, chosen.carriers.split(",")):
                for share in map(float, chosen.shares.split(",")):
                    if (name, carriers, share, seed, chosen.without) in done:
                        continue
                    if time.monotonic() > end:
                        return
                    add_lines(chosen.out, [one(name, whole[name], carriers, share, seed, chosen.without)])


if __name__ == "__main__":
    main()
