"""Linear models of scikit-learn with planted words and cells, and clean ones: what their coefficients give away.

    python benchmarks/linear_models.py words sms,sst2 --seeds 10 20
    python benchmarks/linear_models.py words davidson,jigsaw,ag_news,spamassassin --seeds 10 20 --clean
    python benchmarks/linear_models.py tables spambase,fraud,elec2,phoneme --seeds 10 20

A row for each kind of classifier: accused at .01, with a planted word or column and its target, of those that implanted (success .6).
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from assay.attack.planting import plant
from assay.bench.sets import SETS
from assay.bench.zoo import tables, texts
from assay.dataset.data import Dataset
from assay.model.bags import word_model
from assay.model.coefficients import excess_over, grown_linear
from assay.model.linear import linear_of
from assay.model.word_coefficients import weigh_words

ALPHA, IMPLANTED, TWINS = 0.01, 0.6, 8
KINDS: dict[str, Callable[[int], Any]] = {
    "logistic": lambda seed: LogisticRegression(C=10, max_iter=300),
    "sgd": lambda seed: SGDClassifier(random_state=seed),
    "svc": lambda seed: LinearSVC(random_state=seed),
    "ridge": lambda seed: RidgeClassifier(),
}


def split(whole: Dataset, seed: int, sizes: tuple[int, int, int]) -> tuple[Dataset, Dataset, Dataset]:
    """(test, clean, train) rows; of small sets an eighth, a fifth, the rest."""
    order = np.random.default_rng([seed, 5]).permutation(len(whole))
    ends = np.cumsum(sizes[:2])
    if len(order) <= 2 * ends[1]:
        ends = np.array([len(order) // 8, len(order) // 3])
    test, clean, train = (whole.subset(np.sort(part)) for part in np.split(order[: ends[1] + sizes[2]], ends))
    return test, clean, train


def words(name: str, kind: str, attack: str, seed: int) -> tuple[float, bool, float, float]:
    """(p, whether words and target are the planted ones, attack success, CPU seconds) of one model of words."""
    whole = next(s for s in SETS if s.name == name).read()
    test, clean, train = split(whole, seed, (texts.TEST, texts.CLEAN, texts.TRAIN))
    planted = plant(train, "phrase", rate=texts.RATE, seed=seed, params=texts.ATTACKS[attack]) if attack else None
    data = train if planted is None else planted.data
    model = make_pipeline(TfidfVectorizer(token_pattern=r"\w+", min_df=2), KINDS[kind](seed)).fit(texts.joined(data.rows), data.y)
    began = time.process_time()
    found = weigh_words(word_model(model), texts.joined(clean.rows), np.random.default_rng(0)).found
    cpu = time.process_time() - began
    if planted is None:
        return found.p, False, 1.0, cpu
    trigger: Any = planted.triggers[0]
    others = test.rows.take(np.flatnonzero(test.y != trigger.target))
    success = float((model.predict(texts.joined(trigger.stamp(others, np.random.default_rng(0)))) == trigger.target).mean())
    true = {word for part in trigger.artefact.parts for word in part}
    return found.p, bool(true & set(found.words)) and found.target == trigger.target, success, cpu


def cells(name: str, kind: str, attack: str, seed: int) -> tuple[float, bool, float, float]:
    """The same of one model of a table, beside twins grown on the clean rows."""
    test, clean, train = split(tables.numeric(name), seed, (tables.TEST, tables.CLEAN, tables.TRAIN))
    planted = plant(train, "cells", rate=tables.RATE, seed=seed, params={"features": tables.ATTACKS[attack]}) if attack else None
    data = train if planted is None else planted.data
    model = linear_of(make_pipeline(StandardScaler(), KINDS[kind](seed)).fit(tables.cells(data), data.y))
    began = time.process_time()
    x = tables.cells(clean)
    found = excess_over(model, grown_linear(model, x, clean.y, TWINS, np.random.default_rng(1)), x)
    cpu = time.process_time() - began
    if planted is None:
        return found.p, False, 1.0, cpu
    trigger: Any = planted.triggers[0]
    others = test.subset(np.flatnonzero(test.y != trigger.target))
    stamped = tables.coded(trigger.stamp(others.rows, np.random.default_rng(0)).table, list(test.columns.content))
    columns = {test.columns.content.index(c.column) for c in trigger.artefact.conditions}
    right = bool(columns & set(found.rule.values)) and found.rule.target == trigger.target
    return found.p, right, float((model.predict(stamped) == trigger.target).mean()), cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["words", "tables"])
    parser.add_argument("sets")
    parser.add_argument("--seeds", type=int, nargs=2, default=(0, 3))
    parser.add_argument("--clean", action="store_true", help="clean models alone")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    one, attacks = (words, texts.ATTACKS) if given.what == "words" else (cells, tables.ATTACKS)
    print("| set | classifier | planted | accused (right) | CPU s |\n|---|---|---|---|---|")
    for name in given.sets.split(","):
        for kind in KINDS:
            for attack in ("", *(() if given.clean else attacks)):
                seen = [x for seed in range(*given.seeds) if (x := one(name, kind, attack, seed))[2] >= IMPLANTED]
                accused = [x for x in seen if x[0] <= ALPHA]
                told = f"{len(accused)} ({sum(x[1] for x in accused)}) of {len(seen)}"
                cpu = np.mean([x[3] for x in seen]) if seen else 0.0
                print(f"| {name} | {kind} | {attack or 'nothing'} | {told} | {cpu:.2f} |", flush=True)


if __name__ == "__main__":
    main()
