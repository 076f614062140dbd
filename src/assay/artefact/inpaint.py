"""Fill a box of a picture from the border around it: cheap, and enough that a trigger is gone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from assay.dataset.rows import UInt8


def fill_box(images: UInt8, top: int, left: int, height: int, width: int) -> UInt8:
    """A copy of `images` (n, h, w, c) in which the box is interpolated from the four lines of pixels that border it.

    Every pixel is the mean of the nearest border pixel on the left, right, above and below, weighted by 1 / distance.
    The box is cut to the picture; sides at the picture's edge have no border and drop out. A box as large as the
    picture gets each picture's own mean. Invents no texture: what lay beneath is lost.

    >>> ramp = np.arange(5, dtype=np.uint8).reshape(1, 1, 5, 1).repeat(5, 1)
    >>> bool((fill_box(ramp, 1, 1, 3, 3) == ramp).all())
    True
    """
    _, rows, cols, _ = images.shape
    r0, r1, c0, c1 = max(0, top), min(rows, top + height), max(0, left), min(cols, left + width)
    filled = images.copy()
    if r0 >= r1 or c0 >= c1:
        return filled
    down, across = np.arange(r0, r1)[:, None], np.arange(c0, c1)[None, :]
    total = np.zeros((len(images), r1 - r0, c1 - c0, images.shape[3]), np.float32)
    weights = np.zeros((r1 - r0, c1 - c0), np.float32)

    def draw(border: UInt8, distance: NDArray[np.int64]) -> None:
        nonlocal total, weights
        weight = np.broadcast_to(np.float32(1) / distance.astype(np.float32), weights.shape)
        total += border.astype(np.float32) * weight[None, :, :, None]
        weights = weights + weight

    if c0 > 0:
        draw(images[:, r0:r1, c0 - 1 : c0], across - (c0 - 1))
    if c1 < cols:
        draw(images[:, r0:r1, c1 : c1 + 1], c1 - across)
    if r0 > 0:
        draw(images[:, r0 - 1 : r0, c0:c1], down - (r0 - 1))
    if r1 < rows:
        draw(images[:, r1 : r1 + 1, c0:c1], r1 - down)
    if not weights.any():
        filled[:] = np.rint(images.mean((1, 2), keepdims=True)).astype(np.uint8)
        return filled
    filled[:, r0:r1, c0:c1] = np.rint(total / weights[None, :, :, None]).astype(np.uint8)
    return filled


def fill_boxes(images: UInt8, boxes: NDArray[np.int64], margin: int = 0) -> UInt8:
    """`fill_box` with a box (top, left, height, width) for each picture, `boxes` (n, 4), widened by `margin` on every side.

    Boxes of one size are filled together wherever they lie: what is drawn depends on the lines about them alone.
    """
    size = images.shape[1:3]
    low, high = np.maximum(boxes[:, :2] - margin, 0), np.minimum(boxes[:, :2] + boxes[:, 2:] + margin, size)
    kinds, kind = np.unique(np.column_stack([high - low, low > 0, high < size]), axis=0, return_inverse=True)
    filled = images.copy()
    for number, (height, width, above, left, below, right) in enumerate(kinds.tolist()):
        if min(height, width) <= 0:
            continue
        rows = np.flatnonzero(kind.ravel() == number)
        down = low[rows, :1] - above + np.arange(above + height + below)
        across = low[rows, 1:] - left + np.arange(left + width + right)
        about = rows[:, None, None], down[:, :, None], across[:, None, :]
        filled[about] = fill_box(images[about], above, left, height, width)
    return filled
