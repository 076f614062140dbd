"""Traffic of a model, made small: what it was asked, what it said, what was right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from assay.watch.fields import Fields

FIELDS = Fields(features=("age", "kind"), slices=("country", "device"))
COUNTRIES, DEVICES = ["de", "fr", "it", "pl"], ["phone", "desk"]


def traffic(rng: np.random.Generator, n: int, *, wrong: Any = 0.05, age: float = 40.0, **more: Any) -> dict[str, Any]:
    """n predictions with labels; `wrong` (n,) or one number; `more` replaces columns."""
    label = rng.integers(0, 2, n)
    said = np.where(rng.random(n) < wrong, 1 - label, label)
    columns = {
        "prediction": said,
        "label": label,
        "confidence": np.round(rng.beta(9, 1, n), 4),
        "age": np.round(rng.normal(age, 10, n), 1),
        "kind": rng.choice(["a", "b", "c"], n, p=[0.5, 0.3, 0.2]),
        "country": rng.choice(COUNTRIES, n),
        "device": rng.choice(DEVICES, n),
    }
    return {**columns, **more}


def table(rng: np.random.Generator, n: int, **more: Any) -> pa.Table:
    return pa.table(traffic(rng, n, **more))
