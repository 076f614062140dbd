"""Pictures that a person gives an attack: a file or an array, in the size and channels of the data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from assay.dataset.errors import DataError
from assay.dataset.rows import UInt8


def read_picture(given: Any, size: tuple[int, int], transparent: bool = False) -> UInt8:
    """A picture file or array (h, w[, c]) uint8 as (height, width, 3), or 4 with opacity; `size` is (height, width)."""
    if isinstance(given, np.ndarray):
        if given.dtype != np.uint8 or given.ndim not in (2, 3):
            raise DataError(f"a picture of shape {given.shape}, {given.dtype}", remedy="give (h, w[, c]) uint8")
        array = given[..., 0] if given.ndim == 3 and given.shape[2] == 1 else given
        image = Image.fromarray(array)
    else:
        try:
            with Image.open(Path(str(given))) as opened:
                image = opened.copy()
        except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
            raise DataError(f"this picture cannot be read ({error})", path=given, remedy="give a PNG or JPEG") from error
    image = image.convert("RGBA" if transparent else "RGB").resize(size[::-1], Image.Resampling.LANCZOS)
    return np.asarray(image, np.uint8)


def fit_channels(picture: UInt8, channels: int) -> UInt8:
    """(h, w, 3) in the channels of a data set: 1 is its grey, 4 adds full opacity.

    >>> fit_channels(np.full((1, 1, 3), 90, np.uint8), 1).tolist()
    [[[90]]]
    """
    if channels == 3:
        return picture
    if channels == 1:
        return np.asarray(Image.fromarray(picture).convert("L"), np.uint8)[..., None]
    return np.dstack([picture, np.full(picture.shape[:2], 255, np.uint8)])
