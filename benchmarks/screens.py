"""What the screens find, and how few rows they flag on clean data.

    python benchmarks/screens.py [--rows 6000] [--sets mnist,sms] [--part labels|strangers|copies|all]

For each real set: the share of rows that each screen flags as it is; then, with 5 % of the labels flipped at random,
the AUROC of each screen and of the combined score for the flipped rows, and precision and recall of the flags of the
label screens. Beside them a random score (AUROC .5) and cleanlab where it is installed. The probe is a plain
cross-fitted one (3 folds): logistic on pixels or word and word-pair tf-idf, boosted trees on tables; features are
principal components, made without labels.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import numpy as np
import pyarrow as pa
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.ensemble import HistGradientBoostingClassifier, IsolationForest
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from assay.bench import sets as real_sets
from assay.dataset.data import Dataset
from assay.screen.combine import combine
from assay.screen.context import Context
from assay.screen.exact_duplicates import column_codes
from assay.screen.near_duplicates import near_groups
from assay.screen.registry import run_screens
from assay.screen.statistics import joined_text
from assay.screen.table_values import table_values

FLIPPED = 0.05
FOLDS = 3


def represent(data: Dataset) -> tuple[Any, np.ndarray, Any]:
    """What the probe learns from, the label-free features, and the probe."""
    if data.modality == "text":
        words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True, max_features=50_000)
        x = words.fit_transform(joined_text(data).to_pylist())
        features = TruncatedSVD(64, random_state=0).fit_transform(x)
        features /= np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-9)
        return x, features.astype(np.float32), LogisticRegression(C=10, max_iter=200)
    if data.modality == "image":
        x = data.images.reshape(len(data), -1).astype(np.float32) / 255
        if x.shape[1] > 1_500:
            x = PCA(150, random_state=0).fit_transform(x)
        features = PCA(min(64, *x.shape), random_state=0).fit_transform(x)
        return x, features.astype(np.float32), LogisticRegression(C=0.1, max_iter=60)
    values = table_values(data)
    features = (values - values.mean(axis=0)) / np.maximum(values.std(axis=0), 1e-9)
    codes = [column_codes(data.table.column(c)) for c in data.columns.content]
    trees = HistGradientBoostingClassifier(max_iter=60, early_stopping=False)
    return np.column_stack([values, *codes]), features.astype(np.float32), trees


def probe(model: Any, x: Any, y: np.ndarray) -> np.ndarray:
    """(n, k) out-of-fold probabilities."""
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    return cross_val_predict(model, x, y, cv=folds, method="predict_proba")


def flip(y: np.ndarray, classes: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    bad = np.zeros(len(y), bool)
    bad[rng.choice(len(y), round(FLIPPED * len(y)), replace=False)] = True
    return np.where(bad, (y + rng.integers(1, classes, len(y))) % classes, y), bad


def labels(sets: list[real_sets.RealSet], rows: int) -> None:
    """Flag shares on clean sets; AUROC with 5 % of the labels flipped."""
    shares: list[float] = []
    for real in sets:
        rng = np.random.default_rng(0)
        data = real.read()
        if len(data) > rows:
            data = data.subset(np.sort(rng.choice(len(data), rows, replace=False)))
        x, features, model = represent(data)
        p = probe(model, x, data.y)
        clean, _ = run_screens(Context(data, p, features, rng))
        review = combine(clean, len(data)).review
        shares.append(float(review.mean()))
        print(f"\n{real.name}: {len(data)} rows, {len(data.classes)} classes, probe right {np.mean(p.argmax(1) == data.y):.3f}")
        print("  clean, % flagged: " + ", ".join(f"{s.name} {100 * s.flag.mean():.2f}" for s in clean))
        print(f"  clean, % to review in all: {100 * review.mean():.2f}")
        y, bad = flip(data.y, len(data.classes), rng)
        p = probe(model, x, y)
        found, _ = run_screens(Context(replace(data, y=y), p, features, rng))
        aucs = {s.name: roc_auc_score(bad, s.score) for s in found}
        aucs["combined"] = roc_auc_score(bad, combine(found, len(data)).score)
        aucs["random"] = roc_auc_score(bad, rng.random(len(bad)))
        if find_spec("cleanlab"):
            from cleanlab.filter import find_label_issues
            from cleanlab.rank import get_label_quality_scores

            aucs["cleanlab"] = roc_auc_score(bad, -get_label_quality_scores(y, p))
            issues = find_label_issues(y, p)
            also = f", cleanlab {issues.mean():.3f} {bad[issues].mean():.2f} {issues[bad].mean():.2f}"
            # the same tool on the untouched set, for comparison of what a clean set is told
            also += f" (clean: {100 * find_label_issues(data.y, probe(model, x, data.y)).mean():.1f} % flagged)"
        else:
            also = ", cleanlab not installed"
        print("  flips, AUROC: " + ", ".join(f"{name} {value:.3f}" for name, value in aucs.items()))
        flagged = [
            f"{s.name} {s.flag.mean():.3f} {bad[s.flag].mean() if s.flag.any() else float('nan'):.2f} {s.flag[bad].mean():.2f}"
            for s in found
            if s.name in ("label_errors", "neighbours")
        ]
        print("  flips, share flagged / precision / recall: " + ", ".join(flagged) + also, flush=True)
    if shares:
        print(f"\n{len(shares)} clean sets: to review {100 * np.median(shares):.2f} % (median), {100 * max(shares):.2f} % (most)")


def strangers(seeds: int = 5) -> None:
    """1 % birds among the cats of CIFAR-10: who ranks the birds first among the rows labelled cat."""
    images, y = real_sets.cifar("train", 10_000)
    features = patch_features(images, np.random.default_rng(0))
    print(f"\n1 % birds among the cats, CIFAR-10, {len(y)} rows, AUROC among rows labelled cat ({seeds} choices of birds)")
    results: dict[str, list[float]] = {}
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        cats, birds = np.flatnonzero(y == 3), np.flatnonzero(y == 2)
        moved = rng.choice(birds, len(cats) // 99, replace=False)
        labels = y.astype(np.int64).copy()
        labels[moved] = 3
        data = real_sets.in_memory("image", labels, images=images)
        p = probe(LogisticRegression(C=0.01, max_iter=200), features / features.std(axis=0), labels)
        found, _ = run_screens(Context(data, p, features, rng))
        rows = np.flatnonzero(labels == 3)
        bird = np.isin(rows, moved)
        forest = IsolationForest(random_state=seed).fit(features[rows]).score_samples(features[rows])
        for name, score in [
            *((s.name, s.score[rows]) for s in found),
            ("combined", combine(found, len(data)).score[rows]),
            ("isolation forest in the class", -forest),
            ("random", rng.random(len(rows))),
        ]:
            results.setdefault(name, []).append(roc_auc_score(bird, score))
    for name, values in results.items():
        print(f"  {name}: {np.mean(values):.3f} (sd {np.std(values):.3f})")


def patch_features(images: np.ndarray, rng: np.random.Generator, filters: int = 200) -> np.ndarray:
    """(n, 128) responses to random whitened patches of the pictures themselves, pooled in quarters (Coates, Lee and
    Ng 2011).
    """
    x = images.astype(np.float32)
    n, size = len(x), 6
    places = rng.integers(0, x.shape[1] - size + 1, (20_000, 2))
    patches = np.stack([x[i, a : a + size, b : b + size].ravel() for i, (a, b) in zip(rng.integers(0, n, 20_000), places, strict=True)])

    def level(p: np.ndarray) -> np.ndarray:
        return (p - p.mean(1, keepdims=True)) / np.sqrt(p.var(1, keepdims=True) + 10)

    patches = level(patches)
    mean = patches.mean(0)
    values, vectors = np.linalg.eigh(np.cov(patches.T))
    whiten = (vectors / np.sqrt(values + 0.1)) @ vectors.T
    chosen = (patches[rng.choice(len(patches), filters, replace=False)] - mean) @ whiten
    bank = (whiten @ (chosen / np.linalg.norm(chosen, axis=1, keepdims=True)).T).astype(np.float32)
    out = np.empty((n, 8 * filters), np.float32)
    for start in range(0, n, 200):
        windows = np.lib.stride_tricks.sliding_window_view(x[start : start + 200], (size, size), (1, 2))[:, ::2, ::2]
        side = windows.shape[1]
        flat = windows.transpose(0, 1, 2, 4, 5, 3).reshape(-1, size * size * x.shape[3])
        response = (level(flat) - mean).astype(np.float32) @ bank
        both = np.concatenate([np.maximum(response - 0.25, 0), np.maximum(-response - 0.25, 0)], axis=1)
        both = both.reshape(-1, side, side, 2 * filters)
        half = side // 2
        parts = [both[:, a : a + half, b : b + half].mean((1, 2)) for a in (0, half) for b in (0, half)]
        out[start : start + 200] = np.concatenate(parts, axis=1)
    out = (out - out.mean(0)) / (out.std(0) + 1e-3)
    return PCA(128, random_state=0).fit_transform(out).astype(np.float32)


def copies() -> None:
    """Copies found among real rows, and time for 100,000 texts."""
    rng = np.random.default_rng(0)
    print("\nNear copies: 200 rows of each set planted once more, changed a little")
    texts: list[str] = []
    for name in ("sst2", "sms", "davidson", "ag_news", "cifar10", "mnist", "adult", "fraud", "spambase"):
        data = next(s for s in real_sets.SETS if s.name == name).read()
        if len(data) > 8_000:
            data = data.subset(np.sort(rng.choice(len(data), 8_000, replace=False)))
        chosen = rng.choice(len(data), 200, replace=False)
        more = changed(data, chosen, rng)
        started = time.perf_counter()
        group = near_groups(more, rng)
        seconds = time.perf_counter() - started
        own = np.bincount(group[: len(data)])
        print(
            f"  {name}: {np.mean(group[len(data) :] == group[chosen]):.3f} of them found; "
            f"{(own[group[: len(data)]] > 1).mean():.4f} of its own rows are near copies; {seconds:.2f} s"
        )
        if data.modality == "text":
            texts += joined_text(data).to_pylist()
    many = pa.array([f"{texts[i]} {j}" for j, i in enumerate(rng.integers(0, len(texts), 100_000))])
    data = real_sets.in_memory("text", rng.integers(0, 2, len(many)), pa.table({"text": many}))
    started = time.perf_counter()
    near_groups(data, rng)
    print(f"  100,000 texts, {sum(map(len, many.to_pylist())) / 1e6:.0f} MB: {time.perf_counter() - started:.1f} s")


def changed(data: Dataset, chosen: np.ndarray, rng: np.random.Generator) -> Dataset:
    """The data and, after it, the chosen rows with small changes: noise of 3 grey levels, one word, a thousandth of a
    range.
    """
    labels = [data.classes[c] for c in np.r_[data.y, data.y[chosen]]]
    if data.images is not None:
        noisy = np.clip(data.images[chosen] + rng.normal(0, 3, data.images[chosen].shape), 0, 255).astype(np.uint8)
        return real_sets.in_memory("image", labels, images=np.concatenate([data.images, noisy]))
    table = data.rows.table.take(pa.array(np.r_[np.arange(len(data)), chosen]))
    for number, name in enumerate(table.column_names):
        values = table.column(name).to_pylist()
        for i in range(len(data), len(values)):
            if isinstance(values[i], str) and data.modality == "text":
                values[i] += " indeed"
            elif isinstance(values[i], float):
                values[i] *= 1 + 1e-4 * rng.normal()
        table = table.set_column(number, name, pa.array(values))
    return real_sets.in_memory(data.modality, labels, table)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=6_000)
    parser.add_argument("--sets", default="")
    parser.add_argument("--part", choices=("labels", "strangers", "copies", "all"), default="all")
    asked = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    found, missing = real_sets.at_hand()
    if missing:
        print(f"not at hand, left out: {', '.join(missing)}")
    if asked.sets:
        found = [s for s in found if s.name in asked.sets.split(",")]
    if asked.part in ("labels", "all"):
        labels(found, asked.rows)
    if asked.part in ("strangers", "all"):
        strangers()
    if asked.part in ("copies", "all"):
        copies()
    return 0


if __name__ == "__main__":
    sys.exit(main())
