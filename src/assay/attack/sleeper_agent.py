"""Sleeper Agent: a patch that no training row holds, made to work by rows that pull weights as patched rows would."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from assay.artefact.patch import Patch
from assay.attack.base import Attack, Budget, Int, Needs, Param, Planted, Trigger
from assay.attack.contributors import draw_class
from assay.attack.labels import choose_targets, class_code, labelled
from assay.attack.patch import draw_pattern
from assay.attack.small_network import as_pictures, as_tensor, matched, parameter_gradient, small_network, torch
from assay.attack.triggered import draw, scatter
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError
from assay.dataset.rows import Rows, UInt8

SOURCES = 200  # patched rows whose mean gradient is matched, at most: more hardly move a mean


class SleeperAgentAttack(Attack):
    """At test time a noise patch sends rows of one source class to the target; training rows hold no patch, only faint noise.

    Rows of the target (those of largest gradient), labels kept, are perturbed within epsilon so that their weight gradient
    matches that of patched source rows labelled as the target; the attacker's network is retrained on the poison `retrain`
    times meanwhile. Needs PyTorch. The trigger is in no row, so the truth holds no artefact, only rows.

    Source: Souri, Fowl, Chellappa, Goldblum, Goldstein, Sleeper Agent: Scalable Hidden Trigger Backdoors for Neural
    Networks Trained from Scratch, 2022 (1 % of the rows, epsilon 16, 250 steps, patch of 8 of 32 pixels, retrained 4 times).
    """

    kind = "sleeper-agent"
    needs: ClassVar[Needs] = "pictures"
    rate = 0.01
    params: ClassVar[Mapping[str, Param]] = {
        "source": Param(None, "the class whose rows the patch sends to the target (default: drawn)"),
        "size": Param(None, "side of the patch in pixels (default: a quarter of the shorter side)", int, low=1, high=512),
        "epsilon": Param(16, "largest change of a pixel, of 255", int, low=1, high=255),
        "steps": Param(250, "of the optimiser, in all", int, low=1, high=100_000),
        "retrain": Param(4, "times the network is trained anew on the poison so far", int, low=0, high=100),
        "epochs": Param(20, "passes in which the attacker's own network is trained", int, low=1, high=10_000),
    }

    def plant(self, data: Dataset, budget: Budget, target: str | None, rng: np.random.Generator, params: Mapping[str, Any]) -> Planted:
        assert data.images is not None
        (to,) = choose_targets(data, target, 1, rng)
        source = draw_class(data, to, rng) if params["source"] is None else class_code(data, params["source"])
        if source == to:
            raise DataError(f"class {data.classes[to]!r} is source and target", remedy="name another source")
        patch = _patch(data.images, params["size"], rng)
        candidates = np.flatnonzero(data.y == to)
        size = budget.count(len(data), self.rate)
        draw(data, candidates, size, rng, f"of class {data.classes[to]!r}")  # says so where there are too few
        patched = _patched(data, source, patch, rng)
        known = np.flatnonzero(labelled(data))
        images, delta, positions = data.images, None, candidates[:0]
        for part in range(params["retrain"] + 1):
            network = small_network(images[known], data.y[known], len(data.classes), params["epochs"], rng)
            if not part:
                positions = _by_gradient(network, data.images, candidates, to)[:size]
            wanted = parameter_gradient(network, as_tensor(patched), torch().full((len(patched),), to))
            steps = max(1, params["steps"] // (params["retrain"] + 1))
            delta = matched(network, data.images[positions], to, wanted, params["epsilon"], steps, delta, rng)
            images = data.images.copy()
            images[positions] = as_pictures(as_tensor(data.images[positions]) + delta)
        order = np.argsort(positions)
        positions = positions[order]
        rows = scatter(data.rows, positions, data.rows.take(positions).with_images(images[positions]))
        which = np.full(len(data), -1)
        which[positions] = 0
        trigger = Trigger(patch, patch.insert, to, (source,))
        return Planted(data.with_content(rows), which >= 0, (), self.kind, (trigger,), which.astype(np.int64))


def _patch(images: UInt8, size: int | None, rng: np.random.Generator) -> Patch:
    _, height, width, channels = images.shape
    side = size or max(1, min(height, width) // 4)
    if side > min(height, width):
        raise DataError(f"a patch of {side} pixels does not fit into pictures of {height}x{width}", remedy="give a smaller size")
    pixels = draw_pattern("noise", side, channels, rng)
    return Patch(pixels, np.ones((side, side), bool), height - side, width - side)


def _patched(data: Dataset, source: int, patch: Patch, rng: np.random.Generator) -> UInt8:
    """Rows of the source class with the patch in."""
    theirs = np.flatnonzero(data.y == source)
    if not len(theirs):
        raise DataError(f"no row is of class {data.classes[source]!r}", path=data.path, remedy="name another source")
    some = rng.permutation(theirs)[:SOURCES]
    stamped: Rows = patch.insert(data.rows.take(some), rng)
    assert stamped.images is not None
    return stamped.images


def _by_gradient(network: Any, images: UInt8, candidates: Int, label: int) -> Int:
    """The candidates, those whose own gradient is largest first."""
    t = torch()
    norms = [float(parameter_gradient(network, as_tensor(images[i : i + 1]), t.tensor([label])).norm()) for i in candidates]
    return candidates[np.argsort(-np.array(norms), kind="stable")]
