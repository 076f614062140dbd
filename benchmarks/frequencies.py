"""Overlays of a few frequencies in real pictures (SIG, FTrojan, low-frequency), clean-label or not, and clean controls.

    python benchmarks/frequencies.py cifar10 sig --rate .02 --rows 5000 --seeds 0,1,2 [--victim]
    python benchmarks/frequencies.py gtsrb clean --rows 5000 --seeds 0,1,2 [--variant watermarked] [--linear]

Rows, target and attack are drawn by the seed, as in `assay bench`. The family is told nothing and runs at depth full; its e-values are held
to a seventh of alpha = 0.01, its share where seven families enumerate. One JSON line a seed: every finding that is confirmed or suspected,
with the share of the poison that it accuses and of the clean rows; "templates": how many were mined and tried. --linear: no network is
asked what pictures say, as where torch is not installed. --variant: a clean set changed as `benchmarks/clean.py` changes it.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from assay.learn import images_net
from assay.trial.family import silent
from assay.trial.overlays import OverlayFamily
from assay.trial.verdicts import members
from one_family import arguments, cases, say, shares, verdicts


def main() -> None:
    parser = arguments(5_000, str(__doc__))
    parser.add_argument("--linear", action="store_true")
    given = parser.parse_args()
    if given.linear:
        images_net.installed = lambda: False
    for seed, case in cases(given):
        poisoned, began = case.poisoned, time.perf_counter()
        examined = OverlayFamily().examine(case.data, "full", np.random.default_rng(seed), silent)
        line: dict[str, Any] = {
            "set": given.set, "attack": given.attack, "rate": given.rate, "rows": len(case.data), "variant": given.variant, "seed": seed,
            "poison": int(poisoned.sum()), "seconds": round(time.perf_counter() - began), "templates": examined.enumerated,
        }  # fmt: skip
        line["findings"] = [
            {
                "status": judged.status,
                "aimed": judged.tried.target == case.target,
                "log_e": round(judged.tried.log_e, 1) if np.isfinite(judged.tried.log_e) else None,
                **shares(poisoned, members(case.data, judged.tried)),
                "said": judged.tried.trials[-1].detail,
            }
            for judged in verdicts("overlay", examined)
            if judged.status in ("confirmed", "suspected")
        ]
        say(line, case, given)


if __name__ == "__main__":
    main()
