"""Arrow IPC: Feather files, IPC files and IPC streams."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa

from assay.dataset.edits import Edit, written_anew
from assay.dataset.errors import DataError, short_of_memory
from assay.dataset.formats.base import BATCH_ROWS, Batch, FileFormat, Int, Layout, UInt8, check_fields, distinct_columns
from assay.dataset.formats.embedded import class_names_in, lift_pictures, with_pictures
from assay.dataset.limits import Limits

MAGIC = b"ARROW1"  # of an IPC file; a stream has none


class Arrow(FileFormat):
    """Columns as the file types them; pictures as in Parquet."""

    name = "arrow"
    suffixes: ClassVar[tuple[str, ...]] = (".arrow", ".feather", ".ipc", ".arrows")

    def class_names(self, path: Path) -> Mapping[str, Sequence[str]]:
        for part in self.parts(path):
            try:
                with pa.memory_map(str(part)) as source:
                    return class_names_in(_reader(source, part)[0])
            except (pa.ArrowException, OSError) as error:
                if short_of_memory(error):
                    raise
                continue  # a damaged shard is told when its records are read
        return {}

    def file_batches(self, path: Path, limits: Limits) -> Iterator[Batch]:
        row = 0
        try:
            for block in record_batches(path):
                for start in range(0, block.num_rows, BATCH_ROWS):
                    table, pictures, faults = lift_pictures(distinct_columns(pa.Table.from_batches([block.slice(start, BATCH_ROWS)])))
                    check_fields(table, limits, path, row)
                    count = min(BATCH_ROWS, block.num_rows - start)
                    yield Batch(table, count, faults, pictures=pictures)
                    row += count
        except (pa.ArrowException, OSError) as error:
            if short_of_memory(error):
                raise
            raise damaged(path, error, row) from error

    def file_without(self, path: Path, limits: Limits) -> tuple[int, Callable[[Int], Edit]]:
        try:
            count = sum(block.num_rows for block in record_batches(path))
        except (pa.ArrowException, OSError) as error:
            if short_of_memory(error):
                raise
            raise damaged(path, error, 0) from error
        return count, partial(written_anew, path, partial(filtered, path))

    def write(self, table: pa.Table, images: UInt8 | None, out: Path) -> Layout:
        whole = with_pictures(table, images)
        with pa.OSFile(str(out), "wb") as sink, pa.ipc.new_file(sink, whole.schema) as writer:
            writer.write_table(whole)
        return Layout()


def damaged(path: Path, error: Exception, row: int) -> DataError:
    """What to say of an Arrow file that ends early or cannot be parsed; `row` is the first that could not be read."""
    return DataError(
        f"not a whole Arrow file: it is cut short or damaged ({error})",
        path=path,
        row=row,
        remedy="fetch or write the file again",
    )


def _reader(source: pa.NativeFile, path: Path) -> tuple[pa.Schema, Iterator[pa.RecordBatch], bool]:
    """(schema, batches, whether it is a stream)."""
    with path.open("rb") as file:
        stream = file.read(len(MAGIC)) != MAGIC
    if stream:
        reader = pa.ipc.open_stream(source)
        return reader.schema, iter(reader), True
    whole = pa.ipc.open_file(source)
    return whole.schema, (whole.get_batch(i) for i in range(whole.num_record_batches)), False


def record_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """The batches of an IPC file or stream, mapped, not copied.

    Each is validated in full: Arrow trusts the offsets in a file, and one that points elsewhere would end the process.
    """
    with pa.memory_map(str(path)) as source:
        for block in _reader(source, path)[1]:
            block.validate(full=True)
            yield block


def filtered(path: Path, new: Path, drop: Int) -> None:
    """The same file, or stream, without some rows."""
    with pa.memory_map(str(path)) as source, pa.OSFile(str(new), "wb") as sink:
        schema, batches, stream = _reader(source, path)
        first = 0
        with (pa.ipc.new_stream if stream else pa.ipc.new_file)(sink, schema) as writer:
            for block in batches:
                keep = np.ones(block.num_rows, np.bool_)
                keep[drop[(drop >= first) & (drop < first + block.num_rows)] - first] = False
                writer.write_batch(block.filter(pa.array(keep)))
                first += block.num_rows
