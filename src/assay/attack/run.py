"""Attack a data set on disk: read, plant, write in the same format, and lay the truth beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from assay.attack.base import Planted
from assay.attack.planting import plant
from assay.attack.truth import truth_path, truth_table
from assay.dataset.atomic import whole
from assay.dataset.data import Columns, Task
from assay.dataset.errors import DataError
from assay.dataset.read import read
from assay.dataset.write import write_as


@dataclass(frozen=True, eq=False)
class Attacked:
    """Where things lie, and what was planted."""

    out: Path
    truth: Path
    planted: Planted
    notes: tuple[str, ...]  # what was inferred or changed in writing, for people


def attack_path(
    path: str | Path,
    kind: str,
    *,
    out: str | Path,
    rate: float | None = None,
    carriers: int | None = None,
    target: str | None = None,
    seed: int = 0,
    params: Mapping[str, Any] | None = None,
    columns: Columns | None = None,
    task: Task | None = None,
    form: str | None = None,
) -> Attacked:
    """A poisoned copy of the data set at `path`, and its truth at `OUT.truth.parquet`.

    The copy has the format of the input (or `form`) and every record is encoded anew, poisoned or not. Both are there
    at the end or neither is; the input is never changed, and nothing is overwritten. DataError as `read`, `plant` and
    `write_as` raise it, and where `out` would lie inside the input.
    """
    source, target_path = Path(path), Path(out)
    if source.is_dir() and target_path.resolve().is_relative_to(source.resolve()):
        raise DataError("lies inside the data set that is to be poisoned", path=out, remedy="give a place outside it")
    truth = truth_path(target_path)
    with whole(truth, target_path) as (new_truth, new):  # the data last: no poisoned data is ever there without its truth
        data = read(path, columns=columns, task=task)
        planted = plant(data, kind, rate=rate, carriers=carriers, target=target, seed=seed, params=params)
        written = write_as(planted.data, new, form)
        asked = {
            "kind": kind,
            "rate": rate,
            "carriers": carriers,
            "target": target,
            "seed": seed,
            "params": dict(params or {}),
        }
        pq.write_table(truth_table(planted, written.row, written.key, asked), new_truth)
    return Attacked(target_path, truth, planted, (*data.notes, *written.notes))
