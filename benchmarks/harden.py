"""Certified accuracy of partitioned ensembles by number of poisons, on the rows at hand.

    python benchmarks/harden.py --set mnist --partitions 100,250 --out out/harden.jsonl
    python benchmarks/harden.py --out out/harden.jsonl --table

Features are frozen and made without labels or training rows of the task (pixels and their local gradients), so that no poison reaches
them; a small head is trained on each partition. Test rows: 1,000.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter, sobel
from sklearn.neighbors import NearestCentroid

from assay.bench.sets import SETS
from assay.harden.ensemble import PartitionedClassifier

TEST = 1_000
RADII = (0, 1, 2, 5, 9, 10, 20, 30, 50, 75, 100)
ELECTIONS = ({}, {"spread": 4})


def features(images: np.ndarray) -> np.ndarray:
    """(n, d) histograms of gradient directions in cells of 4 x 4 pixels, smoothed: frozen, no training."""
    grey = gaussian_filter(images.astype(np.float64).mean(3), (0, 0.5, 0.5))
    across, down = sobel(grey, 2), sobel(grey, 1)
    strength, angle = np.hypot(across, down), np.arctan2(down, across)
    bins = ((angle + np.pi) / (2 * np.pi) * 8).astype(int) % 8
    n, h, w = grey.shape
    cells = np.zeros((n, (h + 3) // 4, (w + 3) // 4, 8))
    at = np.indices((n, h, w))
    np.add.at(cells, (at[0], at[1] // 4, at[2] // 4, bins), strength)
    flat = np.sqrt(cells.reshape(n, -1))
    return flat / (np.linalg.norm(flat, axis=1, keepdims=True) + 1e-9)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--set", default="mnist")
    parser.add_argument("--partitions", default="100,250")
    parser.add_argument("--table", action="store_true")
    chosen = parser.parse_args()
    if not chosen.table:
        data = next(s for s in SETS if s.name == chosen.set).read()
        order = np.random.default_rng(0).permutation(len(data))
        x, y = features(data.images), data.y
        test, train = order[:TEST], order[TEST:]
        for partitions in map(int, chosen.partitions.split(",")):
            for options in ELECTIONS:
                began = time.perf_counter()
                model = PartitionedClassifier(NearestCentroid(), partitions, **options).fit(x[train], y[train])
                found = model.certify(x[test])
                right = found.prediction == y[test]
                line = {
                    "set": chosen.set, "rows": len(train), "partitions": partitions, "how": json.dumps(options), "accuracy": right.mean(),
                    "certified": {r: float((right & (found.radius >= r)).mean()) for r in RADII},
                    "half": int(np.median(np.where(right, found.radius, -1))), "seconds": time.perf_counter() - began,
                }  # fmt: skip
                chosen.out.parent.mkdir(parents=True, exist_ok=True)
                with chosen.out.open("a") as file:
                    file.write(json.dumps(line) + "\n")
    print("| set | rows | partitions | election | accuracy | half the test rows withstand | certified at 10 / 30 / 50 | seconds |")
    print("|---|---|---|---|---|---|---|---|")
    for x in map(json.loads, chosen.out.read_text().splitlines()):
        at = " / ".join(f"{x['certified'][str(r)]:.2f}" for r in (10, 30, 50))
        half = f"{x['half']} poisons" if x["half"] >= 0 else "–"
        print(f"| {x['set']} | {x['rows']:,} | {x['partitions']} | {x['how']} | {x['accuracy']:.3f} | {half} | {at} | {x['seconds']:.0f} |")


if __name__ == "__main__":
    main()
