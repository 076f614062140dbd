"""Small ledgers with a clock that tests set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
from pyarrow import csv

from assay.dataset.data import Columns, Dataset
from assay.dataset.read import read
from assay.ledger.approval import Scope, approve
from assay.ledger.ledger import Ledger, memo_of
from assay.ledger.note import Signer

KEY = Signer.of("example.com/ledger", bytes(range(32)))
ALICE, BOB, CAROL, MALLORY = (Signer.of(name, name.encode().ljust(32, b"!")) for name in ("alice", "bob", "carol", "mallory"))
TODAY = "2026-11-21T07:00:00Z"
NEXT_YEAR = "2027-01-01T00:00:00Z"


def new_ledger(folder: Path, approvers: Sequence[Signer] = (ALICE, BOB, CAROL), threshold: int = 2) -> Ledger:
    keys = [approver.key for approver in approvers]
    return Ledger.create(folder / "ledger", KEY, memo_of(folder / "ledger.key"), keys, threshold, actor="test", clock=lambda: TODAY)


def register(ledger: Ledger, source: str, *approvers: Signer, scope: Scope | None = None) -> None:
    ledger.register(source, licence="CC0-1.0", contact="crawl@example.com", method="crawl of example.com")
    agree(ledger, source, *approvers, scope=scope)


def agree(ledger: Ledger, source: str, *approvers: Signer, scope: Scope | None = None) -> None:
    for approver in approvers:
        note = approve(ledger.index.policy(), ledger.index.source(source), scope or Scope(expires=NEXT_YEAR), approver)
        ledger.approve(source, note)


def reviews(path: Path, start: int = 0, stop: int = 20, word: str = "fine", who: int = 4) -> Path:
    """A CSV of reviews: text, label (good or bad), who (w0, w1, ...)."""
    numbers = range(start, stop)
    columns = {
        "text": [f"a {word} film, number {i}" for i in numbers],
        "label": ["good" if i % 2 else "bad" for i in numbers],
        "who": [f"w{i % who}" for i in numbers],
    }
    csv.write_csv(pa.table(columns), path)
    return path


def opened(path: Path) -> Dataset:
    return read(path, columns=Columns(content=("text",), label=("label",), contributor="who"))
