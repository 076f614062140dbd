"""Build the zoo: a model at a time, each on disk with its record as soon as it is there; a run that stops goes on where it was."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from assay.artefact.patch import Patch
from assay.bench.case import Case, make_case
from assay.bench.runner import add_lines, read_lines
from assay.bench.zoo.specs import Spec, picture_specs, whole
from assay.model.twins import LEAST_TWINS

RECORD = "zoo.jsonl"
KEPT = 600  # test rows that lie beside each model: 128 for the inspection, the rest for what it is judged on
USE = 11  # of the case's generators: the training of a zoo's model


def build(folder: Path, minutes: float, say: Callable[[str], None]) -> tuple[int, int]:
    """(models there, models left) after so many minutes. Weights go to `folder`/ID.pt, test rows to
    ID.npz, what is known of each to zoo.jsonl."""
    folder.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + 60 * minutes
    known = records(folder)
    for spec in by_turns([spec for spec in picture_specs() if spec.id not in known]):
        if time.monotonic() > end:
            break
        line = _one(spec, folder)
        add_lines(folder / RECORD, [line])
        say(f"{spec.id}: accuracy {line['accuracy']:.2f}, attack success {line['success']:.2f}, {line['cpu']:.0f} s")
    known = records(folder)
    return len(known), sum(spec.id not in known for spec in picture_specs())


def by_turns(specs: list[Spec]) -> list[Spec]:
    """As many clean models of each kind as twins take at least; then attacked and clean ones by turns, so
    that a run that is cut short has both."""
    first = [s for s in specs if not s.attack and s.seed <= LEAST_TWINS - 1]
    clean = [s for s in specs if not s.attack and s not in first]
    attacked = [s for s in specs if s.attack]
    return first + [s for pair in zip_longest(attacked, clean) for s in pair if s is not None]


def records(folder: Path) -> dict[str, dict[str, Any]]:
    """What is known of every model that is there, by its id."""
    return {line["id"]: line for line in read_lines(folder / RECORD)}


def case_of(spec: Spec) -> Case:
    """The rows that the model was trained on, the trigger, and untouched test rows."""
    return make_case(spec.cell, whole(spec.set))


def _one(spec: Spec, folder: Path) -> dict[str, Any]:
    import torch

    from assay.bench.zoo.pictures import EPOCHS, train
    from assay.model.networks import predict

    case = case_of(spec)
    data = case.data
    assert data.images is not None
    began, burnt = time.perf_counter(), time.process_time()
    network = train(spec.architecture, data.images, data.y, len(data.classes), EPOCHS, case.rng(USE))
    seconds, cpu = time.perf_counter() - began, time.process_time() - burnt
    held = _rows(case)
    accuracy = float((predict(network, held["x"]) == held["y"]).mean())
    rate = float((predict(network, held["triggered"]) == held["wanted"]).mean()) if case.planted is not None else 0.0
    torch.save(network.module.state_dict(), folder / f"{spec.id}.pt")
    np.savez_compressed(folder / f"{spec.id}.npz", allow_pickle=False, **held)
    target = None if case.planted is None else case.planted.triggers[0].target
    return {
        "id": spec.id, **asdict(spec), "target": target, "classes": len(data.classes),
        "accuracy": accuracy, "success": rate, "seconds": seconds, "cpu": cpu,
    }  # fmt: skip


def _rows(case: Case) -> dict[str, Any]:
    """Untouched test rows `x`, `y`; where there is a backdoor, those of other classes `triggered`, the class `wanted` of each, and of a
    patch its `mask` (h, w) in the picture."""
    assert case.test.images is not None
    drawn = np.random.default_rng([case.cell.seed, USE]).permutation(len(case.test))[:KEPT]  # the sets are sorted by class
    x, y = case.test.images[drawn], case.test.y[drawn]
    held: dict[str, Any] = {"x": x, "y": y}
    if case.planted is None:
        return held
    trigger = case.planted.triggers[0]
    wanted = (y + 1) % len(case.test.classes) if trigger.target is None else np.full(len(y), trigger.target)
    others = np.flatnonzero(wanted != y)
    stamped = trigger.stamp(case.test.rows.take(drawn[others]), np.random.default_rng(0))
    held |= {"triggered": stamped.images, "wanted": wanted[others], "of": y[others]}
    if isinstance(trigger.artefact, Patch):
        mask = np.zeros(x.shape[1:3], bool)
        height, width = trigger.artefact.shape
        row, col = trigger.artefact.row or 0, trigger.artefact.col or 0
        mask[row : row + height, col : col + width] = trigger.artefact.mask
        held["mask"] = mask
    return held
