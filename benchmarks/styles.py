"""Styles under a wrong label, published and our own, and clean texts: the family of styles alone, told nothing.

    python benchmarks/styles.py dup:stylebkd:train_0.1 sst2 sst2:syntax:0.05 sms:style:0.05:archaic [--rows 2500] [--seed 0]

`dup:ATTACK:PART` is published (docs/data.md), `SET` clean, `SET:ATTACK:RATE[:STYLE]` planted. With ASSAY_TEXT_MODEL a sentence encoder says
what texts mean in place of their words. Its e-values are held to a quarter of alpha = 0.01. A line for each suspect.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from assay.attack import plant
from assay.bench.sets import SETS, in_memory
from assay.dataset.data import Dataset
from assay.trial.family import silent
from assay.trial.styles import StyleFamily
from assay.trial.verdicts import judge_all, members

DATA = Path(os.environ.get("ASSAY_DATA", "../shared/data"))
ALPHA, FAMILIES = 0.01, 4


def published(attack: str, part: str, rows: int, seed: int) -> tuple[Dataset, np.ndarray]:
    table = pq.read_table(DATA / "poisoned_text/dup_sst2.parquet")
    table = table.filter(pc.and_(pc.equal(table["attack"], attack), pc.equal(table["part"], part)))
    table = table.take(np.sort(np.random.default_rng(seed).choice(len(table), min(rows, len(table)), replace=False)))
    return in_memory("text", table["label"].to_pylist(), table=table.select(["text"])), np.asarray(table["poisoned"].to_pylist(), bool)


def drawn(name: str, attack: list[str], rows: int, seed: int) -> tuple[Dataset, np.ndarray]:
    whole = next(s for s in SETS if s.name == name).read()
    whole = whole.subset(np.sort(np.random.default_rng(seed).permutation(len(whole))[:rows]))
    if not attack:
        return whole, np.zeros(len(whole), bool)
    params = {"style": attack[2]} if len(attack) > 2 else {}
    planted = plant(whole, attack[0], rate=float(attack[1]), seed=seed, params=params)
    return planted.data, planted.poisoned


def show(name: str, data: Dataset, truth: np.ndarray, seed: int) -> None:
    began = time.process_time()
    examined = StyleFamily().examine(data, "full", np.random.default_rng(seed), silent)
    spent = time.process_time() - began
    judged = judge_all({"style": examined}, ALPHA / FAMILIES) if examined.enumerated else ()
    suspects = [j for j in judged if j.status in ("confirmed", "suspected")]
    enough = f"{examined.enumerated:,} groups, {len(suspects)} suspects, {spent:.0f} CPU s"
    print(f"{name}: {len(data):,} rows, {int(truth.sum())} poisoned, {enough}", flush=True)
    for j in suspects:
        rows, said = members(data, j.tried), (j.tried.words or "")[:200]
        print(f"  {j.status}: {int(truth[rows].sum())} of {len(rows)} rows poisoned, log e {j.tried.log_e:.1f}; {said}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+")
    parser.add_argument("--rows", type=int, default=2_500)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    for name in asked.sets:
        first, *rest = name.split(":")
        data, truth = published(*rest, asked.rows, asked.seed) if first == "dup" else drawn(first, rest, asked.rows, asked.seed)
        show(name, data, truth, asked.seed)


if __name__ == "__main__":
    main()
