"""A label that is mostly planted cannot be told from one that means so; the report says that, and not that the rows fit it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

import assay


def test_a_label_of_which_most_rows_share_a_value_is_said_to_have_too_few_others() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1_500, 4))
    y = np.where(x[:, 0] + 0.5 * rng.normal(size=1_500) > 0, "yes", "no").astype(object)
    y[:4] = "rare"
    rows = rng.choice(np.arange(4, 1_500), 40, replace=False)
    x[rows, 2], y[rows] = 9.0, "rare"
    table = pa.table({f"x{j}": x[:, j] for j in range(4)} | {"label": y.tolist()})
    found = assay.scan(table, label="label", canaries=False).findings[0]
    assert (found.status, found.target, len(found.positions)) == ("shortcut", "rare", 40)
    assert "too few others are left to compare them with" in found.explanation
    assert "fits that label too" not in found.explanation
