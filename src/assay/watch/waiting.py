"""What is kept of a prediction while its label is waited for, small: there may be a hundred thousand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def packed(sure: float, codes: NDArray[np.int64]) -> bytes:
    """A confidence and the codes of an event's slices.

    >>> unpacked(packed(0.9, np.array([3, -1])))
    (0.9, array([ 3, -1]))
    """
    return np.float64(sure).tobytes() + codes.astype(np.int16).tobytes()


def unpacked(held: bytes) -> tuple[float, NDArray[np.int64]]:
    """The inverse of `packed`."""
    return float(np.frombuffer(held[:8], np.float64)[0]), np.frombuffer(held[8:], np.int16).astype(np.int64)
