"""Where the records of a CSV file begin and end, in bytes.

Needed to say where a file is wrong, to refuse a record that would fill the memory, and to copy a file without some of
its records byte for byte. The grammar is that of RFC 4180 as parsers apply it: a quote opens a quoted field only as the
field's first character, a doubled quote inside it stands for one, and what follows the closing quote up to the
delimiter belongs to the field. Lines end with LF, CR LF or CR; an empty line holds no record.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from assay.dataset.errors import DataError
from assay.dataset.limits import MIB, Limits

LF, CR, QUOTE = 10, 13, 34
BLOCK = 16 * MIB  # bytes looked at together: large enough for numpy, small beside the memory


@dataclass(frozen=True)
class Spans:
    """Records by their place in the file: bytes `start[i]` to `stop[i]`, line end included. The header is a record too."""

    start: NDArray[np.int64]
    stop: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.start)


def open_field(line: bytes, delimiter: bytes, inside: bool) -> bool:
    """Whether a quoted field is still open at the end of a line, given whether one was open at its beginning.

    >>> open_field(b'a,"b', b",", False), open_field(b'c",d', b",", True), open_field(b'5" disk,x', b",", False)
    (True, False, False)
    """
    at = 0
    while True:
        if inside:
            quote = line.find(b'"', at)
            while quote >= 0 and line[quote + 1 : quote + 2] == b'"':
                quote = line.find(b'"', quote + 2)
            if quote < 0:
                return True
            inside, at = False, quote + 1
        elif at == 0 and line[:1] == b'"':
            inside, at = True, 1
            continue
        found = re.compile(re.escape(delimiter) + b'"').search(line, at)
        if found is None:
            return False
        inside, at = True, found.end()


def plain(data: NDArray[np.uint8], quotes: NDArray[np.int64], sep: bytes, inside: bool, first: int) -> bool:
    """Whether quotes open and close in turn: each that opens stands first in its field, each that closes last, or it is doubled.

    Then the parity of the quotes before a byte says whether it is inside a field, for all lines at once. `first`: where the block begins.

    >>> block = np.frombuffer(b'a,"b ""c"" d","e"', np.uint8)
    >>> plain(block, np.flatnonzero(block == 34), b",", False, 0)
    True
    """
    edges = np.zeros(256, bool)
    edges[[LF, CR, QUOTE, sep[0]]] = True
    opens, closes = quotes[int(inside) :: 2], quotes[1 - int(inside) :: 2]
    begun = edges[data[np.maximum(opens - 1, 0)]] | (opens == first)
    done = edges[data[np.minimum(closes + 1, len(data) - 1)]] | (closes == len(data) - 1)
    return bool(begun.all() and done.all())


def _lines(path: Path, limits: Limits) -> Iterator[tuple[int, bytes]]:
    """(offset, bytes) of blocks that end at a line end. Raises DataError for a line over the limit."""
    rest, offset = b"", 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            cut = block.rfind(b"\n") + 1
            if cut:
                yield offset, rest + block[:cut]
                offset += len(rest) + cut
                rest = block[cut:]
            else:
                rest += block
            if len(rest) > limits.line:
                raise too_long(path, offset, limits)
    if rest:
        yield offset, rest


def too_long(path: Path, offset: int, limits: Limits) -> DataError:
    """What to say of a record longer than the bound: its line number is counted up to byte `offset`."""
    with path.open("rb") as file:
        row, left = 0, offset
        while left > 0 and (block := file.read(min(BLOCK, left))):
            row, left = row + block.count(b"\n"), left - len(block)
    return DataError(
        f"line {row + 1} (from byte {offset:,}) is longer than {limits.line:,} bytes",
        path=path,
        row=max(row - 1, 0),
        remedy="check that its lines end with a line feed and that no quote is left open, or give a larger Limits(line=...)",
    )


def spans(path: Path, delimiter: str, quoting: bool, limits: Limits) -> Spans:
    """The records of a CSV file, header included. Raises DataError for a record over `limits.line` bytes."""
    starts: list[NDArray[np.int64]] = []
    stops: list[NDArray[np.int64]] = []
    sep, inside, began, carried_end = delimiter.encode(), False, 0, True
    for offset, block in _lines(path, limits):
        data = np.frombuffer(block, np.uint8)
        ends_line = data == LF
        if b"\r" in block:  # a CR ends a line too, unless an LF follows
            ends_line[:-1] |= (data[:-1] == CR) & (data[1:] != LF)
        stop = np.flatnonzero(ends_line) + 1
        if len(stop) == 0 or stop[-1] != len(block):
            stop = np.append(stop, len(block))
        start = np.concatenate(([0], stop[:-1]))
        if offset == 0 and block.startswith(b"\xef\xbb\xbf"):
            start[0] = 3
        ends = np.ones(len(stop), bool)  # whether a record ends with this line
        quotes = np.flatnonzero(data == QUOTE) if quoting else np.zeros(0, np.int64)
        if plain(data, quotes, sep, inside, int(start[0])):
            ends = (np.searchsorted(quotes, stop) + inside) % 2 == 0
            inside = bool((len(quotes) + inside) % 2)
        elif quoting and (inside or len(quotes)):
            quoted = np.unique(np.searchsorted(stop, quotes, side="right"))
            line = 0
            for number in quoted.tolist():
                if inside:
                    ends[line:number] = False
                inside = open_field(block[start[number] : stop[number]].rstrip(b"\r\n"), sep, inside)
                ends[number] = not inside
                line = number + 1
            if inside:
                ends[line:] = False
        begins = np.concatenate(([True], ends[:-1]))
        first, last = offset + start[begins], offset + stop[ends]
        if starts and not carried_end:
            first = first[1:]  # this block goes on with a record that began before it
        carried_end = bool(ends[-1])
        starts.append(first)
        stops.append(last)
        began = int(first[-1]) if len(first) else began
        if not carried_end and offset + len(block) - began > limits.line:
            raise too_long(path, began, limits)
    start_all = np.concatenate(starts) if starts else np.zeros(0, np.int64)
    stop_all = np.concatenate(stops) if stops else np.zeros(0, np.int64)
    if len(start_all) > len(stop_all):  # a quote left open at the end
        stop_all = np.append(stop_all, path.stat().st_size)
    over = np.flatnonzero(stop_all - start_all > limits.line)
    if len(over):
        raise too_long(path, int(start_all[over[0]]), limits)
    blank = _blank(path, start_all, stop_all)
    return Spans(start_all[~blank], stop_all[~blank])


def _blank(path: Path, start: NDArray[np.int64], stop: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Records that are empty lines."""
    blank = stop - start <= 2
    if blank.any():
        with path.open("rb") as file:
            for i in np.flatnonzero(blank).tolist():
                file.seek(int(start[i]))
                blank[i] = not file.read(int(stop[i] - start[i])).strip(b"\r\n")
    return blank
