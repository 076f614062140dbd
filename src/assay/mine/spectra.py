"""Overlays of a few frequencies (a sinusoid, raised cosine coefficients), found without labels.

`assay.mine.overlays` compares whole pictures, where three frequencies of three thousand are lost. Here each frequency is looked at by
itself: natural pictures have it with either sign alike, and a template has one. Rows far out on the fuller side are a start; what their
mean holds of other frequencies joins it; the rows that stand apart along it are the next members. What nature has in common fades out
gradually; what was laid over stands apart. Cost n log n in rows, for each frequency. A row has its part in the pattern that judges it,
one part in fifteen at most of each frequency, and there are few of them.

Blind to templates in under fifteen rows, to those whose strongest frequency is within what pictures hold of it by nature (smooth ones:
natural pictures have most of their power there), to a phase or a frequency drawn anew for each row, and to what `Spectrum` cannot see.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from assay.artefact.spectrum_view import Spectrum
from assay.dataset.rows import UInt8
from assay.learn.threads import in_parallel
from assay.mine.overlay_blocks import see
from assay.mine.overlays import GAP, HELD, LEARNT_FROM, MOST, ROUNDS, SAME, Template, Templates, apart, everywhere, jaccard

Int = NDArray[np.int64]
Floats = NDArray[np.float64]
Float32 = NDArray[np.float32]

FEWEST = 15  # rows at a start: with fewer the two sides of a frequency differ by chance
WIDEST = 0.1  # share of the rows at a start, at most
SIZES = 10  # of starts, from the fewest to the widest
STARTS = 60  # followed up
JOINS = 1.2  # standard deviations: mean of the members from which a frequency belongs to the pattern; FTrojan's have 6, SIG's 3.7
FREQUENCIES = 64  # of a pattern, the strongest; templates of more are seen as whole pictures
BESIDE = 200  # frequencies handled at once


def shared_spectra(images: UInt8, rng: np.random.Generator) -> Templates:
    """Templates of a few frequencies that at least fifteen of the pictures (n, h, w, c) share; labels are not read.

    As in `shared_templates`, 20,000 rows are searched at most, and what is found is then looked for in all.
    """
    order = rng.permutation(len(images))
    held = np.sort(order[:HELD])
    rest = np.setdiff1d(order, held, assume_unique=True)
    view = Spectrum.learn(images[np.sort(order[:LEARNT_FROM])])
    seen = see(view, images[held])
    found: list[Template] = []
    for members in _starts(seen):
        template = _settled(seen, members, held)
        if template is not None and not any(jaccard(template.carriers, other.carriers) > SAME for other in found):
            found.append(template)
    if len(rest) and found:
        found = everywhere(found, view, images, held, rest)
    found.sort(key=lambda t: (t.gap, -len(t.carriers)))
    return Templates(view, tuple(found))


def _starts(seen: Float32) -> list[Int]:
    """Rows far out along one frequency, where its two sides differ most, in standard deviations of a fair coin."""
    n, d = seen.shape
    sizes = np.unique(np.geomspace(FEWEST, max(WIDEST * n, FEWEST + 1), SIZES).astype(np.int64))
    sizes = sizes[sizes < n]
    if not len(sizes):
        return []

    def excess(columns: slice) -> Floats:
        """(2, frequencies, sizes): of the upper and the lower side."""
        values = np.sort(np.ascontiguousarray(seen[:, columns].T), axis=1)
        result = np.zeros((2, len(values), len(sizes)))
        for side, ascending in enumerate((values, -values[:, ::-1])):
            for number, one in enumerate(ascending):
                across = np.searchsorted(one, -one[n - sizes], side="right")
                result[side, number] = (sizes - across) / np.sqrt(sizes + across)
        return result

    told = np.concatenate(in_parallel(excess, [slice(i, min(i + BESIDE, d)) for i in range(0, d, BESIDE)]), axis=1)
    best = told.max(2)
    starts = []
    for at in np.argsort(-best, axis=None, kind="stable")[:STARTS].tolist():
        side, column = divmod(at, d)
        size = int(sizes[told[side, column].argmax()])
        values = seen[:, column] if side == 0 else -seen[:, column]
        starts.append(np.sort(np.argpartition(-values, size - 1)[:size]))
    return starts


def _settled(seen: Float32, members: Int, held: Int) -> Template | None:
    """The template that a start leads to, its carriers named by `held`; None where nothing stands apart."""
    n, d = seen.shape
    for _ in range(ROUNDS):
        mean = seen[members].mean(0) * np.sqrt(d)
        strong = np.flatnonzero(np.abs(mean) > JOINS)
        strong = np.sort(strong[np.argsort(-np.abs(mean[strong]), kind="stable")[:FREQUENCIES]])
        if not len(strong):
            return None
        pattern = np.zeros(d, np.float32)
        pattern[strong] = mean[strong] / np.linalg.norm(mean[strong])
        along = (seen[:, strong] @ pattern[strong]).astype(np.float64)
        middle = float(np.median(along))
        spread = max(1.4826 * float(np.median(np.abs(along - middle))), 1e-9)
        scores = (along - middle) / spread
        new, gap = apart(scores)
        if not FEWEST <= len(new) <= MOST * n:
            return None
        if len(new) == len(members) and bool((new == members).all()):
            break
        members = new
    return Template(pattern, middle, spread, scores, held[new], gap) if gap <= GAP else None
