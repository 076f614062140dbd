"""The loop that trains a network under guard: deterministic, taken up again where it stopped, on a GPU where there is one.

One seed gives one network on one machine with one number of threads. What an epoch draws depends on the seed and its number alone, so a run
that goes on from a checkpoint ends as one that never stopped.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch

from assay.harden.drills import Drill
from assay.harden.guards import Guard
from assay.harden.losses import LOSSES

Progress = Callable[[float, float, str], None]

AT_ONCE = 512  # rows judged
WARM = 0.3  # of all steps, in which the rate climbs; then it falls to nothing (one cycle: Smith & Topin 2018)


@dataclass(frozen=True)
class Recipe:
    """How long and how fast: AdamW, one cycle. `least_steps`: small sets are gone through more often."""

    epochs: int = 12
    batch: int = 64
    rate: float = 5e-3  # peak; 1e-3 is Adam's own, and one cycle bears some times that
    decay: float = 1e-2
    least_steps: int = 400
    loss: str = "cross-entropy"

    def passes(self, rows: int) -> int:
        """Epochs over so many rows."""
        return max(self.epochs, -(-self.least_steps // self.steps(rows)))

    def steps(self, rows: int) -> int:
        """Batches an epoch."""
        return max(1, -(-rows // self.batch))


def device() -> str:
    """Where networks are trained: "cuda" where torch sees a GPU, else "cpu"."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def learn(
    net: Any,
    x: Any,
    y: Any,
    recipe: Recipe,
    seed: int,
    *,
    classes: int,
    weights: Any = None,
    guard: Guard | None = None,
    drill: Drill | None = None,
    checkpoint: Path | None = None,
    progress: Progress = lambda *_: None,
) -> Any:
    """Train `net` in place on inputs x (n, ...) and class codes y (n,); what each row counted at the end, (n,).

    `weights` (n,): what rows count from the start (0: not seen). `checkpoint`: a file that is written after each epoch, and from which a
    run that was interrupted goes on; ValueError if it is of another run. Nothing else is written.
    """
    where = next(net.parameters()).device.type
    if x.ndim == 4:  # the order of memory in which half precision is quick: 1.6 times on a processor
        net.to(memory_format=torch.channels_last)
        x = x.contiguous(memory_format=torch.channels_last)
    seen = torch.arange(len(y)) if weights is None else torch.nonzero(weights > 0)[:, 0]
    watch = None if guard is None else guard.begin(len(y), classes)
    epochs, steps = recipe.passes(len(seen)), recipe.steps(len(seen))
    optimiser = torch.optim.AdamW(net.parameters(), recipe.rate, weight_decay=recipe.decay)
    run = _name(x, y, recipe, seed, weights, guard, drill)
    begin = 0 if checkpoint is None or not checkpoint.exists() else _resume(checkpoint, run, net, optimiser, watch)
    judge, row_loss = torch.ones(len(y)) if weights is None else weights.float(), LOSSES[recipe.loss]
    for epoch in range(begin, epochs):
        rng = np.random.default_rng([seed, epoch])
        counts = judge if watch is None else judge * watch.weight
        order = seen[torch.from_numpy(rng.permutation(len(seen)))]
        order = order[counts[order] > 0]
        net.train()
        batches = torch.tensor_split(order, min(steps, max(1, len(order))))
        for number, rows in enumerate(batches):
            rate = recipe.rate * _cycle((epoch * steps + number * steps / len(batches)) / (epochs * steps))
            for group in optimiser.param_groups:
                group["lr"] = rate
            inputs, truth, weigh = x[rows].to(where), y[rows].to(where), counts[rows].to(where)
            if drill is not None:
                inputs = drill.batch(net, inputs, truth, epoch, rng)
            with half(where):
                scores = net(inputs)
            loss = (weigh * row_loss(scores.float(), truth)).sum() / weigh.sum()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        if watch is not None:
            watch.look(epoch, scores_of(net, x), y)
        if checkpoint is not None:
            _keep(checkpoint, run, epoch + 1, net, optimiser, watch)
        progress(epoch + 1, epochs, "training")
    net.eval()
    return judge if watch is None else judge * watch.weight


def scores_of(net: Any, x: Any) -> Any:
    """(n, classes) on the CPU, in eval mode; the mode is what it was afterwards."""
    where, before = next(net.parameters()).device.type, net.training
    net.eval()
    with torch.inference_mode(), half(where):
        parts = [net(x[start : start + AT_ONCE].to(where)).float().cpu() for start in range(0, len(x), AT_ONCE)]
    net.train(before)
    return torch.cat(parts)


def half(where: str) -> Any:
    """bfloat16 where it is fast; full precision elsewhere."""
    fast = where == "cuda" or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return torch.autocast(where, torch.bfloat16, enabled=fast)


def _cycle(done: float) -> float:
    """The share of the peak rate after this share of all steps.

    >>> [round(_cycle(t), 2) for t in (0.0, 0.15, 0.3, 0.65, 1.0)]
    [0.04, 0.52, 1.0, 0.5, 0.0]
    """
    if done < WARM:
        return 0.04 + 0.96 * done / WARM
    return float(0.5 + 0.5 * np.cos(np.pi * (done - WARM) / (1 - WARM)))


def _name(x: Any, y: Any, recipe: Recipe, seed: int, weights: Any, guard: Guard | None, drill: Drill | None) -> str:
    """What tells one run from another: the rows and every setting; of drills, all but the code of their stamps."""
    said = sha256(repr((recipe, seed, guard)).encode())
    if drill is not None:
        said.update(repr((len(drill.stamps), drill.triggered, drill.attacked, drill.reach, drill.steps, drill.ramp)).encode())
    for array in (x, y, weights):
        if array is not None:
            said.update(np.ascontiguousarray(array.cpu().numpy()).tobytes())
    return said.hexdigest()


def keep_state(path: Path, run: str, state: dict[str, Any]) -> None:
    """Write a checkpoint, whole or not at all; `run` names what it is a checkpoint of."""
    part = path.with_name(f".{path.name}")
    torch.save({"run": run, **state}, part)
    os.replace(part, path)


def held_state(path: Path, run: str) -> dict[str, Any]:
    """What `keep_state` wrote, read without running anything. ValueError if it is of another run."""
    held: dict[str, Any] = torch.load(path, weights_only=True)
    if held["run"] != run:
        raise ValueError(f"{path} is the checkpoint of another run (other rows or settings); remove it, or name another")
    return held


def _keep(path: Path, run: str, epoch: int, net: Any, optimiser: Any, watch: Any) -> None:
    state = {"epoch": epoch, "net": net.state_dict(), "optimiser": optimiser.state_dict()}
    if watch is not None:
        state["watch"] = {name: value for name, value in vars(watch).items() if name != "how"}
    keep_state(path, run, state)


def _resume(path: Path, run: str, net: Any, optimiser: Any, watch: Any) -> int:
    held = held_state(path, run)
    net.load_state_dict(held["net"])
    optimiser.load_state_dict(held["optimiser"])
    for name, value in held.get("watch", {}).items():
        setattr(watch, name, value)
    return int(held["epoch"])
