"""Findings about labels that are reckoned from columns: natural where the labels of their rows are what the reckoning gives.

Asked of what was found in the values of a table: rules, groups of the population, relabelled pairs of classes. Not of values that were put
into rows whose labels fit, which no reckoning speaks against.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from assay.dataset.data import Dataset
from assay.dataset.labels import class_numbers
from assay.learn.columns import code_columns
from assay.learn.reckoned import reckoned
from assay.screen.number_labels import number_label
from assay.trial.opinion import value_columns
from assay.trial.verdicts import Judged, members

Floats = NDArray[np.float64]

FAMILIES = ("cells", "group", "relabelling")
GIVEN = 0.98  # of the rows in doubt, whose label the reckoning must give


def left_to_reckoning(judged: tuple[Judged, ...], seen: Mapping[str, Dataset], rng: np.random.Generator) -> tuple[Judged, ...]:
    """The same, what a sum of columns explains being a shortcut. `seen`: the data set as each family saw it.

    Rows that are accused have no say in the sum; that of their labels it must give.
    """
    accused = {i: members(seen[j.family], j.tried) for i, j in enumerate(judged) if _of_changed_labels(j)}
    data = next((seen[judged[i].family] for i in accused), None)  # these families have one view of a data set, the whole
    if data is None or data.images is not None:
        return judged
    coded = code_columns(data.table, value_columns(data))
    values = number_label(data) if data.task == "regression" else _class_values(data)
    blind = np.zeros(len(data), bool)
    blind[np.concatenate(list(accused.values()))] = True
    found = None if values is None else reckoned(coded.cells, coded.numeric, values, blind, rng)
    if values is None or found is None:
        return judged
    labelled = np.isfinite(values)
    said = (
        f"The label is {found.said(coded.names)} in {found.holds[labelled].mean():.0%} of the rows that have one, and in these: it is "
        "reckoned from other columns, and a row whose label was changed would not fit"
    )
    given = {i for i, rows in accused.items() if labelled[rows].any() and found.holds[rows[labelled[rows]]].mean() >= GIVEN}
    return tuple(j.as_natural(said) if i in given else j for i, j in enumerate(judged))


def _of_changed_labels(judged: Judged) -> bool:
    surprising = any(trial.name == "surprise" for trial in judged.tried.trials)  # as rules put in are
    return judged.accuses and judged.family in FAMILIES and (surprising or judged.tried.planted_without_relabelling is None)


def _class_values(data: Dataset) -> Floats | None:
    """(n,) the numbers that the rows' labels are, NaN where there is none."""
    numbers = class_numbers(data.classes)
    return None if numbers is None else np.append(numbers, np.nan)[np.where(data.y >= 0, data.y, len(numbers))]
