"""A patch: some pixels with the same values, at one place or anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, find_objects, label
from scipy.signal import correlate2d

from assay.artefact.base import Artefact, Bools
from assay.artefact.encode import colour, enlarge, png_array, png_text
from assay.artefact.inpaint import fill_boxes
from assay.dataset.rows import Rows, UInt8

Int = NDArray[np.int64]

MARGIN = 2  # pixels about the patch that are filled too: JPEG and resizing smear a trigger over its neighbours
CHUNK = 1 << 19  # sums held at once when every place is searched: 512 Ki of int32 is 2 MiB and stays in the cache
EARLY = 4  # pixels of a patch of any place that are compared first: they rule most pictures out
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
        if height < h or width < w:
            return np.zeros(n, np.int64), np.zeros(n, np.int64), np.full(n, np.inf)
        best, least = np.zeros(n, np.int64), np.zeros(n, np.float64)
        across = width - w + 1
        for start, part in self._chunks(images):
            flat = self._far(part, pixels, self._inked()).reshape(len(part), -1)
            best[start : start + len(part)] = flat.argmin(1)
            least[start : start + len(part)] = flat.min(1) / count
        return best // across, best % across, least

    def boxes(self, images: UInt8) -> Int:
        """(n, 4) top, left, height and width of the best match in each picture (n, h, w, c).

        Where the place is free, matches that overlap it are taken in: an even square found in a larger spot of its colour.
        """
        h, w = self.shape
        if self.row is not None or images.shape[1] < h or images.shape[2] < w:
            tops, lefts, _ = self.places(images)
            return np.stack([tops, lefts, np.full(len(tops), h), np.full(len(tops), w)], 1)
        pixels = self._pixels(images)
        boxes = np.empty((len(images), 4), np.int64)
        most = self.tolerance * int(self.mask.sum()) * pixels.shape[2]
        for start, part in self._chunks(images):
            far = self._far(part, pixels, self._inked())
            best, matches = far.reshape(len(part), -1).argmin(1), far <= most
            top, left = np.divmod(best, far.shape[2])
            boxes[start : start + len(part)] = np.stack([top, left, np.full_like(top, h), np.full_like(top, w)], 1)
            for i in np.flatnonzero(matches.sum((1, 2)) > 1).tolist():
                parts, _ = label(matches[i], structure=np.ones((3, 3)))
                (down, across) = find_objects(parts)[parts[top[i], left[i]] - 1]
                boxes[start + i] = down.start, across.start, down.stop - down.start + h - 1, across.stop - across.start + w - 1
        return boxes

    def _inked(self) -> Int:
        return np.argwhere(self.mask)

    def _chunks(self, images: UInt8) -> Iterator[tuple[int, UInt8]]:
        step = max(1, CHUNK // (images.shape[1] * images.shape[2]))
        for start in range(0, len(images), step):
            yield start, images[start : start + step]

    def _far(self, images: UInt8, pixels: UInt8, inked: Int) -> NDArray[Any]:
        """(n, down, across) sums of absolute differences over the pixels `inked` (m, 2) at every place."""
        h, w = self.shape
        down, across = images.shape[1] - h + 1, images.shape[2] - w + 1
        narrow = 255 * len(inked) * images.shape[3] < 1 << 16  # twice as many fit into a register
        planes = np.ascontiguousarray(np.moveaxis(images, 3, 0)).reshape(images.shape[3], -1)
        width, size = images.shape[2], planes.shape[1]
        # a place is the number of its first pixel, so that one run of memory holds all places; those that would wrap are cut off
        far: NDArray[Any] = np.zeros(size, np.uint16 if narrow else np.int32)
        high, low, wanted = np.empty((3, size), np.uint8)
        apart = np.empty_like(far)
        begins = inked[:, 0] * width + inked[:, 1]
        for channel, plane in enumerate(planes):
            values = pixels[inked[:, 0], inked[:, 1], channel]
            for value in np.unique(values):  # an even patch has one, a checker two
                wanted.fill(value)  # NumPy compares with an array ten times as fast as with a number
                np.maximum(plane, wanted, out=high)
                np.minimum(plane, wanted, out=low)
                np.copyto(apart, np.subtract(high, low, out=high))
                for past in begins[values == value].tolist():
                    far[: size - past] += apart[past:]
        return far.reshape(images.shape[:3])[:, :down, :across]

    def _present(self, rows: Rows) -> Bools:
        images = _pictures(rows)
        h, w = self.shape
        inked = self._inked()
        if self.row is not None or images.shape[1] < h or images.shape[2] < w or len(inked) <= EARLY:
            result: Bools = self.places(images)[2] <= self.tolerance
            return result
        pixels = self._pixels(images)
        most = self.tolerance * len(inked) * pixels.shape[2]
        spread = inked[np.linspace(0, len(inked) - 1, EARLY).astype(np.int64)]
        present = np.zeros(len(images), bool)
        for start, part in self._chunks(images):
            near = np.flatnonzero(self._far(part, pixels, spread).min((1, 2)) <= most)
            if len(near):
                present[start + near] = self._far(part[near], pixels, inked).min((1, 2)) <= most
        return present

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
        carriers = np.flatnonzero(self._present(rows))
        if not len(carriers):
            return rows
        images = images.copy()
        filled, boxes, parts = images[carriers], self.boxes(images[carriers]), self._parts()
        for part in parts:
            sizes = np.broadcast_to(part[2:], (len(boxes), 2))
            filled = fill_boxes(filled, np.column_stack([boxes[:, :2] + part[:2], sizes]), MARGIN)
        images[carriers] = filled if len(parts) else fill_boxes(filled, boxes, MARGIN)
        return rows.with_images(images)

    def _parts(self) -> NDArray[np.int64]:
        """(p, 4) boxes about parts that lie so far apart (in the corners of a picture) that they hold less than half of the patch's.

        Top and left from its own corner, height, width. None of a patch that is one thing.
        """
        found = find_objects(label(binary_dilation(self.mask, iterations=MARGIN))[0])
        inked = [(down.start, across.start, self.mask[down, across]) for down, across in found]
        apart = []
        for top, left, part in inked:
            r, c = np.flatnonzero(part.any(1)), np.flatnonzero(part.any(0))
            apart.append((top + r[0], left + c[0], r[-1] - r[0] + 1, c[-1] - c[0] + 1))
        boxes = np.array(apart, np.int64).reshape(-1, 4)
        return boxes if len(boxes) > 1 and 2 * int(boxes[:, 2:].prod(1).sum()) < self.mask.size else boxes[:0]

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
