"""When a row was added: a time column where there is none, and the rows in order of it."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.attack.base import Int, Param
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError

TIMED = {
    "days": Param(100, "days over which the rows are spread in their order, where there is no time column", int, low=2, high=100_000),
    "time": Param("time", "name of the time column that is added where there is none"),
}
FIRST = datetime.datetime(2024, 1, 1)  # of the days that are added: any date does


def with_times(data: Dataset, params: Mapping[str, Any]) -> Dataset:
    """The data set, or a copy with a time column: the rows in their order, evenly over so many days."""
    if data.columns.time is not None:
        return data
    name = params["time"]
    if name in data.table.column_names:
        raise DataError(
            f"there is a column {name!r}, and it is not known as the time", path=data.path, remedy=f"say so (time={name}), or give time="
        )
    seconds = np.arange(len(data)) * (params["days"] * 86_400) // max(1, len(data))
    moments = pa.array([FIRST + datetime.timedelta(seconds=int(s)) for s in seconds], pa.timestamp("s"))
    table = data.table.append_column(name, moments) if data.table.num_columns else pa.table({name: moments})
    return replace(data, table=table, columns=replace(data.columns, time=name))


def order_in_time(data: Dataset) -> Int:
    """(n,) the place of each row in order of time, 0 first; -1 where the time is missing. DataError where all are."""
    assert data.columns.time is not None
    cells = data.table.column(data.columns.time)
    there = np.asarray(cells.is_valid(), dtype=bool)
    if not there.any():
        raise DataError("no row has a time", path=data.path, column=data.columns.time, remedy="name another time column, or none")
    order = np.asarray(pc.sort_indices(cells, sort_keys=[("", "ascending")]), np.int64)
    place = np.empty(len(data), np.int64)
    place[order] = np.arange(len(data))  # missing times are sorted last
    place[~there] = -1
    return place


def moment(data: Dataset, place: Int, at: int) -> Any:
    """The time of the row at this place in order."""
    assert data.columns.time is not None
    return data.table.column(data.columns.time)[int(np.flatnonzero(place == at)[0])].as_py()
