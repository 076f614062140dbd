"""A picture in a terminal: two pixels a character."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.text import Text


def half_blocks(pixels: NDArray[Any]) -> Text:
    """Pixels (h, w, 3) uint8 as rows of upper half blocks, the lower pixel as their ground; the last row of an odd number is repeated.

    >>> half_blocks(np.zeros((3, 2, 3), np.uint8)).plain
    '▀▀\\n▀▀'
    """
    if len(pixels) % 2:
        pixels = np.concatenate([pixels, pixels[-1:]])
    text = Text()
    for upper, lower in zip(pixels[::2].tolist(), pixels[1::2].tolist(), strict=True):
        for (r, g, b), (x, y, z) in zip(upper, lower, strict=True):
            text.append("▀", f"rgb({r},{g},{b}) on rgb({x},{y},{z})")
        text.append("\n")
    text.rstrip()
    return text
