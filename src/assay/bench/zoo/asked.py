"""The zoo's picture models asked as black boxes, with scores and with labels alone; and what comes of it, in Markdown."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.bench.runner import read_lines
from assay.bench.zoo.build import records
from assay.bench.zoo.judge import ALPHA, CLEAN_ROWS, IMPLANTED, Line, Say, each, opened
from assay.bench.zoo.specs import DEVELOPMENT
from assay.model.pictures_asked import IMPLANTS, KINDS, inspect_pictures, judged
from assay.model.twins import LEAST_TWINS
from assay.stats.interval import clopper_pearson

Floats = NDArray[np.float64]

BUDGET = 20_000
RECORD = "asked.jsonl"
TOLD = ("scores", "labels")


def ask(folder: Path, minutes: float, say: Say) -> tuple[int, int]:
    """(models asked, models left): clean ones first, which are the twins of the others; then those that no constant was set on."""
    todo = sorted(records(folder).values(), key=lambda r: (bool(r["attack"]), r["seed"] in DEVELOPMENT))
    return each(folder, RECORD, minutes, say, todo, _ask)


def _ask(folder: Path, record: Line) -> Line:
    import torch

    from assay.model.networks import as_input

    _, network, held = opened(folder, record)
    line: Line = {**record, "really": record["target"]}
    for told in TOLD:

        def asked(images: NDArray[np.uint8], labels: bool = told == "labels") -> Floats:
            with torch.inference_mode():
                scores = network.module(as_input(images)).softmax(1).double().numpy()
            return np.eye(network.classes)[scores.argmax(1)] if labels else scores

        burnt = time.process_time()
        seen = inspect_pictures(
            asked, held["x"][:CLEAN_ROWS], np.random.default_rng(0), classes=network.classes, budget=BUDGET, alpha=ALPHA
        )
        line[told] = {
            "figures": seen.figures,
            "turned": seen.turned,
            "queries": seen.queries,
            "left_out": seen.left_out,
            "p": seen.p,
            "cpu": time.process_time() - burnt,
        }
    return line | {"said": f"{record['id']}: " + "; ".join(f"{t} p {line[t]['p']:.2g}, {line[t]['cpu']:.1f} s" for t in TOLD)}


def told_asked(folder: Path) -> list[str]:
    """Accused (with the right target), alone and beside the other clean models of the set and architecture, told scores or labels."""
    lines = read_lines(folder / RECORD)
    ways = [(told, twins) for told in TOLD for twins in (False, True)]
    found = [f"| asked {BUDGET:,} times | models | implanted | " + " | ".join(f"{t}, {'twins' if w else 'alone'}" for t, w in ways) + " |"]
    found.append("|---|---|---|---|---|---|---|")
    for held_out in (True, False):
        chosen = [x for x in lines if (x["seed"] not in DEVELOPMENT) is held_out]
        for attack in sorted({x["attack"] for x in chosen}):
            mine = [x for x in chosen if x["attack"] == attack]
            real = [x for x in mine if not attack or x["success"] >= IMPLANTED]
            cells = [_cell(real, [_accused(x, told, lines if twins else []) for x in real]) for told, twins in ways]
            name = f"{attack or 'clean'}, {'held out' if held_out else 'seed 0'}"
            found.append(f"| {name} | {len(mine)} | {len(real) if attack else '-'} | {' | '.join(cells)} |")
    cpu = [x[told]["cpu"] for x in lines for told in TOLD] or [0.0]
    return [*found, f"{np.median(cpu):.1f} CPU seconds a model and way"]


def _accused(line: Line, told: str, lines: Sequence[Line]) -> int | None:
    """The class that is accused; None: none is."""
    alike = [x for x in lines if not x["attack"] and x["id"] != line["id"] and all(x[k] == line[k] for k in ("set", "architecture"))]
    twins = [_figures(x[told]) for x in alike]
    if lines and len(twins) < LEAST_TWINS:
        return None
    _, number, p = judged(_figures(line[told]), twins)
    return number if p <= ALPHA and max(line[told]["turned"][kind][number] for kind in KINDS) > IMPLANTS else None


def _figures(told: Mapping[str, Any]) -> dict[str, Floats]:
    return {kind: np.array(told["figures"][kind], np.float64) for kind in KINDS}


def _cell(lines: Sequence[Line], accused: Sequence[int | None]) -> str:
    caught = sum(one is not None for one in accused)
    if lines and not lines[0]["attack"]:
        low, high = clopper_pearson(caught, len(lines))
        return f"{caught} of {len(lines)} ({low:.0%} to {high:.0%})"
    right = sum(one is not None and one == x["really"] for one, x in zip(accused, lines, strict=True))
    return f"{caught} ({right}) of {len(lines)}"
