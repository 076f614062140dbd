"""Following what others write: a file of JSON lines that grows, or a folder into which files are put. Each event counts once.

    FOLDER/tail.json     for each source, how far it was taken, and what was about to be taken

Where a batch ends is written down before the batch is given to the watch, so that after a crash the very same batch is given again, under
the same name, and the watch passes it over if it has it. A watch knows the names of its last batches only: of a large file it is written
down now and then how far it was taken, so that no more is given again than the watch can know. A Parquet file cannot be read before it is
whole: one that cannot be read yet is left for the next round. What it cannot see: lines that are changed after they were read, and files
that are there and gone between two rounds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from assay.dataset.errors import DataError
from assay.watch.frames import NAMES
from assay.watch.journal import replace_whole
from assay.watch.table_files import READERS, events_table

FILE = "tail.json"
CHUNK = 4 * 2**20  # bytes of a growing file that are taken together at most
EVERY = NAMES // 10  # batches of a file after which it is written down how far it was taken; meanwhile others may bring batches, too
LONGEST = 64 * 2**20  # bytes of one line: beyond it is no event


@dataclass(frozen=True)
class Piece:
    """A batch under the name by which the watch knows whether it has it."""

    name: str
    events: Any


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
        elif self.source.suffix == ".jsonl":
            yield from self._lines()
        else:
            raise DataError(
                "is neither a folder nor a .jsonl file", path=self.source, remedy="a single file is taken by assay watch ingest"
            )

    def _lines(self) -> Iterator[Piece]:
        if not self.source.exists():
            return
        held = self.source.stat()
        key = str(self.source.absolute())
        at = self._state.get(key, {})
        if at.get("inode") != held.st_ino or at["from"] > held.st_size:  # another file under this name, or emptied: from its beginning
            at = {"inode": held.st_ino, "from": 0, "until": None, "turn": at.get("turn", 0) + 1}
        with self.source.open("rb") as file:
            while True:
                file.seek(at["from"])
                if at["until"] is None:
                    read = file.read(CHUNK)
                    while b"\n" not in read and len(read) < LONGEST and (more := file.read(CHUNK)):
                        read += more
                    whole = read[: read.rfind(b"\n") + 1]
                    if not whole:
                        if len(read) >= LONGEST:
                            raise DataError(f"no line ends within {LONGEST:,} bytes", path=self.source, remedy="write one event a line")
                        self._keep(key, at)
                        return
                    at = {**at, "until": at["from"] + len(whole), "batch": self.batch}
                    self._keep(key, at)
                else:
                    whole = file.read(at["until"] - at["from"])
                events = [self._event(line, at["from"]) for line in whole.split(b"\n") if line.strip()]
                for part in self._parts(len(events), at, partial(self._keep, key)):
                    yield Piece(f"tail/{key}/{at['turn']}/{at['from']}/{part.start}", events[part])
                at = {"inode": at["inode"], "from": at["until"], "until": None, "turn": at["turn"]}
                self._keep(key, at)

    def _event(self, line: bytes, offset: int) -> dict[str, Any]:
        try:
            event = json.loads(line)
        except ValueError as error:
            raise DataError(
                f"not JSON, after byte {offset:,}: {error}", path=self.source, remedy="mend the line; what was taken stays"
            ) from error
        if not isinstance(event, dict):
            raise DataError(f"an event is a JSON object; after byte {offset:,}", path=self.source, remedy="mend the line")
        return event

    def _files(self) -> Iterator[Piece]:
        key = str(self.source.absolute())
        here = sorted(p for p in self.source.iterdir() if p.suffix in READERS and not p.name.startswith((".", "_")))
        done = {name: size for name, size in self._state.get(key, {}).items() if (self.source / name).exists()}
        for path in here:
            size = path.stat().st_size
            before = done.get(path.name, {"size": size, "batch": self.batch})  # the size of a file that was taken, or how far one was
            at = before if isinstance(before, dict) else {"size": before}
            if at["size"] != size:
                raise DataError("was taken, and has another size now", path=path, remedy="put what is new into a new file")
            if at is not before:
                continue
            try:
                table: pa.Table = events_table(path)
            except DataError:
                if path.suffix == ".parquet":  # not whole yet, or never: the others do not wait for it
                    continue
                raise
            keep = partial(self._keep_file, key, done, path.name)
            if table.num_rows > self.batch:
                keep(at)
            for part in self._parts(table.num_rows, at, keep):
                yield Piece(f"tail/{key}/{path.name}/{size}/{part.start}", table.slice(part.start, part.stop - part.start))
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
