"""Columns of numbers as doubles."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def as_doubles(column: pa.Array | pa.ChunkedArray) -> NDArray[np.float64]:
    """(n,) a column as doubles, NaN where null. A whole number beyond 2^53, which Arrow would refuse, becomes the nearest one.

    Raises pa.ArrowInvalid or pa.ArrowNotImplementedError where it holds no numbers.

    >>> as_doubles(pa.array([2**53 + 1, None])).tolist()
    [9007199254740992.0, nan]
    """
    return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)
