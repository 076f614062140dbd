"""The journal of a flow: what was asked, begun, done and undone, a line each, on disk before the next step begins.

    FOLDER/steps.jsonl    each line with the SHA-256 of the line before it

A line that was changed or taken out is found, since the next line says what it was. The chain is not signed: who can write the whole file
can write another one; the signed record of a flow holds its head.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from assay.dataset.errors import DataError

FILE = "steps.jsonl"
START = "0" * 64  # what the first line follows


@dataclass
class Journal:
    """The lines of a flow's folder so far. `append` has written to disk when it returns."""

    path: Path
    lines: list[dict[str, Any]] = field(default_factory=list)
    head: str = START

    def append(self, do: str, **said: Any) -> None:
        """Add a line: `do` is what happened, `said` the rest of it (JSON types)."""
        line = json.dumps({"after": self.head, "time": time.time(), "do": do, **said}, sort_keys=True).encode()
        with self.path.open("ab") as file:
            file.write(line + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self.lines.append(json.loads(line))
        self.head = sha256(line).hexdigest()

    def find(self, do: str, step: str | None = None) -> dict[str, Any] | None:
        """The last line of this kind, of this step where one is named."""
        return next((line for line in reversed(self.lines) if line["do"] == do and step in (None, line.get("step"))), None)


def read_journal(folder: Path) -> Journal:
    """The journal in `folder`, empty where there is none. DataError where a line is not what the next one says that it was.

    A torn last line was never acknowledged, and is left out.
    """
    path = folder / FILE
    journal = Journal(path)
    if not path.exists():
        return journal
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1]):
        try:
            said = json.loads(line)
            follows = said["after"] == journal.head and isinstance(said["do"], str)
        except (ValueError, KeyError, TypeError):
            follows = False
        if not follows:
            raise DataError("the journal was changed before this line", path=path, row=number, remedy="bring it back from a copy")
        journal.lines.append(said)
        journal.head = sha256(line).hexdigest()
    return journal


@contextmanager
def at_work(folder: Path) -> Iterator[Journal]:
    """The journal, and nobody else's meanwhile. DataError where another process works on the same flow."""
    path = folder / FILE
    with path.open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DataError("another process is at work on this", path=folder, remedy="wait until it has ended") from error
        held = path.read_bytes()
        os.truncate(path, held.rfind(b"\n") + 1)  # a torn line must not be continued
        yield read_journal(folder)
