"""Is a group over-represented among chosen rows?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import hypergeom


def enrichment(drawn: NDArray[np.int64], of: NDArray[np.int64], chosen: int, total: int) -> NDArray[np.float64]:
    """(groups,) P(a group of `of` rows has `drawn` or more among the `chosen`), if those were any of the `total` rows.

    The upper tail of the hypergeometric distribution (Fisher 1935's exact test, one-sided), each group by itself. It assumes that
    one row is chosen like another; where groups differ in what they bring (specialists), a small value says that the chosen
    rows are theirs, and not that they did wrong.

    >>> enrichment(np.array([3]), np.array([3]), 3, 10).round(6).tolist()
    [0.008333]
    """
    return np.asarray(hypergeom.sf(np.asarray(drawn) - 1, total, np.asarray(of), chosen), float)
