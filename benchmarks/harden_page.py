"""Write docs/benchmarks-harden.md, and the records behind it as Parquet, from what benchmarks/harden.py and benchmarks/defences.py
measured.

    python benchmarks/harden_page.py --certified out/certified.jsonl --defences out/defences.jsonl --page docs/benchmarks-harden.md

With --after PAGE.parquet alone, the records of an earlier page are put back into the two files, so that a run goes on where it was.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SHOWN = (1, 10, 30, 50, 100, 200)  # poisons
ENOUGH, COST = 0.05, 0.02  # what is asked of the stack: attack success, and clean accuracy lost
IMPLANTED = 0.5  # attack success without a defence, below which a line says nothing of any
STACK = ("scan + harden", "scan")

HEAD = """# Benchmarks: training that survives poison

Made by `python benchmarks/harden_page.py`; the records are in `benchmarks-harden.parquet` beside this page, and the commands that measured
them on top of `benchmarks/harden.py` and `benchmarks/defences.py`. What the defences are: [harden](harden.md).
"""

CERTIFIED = """
## Certified accuracy

The share of test rows that are told right and stay so whatever so many training rows an attacker adds or removes, anywhere. Members are
nearest centroids. `mnist_all`: gradient histograms of the pixels; the 10,000 training rows at hand and 9,000 of the test set, 1,000 others
tested. `cifar10_frozen`: the input of the last layer of EfficientNet-Lite0, **trained on ImageNet, which is not poisoned by assumption**,
pictures enlarged to 128 pixels, square roots of length 1; 25,000 training rows (JPEG), 1,000 test rows. "Half": the largest number of
poisons that half of all test rows withstand, told right. "Member": accuracy of one member by itself.

Published beside them: Levine & Feizi 2021 (DPA) certify half of MNIST's test set to more than 500 insertions or removals of 60,000 rows,
0.8 % of them (1,200 to 3,000 partitions), and half of CIFAR-10's to 9 of 50,000 (networks trained from scratch).
"""

DEFENCES = """
## Defences beside an undefended twin

`accuracy`: of untouched test rows. `attack success`: triggered test rows of other classes that go to the target; in brackets what the same
trigger does to a model that never saw poison, below which no filter can go. `turned`: of those rows that the model tells right untouched,
the share that the trigger sends to the target, which is what the attacker gains ("–": not measured). Attacks without a trigger (flips,
unlearnable noise) are judged by accuracy; the clean twin's stands in the heading. Seconds: of processor time on one core, the scan's own
included where a defence is the first to need it. Means over seeds, as many as the heading says; a test set of 200 to 1,000 rows has an
interval of 2 to 7 points. Gradient matching aims at one picture: its success in one seed is 0 or 1.

`sst2_sentences`, `ag_news_sentences`: linear heads on the vectors of a frozen sentence encoder, named in the heading, **trained
elsewhere, by assumption without poison**. Rules of `cells` in tables are drawn until a model of clean rows does not follow them by itself
(`benchmarks/defences.py`).
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--certified", type=Path, required=True)
    parser.add_argument("--defences", type=Path, required=True)
    parser.add_argument("--page", type=Path)
    parser.add_argument("--after", type=Path)
    chosen = parser.parse_args()
    if chosen.after is not None:
        for kind, text in zip(*pq.read_table(chosen.after).to_pydict().values(), strict=True):
            with (chosen.certified if kind == "certified" else chosen.defences).open("a") as file:
                file.write(text + "\n")
    if chosen.page is None:
        return
    certified, defences = (lines(path) for path in (chosen.certified, chosen.defences))
    table = {"kind": ["certified"] * len(certified) + ["defence"] * len(defences), "record": [json.dumps(x) for x in certified + defences]}
    pq.write_table(pa.table(table), chosen.page.with_suffix(".parquet"), compression="zstd")
    page = (
        HEAD
        + CERTIFIED
        + "\n"
        + "\n".join(curves(certified))
        + "\n"
        + DEFENCES
        + "\n".join(cases(defences))
        + "\n"
        + "\n".join(stack(defences))
    )
    chosen.page.write_text(page + "\n", encoding="utf-8")


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def curves(found: list[dict[str, Any]]) -> list[str]:
    names = {"{}": "plurality", '{"spread": 4}': "Finite Aggregation, spread 4", '{"election": "run-off"}': "run-off"}
    said = [f"| set | rows | partitions | election | member | accuracy | half | {' | '.join(f'at {r}' for r in SHOWN)} | seconds |"]
    said.append("|" + "---|" * (8 + len(SHOWN)))
    for x in sorted(found, key=lambda x: (x["set"], x["partitions"], list(names).index(x["how"]))):
        at = " | ".join(f"{x['certified'][str(r)]:.3f}" for r in SHOWN)
        half = f"{x['half']} ({x['half'] / x['rows']:.2%})" if x["half"] >= 0 else "–"
        about = f"| {x['set']} | {x['rows']:,} | {x['partitions']:,} | {names[x['how']]}"
        said.append(f"{about} | {x['members']:.3f} | {x['accuracy']:.3f} | {half} | {at} | {x['seconds']:.0f} |")
    return said


