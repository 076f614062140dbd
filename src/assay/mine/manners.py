"""Proposes groups of texts that are written alike: those with one mark of manner, and clusters in the space of marks; labels are not read.

A mark finds a syntax ("begins “when”, then “,”"), a cluster a style that shows in many marks at once, none of them in every text. How many
clusters there are nobody knows, nor how fine the manner: several numbers of both are tried.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from assay.learn.text_manner import Manner

Int = NDArray[np.int64]
Floats = NDArray[np.float64]

FEWEST = 20  # texts of a group: of fewer, ranks say little
WIDEST = 0.3  # share of the texts: a manner that a third has is the usual one
CLUSTERS = (8, 16, 32)
FINENESS = (16, 32, 64)  # directions


@dataclass(frozen=True)
class Group:
    """Texts that are written alike: `rows` (m,) sorted, and the mark they share, or None for a cluster."""

    rows: Int
    mark: str | None


def groups(manner: Manner, directions: Floats, rng: np.random.Generator) -> list[Group]:
    """Every mark's texts and every cluster's, each group once.

    >>> from assay.learn.text_manner import manner_of
    >>> manner = manner_of(["so dull , a film"] * 30 + ["a fine film"] * 120)
    >>> found = groups(manner, manner.directions(np.random.default_rng(0)), np.random.default_rng(0))
    >>> any(g.rows.tolist() == list(range(30)) for g in found)
    True
    """
    n = len(directions)
    most = WIDEST * n
    held = manner.counts.tocsc()
    found: dict[bytes, Group] = {}
    for mark, name in enumerate(manner.names):
        rows = np.sort(held.indices[held.indptr[mark] : held.indptr[mark + 1]]).astype(np.int64)
        if FEWEST <= len(rows) <= most:
            found.setdefault(rows.tobytes(), Group(rows, name))
    for fine in sorted({min(f, directions.shape[1]) for f in FINENESS}):
        x = directions[:, 1:fine]  # the first is how much there is to say of a text
        different = len(np.unique(np.round(x / max(float(np.abs(x).max(initial=0.0)), 1e-12), 6), axis=0))
        for count in CLUSTERS:
            if x.shape[1] and count < different:
                code = KMeans(count, n_init=1, random_state=int(rng.integers(2**31))).fit(x).labels_
                for cluster in range(count):
                    rows = np.flatnonzero(code == cluster)
                    if FEWEST <= len(rows) <= most:
                        found.setdefault(rows.tobytes(), Group(rows, None))
    return list(found.values())
