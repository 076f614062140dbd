"""Pictures in a report: small PNGs inside the page, enlarged there by whole pixels, with what matters outlined."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from assay.artefact.base import Artefact, Unanswerable
from assay.artefact.encode import colour
from assay.artefact.patch import Patch
from assay.dataset.rows import UInt8, as_rows

LONGEST = 224  # pixels a side of a stored thumbnail; smaller pictures are stored as they are
CHANGED = 8  # of 255: a smaller change under removal is no part of an outline
SHARE = 0.9  # an outline around more than this share of the picture says nothing

Box = tuple[float, float, float, float]  # left, top, width, height as shares of the picture


@dataclass(frozen=True)
class Thumbnail:
    """A picture as a data URI, `sharp` where its pixels are to stay visible squares; `box` is outlined."""

    uri: str
    width: int
    height: int
    sharp: bool
    box: Box | None = None


class Budget:
    """Bytes left for pictures in one page: when they are spent, the page says so and goes on without.

    >>> budget = Budget(10)
    >>> budget.take(8), budget.take(8), budget.spent
    (True, False, True)
    """

    def __init__(self, size: int) -> None:
        self.left, self.spent = size, False

    def take(self, size: int) -> bool:
        """Whether `size` bytes were still there; they are gone then."""
        if size > self.left:
            self.spent = True
            return False
        self.left -= size
        return True


def thumbnail(picture: UInt8, box: Box | None = None) -> Thumbnail:
    """Of a picture (h, w, c): stored as it is up to LONGEST pixels a side, scaled down beyond."""
    image = Image.fromarray(colour(picture))
    sharp = max(image.size) <= LONGEST // 2
    if max(image.size) > LONGEST:
        image.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, "PNG", optimize=True)
    uri = "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
    return Thumbnail(uri, image.width, image.height, sharp, box)


def outlines(artefact: Artefact, images: UInt8, removed: UInt8 | None) -> list[Box | None]:
    """Where in each picture (n, h, w, c) the artefact is: a patch knows, for others what changes when it is taken out."""
    height, width = images.shape[1:3]
    if isinstance(artefact, Patch):
        tops, lefts, far = artefact.places(images)
        h, w = artefact.shape
        return [
            (left / width, top / height, w / width, h / height) if np.isfinite(d) else None
            for top, left, d in zip(tops.tolist(), lefts.tolist(), far.tolist(), strict=True)
        ]
    if removed is None:
        return [None] * len(images)
    changed = np.abs(images.astype(np.int16) - removed.astype(np.int16)).max(3) > CHANGED
    return [_around(c) for c in changed]


def without(artefact: Artefact, images: UInt8) -> UInt8 | None:
    """The pictures with the artefact taken out, or None where that kind cannot be."""
    try:
        removed = as_rows(artefact.remove(images)).images
    except (Unanswerable, ValueError, KeyError):
        return None
    return None if removed is None or np.array_equal(removed, images) else removed


def _around(changed: NDArray[np.bool_]) -> Box | None:
    rows, cols = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
    if not len(rows):
        return None
    height, width = changed.shape
    h, w = int(rows[-1] - rows[0] + 1), int(cols[-1] - cols[0] + 1)
    if h * w > SHARE * height * width:
        return None
    return int(cols[0]) / width, int(rows[0]) / height, w / width, h / height
