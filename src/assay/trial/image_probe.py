"""The probe that picture families ask: by depth, and by what is installed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from threading import RLock

import numpy as np
from numpy.typing import NDArray

from assay.dataset.data import Dataset
from assay.dataset.rows import UInt8
from assay.finding import Check
from assay.learn import images_net
from assay.learn.images import HELD, CrossFit, cross_fit
from assay.learn.images_groups import near_duplicates
from assay.learn.images_linear import LinearLearner
from assay.trial.family import Depth

NETWORK = "image network"
Reader = Callable[[], LinearLearner] | None  # how a scan reads its pictures; None: each probe in its own way
Probed = tuple[tuple[CrossFit, ...], NDArray[np.float32] | None, tuple[Check, ...]]

READER = 5  # its share of the seed
REMEMBERED = 2  # probes: of several labels a row each has its own, and holds what it read of the pictures (90 MB of 10,000)
FEWEST = 1_000  # pictures a network is fitted to: from some hundreds it learns less than the linear model does
DIMENSIONS = 64  # random directions keep distances to a tenth or so (Johnson & Lindenstrauss 1984); components cost 10 s


def unfit(data: Dataset, smallest: int, because: str) -> str:
    """Why labels cannot be held against pictures of `smallest` pixels a side or more (smaller ones: `because`); "" where they can."""
    if data.images is None:
        return "there are no pictures"
    if not data.labelled:
        return "there are no labels to be surprised at"
    return f"pictures under {smallest} pixels a side {because}" if min(data.images.shape[1:3]) < smallest else ""


def reader_of(data: Dataset, seed: int) -> Reader:
    """The one way in which a scan reads its pictures, made when it is first needed; it remembers the pictures of `data`.

    None without pictures, or where they are too many to remember.
    """
    images = data.images
    if images is None or len(images) > HELD:
        return None
    return PictureReader(images, seed)


@dataclass(frozen=True)
class PictureReader:
    """Reads pictures as the scan of `images` (n, h, w, c) does. What it has learnt at depth fast travels with it, and is learnt once for
    all workers; networks do not, and are learnt again, to the same."""

    images: UInt8
    seed: int
    _probes: dict[tuple[Depth, bytes], Probed] = field(default_factory=dict, repr=False, compare=False)
    _lock: RLock = field(default_factory=RLock, repr=False, compare=False)  # families that are examined side by side wait for one probe

    def __call__(self) -> LinearLearner:
        with self._lock:
            return self._learner

    @cached_property
    def _learner(self) -> LinearLearner:
        return LinearLearner.of(self.images, np.random.default_rng([self.seed, READER]), remember=True)

    @cached_property
    def _groups(self) -> NDArray[np.int64]:
        return near_duplicates(self.images)

    def groups(self) -> NDArray[np.int64]:
        """(n,) near-duplicates among the scan's own pictures share a number; looked for once."""
        with self._lock:
            return self._groups

    def knows(self, images: UInt8 | None) -> bool:
        """Whether these are the scan's own pictures, not a copy in which some were altered."""
        return images is self.images or (images is not None and np.array_equal(images, self.images))

    def probe(self, data: Dataset, depth: Depth) -> Probed:
        """The probe of the scan's own pictures and these labels, fitted once for all families that ask, by the scan's seed."""
        key = depth, data.y.tobytes()
        with self._lock:
            if key not in self._probes:
                while len(self._probes) >= REMEMBERED:
                    del self._probes[next(iter(self._probes))]
                self._probes[key] = self._probed(data, depth)
            return self._probes[key]

    def _probed(self, data: Dataset, depth: Depth) -> Probed:
        linear, asked, checks = _probed(data, depth, np.random.default_rng([self.seed, READER, 1]), self._learner, self.groups())
        known = next(iter(self._probes.values()), None)  # features are of the pictures, and the same whatever their labels
        return asked, label_free(linear) if known is None else known[1], checks

    def __reduce__(self) -> tuple[Callable[..., PictureReader], tuple[UInt8, int, LinearLearner | None, dict[tuple[Depth, bytes], Probed]]]:
        with self._lock:
            fast = {key: probed for key, probed in self._probes.items() if key[0] == "fast"}
            return _come, (self.images, self.seed, self.__dict__.get("_learner"), fast)


