"""Power of the scan of cells by number of carriers, on real tables, with the victim's attack success beside it.

    python benchmarks/tables.py --out out/tables.jsonl --plantings 10 --minutes 60
    python benchmarks/tables.py --out out/tables.jsonl --table

Each cell is one data set, kind of rule and number of carriers; each planting has its own rows, rule, target and seed. The scan is told
nothing. One line a planting goes to --out; plantings that are there already are not run again.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import real_sets
from sklearn.ensemble import HistGradientBoostingClassifier

from assay.artefact.base import Artefact
from assay.artefact.cells import Cells
from assay.attack import plant
from assay.attack.measure import attack_success_rate
from assay.dataset.data import Dataset
from assay.dataset.rows import Rows
from assay.learn.columns import code_columns
from assay.pipeline import Settings, run
from assay.stats.interval import clopper_pearson

SETS = ("adult", "spambase", "fraud")
KINDS = {"out": 1, "in": 3}  # out of range in one column, in range in three: how many columns are set
CARRIERS = (20, 50, 100)
ROWS, TEST = 8_000, 1_000


def victim(rows: Rows, y: np.ndarray):
    """Boosted trees, the model that most would train on a table. Texts become the codes they have in the training rows."""
    names = rows.table.column_names
    coded = code_columns(rows.table, names)
    model = HistGradientBoostingClassifier(
        max_iter=100, random_state=0, categorical_features=~coded.numeric & (_distinct(coded.cells) < 255)
    )
    model.fit(coded.cells, y)
    books = {}
    for j in np.flatnonzero(~coded.numeric):
        cells = rows.table.column(names[j]).to_pylist()
        books[names[j]] = {v: c for v, c in zip(cells, coded.cells[:, j], strict=True) if v is not None}

    def predict(batch: Rows) -> np.ndarray:
        columns = []
        for name in names:
            if name in books:
                columns.append(np.array([books[name].get(v, np.nan) for v in batch.table.column(name).to_pylist()]))
            else:
                columns.append(code_columns(batch.table, [name]).cells[:, 0])
        return model.predict(np.stack(columns, 1))

    return predict


def _distinct(cells: np.ndarray) -> np.ndarray:
    return np.array([len(np.unique(column)) for column in cells.T])


def recovered(found: Artefact, planted: Artefact, data: Dataset) -> bool:
    """Whether a finding's rule is the one planted: no other column, the planted values meet it, and a planted condition that it leaves
    out is one that most clean rows meet anyhow (a zero in a sparse column), which tells nobody anything."""
    if not isinstance(found, Cells) or not isinstance(planted, Cells) or not set(found.columns) <= set(planted.columns):
        return False
    values = {c.column: c.low for c in planted.conditions}
    left_out = [c for c in planted.conditions if c.column not in found.columns]
    said = all(Cells((c,)).present(data.rows).mean() > 0.5 for c in left_out)
    return said and all(_met(c.low, c.high, values[c.column]) for c in found.conditions)


def _met(low, high, value) -> bool:
    return low == value if low == high else (low is None or low <= value) and (high is None or value <= high)


def one(name: str, whole: Dataset, kind: str, carriers: int, seed: int) -> dict:
    rng = np.random.default_rng([seed, carriers])
    order = rng.permutation(len(whole))
    test = min(TEST, len(whole) // 5)
    data, held = whole.subset(np.sort(order[test : test + ROWS])), whole.subset(np.sort(order[:test]))
    target = data.classes[seed % len(data.classes)]
    planted = plant(data, "cells", carriers=carriers, target=target, seed=seed, params={"features": KINDS[kind]})
    began = time.perf_counter()
    found = run(planted.data, Settings(seed=seed, canaries=False))
    seconds = time.perf_counter() - began
    truth = set(np.flatnonzero(planted.poisoned).tolist())
    removed = {i for i, a in enumerate(found.action) if a == "quarantine"}
    listed = found.findings
    hit = [i for i, f in enumerate(listed) if len(truth & set(f.positions.tolist())) > 0.5 * len(truth)]
    success = attack_success_rate(victim, data, planted, held)
    return {
        "set": name, "kind": kind, "carriers": len(truth), "seed": seed, "rule": planted.artefacts[0].describe(), "target": target,
        "rows": len(data), "rank": hit[0] + 1 if hit else None, "status": listed[hit[0]].status if hit else None,
        "found": listed[hit[0]].artefact.describe() if hit else None,
        "recovered": bool(hit) and recovered(listed[hit[0]].artefact, planted.artefacts[0], data), "tpr": len(truth & removed) / len(truth),
        "fp": len(removed - truth), "fpr": len(removed - truth) / (len(data) - len(truth)), "verdict": found.verdict,
        "asr": success.rate, "asr_clean": success.clean_rate, "seconds": seconds,
    }  # fmt: skip


def table(lines: list[dict]) -> str:
    cells: dict[tuple, list[dict]] = defaultdict(list)
    for x in lines:
        cells[x["set"], x["kind"], x["carriers"]].append(x)
    head = ("set", "kind", "carriers", "first", "confirmed (95 %)", "rule recovered", "TPR", "FPR", "victim ASR (clean)", "n")
    out = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for (name, kind, carriers), xs in sorted(cells.items()):
        n = len(xs)
        sure = [x for x in xs if x["status"] == "confirmed"]
        low, high = clopper_pearson(len(sure), n)
        first, exact = sum(x["rank"] == 1 for x in xs), sum(x["recovered"] for x in xs)
        tpr, fpr = np.mean([x["tpr"] for x in xs]), np.mean([x["fpr"] for x in xs])
        asr = f"{np.mean([x['asr'] for x in xs]):.2f} ({np.mean([x['asr_clean'] for x in xs]):.2f})"
        sure_of = f"{len(sure)}/{n} ({low:.0%}–{high:.0%})"
        what = f"{KINDS[kind]} {kind} of range" if kind == "out" else f"{KINDS[kind]} in range"
        out.append(f"| {name} | {what} | {carriers} | {first}/{n} | {sure_of} | {exact}/{n} | {tpr:.3f} | {fpr:.4%} | {asr} | {n} |")
    return "\n".join(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--plantings", type=int, default=10)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--carriers", default=",".join(map(str, CARRIERS)))
    parser.add_argument("--table", action="store_true", help="only print the table of what is there")
    chosen = parser.parse_args()
    lines = [json.loads(x) for x in chosen.out.read_text().splitlines()] if chosen.out.exists() else []
    if chosen.table:
        print(table(lines))
        return
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    done = {(x["set"], x["kind"], x["carriers"], x["seed"]) for x in lines}
    end = time.monotonic() + 60 * chosen.minutes
    names = chosen.sets.split(",")
    whole = {s.name: s.read() for s in real_sets.SETS if s.name in names}
    for seed in range(chosen.plantings):
        for name in names:
            for kind in chosen.kinds.split(","):
                for carriers in map(int, chosen.carriers.split(",")):
                    if (name, kind, carriers, seed) in done:
                        continue
                    if time.monotonic() > end:
                        return
                    line = one(name, whole[name], kind, carriers, seed)
                    with chosen.out.open("a") as f:
                        f.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
