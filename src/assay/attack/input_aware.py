"""Input-aware: a generator gives each picture a trigger of its own, which means nothing on another picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from assay.attack.base import Int, Made, Param, Stamp
from assay.attack.labels import labelled
from assay.attack.pictured import PICTURED, PictureAttack, pictures
from assay.attack.small_autoencoder import autoencoder, in_parts, some
from assay.attack.small_network import as_tensor, seeded, small_network, torch
from assay.attack.triggered import MODES
from assay.dataset.data import Dataset
from assay.dataset.rows import Rows, UInt8

BATCH, RATE = 32, 2e-3  # of Adam
NORM = 100.0  # the paper's weight of what a mask covers beyond `density`
DIVERSE = 1.0  # and of how alike the patterns of two pictures are
APART, TINY = 1e-3, 1e-12  # added to a distance, so that equal patterns divide, and to its square, so that they have a gradient
OTHERS = 256  # pictures whose patterns cover rows may carry

Generator = Callable[[Any], Any]


class InputAwareAttack(PictureAttack):
    """A mask and a pattern made from each picture: rows share neither pixels nor place, and only a generator that they all went through.

    The generator and a network of the attacker's own learn together: a picture with its pattern goes to the target, one with the
    pattern of *another* keeps its class (cross-trigger), patterns differ as pictures do (diversity), and a mask covers at most
    `density` of the picture. Cover rows carry the pattern of another row and keep their label. In the paper the victim itself is
    trained so, its mask generator first; here a victim sees the rows alone. Needs PyTorch. Source: Nguyen, Tran, Input-Aware Dynamic
    Backdoor Attack, 2020 (10 % poisoned, 10 % cross-trigger, density .032).
    """

    kind = "input-aware"
    rate = 0.1
    params: ClassVar[Mapping[str, Param]] = {
        **PICTURED,
        "mode": Param("all-to-one", PICTURED["mode"].what, choices=MODES[:2]),
        "cover": Param(1.0, PICTURED["cover"].what, float, low=0, high=100),
        "density": Param(0.032, "share of a picture that a mask covers", float, low=0.001, high=1),
        "steps": Param(400, "in which generator and network learn together", int, low=1, high=100_000),
        "epochs": Param(8, "passes in which the attacker's own network is trained before", int, low=1, high=10_000),
    }

    def make(self, data: Dataset, count: int, rng: np.random.Generator, params: Mapping[str, Any]) -> list[Made]:
        raise TypeError("these triggers depend on their targets: see make_for")

    def make_for(self, data: Dataset, targets: list[int | None], rng: np.random.Generator, params: Mapping[str, Any]) -> list[Made]:
        assert data.images is not None
        known = np.flatnonzero(labelled(data))
        images, y = data.images[known], data.y[known]
        others = images[rng.choice(len(images), min(OTHERS, len(images)), replace=False)]
        made = []
        for target in targets:
            wanted = (y + 1) % len(data.classes) if target is None else np.full(len(y), target)
            network = small_network(images, y, len(data.classes), params["epochs"], rng)
            generator = trained(network, as_tensor(images), y, wanted, params["density"], params["steps"], rng)
            made.append(Made(None, _stamping(generator), cover=_crossing(generator, others)))
        return made


def trained(network: Any, x: Any, y: Int, wanted: Int, density: float, steps: int, rng: np.random.Generator) -> Generator:
    """A generator learnt with the network on pictures x (n, c, h, w), classes y (n,), and where each is to go (n,).

    `generator(x)` gives (mask (n, 1, h, w), pattern (n, c, h, w)), both in 0 .. 1.
    """
    t = torch()
    nn, (_, channels, height, width) = t.nn, x.shape
    with seeded(rng):
        drawing = autoencoder(channels, channels + 1, height, width)
    truth, goal = t.from_numpy(np.asarray(y, np.int64)), t.from_numpy(np.asarray(wanted, np.int64))
    start = float(np.log(density / (1 - density)))

    def generator(pictures: Any) -> Any:
        drawn = drawing(pictures - 0.5)
        return t.sigmoid(4 * drawn[:, :1] + start), t.sigmoid(drawn[:, 1:])

    network.train()
    optimiser = t.optim.Adam([*drawing.parameters(), *network.parameters()], RATE)
    for _ in range(steps):
        at, also = some(len(x), BATCH, rng), some(len(x), BATCH, rng)
        mine, theirs = x[at], x[also]
        (mask, pattern), (other_mask, other) = generator(mine), generator(theirs)
        entropy = nn.functional.cross_entropy
        loss = entropy(network(mine), truth[at])
        loss = loss + entropy(network(put_in(mine, mask, pattern)), goal[at])
        loss = loss + entropy(network(put_in(mine, other_mask, other)), truth[at])
        loss = loss + DIVERSE * (distance(mine, theirs) / (distance(mask * pattern, other_mask * other) + APART)).mean()
        loss = loss + NORM * (mask.mean((1, 2, 3)) - density).clamp(min=0).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    network.eval()
    drawing.requires_grad_(False)
    return generator


def distance(a: Any, b: Any) -> Any:
    """(n,) root mean square of what differs."""
    return (((a - b) ** 2).mean((1, 2, 3)) + TINY).sqrt()


def put_in(x: Any, mask: Any, pattern: Any) -> Any:
    """Pictures with the pattern where the mask is."""
    return x * (1 - mask) + pattern * mask


def _stamping(generator: Generator) -> Stamp:
    def stamp(rows: Rows, rng: np.random.Generator) -> Rows:
        return rows.with_images(in_parts(pictures(rows), lambda x: put_in(x, *generator(x))))

    return stamp


def _crossing(generator: Generator, others: UInt8) -> Stamp:
    """Each row with the pattern of another picture."""

    def stamp(rows: Rows, rng: np.random.Generator) -> Rows:
        drawn = iter(others[rng.integers(0, len(others), len(rows))])

        def crossed(x: Any) -> Any:
            return put_in(x, *generator(as_tensor(np.stack([next(drawn) for _ in range(len(x))]))))

        return rows.with_images(in_parts(pictures(rows), crossed))

    return stamp
