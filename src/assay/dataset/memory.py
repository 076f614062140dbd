"""Data sets that a person holds in memory: pandas, polars, NumPy, pyarrow, Hugging Face, torch, plain Python.

None of these libraries is imported here: an object is known by the module of its class, and whoever holds one has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay.dataset.arrays import Parts, batch_of, to_arrow
from assay.dataset.errors import DataError, short_of_memory
from assay.dataset.formats.base import Batch
from assay.dataset.formats.embedded import class_names_of, lift_pictures
from assay.dataset.formats.jsonl import column_of, table_of

ClassNames = Mapping[str, Sequence[str]]

ACCEPTED = (
    "a path; a pandas or polars frame; (x, y) or a mapping of NumPy arrays; a pyarrow table; a Hugging Face or torch "
    "data set; a list of strings, of records or of (text, label)"
)


def in_memory(source: Any) -> tuple[list[Batch], str, ClassNames]:
    """(batches, what it is in words, class names). Raises DataError for an object that is none of these, or is empty."""
    what = f"{_module(source)} {type(source).__name__}" if _module(source) not in ("builtins", "") else type(source).__name__
    path = f"<{what} in memory>"
    batches, names = _batches(source, path)
    if not any(batch.count for batch in batches):
        raise DataError("there are no records", path=path, remedy="give a data set with at least one record")
    return batches, path, names


def _module(source: Any) -> str:
    return type(source).__module__.split(".")[0]


def _batches(source: Any, path: str) -> tuple[list[Batch], ClassNames]:
    if isinstance(source, pa.RecordBatch):
        source = pa.Table.from_batches([source])
    if isinstance(source, pa.Table):
        return [_of_table(source)], {}
    module = _module(source)
    if module == "pandas" and hasattr(source, "columns"):
        return [_of_table(_from_pandas(source))], {}
    if module == "polars" and hasattr(source, "to_arrow") and hasattr(source, "columns"):
        return [_of_table(source.to_arrow())], {}
    if module == "datasets":
        return _hugging_face(source, path)
    if isinstance(source, Mapping):
        return [_of_mapping(source, path)], {}
    if isinstance(source, tuple) and len(source) == 2 and all(_arrayish(part) for part in source):
        return [batch_of(Parts(np.asarray(source[0]), np.asarray(source[1])), path)], {}
    if isinstance(source, np.ndarray):
        return [batch_of(Parts(source), path)], {}
    if isinstance(source, Sequence) and not isinstance(source, str | bytes) and len(source):
        return [_of_sequence(source, path)], {}
    if hasattr(source, "__getitem__") and hasattr(source, "__len__") and module != "builtins":
        return [_of_items([source[i] for i in range(len(source))], path)], _torch_classes(source)
    raise DataError(f"an object of type {type(source).__name__} cannot be scanned", path=path, remedy=f"give {ACCEPTED}")


def _arrayish(value: Any) -> bool:
    return isinstance(value, np.ndarray) or (isinstance(value, list) and len(value) > 2) or hasattr(value, "__array__")


def _from_pandas(frame: Any) -> pa.Table:
    try:
        table = pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowException, TypeError) as error:  # a column of mixed values, which a list of them may still be text of
        if short_of_memory(error):
            raise
        table = pa.table({str(name): column_of(_python(frame[name].tolist())) for name in frame.columns})
    return table.replace_schema_metadata(None)


def _python(values: list[Any]) -> list[Any]:
    """Values as Python's own; NaN in a column of objects means missing, as pandas has it."""
    plain = [v.item() if isinstance(v, np.generic) else v for v in values]
    return [None if isinstance(v, float) and v != v else v for v in plain]


def _of_table(table: pa.Table) -> Batch:
    without, encoded, faults = lift_pictures(table)
    return Batch(without, table.num_rows, faults, pictures=encoded)


