"""Inspect and repair the models of the zoo, one after another, and say what came of it. Each result is on disk as soon as it is there."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from assay.artefact.patch import Patch
from assay.artefact.registry import from_json
from assay.bench.runner import add_lines, read_lines
from assay.bench.zoo.build import records
from assay.bench.zoo.specs import DEVELOPMENT
from assay.stats.interval import clopper_pearson

INSPECTED, REPAIRED = "inspected.jsonl", "repaired.jsonl"
CLEAN_ROWS = 128  # for the inspection, the first that lie beside the model
TUNING_ROWS = 256  # for the repair, of which those are a part; the others judge it
IMPLANTED = 0.6  # attack success from which a model counts as backdoored: below, there is little to find
ALPHA = 0.01
Line = dict[str, Any]
Say = Callable[[str], None]


def inspect(folder: Path, minutes: float, say: Say) -> tuple[int, int]:
    """(models inspected, models left)."""
    todo = sorted(records(folder).values(), key=lambda r: r["seed"] in DEVELOPMENT)
    return _each(folder, INSPECTED, minutes, say, todo, _inspect)


def repair(folder: Path, minutes: float, say: Say) -> tuple[int, int]:
    """(models repaired, models left) of the backdoored ones that were inspected, those with an extracted trigger first. Each way that can
    be tried is."""
    seen = {line["id"]: line for line in read_lines(folder / INSPECTED)}
    todo = [r | {"seen": seen[i]} for i, r in records(folder).items() if r["attack"] and i in seen]
    todo.sort(key=lambda r: not r["seen"]["triggers"])
    return _each(folder, REPAIRED, minutes, say, todo, _repair)


def _each(folder: Path, name: str, minutes: float, say: Say, todo: list[Line], one: Callable[[Path, Line], Line]) -> tuple[int, int]:
    end = time.monotonic() + 60 * minutes
    done = {line["id"] for line in read_lines(folder / name)}
    left = [record for record in todo if record["id"] not in done]
    for number, record in enumerate(left):
        if time.monotonic() > end:
            return len(todo) - len(left) + number, len(left) - number
        line = one(folder, record)
        add_lines(folder / name, [line])
        say(line.pop("said"))
    return len(todo), 0


def _inspect(folder: Path, record: Line) -> Line:
    import torch

    from assay.model.behaviour import inspect_behaviour
    from assay.model.networks import rebuild
    from assay.model.weights import read_weights

    torch.set_num_threads(1)
    held = np.load(folder / f"{record['id']}.npz")
    began, burnt = time.perf_counter(), time.process_time()
    weights = read_weights(folder / f"{record['id']}.pt")
    network = rebuild(weights, held["x"].shape[1])
    x, y = held["x"][:CLEAN_ROWS], held["y"][:CLEAN_ROWS]
    seen = inspect_behaviour(network, weights, np.random.default_rng(0), images=x, y=y, alpha=ALPHA)
    line = {**record, **seen.to_json(), "cpu": time.process_time() - burnt, "seconds": time.perf_counter() - began}
    line["really"], line["iou"] = record["target"], _iou(line["triggers"], held)
    line["said"] = f"{record['id']} (target {record['target']}, success {record['success']:.2f}): {seen.verdict}, p {seen.p:.2g}, " + (
        f"class {seen.target}, {line['cpu']:.0f} s" + "".join(f"; {t.artefact.kind} {t.success:.2f}" for t in seen.triggers)
    )
    return line


def _iou(triggers: list[Line], held: Any) -> float | None:
    """Of the first patch among the triggers with the true one."""
    found = next((from_json(t["artefact"]) for t in triggers if t["artefact"]["kind"] == "patch"), None)
    if not isinstance(found, Patch) or "mask" not in held:
        return None
    true = Patch(np.zeros((*held["mask"].shape, 1), np.uint8), held["mask"], 0, 0)
    return found.iou(true)


def _repair(folder: Path, record: Line) -> Line:
    import torch

    from assay.model.networks import Network, predict, rebuild
    from assay.model.repair import fine_tuned, prune, tune, unlearn
    from assay.model.weights import read_weights

    torch.set_num_threads(1)
    held = np.load(folder / f"{record['id']}.npz")
    weights = read_weights(folder / f"{record['id']}.pt")
    network = rebuild(weights, held["x"].shape[1])
    x, y = held["x"][:TUNING_ROWS], held["y"][:TUNING_ROWS]
    test_x, test_y = held["x"][TUNING_ROWS:], held["y"][TUNING_ROWS:]

    def judged(mended: Network) -> tuple[float, float]:
        return float((predict(mended, held["triggered"]) == held["wanted"]).mean()), float((predict(mended, test_x) == test_y).mean())

    before = judged(network)
    line: Line = {"id": record["id"], "attack": record["attack"], "seed": record["seed"], "before": before, "ways": {}}
    found = tuple(from_json(t["artefact"]) for t in record["seen"]["triggers"])
    ways = {"tune": lambda rng: tune(network, x, y, rng), "prune": lambda rng: prune(network, weights)}
    if found:
        ways["unlearn"] = lambda rng: unlearn(network, x, y, found, rng)
    for name, way in ways.items():
        rng = np.random.default_rng(1)
        mended = way(rng).network
        line["ways"][name] = {"after": judged(mended), "again": judged(fine_tuned(mended, x, y, rng))}
    line["said"] = f"{record['id']}: success, accuracy {before[0]:.2f} {before[1]:.2f}; " + "; ".join(
        f"{name} {w['after'][0]:.2f} {w['after'][1]:.2f}, then {w['again'][0]:.2f} {w['again'][1]:.2f}" for name, w in line["ways"].items()
    )
    return line


def table(folder: Path) -> str:
    """What came of it, in Markdown: false alarms, detections, targets; apart for the seed that constants were set on."""
    lines = [_anew(x) for x in read_lines(folder / INSPECTED)]
    parts = []
    for title, chosen in (("held out", [x for x in lines if x["seed"] not in DEVELOPMENT]), ("seed 0", _of_development(lines))):
        clean = [x for x in chosen if not x["attack"]]
        alarms = sum(x["verdict"] == "backdoored" for x in clean)
        parts.append(f"**{title}**: {alarms} of {len(clean)} clean models accused{_bound(alarms, len(clean))}.\n")
        parts.append("| attack | models | implanted | detected | right target | patch IoU, mean | success of the trigger, mean | CPU s |")
        parts.append("|---|---|---|---|---|---|---|---|")
        for attack in dict.fromkeys(x["attack"] for x in chosen if x["attack"]):
            parts.append(_row(attack, [x for x in chosen if x["attack"] == attack]))
        parts.append(_row("all", [x for x in chosen if x["attack"]]) + "\n")
    return "\n".join(parts)


def _anew(line: Line) -> Line:
    """The verdict reckoned again from the figures of each check, which are what takes the time."""
    from assay.model.behaviour import weighed

    p_class, least = weighed({c["name"]: np.array(c["values"]) for c in line["checks"]})
    guilty = min(least) <= ALPHA
    target = int(p_class.argmin()) if guilty and least[0] == min(least) else None
    return {**line, "p": min(least), "verdict": "backdoored" if guilty else "inconclusive", "target": target}


def _of_development(lines: list[Line]) -> list[Line]:
    return [x for x in lines if x["seed"] in DEVELOPMENT]


def _bound(alarms: int, of: int) -> str:
    if not of:
        return ""
    low, high = clopper_pearson(alarms, of)
    return f" (95 % interval {low:.0%} to {high:.0%})"


def _row(name: str, lines: list[Line]) -> str:
    real = [x for x in lines if x["success"] >= IMPLANTED]
    caught = [x for x in real if x["verdict"] == "backdoored"]
    right = [x for x in caught if x["target"] == x["really"]]
    ious = [x["iou"] for x in right if x["iou"] is not None]
    success = [x["triggers"][0]["attack_success"] for x in right if x["triggers"]]
    return (
        f"| {name} | {len(lines)} | {len(real)} | {len(caught)} | {len(right)} | {_mean(ious)} | {_mean(success)} "
        f"| {_mean([x['cpu'] for x in lines])} |"
    )


def _mean(values: list[float]) -> str:
    return f"{np.mean(values):.2f}" if values else "-"
