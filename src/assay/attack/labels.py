"""Classes by name, and a copy of a data set under other labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from assay.attack.base import Int
from assay.dataset.data import MISSING, Dataset
from assay.dataset.errors import DataError

SHOWN = 30  # class names in a message


def class_code(data: Dataset, name: str) -> int:
    """The code of a class; DataError lists the classes there are."""
    if name in data.classes:
        return data.classes.index(name)
    shown = ", ".join(data.classes[:SHOWN]) + (", ..." if len(data.classes) > SHOWN else "")
    raise DataError(f"there is no class {name!r}", path=data.path, remedy=f"name one of: {shown}")


def class_codes(data: Dataset, names: str | None) -> list[int]:
    """Codes of one class, or of several with commas between; a class whose name holds a comma is found whole first."""
    if names is None:
        return []
    if names in data.classes:
        return [data.classes.index(names)]
    return [class_code(data, part.strip()) for part in names.split(",")]


def choose_targets(data: Dataset, target: str | None, count: int, rng: np.random.Generator) -> list[int]:
    """`count` target classes: those named (one for all, or one each), else drawn, all different while classes last."""
    named = class_codes(data, target)
    if not named:
        k = len(data.classes)
        return [int(t) for t in rng.choice(k, count, replace=count > k)]
    if len(named) not in (1, count):
        raise DataError(f"{len(named)} targets for {count} triggers", path=data.path, remedy="give one target, or one a trigger")
    return named * count if len(named) == 1 else named


def relabel(data: Dataset, y: Int) -> Dataset:
    """A copy whose labels are the class codes `y` (n,), in `y` and in the label column where the table holds one.

    A changed cell gets the value that other rows of its new class have, so that a column of numbers stays one.
    """
    changed = np.flatnonzero(y != data.y)
    copy = replace(data, y=y)
    if not len(changed) or not data.columns.label:
        return copy
    name = data.columns.label[0]
    if name not in data.table.column_names:
        return copy
    first = {int(code): int(position) for code, position in zip(*np.unique(data.y, return_index=True), strict=True)}
    absent = sorted({int(code) for code in y[changed]} - first.keys())
    if absent:
        raise DataError(f"no row has the class {data.classes[absent[0]]!r} yet", path=data.path, column=name)
    source = np.arange(len(y))
    source[changed] = [first[int(code)] for code in y[changed]]
    cells = data.table.column(name).take(pa.array(source))
    table = data.table.set_column(data.table.schema.get_field_index(name), data.table.schema.field(name), cells)
    return replace(copy, table=table)


def labelled(data: Dataset) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """(n,) which rows have a label."""
    return np.asarray(data.y != MISSING)


def no_target(kind: str, target: str | None) -> None:
    """DataError where a target is named and the attack has none."""
    if target is not None:
        raise DataError(f"the attack {kind!r} has no target", remedy="leave the target out")
