"""Data and trusted rows put side by side: one table with the columns that both have."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay.dataset.assemble import one_table
from assay.dataset.data import Columns, Dataset
from assay.dataset.errors import DataError
from assay.dataset.pictures import resize

Int = NDArray[np.int64]
Bool = NDArray[np.bool_]


@dataclass(frozen=True)
class Beside:
    """`both`: the rows of the data, then the trusted ones; `new` (n + m,) which are the data's; columns that only one of them has."""

    both: Dataset
    new: Bool
    only_new: tuple[str, ...]
    only_trusted: tuple[str, ...]


def put_beside(data: Dataset, trusted: Dataset) -> Beside:
    """Content and label columns that both have, one after the other; pictures in the size of the data's.

    The result has no class codes. DataError where they hold different things, or have no content in common.
    """
    if data.modality != trusted.modality:
        problem = f"the trusted rows hold {trusted.modality}, the data {data.modality}"
        raise DataError(problem, path=trusted.path, remedy="give trusted rows of the same kind")
    wanted = [*data.columns.content, *data.columns.label]
    there = [name for name in wanted if name in trusted.table.column_names]
    content = tuple(name for name in data.columns.content if name in there)
    if data.images is None and not content:
        problem = f"the trusted rows have none of the content columns {', '.join(data.columns.content[:5])}"
        raise DataError(problem, path=trusted.path, remedy="give trusted rows with the same columns")
    parts = [d.table.select(there) for d in (data, trusted)]
    table = one_table(parts) if there else pa.table({})
    both = replace(
        data,
        columns=Columns(content=content, label=tuple(name for name in data.columns.label if name in there)),
        table=table,
        images=_pictures(data, trusted),
        row=np.concatenate([data.row, trusted.row]),
        key=(*data.key, *trusted.key),
        digest=np.concatenate([data.digest, trusted.digest]),
        classes=(),
        y=np.zeros(0, np.int64),
        unreadable=(),
    )
    known = set(trusted.columns.content) | set(trusted.columns.label)
    return Beside(
        both,
        np.r_[np.ones(len(data), bool), np.zeros(len(trusted), bool)],
        tuple(name for name in wanted if name not in there),
        tuple(sorted(known - set(data.table.column_names))),
    )


def _pictures(data: Dataset, trusted: Dataset) -> NDArray[np.uint8] | None:
    if data.images is None or trusted.images is None:
        return None
    height, width, channels = data.images.shape[1:]
    held = trusted.images
    if held.shape[1:] != data.images.shape[1:]:
        held = np.stack([resize(picture, height, width) for picture in held])
        grey = held.mean(3, keepdims=True).astype(np.uint8)
        held = held if held.shape[3] == channels else np.broadcast_to(grey, (*held.shape[:3], channels))
    return np.concatenate([data.images, held])
