"""Certified accuracy of partitioned ensembles by number of poisons, on the rows at hand.

    python benchmarks/harden.py --set mnist_all --partitions 250,1200 --out out/certified.jsonl
    python benchmarks/harden.py --set cifar10_frozen --features out/features --partitions 250,500 --out out/certified.jsonl

Features are frozen and made without labels or training rows of the task, so that no poison reaches them: gradient histograms of the pixels,
or for `cifar10_frozen` those of a network trained elsewhere (benchmarks/frozen_features.py). A small head is trained on each partition.
Test rows: 1,000. A line that is there already is not measured again.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter
from sklearn.neighbors import NearestCentroid

from assay.bench.sets import ROOT, SETS
from assay.harden.ensemble import PartitionedClassifier
from assay.train.features import slopes

TEST = 1_000
RADII = (0, 1, 2, 5, 9, 10, 20, 30, 50, 75, 100, 150, 200, 300, 400, 500)
ELECTIONS = ({}, {"spread": 4}, {"election": "run-off"})


def features(images: np.ndarray) -> np.ndarray:
    """(n, d) histograms of gradient directions in cells of 4 x 4 pixels, smoothed: frozen, no training."""
    grey = gaussian_filter(images.astype(np.float64).mean(3), (0, 0.5, 0.5))
    across, down = slopes(grey)
    strength, angle = np.hypot(across, down), np.arctan2(down, across)
    bins = ((angle + np.pi) / (2 * np.pi) * 8).astype(int) % 8
    n, h, w = grey.shape
    cells = np.zeros((n, (h + 3) // 4, (w + 3) // 4, 8))
    at = np.indices((n, h, w))
    np.add.at(cells, (at[0], at[1] // 4, at[2] // 4, bins), strength)
    flat = np.sqrt(cells.reshape(n, -1))
    return flat / (np.linalg.norm(flat, axis=1, keepdims=True) + 1e-9)


def rows_of(name: str, folder: Path | None) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Features and labels of training rows, then of test rows."""
    if name == "cifar10_frozen":
        if folder is None:
            raise SystemExit("--features names the folder that benchmarks/frozen_features.py wrote")
        parts = {}
        for part in ("train", "test"):
            x = np.sqrt(np.maximum(np.concatenate([np.load(f) for f in sorted(folder.glob(f"{part}-[0-9]*.npy"))]).astype(np.float32), 0))
            parts[part] = x / np.linalg.norm(x, axis=1, keepdims=True), np.load(folder / f"{part}-y.npy")[: len(x)]
        return *parts["train"], *(a[:TEST] for a in parts["test"])
    if name == "mnist_all":  # the training rows at hand, and what the 1,000 test rows leave of the test set
        z = np.load(ROOT / "mnist/mnist20k.npz")
        order = np.random.default_rng(0).permutation(len(z["y_test"]))
        test, rest = order[:TEST], order[TEST:]
        images, y = np.concatenate([z["x_cazala"], z["x_test"][rest]]), np.concatenate([z["y_cazala"], z["y_test"][rest]])
        return features(images[..., None]), y, features(z["x_test"][test][..., None]), z["y_test"][test]
    data = next(s for s in SETS if s.name == name).read()
    assert data.images is not None
    order = np.random.default_rng(0).permutation(len(data))
    x, test, train = features(data.images), order[:TEST], order[TEST:]
    return x[train], data.y[train], x[test], data.y[test]


def main() -> None:
    warnings.filterwarnings("ignore", message=".*zero standard deviation")  # of pixels at the rim, in partitions of few rows
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--set", default="mnist_all")
    parser.add_argument("--features", type=Path)
    parser.add_argument("--partitions", default="100,250")
    chosen = parser.parse_args()
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    done = [json.loads(line) for line in chosen.out.read_text().splitlines()] if chosen.out.exists() else []
    x, y, x_test, y_test = rows_of(chosen.set, chosen.features)
    for partitions in map(int, chosen.partitions.split(",")):
        for options in ELECTIONS:
            which = {"set": chosen.set, "rows": len(x), "partitions": partitions, "how": json.dumps(options)}
            if any(which.items() <= line.items() for line in done):
                continue
            began = time.perf_counter()
            model = PartitionedClassifier(NearestCentroid(), partitions, **options).fit(x, y)
            found = model.certify(x_test)
            right = found.prediction == y_test
            line = {
                **which, "accuracy": float(right.mean()), "members": member_accuracy(model, x_test, y_test),
                "certified": {r: float((right & (found.radius >= r)).mean()) for r in RADII},
                "half": int(np.median(np.where(right, found.radius, -1))), "seconds": time.perf_counter() - began,
            }  # fmt: skip
            print(json.dumps(line), flush=True)
            with chosen.out.open("a") as file:
                file.write(json.dumps(line) + "\n")


def member_accuracy(model: PartitionedClassifier, x: np.ndarray, y: np.ndarray) -> float:
    """Mean accuracy of the first twenty members: what a vote has to be made of."""
    members = [m for m in model.models_ if not isinstance(m, int)][:20]
    return float(np.mean([(model.classes_[m.predict(x)] == y).mean() for m in members]))


if __name__ == "__main__":
    main()
