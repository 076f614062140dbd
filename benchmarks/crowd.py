"""Aggregators on real crowds and on a million made votes, with crowd-kit beside them where it is installed.

    python benchmarks/crowd.py [--part real|million|model|blind|all] [--peer]

Real: per cent of rows labelled right and seconds, for the four crowds of `crowd/labels.parquet` whose answers are known; the
answers are used for nothing else. Million: 200,000 rows, five votes each, by 2,000 annotators whose chance to be right is
Beta(6, 2), 5 % of them at chance; five classes. The peer's slower methods (MACE, GLAD) run on the real sets only. Blind: colluders planted
in crowds that were not looked at when the search for them was designed. Seconds are of the processor.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from PIL import Image

from assay.bench.sets import ROOT
from assay.crowd.aggregate import methods
from assay.crowd.collusion import collusion
from assay.crowd.dawid_skene import dawid_skene
from assay.crowd.votes import Votes, from_arrays

SETS = ("bluebird", "dog", "product", "rte")


def real(name: str) -> tuple[Votes, np.ndarray]:
    """(votes, truth as class codes)."""
    table = pq.read_table(ROOT / "crowd/labels.parquet")
    table = table.filter(pc.equal(table["set"], name))
    votes = from_arrays(table["task"].to_numpy(), table["worker"].to_numpy(), table["label"].to_numpy())
    answers = pq.read_table(ROOT / "crowd/truth.parquet")
    answers = answers.filter(pc.equal(answers["set"], name))
    known = dict(zip(answers["task"].to_pylist(), map(str, answers["truth"].to_pylist()), strict=True))
    return votes, np.array([votes.classes.index(known[row]) for row in votes.rows])


def million(seed: int = 0) -> tuple[Votes, np.ndarray]:
    rng = np.random.default_rng(seed)
    n, a, k = 200_000, 2_000, 5
    truth, skill = rng.integers(0, k, n), rng.beta(6, 2, a)
    skill[:100] = 1 / k
    row, annotator = np.repeat(np.arange(n), 5), rng.integers(0, a, 5 * n)
    label = np.where(rng.random(5 * n) < skill[annotator], truth[row], (truth[row] + rng.integers(1, k, 5 * n)) % k)
    _, first = np.unique(row * a + annotator, return_index=True)
    names = [tuple(map(str, range(count))) for count in (n, a, k)]
    return Votes(row[first], annotator[first], label[first], names[0], names[1], names[2]), truth


def ours(name: str, votes: Votes, truth: np.ndarray) -> None:
    for method, aggregate in methods().items():
        began = time.process_time()
        found = aggregate(votes)
        print(
            f"{name:9} assay     {method:12} {100 * (found.label == truth).mean():6.2f} % {time.process_time() - began:7.2f} s", flush=True
        )


def peers(name: str, votes: Votes, truth: np.ndarray, slow: bool) -> None:
    import pandas as pd
    from crowdkit import aggregation as kit

    made = {"dawid_skene": kit.DawidSkene(n_iter=100), "one_coin": kit.OneCoinDawidSkene(n_iter=100)}
    if slow:
        made |= {"mace": kit.MACE(random_state=0), "glad": kit.GLAD()}
    made |= {"weighted": kit.Wawa(), "zbs": kit.ZeroBasedSkill(), "majority": kit.MajorityVote()}
    frame = pd.DataFrame({"task": votes.row, "worker": votes.annotator, "label": votes.label})
    for method, peer in made.items():
        began = time.process_time()
        try:
            found = peer.fit_predict(frame).sort_index().to_numpy()
        except AttributeError as error:  # Wawa and ZeroBasedSkill of 1.4.2 do not run with scikit-learn 1.9
            print(f"{name:9} crowd-kit {method:12} does not run: {str(error).splitlines()[0][:60]}")
            continue
        print(f"{name:9} crowd-kit {method:12} {100 * (found == truth).mean():6.2f} % {time.process_time() - began:7.2f} s", flush=True)


def cifar_test() -> tuple[np.ndarray, np.ndarray]:
    """(10,000 pictures (32, 32, 3), labels), in the order of CIFAR-10H."""
    held = np.load(ROOT / "cifar10/cifar10_jpeg.npz")
    data, edges = held["jpg_test"].tobytes(), held["off_test"]
    pictures = [np.asarray(Image.open(io.BytesIO(data[a:b]))) for a, b in itertools.pairwise(edges)]
    return np.stack(pictures), held["y_test"].astype(np.int64)


def with_pictures(seed: int, each: int, rows: int = 4_000) -> None:
    """CIFAR-10H: votes drawn from what people said of each CIFAR-10 test picture (about 51 each), by annotators who guess now and then
    (a share of their votes, uniform in 0 to .6); a weak probe (principal components, logistic regression) out of fold on the
    majority's labels.
    """
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict

    from assay.crowd.with_model import with_model

    rng = np.random.default_rng(seed)
    people = np.load(ROOT / "cifar10h/cifar10h.npz")
    pictures, truth = cifar_test()
    take = np.sort(rng.choice(len(truth), rows, replace=False))
    said, truth = people["counts"][take].astype(float), truth[take]
    chances = (said / said.sum(1, keepdims=True)).cumsum(1)
    a = 60
    guesses = rng.uniform(0, 0.6, a)
    row, annotator = np.repeat(np.arange(rows), each), np.argsort(rng.random((rows, a)), axis=1)[:, :each].ravel()
    looked = np.minimum((rng.random(len(row))[:, None] > chances[row]).sum(1), 9)
    label = np.where(rng.random(len(row)) < guesses[annotator], rng.integers(0, 10, len(row)), looked)
    votes = Votes(row, annotator, label, *(tuple(map(str, range(count))) for count in (rows, a, 10)))
    found = {name: f(votes).label for name, f in methods().items()}
    features = PCA(100, random_state=0).fit_transform(pictures[take].reshape(rows, -1).astype(np.float32) / 255)
    probe = LogisticRegression(C=0.1, max_iter=100)
    predicted = cross_val_predict(probe, features, found["majority"], cv=3, method="predict_proba")
    found |= {"probe alone": predicted.argmax(1), "with_model": with_model(votes, predicted).label}
    print(
        f"cifar10h, {each} votes, seed {seed}: "
        + ", ".join(f"{name} {100 * (label == truth).mean():.2f}" for name, label in found.items()),
        flush=True,
    )


def from_counts(counts: np.ndarray, each: int, annotators: int, rng: np.random.Generator) -> tuple[Votes, np.ndarray]:
    """(votes, truth): of what people said of each row (n, k), `each` votes drawn without replacement and dealt to annotators at
    random; the truth is the class that most people said."""
    n, k = counts.shape
    drawn = np.stack([rng.permutation(np.repeat(np.arange(k), row))[:each] for row in counts])
    who = np.argsort(rng.random((n, annotators)), axis=1)[:, :each]
    names = tuple(tuple(map(str, range(count))) for count in (n, annotators, k))
    return Votes(np.repeat(np.arange(n), each), who.ravel(), drawn.ravel(), names[0], names[1], names[2]), counts.argmax(1)


def blind_set(name: str, rng: np.random.Generator) -> tuple[Votes, np.ndarray]:
    """CIFAR-10H: 1,500 pictures, 5 of some 51 votes each. CIFAR-100 and CIFAR-10 as re-labelled on Mechanical Turk where a classifier
    disagreed (Northcutt, Athalye & Mueller 2021): all 5 votes a picture, for the given label, the other, both or neither. Who gave which
    vote is not known: they are dealt at random to 40 annotators (12 for the small set)."""
    if name == "cifar10h":
        counts = np.load(ROOT / "cifar10h/cifar10h.npz")["counts"].astype(np.int64)
        return from_counts(counts[np.sort(rng.choice(len(counts), 1_500, replace=False))], 5, 40, rng)
    held = json.loads((ROOT / f"label_errors/{name}.json").read_text())
    counts = np.array([[row["mturk"].get(said, 0) for said in ("given", "guessed", "both", "neither")] for row in held])
    return from_counts(counts[counts.sum(1) >= 5], 5, 40 if len(held) > 1_000 else 12, rng)


def blind(name: str, lies: tuple[float, float], crowds: int) -> None:
    """A fifth of colluders, planted as in `tests/test_crowd_hostile.py`."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
    from crowd_examples import plant_colluders, real_crowd

    found, of, wronged, before, after = 0, 0, 0, [], []
    for seed in range(crowds):
        rng = np.random.default_rng([17, seed])
        votes, truth = real_crowd(ROOT.joinpath, name) if name in SETS else blind_set(name, rng)
        planted, group, _ = plant_colluders(votes, truth, rng, lies=rng.uniform(*lies))
        accused = collusion(planted, rng).accused
        found, of = found + int(accused[group].sum()), of + len(group)
        wronged += bool(accused[: len(votes.annotators)].any())
        before.append((dawid_skene(votes).label == truth).mean())
        after.append((dawid_skene(planted.without(np.flatnonzero(accused))).label == truth).mean())
    print(
        f"{name:14} lies {lies[0]:.0%} to {lies[1]:.0%}: {crowds} crowds, recall {found / of:.1%} of {of:,}, somebody honest accused in "
        f"{wronged}; right without the accused {100 * np.mean(after):.2f}, before {100 * np.mean(before):.2f}, most lost "
        f"{100 * max(np.array(before) - np.array(after)):.2f} points",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=("real", "million", "model", "blind", "all"), default="all")
    parser.add_argument("--peer", action="store_true", help="crowd-kit too")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    runs = [(name, *real(name)) for name in SETS] if given.part in ("real", "all") else []
    runs += [("million", *million())] if given.part in ("million", "all") else []
    if given.part in ("model", "all"):
        for each in (2, 3, 5):
            for seed in range(2):
                with_pictures(seed, each)
    if given.part in ("blind", "all"):
        for name in ("cifar10h", "cifar100_mturk", "cifar10_mturk"):
            for lies, crowds in (((0.4, 0.6), 40), ((0.3, 0.3), 20), ((0.2, 0.2), 20)):
                blind(name, lies, crowds)
        for name in ("bluebird", "rte"):
            for lies in ((0.3, 0.3), (0.2, 0.2)):
                blind(name, lies, 20)
    for name, votes, truth in runs:
        ours(name, votes, truth)
        if given.peer:
            peers(name, votes, truth, slow=name != "million")


if __name__ == "__main__":
    main()
