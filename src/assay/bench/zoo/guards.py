"""The guard beside each of the zoo's picture models: which inputs does it hold, and how well does each figure rank carriers?"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from assay.bench.runner import read_lines
from assay.bench.zoo.build import records
from assay.bench.zoo.judge import IMPLANTED, TUNING_ROWS, Line, Say, each, opened

Floats = NDArray[np.float64]

RECORD = "guards.jsonl"
CARRIERS = 0.1  # of a batch


def guard(folder: Path, minutes: float, say: Say) -> tuple[int, int]:
    """(models looked at, models left): the guard is set on 256 clean rows, and shown 344 others and 200 that carry the trigger and turn."""
    return each(folder, RECORD, minutes, say, list(records(folder).values()), _guard)


def _guard(folder: Path, record: Line) -> Line:
    from assay.model.guard import guard_network
    from assay.model.networks import predict

    _, network, held = opened(folder, record)
    burnt = time.process_time()
    made = guard_network(network, [], held["x"][:TUNING_ROWS], held["y"][:TUNING_ROWS])
    test = held["x"][TUNING_ROWS:]
    clean = made.look(test)
    line: Line = {"id": record["id"], "attack": record["attack"], "seed": record["seed"], "success": record["success"]}
    line |= {"held_clean": float(clean.held.mean()), "p_clean": clean.p_together}
    if record["attack"]:
        carriers = held["triggered"][-200:]
        carriers = carriers[predict(network, carriers) == held["wanted"][-200:]]
        few = carriers[: int(CARRIERS / (1 - CARRIERS) * len(test))]
        line["held_carriers"] = float(made.look(carriers).held.mean())
        line["p_batch"] = made.look(np.concatenate([test, few])).p_together
        line["auroc"] = {name: auroc(one.figure(carriers), one.figure(test)) for name, one in made.looks.items()}
    line["cpu"] = time.process_time() - burnt
    return line | {"said": ", ".join(f"{key} {value}" for key, value in line.items())}


def auroc(carriers: Floats, clean: Floats) -> float:
    """The chance that a carrier's figure lies above a clean input's, ties half.

    >>> auroc(np.array([2.0, 3.0]), np.array([1.0, 2.0]))
    0.875
    """
    ranks = rankdata(np.concatenate([carriers, clean]))
    return float((ranks[: len(carriers)].sum() - len(carriers) * (len(carriers) + 1) / 2) / (len(carriers) * len(clean)))


def told_guards(folder: Path) -> list[str]:
    """A row an attack: clean inputs held, carriers held, AUROC of each figure, batches with one carrier in ten that stand out at .01."""
    lines = read_lines(folder / RECORD)
    found = [
        "| guard | models | clean held | carriers held | AUROC: STRIP | SCALE-UP | IBD-PSC | batches told |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for attack in dict.fromkeys(x["attack"] for x in lines):
        mine = [x for x in lines if x["attack"] == attack and (not attack or x["success"] >= IMPLANTED)]
        if not mine:
            continue
        clean = np.mean([x["held_clean"] for x in mine])
        if not attack:
            alarms = sum(x["p_clean"] <= 0.01 for x in mine)
            found.append(f"| clean | {len(mine)} | {clean:.3f} | | | | | {alarms} of {len(mine)} clean |")
            continue
        of = [_range([x["auroc"][name] for x in mine]) for name in ("STRIP", "SCALE-UP", "IBD-PSC")]
        told = sum(x["p_batch"] <= 0.01 for x in mine)
        carriers = _range([x["held_carriers"] for x in mine])
        found.append(f"| {attack} | {len(mine)} | {clean:.3f} | {carriers} | {' | '.join(of)} | {told} of {len(mine)} |")
    return found


def _range(values: list[float]) -> str:
    return f"{np.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"
