"""The benchmark page, made from recorded runs by a command and never by hand."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa

from assay.bench.measures import IMPLANTED
from assay.bench.page_claims import CANARIES_SAID, DISCOVERIES_SAID, discoveries, predictions
from assay.bench.page_table import attack_named, by_defence, percent, plain, points, table
from assay.bench.peers.registry import defences
from assay.stats.interval import clopper_pearson

Line = dict[str, Any]

LEAST_OF_A_CURVE = 3  # numbers of carriers
CURVES_SAID = (
    "By number of carriers, mean over plantings: poisoned rows removed / clean rows removed / poisoned rows among as many with the highest "
    "scores. A defence that removes a quarter of everything catches a quarter of any poison: look at the second figure first."
)

COLUMNS = (
    "cell", "defence", "set", "rows", "attack", "rate", "carriers", "seed", "modality", "budget", "variant", "failed", "poisoned",
    "removed", "tpr", "fpr", "auroc", "precision", "suspected", "recovered", "success", "success_clean", "success_after", "accuracy",
    "accuracy_clean", "accuracy_after", "seconds", "peak_bytes", "claimed", "confirmed", "false_confirmed", "caught",
    "canary_carriers", "canary_caught", "canary_planted",
)  # fmt: skip


def as_table(lines: Iterable[Line]) -> pa.Table:
    """The records as a small Parquet-ready table, one row a cell and defence; settings and versions as JSON text."""
    listed = sorted(lines, key=lambda x: (x["cell"], x["defence"]))
    columns: dict[str, list[Any]] = {name: [x.get(name) for x in listed] for name in COLUMNS}
    columns["params"] = [json.dumps(x["params"], sort_keys=True) for x in listed]
    columns["versions"] = [json.dumps(x["versions"], sort_keys=True) for x in listed]
    return pa.table(columns)


def as_lines(stored: pa.Table) -> list[Line]:
    """The inverse of `as_table`: what the page of an earlier run keeps.

    >>> line = {"cell": "sms/flip", "defence": "ours", "params": {"a": 1}, "versions": {"python": "3.11"}}
    >>> {k: v for k, v in as_lines(as_table([line]))[0].items() if v is not None} == line
    True
    """
    texts = ("params", "versions")
    return [{**line, **{name: json.loads(line[name]) for name in texts}} for line in stored.to_pylist()]


def markdown(suite: str, lines: list[Line], command: str, machine: str, cells: int | None = None, plot: str | None = None) -> str:
    """The whole page of one suite; `cells`: how many it has; `plot`: the file that holds its plot."""
    ran = [x for x in lines if x["failed"] is None]
    seen = len({x["cell"] for x in lines})
    parts = [
        f"# Benchmark: the {suite} suite",
        f"Made by `{command}` from {len(ran):,} recorded runs; {len(lines) - len(ran):,} could not be run (listed below). {machine}",
        *([f"**{seen} of the suite's {cells} cells were run.**"] if cells is not None else []),
        "Every defence sees the same rows in the same run. *random* removes as many rows as are poisoned, drawn at random; *perfect* "
        "removes the poisoned ones: a figure is to be judged between the two. What a peer is told that no user knows stands under *told*. "
        f"Attacks that did not implant (attack success below {IMPLANTED:.0%} in the victim) stand in a table of their own: there, a miss "
        "is no missed detection and a hit no win.",
        *([f"![What each defence catches and wrongly removes]({plot})"] if plot is not None else []),
        "## Clean data: is anything removed?",
        _clean([x for x in ran if not x["attack"]]),
        "## Attacks that implanted",
        _attacked([x for x in ran if x["success"] is not None and x["success"] >= IMPLANTED]),
        "## Attacks that did not implant",
        _attacked([x for x in ran if x["success"] is not None and x["success"] < IMPLANTED]),
        "## Poison without a trigger (flips, bias): what is removed, and accuracy after",
        _attacked([x for x in ran if x["attack"] and x["success"] is None]),
        "## Each attack, ours beside the best peer that is told nothing",
        _by_attack(ran),
        "## What ours missed, though it implanted",
        _missed([x for x in ran if x["defence"] == "assay" and x["success"] is not None and x["success"] >= IMPLANTED]),
    ]
    parts += ["## Claimed and realised false discoveries", DISCOVERIES_SAID, discoveries(ran)]
    if predicted := predictions(ran):
        parts += ["## Predicted and real sensitivity", CANARIES_SAID, predicted]
    if curves := _curves(ran):
        parts += ["## Power by number of carriers", CURVES_SAID, curves]
    failed = sorted({(x["defence"], x["set"], x["failed"]) for x in lines if x["failed"] is not None})
    if failed:
        parts += ["## Not run", "\n".join(f"- {d} on {s}: {why}" for d, s, why in failed)]
    return "\n\n".join(parts) + "\n"


def _clean(lines: list[Line]) -> str:
    rows = []
    for name, xs in by_defence(lines):
        hit = sum(x["removed"] > 0 for x in xs)
        low, high = clopper_pearson(hit, len(xs))
        rows.append([name, f"{hit} of {len(xs)}", f"{low:.0%} to {high:.0%}", percent([x["fpr"] for x in xs]), points(xs)])
    whole = table(["defence", "scans that removed rows", "95 % interval", "rows removed (mean)", "accuracy after, points"], rows)
    variants = list(dict.fromkeys(x.get("variant") or "" for x in lines))
    if len(variants) < 2:
        return whole
    rows = []
    for name, xs in by_defence(lines):
        cells = []
        for variant in variants:
            here = [x for x in xs if (x.get("variant") or "") == variant]
            cells.append(f"{sum(x['removed'] > 0 for x in here)} of {len(here)}; {percent([x['fpr'] for x in here])}" if here else "–")
        rows.append([name, *cells])
    sets = len({x["set"] for x in lines})
    by = f"By what is odd about the data ({sets} sets): scans that removed rows; rows removed (mean)."
    return "\n\n".join([whole, by, table(["defence", *(v or "as they are" for v in variants)], rows)])


def _attacked(lines: list[Line]) -> str:
    told = {d.name: ", ".join(d.oracle) for d in defences()}
    rows = []
    for name, xs in by_defence(lines):
        rows.append(
            [
                name,
                told.get(name, ""),
                str(len(xs)),
                percent([x["tpr"] for x in xs]),
                percent([x["fpr"] for x in xs], 3),
                plain([x["auroc"] for x in xs]),
                percent([x["precision"] for x in xs]),
                percent([float(x["recovered"]) for x in xs if x["recovered"] is not None]),
                f"{plain([x['success'] for x in xs])} → {plain([x['success_after'] for x in xs])}",
                points(xs),
                plain([x["seconds"] for x in xs], 1),
            ]
        )
    head = ["defence", "told", "runs", "TPR", "FPR", "AUROC", "precision at the number of poisons", "trigger handed over"]
    return table([*head, "attack success before → after", "accuracy after, points", "seconds"], rows)


def _missed(lines: list[Line]) -> str:
    missed = [x for x in lines if not x["tpr"]]
    said = f"{len(missed)} of {len(lines)} runs in which the attack implanted ended without a poisoned row removed."
    rows = [
        [x["set"], attack_named(x), x["budget"], str(x["seed"]), plain([x["success"]]), percent([x["suspected"]]), plain([x["auroc"]])]
        for x in sorted(missed, key=lambda x: (x["attack"], x["set"], x["budget"], x["seed"]))
    ]
    head = ["set", "attack", "budget", "seed", "attack success", "poisoned rows under a suspected finding", "AUROC of the row scores"]
    return "\n\n".join([said, table(head, rows)]) if rows else said


def _by_attack(lines: list[Line]) -> str:
    oracle = {d.name for d in defences() if d.oracle}
    cells: dict[tuple[str, str, str], list[Line]] = defaultdict(list)
    for x in lines:
        if x["attack"]:
            cells[x["set"], attack_named(x), x["budget"]].append(x)
    rows = []
    for (name, attack, budget), xs in sorted(cells.items()):
        ours = [x for x in xs if x["defence"] == "assay"]
        peers = [
            (np.mean([x["tpr"] for x in ps]), np.mean([x["fpr"] for x in ps]), peer)
            for peer, ps in by_defence(x for x in xs if not x["defence"].startswith("assay") and x["defence"] not in oracle)
        ]
        best = max(peers, key=lambda p: p[0] - p[1], default=None)
        rows.append(
            [
                name,
                attack,
                budget,
                str(len(ours)),
                plain([x["success"] for x in xs]),
                f"{sum(x['tpr'] > 0 for x in ours)} of {len(ours)}",
                percent([x["tpr"] for x in ours if x["tpr"] > 0]),
                percent([x["suspected"] for x in ours]),
                percent([x["fpr"] for x in ours], 3),
                percent([float(x["recovered"]) for x in ours if x["recovered"] is not None], 0),
                "–" if best is None else f"{best[2]}: {best[0]:.0%} / {best[1]:.1%}",
            ]
        )
    head = ["set", "attack", "budget", "runs", "victim's attack success", "ours: confirmed", "TPR where confirmed", "under any finding"]
    head += ["FPR", "trigger handed over", "best peer: TPR / FPR"]
    return table(head, rows)


def _curves(lines: list[Line]) -> str:
    """A line a data set and defence, a column a number of carriers; nothing where fewer than three numbers were run."""
    curves: dict[tuple[str, str], list[Line]] = defaultdict(list)
    for x in lines:
        if x["attack"] and x["carriers"] is not None:
            curves[x["set"], attack_named(x)].append(x)
    curves = {key: xs for key, xs in curves.items() if len({x["carriers"] for x in xs}) >= LEAST_OF_A_CURVE}
    sizes = sorted({x["carriers"] for xs in curves.values() for x in xs})
    rows = []
    for (name, attack), xs in sorted(curves.items()):
        for defence, mine in by_defence(xs):
            cells = []
            for size in sizes:
                here = [x for x in mine if x["carriers"] == size]
                caught, first = percent([x["tpr"] for x in here], 0), percent([x["precision"] for x in here], 0)
                cells.append(f"{caught} / {percent([x['fpr'] for x in here])} / {first}" if here else "–")
            rows.append([name, attack, defence, str(max(len({x["seed"] for x in mine}), 1)), *cells])
    return table(["set", "attack", "defence", "plantings", *map(str, sizes)], rows) if rows else ""
