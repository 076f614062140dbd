"""Rules planted in tables, looked for in boosted trees: the attack's success, what is found, and p.

python benchmarks/tree_rules.py spambase letter --seeds 2
"""

from __future__ import annotations

import argparse

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from assay.attack import plant
from assay.bench.sets import SETS
from assay.dataset.data import Dataset
from assay.learn.columns import code_columns
from assay.model.rules import find_rules
from assay.model.trees import of_estimator

TRAIN, TEST, RATE, TREES = 3000, 800, 0.02, 40


def cells(data: Dataset) -> tuple[np.ndarray, list[str]]:
    coded = code_columns(data.table, list(data.columns.content))
    return np.nan_to_num(coded.cells), list(coded.names)


def one(whole: Dataset, features: int, seed: int) -> str:
    """`features` 0: clean."""
    order = np.random.default_rng(seed).permutation(len(whole))
    count = min(TRAIN, len(whole) * 3 // 4)
    train, test = whole.subset(np.sort(order[:count])), whole.subset(np.sort(order[count : count + TEST]))
    planted = plant(train, "cells", rate=RATE, seed=seed, params={"features": features}) if features else None
    data = train if planted is None else planted.data
    x, names = cells(data)
    model = HistGradientBoostingClassifier(max_iter=TREES, random_state=0).fit(x, data.y)
    fresh, _ = cells(test)
    found = find_rules(of_estimator(model), fresh, np.random.default_rng(0))
    told = "clean"
    if planted is not None:
        trigger = planted.triggers[0]
        others = fresh[test.y != trigger.target].copy()
        for condition in trigger.artefact.conditions:
            others[:, names.index(condition.column)] = condition.low
        columns = sorted(c.column for c in trigger.artefact.conditions)
        told = f"{columns} to {trigger.target}, success {(model.predict(others) == trigger.target).mean():.2f}"
    best = found.best if found.singles or found.several else None
    said = "nothing" if best is None else f"{sorted(names[c] for c in best.values)} to {best.target}, success {best.success:.2f}"
    return f"p {found.p:.2g}; planted: {told}; found: {said}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+")
    parser.add_argument("--seeds", type=int, default=1)
    given = parser.parse_args()
    for name in given.sets:
        whole = next(s for s in SETS if s.name == name).read()
        for seed in range(given.seeds):
            for features in (0, 1, 3):
                print(f"{name} seed {seed}: {one(whole, features, seed)}", flush=True)


if __name__ == "__main__":
    main()
