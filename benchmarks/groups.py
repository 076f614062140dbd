"""Who stands behind mislabelled rows? Insiders, groups of the population and mass relabelling, planted in real data; and clean data.

    python benchmarks/groups.py --out groups.jsonl [--minutes 30] [--cases clean,relabel] [--sets gtsrb,adult] [--seeds 3]
    python benchmarks/groups.py --out groups.jsonl --table

A cell is one case, one set, one seed: a random 60-80 % of the set (at most 8,000 rows; `adult_whole`: all). Only the two families of this
matter are run, with the share of the error budget that they have in a scan beside one family of content. Cases: `clean`; `flips5`, 5 % of
the labels at random; `relabel`, a share of one class as another, both drawn; `insider`, one of 50 contributors relabels half of his rows of
one class; `group`, 30 % of the rows of one class in a group of 2-6 % of a table, drawn among the values of its columns of categories. Done
cells stand in --out, a JSON line each, and are skipped.
"""

from __future__ import annotations

import argparse
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from assay.attack import Planted, plant
from assay.bench import sets as real_sets
from assay.bench.runner import add_lines, read_lines
from assay.dataset.data import Dataset
from assay.finding import Finding
from assay.stats.interval import clopper_pearson
from assay.trial.family import Examined, silent
from assay.trial.groups import GroupFamily
from assay.trial.relabelling import RelabellingFamily
from assay.trial.verdicts import findings_of, judge_all

ALPHA = 0.01
FAMILIES = 3  # that share the budget in a scan: content, groups, relabelling
MOST_ROWS = 8_000
CASES: dict[str, tuple[str, ...]] = {
    "clean": (
        "gtsrb", "cifar10", "mnist", "digits", "faces_orl", "letter", "digits_table", "bike_sharing", "adult", "german_credit", "spambase",
        "phoneme", "pima", "breast_cancer", "elec2", "fraud", "ag_news_dev", "adult_whole",
    ),
    "flips5": ("gtsrb", "mnist", "letter", "adult", "spambase", "phoneme", "bike_sharing"),
    "relabel": ("gtsrb", "gtsrb_stop", "mnist", "letter", "digits", "cifar10", "ag_news_dev"),
    "insider": ("sms", "adult", "mnist", "letter", "gtsrb"),
    "group": ("adult", "adult_whole", "german_credit", "bike_sharing"),
}  # fmt: skip
SHARES = {"relabel": 0.4, "group": 0.3, "insider": 0.5}


def data_of(name: str, rng: np.random.Generator) -> Dataset:
    """A random part of a set; all of it where the name ends in _whole."""
    base = "gtsrb" if name == "gtsrb_stop" else name.removesuffix("_whole")
    whole = next(s for s in real_sets.SETS if s.name == base).read()
    if name.endswith("_whole") or name == "gtsrb_stop":
        return whole
    size = min(int(rng.uniform(0.6, 0.8) * len(whole)), MOST_ROWS)
    return whole.subset(np.sort(rng.choice(len(whole), size, replace=False)))


def planted(case: str, name: str, data: Dataset, seed: int, rng: np.random.Generator) -> Planted | None:
    """The attack of a case; None: the data as they are."""
    if case == "clean":
        return None
    if case == "flips5":
        return plant(data, "flip", rate=0.05, seed=seed)
    large = np.flatnonzero(np.bincount(data.y, minlength=len(data.classes)) >= 60)
    if case == "relabel" and name == "gtsrb_stop":
        return plant(data, "flip", target="1", seed=seed, params={"from": "14", "share": 0.45})
    if case == "relabel":
        source, target = rng.choice(large, 2, replace=False)
        params = {"from": data.classes[source], "share": SHARES[case]}
        return plant(data, "flip", target=data.classes[target], seed=seed, params=params)
    if case == "insider":
        source = int(np.bincount(data.y).argmax())
        return plant(data, "insider", seed=seed, params={"from": data.classes[source], "share": SHARES[case]})
    places = [(c, v) for c in data.columns.content for v in _values(data, c)]
    column, value = places[int(rng.integers(len(places)))]
    while value == "None":  # missing cells are no group that can be named
        column, value = places[int(rng.integers(len(places)))]
    inside = np.array([str(v) == str(value) for v in data.values(column) or []])
    source = int(np.bincount(data.y[inside]).argmax())
    target = int(rng.choice([c for c in range(len(data.classes)) if c != source]))
    params = {"column": column, "value": str(value), "from": data.classes[source], "share": SHARES[case]}
    return plant(data, "flip", target=data.classes[target], seed=seed, params=params)


