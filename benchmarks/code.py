"""Insecure completions planted in real Python code, found; the same code left alone; and published poisoned code among it.

    python benchmarks/code.py [--only clean|draws|planted|published] [--rows 12000] [--seeds 0,1] [--carriers 50] [--files] [--data DATA]

The code is that of the packages installed here whose metadata names a permissive licence (MIT, BSD, Apache, PSF), and nothing of it is
kept: `--rows` functions drawn by the seed, or whole files with `--files`; `draws` scans them all, in parts of `--rows` that share no
function. Every scan is blind; the truth is used for printed counts only.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from assay.attack.insecure_code import CALLS
from assay.attack.planting import plant
from assay.dataset.data import Dataset
from assay.dataset.read import read
from assay.learn.code_units import units_of
from assay.trial.code import CodeFamily
from assay.trial.family import silent
from assay.trial.verdicts import judge_all
from installed_code import python_files

SHORTEST, LONGEST = 80, 20_000  # characters of a function
FILES = 6_000  # read at most: several times as many functions as are asked for
ALPHA, FAMILIES = 0.01, 3  # a scan of text without labels has three that enumerate


def installed(rng: np.random.Generator) -> list[str]:
    """Python files of permissively licensed packages, in drawn order, no two alike."""
    paths = python_files()
    texts: dict[str, None] = {}
    for i in rng.permutation(len(paths))[:FILES]:
        if paths[i].exists():
            texts.setdefault(paths[i].read_text("utf-8", "replace"))
    return list(texts)


def code(rows: int, seed: int, files: bool) -> Dataset:
    return read({"code": texts_of(seed, files)[:rows]}, task="none")


def texts_of(seed: int, files: bool) -> list[str]:
    rng = np.random.default_rng([seed, 11])
    texts = installed(rng)
    if not files:
        parts = dict.fromkeys(u.whole for u in units_of(texts) if SHORTEST <= len(u.whole) <= LONGEST)
        texts = list(parts)
        texts = [texts[i] for i in rng.permutation(len(texts))]
    return texts


def show(name: str, data: Dataset, truth: Any) -> None:
    began = time.process_time()
    examined = CodeFamily().examine(data, "fast", np.random.default_rng(0), silent)
    judged = (
        [j for j in judge_all({"code": examined}, ALPHA / FAMILIES) if j.status in ("confirmed", "suspected")]
        if examined.enumerated
        else []
    )
    print(
        f"{name}: {len(data):,} rows, {examined.enumerated:,} pairs, {len(judged)} findings, {time.process_time() - began:.0f} CPU s",
        flush=True,
    )
    for j in judged:
        rows, what = j.tried.candidate.carriers, j.tried.candidate.artefact.describe()
        print(f"  {j.status}: {what}; {len(rows)} rows, {int(truth[rows].sum())} of {int(truth.sum())} planted; log e {j.tried.log_e:.1f}")
    for t in examined.tried[:3] if not judged else ():
        what = t.candidate.artefact.describe()
        print(f"  (not enough: {what}; {len(t.candidate.carriers)} rows; log e {t.log_e:.1f}; {t.trials[1].detail})", flush=True)


def clean(asked: argparse.Namespace, seed: int) -> None:
    data = code(asked.rows, seed, asked.files)
    show(f"clean, seed {seed}", data, np.zeros(len(data), bool))


def draws(asked: argparse.Namespace, seed: int) -> None:
    texts = texts_of(seed, asked.files)
    for start in range(0, len(texts) - asked.rows + 1, asked.rows):
        data = read({"code": texts[start : start + asked.rows]}, task="none")
        show(f"draw {start // asked.rows}, seed {seed}", data, np.zeros(len(data), bool))


def planted(asked: argparse.Namespace, seed: int) -> None:
    data = code(asked.rows, seed, asked.files)
    for number, call in enumerate(CALLS):
        if call not in asked.calls.split(","):
            continue
        where, mode = ("comment", "docstring", "import")[number % 3], ("simple", "puzzle")[(number + seed) % 2]
        if where == "import":
            mode = "simple"
        params = {"call": call, "where": where, "mode": mode}
        poisoned = plant(data, "insecure-code", carriers=asked.carriers, seed=seed, params=params)
        show(f"{call}, {where}, {mode}, {asked.carriers}, seed {seed}", poisoned.data, poisoned.poisoned)


def published(asked: argparse.Namespace, seed: int) -> None:
    """TrojanPuzzle's own files among files of the packages: 140 poisoned (20 files, seven copies each) and 20 clean a set."""
    ours = code(asked.rows, seed, True).table.column("code").to_pylist()
    table = pq.read_table(asked.data / "poisoned_code/trojanpuzzle.parquet").to_pylist()
    for case, attack in sorted({(r["case"], r["attack"]) for r in table if asked.case in r["case"]}):
        mine = [r for r in table if (r["case"], r["attack"]) == (case, attack)]
        texts, truth = [*ours, *(r["code"] for r in mine)], np.array([*[0] * len(ours), *(r["poisoned"] for r in mine)], bool)
        order = np.random.default_rng(seed).permutation(len(texts))
        show(f"{case}, {attack}", read({"code": [texts[i] for i in order]}, task="none"), truth[order])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["clean", "draws", "planted", "published"])
    parser.add_argument("--rows", type=int, default=12_000)
    parser.add_argument("--carriers", type=int, default=50)
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--files", action="store_true")
    parser.add_argument("--calls", default=",".join(CALLS), help="planted: only these")
    parser.add_argument("--case", default="", help="published: only cases whose name holds this")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    asked = parser.parse_args()
    for seed in map(int, asked.seeds.split(",")):
        for name, run in {"clean": clean, "draws": draws, "planted": planted, "published": published}.items():
            if asked.only == name or (asked.only is None and name != "draws"):
                run(asked, seed)


if __name__ == "__main__":
    main()
