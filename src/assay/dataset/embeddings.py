"""Embeddings of a data set's records that its owner brings: one row of numbers a record, made by a model of theirs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from assay.dataset.data import Dataset
from assay.dataset.errors import DAMAGE, DataError

NAME = "embeddings"  # of the array in an .npz that holds several


def read_embeddings(path: Path, data: Dataset) -> NDArray[np.float32]:
    """(n, d) of the readable rows of `data`, from an .npy, or an .npz whose only array it is or that calls it "embeddings".

    The file has one row a record, in record order, unreadable records included. Pickled arrays are not read. DataError where it is not so,
    or a number is not finite.
    """
    try:
        found = np.load(path, allow_pickle=False)
        if not isinstance(found, np.ndarray):
            with found as archive:
                names = archive.files
                name = names[0] if len(names) == 1 else NAME
                if name not in names:
                    raise DataError(f"several arrays, and none is called {NAME!r}: {', '.join(names)}", path=path, remedy="rename it")
                found = archive[name]
    except FileNotFoundError as error:
        raise DataError("there is no such file", path=path, remedy="check the path") from error
    except DAMAGE as error:
        raise DataError(f"not a NumPy array: {error}", path=path, remedy="save it with numpy.save, as numbers") from error
    if found.ndim != 2 or found.dtype.kind not in "biuf" or not found.shape[1]:
        raise DataError(f"embeddings are a table of numbers, a row a record; this is {found.dtype} {found.shape}", path=path)
    if len(found) != data.records:
        remedy = "give one row a record, in the order of the data"
        raise DataError(f"{len(found):,} rows for {data.records:,} records", path=path, remedy=remedy)
    values = found[data.row].astype(np.float32)
    wrong = np.flatnonzero(~np.isfinite(values).all(1))
    if len(wrong):
        raise DataError("a number is not finite", path=path, row=int(data.row[wrong[0]]), remedy="mend or leave out that record")
    return values