def _values(data: Dataset, column: str) -> Iterator[Any]:
    """Values of a column of few values that 2-6 % of the rows have."""
    values, count = np.unique(np.array([str(v) for v in data.values(column) or []]), return_counts=True)
    if len(values) <= 50:
        yield from values[(count >= 0.02 * len(data)) & (count <= 0.06 * len(data))].tolist()


def examine(data: Dataset) -> list[Finding]:
    """What the two families find, at the level that they have in a scan."""
    examined: dict[str, Examined] = {}
    for family in (GroupFamily(), RelabellingFamily()):
        if family.applicable(data, "fast").state == "ran":
            examined[family.name] = family.examine(data, "fast", np.random.default_rng(0), silent)
    judged = judge_all(examined, ALPHA * len(examined) / FAMILIES) if examined else ()
    return [f for f in findings_of(dict.fromkeys(examined, data), judged) if f.status != "shortcut"]


def run_cell(case: str, name: str, seed: int) -> dict[str, Any]:
    """One cell: what was planted, what was found and whether that names it."""
    rng = np.random.default_rng([zlib.crc32(f"{case}/{name}".encode()), seed])
    data = data_of(name, rng)
    poison = planted(case, name, data, seed, rng)
    started = time.perf_counter()
    found = examine(data if poison is None else poison.data)
    truth = np.zeros(len(data), bool) if poison is None else poison.poisoned
    named = [f for f in found if case not in ("clean", "flips5") and truth[f.positions].mean() > 0.4]
    rows = np.unique(np.concatenate([f.positions for f in named])) if named else np.zeros(0, np.int64)
    return {
        "cell": f"{case}/{name}/{seed}", "case": case, "set": name, "seed": seed, "rows": len(data), "planted": int(truth.sum()),
        "what": "" if poison is None else "; ".join(a.describe() for a in poison.artefacts),
        "confirmed": any(f.status == "confirmed" for f in named), "named": bool(named), "false": len(found) - len(named),
        "hit": int(truth[rows].sum()), "accused": len(rows), "seconds": round(time.perf_counter() - started, 1),
        "findings": [{"status": f.status, "log_e": round(f.log_e, 1), "said": f.explanation} for f in found],
    }  # fmt: skip


def cells(cases: list[str], sets: list[str], seeds: int) -> Iterator[tuple[str, str, int]]:
    for seed in range(seeds):
        for case in cases:
            for name in CASES[case]:
                if not sets or name in sets:
                    yield case, name, seed


def table(lines: list[dict[str, Any]]) -> None:
    print("| case | set | cells | confirmed | named | cells with a false finding | rows right / accused / planted | seconds |")
    print("|---|---|---|---|---|---|---|---|")
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for line in lines:
        groups.setdefault((line["case"], line["set"]), []).append(line)
    for (case, name), some in sorted(groups.items()):
        sums = [sum(line[key] for line in some) for key in ("confirmed", "named", "hit", "accused", "planted")]
        false = sum(line["false"] > 0 for line in some)
        seconds = max(line["seconds"] for line in some)
        print(f"| {case} | {name} | {len(some)} | {sums[0]} | {sums[1]} | {false} | {sums[2]} / {sums[3]} / {sums[4]} | {seconds} |")
    quiet = [line["false"] == 0 for line in lines if line["case"] in ("clean", "flips5")]
    if quiet:
        low, high = clopper_pearson(sum(quiet), len(quiet))
        print(f"\nclean or random flips: {sum(quiet)} of {len(quiet)} without a finding (95 % interval {low:.3f} to {high:.3f})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=1e9)
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--sets", default="")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--table", action="store_true")
    given = parser.parse_args()
    done = {line["cell"]: line for line in read_lines(given.out)}
    if given.table:
        table(list(done.values()))
        return
    end = time.monotonic() + 60 * given.minutes
    for case, name, seed in cells(given.cases.split(","), [s for s in given.sets.split(",") if s], given.seeds):
        if f"{case}/{name}/{seed}" in done or time.monotonic() > end:
            continue
        line = run_cell(case, name, seed)
        add_lines(given.out, [line])
        print(
            line["cell"],
            "confirmed" if line["confirmed"] else "named" if line["named"] else "-",
            "false",
            line["false"],
            line["seconds"],
            flush=True,
        )


if __name__ == "__main__":
    main()
