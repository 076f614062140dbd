"""Outliers found beside PyOD, on the same numbers in one run.

    python benchmarks/outliers.py [--rows 3000] [--seeds 3] [--sets fraud,letter] [--peers ecod,iforest]

Natural outliers: the rarest class of a real table thinned to 2 % of the rows, labels hidden. Planted ones in the other rows of the same
tables, 1 %: one cell taken from another row, the farthest of ten (odd only beside the rest of its row); three cells scaled tenfold;
and, in one column, 3 % of the rows a thousandfold (units). Columns: mean AUROC, mean average precision, share flagged (a detector of PyOD
flags a tenth whatever the data).
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Callable

import numpy as np
import pyarrow as pa
from pyod.models.copod import COPOD
from pyod.models.ecod import ECOD
from pyod.models.hbos import HBOS
from pyod.models.iforest import IForest
from pyod.models.knn import KNN
from pyod.models.lof import LOF
from sklearn.metrics import average_precision_score, roc_auc_score

from assay.bench import sets as real_sets
from assay.dataset.data import Dataset
from assay.screen.combine import combine
from assay.screen.context import Context
from assay.screen.registry import SCREENS, run_screens
from assay.screen.table_values import table_values

TABLES = ("fraud", "letter", "breast_cancer", "phoneme", "pima", "spambase", "wine", "digits_table", "adult", "german_credit")
OURS = ("isolation_forest", "iqr", "robust_z", "ecod", "distance", "conditional", "units", "missing")
PEERS: dict[str, Callable[[], object]] = {
    "ecod": ECOD,
    "copod": COPOD,
    "hbos": HBOS,
    "iforest": lambda: IForest(random_state=0),
    "knn": KNN,
    "lof": LOF,
}
RARE, PLANTED = 0.02, 0.01


def natural(data: Dataset, rng: np.random.Generator) -> tuple[Dataset, np.ndarray]:
    counts = np.bincount(data.y)
    odd = np.flatnonzero(data.y == counts.argmin())
    rest = np.flatnonzero(data.y != counts.argmin())
    keep = rng.choice(odd, min(len(odd), max(round(RARE * len(rest)), 5)), replace=False)
    rows = np.sort(np.concatenate([rest, keep]))
    return data.subset(rows), np.isin(rows, keep)


def plant(data: Dataset, kind: str, rng: np.random.Generator) -> tuple[Dataset, np.ndarray]:
    table = data.table
    numeric = [
        c
        for c in data.columns.content
        if pa.types.is_floating(table.schema.field(c).type) or pa.types.is_integer(table.schema.field(c).type)
    ]
    values = {c: table.column(c).to_numpy(zero_copy_only=False).astype(float) for c in numeric}
    wide = [c for c in numeric if len(np.unique(values[c])) > 10] or numeric
    bad = np.zeros(len(data), bool)
    bad[rng.choice(len(data), max(round((3 if kind == "units" else 1) * PLANTED * len(data)), 3), replace=False)] = True
    unit = wide[int(rng.integers(len(wide)))]
    for row in np.flatnonzero(bad):
        if kind == "swap":
            column = values[wide[int(rng.integers(len(wide)))]]
            drawn = column[rng.integers(0, len(column), 10)]
            column[row] = drawn[np.nanargmax(np.abs(drawn - column[row]))] if np.isfinite(drawn - column[row]).any() else column[row]
        elif kind == "tenfold":
            for c in rng.choice(wide, min(3, len(wide)), replace=False):
                values[c][row] *= 10
        else:
            values[unit][row] *= 1000
    for c in numeric:
        table = table.set_column(table.schema.get_field_index(c), c, pa.array(values[c]))
    return data.with_content(type(data.rows)(table.select(list(data.columns.content)))), bad


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=3_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sets", default=",".join(TABLES))
    parser.add_argument("--peers", default=",".join(PEERS))
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    ours = [s for s in SCREENS if s.name in OURS]
    results: dict[tuple[str, str], list[tuple[float, float, float]]] = defaultdict(list)
    seconds: dict[str, float] = defaultdict(float)
    for chosen in (s for s in real_sets.SETS if s.name in asked.sets.split(",")):
        for seed in range(asked.seeds):
            rng = np.random.default_rng(seed)
            whole = chosen.read()
            if len(whole) > asked.rows:
                whole = whole.subset(np.sort(rng.choice(len(whole), asked.rows, replace=False)))
            for kind in ("rare class", "swap", "tenfold", "units"):
                data, bad = natural(whole, rng) if kind == "rare class" else plant(whole, kind, rng)
                found, checks = run_screens(Context(data, None, None, np.random.default_rng(seed)), ours)
                lines = [(f"assay {s.name}", s.score, s.flag) for s in found]
                both = combine(found, len(data))
                lines.append(("assay, all together", both.score, both.review))
                for check in checks:
                    seconds["assay " + check.name.removeprefix("screen:")] += check.seconds
                x = table_values(data)
                for name in asked.peers.split(","):
                    began = time.perf_counter()
                    model = PEERS[name]().fit(x)
                    seconds[f"PyOD {name}"] += time.perf_counter() - began
                    lines.append((f"PyOD {name}", np.nan_to_num(model.decision_scores_), model.labels_.astype(bool)))
                lines.append(("random", rng.random(len(data)), np.zeros(len(data), bool)))
                for name, score, flag in lines:
                    results[kind, name].append((roc_auc_score(bad, score), average_precision_score(bad, score), float(flag.mean())))
    print("| outliers | method | AUROC | AP | flagged | cells | seconds in all |\n|---|---|---|---|---|---|---|")
    for (kind, name), values in results.items():
        auroc, ap, flagged = np.mean(values, axis=0)
        print(f"| {kind} | {name} | {auroc:.3f} | {ap:.3f} | {flagged:.2%} | {len(values)} | {seconds.get(name, 0.0):.1f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
