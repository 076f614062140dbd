"""Clusters in real pictures: poison that shares no pixels, and clean controls, with the victim's attack success beside on request.

    python benchmarks/clusters.py cifar10 wanet --rate .1 --rows 4000 --seeds 0,1 [--victim]
    python benchmarks/clusters.py gtsrb clean --rows 4000 --seeds 0,1

Rows, target and attack are drawn by the seed, as in `assay bench`. The family is told nothing; its e-values are held to a seventh of
alpha = 0.01, its share where seven families enumerate. One JSON line a seed: every group with a status or a log e-value above -1, with the
share of the poison that it accuses and of the clean rows.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np

from assay.attack.measure import success
from assay.bench.case import Cell, make_case
from assay.bench.sets import SETS
from assay.trial.clusters import ClusterFamily
from assay.trial.family import silent
from assay.trial.verdicts import judge_all, members

ALPHA, FAMILIES = 0.01, 7


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("set")
    parser.add_argument("attack")
    parser.add_argument("--rate", type=float)
    parser.add_argument("--rows", type=int, default=4_000)
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--params", type=json.loads, default={})
    parser.add_argument("--victim", action="store_true")
    given = parser.parse_args()
    whole = next(s for s in SETS if s.name == given.set).read()
    for seed in map(int, given.seeds.split(",")):
        attack = "" if given.attack == "clean" else given.attack
        case = make_case(Cell(given.set, given.rows, attack, rate=given.rate, params=given.params, seed=seed), whole)
        began, poisoned = time.perf_counter(), case.poisoned
        examined = ClusterFamily().examine(case.data, "full", np.random.default_rng(seed), silent)
        line: dict[str, object] = {
            "set": given.set,
            "attack": given.attack,
            "rate": given.rate,
            "seed": seed,
            "poison": int(poisoned.sum()),
        }
        line["seconds"] = round(time.perf_counter() - began)
        groups = []
        for judged in judge_all({"cluster": examined}, ALPHA / FAMILIES):
            rows = members(case.data, judged.tried)
            if judged.status is None and judged.tried.log_e < -1:
                continue
            groups.append({
                "status": judged.status,
                "label": judged.tried.target,
                "aimed": judged.tried.target == case.target,
                "log_e": round(judged.tried.log_e, 1),
                "rows": len(rows),
                "tpr": round(float(poisoned[rows].sum() / max(poisoned.sum(), 1)), 3),
                "fpr": round(float((~poisoned[rows]).sum() / (~poisoned).sum()), 4),
                "leave_out": judged.tried.trials[-1].detail,
            })  # fmt: skip
        line["groups"] = groups
        if given.victim and case.planted is not None:
            predict = case.victim.predict
            line["asr"] = round(success(predict, predict, case.planted, case.test, case.rng(2)).rate, 3)
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
