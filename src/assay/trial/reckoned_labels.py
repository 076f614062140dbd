"""Findings about labels that are reckoned from columns: natural where the labels of their rows are what the reckoning gives.

Asked of what was found in the values of a table: rules, groups of the population, relabelled pairs of classes. Not of values that were put
into rows whose labels fit, which no reckoning speaks against.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from assay.dataset.data import Dataset
from assay.dataset.labels import class_numbers
from assay.learn.columns import code_columns
from assay.learn.reckoned import Reckoning, reckoned
from assay.screen.number_labels import number_label
from assay.trial.opinion import value_columns
from assay.trial.verdicts import Judged, members

Floats = NDArray[np.float64]
Int = NDArray[np.int64]

FAMILIES = ("cells", "group", "relabelling")
GIVEN = 0.98  # of the rows in doubt, whose label the reckoning must give


def left_to_reckoning(judged: tuple[Judged, ...], seen: Mapping[str, Dataset], rng: np.random.Generator) -> tuple[Judged, ...]:
    """The same, what a sum of columns explains being a shortcut. `seen`: the data set as each family saw it.

    Rows that are accused have no say in the sum; that of their labels it must give.
    """
    accused = {i: members(seen[j.family], j.tried) for i, j in enumerate(judged) if _of_changed_labels(j)}
    views = {judged[i].family: seen[judged[i].family] for i in accused if seen[judged[i].family].images is None}
    sums = {name: _sum_of(data, [accused[i] for i in accused if judged[i].family == name], rng) for name, data in views.items()}
    left = []
    for i, j in enumerate(judged):
        found = sums.get(j.family) if i in accused else None
        if found is not None and len(accused[i]) and found[0].holds[accused[i]].mean() >= GIVEN:
            j = replace(j, status="shortcut", tried=replace(j.tried, natural=_said(*found)))
        left.append(j)
    return tuple(left)


def _of_changed_labels(judged: Judged) -> bool:
    found = judged.status in ("confirmed", "suspected")
    return found and judged.family in FAMILIES and judged.tried.planted_without_relabelling is None


def _sum_of(data: Dataset, accused: list[Int], rng: np.random.Generator) -> tuple[Reckoning, tuple[str, ...]] | None:
    """The reckoning of the labels, and the names of its columns."""
    values = number_label(data) if data.task == "regression" else _class_values(data)
    if values is None:
        return None
    coded = code_columns(data.table, value_columns(data))
    blind = np.zeros(len(values), bool)
    blind[np.concatenate(accused)] = True
    found = reckoned(coded.cells, coded.numeric, values, blind, rng)
    return None if found is None else (found, coded.names)


def _class_values(data: Dataset) -> Floats | None:
    """(n,) the numbers that the rows' labels are, NaN where there is none."""
    numbers = class_numbers(data.classes)
    return None if numbers is None else np.append(numbers, np.nan)[np.where(data.y >= 0, data.y, len(numbers))]


def _said(found: Reckoning, names: tuple[str, ...]) -> str:
    return (
        f"The label is {found.said(names)} in {found.holds.mean():.0%} of all rows, and in these: it is reckoned from other columns, and a "
        "row whose label was changed would not fit"
    )
