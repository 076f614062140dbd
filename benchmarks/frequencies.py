"""Overlays of a few frequencies in real pictures (SIG, FTrojan, low-frequency), clean-label or not, and clean controls.

    python benchmarks/frequencies.py cifar10 sig --rate .02 --rows 5000 --seeds 0,1,2 [--victim]
    python benchmarks/frequencies.py gtsrb clean --rows 5000 --seeds 0,1,2 [--variant watermarked] [--linear]

Rows, target and attack are drawn by the seed, as in `assay bench`. The family is told nothing and runs at depth full; its e-values are held
to a seventh of alpha = 0.01, its share where seven families enumerate. One JSON line a seed: every finding that is confirmed or suspected,
with the share of the poison that it accuses and of the clean rows; "templates": how many were mined and tried. --linear: no network is
asked what pictures say, as where torch is not installed. --variant: a clean set changed as `benchmarks/clean.py` changes it.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np

from assay.attack.measure import success
from assay.bench.case import Cell, make_case
from assay.bench.sets import SETS
from assay.learn import images_net
from assay.trial.family import silent
from assay.trial.overlays import OverlayFamily
from assay.trial.verdicts import judge_all, members
from clean import VARIANTS

ALPHA, FAMILIES = 0.01, 7


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set")
    parser.add_argument("attack")
    parser.add_argument("--rate", type=float)
    parser.add_argument("--rows", type=int, default=5_000)
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--params", type=json.loads, default={})
    parser.add_argument("--victim", action="store_true")
    parser.add_argument("--linear", action="store_true")
    parser.add_argument("--variant", choices=tuple(VARIANTS))
    given = parser.parse_args()
    if given.linear:
        images_net.installed = lambda: False
    whole = next(s for s in SETS if s.name == given.set).read()
    for seed in map(int, given.seeds.split(",")):
        attack = "" if given.attack == "clean" else given.attack
        case = make_case(Cell(given.set, given.rows, attack, rate=given.rate, params=given.params, seed=seed), whole)
        if given.variant:
            case.clean = VARIANTS[given.variant][0](case.clean, np.random.default_rng([seed, 9]))
        poisoned, began = case.poisoned, time.perf_counter()
        examined = OverlayFamily().examine(case.data, "full", np.random.default_rng(seed), silent)
        line: dict[str, object] = {
            "set": given.set, "attack": given.attack, "rate": given.rate, "rows": len(case.data), "variant": given.variant, "seed": seed,
            "poison": int(poisoned.sum()), "seconds": round(time.perf_counter() - began), "templates": examined.enumerated,
        }  # fmt: skip
        findings = []
        for judged in judge_all({"overlay": examined}, ALPHA / FAMILIES):
            if judged.status not in ("confirmed", "suspected"):
                continue
            rows = members(case.data, judged.tried)
            findings.append({
                "status": judged.status,
                "aimed": judged.tried.target == case.target,
                "log_e": round(judged.tried.log_e, 1) if np.isfinite(judged.tried.log_e) else None,
                "rows": len(rows),
                "tpr": round(float(poisoned[rows].sum() / max(poisoned.sum(), 1)), 3),
                "fpr": round(float((~poisoned[rows]).sum() / (~poisoned).sum()), 5),
                "said": judged.tried.trials[-1].detail,
            })  # fmt: skip
        line["findings"] = findings
        if given.victim and case.planted is not None:
            predict = case.victim.predict
            line["asr"] = round(success(predict, predict, case.planted, case.test, case.rng(2)).rate, 3)
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
