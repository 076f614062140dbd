"""CSV and TSV: text, one record a line, the delimiter and the header found by looking."""

from __future__ import annotations

import codecs
import csv
import mmap
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from assay.dataset.cells import ColumnKind
from assay.dataset.compressed import COMPRESSIONS, compression, create_plain, unpacked, without_bytes
from assay.dataset.edits import Edit, Rewritten, cut_out, runs
from assay.dataset.errors import DataError
from assay.dataset.formats.base import Batch, FileFormat, Int, Layout, UInt8, check_fields, distinct_names
from assay.dataset.formats.jsonl import flat
from assay.dataset.formats.records import Spans, spans
from assay.dataset.limits import MIB, Limits

HEAD = 256 * 1024  # bytes looked at to find the delimiter
NO_DELIMITER = "\x1f"  # of a file with one column: its text may hold commas, and never holds this
DELIMITERS = ",\t;|"  # in the order in which a tie is decided
SEPARATOR = re.compile(r'"?sep=([,;|\t])"?[ \t,;|]*$', re.IGNORECASE)  # the first line of what Excel is to open, wherever it is opened
SURE = 20  # records with as many fields as one another below lines of one field: they are a table under a title
BLOCK = 8 * MIB  # bytes parsed together, to the end of the record
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
UTF8_REMEDY = "save it as UTF-8, for instance: iconv -f WINDOWS-1252 -t UTF-8 OLD.csv > NEW.csv"


@dataclass(frozen=True)
class Block:
    """Whole records that are parsed together: their bytes in the file, and the number of the first."""

    start: int
    stop: int
    first: int


@dataclass(frozen=True)
class Dialect:
    """How a file is written."""

    delimiter: str
    names: tuple[str, ...]
    before: int  # records that are none: the one that holds the names, and what a spreadsheet says of the delimiter above it
    quoting: bool  # whether a quote at the start of a field opens it, or is a character like any other
    blocks: tuple[Block, ...]  # the records in turn, header not counted
    records: int  # header not counted
    notes: tuple[str, ...] = ()
    repeated: tuple[str, ...] = ()  # names that more than one column of the file has; `names` tells them apart


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _head(path: Path) -> str:
    with path.open("rb") as file:
        data = file.read(HEAD)
    if not data.strip():
        raise DataError("the file is empty", path=path, remedy="give a file with a header line and records")
    if data.startswith(UTF16):
        raise DataError(
            "UTF-16, and UTF-8 is read (at byte offset 0)",
            path=path,
            remedy=UTF8_REMEDY.replace("WINDOWS-1252", "UTF-16"),
        )
    if b"\0" in data:
        offset = data.index(b"\0")
        raise DataError(f"a zero byte at byte offset {offset:,}: not a text file", path=path, remedy="give a CSV file in UTF-8")
    return codecs.getincrementaldecoder("utf-8-sig")("replace").decode(data)


def _delimiter(path: Path, head: str) -> str:
    """The delimiter under which the first records have the same number of fields, the more the better."""
    lines = head.splitlines(keepends=True)
    if said := SEPARATOR.match(lines[0].rstrip("\r\n") if lines else ""):
        return said[1]
    if path.suffix.lower() in (".tsv", ".tab"):
        return "\t"
    whole = lines[:-1] if len(lines) > 1 and len(head) >= HEAD // 2 else lines
    best, best_score = NO_DELIMITER, 0.0
    for delimiter in DELIMITERS:
        try:
            widths = [len(row) for row, _ in zip(csv.reader(whole, delimiter=delimiter), range(50), strict=False) if row]
        except csv.Error:
            continue
        if not widths or widths[0] < 2:
            continue
        score = sum(width == widths[0] for width in widths) / len(widths) + min(widths[0], 50) * 1e-4
        if score > best_score + 1e-9:
            best, best_score = delimiter, score
    return best


def _title(path: Path, head: str) -> str | None:
    """What is to be said of a table below a title of its own, which is read as one column of that name; None if it is none.

    It may as well be a column of texts with as many commas each. DataError where all that stands above is remarks.
    """
    lines = head.splitlines(keepends=True)
    tables: list[tuple[int, int, int, str]] = []  # lines above, records looked at, their fields, delimiter
    for delimiter in DELIMITERS:
        try:
            widths = [len(row) for row, _ in zip(csv.reader(lines[:-1] or lines, delimiter=delimiter), range(50), strict=False) if row]
        except csv.Error:
            continue
        above = next((i for i, width in enumerate(widths) if width > 1), len(widths))
        if len(set(widths[above:])) == 1 and len(widths) - above >= 2:
            tables.append((above, len(widths) - above, widths[above], delimiter))
    if not tables:
        return None
    above, records, fields, delimiter = min(tables)
    which = "line has" if above == 1 else f"{above} lines have"
    found = f"the first {which} one field, and those below have {fields} with {delimiter!r} between them"
    if all(line.lstrip().startswith("#") for line in [line for line in lines if line.strip()][:above]):
        remedy = "take the remarks above the names of the columns out of a copy of the file"
        raise DataError(f"{found}: the names of the columns stand lower down", path=path, remedy=remedy)
    return f"{found}: all is read as one column. If it is a table below a title, take the title out." if records >= SURE else None


