"""The benchmark page, made from recorded runs by a command and never by hand."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa

from assay.bench.measures import IMPLANTED
from assay.bench.peers.registry import defences
from assay.stats.interval import clopper_pearson

Line = dict[str, Any]

LEAST_OF_A_CURVE = 3  # numbers of carriers
CURVES_SAID = (
    "By number of carriers, mean over plantings: poisoned rows removed / clean rows removed / poisoned rows among as many with the highest "
    "scores. A defence that removes a quarter of everything catches a quarter of any poison: look at the second figure first."
)

COLUMNS = (
    "cell", "defence", "set", "rows", "attack", "rate", "carriers", "seed", "modality", "budget", "failed", "poisoned", "removed", "tpr",
    "fpr", "auroc", "precision", "suspected", "recovered", "success", "success_clean", "success_after", "accuracy", "accuracy_clean",
    "accuracy_after", "seconds", "peak_bytes",
)  # fmt: skip


def as_table(lines: Iterable[Line]) -> pa.Table:
    """The records as a small Parquet-ready table, one row a cell and defence; settings and versions as JSON text."""
    listed = sorted(lines, key=lambda x: (x["cell"], x["defence"]))
    columns: dict[str, list[Any]] = {name: [x.get(name) for x in listed] for name in COLUMNS}
    columns["params"] = [json.dumps(x["params"], sort_keys=True) for x in listed]
    columns["versions"] = [json.dumps(x["versions"], sort_keys=True) for x in listed]
    return pa.table(columns)


def as_lines(table: pa.Table) -> list[Line]:
    """The inverse of `as_table`: what the page of an earlier run keeps.

    >>> line = {"cell": "sms/flip", "defence": "ours", "params": {"a": 1}, "versions": {"python": "3.11"}}
    >>> {k: v for k, v in as_lines(as_table([line]))[0].items() if v is not None} == line
    True
    """
    texts = ("params", "versions")
    return [{**line, **{name: json.loads(line[name]) for name in texts}} for line in table.to_pylist()]


def markdown(suite: str, lines: list[Line], command: str, machine: str) -> str:
    """The whole page of one suite."""
    ran = [x for x in lines if x["failed"] is None]
    parts = [
        f"# Benchmark: the {suite} suite",
        f"Made by `{command}` from {len(ran):,} recorded runs; {len(lines) - len(ran):,} could not be run (listed below). {machine}",
        "Every defence sees the same rows in the same run. *random* removes as many rows as are poisoned, drawn at random; *perfect* "
        "removes the poisoned ones: a figure is to be judged between the two. What a peer is told that no user knows stands under *told*. "
        f"Attacks that did not implant (attack success below {IMPLANTED:.0%} in the victim) stand in a table of their own: there, a miss "
        "is no missed detection and a hit no win.",
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
    ]
    if curves := _curves(ran):
        parts += ["## Power by number of carriers", CURVES_SAID, curves]
    failed = sorted({(x["defence"], x["set"], x["failed"]) for x in lines if x["failed"] is not None})
    if failed:
        parts += ["## Not run", "\n".join(f"- {d} on {s}: {why}" for d, s, why in failed)]
    return "\n\n".join(parts) + "\n"


def _clean(lines: list[Line]) -> str:
    rows = []
    for name, xs in _by_defence(lines):
        hit = sum(x["removed"] > 0 for x in xs)
        low, high = clopper_pearson(hit, len(xs))
        rows.append([name, f"{hit} of {len(xs)}", f"{low:.0%} to {high:.0%}", _percent([x["fpr"] for x in xs]), _points(xs)])
    return _table(["defence", "scans that removed rows", "95 % interval", "rows removed (mean)", "accuracy after, points"], rows)


def _attacked(lines: list[Line]) -> str:
    told = {d.name: ", ".join(d.oracle) for d in defences()}
    rows = []
    for name, xs in _by_defence(lines):
        rows.append(
            [
                name,
                told.get(name, ""),
                str(len(xs)),
                _percent([x["tpr"] for x in xs]),
                _percent([x["fpr"] for x in xs], 3),
                _plain([x["auroc"] for x in xs]),
                _percent([x["precision"] for x in xs]),
                _percent([float(x["recovered"]) for x in xs if x["recovered"] is not None]),
                f"{_plain([x['success'] for x in xs])} → {_plain([x['success_after'] for x in xs])}",
                _points(xs),
                _plain([x["seconds"] for x in xs], 1),
            ]
        )
    head = ["defence", "told", "runs", "TPR", "FPR", "AUROC", "precision at the number of poisons", "trigger handed over"]
    return _table([*head, "attack success before → after", "accuracy after, points", "seconds"], rows)


def _by_attack(lines: list[Line]) -> str:
    oracle = {d.name for d in defences() if d.oracle}
    cells: dict[tuple[str, str, str, str], list[Line]] = defaultdict(list)
    for x in lines:
        if x["attack"]:
            settings = ", ".join(f"{k} {v}" for k, v in sorted(x["params"].items()))
            cells[x["set"], x["attack"], settings, x["budget"]].append(x)
    rows = []
    for (name, attack, settings, budget), xs in sorted(cells.items()):
        ours = [x for x in xs if x["defence"] == "assay"]
        peers = [
            (np.mean([x["tpr"] for x in ps]), np.mean([x["fpr"] for x in ps]), peer)
            for peer, ps in _by_defence(x for x in xs if not x["defence"].startswith("assay") and x["defence"] not in oracle)
        ]
        best = max(peers, key=lambda p: p[0] - p[1], default=None)
        rows.append(
            [
                name,
                f"{attack} {settings}".strip(),
                budget,
                str(len(ours)),
                _plain([x["success"] for x in xs]),
                f"{sum(x['tpr'] > 0 for x in ours)} of {len(ours)}",
                _percent([x["tpr"] for x in ours if x["tpr"] > 0]),
                _percent([x["suspected"] for x in ours]),
                _percent([x["fpr"] for x in ours], 3),
                _percent([float(x["recovered"]) for x in ours if x["recovered"] is not None], 0),
                "–" if best is None else f"{best[2]}: {best[0]:.0%} / {best[1]:.1%}",
            ]
        )
    head = ["set", "attack", "budget", "runs", "victim's attack success", "ours: confirmed", "TPR where confirmed", "under any finding"]
    head += ["FPR", "trigger handed over", "best peer: TPR / FPR"]
    return _table(head, rows)


def _curves(lines: list[Line]) -> str:
    """A line a data set and defence, a column a number of carriers; nothing where fewer than three numbers were run."""
    curves: dict[tuple[str, str], list[Line]] = defaultdict(list)
    for x in lines:
        if x["attack"] and x["carriers"] is not None:
            settings = ", ".join(f"{k} {v}" for k, v in sorted(x["params"].items()))
            curves[x["set"], f"{x['attack']} {settings}".strip()].append(x)
    curves = {key: xs for key, xs in curves.items() if len({x["carriers"] for x in xs}) >= LEAST_OF_A_CURVE}
    sizes = sorted({x["carriers"] for xs in curves.values() for x in xs})
    rows = []
    for (name, attack), xs in sorted(curves.items()):
        for defence, mine in _by_defence(xs):
            cells = []
            for size in sizes:
                here = [x for x in mine if x["carriers"] == size]
                caught, first = _percent([x["tpr"] for x in here], 0), _percent([x["precision"] for x in here], 0)
                cells.append(f"{caught} / {_percent([x['fpr'] for x in here])} / {first}" if here else "–")
            rows.append([name, attack, defence, str(max(len({x["seed"] for x in mine}), 1)), *cells])
    return _table(["set", "attack", "defence", "plantings", *map(str, sizes)], rows) if rows else ""


def _by_defence(lines: Iterable[Line]) -> list[tuple[str, list[Line]]]:
    found: dict[str, list[Line]] = defaultdict(list)
    for x in lines:
        found[x["defence"]].append(x)
    order = {d.name: i for i, d in enumerate(defences())}
    return sorted(found.items(), key=lambda item: order.get(item[0], len(order)))


def _table(head: list[str], rows: list[list[str]]) -> str:
    if not rows:
        return "No run yet."
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))


def _percent(values: Iterable[float | None], digits: int = 1) -> str:
    known = [v for v in values if v is not None]
    return f"{np.mean(known):.{digits}%}" if known else "–"


def _plain(values: Iterable[float | None], digits: int = 2) -> str:
    known = [v for v in values if v is not None]
    return f"{np.mean(known):.{digits}f}" if known else "–"


def _points(lines: Iterable[Line]) -> str:
    """How far accuracy after clean-and-retrain lies from the never-poisoned victim's, in points."""
    known = [100 * (x["accuracy_after"] - x["accuracy_clean"]) for x in lines if x.get("accuracy_after") is not None]
    return f"{np.mean(known):+.1f}" if known else "–"
