"""Each defence of `assay.harden` against each attack: clean accuracy, attack success and cost, beside an undefended twin and two controls.

    python benchmarks/defences.py --out out/defences.jsonl --sets sst2,adult,gtsrb,cifar10 --seeds 0,1
    python benchmarks/defences.py --out out/defences.jsonl --sets cifar10 --rows 19000 --test 1000   # on a GPU
    python benchmarks/defences.py --out out/defences.jsonl --sets sst2_sentences --encoder minilm --vectors out/vectors.npz

Every model of a case is of one kind (a small convolutional network; a linear model of words, or of the vectors of a sentence encoder that
was trained elsewhere: --encoder; boosted trees and, for SEVER, a linear model of cells) and sees the same rows. In tables a rule of cells
may be one that the data has by itself: rules are drawn until one takes at most QUIET of the training rows of other classes to the target
in a model of the other half of the clean training rows, and "drawn" in the record says how many were drawn (DRAWS: the
quietest of so many was taken). `scan` removes what Assay's scan quarantines; `random` removes as many rows as are poisoned, drawn;
`perfect` removes the poisoned ones. Attack success is of triggered test rows of other classes; "innocent" is the same for a model of the
clean rows. A line that is there already is not measured again. All drills and shares are fixed below, and none is chosen by the figures.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.ensemble import BaggingClassifier
from torch import nn

from assay.attack.base import Planted
from assay.attack.measure import success
from assay.attack.planting import plant
from assay.bench.sets import SETS, in_memory
from assay.dataset.data import Dataset
from assay.dataset.rows import Rows
from assay.harden.drills import Drill, on_pictures, squares, veils
from assay.harden.ensemble import PartitionedClassifier
from assay.harden.guards import GradientGroups, SmallLoss
from assay.harden.network import NetworkClassifier
from assay.harden.private import PrivateClassifier
from assay.harden.sever import SeverClassifier
from assay.harden.trimmed import TrimmedClassifier
from assay.harden.unlearn import isolated, unlearn
from assay.harden.weights import weights_of
from assay.pipeline import Settings, run
from assay.train.features import features_for
from assay.train.learners import learner
from assay.train.sentences import encoder

ROWS = {
    "gtsrb": 1_500, "cifar10": 2_000, "sst2": 4_000, "sst2_sentences": 4_000, "ag_news": 4_000, "ag_news_sentences": 4_000,
    "german_credit": 800, "adult": 4_000, "fraud": 3_000,
}  # fmt: skip
TEST = {
    "gtsrb": 500, "cifar10": 500, "sst2": 1_000, "sst2_sentences": 1_000, "ag_news": 1_000, "ag_news_sentences": 1_000,
    "german_credit": 200, "adult": 1_000, "fraud": 1_000,
}  # fmt: skip
SENTENCES = "_sentences"  # behind the name of a set whose texts are encoded
GIVEN_AWAY = {"fraud": ("Time",)}  # its genuine rows are of the first 3,000 seconds, its frauds of two days
QUIET, DRAWS = 0.02, 40  # of rules of cells: see above
CLASSES = 10  # of the signs: the commonest
ATTACKS: dict[str, tuple[tuple[str, float | None], ...]] = {
    "image": (("patch", 0.05), ("blend", 0.05), ("flip", 0.2), ("unlearnable", None), ("gradient-matching", 0.02)),
    "text": (("phrase", 0.03), ("flip", 0.2)),
    "table": (("cells", 0.05), ("flip", 0.2)),
}
SHARE = 0.1  # what a defence that needs a share is told, whatever the attack
EPOCHS, STEPS = 6, 200
Fitted = Callable[[Rows], np.ndarray]


def small(shape: tuple[int, ...], classes: int) -> Any:
    """Half the size of Assay's default network and a quarter of its cost, so that the table fits on a CPU."""
    return nn.Sequential(
        nn.Conv2d(shape[0], 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
        nn.Conv2d(32, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(64, 96, 3, 1, 1, bias=False), nn.BatchNorm2d(96), nn.ReLU(), nn.MaxPool2d(2),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(384, classes),
    )  # fmt: skip


@dataclass(eq=False)
class Case:
    """One attack on one set: training rows as the attacker left them, test rows that nobody touched."""

    clean: Dataset
    test: Dataset
    planted: Planted
    seed: int
    encoder: str = ""  # the folder of a sentence encoder
    drawn: int = 0  # rules of cells, until one was quiet

    @property
    def data(self) -> Dataset:
        return self.planted.data

    @cached_property
    def features(self) -> Any:
        return features_for(self.clean, None, {}, private=False, sentences=self.encoder)

    @cached_property
    def scanned(self) -> Any:
        """The scan of the poisoned rows, as a user would run it, and its seconds."""
        began = time.perf_counter()
        conclusion = run(self.data, Settings(seed=self.seed, canaries=False))
        return conclusion, time.perf_counter() - began

    @property
    def weights(self) -> np.ndarray:
        found = self.scanned[0]
        return weights_of(np.array(found.action, str), np.asarray(found.score, np.float64))

    def x(self, rows: Rows) -> Any:
        if rows.images is not None:
            return rows.images.reshape(len(rows), -1)
        return self.features.of(rows)


def net(case: Case, **options: Any) -> NetworkClassifier:
    assert case.data.images is not None
    shape = case.data.images.shape[1:]
    return NetworkClassifier(shape, module=small, epochs=EPOCHS, least_steps=STEPS, random_state=case.seed, **options)


def plain(case: Case, data: Dataset | None = None, kept: np.ndarray | None = None) -> Fitted:
    """The undefended model, perhaps without some rows."""
    data = case.data if data is None else data
    rows = np.arange(len(data)) if kept is None else np.flatnonzero(kept)
    model = net(case) if data.modality == "image" else learner(base(case), case.features, case.seed)
    return fitted(case, model.fit(case.x(data.rows)[rows], data.y[rows]))


def base(case: Case) -> str:
    return "boosting" if case.data.modality == "table" else "linear"


def fitted(case: Case, model: Any) -> Fitted:
    return lambda rows: np.asarray(model.predict(case.x(rows)), np.int64)


def on_rows(make: Callable[[Case], Any]) -> Callable[[Case], Fitted]:
    return lambda case: fitted(case, make(case).fit(case.x(case.data.rows), case.data.y))


def drilled(case: Case) -> Fitted:
    drill = Drill((on_pictures(squares), on_pictures(veils)), triggered=0.5, attacked=0.0)
    return on_rows(lambda c: net(c, drill=drill))(case)


def adversarial(case: Case) -> Fitted:
    return on_rows(lambda c: net(c, drill=Drill(attacked=0.5, reach=4 / 255, steps=3)))(case)


def forgotten(case: Case) -> Fitted:
    """Isolate what is learnt first, train on all rows, unlearn the isolated ones (ABL)."""
    model = net(case).fit(case.x(case.data.rows), case.data.y)
    inputs, y = model.inputs(case.x(case.data.rows)), torch.from_numpy(case.data.y)
    with torch.random.fork_rng():
        torch.manual_seed(case.seed)
        other = small(tuple(inputs.shape[1:]), len(case.data.classes))
    unlearn(model.net_, inputs, y, isolated(other, inputs, y, share=0.02, seed=case.seed, epochs=3), epochs=2, seed=case.seed)
    return fitted(case, model)


def scan(case: Case) -> Fitted:
    return plain(case, kept=np.array(case.scanned[0].action) != "quarantine")


def weighted(case: Case) -> Fitted:
    weights, x, y = case.weights, case.x(case.data.rows), case.data.y
    if case.data.modality == "image":
        return fitted(case, net(case).fit(x, y, weights=weights))
    rows = np.flatnonzero(weights > 0)
    model = learner(base(case), case.features, case.seed)
    return fitted(case, model.fit(x[rows], y[rows], model__sample_weight=weights[rows]))


def stack(case: Case) -> Fitted:
    """The scan's weights, then training that trims as much of what it finds hardest as pays on held-out rows; networks trim little, and
    learn with drills."""
    weights, x, y = case.weights, case.x(case.data.rows), case.data.y
    if case.data.modality == "image":
        drill = Drill((on_pictures(squares), on_pictures(veils)), triggered=0.25)
        return fitted(case, net(case, guard=SmallLoss(share=0.02), drill=drill).fit(x, y, weights=weights))
    rows = np.flatnonzero(weights > 0)
    return fitted(case, TrimmedClassifier(learner(base(case), case.features, case.seed), share="choose").fit(x[rows], y[rows]))


def random(case: Case) -> Fitted:
    gone = np.random.default_rng([case.seed, 3]).choice(len(case.data), int(case.planted.poisoned.sum()), replace=False)
    kept = np.ones(len(case.data), bool)
    kept[gone] = False
    return plain(case, kept=kept if len(np.unique(case.data.y[kept])) > 1 else None)


def perfect(case: Case) -> Fitted:
    if case.planted.poisoned.all():
        return plain(case, case.clean)
    return plain(case, kept=~case.planted.poisoned)


def parts(count: int) -> Callable[[Case], Fitted]:
    def make(case: Case) -> Any:
        one = net(case) if case.data.modality == "image" else learner(base(case), case.features, case.seed, count)
        return PartitionedClassifier(one.set_params(least_steps=60) if case.data.modality == "image" else one, count)

    return on_rows(make)


def bagged(case: Case) -> Fitted:
    """Bagging, the baseline without a certificate."""
    one = learner(base(case), case.features, case.seed)
    return on_rows(lambda _: BaggingClassifier(one, 10, max_samples=0.5, random_state=case.seed))(case)


DEFENCES: dict[str, tuple[tuple[str, ...], Callable[[Case], Fitted]]] = {
    "none": (("image", "text", "table"), plain),
    "scan": (("image", "text", "table"), scan),
    "scan + harden": (("image", "text", "table"), stack),
    "weights from the scan": (("image", "text", "table"), weighted),
    "perfect filter": (("image", "text", "table"), perfect),
    "random filter": (("image", "text", "table"), random),
    "trimmed 10 %": (("text", "table"), on_rows(lambda c: TrimmedClassifier(learner(base(c), c.features, c.seed), share=SHARE))),
    "SEVER 10 %, linear": (("text", "table"), on_rows(lambda c: SeverClassifier(learner("linear", c.features, c.seed), share=SHARE))),
    "10 partitions": (("image", "text", "table"), parts(10)),
    "50 partitions": (("text", "table"), parts(50)),
    "bagging of 10": (("text", "table"), bagged),
    "private, epsilon 8, linear": (("text",), on_rows(lambda c: PrivateClassifier(8.0, 1e-5, random_state=c.seed))),
    "small loss 10 %": (("image",), on_rows(lambda c: net(c, guard=SmallLoss(share=SHARE)))),
    "two-sided 5 % + 5 %": (("image",), on_rows(lambda c: net(c, guard=SmallLoss(share=SHARE / 2, early=SHARE / 2, warm_up=2)))),
    "generalised cross-entropy": (("image",), on_rows(lambda c: net(c, loss="generalised"))),
    "symmetric cross-entropy": (("image",), on_rows(lambda c: net(c, loss="symmetric"))),
    "gradient groups": (("image",), on_rows(lambda c: net(c, guard=GradientGroups(warm_up=2)))),
    "isolate and unlearn 2 %": (("image",), forgotten),
    "drills": (("image",), drilled),
    "adversarial training": (("image",), adversarial),
}


def read(name: str, seed: int, rows: int, held_out: int) -> tuple[Dataset, Dataset]:
    """Training and test rows, drawn by the seed."""
    whole = next(s for s in SETS if s.name == name.removesuffix(SENTENCES)).read()
    order = np.random.default_rng([seed, 5]).permutation(len(whole))
    if name == "gtsrb":
        order = order[np.isin(whole.y[order], np.argsort(-np.bincount(whole.y), kind="stable")[:CLASSES])]
    chosen = order[: rows + held_out]
    labels = [whole.classes[c] for c in whole.y[chosen]]
    images = None if whole.images is None else whole.images[chosen]
    content = [column for column in whole.columns.content if column not in GIVEN_AWAY.get(name, ())]
    table = None if images is not None else whole.table.select(content).take(chosen)
    data = in_memory(whole.modality, labels, table, images, name)
    return data.subset(np.arange(held_out, len(data))), data.subset(np.arange(held_out))


def settled(clean: Dataset, test: Dataset, attack: str, rate: float | None, seed: int, encoder: str) -> Case:
    """The case of an attack; a rule of cells is drawn until it is quiet, by clean training rows alone."""
    first = Case(clean, test, plant(clean, attack, rate=rate, seed=seed), seed, encoder)
    if attack != "cells":
        return first
    order = np.random.default_rng([seed, 7]).permutation(len(clean))
    half, other = clean.subset(np.sort(order[::2])), clean.subset(np.sort(order[1::2]))
    judge = plain(first, half)
    found = []
    for drawn in range(1, DRAWS + 1):
        planted = plant(clean, attack, rate=rate, seed=seed * DRAWS + drawn)
        rate_there = success(judge, judge, planted, other, np.random.default_rng([seed, 1])).rate
        found.append((rate_there, drawn, planted))
        if rate_there <= QUIET:
            break
    _, drawn, planted = min(found, key=lambda f: f[:2])
    return Case(clean, test, planted, seed, encoder, drawn if found[-1][0] <= QUIET else DRAWS)


def measured(case: Case, model: Fitted, innocent: Fitted) -> dict[str, Any]:
    """Accuracy, and attack success where there is a trigger."""
    if not case.planted.triggers:
        return {"accuracy": float((model(case.test.rows) == case.test.y).mean()), "success": None, "innocent": None, "turned": None}
    hit = success(model, innocent, case.planted, case.test, np.random.default_rng([case.seed, 1]))
    return {"accuracy": hit.accuracy, "success": hit.rate, "innocent": hit.clean_rate, "turned": turned(case, model)}


def turned(case: Case, model: Fitted) -> float:
    """Of the test rows of other classes that the model tells right untouched, the share that goes to the target with the trigger."""
    hits = rows = 0
    for trigger in case.planted.triggers:
        right = np.flatnonzero((model(case.test.rows) == case.test.y) & (case.test.y != trigger.target))
        after = model(trigger.stamp(case.test.rows.take(right), np.random.default_rng([case.seed, 1])))
        hits, rows = hits + int((after == trigger.target).sum()), rows + len(right)
    return hits / max(rows, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sets", default="sst2,german_credit,gtsrb,cifar10")
    parser.add_argument("--attacks", default="")
    parser.add_argument("--only", default="")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--rows", type=int, help="training rows, in place of those that a processor manages")
    parser.add_argument("--test", type=int, help="test rows")
    parser.add_argument("--encoder", default="", help="the folder of a sentence encoder, for sets that end in _sentences")
    parser.add_argument("--vectors", type=Path, help="where its vectors are kept between runs")
    chosen = parser.parse_args()
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    done = {line_name(json.loads(line)) for line in chosen.out.read_text().splitlines()} if chosen.out.exists() else set()
    for seed in map(int, chosen.seeds.split(",")):
        for name in chosen.sets.split(","):
            clean, test = read(name, seed, chosen.rows or ROWS[name], chosen.test or TEST[name])
            folder = str(Path(chosen.encoder).absolute()) if name.endswith(SENTENCES) else ""
            if folder and chosen.vectors is not None:
                encoder(folder).recall(chosen.vectors)
            for attack, rate in ATTACKS[clean.modality]:
                left = [
                    d for d, (kinds, _) in DEFENCES.items()
                    if clean.modality in kinds and (name, len(clean), attack, seed, d) not in done
                    and (not chosen.only or d in chosen.only.split(","))
                ]  # fmt: skip
                if not left or (chosen.attacks and attack not in chosen.attacks.split(",")):
                    continue
                case = settled(clean, test, attack, rate, seed, folder)
                innocent = plain(case, clean)
                before = float((innocent(test.rows) == test.y).mean())
                for defence in left:
                    began = time.process_time()
                    model = DEFENCES[defence][1](case)
                    seconds = time.process_time() - began
                    line = {
                        "set": name, "attack": attack, "seed": seed, "defence": defence, "rows": len(clean), "test": len(test),
                        "poisoned": int(case.planted.poisoned.sum()), "clean_accuracy": before, "seconds": seconds, "drawn": case.drawn,
                        "encoder": Path(folder).name,
                        **measured(case, model, innocent),
                    }  # fmt: skip
                    print(json.dumps(line), flush=True)
                    with chosen.out.open("a") as file:
                        file.write(json.dumps(line) + "\n")
                if folder and chosen.vectors is not None:
                    encoder(folder).keep(chosen.vectors)


def line_name(line: dict[str, Any]) -> tuple[str, int, str, int, str]:
    return line["set"], line["rows"], line["attack"], line["seed"], line["defence"]


if __name__ == "__main__":
    main()
