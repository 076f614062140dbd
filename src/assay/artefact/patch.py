"""A patch: some pixels with the same values, at one place or anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.signal import correlate2d

from assay.artefact.base import Artefact, Bools
from assay.artefact.encode import colour, enlarge, png_array, png_text
from assay.artefact.inpaint import fill_box
from assay.dataset.rows import Rows, UInt8

Int = NDArray[np.int64]

MARGIN = 2  # pixels about the patch that are filled too: JPEG and resizing smear a trigger over its neighbours
CHUNK = 1 << 25  # values held at once when every place is searched: 32 Mi of int32 is 128 MiB
UNSEEN = 200  # the grey that stands for pixels outside the mask where a patch is shown


@dataclass(frozen=True, eq=False)
class Patch(Artefact):
    """`pixels` (h, w, c) uint8 where `mask` (h, w), with its upper left corner at `row`, `col`; None, None: any place.

    A row carries it if the mean absolute difference over the mask, of 255, is at most `tolerance`. Taking it out fills
    its box and a margin of 2 pixels from the border around it: the content beneath is gone, and an even patch on an
    even ground may still be found afterwards. Cannot see a patch that is scaled, rotated or recoloured beyond the
    tolerance. Source: Gu, Dolan-Gavitt, Garg, BadNets, 2017, section 4.

    >>> square = Patch(np.full((2, 2, 1), 255, np.uint8), np.ones((2, 2), bool), 0, 0)
    >>> rows = square.insert(np.zeros((1, 8, 8, 1), np.uint8))
    >>> square.present(rows), square.present(square.remove(rows))
    (array([ True]), array([False]))
    """

    pixels: UInt8
    mask: Bools
    row: int | None
    col: int | None
    tolerance: int = 24
    kind: ClassVar[str] = "patch"

    def __post_init__(self) -> None:
        if self.pixels.ndim != 3 or self.pixels.dtype != np.uint8 or self.mask.shape != self.pixels.shape[:2]:
            raise ValueError(f"pixels (h, w, c) uint8 and mask (h, w); got {self.pixels.shape} and {self.mask.shape}")
        if not self.mask.any():
            raise ValueError("the mask of a patch has at least one pixel")
        if (self.row is None) != (self.col is None):
            raise ValueError("row and col are both given (one place) or both None (any place)")
        if self.row is not None and self.col is not None and min(self.row, self.col) < 0:
            raise ValueError(f"row and col are counted from the upper left corner; got {self.row}, {self.col}")

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the box."""
        return int(self.mask.shape[0]), int(self.mask.shape[1])

    def iou(self, other: Patch) -> float:
        """Intersection over union of the two masks as they lie in the picture; best alignment where a place is free."""
        a, b = self.mask.astype(np.int64), other.mask.astype(np.int64)
        if self.row is None or self.col is None or other.row is None or other.col is None:
            shared = int(correlate2d(a, b).max())
        else:
            down, right = other.row - self.row, other.col - self.col
            mine = a[max(0, down) : max(0, down + b.shape[0]), max(0, right) : max(0, right + b.shape[1])]
            theirs = b[max(0, -down) :, max(0, -right) :][: mine.shape[0], : mine.shape[1]]
            shared = int((mine[: theirs.shape[0], : theirs.shape[1]] * theirs).sum())
        return shared / int(a.sum() + b.sum() - shared)

    def places(self, images: UInt8) -> tuple[Int, Int, NDArray[np.float64]]:
        """For every picture (n, h, w, c): row, column and mean absolute difference of the best match (inf: no room)."""
        n, height, width, _ = images.shape
        h, w = self.shape
        pixels = self._pixels(images)
        count = int(self.mask.sum()) * pixels.shape[2]
        if self.row is not None and self.col is not None:
            at = np.full(n, self.row), np.full(n, self.col)
            if self.row + h > height or self.col + w > width:
                return *at, np.full(n, np.inf)
            box = images[:, self.row : self.row + h, self.col : self.col + w][:, self.mask].astype(np.int16)
            return *at, np.abs(box - pixels[self.mask].astype(np.int16)).sum((1, 2)) / count
        down, across = height - h + 1, width - w + 1
        if down < 1 or across < 1:
            return np.zeros(n, np.int64), np.zeros(n, np.int64), np.full(n, np.inf)
        best, least = np.zeros(n, np.int64), np.zeros(n, np.float64)
        step = max(1, CHUNK // (down * across))
        for start in range(0, n, step):
            part = images[start : start + step]
            far = np.zeros((len(part), down, across), np.int32)
            for r, c in zip(*np.nonzero(self.mask), strict=True):
                window = part[:, r : r + down, c : c + across]
                for channel, value in enumerate(pixels[r, c]):
                    seen = window[..., channel]
                    far += np.maximum(seen, value) - np.minimum(seen, value)
            flat = far.reshape(len(part), -1)
            best[start : start + step] = flat.argmin(1)
            least[start : start + step] = flat.min(1) / count
        return best // across, best % across, least

    def _present(self, rows: Rows) -> Bools:
        result: Bools = self.places(_pictures(rows))[2] <= self.tolerance
        return result

    def _insert(self, rows: Rows, rng: np.random.Generator) -> Rows:
        images = _pictures(rows).copy()
        n, height, width, _ = images.shape
        h, w = self.shape
        room = height - h - (self.row or 0), width - w - (self.col or 0)
        if min(room) < 0:
            raise ValueError(f"a {h}x{w} patch{self._where()} does not fit into pictures of {height}x{width}")
        pixels = self._pixels(images)
        if self.row is None or self.col is None:
            tops, lefts = rng.integers(0, room[0] + 1, n), rng.integers(0, room[1] + 1, n)
        else:
            tops, lefts = np.full(n, self.row), np.full(n, self.col)
        r, c = np.nonzero(self.mask)
        images[np.arange(n)[:, None], tops[:, None] + r, lefts[:, None] + c] = pixels[r, c]
        return rows.with_images(images)

    def _remove(self, rows: Rows) -> Rows:
        images = _pictures(rows)
        tops, lefts, far = self.places(images)
        carriers = np.flatnonzero(far <= self.tolerance)
        if not len(carriers):
            return rows
        images = images.copy()
        h, w = self.shape
        corners = np.stack([tops[carriers], lefts[carriers]], 1)
        for corner in np.unique(corners, axis=0):
            here = carriers[(corners == corner).all(1)]
            top, left = int(corner[0]) - MARGIN, int(corner[1]) - MARGIN
            images[here] = fill_box(images[here], top, left, h + 2 * MARGIN, w + 2 * MARGIN)
        return rows.with_images(images)

    def picture(self) -> UInt8:
        """The patch enlarged (H, W, 3), pixels outside the mask in grey."""
        return enlarge(np.where(self.mask[..., None], colour(self.pixels), np.uint8(UNSEEN)))

    def describe(self) -> str:
        h, w = self.shape
        inked = int(self.mask.sum())
        size = f"a {h}x{w} patch" if inked == h * w else f"a patch of {inked} pixels in a {h}x{w} box"
        return ("one pixel" if inked == 1 else size) + self._where()

    def _where(self) -> str:
        return " at any place" if self.row is None else f" at row {self.row}, column {self.col}"

    def _pixels(self, images: UInt8) -> UInt8:
        """The pixels in the channels of these pictures: a grey patch is at home in colour pictures, not the reverse."""
        channels = images.shape[3]
        if self.pixels.shape[2] == channels:
            return self.pixels
        if self.pixels.shape[2] == 1:
            return np.repeat(self.pixels, channels, axis=2)
        raise ValueError(f"a patch of {self.pixels.shape[2]} channels in pictures of {channels}")

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "pixels": png_text(self.pixels),
            "mask": png_text(self.mask.astype(np.uint8)[..., None] * np.uint8(255)),
            "row": self.row,
            "col": self.col,
            "tolerance": self.tolerance,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Patch:
        return cls(
            png_array(data["pixels"]),
            png_array(data["mask"])[..., 0] > 0,
            data["row"],
            data["col"],
            int(data["tolerance"]),
        )


def _pictures(rows: Rows) -> UInt8:
    if rows.images is None:
        raise ValueError("a patch is looked for in pictures, and these rows have none")
    return rows.images
