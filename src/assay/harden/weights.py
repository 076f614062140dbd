"""What a scan says of rows, as weights for any training that takes `sample_weight`.

Quarantined rows weigh nothing; rows to review weigh less the more suspicious they are; the rest weigh 1. Backdoors have small loss, so
weights that are made from loss alone would favour them: these come from the scan.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FLOOR = 0.1  # what the most suspicious row under review still weighs: review is a question, not a verdict


def weights_of(action: NDArray[np.str_], score: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) weights from the actions ("quarantine", "review", "keep") and scores (n,) in 0 .. 1 of `rows.parquet`, in its order.

    >>> weights_of(np.array(["keep", "review", "quarantine"]), np.array([0.2, 0.9, 1.0])).round(2).tolist()
    [1.0, 0.19, 0.0]
    """
    if len(action) != len(score):
        raise ValueError(f"one action and one score a row; got {len(action)} and {len(score)}")
    unknown = set(np.unique(action).tolist()) - {"quarantine", "review", "keep"}
    if unknown:
        raise ValueError(f"no action {sorted(unknown)[0]!r}")
    doubt = np.clip(np.nan_to_num(score, nan=1.0), 0.0, 1.0)
    return np.where(action == "quarantine", 0.0, np.where(action == "review", 1 - (1 - FLOOR) * doubt, 1.0))