def _fields(path: Path, start: int, stop: int, delimiter: str, quoting: bool) -> list[str]:
    with path.open("rb") as file:
        file.seek(start)
        text = file.read(stop - start)
    try:
        line = text.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise _not_utf8(path, start + error.start) from error
    csv.field_size_limit(max(csv.field_size_limit(), len(line) + 1))
    if not quoting:
        return line.split(delimiter)
    return next(csv.reader(line.splitlines(keepends=True), delimiter=delimiter))


def _not_utf8(path: Path, offset: int) -> DataError:
    row = -1  # the header
    with path.open("rb") as file:
        left = offset
        while left > 0 and (block := file.read(min(MIB, left))):
            row, left = row + block.count(b"\n"), left - len(block)
        file.seek(offset)
        byte = file.read(1)
    return DataError(
        f"not UTF-8: byte 0x{byte.hex()} at byte offset {offset:,} (line {row + 2})",
        path=path,
        row=max(row, 0),
        remedy=UTF8_REMEDY,
    )


def _first_bad_byte(path: Path) -> int | None:
    """Where the file stops being UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    offset = 0
    with path.open("rb") as file:
        while True:
            block = file.read(MIB)
            held = len(decoder.getstate()[0])
            try:
                decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                return offset - held + error.start
            if not block:
                return None
            offset += len(block)


def dialect(path: Path, limits: Limits) -> Dialect:
    """How the file is written. Raises DataError if it is empty, not text, or no record can be told from the next."""
    head = _head(path)
    offset = _first_bad_byte(path)
    if offset is not None:
        raise _not_utf8(path, offset)
    delimiter = _delimiter(path, head)
    notes: list[str] = []
    repeated: tuple[str, ...] = ()
    quoting = True
    where = spans(path, delimiter, quoting, limits)
    if delimiter == "\t" and not _encloses(path, where):
        quoting = False
        where = spans(path, delimiter, quoting, limits)
        notes.append("quotes are read as characters: they do not enclose fields in this tab-separated file")
    if delimiter == NO_DELIMITER and (title := _title(path, head)):
        notes.append(title)
    if len(where) == 0:
        raise DataError("there are only empty lines", path=path, remedy="give a file with a header line and records")
    said = _fields(path, int(where.start[0]), int(where.stop[0]), delimiter, quoting)
    above = int(bool(SEPARATOR.match(delimiter.join(said).lstrip("\ufeff"))) and len(where) > 1)
    first = _fields(path, int(where.start[above]), int(where.stop[above]), delimiter, quoting)
    if len(first) > limits.columns:
        raise DataError(f"{len(first):,} columns", path=path, remedy="check that this is a CSV file with a header line")
    numbers = sum(_is_number(cell) for cell in first)
    header = numbers <= len(first) / 2
    names = distinct_names((cell.strip() for cell in first) if header else ["" for _ in first])
    if not header:
        notes.append(f"the first line holds values, so the columns are called {names[0]} to {names[-1]}")
    elif (said := [cell.strip() for cell in first]) != names:
        repeated = tuple(name for name, count in Counter(said).items() if name and count > 1)
        notes.append("column names that were empty or repeated have been made distinct")
    before = above + header
    return Dialect(delimiter, tuple(names), before, quoting, _blocks(where, before), len(where) - before, tuple(notes), repeated)


def _blocks(where: Spans, before: int) -> tuple[Block, ...]:
    start, stop = where.start[before:], where.stop[before:]
    blocks, first = [], 0
    while first < len(start):
        after = int(np.searchsorted(stop, start[first] + BLOCK)) + 1
        blocks.append(Block(int(start[first]), int(stop[min(after, len(stop)) - 1]), first))
        first = after
    return tuple(blocks)


# a record whose quoted fields close right before a delimiter or the end
CLOSED = re.compile(rb'(?:"[^"]*+(?:""[^"]*+)*+"|[^"\t][^\t]*+|)(?:\t(?:"[^"]*+(?:""[^"]*+)*+"|[^"\t][^\t]*+|))*+')


def _encloses(path: Path, where: Spans) -> bool:
    """Whether quotes in a tab-separated file enclose fields (as spreadsheets write) or are characters (as corpora have
    them).

    They enclose if, with the records read so, every quote that opens a field closes it.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for start, stop in zip(where.start.tolist(), where.stop.tolist(), strict=True):
            record = data[start:stop]
            if b'"' in record and CLOSED.fullmatch(record.rstrip(b"\r\n")) is None:
                return False
    return True


