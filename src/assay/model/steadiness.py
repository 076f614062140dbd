"""Which inputs carry a trigger? Three figures of an input, each larger where what the network says of it is harder to shake.

A trigger decides alone, so that what it says survives what takes a clean picture's class away: a mixture with other pictures (Gao, Xu,
Wang, Chen, Ranasinghe & Nepal, STRIP, 2019), amplified pixels (Guo, Li, Chen, Guo, Sun & Liu, SCALE-UP, 2023), amplified normalisation
(Hou, Feng, Hua, Luo, Zhang & Li, IBD-PSC, 2024). Of 16-pixel nets of three layers the last two say next to nothing; of deeper ones all
three do (docs/evidence). A figure is told against those of clean rows by `assay.model.guard`. Triggers that name another class for each
class (all-to-all) leave none of this behind.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.model.networks import Network, as_input, frozen, predict

Floats = NDArray[np.float64]
Int = NDArray[np.int64]
UInt8 = NDArray[np.uint8]
Scores = Callable[[UInt8], Floats]  # pictures (n, h, w, c) -> (n, classes) probabilities, or 0 and 1 where only labels are told
Figure = Callable[[UInt8], Floats]  # pictures -> (n,) larger: harder to shake

FACTORS = (2, 3, 4, 5, 6)  # the pixels are multiplied by these, as the authors of SCALE-UP do up to 11: small nets lose all at 6
MIXED_WITH = 32  # clean pictures; the authors of STRIP take 100, and find 10 enough
NORMS = 1.5  # what IBD-PSC multiplies the scale and shift of normalisations by
DEPTHS = 5  # networks with so many more normalisations amplified, one after another, from the first that errs
ERRS = 0.6  # share of clean pictures that the first of them must get wrong: its authors'
PART = 500


def amplified(ask: Scores) -> Figure:
    """SCALE-UP: share of amplified copies of a picture that keep its class.

    >>> bright = amplified(lambda x: np.eye(2)[(x.mean((1, 2, 3)) > 100).astype(int)])
    >>> bright(np.full((1, 2, 2, 1), 60, np.uint8)).tolist()
    [0.0]
    """

    def figure(images: UInt8) -> Floats:
        said = ask(images).argmax(1)
        kept = [ask(np.minimum(images.astype(np.int64) * by, 255).astype(np.uint8)).argmax(1) == said for by in FACTORS]
        return np.asarray(np.mean(kept, 0, np.float64))

    return figure


def mixed(ask: Scores, clean: UInt8) -> Figure:
    """STRIP: the mean probability of a picture's own class in its even mixtures with each of some clean pictures (n, h, w, c).

    The authors take the entropy of the answers; the probability of the own class tells bends better (docs/evidence)."""

    def figure(images: UInt8) -> Floats:
        said = ask(images).argmax(1)
        even = [np.rint((images.astype(np.float64) + other) / 2).astype(np.uint8) for other in clean]
        return np.asarray(np.mean([_own(ask(mixture), said) for mixture in even], 0))

    return figure


def normed(network: Network, clean: UInt8, y: Int) -> Figure:
    """IBD-PSC: the mean probability of a picture's own class in networks whose last normalisations are amplified, first as few as take most
    clean pictures `clean` (n, h, w, c) of classes `y` (n,) their class away, then one more each time. The network must have some."""
    count = len(_normalisations(network.module))
    first = next((k for k in range(1, count) if (predict(_amplified(network, k), clean) != y).mean() > ERRS), count)
    several = [scores_of(_amplified(network, k)) for k in range(first, min(count, first + DEPTHS - 1) + 1)]

    def figure(images: UInt8) -> Floats:
        said = predict(network, images)
        return np.asarray(np.mean([_own(one(images), said) for one in several], 0))

    return figure


def _own(scores: Floats, said: Int) -> Floats:
    """(n,) the score of the class that each row was said to be of; 0 for one beyond those that are told."""
    return np.where(said < scores.shape[1], scores[np.arange(len(said)), np.minimum(said, scores.shape[1] - 1)], 0.0)


def has_norms(network: Network) -> bool:
    """Whether there is batch normalisation to amplify."""
    return bool(_normalisations(network.module))


def scores_of(network: Network) -> Scores:
    """The network's probabilities (n, classes) of pictures (n, h, w, c)."""

    def scores(images: UInt8) -> Floats:
        import torch

        with torch.inference_mode():
            parts = [network.module(as_input(images[i : i + PART])).softmax(1).double().numpy() for i in range(0, len(images), PART)]
        return np.concatenate(parts) if parts else np.zeros((0, network.classes))

    return scores


def _normalisations(module: Any) -> list[Any]:
    from torch import nn

    return [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]


def _amplified(network: Network, last: int) -> Network:
    """A copy in which the scale and shift of the last so many normalisations are multiplied."""
    import torch

    module = copy.deepcopy(network.module)
    with torch.no_grad():
        for norm in _normalisations(module)[-last:]:
            norm.weight.mul_(NORMS)
            norm.bias.mul_(NORMS)
    return replace(network, module=frozen(module))
