"""Plant: poison a copy of a data set in memory, and keep the truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from assay.attack.base import Attack, Budget, Planted
from assay.attack.registry import attack as by_kind
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError

HELD = {"image": "pictures", "text": "texts", "table": "a table"}


def plant(
    data: Dataset,
    attack: str,
    *,
    rate: float | None = None,
    carriers: int | None = None,
    target: str | None = None,
    seed: int = 0,
    params: Mapping[str, Any] | None = None,
) -> Planted:
    """A poisoned copy of `data`, which is left as it was.

    `rate` is a share of all rows, `carriers` a number of rows; with neither the attack's published rate. `target` names
    a class (several with commas, one a trigger); not named, it is drawn. The same seed gives the same poison. DataError
    where the attack does not fit the data, too few rows may carry it, or a parameter is unknown.
    """
    chosen = by_kind(attack)
    settled = chosen.settle(params or {})
    _fits(chosen, data, settled.get("column") is not None)
    return chosen.plant(data, Budget(rate, carriers), target, np.random.default_rng(seed), settled)


def _fits(attack: Attack, data: Dataset, named: bool) -> None:
    """DataError where the attack has nothing in this data set to change; `named`: the text column is named."""
    if attack.needs in ("texts", "corpus") and data.modality == "table" and not named:
        raise DataError(
            f"the attack {attack.kind!r} needs texts, and this data set is a table of values",
            path=data.path,
            remedy="choose cells (tables), flip or insider (labels), or name the column that holds texts with --content COLUMN",
        )
    if attack.needs == "corpus":
        if not data.columns.content:
            raise DataError(
                f"the attack {attack.kind!r} needs texts, and this data set holds pictures alone",
                path=data.path,
                remedy="choose an attack on pictures or labels",
            )
        return
    if data.task != "classification" or not data.labelled or not len(data.y):
        raise DataError(
            f"the attack {attack.kind!r} changes or needs class labels, and the task here is {data.task!r}"
            + ("" if data.labelled else " with fewer than two classes"),
            path=data.path,
            remedy="name the label column with --label COLUMN"
            + (", or choose vpi, constant-count, poisoned-rag, insecure-code, which need none" if data.modality == "text" else ""),
        )
    if attack.needs == "pictures" and data.images is None:
        raise DataError(
            f"the attack {attack.kind!r} needs pictures, and this data set holds {HELD[data.modality]}",
            path=data.path,
            remedy="choose phrase (texts), cells (tables), flip or insider (labels)",
        )
    if attack.needs in ("texts", "cells") and not data.columns.content:
        raise DataError(
            f"the attack {attack.kind!r} needs {attack.needs}, and this data set holds pictures alone",
            path=data.path,
            remedy="choose patch, blend, glasses or sticker (pictures), flip or insider (labels)",
        )
