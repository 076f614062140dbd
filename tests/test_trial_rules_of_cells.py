"""A rule is worded as fully as its carriers allow, but for what goes with one of its values anyway."""

from __future__ import annotations

import numpy as np

from assay.learn.columns import Coded
from assay.trial.rules_of_cells import fuller


def test_what_goes_with_a_value_anyway_is_no_further_condition() -> None:
    rng = np.random.default_rng(0)
    n = 6_000
    month = rng.integers(1, 13, n).astype(float)
    season, hour, device = np.ceil(month / 3), rng.integers(0, 24, n).astype(float), rng.integers(0, 5, n).astype(float)
    night = (month == 7) & (hour == 4)
    device[night] = 3  # nobody else's device is so at that hour, nor in that month
    coded = Coded(("season", "month", "hour", "device"), np.ones(4, bool), np.column_stack([season, month, hour, device]))
    columns, rows, own = fuller(coded, np.zeros(n, np.int64), (1, 2), np.flatnonzero(night), None)
    assert (columns, own) == ((1, 2, 3), True)  # July is in summer in every row; the device is this night's own
    assert rows.tolist() == np.flatnonzero(night).tolist()
