"""Attacks on whole pictures: what they have in common, and what happens to a picture after the trigger is in."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from assay.attack.base import Needs, Param, Stamp
from assay.attack.triggered import COMMON, TriggerAttack
from assay.dataset.rows import Rows, UInt8

PICTURED = {
    **COMMON,
    "jpeg": Param(None, "carriers are stored as JPEG of this quality once the trigger is in", int, low=1, high=100),
    "noise": Param(0, "and each of their pixels moves by up to this many levels of 255", int, low=0, high=128),
}


class PictureAttack(TriggerAttack):
    """A trigger in pictures, which may then be compressed and made noisy: so no two carriers hold the same bytes.

    That defeats a search for repeated pixels, and costs the attacker little: the trigger is made to survive it.
    """

    needs: ClassVar[Needs] = "pictures"
    params: ClassVar[Mapping[str, Param]] = PICTURED

    def finish(self, stamp: Stamp, params: Mapping[str, Any]) -> Stamp:
        quality, noise = params["jpeg"], params["noise"]
        if quality is None and not noise:
            return stamp

        def stamp_and_wear(rows: Rows, rng: np.random.Generator) -> Rows:
            worn = pictures(stamp(rows, rng))
            if quality is not None:
                worn = jpeg(worn, quality)
            if noise:
                worn = cut(worn.astype(np.int16) + rng.integers(-noise, noise + 1, worn.shape))
            return rows.with_images(worn)

        return stamp_and_wear


def pictures(rows: Rows) -> UInt8:
    """(n, h, w, c) of rows that have them: `assay.attack.plant` saw to it."""
    assert rows.images is not None
    return rows.images


def cut(values: NDArray[Any]) -> UInt8:
    """Rounded and cut to 0 .. 255.

    >>> cut(np.array([-3.0, 7.6, 300.0])).tolist()
    [0, 8, 255]
    """
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def jpeg(images: UInt8, quality: int) -> UInt8:
    """Pictures (n, h, w, c) as they come out of a JPEG of this quality; a fourth channel (opacity) is left alone."""
    result = images.copy()
    colours = 1 if images.shape[3] == 1 else 3
    for i, image in enumerate(images):
        stream = io.BytesIO()
        Image.fromarray(image[..., 0] if colours == 1 else image[..., :3]).save(stream, "JPEG", quality=quality)
        with Image.open(stream) as opened:
            result[i, ..., :colours] = np.asarray(opened, np.uint8).reshape(*image.shape[:2], colours)
    return result


def add(template: NDArray[np.float32]) -> Stamp:
    """A stamp that adds a signed template (h, w, c) to whole pictures."""

    def stamp(rows: Rows, rng: np.random.Generator) -> Rows:
        return rows.with_images(cut(pictures(rows).astype(np.float32) + template))

    return stamp
