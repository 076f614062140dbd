"""Networks that others trained and published with a backdoor, or purified: inspected, and repaired where a trigger was found.

They lie in `backdoored_models` of the data folder, with what is known of each in verified.json; their triggers are written here as their
authors describe them (Zeng et al., I-BAU, 2022; Li et al., ABL, 2021).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from assay.artefact.base import Artefact
from assay.artefact.overlay import Overlay
from assay.artefact.patch import Patch
from assay.artefact.registry import from_json
from assay.bench.runner import add_lines, read_lines
from assay.bench.sets import ROOT, cifar
from assay.bench.zoo.judge import ALPHA

Int = NDArray[np.int64]
UInt8 = NDArray[np.uint8]
Line = dict[str, Any]

FOLDER = "backdoored_models"
SIDE = 32
SQUARE = 4  # pixels a side of I-BAU's white square, one pixel from the lower right corner
GRID = np.array([[0, 0, 255], [0, 255, 0], [255, 0, 255]], np.uint8)  # ABL's, in the corner itself
LOOKED, TUNED, JUDGED = 160, 512, 1_000  # clean rows: to inspect with, to repair with (those among them), to judge by
RECORD = "arrived.jsonl"


def arrived(folder: Path, minutes: float, say: Callable[[str], None]) -> tuple[int, int]:
    """(models looked at, models left); a line each in arrived.jsonl. FileNotFoundError where the models are not at hand."""
    folder.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + 60 * minutes
    known = json.loads((ROOT / FOLDER / "verified.json").read_text())
    done = {line["file"] for line in read_lines(folder / RECORD)}
    left = sorted((k for k in known if k["file"] not in done), key=lambda k: (k["dataset"] != "cifar10", k["file"]))
    for number, told in enumerate(left):
        if time.monotonic() > end:
            return len(done) + number, len(left) - number
        line = _one(told)
        add_lines(folder / RECORD, [line])
        say(json.dumps({k: v for k, v in line.items() if k not in ("checks", "triggers", "p_class")}))
    return len(known), 0


def _one(told: Line) -> Line:
    import torch

    from assay.model.behaviour import inspect_behaviour
    from assay.model.networks import accuracy, rebuild
    from assay.model.weights import read_weights

    torch.set_num_threads(1)
    weights = read_weights(ROOT / FOLDER / told["file"])
    network = rebuild(weights, SIDE)
    x, y = _rows(told["dataset"])
    began, burnt = time.perf_counter(), time.process_time()
    seen = inspect_behaviour(network, weights, np.random.default_rng(0), images=x[:LOOKED], y=y[:LOOKED], alpha=ALPHA)
    line = {**{k: told[k] for k in ("file", "trigger", "backdoored")}, **seen.to_json()}
    line |= {"really": told["target"] if told["backdoored"] else None}
    line |= {"cpu": time.process_time() - burnt, "seconds": time.perf_counter() - began}
    trigger = _trigger(told["trigger"])
    test = x[TUNED:], y[TUNED:]
    line["before"] = [_success(network, trigger, test, told["target"]), accuracy(network, *test)]
    if told["backdoored"] and seen.triggers and seen.target == told["target"]:
        line |= _repaired(network, line["triggers"], (x[:TUNED], y[:TUNED]), trigger, test, told["target"])
    return line


def _repaired(
    network: Any, triggers: list[Line], clean: tuple[UInt8, Int], trigger: Artefact, test: tuple[UInt8, Int], target: int
) -> Line:
    from assay.model.networks import accuracy
    from assay.model.repair import fine_tuned, unlearn

    rng, burnt = np.random.default_rng(1), time.process_time()
    goals = tuple(np.array(goal) for goal in dict.fromkeys(tuple(t["wanted"]) for t in triggers))
    mended = unlearn(network, *clean, tuple(from_json(t["artefact"]) for t in triggers), rng, goals).network
    again = fine_tuned(mended, *clean, rng)
    told = {name: [_success(n, trigger, test, target), accuracy(n, *test)] for name, n in (("after", mended), ("again", again))}
    return {**told, "repair_cpu": time.process_time() - burnt}


def _success(network: Any, trigger: Artefact, test: tuple[UInt8, Int], target: int) -> float:
    from assay.model.networks import predict

    return float((predict(network, trigger.insert(test[0][test[1] != target])) == target).mean())


def _rows(name: str) -> tuple[UInt8, Int]:
    """Clean pictures, drawn once."""
    if name == "cifar10":
        x, y = cifar("test", TUNED + JUDGED)
        return x, y.astype(np.int64)
    z = np.load(ROOT / "gtsrb32/gtsrb32_every3.npz")
    drawn = np.random.default_rng(0).permutation(len(z["y"]))[: TUNED + JUDGED]
    return z["x"][drawn], z["y"][drawn].astype(np.int64)


def _trigger(name: str) -> Artefact:
    if name == "badnets":
        at = SIDE - 1 - SQUARE
        return Patch(np.full((SQUARE, SQUARE, 3), 255, np.uint8), np.ones((SQUARE, SQUARE), bool), at, at)
    if name == "grid":
        return Patch(np.repeat(GRID[..., None], 3, 2), np.ones((3, 3), bool), SIDE - 3, SIDE - 3)
    added = np.asarray(Image.open(ROOT / FOLDER / "trigger_trojan_wm.png").convert("RGB"), np.float32)
    return Overlay(added, 1.0, "add", 0.5)
