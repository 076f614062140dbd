"""Power of the scan of cells by number of carriers, on real tables, with the victim's attack success beside it.

    python benchmarks/tables.py --out out/tables.jsonl --plantings 10 --minutes 60
    python benchmarks/tables.py --out out/tables.jsonl --sets adult --rows 0 --rates 0.0005,0.001,0.005,0.01
    python benchmarks/tables.py --out out/cells.jsonl --plantings 3 --rows 4000 --alone
    python benchmarks/tables.py --out out/cells.jsonl --table

With --alone it is the family of cells by itself, held to the share of alpha that it has in a whole scan, without a victim; that is several
times as fast, and nothing else in a scan looks for rules. `clean` plants nothing: how often is a clean table accused?

Each cell is one data set, kind of rule and number (or rate) of carriers; each planting has its own rows, rule, target and seed. The scan
is told nothing. One line a planting goes to --out; plantings that are there already are not run again. Clean-label rules (`rare`,
`combined`) can be suspected at most, and that is what counts as caught.
"""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from assay.artefact.base import Artefact
from assay.artefact.cells import Cells
from assay.attack import plant
from assay.attack.cells import numeric_columns
from assay.attack.measure import attack_success_rate
from assay.bench import sets as real_sets
from assay.bench.runner import add_lines
from assay.dataset.data import Dataset
from assay.dataset.rows import Rows
from assay.finding import Finding
from assay.learn.columns import code_columns
from assay.pipeline import Settings, run
from assay.stats.interval import clopper_pearson
from assay.trial.cells import CellsFamily
from assay.trial.family import silent
from assay.trial.registry import families
from assay.trial.verdicts import findings_of, judge_all
from plantings import options, there_already

SETS = ("adult", "spambase", "fraud")
KINDS: dict[str, tuple[str, str, dict[str, Any]]] = {  # in words, the attack, what it is told
    "out": ("1 out of range", "cells", {"features": 1}),
    "in": ("3 in range", "cells", {"features": 3}),
    "noisy-out": ("1 out of range, noisy", "noisy-cells", {"features": 1}),
    "noisy-in": ("3 in range, noisy", "noisy-cells", {"features": 3}),
    "rare": ("8 guided, rare, clean-label", "guided-cells", {"choose": "rare"}),
    "combined": ("8 guided, combined, clean-label", "guided-cells", {"choose": "combined"}),
}
CLEAN_LABEL = ("rare", "combined")
NOTHING = "clean"  # a kind of which one seed is one table, whatever the numbers of carriers
GUIDED_FEATURES = 8  # or as many as there are columns of numbers
CARRIERS = (10, 20, 50, 100)
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


def scanned(data: Dataset, seed: int, alone: bool) -> tuple[tuple[Finding, ...], set[int], str]:
    """What is found, the rows to quarantine, and the verdict; `alone`: by the family of cells and its share of alpha."""
    settings = Settings(seed=seed, canaries=False)
    if not alone:
        found = run(data, settings)
        return found.findings, {i for i, a in enumerate(found.action) if a == "quarantine"}, found.verdict
    number = sum(f.applicable(data, settings.depth).state == "ran" for f in families())
    examined = CellsFamily().examine(data, settings.depth, np.random.default_rng([seed, 1]), silent)
    listed = findings_of({"cells": data}, judge_all({"cells": examined}, settings.alpha / number))
    sure = {int(p) for f in listed if f.status == "confirmed" for p in f.positions}
    return listed, sure, "poisoned" if sure else "suspect" if any(f.status == "suspected" for f in listed) else "clean"


