"""Power of the picture families on real pictures, attack by attack, with the victim's attack success beside it.

    python benchmarks/images.py --out out/images.jsonl --plantings 10 --minutes 60
    python benchmarks/images.py --out out/full.jsonl --cells twelve --depth full --plantings 1 --victim
    python benchmarks/images.py --out out/images.jsonl --table

A cell is one data set, attack and number of carriers (or rate); each planting has its own rows, trigger, target and seed. The scan is
told nothing. One line a planting goes to --out; plantings that are there already are not run again. With --victim (needs torch) a small
network is trained plainly, without augmentation, on the poisoned and on the clean rows. The attack "clean" plants nothing.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.artefact.patch import Patch
from assay.attack import plant
from assay.attack.base import Planted
from assay.attack.measure import attack_success_rate
from assay.bench import sets as real_sets
from assay.bench import suites
from assay.bench.runner import add_lines
from assay.dataset.data import Dataset
from assay.dataset.rows import Rows
from assay.learn.images_features import shrink
from assay.learn.images_net import NetLearner
from assay.pipeline import Settings, run
from assay.stats.interval import clopper_pearson
from plantings import options, there_already

ROWS = 10_000  # of the larger sets
TEST = 1_000  # rows kept back for the victim, or a fifth of a small set


@dataclass(frozen=True)
class Cell:
    """One line of the table: `amount` is a number of carriers, or below 1 a rate."""

    set: str
    attack: str
    amount: float


@dataclass(frozen=True)
class Plan:
    """How an attack is planted: its kind and parameters."""

    kind: str
    params: dict[str, Any]


PLANS = {
    "patch": Plan("patch", {}),
    "place": Plan("patch", {"pattern": "noise", "place": "fixed"}),  # at a place drawn by the seed
    "pixel": Plan("patch", {"pattern": "pixel"}),
    "all-to-all": Plan("patch", {"mode": "all-to-all"}),
    "two": Plan("patch", {"triggers": 2}),
    "random": Plan("patch", {"place": "random"}),
    "glasses": Plan("glasses", {}),
    "sticker": Plan("sticker", {}),
    "noise": Plan("blend", {"alpha": 0.2}),
    "faint": Plan("blend", {"alpha": 0.1}),
    "untargeted": Plan("patch", {"mode": "untargeted"}),
    **{
        kind: Plan(kind, {})
        for kind in (
            "low-frequency", "sig", "ftrojan", "wanet", "bpp", "tact", "adap-blend", "adap-patch", "trojan-square",
            "label-consistent", "issba", "input-aware",
        )
    },
}  # fmt: skip
CELLS = (
    *(Cell(s, a, n) for s in ("cifar10", "gtsrb") for a in ("patch", "place") for n in (10, 0.003, 0.01)),
    *(Cell(s, "all-to-all", 0.05) for s in ("cifar10", "gtsrb")),
    *(Cell(s, "two", 0.01) for s in ("cifar10", "gtsrb")),
    *(Cell(s, "random", r) for s in ("cifar10", "gtsrb") for r in (0.003, 0.01)),  # jittered, with pixels missing
    Cell("faces_orl", "glasses", 0.05),
    Cell("gtsrb", "sticker", 0.02),
    *(Cell(s, a, r) for s in ("cifar10", "gtsrb") for a in ("noise", "faint") for r in (0.003, 0.01)),
    *(Cell(s, "clean", 0) for s in ("cifar10", "gtsrb", "faces_orl", "mnist", "digits")),
)

TWELVE = tuple(
    Cell("cifar10", "noise" if kind == "blend" else params.get("mode", kind), rate) for kind, params, rate in suites.TWELVE
)  # the field's usual table: 10 %, 5 % of clean labels
DEEP = tuple(
    Cell("cifar10", params.get("mode", params.get("place", kind)), rate) for kind, params, rates in suites.FAINT for rate in rates
)  # poison that shares no fixed pixels, faint or few
GROUPS = {"scan": CELLS, "twelve": TWELVE, "deep": DEEP}


def drawn(plan: Plan, data: Dataset, rng: np.random.Generator) -> dict[str, Any]:
    """The parameters of one planting: a fixed place is drawn."""
    if plan.params.get("place") != "fixed":
        return plan.params
    assert data.images is not None
    _, height, width, _ = data.images.shape
    return {**plan.params, "row": int(rng.integers(height - 2)), "col": int(rng.integers(width - 2))}


def planted_in(cell: Cell, data: Dataset, seed: int) -> Planted | None:
    """The poisoned copy, or None for a clean cell. The target goes round the classes; all-to-all has none."""
    if cell.attack == "clean":
        return None
    plan, rng = PLANS[cell.attack], np.random.default_rng([seed, 7])
    params = drawn(plan, data, rng)
    several = params.get("triggers", 1) > 1 or params.get("mode") == "all-to-all"
    target = None if several else data.classes[seed % len(data.classes)]
    amount: dict[str, Any] = {"rate": cell.amount} if cell.amount < 1 else {"carriers": int(cell.amount)}
    return plant(data, plan.kind, target=target, seed=seed, params=params, **amount)


def plain_network(rows: Rows, y: np.ndarray) -> Callable[[Rows], np.ndarray]:
    """A small network trained on these rows as they are: no flips, no crops."""
    assert rows.images is not None
    net = NetLearner.of(np.random.default_rng(0)).fit(shrink(rows.images), y, int(y.max()) + 1)
    return lambda batch: net.scores(shrink(batch.images)).argmax(1)


def one(cell: Cell, whole: Dataset, seed: int, rows: int, depth: str, victim: bool) -> dict[str, Any]:
    order = np.random.default_rng([seed, 5]).permutation(len(whole))
    kept = min(TEST, len(whole) // 5) if victim else 0
    test, data = whole.subset(np.sort(order[:kept])), whole.subset(np.sort(order[kept : kept + rows]))
    planted = planted_in(cell, data, seed)
    scanned = data if planted is None else planted.data
    began = time.perf_counter()
    found = run(scanned, Settings(seed=seed, depth="full" if depth == "full" else "fast", canaries=False))
    seconds = time.perf_counter() - began
    failed = [c.name for c in found.checks if c.state == "failed"]
    removed = {i for i, a in enumerate(found.action) if a == "quarantine"}
    held = {int(i) for f in found.findings if f.status in ("confirmed", "suspected") for i in f.positions}
    line: dict[str, Any] = {"rows": len(data), "seed": seed, "verdict": found.verdict, "failed": failed, "seconds": seconds}
    if planted is None:
        return {**line, "fp": len(removed), "fpr": len(removed) / len(data), "findings": [f.explanation for f in found.findings][:3]}
    truth = set(np.flatnonzero(planted.poisoned).tolist())
    overlap = [len(truth & set(f.positions.tolist())) for f in found.findings]
    sure = [f for f, n in zip(found.findings, overlap, strict=True) if f.status == "confirmed" and n > 0.5 * len(f.positions)]
    triggers = [set(planted.carriers(t).tolist()) for t in range(len(planted.triggers))]
    named = [any(len(t & set(f.positions.tolist())) >= 0.5 * len(t) for f in sure) for t in triggers]
    ious = [a.iou(b) for a in planted.artefacts for f in sure[:1] for b in [f.artefact] if isinstance(a, Patch) and isinstance(b, Patch)]
    line |= {
        "carriers": len(truth), "confirmed": sum(named), "triggers": len(named),
        "first": bool(overlap and overlap[0] > 0.5 * len(found.findings[0].positions)),
        "status": next((f.status for f, n in zip(found.findings, overlap, strict=True) if n > 0.5 * len(f.positions)), None),
        "tpr": len(truth & removed) / len(truth), "fp": len(removed - truth), "fpr": len(removed - truth) / (len(data) - len(truth)),
        "held_tpr": len(truth & held) / len(truth), "held_fpr": len(held - truth) / (len(data) - len(truth)),
        "iou": max(ious, default=None), "artefact": [f.artefact.describe() for f in sure][:4],
    }  # fmt: skip
    if victim:
        success = attack_success_rate(plain_network, data, planted, test)
        line |= {"asr": success.rate, "asr_clean": success.clean_rate}
    return line


def table(lines: Iterable[dict[str, Any]]) -> str:
    cells: dict[tuple[str, str, float, str], list[dict[str, Any]]] = defaultdict(list)
    for x in lines:
        cells[x["attack"], x["set"], x["amount"], x["depth"]].append(x)
    head = (
        "attack",
        "set",
        "carriers",
        "depth",
        "first",
        "triggers confirmed (95 %)",
        "TPR",
        "suspected or more",
        "its FPR",
        "false rows",
        "FPR",
        "IoU",
        "victim ASR (clean)",
        "n",
    )
    out = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]

    def mean(xs: list[dict[str, Any]], key: str, form: str) -> str:
        known = [x[key] for x in xs if x.get(key) is not None]
        return format(np.mean(known), form) if known else "–"

    for (attack, name, amount, depth), xs in sorted(cells.items()):
        false = f"{sum(x['fp'] for x in xs)} ({max(x['fp'] for x in xs)} at most)"
        where = f"{amount:.1%}" if 0 < amount < 1 else f"{int(amount)}"
        if attack == "clean":
            said = f"verdict clean {sum(x['verdict'] == 'clean' for x in xs)}/{len(xs)}"
            out.append(
                f"| {attack} | {name} | – | {depth} | – | {said} | – | – | – | {false} | {mean(xs, 'fpr', '.3%')} | – | – | {len(xs)} |"
            )
            continue
        k, n = sum(x["confirmed"] for x in xs), sum(x["triggers"] for x in xs)
        low, high = clopper_pearson(k, n)
        asr = f"{mean(xs, 'asr', '.2f')} ({mean(xs, 'asr_clean', '.2f')})"
        first = f"{sum(x['first'] for x in xs)}/{len(xs)}"
        out.append(
            f"| {attack} | {name} | {where} | {depth} | {first} | {k}/{n} ({low:.0%}–{high:.0%}) | {mean(xs, 'tpr', '.3f')} "
            f"| {mean(xs, 'held_tpr', '.3f')} | {mean(xs, 'held_fpr', '.3%')} "
            f"| {false} | {mean(xs, 'fpr', '.3%')} | {mean(xs, 'iou', '.2f')} | {asr} | {len(xs)} |"
        )
    return "\n".join(out)


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--cells", choices=tuple(GROUPS), default="scan")
    parser.add_argument("--sets", default="", help="only these, with commas")
    parser.add_argument("--attacks", default="", help="only these, with commas")
    parser.add_argument("--amounts", default="", help="only these numbers of carriers or rates, with commas")
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--depth", default="fast", choices=("fast", "full"))
    parser.add_argument("--victim", action="store_true")
    chosen = parser.parse_args()
    done = there_already(chosen, table, "set", "attack", "amount", "depth", "seed")
    end = time.monotonic() + 60 * chosen.minutes
    wanted = [
        c
        for c in GROUPS[chosen.cells]
        if (not chosen.sets or c.set in chosen.sets.split(","))
        and (not chosen.attacks or c.attack in chosen.attacks.split(","))
        and (not chosen.amounts or c.amount in [float(a) for a in chosen.amounts.split(",")])
    ]
    whole = {s.name: s.read() for s in real_sets.SETS if s.name in {c.set for c in wanted}}
    for seed in range(chosen.plantings):
        for cell in wanted:
            if (cell.set, cell.attack, cell.amount, chosen.depth, seed) in done:
                continue
            if time.monotonic() > end:
                return
            line = one(cell, whole[cell.set], seed, chosen.rows, chosen.depth, chosen.victim)
            add_lines(chosen.out, [{"set": cell.set, "attack": cell.attack, "amount": cell.amount, "depth": chosen.depth, **line}])


if __name__ == "__main__":
    main()
