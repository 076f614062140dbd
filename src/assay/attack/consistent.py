"""Label-consistent: rows of the target class made hard to read, with a patch in every corner, under their own label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.neural_network import MLPClassifier

from assay.artefact.patch import Patch
from assay.attack.base import Int, Made, Param, Stamp
from assay.attack.labels import labelled
from assay.attack.patch import draw_pattern
from assay.attack.pictured import PICTURED, PictureAttack, cut, pictures
from assay.attack.surrogate import SIDE, shrunken
from assay.attack.triggered import MODES
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError
from assay.dataset.rows import Rows, UInt8

Floats = NDArray[np.float64]

HIDDEN = 64  # units of the surrogate: enough to be fooled with, and trained in seconds
EPOCHS, RATE = 30, 2e-3  # passes and Adam's step: a thousand rows are learnt to 95 % and more


class ConsistentAttack(PictureAttack):
    """Moves pixels by up to `epsilon` so that a surrogate no longer knows the class, then puts in a checker at each corner.

    The victim must read the corners to learn these rows. The surrogate is a network with one hidden layer on pixels
    averaged down to 16 a side, so the perturbation is in blocks; the paper has a full network, and a GAN as a second way.
    At test time the corners alone are put in. The artefact is the lower right checker.

    Source: Turner, Tsipras, Madry, Label-Consistent Backdoor Attacks, 2018 (projected gradient, l-infinity 8 to 32
    of 255; four corners); rate 5 % of all rows, 50 % of a class of ten.
    """

    kind = "label-consistent"
    rate = 0.05
    share = 0.5
    params: ClassVar[Mapping[str, Param]] = {
        **PICTURED,
        "mode": Param("clean-label", PICTURED["mode"].what, choices=MODES),
        "epsilon": Param(16, "largest change of a pixel, of 255", int, low=0, high=128),
        "steps": Param(20, "of the gradient ascent", int, low=1, high=1000),
        "size": Param(3, "side of a corner checker in pixels", int, low=1, high=512),
        "triggers": Param(1, "one", int, choices=(1,)),
    }

    def make(self, data: Dataset, count: int, rng: np.random.Generator, params: Mapping[str, Any]) -> list[Made]:
        assert data.images is not None
        if count > 1:
            raise DataError("label-consistent has one trigger", path=data.path, remedy="name one target")
        _, height, width, channels = data.images.shape
        size = params["size"]
        if 2 * size > min(height, width):
            raise DataError(f"four checkers of {size} pixels do not fit into pictures of {height}x{width}", remedy="give a smaller size")
        pixels = draw_pattern("checker", size, channels, rng)
        places = [(r, c) for r in (0, height - size) for c in (0, width - size)]
        corners = [Patch(pixels, np.ones((size, size), bool), r, c) for r, c in places]
        known = np.flatnonzero(labelled(data))
        network = _network(data.images[known], data.y[known], rng)
        return [Made(corners[-1], _cornered(corners, None), _cornered(corners, (network, params["epsilon"], params["steps"])))]


def _network(images: UInt8, y: Int, rng: np.random.Generator) -> MLPClassifier:
    network = MLPClassifier((HIDDEN,), random_state=int(rng.integers(1 << 31)), learning_rate_init=RATE)
    x = _inputs(images)
    for _ in range(EPOCHS):
        network.partial_fit(x, y, classes=np.unique(y))
    return network


def _inputs(images: UInt8) -> Floats:
    return shrunken(images).reshape(len(images), -1) - 0.5


def _cornered(corners: list[Patch], against: tuple[MLPClassifier, int, int] | None) -> Stamp:
    def stamp(rows: Rows, rng: np.random.Generator) -> Rows:
        if against is not None:
            network, epsilon, steps = against
            rows = rows.with_images(adversarial(network, pictures(rows), epsilon, steps))
        for corner in corners:
            rows = corner.insert(rows, rng)
        return rows

    return stamp


def adversarial(network: MLPClassifier, images: UInt8, epsilon: int, steps: int) -> UInt8:
    """Pictures, no pixel moved by more than `epsilon`, that the network takes less for what it took them for before.

    Signed gradient ascent of the cross-entropy, in steps of 2.5 epsilon / steps.
    """
    _, height, width, _ = images.shape
    a, b = max(1, height // SIDE), max(1, width // SIDE)
    blocks = shrunken(images)
    start = blocks.reshape(len(images), -1) - 0.5
    said = network.predict_proba(start).argmax(1)
    reach, x = epsilon / 255, start
    for _ in range(steps):
        x = np.clip(x + 2.5 * reach / steps * np.sign(loss_gradient(network, x, said)), start - reach, start + reach)
    change = (x - start).reshape(blocks.shape).repeat(a, 1).repeat(b, 2) * 255
    moved = images.astype(np.float64)
    moved[:, : change.shape[1], : change.shape[2]] += change
    return cut(moved)


def loss_gradient(network: MLPClassifier, x: Floats, wanted: Int) -> Floats:
    """(n, d) gradient of the cross-entropy of the classes at these indices, by x (n, d)."""
    (first, second), (b1, b2) = network.coefs_, network.intercepts_
    hidden = np.maximum(x @ first + b1, 0)
    score = hidden @ second + b2
    if score.shape[1] == 1:  # two classes: one output, the logit of the second
        error = 1 / (1 + np.exp(-score)) - wanted[:, None]
    else:
        weight = np.exp(score - score.max(1, keepdims=True))
        error = weight / weight.sum(1, keepdims=True) - np.eye(score.shape[1])[wanted]
    return np.asarray((error @ second.T * (hidden > 0)) @ first.T)
