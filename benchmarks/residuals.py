"""Traces in residuals of real pictures: poison that shares no pixels, and clean controls, with the victim beside on request.

    python benchmarks/residuals.py cifar10 wanet --rate .05 --seeds 0,1,2 [--rows 10000] [--victim]
    python benchmarks/residuals.py gtsrb clean --seeds 0,1 [--variant watermarked]

Rows, target and attack are drawn by the seed, as in `assay bench`. The family is told nothing; its e-values are held to a seventh of
alpha = 0.01, its share where seven families enumerate. One JSON line a seed: every group with a status or a log e-value above -1, with the
share of the poison that it accuses and of the clean rows. --variant: a clean set changed as `benchmarks/clean.py` changes it.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from assay.trial.family import silent
from assay.trial.residuals import ResidualFamily
from assay.trial.verdicts import members
from one_family import arguments, cases, say, shares, verdicts


def main() -> None:
    given = arguments(10_000, str(__doc__)).parse_args()
    for seed, case in cases(given):
        began, poisoned = time.process_time(), case.poisoned
        examined = ResidualFamily().examine(case.data, "full", np.random.default_rng(seed), silent)
        line: dict[str, Any] = {
            "set": given.set,
            "attack": given.attack,
            "rate": given.rate,
            "variant": given.variant,
            "seed": seed,
            "poison": int(poisoned.sum()),
        }
        line["cpu"] = round(time.process_time() - began)
        line["groups"] = [
            {
                "status": judged.status,
                "label": judged.tried.target,
                "aimed": judged.tried.target == case.target,
                "log_e": round(judged.tried.log_e, 1),
                **shares(poisoned, members(case.data, judged.tried)),
                "leave_out": judged.tried.trials[-1].detail,
            }
            for judged in verdicts("residual", examined)
            if judged.status is not None or judged.tried.log_e >= -1
        ]
        say(line, case, given)


if __name__ == "__main__":
    main()
