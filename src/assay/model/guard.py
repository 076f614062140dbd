"""A guard beside a deployed model, made from what an inspection or a scan found: each input is let through, or held with a reason.

The artefact: is it there (`artefact.present`)? Steadiness: is what the model says of the input harder to shake than of clean ones, by
mixtures (STRIP), by amplified pixels (SCALE-UP) and, where the network itself is at hand, by amplified normalisation (IBD-PSC)? See
`assay.model.steadiness`. **Of clean inputs exchangeable with those that it was set on, at most `level` are held for steadiness, on
average** (split conformal, the level shared by the looks); and of batches of clean inputs drawn as those were, `p_together` is at most a
level with that chance at most. Inputs that the artefact's own `present` accuses are held as well; that
promises nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu

from assay.artefact.base import Artefact, Unanswerable
from assay.dataset.errors import DataError
from assay.model.networks import Network
from assay.model.steadiness import MIXED_WITH, Figure, Scores, amplified, has_norms, mixed, normed, scores_of

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Int = NDArray[np.int64]
UInt8 = NDArray[np.uint8]
Predict = Callable[[UInt8], Int]

LEVEL = 0.02  # share of clean inputs held
AMPLIFIED, MIXED, NORMED = "SCALE-UP", "STRIP", "IBD-PSC"
HALF = 0.5  # of the level, for mixtures, which tell most; the other looks share the rest


@dataclass(frozen=True)
class Look:
    """A figure of inputs, and those of clean ones, sorted, that it is told against."""

    figure: Figure
    clean: Floats

    def p(self, figures: Floats) -> Floats:
        """(n,) the chance that a clean input has such a figure (n,), by its rank among the clean ones (ties against the guard)."""
        above = len(self.clean) - np.searchsorted(self.clean, figures, "left")
        return np.asarray((1 + above) / (1 + len(self.clean)))

    def p_together(self, figures: Floats) -> float:
        """The chance that clean inputs have such figures (n,) together: the rank sum of Mann & Whitney (1947)."""
        return float(mannwhitneyu(figures, self.clean, alternative="greater").pvalue) if len(figures) else 1.0


@dataclass(frozen=True)
class Held:
    """`held` (n,); `by_artefact` (n,) it is there; `by_consistency` (n,) its class is too steady; `p` (n,) the chance of that in a clean
    input, over all looks; `by` (n,) of each look, by its share of them; `p_together`: that all these inputs are
    clean, over all looks."""

    held: Bools
    by_artefact: Bools
    by_consistency: Bools
    p: Floats
    by: Mapping[str, Floats]
    p_together: float


@dataclass(frozen=True)
class Guard:
    """`looks` by name; an input is held where a look's p-value is at most its share of `level`."""

    artefacts: tuple[Artefact, ...]
    looks: Mapping[str, Look]
    level: float
    unanswerable: tuple[str, ...] = ()  # artefacts that cannot say whether they are there

    def look(self, images: UInt8) -> Held:
        """Which of these pictures (n, h, w, c) are held back."""
        there = np.zeros(len(images), bool)
        for artefact in self.artefacts:
            if artefact.kind not in self.unanswerable:
                there |= artefact.present(images)
        share = _shares(self.looks)
        figures = {name: look.figure(images) for name, look in self.looks.items()}
        by = {name: np.minimum(1.0, look.p(figures[name]) / share[name]) for name, look in self.looks.items()}
        together = min(1.0, min(look.p_together(figures[name]) / share[name] for name, look in self.looks.items()))
        p = np.min(list(by.values()), 0)
        steady = p <= self.level
        return Held(there | steady, there, steady, p, by, together)


def guard_of(predict: Predict, artefacts: Sequence[Artefact], clean: UInt8, level: float = LEVEL) -> Guard:
    """A guard of a model that tells labels (n,), set on clean pictures (n, h, w, c). DataError where there are too few for the level:
    32 to mix with, and 2 / level - 1 besides."""

    def ask(images: UInt8) -> Floats:
        said = predict(images)
        return np.asarray(said[:, None] == np.arange(said.max(initial=0) + 1), np.float64)

    return _set(ask, artefacts, clean, level, {AMPLIFIED: amplified(ask)})


def guard_network(network: Network, artefacts: Sequence[Artefact], clean: UInt8, y: Int, level: float = LEVEL) -> Guard:
    """A guard of a network that is at hand, by its probabilities: STRIP, SCALE-UP and, where it has batch normalisation, IBD-PSC, set on
    clean pictures (n, h, w, c) of classes `y` (n,). DataError: too few, 32 to mix with and 4 / level - 1 besides."""
    ask = scores_of(network)
    figures = {AMPLIFIED: amplified(ask)}
    apart = _apart(len(clean))
    if has_norms(network):
        figures[NORMED] = normed(network, clean[apart], y[apart])
    return _set(ask, artefacts, clean, level, figures)


def _shares(looks: Mapping[str, object]) -> dict[str, float]:
    """Of the level, for each look.

    >>> _shares({"SCALE-UP": 0, "STRIP": 0, "IBD-PSC": 0})
    {'SCALE-UP': 0.25, 'STRIP': 0.5, 'IBD-PSC': 0.25}
    """
    return {name: HALF if name == MIXED else (1 - HALF) / (len(looks) - 1) for name in looks}


def _apart(count: int) -> Int:
    """The clean rows that are mixed with and set the networks of IBD-PSC, evenly spaced: nothing is told against them."""
    return np.unique(np.linspace(0, count - 1, min(count, MIXED_WITH)).round().astype(np.int64))


def _set(ask: Scores, artefacts: Sequence[Artefact], clean: UInt8, level: float, figures: Mapping[str, Figure]) -> Guard:
    apart = _apart(len(clean))
    figures = {**figures, MIXED: mixed(ask, clean[apart])}
    rest = np.delete(clean, apart, 0)
    needed = int(np.ceil(1 / (level * min(_shares(figures).values())))) - 1
    if len(rest) < needed:
        raise DataError(f"{len(clean)} clean pictures; a level of {level} needs {needed + MIXED_WITH}", remedy="give more")
    unanswerable = []
    for artefact in artefacts:
        try:
            artefact.present(clean[:1])
        except Unanswerable:
            unanswerable.append(artefact.kind)
    looks = {name: Look(figure, np.sort(figure(rest))) for name, figure in figures.items()}
    return Guard(tuple(artefacts), looks, level, tuple(dict.fromkeys(unanswerable)))
