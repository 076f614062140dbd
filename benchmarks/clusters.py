"""Clusters in real pictures: poison that shares no pixels, and clean controls, with the victim's attack success beside on request.

    python benchmarks/clusters.py cifar10 wanet --rate .1 --rows 4000 --seeds 0,1 [--victim]
    python benchmarks/clusters.py gtsrb clean --rows 4000 --seeds 0,1

Rows, target and attack are drawn by the seed, as in `assay bench`. The family is told nothing; its e-values are held to a seventh of
alpha = 0.01, its share where seven families enumerate. One JSON line a seed: every group with a status or a log e-value above -1, with the
share of the poison that it accuses and of the clean rows.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from assay.trial.clusters import ClusterFamily
from assay.trial.family import silent
from assay.trial.verdicts import members
from one_family import arguments, cases, say, shares, verdicts


def main() -> None:
    given = arguments(4_000, str(__doc__)).parse_args()
    for seed, case in cases(given):
        began, poisoned = time.perf_counter(), case.poisoned
        examined = ClusterFamily().examine(case.data, "full", np.random.default_rng(seed), silent)
        line: dict[str, Any] = {"set": given.set, "attack": given.attack, "rate": given.rate, "seed": seed, "poison": int(poisoned.sum())}
        line["seconds"] = round(time.perf_counter() - began)
        line["groups"] = [
            {
                "status": judged.status,
                "label": judged.tried.target,
                "aimed": judged.tried.target == case.target,
                "log_e": round(judged.tried.log_e, 1),
                **shares(poisoned, members(case.data, judged.tried)),
                "leave_out": judged.tried.trials[-1].detail,
            }
            for judged in verdicts("cluster", examined)
            if judged.status is not None or judged.tried.log_e >= -1
        ]
        say(line, case, given)


if __name__ == "__main__":
    main()
