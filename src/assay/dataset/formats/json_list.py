"""A JSON list of objects, as instruction data are published (alpaca_data.json): read as a stream, an object at a time."""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np
import pyarrow as pa

from assay.dataset.compressed import compression, create_plain, damaged, open_plain, without_bytes
from assay.dataset.edits import Cut, Edit, Rewritten, runs
from assay.dataset.errors import DataError
from assay.dataset.formats.base import BATCH_ROWS, Batch, FileFormat, Int, Layout, UInt8, suffix
from assay.dataset.formats.jsonl import batch_of_records, deeper, encoding_of
from assay.dataset.limits import MIB, Limits

BLANK = " \t\r\n"
BLOCK = MIB  # bytes unpacked at a time
TEXTUAL = (".txt", ".text", ".txt.gz", ".txt.zst", "")
ABOUT = ("readme", "license", "licence", "notice", "copying", "citation", "changelog", "authors", "contributing")
REMEDY = "check that it is one JSON list of objects: python -m json.tool FILE"


class JsonList(FileFormat):
    """Values as JSON types them; a missing key is null. A value that is not an object is listed, not fatal; a list that is broken is."""

    name = "json"
    suffixes: ClassVar[tuple[str, ...]] = (".json", ".json.gz", ".json.zst")

    def fits(self, names: Iterable[str]) -> bool:
        """As elsewhere; but beside plain text (or IDX files) that is no documentation, JSON is what lies beside."""
        held = list(names)
        plain = (n.rpartition("/")[2].lower() for n in held if suffix(n) in TEXTUAL)
        return super().fits(held) and all(n.startswith(ABOUT) for n in plain)

    def file_batches(self, path: Path, limits: Limits) -> Iterator[Batch]:
        records: list[Mapping[str, Any]] = []
        faults: dict[int, str] = {}
        first, place, held = 0, 0, 0
        for value, start, stop in _values(path, limits):
            reason = _unfit(value, limits)
            if reason is None:
                records.append(value)
            else:
                faults[place] = reason
            place, held = place + 1, held + stop - start
            if place == BATCH_ROWS or held > limits.line:
                yield batch_of_records(records, place, faults, path, first, limits)
                first, place, held, records, faults = first + place, 0, 0, [], {}
        if place:
            yield batch_of_records(records, place, faults, path, first, limits)

    def file_without(self, path: Path, limits: Limits) -> tuple[int, Callable[[Int], Edit]]:
        spans = np.array([(start, stop) for _, start, stop in _values(path, limits)], np.int64).reshape(-1, 2)
        return len(spans), partial(_edit, path, spans)

    def write(self, table: pa.Table, images: UInt8 | None, out: Path) -> Layout:
        if images is not None:
            raise DataError("a JSON list cannot hold pictures", path=out.name, remedy="write Parquet or a folder of pictures")
        before = "[\n"
        with create_plain(out) as file:
            for block in table.to_batches(max_chunksize=BATCH_ROWS):
                for record in block.to_pylist():
                    file.write((before + json.dumps(record, ensure_ascii=False, default=str)).encode())
                    before = ",\n"
            file.write(b"\n]\n" if before == ",\n" else b"[]\n")
        return Layout()


def _unfit(value: Any, limits: Limits) -> str | None:
    if not isinstance(value, dict):
        return f"a JSON {type(value).__name__}, not an object"
    return f"values within values, more than {limits.depth} deep" if deeper(value, limits.depth) else None


