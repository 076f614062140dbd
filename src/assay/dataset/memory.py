"""Data sets that a person holds in memory: pandas, polars, NumPy, pyarrow, Hugging Face, torch, plain Python.

None of these libraries is imported here: an object is known by the module of its class, and whoever holds one has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay.dataset.arrays import Parts, batch_of, labels, pictures, to_arrow
from assay.dataset.errors import DataError, short_of_memory
from assay.dataset.formats.base import PICTURE, Batch, distinct_names
from assay.dataset.formats.embedded import class_names_of, lift_pictures
from assay.dataset.formats.jsonl import column_of, read_table
from assay.dataset.pictures import decode_picture, encode_png

ClassNames = Mapping[str, Sequence[str]]
ENCODED = pa.struct([("bytes", pa.binary()), ("path", pa.string())])  # as Hugging Face writes pictures

ACCEPTED = (
    "a path; a pandas or polars frame; (x, y) or a mapping of NumPy arrays; a pyarrow table; a Hugging Face or torch "
    "data set; a list of strings, of records or of (text, label)"
)


def in_memory(source: Any) -> tuple[list[Batch], str, ClassNames]:
    """(batches, what it is in words, class names). Raises DataError for an object that is none of these, or is empty."""
    what = f"{_module(source)} {type(source).__name__}" if _module(source) not in ("builtins", "") else type(source).__name__
    path = f"<{what} in memory>"
    try:
        batches, names = _batches(source, path)
    except UnicodeEncodeError as error:
        problem = f"a text holds half a character (a lone surrogate, U+{ord(error.object[error.start]):04X}) and is no Unicode"
        raise DataError(problem, path=path, remedy='replace it: text.encode("utf-8", "replace").decode()') from error
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
    if _is_frame(source):
        return [_of_frame(source, path)], {}
    if module in ("pandas", "polars") and hasattr(source, "to_list"):
        source = source.to_list()  # a series: its items by place, whatever its index
    if module == "datasets":
        return _hugging_face(source, path)
    if isinstance(source, Mapping):
        return [_of_mapping(source, path)], {}
    if isinstance(source, tuple) and len(source) == 2 and all(_arrayish(part) for part in source):
        if _is_frame(source[0]):
            return [_of_frame(source[0], path, labels(_array(source[1]), path))], {}
        return [batch_of(Parts(_array(source[0]), _array(source[1])), path)], {}
    if isinstance(source, np.ndarray):
        return [batch_of(Parts(source), path)], {}
    if isinstance(source, Sequence) and not isinstance(source, str | bytes) and len(source):
        return [_of_sequence(source, path)], {}
    if hasattr(source, "__getitem__") and hasattr(source, "__len__") and module != "builtins":
        items = [source[i] for i in range(len(source))]
        return [_of_items(items, path)] if items else [], _torch_classes(source)
    raise DataError(f"an object of type {type(source).__name__} cannot be scanned", path=path, remedy=f"give {ACCEPTED}")


def _arrayish(value: Any) -> bool:
    return isinstance(value, np.ndarray) or (isinstance(value, list) and len(value) > 2) or hasattr(value, "__array__")


def _array(value: Any) -> NDArray[Any]:
    """As NumPy has it; a tensor wherever it lies, and of a type that NumPy lacks (bfloat16) as 32-bit floats."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = value.float() if str(value.dtype) == "torch.bfloat16" else value
    return np.asarray(value)


def _is_frame(source: Any) -> bool:
    return (_module(source) == "pandas" or (_module(source) == "polars" and hasattr(source, "to_arrow"))) and hasattr(source, "columns")


def _of_frame(frame: Any, path: str, label: pa.Array | None = None) -> Batch:
    """A pandas or polars frame, with its labels where they are held beside it."""
    if label is not None and len(label) != len(frame):
        problem = f"x and y must have one entry a record, and have {len(frame):,} and {len(label):,}"
        raise DataError(problem, path=path, remedy="give them as they belong together")
    table, notes = _from_pandas(frame, path) if _module(frame) == "pandas" else (frame.to_arrow(), ())
    if label is not None:
        table = table.append_column("label" if "label" not in table.column_names else "label_2", label)
    return _of_table(table, notes)


