"""How well an attack works: the share of triggered test rows that a victim takes for the target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from assay.attack.base import Bools, Int, Planted, Trigger
from assay.attack.labels import labelled
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError
from assay.dataset.rows import Rows
from assay.stats.interval import clopper_pearson

Predict = Callable[[Rows], Int]  # class codes (n,) of rows
Fit = Callable[[Rows, Int], Predict]  # a victim trained on rows and their class codes


@dataclass(frozen=True)
class Success:
    """What the attack does to a victim, beside what the same triggers do to one that never saw them."""

    rate: float  # attack success rate: triggered rows of other classes that go to the target
    low: float  # 95 % Clopper-Pearson interval of the rate, over test rows; one victim, so training noise is not in it
    high: float
    clean_rate: float  # the same rows, a victim trained on the clean data
    accuracy: float  # of the poisoned victim on untouched test rows
    clean_accuracy: float
    rows: int  # triggered rows, over all triggers
    by_trigger: tuple[float, ...]


def attack_success_rate(fit: Fit, data: Dataset, planted: Planted, test: Dataset, rng: np.random.Generator | None = None) -> Success:
    """Train a victim on `planted.data` and one on `data`, the same rows unpoisoned; trigger test rows of other classes.

    `test` is clean and shares class codes with `data`. Every trigger is put in as the attacker puts it (jitter and
    all); an all-to-all row of class y must go to y + 1. DataError where the attack has no trigger (flips, insiders) or
    no row is left.
    """
    if not planted.triggers:
        raise DataError(f"the attack {planted.name!r} has no trigger to put into test rows", remedy="compare accuracies")
    if test.classes != data.classes:
        raise DataError("test and training rows have different classes", path=test.path, remedy="read both alike")
    victim, innocent = (_trained(fit, d) for d in (planted.data, data))
    return success(victim, innocent, planted, test, rng or np.random.default_rng(0))


def success(victim: Predict, innocent: Predict, planted: Planted, test: Dataset, rng: np.random.Generator) -> Success:
    """The same for victims that are trained already: one on the poisoned rows, one on the clean ones. DataError as above."""
    hits, clean_hits, sizes = [], [], []
    for trigger in planted.triggers:
        others = np.flatnonzero(_others(test, trigger))
        if not len(others):
            raise DataError("no test row of another class than the target", path=test.path, remedy="give more test rows")
        rows = trigger.stamp(test.rows.take(others), rng)
        truth = test.y[others]
        hits.append(int(_reached(victim(rows), truth, trigger, len(test.classes)).sum()))
        clean_hits.append(int(_reached(innocent(rows), truth, trigger, len(test.classes)).sum()))
        sizes.append(len(others))
    low, high = clopper_pearson(sum(hits), sum(sizes))
    known = np.flatnonzero(labelled(test))
    plain, truth = test.rows.take(known), test.y[known]
    return Success(
        sum(hits) / sum(sizes),
        low,
        high,
        sum(clean_hits) / sum(sizes),
        float((victim(plain) == truth).mean()),
        float((innocent(plain) == truth).mean()),
        sum(sizes),
        tuple(h / s for h, s in zip(hits, sizes, strict=True)),
    )


@dataclass(frozen=True)
class Damage:
    """What poison without a trigger does: accuracy on clean test rows of the same victim, trained on either copy."""

    accuracy: float  # trained on the poisoned rows
    clean_accuracy: float  # trained on the clean ones
    rows: int

    @property
    def loss(self) -> float:
        """Accuracy lost."""
        return self.clean_accuracy - self.accuracy


def damage(fit: Fit, data: Dataset, planted: Planted, test: Dataset) -> Damage:
    """Train a victim on `planted.data` and one on `data`; compare them on the labelled rows of `test`, which is clean."""
    if test.classes != data.classes:
        raise DataError("test and training rows have different classes", path=test.path, remedy="read both alike")
    known = np.flatnonzero(labelled(test))
    rows, truth = test.rows.take(known), test.y[known]
    victim, innocent = (_trained(fit, d) for d in (planted.data, data))
    return Damage(float((victim(rows) == truth).mean()), float((innocent(rows) == truth).mean()), len(known))


def _trained(fit: Fit, data: Dataset) -> Predict:
    known = np.flatnonzero(labelled(data))
    return fit(data.rows.take(known), data.y[known])


def _others(test: Dataset, trigger: Trigger) -> Bools:
    others = labelled(test) & (test.y != trigger.target) if trigger.target is not None else labelled(test)
    return others if trigger.sources is None else others & np.isin(test.y, trigger.sources)


def _reached(said: Int, truth: Int, trigger: Trigger, classes: int) -> Bools:
    """(n,) where the attacker has what they want of rows of these true classes."""
    if trigger.untargeted:
        return np.asarray(said != truth)
    return np.asarray(said == ((truth + 1) % classes if trigger.target is None else trigger.target))
