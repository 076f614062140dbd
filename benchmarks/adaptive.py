"""Attackers who have read this scanner's code, against its defaults, each beside the plain attack that it improves on.

    python benchmarks/adaptive.py --out out/adaptive.jsonl --seeds 3 --minutes 30
    python benchmarks/adaptive.py --out out/adaptive.jsonl --table

What they know: that a trigger is mined where rows share it, and put on trial where it has carriers enough; so they use few carriers, many
variants with few carriers each, triggers that are no two alike, cover rows that keep their label, clean labels, or a trigger that only a
network sums up. The scan is told nothing and runs with its defaults. A victim of the usual kind says whether the attack would have
worked: a miss counts only where it implants. Cells, seeds and lines are those of `assay bench`.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from assay.bench.measures import IMPLANTED
from assay.bench.peers.registry import OURS, defences
from assay.bench.runner import Line, read_lines, run_suite
from assay.bench.suites import Line as Cells
from assay.bench.suites import Suite

ROWS = 3_000
PICTURES, TEXTS, TABLES = ("digits", "cifar10", "gtsrb"), ("sms", "sst2"), ("adult", "spambase")
TEN_WORDS = {"text": "|".join(("cf", "mn", "bb", "tq", "mb", "zx", "qv", "jk", "wv", "xk"))}
# In words; then which sets, the attack, what it is told, and its carriers (None: a share of the rows instead)
ATTACKERS: tuple[tuple[str, tuple[str, ...], str, dict[str, Any], int | None, float | None], ...] = (
    ("plain: a word", TEXTS, "phrase", {"text": "cf"}, 60, None),
    ("few carriers", TEXTS, "phrase", {"text": "cf"}, 8, None),
    ("ten words, six carriers each", TEXTS, "phrase", TEN_WORDS, 60, None),
    ("two covers for each carrier", TEXTS, "phrase", {"text": "cf", "cover": 2.0}, 60, None),
    ("clean labels", TEXTS, "phrase", {"text": "cf", "mode": "clean-label"}, 60, None),
    ("letters of another script at drawn places", TEXTS, "homoglyph", {"place": "random"}, 60, None),
    ("a way of writing", TEXTS, "style", {}, 60, None),
    ("plain: one cell", TABLES, "cells", {"features": 1}, 60, None),
    ("few carriers", TABLES, "cells", {"features": 1}, 8, None),
    ("three values in range", TABLES, "cells", {"features": 3, "bounds": "in"}, 60, None),
    ("values drawn anew in each row", TABLES, "noisy-cells", {"features": 3, "bounds": "in"}, 60, None),
    ("clean labels, rare values", TABLES, "guided-cells", {}, 60, None),
    ("plain: a patch", PICTURES, "patch", {}, 60, None),
    ("JPEG after planting", PICTURES, "patch", {"jpeg": 75}, 60, None),
    ("noise after planting", PICTURES, "patch", {"noise": 8}, 60, None),
    ("JPEG and noise after planting", PICTURES, "patch", {"jpeg": 75, "noise": 8}, 60, None),
    ("another place and colour in each row", PICTURES, "patch", {"place": "random"}, 60, None),
    ("ten variants, six carriers each", PICTURES, "diluted", {"triggers": 10}, 60, None),
    ("ten variants, JPEG and noise", PICTURES, "diluted", {"triggers": 10, "jpeg": 75, "noise": 8}, 60, None),
    ("patches with cover rows", PICTURES, "adap-patch", {}, 60, None),
    ("a faint picture over the whole", PICTURES, "blend", {"alpha": 0.1}, None, 0.02),
)


def words_of(line: Line) -> str:
    """The attacker of a result, in words."""
    for words, sets, attack, params, carriers, rate in ATTACKERS:
        asked = (line["attack"], line["params"], line["carriers"], line["rate"])
        if line["set"] in sets and asked == (attack, params, carriers, rate):
            return words
    return line["cell"]


def suite(kinds: set[str], seeds: int) -> Suite:
    """The cells, of all sets or of some."""
    lines = []
    for _, sets, attack, params, carriers, rate in ATTACKERS:
        chosen = tuple(name for name in sets if not kinds or name in kinds)
        if chosen:
            lines.append(Cells(chosen, ROWS, attack, params, (rate,) if rate else (), (carriers,) if carriers else ()))
    return Suite("adaptive", tuple(lines), (), seeds, 0, retrain=False)


def table(lines: list[Line]) -> str:
    """Markdown: an attacker on a set a row."""
    cells: dict[tuple[int, str, str], list[Line]] = defaultdict(list)
    order = {words: i for i, (words, *_) in enumerate(ATTACKERS)}
    for line in lines:
        if not line["failed"]:
            cells[order.get(words_of(line), 99), line["set"], words_of(line)].append(line)
    head = (
        "attacker",
        "set",
        "poisoned",
        "attack success (unpoisoned)",
        "removed",
        "suspected or removed",
        "trigger named",
        "clean rows removed",
        "n",
    )
    out = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    missed = implants = 0
    for (_, name, words), xs in sorted(cells.items(), key=lambda pair: (pair[0][0], pair[0][1])):
        success = [x["success"] for x in xs if x["success"] is not None]
        before = [x["success_clean"] for x in xs if x["success_clean"] is not None]
        said = f"{np.mean(success):.2f} ({np.mean(before):.2f})" if success else "–"
        named = sum(bool(x["recovered"]) for x in xs)
        tpr, any_of = np.mean([x["tpr"] for x in xs]), np.mean([x["suspected"] for x in xs])
        false = np.mean([x["fpr"] for x in xs])
        poisoned = f"{np.mean([x['poisoned'] for x in xs]):.0f}"
        out.append(f"| {words} | {name} | {poisoned} | {said} | {tpr:.2f} | {any_of:.2f} | {named}/{len(xs)} | {false:.3%} | {len(xs)} |")
        for x in xs:
            works = x["success"] is not None and x["success"] >= IMPLANTED
            implants += works
            missed += works and x["suspected"] < 0.5
    out.append(
        f"\n{implants} of {sum(map(len, cells.values()))} attacks implant (success {IMPLANTED} or more); {missed} of these pass unseen "
        "(less than half of their rows under any finding)."
    )
    return "\n".join(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sets", default="", help="only these, with commas")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--table", action="store_true", help="only print the table of what is there")
    given = parser.parse_args()
    if given.table:
        print(table(read_lines(given.out)))
        return
    ours = [d for d in defences() if d.name == OURS]
    chosen = {name for name in given.sets.split(",") if name}
    done, left = run_suite(
        suite(chosen, given.seeds),
        given.out,
        ours,
        given.minutes,
        1,
        lambda at, of, cell: print(f"{at:.0f} of {of:.0f}: {cell}", flush=True),
    )
    print(f"{done} cells, {left} left")


if __name__ == "__main__":
    main()
