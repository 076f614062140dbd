"""JSON lines: one object a line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from assay.dataset.compressed import compression, create_plain, damaged, lines_without, open_plain
from assay.dataset.edits import Edit
from assay.dataset.errors import DataError, short_of_memory
from assay.dataset.formats.base import BATCH_ROWS, Batch, FileFormat, Int, Layout, UInt8, check_fields
from assay.dataset.limits import Limits

BOM = b"\xef\xbb\xbf"
UTF16 = (b"\xff\xfe", b"\xfe\xff")
HALVES = "Halves of characters (lone surrogates, as an emoji leaves that was cut through) are read as U+FFFD."


class JsonLines(FileFormat):
    """Values as JSON types them; a missing key is null. A line that is not an object is listed, not fatal."""

    name = "jsonl"
    suffixes: ClassVar[tuple[str, ...]] = tuple(e + c for e in (".jsonl", ".ndjson", ".jsonlines") for c in ("", ".gz", ".zst"))

    def file_batches(self, path: Path, limits: Limits) -> Iterator[Batch]:
        done = 0
        try:
            for batch in self._batches(path, limits):
                yield batch
                done += batch.count
        except OSError as error:
            if compression(path) is None:
                raise
            raise damaged(path, done, error) from error

    def _batches(self, path: Path, limits: Limits) -> Iterator[Batch]:
        records: list[Mapping[str, Any]] = []
        faults: dict[int, str] = {}
        first, place, offset, number, held = 0, 0, 0, 0, 0
        with open_plain(path) as file:
            while line := file.readline(limits.line + 1):
                number += 1
                if len(line) > limits.line:
                    raise DataError(
                        f"line {number} (from byte {offset:,}) is longer than {limits.line:,} bytes",
                        path=path,
                        row=first + place,
                        remedy="check that each record ends with a line feed, or give a larger Limits(line=...)",
                    )
                begin, offset = offset, offset + len(line)
                text = line[3:] if begin == 0 and line.startswith(BOM) else line
                if not text.strip():
                    continue
                record = _record(text, path, first + place, begin, number, limits)
                if isinstance(record, str):
                    faults[place] = record
                else:
                    records.append(record)
                place, held = place + 1, held + len(line)
                if place == BATCH_ROWS or held > limits.line:
                    yield batch_of_records(records, place, faults, path, first, limits)
                    first, place, held, records, faults = first + place, 0, 0, [], {}
        if place:
            yield batch_of_records(records, place, faults, path, first, limits)

    def file_without(self, path: Path, limits: Limits) -> tuple[int, Callable[[Int], Edit]]:
        return lines_without(path, BOM)

    def write(self, table: pa.Table, images: UInt8 | None, out: Path) -> Layout:
        if images is not None:
            raise DataError("JSON lines cannot hold pictures", path=out.name, remedy="write Parquet or a folder of pictures")
        with create_plain(out) as file:
            for block in table.to_batches(max_chunksize=BATCH_ROWS):
                for record in block.to_pylist():
                    file.write((json.dumps(record, ensure_ascii=False, default=str) + "\n").encode())
        return Layout()


def batch_of_records(records: list[Mapping[str, Any]], count: int, faults: dict[int, str], path: Path, first: int, limits: Limits) -> Batch:
    """`count` records from number `first` on, those at the places in `faults` left out."""
    table, notes = read_table(records)
    check_fields(table, limits, path, first)
    return Batch(table, count, faults, notes=notes)


def _record(line: bytes, path: Path, row: int, begin: int, number: int, limits: Limits) -> Mapping[str, Any] | str:
    """The object, or why there is none."""
    try:
        value = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise DataError(
            f"not UTF-8: byte 0x{line[error.start]:02x} at byte offset {begin + error.start:,} (line {number})",
            path=path,
            row=row,
            remedy=f"save it as UTF-8, for instance: iconv -f {encoding_of(line if begin == 0 else b'')} -t UTF-8 OLD.jsonl > NEW.jsonl",
        ) from error
    except (json.JSONDecodeError, RecursionError) as error:
        if row == 0 and line.lstrip()[:1] == b"[":
            raise DataError(
                "one JSON list over several lines, and one object a line is read",
                path=path,
                row=0,
                remedy="turn it round: jq -c '.[]' OLD.json > NEW.jsonl",
            ) from error
        return f"line {number} is not JSON ({error})"
    if not isinstance(value, dict):
        return f"line {number} holds a JSON {type(value).__name__}, not an object"
    if deeper(value, limits.depth):
        return f"line {number} has values within values, more than {limits.depth} deep"
    return value


def encoding_of(start: bytes) -> str:
    """What a text that is no UTF-8 may be in, by its first bytes.

    >>> encoding_of(b"\\xff\\xfe{"), encoding_of(b'{"a": "\\xe9"}')
    ('UTF-16', 'WINDOWS-1252')
    """
    return "UTF-16" if start.startswith(UTF16) else "WINDOWS-1252"


def deeper(value: Any, depth: int) -> bool:
    """Whether lists and objects lie within one another more than `depth` deep.

    >>> deeper({"a": [1]}, 2), deeper({"a": [[1]]}, 2)
    (False, True)
    """
    front = [value]
    for _ in range(depth):
        front = [v for one in front for v in (one.values() if isinstance(one, dict) else one) if isinstance(v, dict | list)]
        if not front:
            return False
    return True


def read_table(records: Sequence[Mapping[str, Any]]) -> tuple[pa.Table, tuple[str, ...]]:
    """Records as columns (`table_of`), and what was done to them. JSON may spell half of a character, which no text can hold.

    >>> read_table([{"a": "x\\ud83d"}])[0].to_pydict()
    {'a': ['x\ufffd']}
    """
    try:
        return table_of(records), ()
    except UnicodeEncodeError:
        return table_of([whole_characters(record) for record in records]), (HALVES,)


def whole_characters(value: Any) -> Any:
    """A value of JSON, or of a record in memory, which may hold moments and bytes too, with U+FFFD for each half of a character.

    >>> whole_characters({"a": ["x\\ud83d", b"y"]})
    {'a': ['x\ufffd', b'y']}
    """
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, Mapping):
        return {whole_characters(name): whole_characters(within) for name, within in value.items()}
    return [whole_characters(within) for within in value] if isinstance(value, list | tuple) else value


def table_of(records: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Records as columns. Where one column's values have no type in common, they are held as JSON text; strings stay as
    they are.

    >>> table_of([{"a": 1, "b": "x"}, {"a": 2.5}]).to_pydict()
    {'a': [1.0, 2.5], 'b': ['x', None]}
    >>> table_of([{"a": 1}, {"a": "x"}]).to_pydict()
    {'a': ['1', 'x']}
    """
    names: dict[str, None] = {}
    for record in records:
        names.update(dict.fromkeys(map(str, record)))
    if not names:
        return pa.table({}).slice(0, 0)
    return pa.table({name: column_of([record.get(name) for record in records]) for name in names})


def column_of(values: Sequence[Any]) -> pa.Array:
    """Python values as one Arrow column; JSON text where they share no type."""
    kinds = {type(v) for v in values if v is not None}
    try:
        if kinds == {int, float}:
            if all(abs(v) <= 2**53 for v in values if type(v) is int):
                return pa.array([None if v is None else float(v) for v in values], pa.float64())
        elif bool not in kinds or len(kinds) == 1:
            return pa.array(values)
    except (pa.ArrowException, OverflowError) as error:
        if short_of_memory(error):
            raise  # else: no Arrow type holds them all, and text below does
    return pa.array(as_text(values), pa.string())


def as_text(values: Iterable[Any]) -> list[str | None]:
    """Strings as they are, everything else as JSON."""
    return [v if v is None or isinstance(v, str) else json.dumps(v, ensure_ascii=False, sort_keys=True, default=str) for v in values]


def flat(table: pa.Table) -> pa.Table:
    """The table with lists, structs and bytes as JSON text, for formats that have only values."""
    for i, field in enumerate(table.schema):
        if pa.types.is_nested(field.type) or pa.types.is_binary(field.type):
            text = pa.array(as_text(table.column(i).to_pylist()), pa.string())
            table = table.set_column(i, field.name, text)
    return table
