"""Inspect and repair the models of the zoo, one after another, and ask the published ways too. Each result is on disk at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from assay.artefact.patch import Patch
from assay.artefact.registry import from_json
from assay.bench.runner import add_lines, read_lines
from assay.bench.zoo.build import records
from assay.bench.zoo.specs import DEVELOPMENT
from assay.model.behaviour import Figures, figures, inspect_behaviour
from assay.model.twins import LEAST_TWINS

if TYPE_CHECKING:
    from assay.model.networks import Network

FREE, INSPECTED, REPAIRED, PEERS = "free.jsonl", "inspected.jsonl", "repaired.jsonl", "peers.jsonl"
CLEAN_ROWS = 128  # for the inspection, the first that lie beside the model
TUNING_ROWS = 256  # for the repair, of which those are a part; the others judge it
IMPLANTED = 0.6  # attack success from which a model counts as backdoored: below, there is little to find
ALPHA = 0.01
GONE, LOST = 0.05, 0.02  # a repaired model's attack success and loss of accuracy at most
Line = dict[str, Any]
Say = Callable[[str], None]


def free(folder: Path, minutes: float, say: Say) -> tuple[int, int]:
    """(models looked at, models left) by the checks that need no data: a second or two each, and all that twins need at first."""
    return each(folder, FREE, minutes, say, list(records(folder).values()), _free)


def inspect(folder: Path, minutes: float, say: Say) -> tuple[int, int]:
    """(models inspected, models left). Clean ones first, so that every search of an attacked one has its like in the twins; then those that
    no constant was set on."""
    seen = looked_at(folder)
    todo = [r for r in records(folder).values() if not r["attack"] or twins_of(r, seen)]
    todo.sort(key=lambda r: (bool(r["attack"]), r["seed"] in DEVELOPMENT))
    return each(folder, INSPECTED, minutes, say, todo, _inspect)


def looked_at(folder: Path) -> list[Line]:
    """What was seen of every model, in full where it was inspected."""
    lines: dict[str, Line] = {}
    for line in [x for name in (FREE, INSPECTED) for x in read_lines(folder / name)]:
        known = {c["name"] for c in line["checks"]}
        more = [c for c in lines.get(line["id"], line)["checks"] if c["name"] not in known]
        lines[line["id"]] = {**line, "checks": line["checks"] + more}
    return list(lines.values())


def ask_peers(folder: Path, minutes: float, say: Say) -> tuple[int, int]:
    """(models asked about, models left): Neural Cleanse and MM-BD on the models, clean and attacked ones by turns, held-out ones first."""
    known = records(folder).values()
    rank = {r["id"]: i for group in (True, False) for i, r in enumerate(x for x in known if bool(x["attack"]) is group and x["seed"])}
    todo = sorted(known, key=lambda r: rank.get(r["id"], len(known)))
    return each(folder, PEERS, minutes, say, todo, _peers)


def twins_of(record: Line, lines: list[Line]) -> list[Figures]:
    """The figures of the other clean models of this set and architecture among inspected ones; none where they are too few."""
    alike = ("set", "architecture")
    twins = [x for x in lines if not x["attack"] and x["id"] != record["id"] and all(x[k] == record[k] for k in alike)]
    return [figures(x) for x in twins] if len(twins) >= LEAST_TWINS else []


def repair(folder: Path, minutes: float, say: Say) -> tuple[int, int]:
    """(models repaired, models left) of the backdoored ones that were inspected, those with an extracted trigger first: they are made to
    unlearn it. The others are pruned."""
    seen = {line["id"]: line for line in read_lines(folder / INSPECTED)}
    todo = [r | {"seen": seen[i]} for i, r in records(folder).items() if r["attack"] and i in seen]
    todo.sort(key=lambda r: not r["seen"]["triggers"])
    return each(folder, REPAIRED, minutes, say, todo, _repair)


def each(folder: Path, name: str, minutes: float, say: Say, todo: list[Line], one: Callable[[Path, Line], Line]) -> tuple[int, int]:
    """(done, left) after so many minutes: a line of `one` for each record of `todo` is added to `name`, unless it is there."""
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


def opened(folder: Path, record: Line) -> tuple[dict[str, Any], Network, dict[str, Any]]:
    """(weights, the network of them, the arrays beside it) of one model; torch has one thread from here on."""
    import torch

    from assay.model.networks import rebuild
    from assay.model.weights import read_weights

    torch.set_num_threads(1)
    weights = read_weights(folder / f"{record['id']}.pt")
    with np.load(folder / f"{record['id']}.npz") as arrays:
        held = {name: arrays[name] for name in arrays.files}
    return weights, rebuild(weights, held["x"].shape[1]), held


def _free(folder: Path, record: Line) -> Line:
    weights, network, _ = opened(folder, record)
    burnt = time.process_time()
    seen = inspect_behaviour(network, weights, np.random.default_rng(0), alpha=ALPHA)
    line = {**record, **seen.to_json(), "really": record["target"], "cpu": time.process_time() - burnt}
    return line | {"said": f"{record['id']}: without data, {line['cpu']:.1f} s"}


def _inspect(folder: Path, record: Line) -> Line:
    weights, network, held = opened(folder, record)
    began, burnt = time.perf_counter(), time.process_time()
    x, y = held["x"][:CLEAN_ROWS], held["y"][:CLEAN_ROWS]
    twins = twins_of(record, looked_at(folder)) if record["attack"] else []
    seen = inspect_behaviour(network, weights, np.random.default_rng(0), images=x, y=y, alpha=ALPHA, twins=twins)
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


def judged(network: Network, held: Any) -> tuple[float, float]:
    """(attack success, accuracy on the rows that no repair saw) of a network, by the arrays beside its model."""
    from assay.model.networks import predict

    success = float((predict(network, held["triggered"]) == held["wanted"]).mean())
    return success, float((predict(network, held["x"][TUNING_ROWS:]) == held["y"][TUNING_ROWS:]).mean())


def stages(mended: Network, held: Any, rng: np.random.Generator) -> Line:
    """How a repaired network fares at once, and after 100 plain steps of fine-tuning."""
    from assay.model.repair import fine_tuned

    again = fine_tuned(mended, held["x"][:TUNING_ROWS], held["y"][:TUNING_ROWS], rng)
    return {"after": judged(mended, held), "again": judged(again, held)}


def within(before: tuple[float, float], told: Line) -> bool:
    """Whether a repair keeps to both bounds, at once and after the fine-tuning."""
    return all(success <= GONE and kept >= before[1] - LOST for success, kept in (told["after"], told["again"]))


def unlearnt(network: Network, triggers: list[Line], held: Any, rng: np.random.Generator) -> Network:
    """The network once it has unlearnt what an inspection extracted."""
    from assay.model.repair import unlearn

    found = tuple(from_json(t["artefact"]) for t in triggers)
    goals = tuple(np.array(goal) for goal in dict.fromkeys(tuple(t["wanted"]) for t in triggers))
    return unlearn(network, held["x"][:TUNING_ROWS], held["y"][:TUNING_ROWS], found, rng, goals).network


def _repair(folder: Path, record: Line) -> Line:
    from assay.model.repair import prune

    weights, network, held = opened(folder, record)
    before = judged(network, held)
    line: Line = {"id": record["id"], "attack": record["attack"], "seed": record["seed"], "before": before, "ways": {}}
    triggers = record["seen"]["triggers"]
    for name in ("unlearn",) if triggers else ("prune",):
        rng = np.random.default_rng(1)
        mended = unlearnt(network, triggers, held, rng) if triggers else prune(network, weights).network
        line["ways"][name] = stages(mended, held, rng)
    line["said"] = f"{record['id']}: success, accuracy {before[0]:.2f} {before[1]:.2f}; {told_ways(line)}"
    return line


def told_ways(line: Line) -> str:
    """Each way of a repaired model in one line: success and accuracy at once and after the fine-tuning."""
    return "; ".join(
        f"{name} {w['after'][0]:.2f} {w['after'][1]:.2f}, then {w['again'][0]:.2f} {w['again'][1]:.2f}" for name, w in line["ways"].items()
    )


def _peers(folder: Path, record: Line) -> Line:
    from assay.bench.zoo.oracles import maximum_margin, neural_cleanse

    _, network, held = opened(folder, record)
    began = time.process_time()
    cleanse = neural_cleanse(network, held["x"][:CLEAN_ROWS], np.random.default_rng(0))
    between = time.process_time()
    margin = maximum_margin(network, np.random.default_rng(0))
    line = {"id": record["id"], "cleanse": cleanse.to_json(), "margin": margin.to_json()}
    line["cpu"] = {"cleanse": between - began, "margin": time.process_time() - between}
    line["said"] = f"{record['id']} (target {record['target']}): Neural Cleanse {cleanse.target}, index {cleanse.score:.1f}; " + (
        f"MM-BD {margin.target}, p {margin.score:.2g}; {line['cpu']['cleanse']:.0f} and {line['cpu']['margin']:.0f} s"
    )
    return line
