"""A data set saved by Hugging Face `datasets` (`save_to_disk`): Arrow streams beside a state.json, or a folder of such a split.

Read through pyarrow; the library itself is not needed. Splits are read by name, one after another.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa

from assay.dataset.edits import Edit, Rewritten
from assay.dataset.errors import DataError, short_of_memory
from assay.dataset.formats.arrow import Arrow, damaged, filtered, record_batches
from assay.dataset.formats.base import Batch, Format, Int, Layout, UInt8
from assay.dataset.formats.embedded import class_names_of, with_pictures
from assay.dataset.limits import Limits

STATE, DICT, INFO = "state.json", "dataset_dict.json", "dataset_info.json"


class HuggingFace(Format):
    """Columns as Arrow types them; the splits of a `DatasetDict` get a column "split"."""

    name = "hugging_face"

    def sniff(self, path: Path) -> bool:
        return path.is_dir() and ((path / STATE).is_file() or (path / DICT).is_file())

    def class_names(self, path: Path) -> Mapping[str, Sequence[str]]:
        for _, folder in _splits(path):
            if (folder / INFO).is_file():
                return class_names_of(_json(folder / INFO).get("features"))
        return {}

    def batches(self, path: Path, limits: Limits) -> Iterator[Batch]:
        for split, folder in _splits(path):
            for shard in _shards(folder):
                for batch in Arrow().file_batches(shard, limits):
                    yield batch if split is None else _in_split(batch, split)

    def without(self, path: Path, drop: Int, limits: Limits) -> tuple[list[Edit], int]:
        edits: list[Edit] = []
        first = 0
        for _, folder in _splits(path):
            changed = False
            for shard in _shards(folder):
                try:
                    count = sum(block.num_rows for block in record_batches(shard))
                except (pa.ArrowException, OSError) as error:
                    if short_of_memory(error):
                        raise
                    raise damaged(shard, error, 0) from error
                here = drop[(drop >= first) & (drop < first + count)] - first
                if len(here):
                    changed = True
                    edits.append(Rewritten(shard, _Filter(shard, here)))
                first += count
            if changed:  # the library caches by this value: a changed data set must not keep it
                edits.append(Rewritten(folder / STATE, _Refingerprint(folder / STATE, drop)))
        return edits, first

    def write(self, table: pa.Table, images: UInt8 | None, out: Path) -> Layout:
        """One data set of one shard; a column "split" stays a column."""
        out.mkdir()
        whole = with_pictures(table, images)
        name = "data-00000-of-00001.arrow"
        features = {field.name: _feature(field.type) for field in whole.schema}
        if images is not None:
            features["image"] = {"_type": "Image"}
        schema = whole.schema.with_metadata({"huggingface": json.dumps({"info": {"features": features}})})
        with pa.OSFile(str(out / name), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
            writer.write_table(whole.cast(schema), max_chunksize=1000)
        mark = sha256((out / name).read_bytes()).hexdigest()[:16]
        state: dict[str, Any] = {
            "_data_files": [{"filename": name}],
            "_fingerprint": mark,
            "_format_columns": None,
            "_format_kwargs": {},
            "_format_type": None,
            "_output_all_columns": False,
            "_split": None,
        }
        info = {"citation": "", "description": "", "features": features, "homepage": "", "license": ""}
        (out / STATE).write_text(json.dumps(state, indent=2), encoding="utf-8")
        (out / INFO).write_text(json.dumps(info, indent=2), encoding="utf-8")
        return Layout()


class _Filter:
    def __init__(self, path: Path, drop: Int) -> None:
        self.path, self.drop = path, drop

    def __call__(self, new: Path) -> None:
        filtered(self.path, new, self.drop)


class _Refingerprint:
    def __init__(self, path: Path, drop: Int) -> None:
        self.path, self.drop = path, drop

    def __call__(self, new: Path) -> None:
        state = _json(self.path)
        old = str(state.get("_fingerprint"))
        state["_fingerprint"] = sha256(old.encode() + self.drop.tobytes()).hexdigest()[:16]
        new.write_text(json.dumps(state, indent=2), encoding="utf-8")


def _in_split(batch: Batch, split: str) -> Batch:
    if "split" in batch.table.column_names:
        return batch
    rows = batch.count - len(batch.faults)
    column = pa.array([split] * rows, pa.string())
    table = batch.table.append_column("split", column) if batch.table.num_columns else pa.table({"split": column})
    return replace(batch, table=table)


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"damaged ({error})", path=path, remedy="save the data set again with save_to_disk") from error
    if not isinstance(value, dict):
        raise DataError("holds no object", path=path, remedy="save the data set again with save_to_disk")
    return value


def _splits(path: Path) -> list[tuple[str | None, Path]]:
    if not (path / DICT).is_file():
        return [(None, path)]
    splits = _json(path / DICT).get("splits", [])
    if not isinstance(splits, list):
        raise DataError("names no splits", path=path / DICT, remedy="save the data set again with save_to_disk")
    names = sorted(map(str, splits))
    for name in names:
        if Path(name).name != name or not (path / name / STATE).is_file():
            raise DataError(f"the split {name!r} is not there", path=path / DICT, remedy="save the data set again with save_to_disk")
    return [(name, path / name) for name in names]


def _shards(folder: Path) -> list[Path]:
    state = _json(folder / STATE)
    if state.get("_indices_data_files") or state.get("_indices_files"):
        raise DataError("saved with an index over its rows", path=folder, remedy="call flatten_indices() and then save_to_disk() again")
    entries = state.get("_data_files", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise DataError("names no data files", path=folder / STATE, remedy="save the data set again with save_to_disk")
    names = [str(entry.get("filename")) for entry in entries]
    for name in names:
        if Path(name).name != name or not (folder / name).is_file():
            raise DataError(f"the data file {name!r} is not there", path=folder / STATE, remedy="fetch or save the data set again")
    return [folder / name for name in names]


def _feature(kind: pa.DataType) -> dict[str, Any]:
    """The library's name of an Arrow type."""
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return {"feature": _feature(kind.value_type), "_type": "List"}
    names = {"double": "float64", "float": "float32", "halffloat": "float16"}
    return {"dtype": names.get(str(kind), str(kind)), "_type": "Value"}
