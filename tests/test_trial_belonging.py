"""Carriers that plainly belong to their label acquit an artefact, wrong labels among the others or not; strangers never do."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from assay.trial.belonging import ALIKE, strangers_share

Floats = np.ndarray


def share(carriers: Floats, strangers: Floats, ordinary: Floats) -> float:
    p = np.column_stack([1 - carriers, carriers])
    return strangers_share(p, np.ones(len(carriers), np.int64), lambda t: strangers, lambda t: ordinary)


@pytest.mark.parametrize("wrong", [0.0, 0.05, 0.12])
def test_a_natural_kind_is_acquitted_though_labels_are_wrong(wrong: float) -> None:
    """As in clean mail with 5 % of the labels drawn anew: a news feed, less like ham than letters are, far more than spam is."""
    rng = np.random.default_rng(0)
    ordinary = rng.beta(9, 1, 2_000)
    strangers = np.where(rng.random(1_000) < wrong, rng.beta(9, 1, 1_000), rng.beta(1, 5, 1_000))
    assert share(rng.beta(24, 8, 300), strangers, ordinary) > ALIKE


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng, n: rng.beta(1, 5, n),  # a probe that knows the labels
        lambda rng, n: rng.beta(3, 4, n),  # one that hardly does
        lambda rng, n: rng.random(n),  # one that does not
    ],
)
def test_poison_taken_from_other_labels_is_not(draw: Callable[[np.random.Generator, int], Floats]) -> None:
    rng = np.random.default_rng(1)
    ordinary = np.concatenate([1 - draw(rng, 1_000), draw(rng, 1_000)])
    strangers = draw(rng, 2_000)
    acquitted = [share(draw(rng, 20), strangers, ordinary) > ALIKE for _ in range(300)]
    assert np.mean(acquitted) <= 0.02
