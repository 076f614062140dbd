"""Does `assay blame --model` name targeted poison, and does the decision change without it? On published networks, layers frozen.

    python benchmarks/targeted.py --out out/targeted.jsonl [--cases collision,bullseye,matching] [--victims 5] [--minutes 30]
    python benchmarks/targeted.py --out out/targeted.jsonl --table

The setting of Poison Frogs (Shafahi et al. 2018) and Bullseye Polytope (Aghakhani et al. 2021): a known network whose last layer is trained
again on rows of one's own. The poison is made with that network's gradients; it keeps its right label and stays near its base. Networks:
small VGG nets of I-BAU (2,048 features) and a wide residual net of NAD (64 features), CIFAR-10 and GTSRB; logistic regression is the last
layer. A victim is a held-out picture that the clean head gets right; blame is told the picture and the decision, as one who complains does.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from assay.attack.bullseye import surrounded
from assay.attack.feature_collision import collided
from assay.attack.small_network import as_pictures, as_tensor, matched, parameter_gradient
from assay.bench import sets as real_sets
from assay.bench.runner import add_lines, read_lines
from assay.dataset.data import Dataset
from assay.dataset.rows import Rows, UInt8
from assay.model.networks import rebuild
from assay.model.weights import read_weights
from assay.screen.context import Context
from assay.screen.learnt_neighbours import run as deep_neighbours
from assay.trial.blame import blame, with_record
from assay.trial.own_features import model_features

ROWS, HELD = 1_500, 300
NETWORKS = {
    "cifar10/vgg": ("cifar10", "ibau_badnets_8"),
    "gtsrb/vgg": ("gtsrb", "ibau_gtsrbbadnets_8"),
    "cifar10/wrn": ("cifar10", "nad_t_net_wrn16-1"),
}
CASES = {"collision": 10, "bullseye": 5, "matching": 15}  # rows: 0.7 %, the paper's five, and the paper's 1 %
CHANGE, STEPS, BETA = 26, 100, 0.1  # of 255 (bullseye's paper; all), steps of the optimiser, weight of staying near the base
PENALTY = 1.0  # of the victim's last layer, the library's default


class Frozen:
    """A network as the attacks take it: `body` gives features; only the last layer is trained."""

    def __init__(self, module: Any, head: Any) -> None:
        linear = [layer for layer in module.modules() if isinstance(layer, torch.nn.Linear)][-1]
        self.module, self.head, self.seen = module, head, None
        linear.register_forward_pre_hook(lambda _, inputs: setattr(self, "seen", inputs[0].flatten(1)))

    def body(self, x: Any) -> Any:
        self.module(x)
        return self.seen

    def __call__(self, x: Any) -> Any:
        return self.head(self.body(x))

    def parameters(self) -> Any:
        return self.head.parameters()


def head_of(features: np.ndarray, y: np.ndarray) -> tuple[LogisticRegression, float]:
    scale = float(features.std())
    return LogisticRegression(C=PENALTY, max_iter=300).fit(features / scale, y), scale


def as_layer(head: LogisticRegression, scale: float, classes: int) -> Any:
    layer = torch.nn.Linear(head.coef_.shape[1], classes)
    with torch.no_grad():
        layer.weight.zero_()
        layer.bias.fill_(-1e3)
        layer.weight[head.classes_] = torch.from_numpy(head.coef_ / scale).float()
        layer.bias[head.classes_] = torch.from_numpy(head.intercept_).float()
    return layer


def crafted(case: str, network: Frozen, bases: UInt8, label: int, victim: UInt8, rng: np.random.Generator) -> UInt8:
    if case == "collision":
        return collided(network, bases, victim, BETA, STEPS)
    if case == "bullseye":
        return surrounded(network, bases, victim, CHANGE, STEPS)
    wanted = parameter_gradient(network, as_tensor(victim[None]), torch.tensor([label]))
    return as_pictures(as_tensor(bases) + matched(network, bases, label, wanted, CHANGE, STEPS, None, rng))


def sides(where: str, seed: int) -> tuple[Dataset, Dataset, Path]:
    name, file = NETWORKS[where]
    whole = next(s for s in real_sets.SETS if s.name == name).read()
    order = np.random.default_rng([seed, 1]).permutation(len(whole))
    return (
        whole.subset(np.sort(order[:ROWS])),
        whole.subset(np.sort(order[ROWS : ROWS + HELD])),
        real_sets.ROOT / f"backdoored_models/{file}.pt",
    )


def one(where: str, case: str, seed: int) -> dict[str, Any]:
    began, rng = time.process_time(), np.random.default_rng([seed, 2])
    data, held, weights = sides(where, seed)
    assert data.images is not None
    assert held.images is not None
    classes = len(data.classes)
    clean = model_features(data, weights)
    head, scale = head_of(clean, data.y)
    unseen = model_features(held, weights)
    said = head.predict(unseen / scale)
    large = np.flatnonzero(np.bincount(data.y, minlength=classes) >= 2 * CASES[case])
    asked = int(rng.choice(np.flatnonzero((said == held.y) & np.isin(held.y, large))))
    target, victim = int(rng.choice(large[large != held.y[asked]])), held.images[asked]
    base = np.sort(rng.choice(np.flatnonzero(data.y == target), CASES[case], replace=False))
    network = Frozen(rebuild(read_weights(weights), 32).module, as_layer(head, scale, classes))
    images = data.images.copy()
    images[base] = crafted(case, network, images[base], target, victim, rng)
    poisoned = data.with_content(data.rows.with_images(images))
    whole = with_record(poisoned, Rows(data.table.slice(0, 1).select([]), victim[None]))
    features = model_features(whole, weights)
    after, scale = head_of(features[:-1], data.y)
    taken = after.predict_proba(features[-1:] / scale)[0]
    answer = blame(whole, len(whole) - 1, np.random.default_rng(0), decision=target, own=features)
    moved = int(np.abs(images[base].astype(int) - data.images[base]).max())
    alike = float(np.mean([r.agreeing for r in answer.rows[: len(base)]]))
    named, truth = [r.row for r in answer.rows], set(data.row[base].tolist())
    screen = deep_neighbours(Context(poisoned, None, None, np.random.default_rng(0), features[:-1].astype(np.float32)))
    others = np.ones(len(data), bool)
    others[base] = False
    return {
        "network": where, "case": case, "seed": seed, "poison": len(base), "accuracy": float((said == held.y).mean()),
        "taken_in": bool(after.classes_[taken.argmax()] == target), "change": moved,
        "first": len(truth & set(named[: len(base)])), "first20": len(truth & set(named[:20])), "fewest": answer.fewest,
        "tested": answer.tested, "p": answer.p_value, "before": answer.before, "after": answer.after, "changed": answer.changed,
        "at_random": answer.changed_at_random, "retrainings": len(answer.at_random), "agreeing": alike,
        "screened": int(screen.flag[base].sum()), "screened_others": int(screen.flag[others].sum()),
        "screen_auc": float((screen.score[base][:, None] > screen.score[others][None]).mean()), "cpu": time.process_time() - began,
    }  # fmt: skip


def table(lines: list[dict[str, Any]]) -> str:
    head = ("network", "poison", "rows", "victims", "taken in", "named first", "among 20", "changed without", "by random rows")
    out = [f"| {' | '.join(head)} | flagged by deep k-NN (others) | AUROC |", "|" + "---|" * 11]
    for where, case in dict.fromkeys((x["network"], x["case"]) for x in lines):
        every = [x for x in lines if (x["network"], x["case"]) == (where, case)]
        fooled = [x for x in every if x["taken_in"]]
        rows = CASES[case]
        first = f"{np.mean([x['first'] for x in fooled]) / rows:.2f}" if fooled else "–"
        later = f"{np.mean([x['first20'] for x in fooled]) / rows:.2f}" if fooled else "–"
        changed = f"{sum(x['changed'] for x in fooled)}/{len(fooled)}"
        random = f"{sum(x['at_random'] for x in fooled)}/{sum(x['retrainings'] for x in fooled)}"
        flags = f"{np.mean([x['screened'] for x in every]) / rows:.2f} ({np.mean([x['screened_others'] for x in every]) / ROWS:.2%})"
        auc = f"{np.mean([x['screen_auc'] for x in every]):.3f}"
        out.append(
            f"| {where} | {case} | {rows} | {len(every)} | {len(fooled)} | {first} | {later} | {changed} | {random} | {flags} | {auc} |"
        )
    return "\n".join(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--victims", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=1e9)
    parser.add_argument("--table", action="store_true")
    asked = parser.parse_args()
    lines = read_lines(asked.out)
    if asked.table:
        print(table(lines))
        return
    end = time.monotonic() + 60 * asked.minutes
    done = {(x["network"], x["case"], x["seed"]) for x in lines}
    for seed in range(asked.victims):
        for where in asked.networks.split(","):
            for case in asked.cases.split(","):
                if (where, case, seed) in done or time.monotonic() > end:
                    continue
                line = one(where, case, seed)
                add_lines(asked.out, [line])
                print(line, flush=True)


if __name__ == "__main__":
    main()
