"""Whether rows hold a template whole or in part, another part each, told from how unevenly it lies in them.

Of rows that hold it whole, each place adds along the template what it adds in any other row, but for noise that rows without it have
as well: the variance in excess of theirs is -.02 to .02 of the squared mean for blends and patches, .09 for low frequencies. Where half
of the pieces are left out it is that of a coin, 1, of which edges between pieces blur some: .5 to .8 on CIFAR-10 and GTSRB. Labels are
not read. In digits of 24x24, of which noise is nearly all that is seen, it is .15, and they are taken for whole.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from assay.artefact.overlay import Matched
from assay.artefact.overlay_pieces import Pieces, along
from assay.artefact.overlay_view import View
from assay.dataset.rows import UInt8

Int = NDArray[np.int64]
Float32 = NDArray[np.float32]

FEWEST = 30  # carriers whose variance tells
MOST = 500  # carriers, and twice as many other rows, that are looked at
UNEVEN = 0.28  # excess of variance from which it lies in pieces: three times what whole templates have, half of what halved ones do
FAINT = 0.1  # of the most that any place adds: a place that adds less on average shows nothing
TURNS = 20
CHUNK = 250


def in_pieces(images: UInt8, carriers: Int, others: Int, matched: Matched, rng: np.random.Generator) -> Pieces | None:
    """The places at which rows `carriers` of `images` hold a template that `others` do not; None if they hold it whole, or cannot tell."""
    if not isinstance(matched.view, View) or len(carriers) < FEWEST or len(others) < FEWEST:
        return None
    ours = _along(matched.view, matched.pattern, images[np.sort(rng.permutation(carriers)[:MOST])])
    theirs = _along(matched.view, matched.pattern, images[np.sort(rng.permutation(others)[: 2 * MOST])])
    usual = theirs.mean(0)
    more = ours.mean(0) - usual
    excess = float((ours.var(0) - theirs.var(0)).sum() / max(float((more**2).sum()), 1e-12))
    if excess < UNEVEN:
        return None
    full = np.maximum(more, FAINT * more.max())
    return Pieces(usual, full, _between((ours - usual) / full))


def _along(view: View, pattern: Float32, images: UInt8) -> Float32:
    return np.concatenate([along(view, pattern, images[i : i + CHUNK]) for i in range(0, len(images), CHUNK)])


def _between(values: Float32) -> float:
    """The cut half-way between the means of the values above and below it (Ridler & Calvard 1978)."""
    cut = float(np.median(values))
    for _ in range(TURNS):
        above = values > cut
        cut = float(values[above].mean() + values[~above].mean()) / 2
    return cut