class _Text:
    """The file's text from a moving place on: `text[at:]`; `offset` is the byte of `text[at]`."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file, self._path = file, path
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self.text, self.at, self.offset, self.ended, self.row = "", 0, 0, False, 0

    def more(self) -> None:
        """Take in as much again as is held, so that a long record is looked at a few times only."""
        data = self._file.read(max(BLOCK, len(self.text) - self.at))
        held = self.offset + len(self.text[self.at :].encode())
        try:
            new = self._decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            raise DataError(
                f"not UTF-8: byte 0x{error.object[error.start]:02x} at byte offset {held + error.start:,}",
                path=self._path,
                row=self.row,
                remedy=f"save it as UTF-8, for instance: iconv -f {encoding_of(data if not held else b'')} -t UTF-8 OLD.json > NEW.json",
            ) from error
        self.text, self.at, self.ended = self.text[self.at :] + new, 0, not data

    def skip(self, count: int) -> None:
        self.offset += len(self.text[self.at : self.at + count].encode())
        self.at += count

    def next(self) -> str:
        """The next character that is not blank, which stays; "" at the end."""
        while True:
            begin = self.at
            while self.at < len(self.text) and self.text[self.at] in BLANK:
                self.at += 1
            self.offset += self.at - begin
            if self.at < len(self.text) or self.ended:
                return self.text[self.at : self.at + 1]
            self.more()


def _values(path: Path, limits: Limits) -> Iterator[tuple[Any, int, int]]:
    """(value, first byte, byte after its last) of each in the list. Raises DataError where the list breaks off or is none."""
    read = json.JSONDecoder().raw_decode
    row = 0
    try:
        with open_plain(path) as file:
            text = _Text(file, path)
            text.more()
            if text.text.startswith("\ufeff"):
                text.skip(1)
            opening = text.next()
            if opening != "[":
                raise _no_list(path, text, opening)
            text.skip(1)
            if text.next() == "]":
                text.skip(1)
            else:
                while True:
                    text.row = row
                    text.next()
                    value, length = _value(text, read, path, limits)
                    start = text.offset
                    text.skip(length)
                    yield value, start, text.offset
                    row += 1
                    mark = text.next()
                    if mark not in (",", "]"):
                        raise _broken("a comma or the end of the list is expected", text, path)
                    text.skip(1)
                    if mark == "]":
                        break
            if text.next():
                raise _broken("something follows the list", text, path)
    except OSError as error:
        if compression(path) is None:
            raise
        raise damaged(path, row, error) from error


def _no_list(path: Path, text: _Text, opening: str) -> DataError:
    lines = text.text[text.at :].splitlines()[:2]
    if opening == "{" and len(lines) == 2 and all(line.startswith("{") and line.rstrip().endswith("}") for line in lines):
        return DataError(
            "the file holds an object a line, and is no JSON list", path=path, remedy=f"call it {path.name.replace('.json', '.jsonl')}"
        )
    holds = "is empty" if not opening else "is no JSON list"
    return DataError(f"the file {holds}", path=path, remedy="give a list of objects; of an object that holds one: jq .data")


def _value(text: _Text, read: Callable[[str, int], tuple[Any, int]], path: Path, limits: Limits) -> tuple[Any, int]:
    """The value that begins here and its length in characters, whole: what follows it has been seen."""
    while True:
        try:
            value, end = read(text.text, text.at)
            if text.ended or end < len(text.text):
                if end - text.at > limits.line:
                    break
                return value, end - text.at
        except (json.JSONDecodeError, RecursionError) as error:
            if text.ended or isinstance(error, RecursionError):
                raise _broken(f"not JSON ({error.msg if isinstance(error, json.JSONDecodeError) else error})", text, path) from error
        if len(text.text) - text.at > limits.line:
            break
        text.more()
    raise DataError(
        f"from byte {text.offset:,} no value ends within {limits.line:,} bytes",
        path=path,
        row=text.row,
        remedy=REMEDY + ", or give a larger Limits(line=...)",
    )


def _broken(what: str, text: _Text, path: Path) -> DataError:
    return DataError(f"{what} at byte offset {text.offset:,}", path=path, row=text.row, remedy=REMEDY)


def _edit(path: Path, spans: Int, drop: Int) -> Edit:
    start, stop = _cuts(spans, drop)
    if compression(path) is not None:
        return Rewritten(path, partial(without_bytes, path, start=start, stop=stop))
    return Cut(path, start, stop)


def _cuts(spans: Int, drop: Int) -> tuple[Int, Int]:
    """What to take out so that a list stays: a value with the comma after it, or, at the end of the list, with the one before."""
    kept = np.setdiff1d(np.arange(len(spans)), drop)
    last = int(kept[-1]) if len(kept) else -1
    inner = drop[drop < last]
    start, stop = spans[inner, 0], spans[inner + 1, 0]
    if last < len(spans) - 1:
        tail = spans[last, 1] if len(kept) else spans[0, 0]
        start, stop = np.append(start, tail), np.append(stop, spans[-1, 1])
    return runs(start, stop)
