"""Do the sensitivity section's intervals hold? Many canaries of each kind on real data, and real attacks of the same kind beside them.

    python benchmarks/sensitivity.py --out out/sensitivity.jsonl --sets sms,adult,gtsrb --minutes 60
    python benchmarks/sensitivity.py --out out/sensitivity.jsonl --table

Canaries: scans of clean draws of each set until every kind and number of carriers has been planted 100 times; what they caught is one
interval (95 %, Clopper-Pearson), as the report's is of the few of one scan. Real: `assay attack` plants one trigger a draw, other draws,
its own words, patterns, places and targets (of the classes that canaries aim at), and the draw is scanned whole, told nothing; caught is
as for canaries, a confirmed finding that holds half of the rows. One line a scan goes to --out, and what is there is not run again.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from assay.attack import plant
from assay.bench.runner import add_lines, read_lines
from assay.bench.sets import SETS
from assay.dataset.data import Dataset
from assay.pipeline import Settings, run
from assay.stats.interval import clopper_pearson
from assay.trial.canaries import aims
from assay.trial.sensitivity import COVERED
from plantings import options, there_already

ROWS = 3_000
REAL = 10_000  # seeds from here on draw the rows of real attacks
WORDS = ("cf", "mn", "bb", "tq", "mb")  # Kurita et al., Weight Poisoning Attacks on Pre-trained Models, 2020

Key = tuple[str, str, int]  # set, size of the canary in words, carriers

KINDS: dict[str, tuple[tuple[str, tuple[int, ...]], ...]] = {
    "text": (("one rare word", (20, 50)),),
    "table": (("one value out of range", (20, 50)), ("three values in range", (20, 50))),
    "image": (("3x3 patch", (10, 20, 50)), ("noise blended at alpha 0.2", (20, 50))),
}


def attack_of(size: str, data: Dataset, seed: int) -> tuple[str, dict[str, Any]]:
    """The kind and parameters of one real attack that the canaries of this size speak for."""
    if size == "one rare word":
        return "phrase", {"text": WORDS[seed % len(WORDS)]}
    if size == "one value out of range":
        return "cells", {"features": 1, "bounds": "out"}
    if size == "three values in range":
        return "cells", {"features": 3, "bounds": "in"}
    if size == "3x3 patch":
        assert data.images is not None
        rng, (_, height, width, _) = np.random.default_rng([seed, 7]), data.images.shape
        return "patch", {"place": "fixed", "row": int(rng.integers(height - 2)), "col": int(rng.integers(width - 2))}
    return "blend", {"alpha": 0.2}


def drawn(whole: Dataset, rows: int, seed: int) -> Dataset:
    return whole.subset(np.sort(np.random.default_rng([seed, 5]).permutation(len(whole))[:rows]))


def canaries(name: str, whole: Dataset, rows: int, seed: int) -> dict[str, Any]:
    """One scan of clean rows: (size, carriers, caught, planted) of every kind."""
    found = run(drawn(whole, rows, seed), Settings(seed=seed))
    caught = [(s.size, s.carriers, s.caught, s.planted) for s in found.sensitivity]
    return {"set": name, "what": "canaries", "size": "", "carriers": 0, "seed": seed, "verdict": found.verdict, "caught": caught}


def real(key: Key, whole: Dataset, rows: int, seed: int) -> dict[str, Any]:
    """One planting of one trigger, the target going round the classes that canaries aim at, and whether it was caught."""
    name, size, carriers = key
    data = drawn(whole, rows, REAL + seed)
    kind, params = attack_of(size, data, seed)
    targets = aims(np.bincount(data.y, minlength=len(data.classes)))
    planted = plant(data, kind, target=data.classes[targets[seed % len(targets)]], carriers=carriers, seed=seed, params=params)
    found = run(planted.data, Settings(seed=seed, canaries=False))
    truth = set(np.flatnonzero(planted.poisoned).tolist())
    sure = [set(f.positions.tolist()) for f in found.findings if f.status == "confirmed"]
    caught = any(len(truth & rows) >= COVERED * len(truth) for rows in sure)
    return {"set": name, "what": "real", "size": size, "carriers": carriers, "seed": seed, "verdict": found.verdict, "caught": caught}


def counted(lines: Iterable[dict[str, Any]]) -> dict[Key, tuple[list[int], list[int]]]:
    """([caught, planted] of canaries, of real attacks) of each kind."""
    cells: dict[Key, tuple[list[int], list[int]]] = defaultdict(lambda: ([0, 0], [0, 0]))
    for line in lines:
        several = line["caught"] if line["what"] == "canaries" else [(line["size"], line["carriers"], line["caught"], 1)]
        for size, carriers, caught, planted in several:
            cell = cells[line["set"], size, carriers][line["what"] == "real"]
            cell[0] += caught
            cell[1] += planted
    return cells


def table(lines: Iterable[dict[str, Any]]) -> str:
    out = ["| set | what | carriers | canaries caught (95 %) | real attacks caught (95 %) | real inside |", "|---|---|---|---|---|---|"]
    for (name, size, carriers), ((k, n), (r, m)) in sorted(counted(lines).items()):
        if not (n and m):
            continue
        low, high = clopper_pearson(k, n)
        least, most = clopper_pearson(r, m)
        inside = "yes" if low <= r / m <= high else "intervals meet" if least <= high and low <= most else "no"
        out.append(f"| {name} | {size} | {carriers} | {k}/{n} ({low:.2f} to {high:.2f}) | {r}/{m} ({least:.2f} to {most:.2f}) | {inside} |")
    return "\n".join(out)


def work(lines: list[dict[str, Any]], name: str, modality: str, times: int) -> Iterator[Key | int]:
    """What is still to be run of one set: seeds of canary scans until all kinds have their number, then keys of real attacks."""
    done = counted(line for line in lines if line["set"] == name)
    keys = [(name, size, carriers) for size, several in KINDS[modality] for carriers in several]
    least = min(done[key][0][1] for key in keys)
    if least < times:
        yield sum(line["set"] == name and line["what"] == "canaries" for line in lines)
    yield from (key for key in keys if done[key][1][1] < times)


def main() -> None:
    parser = options(__doc__)
    parser.set_defaults(plantings=100)
    parser.add_argument("--sets", default="sms,adult,gtsrb")
    parser.add_argument("--rows", type=int, default=ROWS)
    chosen = parser.parse_args()
    there_already(chosen, table, "set")
    until = time.monotonic() + 60 * chosen.minutes
    for name in chosen.sets.split(","):
        of = next(s for s in SETS if s.name == name)
        whole = of.read()
        while time.monotonic() < until:
            lines = read_lines(chosen.out)
            left = list(work(lines, name, of.modality, chosen.plantings))
            if not left:
                break
            for each in left:
                if isinstance(each, int):
                    line = canaries(name, whole, chosen.rows, each)
                else:
                    seed = sum((x["set"], x["size"], x["carriers"]) == each for x in lines)
                    line = real(each, whole, chosen.rows, seed)
                add_lines(chosen.out, [line])
                print(line, flush=True)
                if time.monotonic() > until:
                    break
    print(table(read_lines(chosen.out)))


if __name__ == "__main__":
    main()
