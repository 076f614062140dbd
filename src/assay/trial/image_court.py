"""What the probe says of pictures with something taken out, for every family of picture artefacts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from assay.artefact.inpaint import fill_box
from assay.dataset.data import MISSING, Dataset
from assay.dataset.rows import UInt8
from assay.learn.images import CrossFit
from assay.learn.images_groups import votes

Int = NDArray[np.int64]
Floats = NDArray[np.float64]
Box = tuple[int, int, int, int]  # top, left, height, width

REFERENCE = 200  # other rows of a label that carriers are ranked among: a rank is known to half a percent
REFERENCE_IN_ALL = 4000  # over all labels, so that many classes cost no more than ten
FEWEST = 60
GRID = 3  # the most supporting part is sought at 3x3 places


@dataclass
class Court:
    """A data set with a cross-fitted probe. `labels` as in the data; near-duplicates share a vote."""

    images: UInt8
    y: Int
    probe: CrossFit
    rng: np.random.Generator
    _reference: dict[tuple[int, int, int], tuple[Int, Floats]] = field(default_factory=dict)

    @classmethod
    def of(cls, data: Dataset, probe: CrossFit, rng: np.random.Generator) -> Court:
        assert data.images is not None
        return cls(data.images, data.y, probe, rng)

    def votes(self, rows: Int) -> Floats:
        return votes(self.images[rows], self.probe.groups[rows])

    def predict(self, images: UInt8, rows: Int) -> Floats:
        """(m, k) out-of-fold probabilities of pictures that stand in for `rows` (m,)."""
        return self.probe.predict(images, self.probe.fold[rows])

    def without_boxes(self, parts: Sequence[tuple[Int, Box]]) -> list[Floats]:
        """For each (rows, box): (m, k) probabilities of those rows with the box filled from its border."""
        if not parts:
            return []
        filled = np.concatenate([fill_box(self.images[rows], *box) for rows, box in parts])
        p = self.predict(filled, np.concatenate([rows for rows, _ in parts]))
        return np.split(p, np.cumsum([len(rows) for rows, _ in parts])[:-1])

    def others(self, carriers: Int, box: Box) -> Callable[[int], Floats]:
        """`others(t)`: support for t of the other rows labelled t, each without its own most t-supporting part of that size.

        The part is sought on a grid and at the very place of `box`, which may be where the label is decided.
        """
        carrying = np.zeros(len(self.y), bool)
        carrying[carriers] = True

        def support(label: int) -> Floats:
            rows, least = self._matched(label, box[2], box[3])
            rows, least = rows[~carrying[rows]], least[~carrying[rows]]
            here = self.predict(fill_box(self.images[rows], *box), rows)[:, label]
            return np.minimum(here, least)

        return support

    def _matched(self, label: int, height: int, width: int) -> tuple[Int, Floats]:
        _, h, w, _ = self.images.shape
        height, width = min(h, -(-height // 4) * 4), min(w, -(-width // 4) * 4)  # few sizes, so that answers serve again
        key = (label, height, width)
        if key not in self._reference:
            rows = self._one_a_group(np.flatnonzero(self.y == label))
            tops, lefts = _steps(h, height), _steps(w, width)
            least = np.full(len(rows), np.inf)
            for top in tops:
                for left in lefts:
                    p = self.predict(fill_box(self.images[rows], top, left, height, width), rows)
                    least = np.minimum(least, p[:, label])
            self._reference[key] = rows, least
        return self._reference[key]

    def _one_a_group(self, rows: Int) -> Int:
        """Some of these rows, no two of them near-duplicates."""
        _, first = np.unique(self.probe.groups[rows], return_index=True)
        rows = rows[np.sort(first)]
        most = int(np.clip(REFERENCE_IN_ALL // self.probe.classes, FEWEST, REFERENCE))
        seeded = np.random.default_rng(len(rows))  # the same rows for every size of part
        return np.sort(seeded.permutation(rows)[:most])

    def hosts(self, carriers: Int, target: int, most: int) -> Int:
        """Up to `most` labelled rows that neither carry the artefact nor have the target's label."""
        free = (self.y != target) & (self.y != MISSING)
        free[carriers] = False
        return np.sort(self.rng.permutation(np.flatnonzero(free))[:most])


def _steps(whole: int, part: int) -> list[int]:
    """Places of a part along a side: three, fewer where the part is large.

    >>> _steps(32, 8), _steps(32, 20), _steps(32, 32)
    ([0, 12, 24], [0, 12], [0])
    """
    count = GRID if part * 2 <= whole else 2 if part < whole else 1
    return [int(v) for v in np.linspace(0, whole - part, count).round()]