def _of_mapping(source: Mapping[str, Any], path: str) -> Batch:
    arrays = {str(name): value if isinstance(value, np.ndarray) else np.asarray(value) for name, value in source.items()}
    x = next((name for name in ("x", "images", "image", "data", "pixels") if name in arrays and arrays[name].ndim >= 2), None)
    if x is None:
        lengths = {name: len(values) for name, values in source.items()}
        if len(set(lengths.values())) > 1:
            raise DataError(f"columns of different lengths: {lengths}", path=path, remedy="give columns of the same length")
        columns = {
            str(name): to_arrow(value, str(name), path) if isinstance(value, np.ndarray) else column_of(_python(list(value)))
            for name, value in source.items()
        }
        return _of_table(pa.table(columns))
    y = next((name for name in ("y", "labels", "label", "target") if name in arrays), None)
    others = {name: array for name, array in arrays.items() if name not in (x, y) and array.ndim == 1}
    return batch_of(Parts(arrays[x], None if y is None else arrays[y], others), path)


def _of_sequence(source: Sequence[Any], path: str) -> Batch:
    first = source[0]
    if isinstance(first, Mapping):
        return _of_table(table_of(source))
    if isinstance(first, str):
        return Batch(pa.table({"text": column_of(list(source))}), len(source))
    if isinstance(first, tuple | list) and len(first) == 2:
        return _of_items(source, path)
    raise DataError(f"a list of {type(first).__name__} cannot be scanned", path=path, remedy=f"give {ACCEPTED}")


def _of_items(items: Sequence[Any], path: str) -> Batch:
    """(content, label) pairs: pictures (PIL, arrays, tensors) or texts; or mappings."""
    first = items[0]
    if isinstance(first, Mapping):
        return _of_table(table_of([{k: _plain(v) for k, v in item.items()} for item in items]))
    if not (isinstance(first, tuple | list) and len(first) >= 2):
        raise DataError(f"its items are {type(first).__name__}, and (content, label) is expected", path=path, remedy=f"give {ACCEPTED}")
    labels = [_plain(item[1]) for item in items]
    if isinstance(first[0], str):
        return Batch(pa.table({"text": column_of([item[0] for item in items]), "label": column_of(labels)}), len(items))
    arrays = [_pixels(item[0]) for item in items]
    shapes = {array.shape for array in arrays}
    if len(shapes) > 1:
        raise DataError(f"pictures of {len(shapes)} different shapes", path=path, remedy="resize them to one size (torchvision: v2.Resize)")
    return batch_of(Parts(np.stack(arrays), np.asarray(labels)), path)


def _plain(value: Any) -> Any:
    """Zero-dimensional tensors and NumPy scalars as Python values."""
    return value.item() if hasattr(value, "item") and getattr(value, "ndim", 0) == 0 else value


def _pixels(value: Any) -> NDArray[Any]:
    if hasattr(value, "mode") and hasattr(value, "convert"):  # a PIL picture
        value = value.convert("L" if value.mode in ("1", "L") else "RGB")
    return np.asarray(value)


def _torch_classes(source: Any) -> ClassNames:
    """torchvision data sets name their classes."""
    names = getattr(source, "classes", None)
    return {"label": [str(name) for name in names]} if isinstance(names, list | tuple) else {}


def _hugging_face(source: Any, path: str) -> tuple[list[Batch], ClassNames]:
    """A `Dataset`, or a `DatasetDict` of splits, by name, one after another."""
    if isinstance(source, Mapping):
        batches: list[Batch] = []
        names: dict[str, Sequence[str]] = {}
        for split in sorted(source):
            part = source[split]
            table = _hugging_face_table(part)
            if "split" not in table.column_names:
                table = table.append_column("split", pa.array([str(split)] * table.num_rows, pa.string()))
            batches.append(_of_table(table))
            names.update(_features(part))
        return batches, names
    if not hasattr(source, "with_format") or not hasattr(source, "__len__"):
        raise DataError("a streaming data set has no end to read to", path=path, remedy="load it without streaming=True")
    return [_of_table(_hugging_face_table(source))], _features(source)


def _hugging_face_table(source: Any) -> pa.Table:
    table: pa.Table = source.with_format("arrow")[:]
    return table.replace_schema_metadata(None)


def _features(source: Any) -> ClassNames:
    return class_names_of(source.features.to_dict())