def _come(images: UInt8, seed: int, learner: LinearLearner | None, probes: dict[tuple[Depth, bytes], Probed]) -> PictureReader:
    """A reader with what it had learnt elsewhere."""
    reader = PictureReader(images, seed, probes)
    if learner is not None:
        reader.__dict__["_learner"] = learner  # where `cached_property` looks for it
    return reader


def image_probe(data: Dataset, depth: Depth, rng: np.random.Generator, reader: Reader = None) -> Probed:
    """Cross-fitted probes of the pictures, label-free features of them (see `label_free`), and checks to list.

    Fast: a linear model, which reads pictures by `reader` where there is one. Full: a small network before it, where that foresees the
    labels better out of fold. It sees more, and learns the more easily what was planted: with one of several marks taken out the others
    tell it the label still (adaptive patches, Qi et al. 2023: confirmed by the linear model, acquitted by the network). So both are asked.

    Of the pictures that a `PictureReader` knows, they are fitted once a scan; of a copy, with canaries in it, no features are made, since
    nobody asks for them.
    """
    assert data.images is not None
    if isinstance(reader, PictureReader) and reader.knows(data.images):
        return reader.probe(data, depth)
    linear, asked, checks = _probed(data, depth, rng, LinearLearner.of(data.images, rng) if reader is None else reader())
    return asked, label_free(linear) if reader is None else None, checks


def same_pictures(images: UInt8, reader: Reader = None) -> NDArray[np.int64]:
    """(n,) near-duplicates among pictures (n, h, w, c) share a number; those of a scan's own are looked for once."""
    return reader.groups() if isinstance(reader, PictureReader) and reader.knows(images) else near_duplicates(images)


def _probed(
    data: Dataset, depth: Depth, rng: np.random.Generator, learner: LinearLearner, groups: NDArray[np.int64] | None = None
) -> tuple[CrossFit, tuple[CrossFit, ...], tuple[Check, ...]]:
    """The linear model, those that are to be asked, the better first, and checks to list."""
    assert data.images is not None
    linear = cross_fit(data.images, data.y, len(data.classes), learner, rng, groups=groups)
    if depth == "fast":
        return linear, (linear,), ()
    if not images_net.installed():
        return linear, (linear,), (Check(NETWORK, "not_installed", "install torch: pip install 'assay[torch]'"),)
    if len(data) < FEWEST:
        why = f"under {FEWEST:,} pictures a network learns less than the linear model, which was asked in its place"
        return linear, (linear,), (Check(NETWORK, "not_applicable", why),)
    began = time.perf_counter()
    net = images_net.NetLearner.of(rng)
    network = cross_fit(data.images, data.y, len(data.classes), net, rng, like=linear)
    ours, theirs = network.loss(data.y), linear.loss(data.y)
    better = ours < theirs
    asked = "network is asked, and the linear model" if better else "linear model is asked"
    said = f"on {net.device}; log loss {ours:.2f}, of the linear model {theirs:.2f}: the {asked}"
    check = Check(NETWORK, "ran", said, time.perf_counter() - began)
    return linear, (network, linear) if better else (linear,), (check,)


def label_free(probe: CrossFit) -> NDArray[np.float32] | None:
    """(n, 64) random projections of the standardised patch features; None where those were not held (many rows)."""
    if probe.inputs is None or probe.inputs.ndim != 2:
        return None
    x = probe.inputs
    scaled = np.random.default_rng(0).standard_normal((x.shape[1], DIMENSIONS), np.float32) / np.sqrt(DIMENSIONS)
    scaled /= (x.std(0) + 1e-6)[:, None]
    return np.asarray(x @ scaled - x.mean(0) @ scaled, np.float32)
