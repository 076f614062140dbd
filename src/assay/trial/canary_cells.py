"""Canaries for the family of cells: known rules put into a copy of a table, in rows of other labels, which are then relabelled."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay.artefact.cells import Cells, Condition
from assay.dataset.data import Dataset
from assay.learn.columns import Coded, code_columns
from assay.mine.cells import COMMON
from assay.trial.canaries import deal_plantings
from assay.trial.family import CanaryCopy, Planting

Int = NDArray[np.int64]

CARRIERS = (20, 50)
ROWS = 50_000  # canaries go into a sample of at most so many rows: power is a matter of carriers, not of the rest
EACH = 6  # half of them of each kind, at each number of carriers


def plant_cells(data: Dataset, columns: list[str], rng: np.random.Generator) -> CanaryCopy | None:
    """Canaries in cells: alternately one number out of its column's range, in a column of its own while there are any left, and
    three real values that stand together in no row, on columns no other canary has together."""
    if len(data) > ROWS:
        data = data.subset(np.sort(rng.choice(len(data), ROWS, replace=False)))
    coded = code_columns(data.table, columns)
    dealt = deal_plantings(data.y, len(data.classes), CARRIERS * EACH, rng)
    rows, y = data.rows, data.y.copy()
    beyond = {int(j): _beyond_rule(data, coded, int(j)) for j in rng.permutation(np.flatnonzero(coded.numeric))}
    free = [rule for rule in beyond.values() if rule is not None]
    used: set[tuple[int, ...]] = set()
    plantings = []
    for deal in dealt.deals:
        triple = None if deal.wish // len(CARRIERS) % 2 == 0 and free else _unseen(coded, used, rng)
        if triple is None and not free:
            continue
        if triple is None:
            rule, size = Cells((free.pop(),)), "one value out of range"
        else:
            chosen, sources = triple
            used.add(chosen)
            rule, size = _rule_from(data, coded, chosen, sources), "three values in range"
        inserted = rule.insert(rows.take(deal.rows))
        for name in rule.columns:
            rows = rows.with_column(name, _replaced(rows.table.column(name), deal.rows, inserted.table.column(name)))
        y[deal.rows] = deal.target
        plantings.append(Planting("cells", size, deal.rows))
    return CanaryCopy(data.with_content(rows, y), tuple(plantings), dealt.left) if plantings else None


def _beyond(coded: Coded, j: int) -> float | None:
    """A number above all others of the column by a fifth of its range, or None where there is no range."""
    low, high = np.nanmin(coded.cells[:, j], initial=np.inf), np.nanmax(coded.cells[:, j], initial=-np.inf)
    distinct = len(np.unique(coded.cells[~np.isnan(coded.cells[:, j]), j]))
    return float(np.ceil(high + 0.2 * (high - low))) if distinct >= 10 else None


def _beyond_rule(data: Dataset, coded: Coded, j: int) -> Condition | None:
    """That number as a rule; None too where the column's type has no room for it, as 8 bits that are used to the full have none."""
    kind = data.table.schema.field(coded.names[j]).type
    value = _beyond(coded, j)
    if value is None:
        return None
    moment = pa.types.is_temporal(kind)
    try:
        held = pa.scalar(int(value), pa.int32() if kind.bit_width == 32 else pa.int64()) if moment else pa.scalar(value)
        number = held.cast(kind).as_py()
    except (ValueError, OverflowError):  # Arrow's own among them
        return None
    return Condition(coded.names[j], number, number)


def _unseen(coded: Coded, used: set[tuple[int, ...]], rng: np.random.Generator) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Three columns, and for each a row whose value there is taken, such that no row holds all three; None if none is found."""
    usable = [j for j in range(len(coded.names)) if len(np.unique(coded.cells[:, j])) >= 3]
    if len(usable) < 3:
        return None
    for _ in range(100):
        columns = tuple(sorted(int(j) for j in rng.choice(usable, 3, replace=False)))
        source = tuple(int(i) for i in rng.integers(0, len(coded), 3))
        values = np.array([coded.cells[i, j] for i, j in zip(source, columns, strict=True)])
        held = coded.cells[:, columns] == values
        if columns in used or np.isnan(values).any() or held.all(1).any() or (held.mean(0) > COMMON).any():
            continue
        return columns, source
    return None


def _rule_from(data: Dataset, coded: Coded, columns: tuple[int, ...], sources: tuple[int, ...]) -> Cells:
    values = [data.table.column(coded.names[j])[i].as_py() for i, j in zip(sources, columns, strict=True)]
    return Cells(tuple(Condition(coded.names[j], v, v) for j, v in zip(columns, values, strict=True)))


def _replaced(column: pa.ChunkedArray, rows: Int, values: pa.ChunkedArray) -> pa.Array:
    """The column with these rows' cells replaced."""
    place = np.arange(len(column))
    place[rows] = len(column) + np.arange(len(rows))
    return pa.chunked_array([*column.chunks, *values.cast(column.type).chunks]).take(pa.array(place)).combine_chunks()
