"""Examinations of a scan as errands: done here one after another, or begun at once where there is somebody to give them to.

That is an engine's workers; or, for pictures and tables, threads of this process, since NumPy computes beside NumPy and a family's own
loops leave half of two cores idle. What an errand gives depends on itself alone (its rows, its seed), so that it is the same wherever and
whenever it is done. Finished ones are kept (`assay.stages`): a scan that was stopped goes on from them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from functools import partial
from types import TracebackType
from typing import Any, Self

import numpy as np

from assay.dataset.data import Dataset
from assay.engine.base import Engine, Handle, current, using
from assay.engine.kept import Keeping
from assay.engine.local import LOCAL
from assay.engine.one_thread import one_each
from assay.finding import Check
from assay.learn.threads import threads, workers
from assay.stages import Stages
from assay.trial.family import NOTHING, Depth, Examined, Family, Heard, Listener, Planting, Progress, silent
from assay.trial.image_probe import PictureReader, Reader

BESIDE = 2**28  # bytes of pictures, or of a table's numbers, up to which errands run beside each other: each may have a copy of them
WHOLE = 100_000  # rows up to which a worker examines the whole; of more, families are examined here, and their passes shared out
Done = tuple[Examined | None, Check]


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


class _Stopped(Exception):
    """The scan was left; what it had begun need not be finished."""


@dataclass
class _Relay:
    """The progress of an errand that was begun before anybody listened to it."""

    to: Progress = silent
    stopped: bool = False

    def __call__(self, done: float, total: float, what: str) -> None:
        if self.stopped:
            raise _Stopped
        self.to(done, total, what)


@dataclass
class Desk:
    """Gives errands to an engine, or to threads, and takes back what they found. Leaving its block stops what was begun."""

    engine: Engine
    stages: Stages
    reader: Reader = None
    beside: bool = False  # errands are pictures or tables small enough to be examined beside each other
    _begun: dict[str, Handle[Examined]] = field(default_factory=dict)
    _aside: dict[str, tuple[Future[Done], _Relay]] = field(default_factory=dict)
    _placed: dict[int, tuple[Any, Handle[Any]]] = field(default_factory=dict)  # by identity: families share their rows
    _pool: ThreadPoolExecutor | None = None
    _held: ExitStack = field(default_factory=ExitStack)

    @classmethod
    def of(cls, stages: Stages, data: Dataset, depth: Depth, reader: Reader) -> Desk:
        """The desk for a scan of `data` by the engine in use.

        At depth full a family trains networks, minutes in which it hears of no interruption; then errands are done one after another.
        """
        engine = current()
        alone = engine is LOCAL and depth == "fast" and (data.images is not None or data.modality == "table")
        return cls(engine, stages, reader, alone and _bytes(data) <= BESIDE and workers() > 1)

    @property
    def ahead(self) -> bool:
        """Whether errands are worth beginning before their results are asked for."""
        return self.engine.remote or self.beside

    def __enter__(self) -> Self:
        if self.beside:
            self._held.enter_context(one_each())
            self._pool = threads(workers(), "errand")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for _, relay in self._aside.values():
            relay.stopped = True
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        self._held.close()

    def begin(self, errand: Errand) -> None:
        """Set workers to it, where there are any and it was not done before."""
        if self.stages.holds(errand.key):
            return
        if self._pool is not None:
            relay = _Relay()
            self._aside[errand.key] = self._pool.submit(copy_context().run, self._here, errand, relay, False), relay
        elif self.engine.remote and len(errand.data) <= WHOLE:
            self._teach(errand)
            rows, reader = self._place(errand.data), self._place(self.reader)
            self._begun[errand.key] = self.engine.submit(_examined, errand.family, rows, errand.depth, errand.rng, errand.heard, reader)

    def _teach(self, errand: Errand) -> None:
        """Let the reader learn the pictures of the first errand before it is placed: once for all workers, which would each learn them."""
        reader, data = self.reader, errand.data
        if not isinstance(reader, PictureReader) or id(reader) in self._placed or errand.depth != "fast" or not data.labelled:
            return
        if reader.knows(data.images):
            with suppress(ValueError):  # labels that cannot be learnt: every family that asks says so itself
                reader.probe(data, errand.depth)

    def _place(self, value: Any) -> Handle[Any]:
        if id(value) not in self._placed:
            self._placed[id(value)] = value, self.engine.put(value)
        return self._placed[id(value)][1]

    def begin_canaries(self, planted: PlantedErrand) -> PlantedErrand:
        """The same for a planted copy."""
        if planted.errand is not None:
            self.begin(planted.errand)
        return planted

    def finish(self, errand: Errand, progress: Progress) -> Done:
        """What it found, and how it went: an errand that failed is listed as failed, with the reason."""
        begun, aside = self._begun.pop(errand.key, None), self._aside.get(errand.key)
        if aside is not None:
            future, relay = aside
            relay.to = progress
            result, check = future.result()
            del self._aside[errand.key]
        elif begun is not None:
            result, check = self._taken(errand, partial(self.engine.result, begun), False)
        else:
            result, check = self._here(errand, progress, self.stages.holds(errand.key))
        progress(1.0, 1.0, errand.name)
        return result, check

    def _here(self, errand: Errand, progress: Progress, kept: bool) -> Done:
        asked = errand.family, errand.data, errand.depth, errand.rng, errand.heard, self.reader, progress
        return self._taken(errand, partial(_examined, *asked), kept)

    def _taken(self, errand: Errand, work: Callable[[], Examined], kept: bool) -> Done:
        return _timed(errand.name, partial(self.stages.get, errand.key, work), kept)


def _bytes(data: Dataset) -> int:
    return len(data) * 8 * len(data.columns.content) if data.images is None else data.images.nbytes


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


def _timed(name: str, work: Callable[[], Examined], kept: bool) -> Done:
    began = time.perf_counter()
    try:
        result = work()
    except (ArithmeticError, LookupError, MemoryError, RuntimeError, TypeError, ValueError) as error:
        reason = f"{type(error).__name__}: {error}"
        return None, Check(name, "failed", reason, time.perf_counter() - began)
    said = f"{result.enumerated:,} artefacts enumerated" + (", before the scan was interrupted" if kept else "")
    return result, Check(name, "ran", "; ".join([said, *result.notes]), time.perf_counter() - began)