def _from_pandas(frame: Any, path: str) -> tuple[pa.Table, tuple[str, ...]]:
    """The frame's columns, and what is to be said of them. Its index is no column."""
    notes = []
    index = [str(name) for name in frame.index.names if name is not None]
    if index:
        notes.append(f"The frame's index ({', '.join(map(repr, index))}) is not read; frame.reset_index() makes a column of it.")
    names = [str(name) for name in frame.columns]
    if len(set(names)) < len(names):
        frame = frame.set_axis(distinct_names(names), axis=1)
        notes.append("column names that were empty or repeated have been made distinct")
    bins = [name for name, kind in frame.dtypes.items() if _interval(kind)]
    if bins:  # as pandas.cut makes them: Arrow would hold their two ends
        frame = frame.copy(deep=False)
        for name in bins:
            frame[name] = frame[name].astype(object).map(str, na_action="ignore")
    try:
        table = pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowException, TypeError) as error:  # a column of mixed values, which a list of them may still be text of
        if short_of_memory(error):
            raise
        table = _of_values({str(name): frame[name].tolist() for name in frame.columns}, path)
    return table.replace_schema_metadata(None), tuple(notes)


def _interval(kind: Any) -> bool:
    return str(getattr(getattr(kind, "categories", None), "dtype", kind)).startswith("interval")


def _of_values(columns: Mapping[str, list[Any]], path: str) -> pa.Table:
    """Columns of Python values; pictures among them as their PNG files."""
    return pa.table({name: _encoded(values, path) if _shows(values) else column_of(_python(values)) for name, values in columns.items()})


def _shows(values: Sequence[Any]) -> bool:
    """Whether these are pictures: Pillow's, or arrays with a height and a width."""
    first = next((v for v in values if v is not None), None)
    return _is_pillow(first) or getattr(first, "ndim", 0) in (2, 3)


def _is_pillow(value: Any) -> bool:
    return hasattr(value, "mode") and hasattr(value, "convert")


def _encoded(values: Sequence[Any], path: str) -> pa.Array:
    """Pictures as PNG files: their sizes and modes are then brought together as those of files are. Null where there is none."""
    there = [v for v in values if v is not None]
    if all(map(_is_pillow, there)):
        files = iter([encode_png(_decoded(picture, path)) for picture in there])
    else:
        files = iter([encode_png(pixels) for pixels in pictures(_stacked([_array(v) for v in there], path), path)])
    return pa.array([None if v is None else {"bytes": next(files), "path": None} for v in values], ENCODED)


def _decoded(picture: Any, path: str) -> NDArray[np.uint8]:
    """The pixels of a Pillow picture. DataError for one of floating-point numbers: what they mean as grey is not said."""
    if picture.mode == "F":
        raise DataError("pictures of floating-point numbers", path=path, remedy="give 8-bit pictures: they are grey, in colour or indexed")
    return decode_picture(picture)


def _stacked(arrays: Sequence[NDArray[Any]], path: str) -> NDArray[Any]:
    shapes = {array.shape for array in arrays}
    if len(shapes) > 1:
        raise DataError(f"pictures of {len(shapes)} different shapes", path=path, remedy="resize them to one size (torchvision: v2.Resize)")
    return np.stack(arrays)


def _python(values: list[Any]) -> list[Any]:
    """Values as Python's own; NaN in a column of objects means missing, as pandas has it, and so do pandas' own marks NaT and NA."""
    plain = [v.item() if isinstance(v, np.generic) else v for v in values]
    return [None if (isinstance(v, float) and v != v) or type(v).__name__ in ("NaTType", "NAType") else v for v in plain]


def _of_table(table: pa.Table, notes: Sequence[str] = ()) -> Batch:
    without, encoded, faults = lift_pictures(table)
    return Batch(without, table.num_rows, faults, pictures=encoded, notes=tuple(notes))


def _of_records(records: Sequence[Mapping[str, Any]], path: str) -> Batch:
    """Mappings from names to values; tensors and NumPy scalars as Python's own."""
    plain = [{str(name): _plain(value) for name, value in record.items()} for record in records]
    shown = [name for name in dict.fromkeys(name for record in plain for name in record) if _shows([r.get(name) for r in plain])]
    pillow = [name for name in shown if _is_pillow(next(r[name] for r in plain if r.get(name) is not None))]
    if pillow and len(pillow) < len(shown):  # arrays beside pictures are boxes, masks or points, in lists
        plain = [{n: v.tolist() if hasattr(v, "tolist") and n not in pillow else v for n, v in record.items()} for record in plain]
        shown = pillow
    if not shown:
        return _of_table(*read_table(plain))
    files = {name: _encoded([r.get(name) for r in plain], path) for name in shown}
    rest, notes = read_table([{name: value for name, value in record.items() if name not in files} for record in plain])
    return _of_table(pa.table({**files, **{name: rest.column(name) for name in rest.column_names}}), notes)


