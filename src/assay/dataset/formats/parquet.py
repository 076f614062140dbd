"""Parquet: one file, or a folder of files; pictures as structs {bytes, path} or as encoded bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from assay.dataset.edits import Edit, written_anew
from assay.dataset.errors import DataError, short_of_memory
from assay.dataset.formats.base import BATCH_ROWS, Batch, FileFormat, Int, Layout, UInt8, check_fields, distinct_columns
from assay.dataset.formats.embedded import class_names_in, lift_pictures, with_pictures
from assay.dataset.limits import Limits

MAGIC = b"PAR1"


class Parquet(FileFormat):
    """Columns as the file types them."""

    name = "parquet"
    suffixes: ClassVar[tuple[str, ...]] = (".parquet", ".pq", ".parq")

    def sniff_file(self, path: Path) -> bool:
        if super().sniff_file(path):
            return True
        with path.open("rb") as file:
            return file.read(4) == MAGIC

    def class_names(self, path: Path) -> Mapping[str, Sequence[str]]:
        for part in self.parts(path):
            try:
                return class_names_in(_open(part).schema_arrow)
            except DataError:
                continue  # a damaged shard is told when its records are read
        return {}

    def file_batches(self, path: Path, limits: Limits) -> Iterator[Batch]:
        file = _open(path)
        row = 0
        try:
            for block in file.iter_batches(batch_size=BATCH_ROWS):
                table, pictures, faults = lift_pictures(distinct_columns(pa.Table.from_batches([block])))
                check_fields(table, limits, path, row)
                yield Batch(table, block.num_rows, faults, pictures=pictures)
                row += block.num_rows
        except (pa.ArrowException, OSError) as error:
            if short_of_memory(error):
                raise
            raise DataError(f"the file is damaged ({error})", path=path, row=row, remedy="fetch or write the file again") from error

    def file_without(self, path: Path, limits: Limits) -> tuple[int, Callable[[Int], Edit]]:
        count = _open(path).metadata.num_rows
        return count, partial(written_anew, path, partial(_filter, path))

    def write(self, table: pa.Table, images: UInt8 | None, out: Path) -> Layout:
        pq.write_table(with_pictures(table, images), out)
        return Layout()


def _filter(path: Path, new: Path, drop: Int) -> None:
    """The same file without some rows: its row groups, schema, metadata and compression kept."""
    old = _open(path)
    groups = old.metadata.num_row_groups
    codec = old.metadata.row_group(0).column(0).compression if groups and old.metadata.num_columns else "SNAPPY"
    keep = np.ones(old.metadata.num_rows, np.bool_)
    keep[drop] = False
    first = 0
    with pq.ParquetWriter(new, old.schema_arrow, compression="NONE" if codec == "UNCOMPRESSED" else codec) as writer:
        for group in range(groups):
            table = old.read_row_group(group)
            writer.write_table(table.filter(pa.array(keep[first : first + table.num_rows])))
            first += table.num_rows


def _open(path: Path) -> pq.ParquetFile:
    if path.stat().st_size == 0:
        raise DataError("the file is empty", path=path, remedy="fetch or write the file again")
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        if short_of_memory(error):
            raise
        raise DataError(
            f"not a whole Parquet file: it is cut short or damaged ({error})",
            path=path,
            remedy="fetch or write the file again",
        ) from error
