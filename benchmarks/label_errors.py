"""Wrong labels found beside cleanlab, on the same probabilities in one run: real ones and planted ones.

    python benchmarks/label_errors.py [--part real|planted|all] [--rows 3000] [--seeds 2] [--out FOLDER]

Real: the CIFAR-10 and MNIST test sets with the published cross-validated probabilities of Northcutt, Athalye and Mueller (2021). Truth for
CIFAR-10 is CIFAR-10H (some 51 people a picture): a label is wrong where most of them say another class. For MNIST it is their
reviewers' majority, over the 100 labels that confident learning had put forward (all others count as right, which favours it).

Planted: labels flipped evenly, or to the next class, at 1, 5 and 20 %; a plain cross-fitted probe. Columns: AUROC, average precision, share
flagged, precision and recall of the flags; Brier score and expected calibration error (ten equal bins) of the chance that a label is
wrong: ours (`assay.screen.error_chance`) and cleanlab's one minus label quality. Reliability points go to FOLDER/reliability.csv, and
their plot, all sets together, to FOLDER/reliability.svg.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import warnings
from pathlib import Path

import numpy as np
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import average_precision_score, roc_auc_score

from assay.bench import sets as real_sets
from assay.report.plots.svg import Plot, framed, standalone, words_at
from assay.screen.label_errors import find_label_errors

sys.path.insert(0, str(Path(__file__).parent))
from screens import probe, represent

PLANTED = ("sms", "davidson", "ag_news", "adult", "letter", "digits_table", "mnist", "cifar10")
BINS = 10
SIDE, MARGIN = 380, 48  # of the plot, in pixels
COLUMNS = ("set", "wrong", "method", "AUROC", "AP", "flagged", "precision", "recall", "Brier", "ECE", "estimated wrong")
HEAD = f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}"


def compare(name: str, p: np.ndarray, y: np.ndarray, bad: np.ndarray, points: list[list[object]]) -> None:
    """A line a method, and the points of its reliability curve."""
    ours = find_label_errors(p, y)
    quality = 1 - get_label_quality_scores(y, p, method="self_confidence")
    normalised = 1 - get_label_quality_scores(y, p, method="normalized_margin")
    issues = find_label_issues(y, p)
    rows = np.random.default_rng(0).random(len(y))
    for method, score, flag, chance, share in (
        ("assay", ours.score, ours.flag, ours.chance.wrong, ours.chance.share),
        ("cleanlab", quality, issues, quality, float(issues.mean())),
        ("cleanlab, margin", normalised, issues, normalised, float(issues.mean())),
        ("random", rows, rows > 1 - bad.mean(), None, float("nan")),
    ):
        precision = bad[flag].mean() if flag.any() else float("nan")
        brier = ece = float("nan")
        if chance is not None:
            brier = float(np.mean((chance - bad) ** 2))
            ece = calibration(f"{name}, {method}", chance, bad, points)
        print(
            f"| {name} | {bad.mean():.2%} | {method} | {roc_auc_score(bad, score):.3f} | {average_precision_score(bad, score):.3f} | "
            f"{flag.mean():.2%} | {precision:.2f} | {flag[bad].mean():.2f} | {brier:.4f} | {ece:.4f} | {share:.2%} |",
            flush=True,
        )


def calibration(name: str, chance: np.ndarray, bad: np.ndarray, points: list[list[object]]) -> float:
    bins = np.minimum((chance * BINS).astype(int), BINS - 1)
    total = 0.0
    for b in range(BINS):
        inside = bins == b
        if inside.any():
            said, seen = float(chance[inside].mean()), float(bad[inside].mean())
            points.append([name, b, int(inside.sum()), round(said, 5), round(seen, 5)])
            total += inside.mean() * abs(said - seen)
    return total


def drawn(points: list[list[object]]) -> str:
    """Of all cells together: the share that was wrong, by the chance that was said; a dot a bin, its area by its rows."""

    def place(said: float, seen: float) -> tuple[float, float]:
        return MARGIN + (SIDE - 2 * MARGIN) * said, SIDE - MARGIN - (SIDE - 2 * MARGIN) * seen

    (x0, y0), (x1, y1) = place(0, 0), place(1, 1)
    body = [f'<path class="axis line" d="M{x0} {y1}V{y0}H{x1}"/><path class="axis line" d="M{x0} {y0}L{x1} {y1}" stroke-dasharray="4 4"/>']
    for number, method in enumerate(("assay", "cleanlab")):
        mine = [(int(b), int(n), float(said), float(seen)) for name, b, n, said, seen in points if str(name).endswith(f", {method}")]
        at = []
        for b in range(BINS):
            inside = [(n, said, seen) for which, n, said, seen in mine if which == b]
            rows = sum(n for n, _, _ in inside)
            if rows:
                said, seen = (sum(p[0] * p[i] for p in inside) / rows for i in (1, 2))
                x, y = place(said, seen)
                at.append(f"{x:.1f} {y:.1f}")
                size = 2 + 7 * (rows / sum(n for _, n, _, _ in mine)) ** 0.5
                note = f"{method}: {rows:,} rows said to be wrong with {said:.0%}; {seen:.1%} were"
                body.append(f'<circle class="f{number}" cx="{x:.1f}" cy="{y:.1f}" r="{size:.1f}"><title>{note}</title></circle>')
        body.append(f'<path class="line s{number}" stroke-width="2" d="M{"L".join(at)}"/>')
    body += [words_at(*place(v, -0.06), f"{v:.0%}", "middle") + words_at(*place(-0.02, v), f"{v:.0%}", "end") for v in (0.0, 0.5, 1.0)]
    body.append(words_at(*place(0.5, -0.13), "chance that the label is wrong, as said", "middle"))
    svg = framed(SIDE, SIDE, "Reliability of the chance that a label is wrong", "".join(body), "reliability")
    caption = "Share of labels that were wrong, by the chance that was said; the dashed line is a chance that means what it says."
    legend = (("f0", "assay"), ("f1", "cleanlab (one minus self-confidence)"))
    return standalone(Plot("reliability", "Of labels said to be wrong, how many were", caption, svg, legend=legend))


def real(points: list[list[object]]) -> None:
    folder = real_sets.ROOT / "label_errors"
    y = np.load(folder / "cifar10_test_set_original_labels.npy", allow_pickle=False).astype(np.int64)
    p = np.load(folder / "cifar10_test_set_pyx.npy", allow_pickle=False)
    counts = np.load(real_sets.ROOT / "cifar10h/cifar10h.npz")["counts"].astype(np.int64)
    compare("CIFAR-10 (CIFAR-10H)", p, y, counts.argmax(axis=1) != y, points)
    doubted = counts[np.arange(len(y)), y] < 0.5 * counts.sum(axis=1)
    compare("CIFAR-10 (under half agree)", p, y, doubted, points)
    y = np.load(folder / "mnist_test_set_original_labels.npy", allow_pickle=False).astype(np.int64)
    p = np.load(folder / "mnist_test_set_pyx.npy", allow_pickle=False)
    bad = np.zeros(len(y), bool)
    for item in json.loads((folder / "mnist_mturk.json").read_text()):
        votes = item["mturk"]
        bad[item["id"]] = 2 * votes["given"] < sum(votes.values())
    compare("MNIST (reviewed)", p, y, bad, points)


def planted(rows: int, seeds: int, points: list[list[object]]) -> None:
    for chosen in (s for s in real_sets.SETS if s.name in PLANTED):
        for seed in range(seeds):
            rng = np.random.default_rng(seed)
            data = chosen.read()
            if len(data) > rows:
                data = data.subset(np.sort(rng.choice(len(data), rows, replace=False)))
            x, _, model = represent(data)
            k = len(data.classes)
            for rate, kind in ((0.01, "even"), (0.05, "even"), (0.2, "even"), (0.05, "next")):
                bad = rng.random(len(data)) < rate
                step = rng.integers(1, k, len(data)) if kind == "even" else 1
                y = np.where(bad, (data.y + step) % k, data.y)
                if np.bincount(y, minlength=k).min() < 3:
                    continue
                compare(f"{chosen.name}, {kind} {rate:.0%}, seed {seed}", probe(model, x, y), y, bad, points)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=("real", "planted", "all"), default="all")
    parser.add_argument("--rows", type=int, default=3_000)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("out"))
    asked = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    points: list[list[object]] = []
    print(HEAD)
    if asked.part in ("real", "all"):
        real(points)
    if asked.part in ("planted", "all"):
        planted(asked.rows, asked.seeds, points)
    asked.out.mkdir(parents=True, exist_ok=True)
    with (asked.out / "reliability.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["set and method", "bin", "rows", "said", "seen"])
        writer.writerows(points)
    (asked.out / "reliability.svg").write_text(drawn(points), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
