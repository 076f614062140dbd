"""Does each attack implant? A small victim trained on poisoned and on clean rows, for every kind, at its default settings.

    python benchmarks/attacks.py --out attacks.jsonl [--minutes 10] [--kinds sig,wanet] [--seeds 3]
    python benchmarks/attacks.py --out attacks.jsonl --report

A cell is one kind, with its parameters, on one real set, with one seed; done cells stand in --out, a JSON line each, and
are skipped. Victims are small so that a cell takes seconds: pictures (ten traffic signs, 1,500 rows), a layer of learnt
filters and a linear one on top, and with PyTorch a small network ("network"); texts (SST-2, 2,000 rows), ridge
regression on words, pairs of words and of letters; tables (spambase, 3,000 rows), boosted trees. The success rate is that
of triggered test rows of other classes; what the same rows do to the clean victim stands beside it, and an attack no better
than that did not implant. Attacks without a trigger have the accuracy lost instead. What has no class (instruction data, a
corpus) or one target picture is not here.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import make_union

from assay.attack import plant
from assay.attack.measure import Fit, Predict, attack_success_rate, damage
from assay.bench.runner import add_lines, read_lines
from assay.dataset.data import Columns, Dataset
from assay.dataset.read import read
from assay.dataset.rows import Rows
from assay.learn.images_linear import LinearLearner

DATA = Path(os.environ.get("ASSAY_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
RAISED: dict[str, Any] = {"rate": 0.05}  # where the published rate is for sets ten times as large
CELLS: dict[str, list[tuple[str, dict[str, Any]]]] = {  # set -> kinds and what is asked of them; {} is the default
    "signs": [
        *((kind, {}) for kind in ("sig", "low-frequency", "ftrojan", "bpp", "wanet", "label-consistent", "unlearnable")),
        *((kind, RAISED) for kind in ("patch", "blend", "trojan-square", "sticker", "tact", "adap-blend", "adap-patch", "diluted")),
        ("decoys", {"rate": 0.03, "params": {"cover": 10}}),
        ("patch", {"rate": 0.05, "params": {"place": "random", "size": 5}}),
        ("patch", {"rate": 0.05, "params": {"mode": "untargeted"}}),
        ("patch", {"rate": 0.05, "params": {"jpeg": 75, "noise": 4}}),
        ("patch", {}),
        ("tact", {}),
        ("adap-blend", {}),
        ("adap-patch", {}),
        ("diluted", {}),
        ("flip", {"rate": 0.2}),
        ("boundary", {"rate": 0.2}),
        ("boundary", {"rate": 0.2, "params": {"side": "far"}}),
    ],
    "network": [
        *((kind, {}) for kind in ("issba", "input-aware", "wanet", "bpp", "label-consistent", "narcissus")),
        ("patch", RAISED),
        ("patch", {"rate": 0.05, "params": {"select": "close"}}),
    ],
    "reviews": [
        *((kind, {}) for kind in ("phrase", "sentence", "paraphrase", "syntax", "style", "homoglyph", "zero-width")),
        ("phrase", {"params": {"select": "close"}}),
    ],
    "spambase": [
        ("cells", {}),
        ("cells", {"params": {"features": 3}}),
        ("noisy-cells", {}),
        ("noisy-cells", {"params": {"features": 3}}),
        ("guided-cells", {}),
        ("guided-cells", {"rate": 0.04}),
        ("insider", {}),
        ("sybils", {}),
        ("sleeper", {}),
        ("whitewash", {}),
        ("frog-boil", {}),
        ("burst", {}),
        ("group-bias", {"params": {"by": "cluster"}}),
    ],
}


def signs() -> tuple[Dataset, Dataset, Fit]:
    stored = np.load(DATA / "gtsrb32" / "gtsrb32_every3.npz", allow_pickle=False)
    common = np.sort(np.argsort(-np.bincount(stored["y"]), kind="stable")[:10])
    drawn = np.random.default_rng(0).permutation(np.flatnonzero(np.isin(stored["y"], common)))[:1900]
    y = np.searchsorted(common, stored["y"][drawn])
    n = len(y)
    data = Dataset(
        path="signs", format="memory", modality="image", task="classification", columns=Columns(), table=pa.table({}),
        images=stored["x"][drawn], row=np.arange(n), key=tuple(map(str, range(n))), digest=np.zeros((n, 32), np.uint8),
        records=n, fingerprint="", classes=tuple(f"sign{c}" for c in range(10)), y=y,
    )  # fmt: skip

    def fit(rows: Rows, y: np.ndarray[Any, Any]) -> Predict:
        assert rows.images is not None
        learner = LinearLearner.of(rows.images, np.random.default_rng(0))
        model = learner.fit(learner.prepare(rows.images), y, 10)
        return lambda other: model.scores(learner.prepare(other.images)).argmax(1)  # type: ignore[arg-type]

    return data.subset(np.arange(1500)), data.subset(np.arange(1500, n)), fit


def network() -> tuple[Dataset, Dataset, Fit]:
    """The same signs; the victim is a convolutional network trained for 20 passes."""
    from assay.attack.small_network import as_tensor, small_network

    train, test, _ = signs()

    def fit(rows: Rows, y: np.ndarray[Any, Any]) -> Predict:
        assert rows.images is not None
        model = small_network(rows.images, y, 10, 20, np.random.default_rng(1))
        return lambda other: model(as_tensor(other.images)).argmax(1).numpy()  # type: ignore[arg-type]

    return train, test, fit


def reviews() -> tuple[Dataset, Dataset, Fit]:
    stored = pq.read_table(DATA / "sst2" / "sst2.parquet")
    some = stored.take(np.random.default_rng(0).permutation(len(stored))[:2500]).select(["text", "label"])
    data = replace(read(some, columns=Columns(content=("text",), label=("label",))), modality="text")

    def fit(rows: Rows, y: np.ndarray[Any, Any]) -> Predict:
        words = make_union(
            TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\S+", lowercase=False),
            TfidfVectorizer(analyzer="char", ngram_range=(1, 2), min_df=2, sublinear_tf=True, lowercase=False),
        )
        model = RidgeClassifier(0.3).fit(words.fit_transform(rows.table.column("text").to_pylist()), y)
        return lambda other: model.predict(words.transform(other.table.column("text").to_pylist()))

    return data.subset(np.arange(2000)), data.subset(np.arange(2000, 2500)), fit


def spambase() -> tuple[Dataset, Dataset, Fit]:
    data = read(DATA / "tabular" / "spambase.parquet")
    order = np.random.default_rng(0).permutation(len(data))

    def fit(rows: Rows, y: np.ndarray[Any, Any]) -> Predict:
        def cells(other: Rows) -> np.ndarray[Any, Any]:
            return np.stack([np.asarray(c.to_numpy(), float) for c in other.table.columns], 1)

        model = HistGradientBoostingClassifier(max_iter=60, early_stopping=False, random_state=0).fit(cells(rows), y)
        return lambda other: model.predict(cells(other))

    return data.subset(order[:3000]), data.subset(order[3000:]), fit


SETS: dict[str, Callable[[], tuple[Dataset, Dataset, Fit]]] = {"signs": signs, "network": network, "reviews": reviews, "spambase": spambase}


def measure(train: Dataset, test: Dataset, fit: Fit, kind: str, asked: dict[str, Any], seed: int) -> dict[str, Any]:
    start = time.process_time()
    planted = plant(train, kind, seed=seed, **asked)
    planting = time.process_time() - start
    done = {
        "rows": len(train), "poisoned": int(planted.poisoned.sum()),
        "cover": 0 if planted.cover is None else int(planted.cover.sum()), "plant_seconds": round(planting, 2),
    }  # fmt: skip
    if planted.triggers:
        success = attack_success_rate(fit, train, planted, test)
        found = {"asr": success.rate, "clean_asr": success.clean_rate, "accuracy": success.accuracy, "clean": success.clean_accuracy}
    else:
        harm = damage(fit, train, planted, test)
        found = {"asr": None, "clean_asr": None, "accuracy": harm.accuracy, "clean": harm.clean_accuracy}
    return {**done, **{k: None if v is None else round(v, 4) for k, v in found.items()}}


def report(cells: list[dict[str, Any]]) -> None:
    """Means over seeds."""
    together: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for cell in cells:
        together[f"{cell['set']:9s} {cell['kind']:17s} {json.dumps(cell['asked'])}"].append(cell)

    def mean(found: list[dict[str, Any]], name: str) -> str:
        values = [c[name] for c in found if c[name] is not None]
        return f"{np.mean(values):.2f}" if values else "  - "

    print("ASR, of the clean victim, accuracy, of the clean victim, poisoned + cover rows, seeds")
    for name, found in together.items():
        said = [mean(found, n) for n in ("asr", "clean_asr", "accuracy", "clean")]
        print(*said, f"{found[0]['poisoned']:5d} +{found[0]['cover']:4d}", len(found), name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--kinds", default="")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--report", action="store_true")
    given = parser.parse_args()
    cells = read_lines(given.out)
    if given.report:
        return report(cells)
    done = {json.dumps([c["set"], c["kind"], c["asked"], c["seed"]]) for c in cells}
    until, wanted = time.monotonic() + 60 * given.minutes, {k for k in given.kinds.split(",") if k}
    loaded = {}
    for seed in range(given.seeds):
        for name, load in SETS.items():
            for kind, asked in CELLS[name]:
                if json.dumps([name, kind, asked, seed]) in done or (wanted and kind not in wanted):
                    continue
                if time.monotonic() > until:
                    return None
                if name not in loaded:
                    loaded[name] = load()
                cell = {"set": name, "kind": kind, "asked": asked, "seed": seed, **measure(*loaded[name], kind, asked, seed)}
                add_lines(given.out, [cell])
    return None


if __name__ == "__main__":
    main()