def _of_mapping(source: Mapping[str, Any], path: str) -> Batch:
    lists = {str(name): value for name, value in source.items() if isinstance(value, list)}
    if any(_is_pillow(next((v for v in values if v is not None), None)) for values in lists.values()):
        _same_length(source, path)
        return _of_table(_of_values({str(name): list(value) for name, value in source.items()}, path))
    arrays = {str(name): _array(value) for name, value in source.items()}
    x = next((name for name in ("x", "images", "image", "data", "pixels") if name in arrays and arrays[name].ndim >= 2), None)
    if x is None:
        _same_length(source, path)
        columns = {
            str(name): to_arrow(value, str(name), path) if isinstance(value, np.ndarray) else column_of(_python(list(value)))
            for name, value in source.items()
        }
        return _of_table(pa.table(columns))
    y = next((name for name in ("y", "labels", "label", "target") if name in arrays), None)
    # what has another length says something of the whole, as the names of classes in what scikit-learn's loaders give
    others = {n: array for n, array in arrays.items() if n not in (x, y) and array.ndim == 1 and len(array) == len(arrays[x])}
    left = [name for name in arrays if name not in (x, y, *others)]
    batch = batch_of(Parts(arrays[x], None if y is None else arrays[y], others), path)
    said = f"Of the mapping, what has no single value for each of the {len(arrays[x]):,} entries of {x!r} is not read: {', '.join(left)}."
    return replace(batch, notes=(*batch.notes, said)) if left else batch


def _same_length(source: Mapping[str, Any], path: str) -> None:
    lengths = {name: len(values) for name, values in source.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(f"columns of different lengths: {lengths}", path=path, remedy="give columns of the same length")


def _of_sequence(source: Sequence[Any], path: str) -> Batch:
    first = source[0]
    if isinstance(first, Mapping):
        return _of_records(source, path)
    if isinstance(first, str):
        return Batch(pa.table({"text": column_of(list(source))}), len(source))
    if isinstance(first, tuple | list) and len(first) == 2:
        return _of_items(source, path)
    raise DataError(f"a list of {type(first).__name__} cannot be scanned", path=path, remedy=f"give {ACCEPTED}")


def _of_items(items: Sequence[Any], path: str) -> Batch:
    """(content, label) pairs: pictures (PIL, arrays, tensors) or texts; or mappings."""
    first = items[0]
    if isinstance(first, Mapping):
        return _of_records(items, path)
    if not (isinstance(first, tuple | list) and len(first) >= 2):
        raise DataError(f"its items are {type(first).__name__}, and (content, label) is expected", path=path, remedy=f"give {ACCEPTED}")
    said = [_plain(item[1]) for item in items]
    if isinstance(first[0], str):
        return Batch(pa.table({"text": column_of([item[0] for item in items]), "label": column_of(said)}), len(items))
    held = [item[0] for item in items]
    if all(map(_is_pillow, held)) and len({(picture.size, picture.mode) for picture in held}) > 1:
        return _of_table(pa.table({PICTURE: _encoded(held, path), "label": column_of(said)}))
    return batch_of(Parts(_stacked([_pixels(picture, path) for picture in held], path), np.asarray(said)), path)


def _plain(value: Any) -> Any:
    """Zero-dimensional tensors and NumPy scalars as Python values, one-dimensional ones as lists."""
    if hasattr(value, "tolist") and getattr(value, "ndim", 0) == 1:
        return value.tolist()
    return value.item() if hasattr(value, "item") and getattr(value, "ndim", 0) == 0 else value


def _pixels(value: Any, path: str) -> NDArray[Any]:
    if _is_pillow(value):
        pixels = _decoded(value, path)
        return pixels[..., 0] if pixels.shape[2] == 1 else pixels
    return _array(value)


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