class Delimited(FileFormat):
    """CSV (comma, semicolon, bar) and TSV. Types are learnt from every value of a column, see `assay.dataset.cells`.

    Packed files are unpacked into a temporary folder while they are read: twice, and by byte offsets.
    """

    name = "csv"
    suffixes: ClassVar[tuple[str, ...]] = tuple(e + c for e in (".csv", ".tsv", ".tab") for c in ("", *COMPRESSIONS))

    def batches(self, path: Path, limits: Limits) -> Iterator[Batch]:
        with ExitStack() as stack:
            yield from self._batches([stack.enter_context(unpacked(file, limits.unpacked)) for file in self.parts(path)], limits)

    def _batches(self, paths: list[Path], limits: Limits) -> Iterator[Batch]:
        # one type a column over all files of a folder: first every value is looked at, then every value is cast
        files = [(file, dialect(file, limits)) for file in paths]
        total = sum(how.records for _, how in files)
        kinds: dict[str, ColumnKind] = {}
        for file, how in files:
            for batch in _strings(file, how, limits):
                for name in batch.table.column_names:
                    kind = kinds.setdefault(name, ColumnKind())
                    for chunk in batch.table.column(name).chunks:
                        kind.add(chunk)
        for file, how in files:
            for batch in _strings(file, how, limits):
                yield Batch(_cast(batch.table, kinds), batch.count, batch.faults, total=total, notes=how.notes)

    def file_batches(self, path: Path, limits: Limits) -> Iterator[Batch]:
        yield from self.batches(path, limits)

    def file_without(self, path: Path, limits: Limits) -> tuple[int, Callable[[Int], Edit]]:
        with unpacked(path, limits.unpacked) as plain:
            how = dialect(plain, limits)
            where = spans(plain, how.delimiter, how.quoting, limits)
        start, stop = where.start[how.before :], where.stop[how.before :]
        if compression(path) is not None:
            return len(start), partial(_rewritten, path, start, stop)
        return len(start), partial(cut_out, path, start, stop)

    def write(self, table: pa.Table, images: UInt8 | None, out: Path) -> Layout:
        if images is not None:
            raise DataError("a CSV file cannot hold pictures", path=out.name, remedy="write Parquet or a folder of pictures")
        plain = out.with_suffix("") if compression(out) else out
        delimiter = "\t" if plain.suffix.lower() in (".tsv", ".tab") else ","
        with create_plain(out) as file:
            pa_csv.write_csv(flat(table), file, pa_csv.WriteOptions(delimiter=delimiter))
        return Layout()


def _rewritten(path: Path, start: Int, stop: Int, drop: Int) -> Rewritten:
    start, stop = runs(start[drop], stop[drop])
    return Rewritten(path, partial(without_bytes, path, start=start, stop=stop))


def _cast(table: pa.Table, kinds: dict[str, ColumnKind]) -> pa.Table:
    columns = [pa.chunked_array([kinds[name].cast(chunk) for chunk in table.column(name).chunks]) for name in table.column_names]
    return pa.table(columns, names=table.column_names)


def _strings(path: Path, how: Dialect, limits: Limits) -> Iterator[Batch]:
    """The records with every value as it is written; an empty field without quotes is null.

    A block is parsed in the calling thread: `pyarrow.csv.open_csv` reads ahead in a thread that holds `refuse`, and a
    process that ends before that thread does is aborted.
    """
    faults: list[tuple[int, str]] = []

    def refuse(row: pa_csv.InvalidRow) -> str:
        faults.append((row.number - 1, f"{row.actual_columns} fields where {row.expected_columns} are expected"))
        return "skip"

    parse = pa_csv.ParseOptions(
        delimiter=how.delimiter,
        quote_char='"' if how.quoting else False,
        newlines_in_values=how.quoting,
        invalid_row_handler=refuse,
        ignore_empty_lines=True,
    )
    convert = pa_csv.ConvertOptions(
        column_types={name: pa.string() for name in how.names},
        strings_can_be_null=True,
        null_values=[""],
        quoted_strings_can_be_null=False,
    )
    with path.open("rb") as file:
        for block in how.blocks:
            file.seek(block.start)
            data = file.read(block.stop - block.start)
            read = pa_csv.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=list(how.names))
            try:
                table = pa_csv.read_csv(pa.BufferReader(data), read, parse, convert)
            except pa.ArrowInvalid as error:
                raise DataError(
                    f"not readable as CSV ({error})", path=path, row=block.first, remedy="check its quotes and line ends"
                ) from error
            check_fields(table, limits, path, block.first)
            yield Batch(table, table.num_rows + len(faults), dict(faults))
            faults.clear()
