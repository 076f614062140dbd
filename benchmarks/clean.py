"""Is a clean data set left alone? Scans of real clean data, natural artefacts included.

    python benchmarks/clean.py --out clean.jsonl [--minutes 60] [--depth fast] [--sets sst2,adult] [--share 1/2] [--first-seed 100]
    python benchmarks/clean.py --out clean.jsonl --report

A cell is one set, one variant, one seed: a random 60-80 % of the set (at most 8,000 rows), so that no two cells are
the same data, though cells of one set overlap. Variants: as it is; 5 % of the rows twice; texts with a signature line
on 10 %; pictures with a half-transparent logo on 5 %, or a border on 10 %; tables with -999 for a missing number in 5
% of a column; classes from one to a tenth of the rows; 5 % of the labels wrong (`assay.bench.natural`). All of them at
random, whatever the label. Done cells stand in --out, a JSON line each, and are
skipped; an interrupted run goes on where it was. Cells go round the sets, so that a short run sees all. A cell passes
if the verdict is clean and no row is quarantined; one in which no family of artefacts could be examined is not
counted, and done again in the next run. Cells of a set are not independent: the list by set is what counts, the interval
over all cells is for reading.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import sys
import time
import traceback
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from assay.bench import sets as real_sets
from assay.bench.natural import VARIANTS, rebuilt
from assay.dataset.data import Dataset
from assay.pipeline import Settings, run
from assay.stats.interval import clopper_pearson

MOST_ROWS = 8_000
SHARES = (0.6, 0.8)
SMALL = 300  # under this many rows a scan can find little; such cells are counted apart as well
PLAIN_SEEDS, VARIANT_SEEDS = 8, 3


@dataclass(frozen=True)
class Cell:
    """One scan: which set, how it was changed, which subsample."""

    set: str
    variant: str
    seed: int

    @property
    def name(self) -> str:
        return f"{self.set}/{self.variant}/{self.seed}"


def cells(first: int = 0) -> list[Cell]:
    """Every cell, in the order in which they run: a round of all sets for each seed, from the `first` seed."""
    out = [Cell(s.name, "plain", seed) for seed in range(first, first + PLAIN_SEEDS) for s in real_sets.SETS]
    for seed in range(first, first + VARIANT_SEEDS):
        out += [Cell(s.name, v, seed) for s in real_sets.SETS for v, (_, kinds) in VARIANTS.items() if s.modality in kinds]
    rank = {"plain": 0}
    return sorted(out, key=lambda c: c.seed * 2 + rank.get(c.variant, 1))


def subsample(data: Dataset, rng: np.random.Generator) -> Dataset:
    """60-80 % of the rows, at most `MOST_ROWS`; classes of which no two rows are left go too."""
    size = min(int(rng.uniform(*SHARES) * len(data)), MOST_ROWS)
    chosen = np.sort(rng.choice(len(data), size, replace=False))
    counts = np.bincount(data.y[chosen], minlength=len(data.classes))
    return data.subset(chosen[counts[data.y[chosen]] >= 2])


@functools.cache
def whole(name: str) -> Dataset:
    """A set as it lies on the disk, read once."""
    return next(s for s in real_sets.SETS if s.name == name).read()


def cell_data(cell: Cell) -> Dataset:
    """The data of a cell; the same for the same cell on every machine."""
    rng = np.random.default_rng([zlib.crc32(cell.set.encode()), zlib.crc32(cell.variant.encode()), cell.seed])
    rows = subsample(whole(cell.set), rng)
    return rebuilt(rows) if cell.variant == "plain" else VARIANTS[cell.variant][0](rows, rng)


def scan_cell(cell: Cell, settings: Settings) -> dict[str, Any]:
    """Scan one cell; what is written for it. A scan that raises is a failed cell, with its error."""
    data = cell_data(cell)
    line: dict[str, Any] = {
        "cell": cell.name,
        "set": cell.set,
        "variant": cell.variant,
        "seed": cell.seed,
        "modality": data.modality,
        "rows": len(data),
        "classes": len(data.classes),
        "depth": settings.depth,
        "alpha": settings.alpha,
    }
    started = time.perf_counter()
    try:
        found = run(data, settings)
    except Exception as error:  # noqa: BLE001 -- one broken cell must not end a run of hours; it is counted as failed
        where = traceback.extract_tb(error.__traceback__)[-1]
        broken = f"{type(error).__name__}: {error} ({where.filename.rsplit('/', 1)[-1]}:{where.lineno})"
        return {**line, "verdict": "error", "error": broken, "seconds": round(time.perf_counter() - started, 2)}
    flagged = np.logical_or.reduce([s.flag for s in found.screens]) if found.screens else np.zeros(len(data), bool)
    return {
        **line,
        "verdict": found.verdict,
        "quarantined": found.action.count("quarantine"),
        "review": found.action.count("review"),
        "screened": int(flagged.sum()),
        "hypotheses": found.hypotheses,
        "families": [c.name for c in found.checks if c.state == "ran" and not c.name.startswith(("screen:", "canaries"))],
        "failed": [f"{c.name}: {c.reason}" for c in found.checks if c.state == "failed"],
        "findings": [
            {
                "status": f.status,
                "kind": f.kind,
                "target": f.target,
                "rows": len(f.positions),
                "log10_p": round(float(f.log10_p), 2),
                "log_e": round(float(f.log_e), 2),
                "artefact": f.artefact.describe()[:200],
            }
            for f in found.findings
            if f.status != "shortcut"
        ],
        "shortcuts": sum(f.status == "shortcut" for f in found.findings),
        "seconds": round(time.perf_counter() - started, 2),
    }


def done_cells(out: Path) -> dict[str, dict[str, Any]]:
    """The cells that stand in the file; a half-written last line is passed over."""
    done: dict[str, dict[str, Any]] = {}
    if out.exists():
        for text in out.read_text().splitlines():
            try:
                line = json.loads(text)
            except json.JSONDecodeError:
                continue
            done[line["cell"]] = line
    return done


def vacuous(line: dict[str, Any]) -> bool:
    """A clean verdict where no family of artefacts was examined says nothing: it is not counted, and done again."""
    return line["verdict"] == "clean" and not line["families"]


def report(lines: list[dict[str, Any]]) -> None:
    """k of N with its interval, by modality, variant and size, and every failure."""

    def share(title: str, some: list[dict[str, Any]]) -> None:
        passed = sum(_passes(line) for line in some)
        untouched = sum(not line.get("quarantined") and line["verdict"] != "error" for line in some)
        low, high = clopper_pearson(passed, len(some))
        print(
            f"{title}: clean {passed} of {len(some)} ({passed / len(some):.3f}; 95 % {low:.3f} to {high:.3f}); "
            f"nothing quarantined in {untouched}"
        )

    empty = [line for line in lines if vacuous(line)]
    lines = [line for line in lines if not vacuous(line)]
    if empty:
        sets = ", ".join(dict.fromkeys(line["set"] for line in empty))
        print(f"not counted: {len(empty)} cells in which no family of artefacts could be examined ({sets})")
    if not lines:
        print("no cell is done")
        return
    share(f"all, {len({line['set'] for line in lines})} sets", lines)
    for key in ("modality", "variant"):
        for value in sorted({line[key] for line in lines}):
            share(f"  {key} {value}", [line for line in lines if line[key] == value])
    for title, some in (
        (f"  under {SMALL} rows", [line for line in lines if line["rows"] < SMALL]),
        (f"  {SMALL} rows and more", [line for line in lines if line["rows"] >= SMALL]),
    ):
        if some:
            share(title, some)
    review = np.array([line.get("review", 0) / line["rows"] for line in lines])
    print(f"  rows to review: median {100 * np.median(review):.2f} %, most {100 * review.max():.2f} %")
    seconds = [line["seconds"] for line in lines]
    print(f"  seconds a scan: median {np.median(seconds):.1f}, most {max(seconds):.1f}, sum {sum(seconds):.0f}")
    print("by set:")
    for name in dict.fromkeys(s.name for s in real_sets.SETS):
        some = [line for line in lines if line["set"] == name]
        if some:
            print(f"  {name}: {sum(map(_passes, some))} of {len(some)}" + ("" if all(map(_passes, some)) else "  <-"))
    failures = [line for line in lines if not _passes(line)]
    print(f"failures: {len(failures)}")
    for line in failures:
        what = (
            line.get("error")
            or "; ".join(line["failed"])
            or "; ".join(
                f"{f['status']} {f['artefact']} -> {f['target']} ({f['rows']} rows, log10 p {f['log10_p']}, ln e {f['log_e']})"
                for f in line["findings"]
            )
        )
        print(f"  {line['cell']} ({line['rows']} rows): {line['verdict']}: {what[:600]}")


def _passes(line: dict[str, Any]) -> bool:
    return line["verdict"] == "clean" and not line.get("quarantined")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--depth", choices=("fast", "full"), default="fast")
    parser.add_argument("--alpha", type=float, default=0.01)
    parser.add_argument("--canaries", action="store_true", help="plant canaries too; they do not change a verdict")
    parser.add_argument("--sets", default="", help="only these, separated by commas")
    parser.add_argument("--variants", default="", help="only these, separated by commas")
    parser.add_argument("--first-seed", type=int, default=0, help="of subsamples: others than those that were looked at before")
    parser.add_argument("--share", default="1/1", help="i/n: every n-th cell from the i-th, for runs side by side")
    parser.add_argument("--report", action="store_true", help="scan nothing, print what stands in --out")
    asked = parser.parse_args()
    done = done_cells(asked.out)
    here, missing = real_sets.at_hand() if not asked.report else (list(real_sets.SETS), [])
    if missing:
        print(f"not at hand, left out: {', '.join(missing)}")
    i, n = map(int, asked.share.split("/"))
    names = {s.name for s in here}
    todo = [c for c in cells(asked.first_seed) if c.set in names and (not asked.sets or c.set in asked.sets.split(","))]
    todo = [c for c in todo if not asked.variants or c.variant in asked.variants.split(",")][i - 1 :: n]
    if not asked.report:
        left = [c for c in todo if c.name not in done or vacuous(done[c.name])]
        print(
            f"{len(todo)} cells of {len({c.set for c in todo})} sets, {len(left)} to do, at most {asked.minutes:g} minutes",
            flush=True,
        )
        until = time.monotonic() + 60 * asked.minutes
        torn = asked.out.exists() and not asked.out.read_bytes().endswith(b"\n") and asked.out.stat().st_size > 0
        with asked.out.open("a") as file:
            if torn:
                file.write("\n")  # the next line must not hang on a half-written one
            for number, cell in enumerate(left):
                if time.monotonic() > until:
                    print(f"time is up; {len(left) - number} cells left")
                    break
                settings = Settings(alpha=asked.alpha, depth=asked.depth, seed=cell.seed, canaries=asked.canaries)
                line = scan_cell(cell, settings)
                file.write(json.dumps(line) + "\n")
                file.flush()
                os.fsync(file.fileno())
                mark = "" if _passes(line) else "  <-"
                print(f"[{number + 1}/{len(left)}] {cell.name}: {line['verdict']} in {line['seconds']} s{mark}", flush=True)
    wanted = {c.name for c in todo}
    report([line for line in done_cells(asked.out).values() if line["cell"] in wanted])
    return 0


if __name__ == "__main__":
    sys.exit(main())
