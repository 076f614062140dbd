"""Decisions of one reviewer: a file to which lines are only ever added, that survives a kill and shows any change.

Each line is a JSON object; `chain` is SHA-256 over the chain of the line before and this line without it, so that a line changed,
removed or put in anywhere but at the end is found. (Who holds the file can write it anew; the ledger, into which decisions go, is
what stops that.) A line is on disk before the next question is asked. A line that a crash left unfinished was never decided: it is
cut off, and said.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

from assay.dataset.errors import DataError

START = "assay.decisions/1"  # what the first line is chained to


@dataclass(frozen=True)
class Decision:
    """What one reviewer says of one row. `label` None: cannot tell. `at`: UTC, ISO 8601; `seconds` spent looking."""

    row: int
    key: str
    reviewer: str
    label: str | None
    reason: str
    at: str
    seconds: float


def chained(decision: Decision, before: str) -> tuple[str, str]:
    """(line, chain) of a decision after a line with chain `before`."""
    body = asdict(decision)
    chain = sha256((before + "\n" + json.dumps(body, sort_keys=True, ensure_ascii=False)).encode()).hexdigest()
    return json.dumps({**body, "chain": chain}, sort_keys=True, ensure_ascii=False) + "\n", chain


def read_decisions(path: str | Path) -> list[Decision]:
    """All decisions of a file, in order; none if it is not there. An unfinished last line is passed over.

    Raises DataError for a line that is not one, or that was changed, taken out or put in.
    """
    return _parse(Path(path))[0]


@contextmanager
def writer(path: str | Path) -> Iterator[Writer]:
    """Opens a file for adding; DataError while another process adds to it, or if it was tampered with."""
    import fcntl

    file = Path(path)
    with file.open("a+b") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise DataError("another session is adding to it", path=file, remedy="end that one first") from error
        decisions, chain, whole = _parse(file)
        cut = stream.seek(0, os.SEEK_END) - whole
        stream.truncate(whole)
        yield Writer(stream, chain, decisions, cut)


@dataclass
class Writer:
    """Adds decisions. `decisions` so far, `cut` bytes of an unfinished line that were taken off on opening."""

    stream: IO[bytes]
    chain: str
    decisions: list[Decision]
    cut: int

    def add(self, decision: Decision) -> None:
        """On disk when it returns."""
        line, self.chain = chained(decision, self.chain)
        self.stream.write(line.encode())
        self.stream.flush()
        os.fsync(self.stream.fileno())
        self.decisions.append(decision)


def _parse(path: Path) -> tuple[list[Decision], str, int]:
    """(decisions, chain of the last, bytes of whole lines)."""
    chain, found, whole = START, [], 0
    if not path.exists():
        return [], chain, 0
    with path.open("rb") as stream:
        for number, line in enumerate(stream):
            if not line.endswith(b"\n"):
                break
            decision = _decision(line, path, number)
            expected, new = chained(decision, chain)
            if expected.encode() != line:
                raise DataError("was changed, or a line before it taken out or put in", path=path, row=number, remedy="restore the file")
            found.append(decision)
            chain, whole = new, whole + len(line)
    return found, chain, whole


def _decision(line: bytes, path: Path, number: int) -> Decision:
    try:
        body: dict[str, Any] = json.loads(line)
        body.pop("chain")
        return Decision(**body)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError("is no decision", path=path, row=number, remedy="restore the file") from error
