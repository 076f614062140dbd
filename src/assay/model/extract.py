"""The trigger that a search found, as an artefact that can be put into pictures, and what it does to pictures the search never saw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.artefact.base import Artefact
from assay.artefact.bend import Bend
from assay.artefact.encode import png_text
from assay.artefact.overlay import Overlay
from assay.artefact.patch import Patch
from assay.artefact.redrawing import Redrawing
from assay.model.networks import Network, predict
from assay.model.redrawn import Redrawn
from assay.model.search import Change, Overlaid, Patched, Warped

Int = NDArray[np.int64]
UInt8 = NDArray[np.uint8]

FADED = 0.25  # opacity below which a pixel is left out of the patch that is handed over
SHOWN = 3  # held-back pictures that are handed over with each trigger, before and after


@dataclass(frozen=True)
class Extracted:
    """`wanted` (classes,): where the trigger sends a row of each class; `target` the one class, None for all-to-all. `success`: share of
    held-back pictures of other classes that go there once it is put in; `tried` of them; `before`: the share that does without it.
    `shown`: a few of those pictures (n, h, w, c) as they were, and with the trigger."""

    artefact: Artefact
    wanted: tuple[int, ...]
    target: int | None
    success: float
    before: float
    tried: int
    shown: tuple[UInt8, UInt8]

    def to_json(self) -> dict[str, Any]:
        return {
            "target": self.target,
            "wanted": list(self.wanted),
            "attack_success": self.success,
            "without_it": self.before,
            "measured_on": self.tried,
            "artefact": self.artefact.to_json(),
            "pictures": {when: [png_text(p) for p in part] for when, part in zip(("before", "after"), self.shown, strict=True)},
        }


def extract(change: Change, number: int, wanted: Int, network: Network, held: UInt8, y: Int) -> Extracted:
    """The change of search `number` as an artefact; `wanted` (classes,) of that search; pictures `held` back, of classes `y`."""
    artefact = _artefact(change, number)
    others = wanted[y] != y
    goal = wanted[y[others]]
    changed = artefact.insert(held[others])
    success = float((predict(network, changed) == goal).mean()) if others.any() else 0.0
    before = float((predict(network, held[others]) == goal).mean()) if others.any() else 0.0
    target = int(wanted[0]) if (wanted == wanted[0]).all() else None
    return Extracted(
        artefact, tuple(int(w) for w in wanted), target, success, before, int(others.sum()), (held[others][:SHOWN], changed[:SHOWN])
    )


def _artefact(change: Change, number: int) -> Artefact:
    if isinstance(change, Patched):
        return _patch(change.mask[number].sigmoid().detach().numpy(), change.pattern[number].sigmoid().detach().numpy())
    if isinstance(change, Overlaid):
        template = change.added[number, 0].detach().permute(1, 2, 0).numpy() * 255
        return Overlay(np.ascontiguousarray(template, np.float32), 1.0, "add", 0.5)
    if isinstance(change, Redrawn):
        looks, bias, mix, added = (part.detach()[0].numpy().copy() for part in change.parameters)
        return Redrawing(looks, bias, mix, np.ascontiguousarray(added.transpose(1, 2, 0)))
    assert isinstance(change, Warped)
    right_down = change.field()[number].detach().numpy()
    return Bend(np.ascontiguousarray(right_down[..., ::-1].transpose(2, 0, 1), np.float32))


def _patch(mask: NDArray[np.float32], pattern: NDArray[np.float32]) -> Patch:
    """What is opaque, in its box. The opacity itself is lost: the patch covers what it covers."""
    opaque = mask[0, 0]
    kept = opaque >= min(FADED, float(opaque.max()))
    rows, columns = np.flatnonzero(kept.any(1)), np.flatnonzero(kept.any(0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    pixels = np.rint(pattern[0].transpose(1, 2, 0) * 255).astype(np.uint8)
    return Patch(np.ascontiguousarray(pixels[box]), kept[box], int(rows[0]), int(columns[0]))
