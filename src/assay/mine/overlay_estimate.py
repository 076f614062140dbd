"""What was laid over, and how strongly: estimated from rows that carry it and rows that do not.

A blend x' = (1 - alpha) x + alpha t shrinks the contrast of its carriers by 1 - alpha, whatever t is: that gives alpha. Their mean
is (1 - alpha) m + alpha t, where m is the mean of pictures without it: that gives t. Carriers are taken for a random draw of
the contents; an error in alpha only changes the contrast of pictures it is taken out of, never what they show.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn, idctn
from scipy.ndimage import uniform_filter

from assay.artefact.overlay import Matched, Overlay
from assay.artefact.overlay_pieces import Pieces
from assay.artefact.spectrum_view import Spectrum
from assay.dataset.rows import UInt8

Int = NDArray[np.int64]
Float32 = NDArray[np.float32]
Floats = NDArray[np.float64]

CARRIERS = 500  # carriers looked at: alpha is known to .01
OTHERS = 1_000  # rows without it, for the mean and the contrast
FAINTEST = 0.04  # an alpha below is not told from nought: the template is added
STRONGEST = 0.9
ROUNDING = 0.3  # squared grey levels added to a frequency's variance: rounding alone has 1/12
ENDS = (0.01, 0.99)  # quantiles of all pixels
BLOCKS = 8  # a side, in which cover is measured
BAND = 5  # frequencies a side over which the template's power is averaged


def estimate(
    images: UInt8,
    carriers: Int,
    matched: Matched,
    threshold: float,
    rng: np.random.Generator,
    without: Int | None = None,
    pieces: Pieces | None = None,
) -> Overlay:
    """The overlay that the rows `carriers` of `images` (n, h, w, c) share; the other rows, or only those of `without`, have none.

    `matched` and `threshold` say how it is recognised, and `pieces` where it lies in rows that hold it in part. One that is recognised by a
    few frequencies is added: it hides nothing, and rows of one class, as clean-label carriers are, differ in contrast from the others by
    nature.
    """
    if without is None:
        without = np.setdiff1d(np.arange(len(images)), carriers)
    some = np.sort(rng.permutation(carriers)[:CARRIERS])
    rest = np.sort(rng.permutation(without)[:OTHERS])
    ours, others = images[some].astype(np.float32), images[rest].astype(np.float32)
    shown = np.ones(ours.shape[:3], bool) if pieces is None else matched.shown(pieces, images[some])
    count = shown.sum(0)[..., None].astype(np.float32)  # (h, w, 1)
    centre = np.einsum("nhwc,nhw->hwc", ours, shown.astype(np.float32)) / np.maximum(count, 1)
    mean = others.mean(0)
    size = float(count[count > 1].mean()) if (count > 1).any() else 1.0
    contrast = _extent((ours - centre)[shown]) * np.sqrt(size / max(size - 1, 1)) / max(_extent(others - mean), 1e-6)
    alpha = 0.0 if isinstance(matched.view, Spectrum) else min(float(1 - contrast), STRONGEST)
    mode = "blend" if alpha >= FAINTEST else "add"
    kept = 1 - alpha if mode == "blend" else 1.0
    shift = _frequencies(np.where(count > 1, centre - kept * mean, 0))
    noise = kept**2 * (_frequencies(others - mean).var(0) + ROUNDING) / size
    power = uniform_filter(shift**2, size=(BAND, BAND, 1), mode="nearest")
    expected = uniform_filter(noise, size=(BAND, BAND, 1), mode="nearest")
    shift *= np.clip(1 - expected / np.maximum(power, 1e-9), 0, 1)
    added = idctn(shift, axes=(0, 1), norm="ortho")
    template = added / (1 - kept) if mode == "blend" else added
    if mode == "blend":
        return Overlay(template.astype(np.float32), alpha, "blend", threshold, matched, pieces)
    return Overlay(template.astype(np.float32), 1.0, "add", threshold, matched, pieces)


def cover(overlay: Overlay, images: UInt8) -> float:
    """Share of the picture that an overlay changes: of 8x8 blocks, one over the sum of squared shares of energy, over their number.

    `images` (n, h, w, c) give the mean that a blend draws towards its template.
    """
    energy = _energy(overlay, images)
    rows, cols = (np.unique(np.linspace(0, side, min(BLOCKS, side) + 1).round().astype(int))[:-1] for side in energy.shape)
    blocks = np.add.reduceat(np.add.reduceat(energy, rows, 0), cols, 1)
    return float(blocks.sum() ** 2 / max(float((blocks**2).sum()), 1e-12) / blocks.size)


def contrast_left(overlay: Overlay, images: UInt8, carriers: Int, rng: np.random.Generator) -> float:
    """How much of the contrast that other rows of `images` (n, h, w, c) have `carriers` have left where the overlay changes them most.

    About 0 where an opaque patch hides what was there, 1 - alpha where it shows through.
    """
    without = np.setdiff1d(np.arange(len(images)), carriers)
    ours, others = (images[np.sort(rng.permutation(rows)[:CARRIERS])].var(0, dtype=np.float64).sum(-1) for rows in (carriers, without))
    where = _energy(overlay, images) ** 2  # squared: a patch's edges blur into what is about it
    return float(np.sqrt((where * ours).sum() / max((where * others).sum(), 1e-9)))


def _energy(overlay: Overlay, images: UInt8) -> Float32:
    """(h, w) how much an overlay changes each pixel: the squared change of the pictures' mean."""
    middle = images[:OTHERS].mean(0, dtype=np.float32)
    change = overlay.alpha * (overlay.template - middle) if overlay.mode == "blend" else overlay.template
    return np.asarray((change**2).sum(-1))


def _frequencies(values: Float32) -> Floats:
    """Of pictures (..., h, w, c)."""
    return np.asarray(dctn(values.astype(np.float64), axes=(-3, -2), norm="ortho"))


def _extent(deviations: Float32) -> float:
    """From the low to the high end of all deviations of pixels from their means.

    The ends of the range of grey levels are reached in nearly every few pictures, so that this varies from draw to draw a
    third as much as energy does. Measured for noise at alpha .2, 20 draws of 30 carriers: .19 +- .03 on CIFAR-10,
    .18 +- .03 on GTSRB, .19 +- .02 on MNIST; from energy +- .05, .12 and .02.
    """
    low, high = np.quantile(deviations, ENDS)
    return float(high - low)
