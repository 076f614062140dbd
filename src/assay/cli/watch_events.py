"""Where assay watch ingest has its events from: a file, or lines from standard input."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.dataset.errors import DataError

if TYPE_CHECKING:
    from assay.watch.alerts import Alert
    from assay.watch.watch import Watch

INPUT = "standard input"


@dataclass(frozen=True)
class Part:
    """A batch, under the name by which it counts once; `told` says of its source what is wrong with one of its events."""

    events: Any
    told: Callable[[DataError], DataError]
    name: str | None = None

    def into(self, watch: Watch) -> list[Alert]:
        """Have a watch take it. Raises DataError with the place in the source, and what became of the rest."""
        try:
            return watch.ingest(self.events, name=self.name)
        except DataError as error:
            if error.path is not None:  # of something else: the watch's own folder
                raise
            raise self.told(error) from error


def _told(path: object, rows: Sequence[int], error: DataError) -> DataError:
    """What is wrong with an event of a batch whose events are the rows `rows` of `path`; those before them were taken."""
    found = error.at(path, None if error.row is None else rows[error.row])
    return DataError(f"{found}. What came before row {rows[0]} was taken, and stays") if rows[0] else found


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
        yield Part(table.slice(start, size), partial(_told, path, range(start, table.num_rows)))


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
                yield Part(held, partial(_told, INPUT, rows))
                held, rows = [], []
        if held:
            yield Part(held, partial(_told, INPUT, rows))


def _event(line: bytes, number: int) -> dict[str, Any]:
    from assay.watch.events import event_of

    try:
        return event_of(line)
    except DataError as error:
        raise error.at(INPUT, number) from error
