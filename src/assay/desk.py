"""Examinations of a scan as errands: done here one after another, or begun at once where an engine has workers to give them to.

What an errand gives depends on itself alone (its rows, its seed), so that it is the same wherever and whenever it is done. Finished ones
are kept (`assay.stages`): a scan that was stopped goes on from them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from assay.dataset.data import Dataset
from assay.engine.base import Engine, Handle, current, using
from assay.engine.kept import Keeping
from assay.finding import Check
from assay.stages import Stages
from assay.trial.family import NOTHING, Depth, Examined, Family, Heard, Listener, Planting, Progress, silent
from assay.trial.image_probe import Reader


@dataclass(frozen=True)
class Errand:
    """One family's examination of one data set; `key` names it among the stages that are kept."""

    key: str
    name: str
    family: Family
    data: Dataset
    depth: Depth
    rng: np.random.Generator
    heard: Heard = NOTHING


@dataclass(frozen=True)
class PlantedErrand:
    """The examination of a copy with canaries in it; `whole` names that of the data itself. No errand: there was no room."""

    name: str
    family: str
    whole: str
    plantings: tuple[Planting, ...]
    errand: Errand | None


@dataclass
class Desk:
    """Gives errands to an engine and takes back what they found."""

    engine: Engine
    stages: Stages
    reader: Reader = None
    _begun: dict[str, Handle[Examined]] = field(default_factory=dict)
    _placed: dict[int, tuple[Any, Handle[Any]]] = field(default_factory=dict)  # by identity: families share their rows

    def begin(self, errand: Errand) -> None:
        """Set workers to it, where there are any and it was not done before."""
        if not self.engine.remote or self.stages.holds(errand.key):
            return
        rows, reader = self._place(errand.data), self._place(self.reader)
        self._begun[errand.key] = self.engine.submit(_examined, errand.family, rows, errand.depth, errand.rng, errand.heard, reader)

    def _place(self, value: Any) -> Handle[Any]:
        if id(value) not in self._placed:
            self._placed[id(value)] = value, self.engine.put(value)
        return self._placed[id(value)][1]

    def begin_canaries(self, planted: PlantedErrand) -> PlantedErrand:
        """The same for a planted copy."""
        if planted.errand is not None:
            self.begin(planted.errand)
        return planted

    def finish(self, errand: Errand, progress: Progress) -> tuple[Examined | None, Check]:
        """What it found, and how it went: an errand that failed is listed as failed, with the reason."""
        kept, begun = self.stages.holds(errand.key), self._begun.pop(errand.key, None)
        if begun is None:
            asked = errand.family, errand.data, errand.depth, errand.rng, errand.heard, self.reader, progress
            work = partial(_examined, *asked)
        else:
            work = partial(self.engine.result, begun)
        result, check = _timed(errand.name, partial(self.stages.get, errand.key, work), kept)
        progress(1.0, 1.0, errand.name)
        return result, check


def _examined(
    family: Family, data: Dataset, depth: Depth, rng: np.random.Generator, heard: Heard, reader: Reader, progress: Progress = silent
) -> Examined:
    if isinstance(family, Listener):
        family = family.told(replace(heard, pictures=reader))
    engine = current()
    if heard.canaries and isinstance(engine, Keeping):  # a copy's blocks come never again
        with using(engine.inner):
            return family.examine(data, depth, rng, progress)
    return family.examine(data, depth, rng, progress)


def _timed(name: str, work: Callable[[], Examined], kept: bool) -> tuple[Examined | None, Check]:
    began = time.perf_counter()
    try:
        result = work()
    except (ArithmeticError, LookupError, MemoryError, RuntimeError, TypeError, ValueError) as error:
        reason = f"{type(error).__name__}: {error}"
        return None, Check(name, "failed", reason, time.perf_counter() - began)
    said = f"{result.enumerated:,} artefacts enumerated" + (", before the scan was interrupted" if kept else "")
    return result, Check(name, "ran", said, time.perf_counter() - began)