def cases(found: list[dict[str, Any]]) -> list[str]:
    by: dict[tuple[str, int, str], list[dict[str, Any]]] = defaultdict(list)
    for x in found:
        by[x["set"], x["rows"], x["attack"]].append(x)
    said = []
    for (name, _, attack), those in by.items():
        one, seeds = those[0], len({x["seed"] for x in those})
        twin = np.mean(list({x["seed"]: x["clean_accuracy"] for x in those}.values()))
        many = f"{seeds} seeds" if seeds > 1 else "1 seed"
        frozen = f" on {one['encoder']}" if one.get("encoder") else ""
        said += ["", f"### {name}{frozen}, {attack}: {one['poisoned']:,} of {one['rows']:,} rows, {many}; clean twin {twin:.3f}", ""]
        said += ["| defence | accuracy | attack success | turned | seconds |", "|---|---|---|---|---|"]
        for defence in dict.fromkeys(x["defence"] for x in those):
            own = [x for x in those if x["defence"] == defence]
            fewer = "" if len(own) == seeds else f" ({len(own)} of {seeds} seeds)"
            hit = "–" if own[0]["success"] is None else f"{mean(own, 'success'):.3f} ({mean(own, 'innocent'):.3f})"
            gained = [x["turned"] for x in own if x.get("turned") is not None]
            turned = f"{np.mean(gained):.3f}" if gained else "–"
            said.append(f"| {defence}{fewer} | {mean(own, 'accuracy'):.3f} | {hit} | {turned} | {mean(own, 'seconds'):.1f} |")
    return said


def stack(found: list[dict[str, Any]]) -> list[str]:
    """Whether the scan, and the scan with hardening, keep what is promised of them, attack by attack."""
    said = [
        "",
        "## The stack: scan, then hardened training",
        "",
        f"Asked: attack success at most {ENOUGH:.0%}, and at most {COST:.0%} of the clean twin's accuracy lost, in the mean over seeds.",
        "Where a model that never saw poison says the target more often than that, no filter can meet the first; the excess over it stands",
        "beside. Attacks without a trigger are judged by accuracy; one that succeeds in under half undefended counts for nobody.",
        "",
        "| set | rows | attack | seeds | undefended success | stack | success | excess | turned | accuracy lost | kept |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    by: dict[tuple[str, int, str, str], list[dict[str, Any]]] = defaultdict(list)
    for x in found:
        by[x["set"], x["rows"], x["attack"], x["defence"]].append(x)
    for (name, rows, attack, defence), own in by.items():
        if defence not in STACK:
            continue
        plain, lost = by.get((name, rows, attack, "none")), mean(own, "clean_accuracy") - mean(own, "accuracy")
        hit = None if own[0]["success"] is None else mean(own, "success")
        shown = "– | –" if hit is None else f"{hit:.3f} | {hit - mean(own, 'innocent'):+.3f}"
        gained = [x["turned"] for x in own if x.get("turned") is not None]
        shown += f" | {np.mean(gained):.3f}" if gained else " | –"
        before = "–" if plain is None or plain[0]["success"] is None else f"{mean(plain, 'success'):.3f}"
        least = hit is None or hit <= ENOUGH
        short = [*([] if least else ["success"]), *([] if lost <= COST else ["accuracy"])]
        weak = plain is not None and plain[0]["success"] is not None and mean(plain, "success") < IMPLANTED
        kept = "not implanted" if weak else "yes" if not short else "no: " + " and ".join(short)
        said.append(f"| {name} | {rows:,} | {attack} | {len(own)} | {before} | {defence} | {shown} | {lost:+.3f} | {kept} |")
    return said


def mean(those: list[dict[str, Any]], name: str) -> float:
    return float(np.mean([x[name] for x in those]))


if __name__ == "__main__":
    main()
