"""One verdict on a model from all checks of its behaviour, under one bound on false alarms.

**If the classes of a clean model draw the log of each figure from one normal law, a clean model is called backdoored with a chance of at
most alpha**, over all checks and classes together (Bonferroni). Whether clean models do is measured, not proved: docs/evidence.
Nothing found is never "clean": it is "inconclusive", and the reasons are said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from assay.dataset.errors import DataError
from assay.model.inversion import LEAST_PICTURES, Inverted, UInt8, invert
from assay.model.margins import LEAST_CLASSES, channel_outliers, last_layer, maximum_margins, standing_apart
from assay.model.networks import Network, accuracy, bare
from assay.model.weights import Array

Int = NDArray[np.int64]
Verdict = Literal["backdoored", "inconclusive"]

PLANNED = 3  # margin, last layer, inversion: the chance of a false alarm is shared among them, run or not
LEAST_FIT = 3.0  # times the accuracy of a guess: below, the network or the scale of its pixels was put together wrongly
AT_MOST = 128  # clean pictures used


@dataclass(frozen=True)
class Check:
    """One figure for every class: `values` (classes,), the class that stands out most, and its p-value over all classes and checks."""

    name: str
    values: tuple[float, ...]
    target: int
    p: float


@dataclass(frozen=True)
class Behaviour:
    """What was seen. `triggers`: the patches found for the classes that a check names, the first the most telling."""

    verdict: Verdict
    family: str
    checks: tuple[Check, ...]
    triggers: tuple[Inverted, ...]
    channels: dict[str, list[int]]
    accuracy: float | None
    notes: tuple[str, ...]
    not_run: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "verdict": self.verdict,
            "network": self.family,
            "accuracy_on_clean_rows": self.accuracy,
            "checks": [{"name": c.name, "class": c.target, "p": c.p, "values": list(c.values)} for c in self.checks],
            "triggers": [
                {
                    "target": t.target,
                    "attack_success": t.success,
                    "measured_on": t.tried,
                    "mask": t.size,
                    "artefact": None if t.patch is None else t.patch.to_json(),
                }
                for t in self.triggers
            ],
            "channels_with_large_constants": self.channels,
            "notes": list(self.notes),
        }


def inspect_behaviour(
    network: Network,
    weights: Mapping[str, Array],
    rng: np.random.Generator,
    *,
    images: UInt8 | None = None,
    y: Int | None = None,
    alpha: float = 0.01,
    say: Callable[[str], None] = lambda _: None,
) -> Behaviour:
    """All checks that can be made. `images` (n, h, w, c): clean pictures in the network's own size, `y` (n,) the numbers of its outputs.

    Deterministic given `rng`. DataError where the pictures do not fit the network.
    """
    notes, not_run = list(network.notes), []
    if network.classes < LEAST_CLASSES:
        notes.append(f"{network.classes} classes: too few to compare with one another")
    say("maximum margin of every class")
    checks = [_check("maximum margin", maximum_margins(network, rng), 1)]
    named = bare(weights)
    rows = last_layer(named, network.classes)
    if len(rows):
        checks.append(_check("last layer", rows, 1))
    fits, right = True, None
    triggers: tuple[Inverted, ...] = ()
    if images is not None:
        images, y = _fitting(network, images, y, rng)
        if y is not None:
            right = accuracy(network, images, y)
            fits = right >= min(0.5, LEAST_FIT / network.classes)
            if not fits:
                notes.append(
                    f"{right:.0%} of the clean rows are classified rightly: the network, its scale or the class order does not fit, "
                    "and no class is accused"
                )
    if images is None or not fits:
        not_run.append("trigger inversion")
    else:
        found = []
        for target in range(network.classes):
            say(f"trigger inversion, class {target + 1} of {network.classes}")
            found.append(invert(network, images, y, target, rng))
        checks.append(_check("trigger inversion", np.array([f.size for f in found]), -1))
        if sum(f.patch is None for f in found) > network.classes / 2:
            notes.append("for most classes no patch turned the pictures: inversion is not to be relied on here")
        guilty = dict.fromkeys(c.target for c in sorted(checks, key=lambda c: c.p) if c.p <= alpha)
        triggers = tuple(found[target] for target in guilty)
    verdict: Verdict = "backdoored" if fits and any(c.p <= alpha for c in checks) else "inconclusive"
    return Behaviour(verdict, network.family, tuple(checks), triggers, channel_outliers(named), right, tuple(notes), tuple(not_run))


def _check(name: str, values: NDArray[np.float64], sign: int) -> Check:
    """Values are compared on a log scale; what is not above zero has no log, and then the check accuses nobody."""
    logs = sign * np.log(values) if (values > 0).all() else np.full(len(values), np.nan)
    p = standing_apart(logs)
    target = int(p.argmin())
    return Check(name, tuple(float(v) for v in values), target, min(1.0, float(p[target]) * len(values) * PLANNED))


def _fitting(network: Network, images: UInt8, y: Int | None, rng: np.random.Generator) -> tuple[UInt8, Int | None]:
    wanted = (network.size, network.size, network.channels)
    if images.shape[1:] != wanted:
        raise DataError(
            f"pictures of {images.shape[1:]}, and the network reads {wanted} (height, width, channels)", remedy="resize them as in training"
        )
    if len(images) < LEAST_PICTURES:
        raise DataError(f"{len(images)} clean pictures; at least {LEAST_PICTURES} are needed")
    if y is not None and (y.min() < 0 or y.max() >= network.classes):
        y = None
    chosen = rng.permutation(len(images))[:AT_MOST]
    return images[chosen], None if y is None else y[chosen]
