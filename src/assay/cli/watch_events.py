"""Where assay watch ingest has its events from: a file, or lines from standard input."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.dataset.errors import DataError

if TYPE_CHECKING:
    from assay.watch.alerts import Alert
    from assay.watch.tail import Piece
    from assay.watch.watch import Watch

INPUT = "standard input"


@dataclass(frozen=True)
class Part:
    """A batch, under the name by which it counts once; `rows` are the numbers that its events have in `path`, `piece` that of what is
    followed."""

    events: Any
    name: str | None = None
    path: object = None
    rows: Sequence[int] = ()
    piece: Piece | None = None

    def into(self, watch: Watch) -> list[Alert]:
        """Have a watch take it. Raises DataError with the place in the file, and how much was taken before."""
        try:
            return watch.ingest(self.events, name=self.name)
        except DataError as error:
            if self.piece is not None:
                raise self.piece.told(error) from error
            if self.path is None or error.path is not None:  # of something else: the watch's own folder
                raise
            found = error.at(self.path, None if error.row is None else self.rows[error.row])
            if self.rows and self.rows[0]:
                raise DataError(f"{found}. What came before row {self.rows[0]} was taken, and stays") from error
            raise found from error


def parts(watch: Watch, path: Path, size: int) -> Iterator[Part]:
    """The events of a file in batches. Raises DataError before the first where any would be refused: who mends the file gives all of it."""
    from assay.watch.table_files import events_table

    table = events_table(path)
    starts = range(0, table.num_rows, size)
    for start in starts:
        try:
            watch.judge(table.slice(start, size))
        except DataError as error:
            raise error.at(path, None if error.row is None else start + error.row) from error
    for start in starts:
        yield Part(table.slice(start, size), path=path, rows=range(start, table.num_rows))


def lines(size: int) -> Iterator[Part]:
    """Batches of JSON lines from standard input. What is there is taken before more is waited for."""
    stream: Any = sys.stdin.buffer
    number, rest, ended = 0, b"", False
    while not ended:
        read = stream.read1(1 << 20)
        ended = not read
        *whole, rest = [rest, b""] if ended else (rest + read).split(b"\n")
        held: list[dict[str, Any]] = []
        rows: list[int] = []
        for line in whole:
            if line.strip():
                held.append(_event(line, number))
                rows.append(number)
            number += 1
            if len(held) == size:
                yield Part(held, None, INPUT, rows)
                held, rows = [], []
        if held:
            yield Part(held, None, INPUT, rows)


def _event(line: bytes, number: int) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"not JSON: {error}", path=INPUT, row=number) from error
    if not isinstance(event, dict):
        raise DataError("an event is a JSON object", path=INPUT, row=number)
    return event
