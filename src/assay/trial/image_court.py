"""What the probe says of pictures with something taken out, for every family of picture artefacts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from assay.artefact.inpaint import fill_boxes
from assay.dataset.data import MISSING, Dataset
from assay.dataset.rows import UInt8
from assay.learn.images import CrossFit
from assay.learn.images_groups import votes
from assay.trial.belonging import belonging
from assay.trial.contradiction import FEW
from assay.trial.tempered import label_shares, tempered, weight_of_word

Int = NDArray[np.int64]
Floats = NDArray[np.float64]

REFERENCE = 300  # other rows of a label that carriers are ranked among: a rank is known to a third of a percent
REFERENCE_IN_ALL = 3000  # over all labels, so that many classes cost no more than ten
FEWEST = 60


@dataclass
class Court:
    """A data set with a cross-fitted probe. `labels` as in the data; near-duplicates share a vote."""

    images: UInt8
    y: Int
    probe: CrossFit
    rng: np.random.Generator

    @classmethod
    def of(cls, data: Dataset, probe: CrossFit, rng: np.random.Generator) -> Court:
        assert data.images is not None
        return cls(data.images, data.y, probe, rng)

    def votes(self, rows: Int) -> Floats:
        return votes(self.images[rows], self.probe.groups[rows])

    def predict(self, images: UInt8, rows: Int) -> Floats:
        """(m, k) out-of-fold probabilities of pictures that stand in for `rows` (m,)."""
        return self.probe.predict_altered(images, rows, self.images)

    def without_boxes(self, parts: Sequence[tuple[Int, Int]]) -> list[Floats]:
        """For each (rows (m,), boxes (m, 4)): (m, k) probabilities of those rows, each with its box filled from the border.

        A box is top, left, height and width.
        """
        if not parts:
            return []
        filled = np.concatenate([fill_boxes(self.images[rows], boxes) for rows, boxes in parts])
        p = self.predict(filled, np.concatenate([rows for rows, _ in parts]))
        return np.split(p, np.cumsum([len(rows) for rows, _ in parts])[:-1])

    def others(self, carriers: Int, boxes: Int) -> Callable[[int], Floats]:
        """`others(t)`: support for t of the other rows labelled t, with the same boxes (m, 4) filled, one each in turn. Asked once.

        Where a label is decided by what lies at one place (the lettering of a stop sign), they lose it too. Measured on clean
        CIFAR-10, GTSRB, MNIST and digits: to fill in also their own most supporting part convicts no less and finds no more.
        """

        @cache
        def support(label: int) -> Floats:
            rows = self.reference(label, carriers)
            return self.predict(fill_boxes(self.images[rows], np.resize(boxes, (len(rows), 4))), rows)[:, label]

        return support

    def others_whole(self, carriers: Int) -> Callable[[int], Floats]:
        """The same with nothing filled: free, and nearly always higher, so that who fails here would fail there."""
        return lambda label: self.probe.probabilities[self.reference(label, carriers), label]

    def hosts(self, carriers: Int, target: int, most: int) -> Int:
        """Up to `most` labelled rows that neither carry the artefact nor have the target's label."""
        free = (self.y != target) & (self.y != MISSING)
        free[carriers] = False
        return np.sort(self.rng.permutation(np.flatnonzero(free))[:most])

    def few(self, carriers: Int, y: Int) -> bool:
        """Whether the most frequent of the labels `y` (m,) of the carriers has too few other rows for ranks among them to tell."""
        return len(y) > 0 and len(self.reference(int(np.bincount(y).argmax()), carriers)) < FEW

    def strangers(self, label: int, carriers: Int | None = None) -> Floats:
        """Support for `label` of the rows that have another one, as they are; without `carriers`, where they are given."""
        rows = self._one_a_group(np.flatnonzero((self.y != label) & (self.y != MISSING)))
        rows = rows if carriers is None else np.setdiff1d(rows, carriers)
        return self.probe.probabilities[rows, label]

    def odds(self, label: int, carriers: Int) -> float:
        """How many rows have a label for each that has another, among those that are no `carriers`."""
        free = self.y != MISSING
        free[carriers] = False
        ours = int((self.y[free] == label).sum())
        return ours / max(int(free.sum()) - ours, 1)

    def emptied(self, carriers: Int, boxes: Int) -> Callable[[], tuple[Int, Floats]]:
        """Some other rows (r,) of any label, and the (r, k) probabilities of them with the same boxes (m, 4) filled. Asked once."""

        @cache
        def asked() -> tuple[Int, Floats]:
            rows = np.setdiff1d(self._one_a_group(np.flatnonzero(self.y != MISSING)), carriers)
            return rows, self.predict(fill_boxes(self.images[rows], np.resize(boxes, (len(rows), 4))), rows)

        return asked

    def ordinary(self, emptied: Callable[[], tuple[Int, Floats]]) -> Callable[[], Floats]:
        """How far those rows stand above strangers of their label (see `assay.trial.belonging`)."""

        @cache
        def above() -> Floats:
            rows, p = emptied()
            labels = self.y[rows]
            result = np.zeros(len(rows))
            for label in np.unique(labels):
                mine = labels == label
                result[mine] = belonging(p[mine, label], self.strangers(int(label)))
            return result

        return above

    def weighed(self, emptied: Callable[[], tuple[Int, Floats]], p: Floats) -> Floats:
        """(m, k) what the word `p` (m, k) of carriers is worth, by what such a word is worth of those rows (`assay.trial.tempered`)."""
        rows, said = emptied()
        base = label_shares(self.y, self.probe.classes)
        return tempered(p, base, weight_of_word(said, self.y[rows], base))

    def reference(self, label: int, carriers: Int) -> Int:
        return np.setdiff1d(self._one_a_group(np.flatnonzero(self.y == label)), carriers)

    def _one_a_group(self, rows: Int) -> Int:
        """Some of these rows, no two of them near-duplicates."""
        _, first = np.unique(self.probe.groups[rows], return_index=True)
        rows = rows[np.sort(first)]
        most = int(np.clip(REFERENCE_IN_ALL // self.probe.classes, FEWEST, REFERENCE))
        seeded = np.random.default_rng(len(rows))  # the same rows every time
        return np.sort(seeded.permutation(rows)[:most])