def one(name: str, whole: Dataset, kind: str, carriers: int, seed: int, rows: int, alone: bool) -> dict:
    rng = np.random.default_rng([seed, carriers])
    order = rng.permutation(len(whole))
    test = min(TEST, len(whole) // 5)
    data, held = whole.subset(np.sort(order[test : test + rows])), whole.subset(np.sort(order[:test]))
    line: dict[str, Any] = {"set": name, "rows": len(data), "kind": kind, "carriers": carriers, "seed": seed, "alone": alone}
    if kind == NOTHING:
        began = time.perf_counter()
        listed, removed, verdict = scanned(data, seed, alone)
        false = sum(f.status != "shortcut" for f in listed)
        return line | {
            "fp": len(removed), "fpr": len(removed) / len(data), "false_findings": false, "verdict": verdict,
            "found": [f.artefact.describe() for f in listed if f.status != "shortcut"], "seconds": time.perf_counter() - began,
        }  # fmt: skip
    target = data.classes[seed % len(data.classes)]
    _, attack, params = KINDS[kind]
    if kind in CLEAN_LABEL:
        params = {**params, "features": min(GUIDED_FEATURES, len(numeric_columns(data, inside=False)))}
    planted = plant(data, attack, carriers=carriers, target=target, seed=seed, params=params)
    began = time.perf_counter()
    listed, removed, verdict = scanned(planted.data, seed, alone)
    seconds = time.perf_counter() - began
    truth = set(np.flatnonzero(planted.poisoned).tolist())
    named = {int(p) for f in listed if f.status == "suspected" for p in f.positions}
    hit = [i for i, f in enumerate(listed) if len(truth & set(f.positions.tolist())) > 0.5 * len(truth)]
    success = None if alone else attack_success_rate(victim, data, planted, held)
    return line | {
        "carriers": len(truth), "rule": planted.artefacts[0].describe(), "target": target,
        "rank": hit[0] + 1 if hit else None, "status": listed[hit[0]].status if hit else None,
        "found": listed[hit[0]].artefact.describe() if hit else None,
        "recovered": bool(hit) and recovered(listed[hit[0]].artefact, planted.artefacts[0], data), "tpr": len(truth & removed) / len(truth),
        "fp": len(removed - truth), "fpr": len(removed - truth) / (len(data) - len(truth)),
        "suspected_tpr": len(truth & named) / len(truth), "suspected_fp": len(named - truth),
        "false_findings": sum(f.status != "shortcut" and not truth & set(f.positions.tolist()) for f in listed),
        "verdict": verdict, "asr": success and success.rate, "asr_clean": success and success.clean_rate, "seconds": seconds,
    }  # fmt: skip


HEAD = ("set", "rows", "kind", "carriers", "first", "confirmed (95 %)", "suspected", "rule recovered", "TPR", "FPR", "victim ASR (clean)")


def table(lines: list[dict]) -> str:
    cells: dict[tuple, list[dict]] = defaultdict(list)
    for x in lines:
        if x["kind"] != NOTHING:
            cells[x["set"], x["rows"], x["kind"], x["carriers"]].append(x)
    out = [f"| {' | '.join(HEAD)} |", "|" + "---|" * len(HEAD)]
    for (name, rows, kind, carriers), xs in sorted(cells.items(), key=lambda c: (c[0][0], c[0][1], list(KINDS).index(c[0][2]), c[0][3])):
        n = len(xs)
        sure = [x for x in xs if x["status"] == "confirmed"]
        low, high = clopper_pearson(len(sure), n)
        first, exact = sum(x["rank"] == 1 for x in xs), sum(x["recovered"] for x in xs)
        tpr, fpr = np.mean([x["suspected_tpr" if kind in CLEAN_LABEL else "tpr"] for x in xs]), np.mean([x["fpr"] for x in xs])
        asr = "–" if xs[0]["alone"] else f"{np.mean([x['asr'] for x in xs]):.2f} ({np.mean([x['asr_clean'] for x in xs]):.2f})"
        sure_of = f"{len(sure)}/{n} ({low:.0%}–{high:.0%})"
        guess = sum(x["status"] == "suspected" for x in xs)
        cells_of = (name, f"{rows:,}", KINDS[kind][0], carriers, f"{first}/{n}", sure_of, f"{guess}/{n}", f"{exact}/{n}", f"{tpr:.3f}")
        out.append(f"| {' | '.join(map(str, cells_of))} | {fpr:.4%} | {asr} |")
    clean = [x for x in lines if x["kind"] == NOTHING]
    if clean:
        accused = [f"{x['set']} {x['rows']:,}, seed {x['seed']}: {', '.join(x['found'])}" for x in clean if x["false_findings"]]
        low, high = clopper_pearson(len(accused), len(clean))
        out += ["", f"Clean tables accused: {len(accused)} of {len(clean)} ({low:.0%}–{high:.0%}). {'; '.join(accused)}"]
    return "\n".join(out)


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--kinds", default=",".join(KINDS), help=f"and {NOTHING!r}")
    parser.add_argument("--carriers", default=",".join(map(str, CARRIERS)))
    parser.add_argument("--rates", default="", help="instead of --carriers: shares of the rows")
    parser.add_argument("--rows", type=int, default=ROWS, help="rows of each set at most; 0: all but the test rows")
    parser.add_argument("--alone", action="store_true", help="the family of cells by itself")
    chosen = parser.parse_args()
    done = there_already(chosen, table, "set", "rows", "kind", "carriers", "seed", "alone")
    end = time.monotonic() + 60 * chosen.minutes
    names = chosen.sets.split(",")
    whole = {s.name: s.read() for s in real_sets.SETS if s.name in names}
    for seed in range(chosen.plantings):
        for name in names:
            left = len(whole[name]) - min(TEST, len(whole[name]) // 5)
            rows = min(left, chosen.rows) if chosen.rows else left
            many = (
                [round(float(r) * rows) for r in chosen.rates.split(",")] if chosen.rates else [int(c) for c in chosen.carriers.split(",")]
            )
            for kind in chosen.kinds.split(","):
                for carriers in [0] if kind == NOTHING else many:
                    if (name, rows, kind, carriers, seed, chosen.alone) in done:
                        continue
                    if time.monotonic() > end:
                        return
                    add_lines(chosen.out, [one(name, whole[name], kind, carriers, seed, rows, chosen.alone)])


if __name__ == "__main__":
    main()
