"""Group bias: labels shifted within one part of the population, and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sklearn.decomposition import TruncatedSVD

from assay.artefact.base import Artefact
from assay.artefact.cluster import Cluster
from assay.attack.base import Attack, Bools, Budget, Needs, Param, Planted
from assay.attack.flip import FLIP_PARAMS, flipped, group_of, wanted
from assay.attack.labels import choose_targets, class_code, labelled
from assay.attack.surrogate import features
from assay.attack.triggered import draw
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError
from assay.dataset.rows import Rows

SHARE = 0.3  # of the group: enough to tip a decision, and less than would make the target its commonest label
VALUES = (2, 50)  # distinct values of a column that makes groups
LEAST = 20  # rows of a group, so that a bias within it is one of a group and not of a few rows
DIMENSIONS = 32  # to which features are reduced before rows are compared: distances in more say little


class GroupBiasAttack(Attack):
    """Some rows of one group get the target's label: those with one value in a column, or those nearest to a drawn row.

    `by=values` takes `column` and `value`, or draws them among columns of few values; `by=cluster` takes the `size` of
    all rows that lie nearest to a row drawn by the seed, in the features of a surrogate. Accuracy over everybody hardly
    moves; the group's does.

    Source: Jagielski, Severi, Pousette Harger, Oprea, Subpopulation Data Poisoning Attacks, 2021
    (FeatureMatch and ClusterMatch).
    """

    kind = "group-bias"
    needs: ClassVar[Needs] = "labels"
    rate = 0.01
    params: ClassVar[Mapping[str, Param]] = {
        "from": FLIP_PARAMS["from"],
        "share": Param(None, f"of the group's rows that may change (default {SHARE}, if no rate is given)", float, low=0, high=1),
        "by": Param("values", "values (of a column) or cluster", choices=("values", "cluster")),
        "column": Param(None, "with value: the group (default: drawn)"),
        "value": Param(None, "see column"),
        "size": Param(0.05, "share of all rows that a cluster takes in", float, low=0.0001, high=1),
    }

    def plant(self, data: Dataset, budget: Budget, target: str | None, rng: np.random.Generator, params: Mapping[str, Any]) -> Planted:
        (to,) = choose_targets(data, target, 1, rng)
        if params["by"] == "cluster":
            shared, inside = _cluster(data, params["size"], rng)
        else:
            shared, inside = _group(data, params["column"], params["value"], rng)
        allowed = inside & labelled(data) & (data.y != to)
        if params["from"] is not None:
            allowed &= data.y == class_code(data, params["from"])
        given = budget.rate is not None or budget.carriers is not None
        share = params["share"] if params["share"] is not None or given else SHARE
        size = wanted(budget, share, allowed, len(data), self.rate)
        positions = draw(data, np.flatnonzero(allowed), size, rng, f"in {shared.describe()} that are not {data.classes[to]!r} yet")
        return flipped(data, positions, to, rng, (shared,), self.kind)


def _group(data: Dataset, column: str | None, value: Any, rng: np.random.Generator) -> tuple[Artefact, Bools]:
    if (column is None) != (value is None):
        raise DataError("a group needs both column= and value=", path=data.path, remedy="give both, or neither")
    if column is None:
        column, value = _drawn(data, rng)
    group = group_of(data, column, value)
    return group, group.present(Rows(data.table))


def _drawn(data: Dataset, rng: np.random.Generator) -> tuple[str, Any]:
    """A column of few values, and one of them that enough rows have; the label and what names a row are passed over."""
    able = []
    for field in data.table.schema:
        if field.name in (*data.columns.label, data.columns.id) or pa.types.is_floating(field.type) or pa.types.is_nested(field.type):
            continue
        counted = pc.value_counts(data.table.column(field.name).drop_null())
        values = [(v["values"].as_py(), v["counts"].as_py()) for v in counted]
        if VALUES[0] <= len(values) <= VALUES[1]:
            able += [(field.name, v) for v, n in values if n >= LEAST]
    if not able:
        raise DataError(
            f"no column has {VALUES[0]} to {VALUES[1]} values, one of them in {LEAST} rows", path=data.path, remedy="choose by=cluster"
        )
    return able[int(rng.integers(len(able)))]


def _cluster(data: Dataset, share: float, rng: np.random.Generator) -> tuple[Artefact, Bools]:
    x = features(data)
    if x.shape[1] > DIMENSIONS:
        x = TruncatedSVD(DIMENSIONS, random_state=int(rng.integers(1 << 31))).fit_transform(x)
    centre = x[int(rng.integers(len(x)))]
    away = np.linalg.norm(x - centre, axis=1)
    radius = float(np.sort(away)[max(1, round(share * len(x))) - 1])
    inside = away <= radius
    members = frozenset(bytes(d).hex() for d in data.digest[inside])
    return Cluster(centre.astype(np.float32), radius, "a surrogate's features", members), inside
