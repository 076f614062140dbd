"""After `clean`: is the retrained victim as deaf to the trigger as one that was never poisoned? Real texts, several seeds.

python benchmarks/retrain.py --sets sst2,sms --seeds 5 --carriers 50
"""

from __future__ import annotations

import argparse

import numpy as np

from assay.attack import plant
from assay.attack.measure import attack_success_rate
from assay.bench import sets as real_sets
from assay.dataset.data import Dataset
from assay.pipeline import Settings, run
from texts import ROWS, TEST, victim


def success(train: Dataset, planted, test: Dataset) -> float:
    """Attack success of `planted`'s trigger on a victim trained on `train`."""
    predict = victim(train.rows, train.y)
    trigger = planted.triggers[0]
    others = np.flatnonzero(test.y != trigger.target)
    rows = trigger.stamp(test.rows.take(others), np.random.default_rng(0))
    return float((predict(rows) == trigger.target).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", default="sst2,sms")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--carriers", type=int, default=50)
    parser.add_argument("--text", default="cf")
    chosen = parser.parse_args()
    print("| set | victim poisoned | after clean | never poisoned | difference in standard errors |\n|---|---|---|---|---|")
    for name in chosen.sets.split(","):
        whole = next(s for s in real_sets.SETS if s.name == name).read()
        rates = []
        for seed in range(chosen.seeds):
            order = np.random.default_rng(seed).permutation(len(whole))
            data, test = whole.subset(np.sort(order[TEST : TEST + ROWS])), whole.subset(np.sort(order[:TEST]))
            planted = plant(data, "phrase", carriers=chosen.carriers, seed=seed, params={"text": chosen.text})
            found = run(planted.data, Settings(seed=seed, canaries=False))
            kept = planted.data.subset(np.flatnonzero(np.array(found.action) != "quarantine"))
            before = attack_success_rate(victim, data, planted, test)
            rates.append((before.rate, success(kept, planted, test), before.clean_rate))
        poisoned, cleaned, never = np.array(rates).T
        gap = cleaned - never
        error = max(float(gap.std(ddof=1) / np.sqrt(len(gap))), 1e-9)
        row = [f"{x.mean():.3f} ± {x.std(ddof=1) / np.sqrt(len(x)):.3f}" for x in (poisoned, cleaned, never)]
        print(f"| {name} | {' | '.join(row)} | {gap.mean() / error:+.2f} |", flush=True)


if __name__ == "__main__":
    main()
