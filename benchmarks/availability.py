"""How near the estimated share of wrong labels comes to what was planted.

    python benchmarks/availability.py [--sets sms,sst2,adult] [--rows 4000] [--seed 0] [--rates 0.01,0.2]

For each real set: labels as they are, and (of 1, 5, 10 and 20 %, or what is asked) a share of them turned, to any other class, and pairwise
(each class to the next; of two classes, the commoner to the rarer). The probe is the scan's own at depth fast.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np

from assay.bench import sets as real_sets
from assay.screen.mislabelled import estimate_mislabelled
from assay.trial.opinion import opinion_of

SETS = "sms,sst2,adult,ag_news,mnist,spambase,phoneme,davidson"


def turned(y: np.ndarray, k: int, rate: float, pairwise: bool, rng: np.random.Generator) -> np.ndarray:
    """(n,) labels with this share of all rows turned."""
    wanted = round(rate * len(y))
    if pairwise and k == 2:
        common = int(np.bincount(y).argmax())
        chosen = rng.choice(np.flatnonzero(y == common), wanted, replace=False)
    else:
        chosen = rng.choice(len(y), wanted, replace=False)
    out = y.copy()
    out[chosen] = (out[chosen] + (1 if pairwise else rng.integers(1, k, wanted))) % k
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", default=SETS)
    parser.add_argument("--rows", type=int, default=4_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rates", default="0.01,0.05,0.1,0.2")
    asked = parser.parse_args()
    for real in real_sets.at_hand()[0]:
        if real.name not in asked.sets.split(","):
            continue
        data = real.read()
        rng = np.random.default_rng(0)
        if len(data) > asked.rows:
            data = data.subset(np.sort(rng.choice(len(data), asked.rows, replace=False)))
        for rate, pairwise in [(0.0, False), *((float(r), p) for r in asked.rates.split(",") for p in (False, True))]:
            rng = np.random.default_rng([asked.seed, int(1000 * rate)])
            y = turned(data.y, len(data.classes), rate, pairwise, rng)
            p = opinion_of(replace(data, y=y), "fast", np.random.default_rng(asked.seed)).probabilities
            found = estimate_mislabelled(p, y, np.random.default_rng(0))
            assert found is not None
            said = f"{100 * found.fraction:.1f} ({100 * found.low:.1f} to {100 * found.high:.1f})"
            print(f"{real.name}: {100 * rate:g} % {'pairwise' if pairwise else 'any'}: {said}", flush=True)


if __name__ == "__main__":
    main()
