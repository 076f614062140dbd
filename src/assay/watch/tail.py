"""Following what others write: a file of JSON lines that grows, or a folder into which files are put. Each event counts once.

    FOLDER/tail.json     for each source, how far it was taken, and what was about to be taken

Where a batch ends is written down before the batch is given to the watch, so that after a crash the very same batch is given again, under
the same name, and the watch passes it over if it has it. A watch knows the names of its last batches only: of a large file it is written
down now and then how far it was taken, so that no more is given again than the watch can know.

Where a part of a growing file ends is written down as a number of lines, and only once each of them was read: an event that is refused can
be mended where it stands, by a longer line too, whether the same file is written or another one put in its place. A growing file is known
by what stands before the place up to which it was taken: where something else stands there, it was turned over, and is taken from its
beginning. A Parquet file cannot be read before it is whole: one that cannot be read yet is left for the next round.

What it cannot see: what was added to a file after the last round before it was turned over, and files that are there and gone between two
rounds. A line that is changed after it was taken is not taken again where 64 KiB were taken after it; nearer, it makes another file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from assay.dataset.errors import DataError
from assay.watch.events import event_of
from assay.watch.frames import NAMES
from assay.watch.journal import replace_whole
from assay.watch.table_files import READERS, events_table

FILE = "tail.json"
CHUNK = 4 * 2**20  # bytes of a growing file that are taken together at most
EVERY = NAMES // 10  # batches of a file after which it is written down how far it was taken; meanwhile others may bring batches, too
LONGEST = 64 * 2**20  # bytes of one line: beyond it is no event
BEFORE = 64 * 2**10  # bytes by which a growing file is known again: some hundred events
WAITS = "; what was taken stays, the rest waits until then"


@dataclass(frozen=True)
class Piece:
    """A batch under the name by which the watch knows whether it has it. `rows`: of each event, its line (from 1) or row (from 0)."""

    name: str
    events: Any
    path: Path
    rows: Sequence[int]
    lines: bool

    def told(self, error: DataError) -> DataError:
        """What was wrong with one of the events, said of the file that it stands in."""
        what = "line" if self.lines else "row"
        first, last = (self.rows[0], self.rows[-1]) if error.row is None else (self.rows[error.row],) * 2
        place = f"{what} {first}" if first == last else f"{what}s {first} to {last}"
        remedy = (error.remedy or "mend the file") + WAITS
        return DataError(error.problem, path=f"{self.path}, {place}", column=error.column, remedy=remedy)


@dataclass
class Tail:
    """Where following stands. `source`: a .jsonl file, or a folder of .parquet, .csv and .jsonl files, each whole when it is there."""

    folder: Path
    source: Path
    batch: int = 2000
    _state: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        path = self.folder / FILE
        if path.exists():
            self._state = json.loads(path.read_bytes())

    def pieces(self) -> Iterator[Piece]:
        """What is new, in order; each is taken as done when the next one is asked for. Raises DataError for a line that is no event."""
        if self.source.is_dir():
            yield from self._files()
        elif self.source.suffix.lower() == ".jsonl":
            yield from self._lines()
        else:
            raise DataError(
                "is neither a folder nor a .jsonl file", path=self.source, remedy="a single file is taken by assay watch ingest"
            )

    def _lines(self) -> Iterator[Piece]:
        if not self.source.exists():
            return
        key = str(self.source.absolute())
        with self.source.open("rb", buffering=0) as file:  # what a buffer still holds is not what stands there
            at = _of_earlier(file, self._state.get(key, {"turn": 0}))
            while True:
                if not _same(file, at):  # it may be turned over between two parts, too
                    at = {"from": 0, "line": 0, "mark": _mark(file, 0, 0), "turn": at["turn"] + 1}
                if not (lines := self._whole(file, at)):
                    break
                events = [(i, self._event(line, i)) for i, line in enumerate(lines, at["line"] + 1) if line.strip()]
                end = at["from"] + sum(len(line) + 1 for line in lines)
                after = _mark(file, max(0, end - BEFORE), end)  # now: while the parts are taken, it may be turned over
                if "lines" not in at:
                    # At the beginning of a file its first line has to stand for it: as long as that is wrong, nothing was taken.
                    mark = at["mark"] if at["from"] else _mark(file, 0, len(lines[0]))
                    at = {**at, "lines": len(lines), "batch": self.batch, "mark": mark}
                    self._keep(key, at)
                for part in self._parts(len(events), at, partial(self._keep, key)):
                    rows, held = zip(*events[part], strict=True)
                    yield Piece(f"tail/{key}/{at['turn']}/{at['from']}/{part.start}", list(held), self.source, rows, True)
                at = {"from": end, "line": at["line"] + len(lines), "mark": after, "turn": at["turn"]}
                self._keep(key, at)
            self._keep(key, at)

    def _whole(self, file: BinaryIO, at: dict[str, Any]) -> list[bytes]:
        """The whole lines that come next: as many as were about to be taken, where that is written down."""
        file.seek(at["from"])
        most = at.get("lines")
        read = file.read(CHUNK)
        while read.count(b"\n") < (most or 1) and (most or len(read) < LONGEST) and (more := file.read(CHUNK)):
            read += more
        lines = read.split(b"\n")[:-1]
        if not lines and len(read) >= LONGEST:
            where = f"{self.source}, line {at['line'] + 1}"
            raise DataError(f"does not end within {LONGEST:,} bytes", path=where, remedy="write one event a line")
        return lines[:most]

    def _event(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            return event_of(line)
        except DataError as error:
            raise DataError(error.problem, path=f"{self.source}, line {number}", remedy="mend the line" + WAITS) from error

    def _files(self) -> Iterator[Piece]:
        key = str(self.source.absolute())
        here = sorted(p for p in self.source.iterdir() if p.suffix.lower() in READERS and not p.name.startswith((".", "_")))
        done = {name: size for name, size in self._state.get(key, {}).items() if (self.source / name).exists()}
        for path in here:
            size = path.stat().st_size
            before = done.get(path.name, {"size": size, "batch": self.batch})  # the size of a file that was taken, or how far one was
            at = before if isinstance(before, dict) else {"size": before}
            if at is not before:
                if at["size"] != size:
                    raise DataError("was taken, and has another size now", path=path, remedy="put what is new into a new file" + WAITS)
                continue
            try:
                table: pa.Table = events_table(path)
            except DataError as error:
                if path.suffix.lower() == ".parquet":  # not whole yet, or never: the others do not wait for it
                    continue
                remedy = (error.remedy or "mend the file") + WAITS
                raise DataError(error.problem, path=path, row=error.row, column=error.column, remedy=remedy) from error
            if at.get("rows", table.num_rows) != table.num_rows:  # a row that is mended may be longer, but is a row
                rows = f"{at['rows']:,} rows before, and {table.num_rows:,} now"
                raise DataError(
                    f"was taken in part, and had {rows}", path=path, remedy="mend rows, and neither add nor leave out any" + WAITS
                )
            at = {**at, "rows": table.num_rows}
            keep = partial(self._keep_file, key, done, path.name)
            if table.num_rows > self.batch:
                keep(at)
            for part in self._parts(table.num_rows, at, keep):
                name, rows_of = f"tail/{key}/{path.name}/{at['size']}/{part.start}", range(part.start, part.stop)
                yield Piece(name, table.slice(part.start, len(rows_of)), path, rows_of, False)
            done = {**done, path.name: size}  # a new one: `_keep` compares it with what it holds
            self._keep(key, done)

    def _parts(self, events: int, at: dict[str, Any], keep: Callable[[dict[str, Any]], None]) -> Iterator[slice]:
        """The batches of a file's events, of the size that it was begun with, from where it was taken to; `keep` is told of that."""
        start, batch = at.get("start", 0), at.get("batch", self.batch)
        for number, begin in enumerate(range(start, events, batch)):
            if number and number % EVERY == 0:
                keep({**at, "start": begin})
            yield slice(begin, min(begin + batch, events))

    def _keep_file(self, key: str, done: dict[str, Any], name: str, at: dict[str, Any]) -> None:
        self._keep(key, {**done, name: at})

    def _keep(self, key: str, at: dict[str, Any]) -> None:
        if self._state.get(key) != at:
            self._state[key] = at
            replace_whole(self.folder / FILE, json.dumps(self._state).encode())


def _mark(file: BinaryIO, start: int, end: int) -> list[Any]:
    """By what a file is known again: these bytes of it, and their digest."""
    file.seek(start)
    return [start, end, sha256(file.read(end - start)).hexdigest()]


def _same(file: BinaryIO, at: dict[str, Any]) -> bool:
    """Whether it is the file that was taken up to there, whatever was added to it since."""
    return "mark" in at and _mark(file, *at["mark"][:2]) == at["mark"]


def _of_earlier(file: BinaryIO, at: dict[str, Any]) -> dict[str, Any]:
    """What earlier versions wrote down, which knew a file by its number on the disk, as it is written down now."""
    held = os.fstat(file.fileno())
    if at.get("inode") != held.st_ino or at["from"] > held.st_size:
        return at
    begin = at["from"]
    before = sum(file.read(min(CHUNK, begin - start)).count(b"\n") for start in range(0, begin, CHUNK))
    now = {"from": begin, "line": before, "mark": _mark(file, max(0, begin - BEFORE), begin), "turn": at["turn"]}
    if at["until"] is None:
        return now
    file.seek(begin)
    lines = file.read(at["until"] - begin).count(b"\n")
    return {**now, "lines": lines, **{name: at[name] for name in ("batch", "start") if name in at}}
