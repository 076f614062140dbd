"""Patterns laid over whole labels (unlearnable noise) in real pictures, and natural pictures of many kinds.

    python benchmarks/unlearnable.py cifar10 unlearnable --seeds 10,11,12 [--rows 5000] [--params '{"share": 0.2}'] [--victim]
    python benchmarks/unlearnable.py gtsrb clean --seeds 10,11,12 [--variant watermarked]

Rows and patterns are drawn by the seed, as in `assay bench`. The question is asked by itself, and told nothing. One JSON line a seed: the
labels that are suspected, their rows' share of the poison and of the clean rows, and what the experiment said. --victim: accuracy of a
small network on rows held back, taught by the rows as they are and by the rows before.
"""

from __future__ import annotations

import json
import time
from typing import Any

import numpy as np

from assay.trial.unlearnable import unlearnable
from one_family import arguments, cases


def main() -> None:
    given = arguments(5_000, str(__doc__)).parse_args()
    for seed, case in cases(given):
        began, poisoned = time.process_time(), case.poisoned
        found = unlearnable(case.data, None, np.random.default_rng(seed))
        rows = np.unique(np.concatenate([np.zeros(0, np.int64), *(t.candidate.carriers for t in found)]))
        line: dict[str, Any] = {
            "set": given.set, "attack": given.attack, "params": given.params, "variant": given.variant, "seed": seed,
            "rows": len(case.data), "labels": len(found), "of": len(case.data.classes), "poison": int(poisoned.sum()),
            "tpr": round(float(poisoned[rows].sum() / max(poisoned.sum(), 1)), 3), "false_rows": int((~poisoned[rows]).sum()),
            "said": found[0].trials[0].detail if found else None, "p": found[0].trials[0].p_value if found else None,
            "cpu": round(time.process_time() - began, 1),
        }  # fmt: skip
        if given.victim:
            test = case.test
            line["accuracy"], line["accuracy_clean"] = (
                round(float((m.predict(test.rows) == test.y).mean()), 3) for m in (case.victim, case.innocent)
            )
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
