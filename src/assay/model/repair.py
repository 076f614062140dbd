"""Repair a network: take a backdoor out and keep what it knows. The weights that came are left as they are; new ones are handed back.

Four ways. *Unlearn*: tune on clean rows, half of each batch with the extracted or mined artefact put in, under their right labels (Wang
et al., Neural Cleanse, 2019, section 7). An extracted trigger is one of many that do the same as the planted one, so that, where it is
known whither it leads, further ones are searched in the network as it then is, time and again, and unlearnt too where they are smaller
than what it then takes to reach other classes: any network can be turned by enough, and what would be unlearnt is knowledge. What
the network says of mixtures of clean rows, in which no trigger is, it must go on saying (Hinton, Vinyals & Dean, Distilling the knowledge,
2015; Zhang et al., mixup, 2018): a few hundred rows alone would make it forget. *Tune*: no artefact is known; each step
first searches the change, of bounded size, that harms the batch most, and learns the right labels under it, with
sharpness-aware steps, which leave a backdoor's narrow minimum (Zeng, Chen, Park, Mao, Jin & Jia, I-BAU, 2022; Zhu, Wei, Zha, Zhang & Wu,
FT-SAM, 2023; here simplified: one inner problem a batch, no implicit gradient). *ANP*: channels that an attack on them reaches first are
set to zero (`assay.model.adversarial_pruning`). *Prune*: no data; channels with outlying Lipschitz
constants are set to zero (Zheng, Tang, Li & Liu, CLP, 2022).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from assay.artefact.base import Artefact
from assay.artefact.bend import Bend
from assay.artefact.overlay import Overlay
from assay.dataset.errors import DataError
from assay.model.adversarial_pruning import pruned
from assay.model.margins import channel_outliers
from assay.model.networks import Network, as_input, bare, frozen
from assay.model.search import Change, Overlaid, Patched, Warped, into_classes, search, shifts
from assay.model.weights import Array

Int = NDArray[np.int64]
UInt8 = NDArray[np.uint8]
Stamp = Callable[[int], Any]  # a row by its number, as a tensor (c, h, w) with a trigger in it
Way = Literal["unlearn", "tune", "anp", "prune"]

LEAST_ROWS = 64  # labelled clean rows: with fewer, tuning forgets more than it mends
BATCH = 32
STEPS = 300
RATE, MOMENTUM, DECAY = 0.01, 0.9, 5e-4
SHARP = 0.05  # how far a sharpness-aware step looks, in the norm of all weights; FT-SAM's smaller settings
REACH = 8 / 255  # largest change of a pixel by the inner search
INNER = 3  # steps of it
EVERY = 50  # steps of unlearning after which further triggers are searched
KINDS: tuple[type[Change], ...] = (Patched, Overlaid, Warped)
STRONGER = 2  # times what was found: overlays and bends are unlearnt so, too
OTHERS = 3  # other goals at most, whose smallest changes say what is natural
MIXTURES = 3  # for every row of a batch: what is to stay is more than what has to go
AGAIN = 100  # steps of plain fine-tuning that must not bring a backdoor back
AGAIN_RATE = 0.01


@dataclass(frozen=True)
class Repaired:
    """The mended network, the way, and what was done in words."""

    network: Network
    way: Way
    what: str


def unlearn(
    network: Network, images: UInt8, y: Int, artefacts: tuple[Artefact, ...], rng: np.random.Generator, goals: tuple[Int, ...] = ()
) -> Repaired:
    """Tune on clean pictures (n, h, w, c) of classes `y` (n,), with each artefact put into some of every batch. DataError: too few rows.

    `goals`: for each way that the triggers lead, the class (classes,) into which a row of each class goes; further triggers that lead there
    are searched every 50 steps, of all kinds that `assay.model.search` knows, and those that are smaller than nature's kept to the end.
    """
    _enough(y)
    if not artefacts and not goals:
        raise DataError("there is no artefact to unlearn", remedy="tune without one")
    pool: list[Stamp] = [as_input(a.insert(images)).__getitem__ for artefact in artefacts for a in (artefact, *_stronger(artefact))]
    x = as_input(images)
    ends = np.stack(goals) if goals else None
    step = 0

    def batch(rows: Int, module: Any) -> Any:
        import torch

        nonlocal step
        if ends is not None and step % EVERY == 0:
            pool.extend(_further(replace(network, module=frozen(copy.deepcopy(module))), images, y, ends, rng))
        step += 1
        half = len(rows) // 2 if pool else 0
        drawn = [pool[int(turn)](row) for turn, row in zip(rng.integers(max(1, len(pool)), size=half), rows, strict=False)]
        return torch.stack([*drawn, *x[rows[half:]]])

    def keep(count: int) -> tuple[Any, Any]:
        import torch

        one, other = (x[rng.integers(len(x), size=count)] for _ in range(2))
        share = torch.from_numpy(rng.random((count, 1, 1, 1), np.float32))
        mixed = share * one + (1 - share) * other
        with torch.no_grad():
            return mixed, network.module(mixed).softmax(1)

    mended = _tuned(network, y, batch, rng, keep=keep)
    what = f"{STEPS} steps on {len(y)} clean rows, half of each batch with {len(artefacts)} artefacts put in"
    return Repaired(mended, "unlearn", what + (f", and further ones searched every {EVERY} steps" if goals else ""))


def _stronger(artefact: Artefact) -> tuple[Artefact, ...]:
    """The same, twice as strong, of a kind that may be: a search finds the least that does it, and the planted one is seldom the least."""
    if isinstance(artefact, Overlay) and artefact.mode == "add":
        return (replace(artefact, template=STRONGER * artefact.template),)
    return (Bend(STRONGER * artefact.field),) if isinstance(artefact, Bend) else ()


def _further(network: Network, images: UInt8, y: Int, goals: Int, rng: np.random.Generator) -> list[Stamp]:
    """Rows with the smallest change of each kind that now leads to each goal (goals, classes), where that is smaller than what
    leads to some other goals of the same family; overlays and bends also twice as strong."""
    import torch

    family = into_classes(network.classes) if (goals == goals[:, :1]).all() else shifts(network.classes)
    others = np.array([goal for goal in family if not (goal == goals).all(1).any()])
    sought = np.concatenate([goals, rng.permutation(others)[:OTHERS]]) if len(others) else goals
    found: list[Stamp] = []
    x = as_input(images)
    for kind in KINDS:
        seen = search(kind, network, images, y, sought, rng)
        natural = seen.sizes[len(goals) :].min(initial=np.inf)
        small = [i for i in range(len(goals)) if seen.turned[i] and seen.sizes[i] < natural]
        for times in (1,) if kind is Patched else (1, STRONGER):
            change = copy.deepcopy(seen.best)
            with torch.no_grad():
                for parameter in change.parameters:
                    parameter.mul_(times)
            found += [partial(_changed, change, i, x) for i in small]
    return found


def _changed(change: Change, search: int, x: Any, row: int) -> Any:
    """One row under the change of one search, made when it is drawn: all rows under all changes may be more than memory holds."""
    import torch

    with torch.no_grad():
        return change.apply(x[row].expand(len(change.parameters[0]), 1, *x[row].shape))[search, 0]


def tune(network: Network, images: UInt8, y: Int, rng: np.random.Generator) -> Repaired:
    """Tune on clean pictures (n, h, w, c) of classes `y` (n,) under the worst common change of each batch. DataError: too few rows."""
    _enough(y)
    x = as_input(images)
    label = np.asarray(y)

    def batch(rows: Int, module: Any) -> Any:
        return _worst(module, x[rows], label[rows])

    mended = _tuned(network, y, batch, rng)
    return Repaired(mended, "tune", f"{STEPS} sharpness-aware steps on {len(y)} clean rows under the worst common change of {REACH:.3f}")


def prune_attacked(network: Network, images: UInt8, y: Int, rng: np.random.Generator) -> Repaired:
    """Set the channels to zero that adversarial neuron pruning names, from clean pictures (n, h, w, c) of classes `y` (n,), as many as they
    can spare. DataError: too few rows, or no batch normalisation."""
    _enough(y)
    mended, gone, channels = pruned(network, images, y, rng)
    return Repaired(mended, "anp", f"{gone} of {channels} channels set to zero, as many as {len(y)} clean rows can spare")


def prune(network: Network, weights: Mapping[str, Array]) -> Repaired:
    """Set channels with outlying Lipschitz constants to zero: their kernel, and the scale and shift of the normalisation behind it."""
    import torch

    found = channel_outliers(bare(weights))
    module = copy.deepcopy(network.module)
    state = module.state_dict()
    names = list(state)
    with torch.no_grad():
        for kernel, channels in found.items():
            state[kernel][channels] = 0
            norm = names[names.index(kernel) + 1 :]
            shift = next(n for n in norm if n.endswith(".bias") and n.removesuffix(".bias") + ".running_var" in state)
            state[shift][channels] = 0
    count = sum(map(len, found.values()))
    return Repaired(replace(network, module=frozen(module)), "prune", f"{count} channels of {len(found)} convolutions set to zero")


def fine_tuned(network: Network, images: UInt8, y: Int, rng: np.random.Generator) -> Network:
    """After 100 plain steps on clean rows: what an owner would do, and what brings a backdoor that was only hidden back."""
    x = as_input(images)
    return _tuned(network, y, lambda rows, module: x[rows], rng, steps=AGAIN, rate=AGAIN_RATE, sharp=0.0)


def _enough(y: Int) -> None:
    if len(y) < LEAST_ROWS:
        raise DataError(f"{len(y)} labelled clean rows; at least {LEAST_ROWS} are needed to tune", remedy="give more, or prune without")


def _tuned(
    network: Network,
    y: Int,
    batch: Any,
    rng: np.random.Generator,
    steps: int = STEPS,
    rate: float = RATE,
    sharp: float = SHARP,
    keep: Any = None,
) -> Network:
    """A copy, trained on `batch(rows, module)`; its normalisation learns new statistics. `keep(count)`: inputs and the answers to them that
    are to stay."""
    import torch
    from torch.nn import functional as f

    module = copy.deepcopy(network.module)
    for parameter in module.parameters():
        parameter.requires_grad_(True)
    weights = [p for p in module.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(weights, rate, MOMENTUM, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    label = torch.from_numpy(np.asarray(y))
    size = min(BATCH, len(y))
    for _ in range(steps):
        rows = rng.choice(len(y), size, replace=False)
        module.eval()
        inputs, wanted = batch(rows, module), f.one_hot(label[rows], network.classes).float()
        if keep is not None:
            more, answers = keep(MIXTURES * size)
            inputs, wanted = torch.cat([inputs, more]), torch.cat([wanted, answers])
        module.train()
        optimizer.zero_grad()
        f.cross_entropy(module(inputs), wanted).backward()
        if sharp:
            moved = _ascend(weights, sharp)
            optimizer.zero_grad()
            f.cross_entropy(module(inputs), wanted).backward()
            with torch.no_grad():
                for weight, step in zip(weights, moved, strict=True):
                    weight.sub_(step)
        optimizer.step()
        schedule.step()
    if not all(torch.isfinite(weight).all() for weight in weights):
        raise DataError("tuning ran away: the weights are numbers no longer", remedy="give more clean rows, or prune without")
    return replace(network, module=frozen(module))


def _ascend(weights: list[Any], reach: float) -> list[Any]:
    """Move all weights by `reach` along their gradient; the moves. Foret, Kleiner, Mobahi & Neyshabur, SAM, 2021."""
    import torch

    with torch.no_grad():
        norm = torch.stack([w.grad.norm() for w in weights]).norm().clamp_min(1e-12)
        moves = [w.grad * (reach / norm) for w in weights]
        for weight, move in zip(weights, moves, strict=True):
            weight.add_(move)
    return moves


def _worst(module: Any, x: Any, label: Int) -> Any:
    """The batch with the one change, common to all its rows, that harms most within the reach."""
    import torch
    from torch.nn import functional as f

    wanted = torch.from_numpy(label)
    change = torch.zeros(1, *x.shape[1:], requires_grad=True)
    for _ in range(INNER):
        loss = f.cross_entropy(module((x + change).clamp(0, 1)), wanted)
        (slope,) = torch.autograd.grad(loss, change)
        with torch.no_grad():
            change.add_(slope.sign() * (REACH * 1.5 / INNER)).clamp_(-REACH, REACH)
    return (x + change.detach()).clamp(0, 1)
