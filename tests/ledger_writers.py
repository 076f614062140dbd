"""What other processes do in the tests of several writers: in a module of its own, which a spawned process can import."""

from __future__ import annotations

from pathlib import Path

from assay.ledger.ingest import add
from assay.ledger.ledger import Ledger
from assay.ledger.log import Log
from assay.ledger.storage import Folder
from ledger_examples import KEY, opened, reviews


def write_log(folder: Path, name: int, batches: int) -> None:
    """Append and publish a few batches of seven events."""
    log = Log(Folder(folder), KEY.key, KEY)
    for batch in range(batches):
        log.append([b"%d %d %d" % (name, batch, i) for i in range(7)])
        log.publish()


def bring_rows(folder: Path, source: str, start: int) -> None:
    """Log thirty rows in three parts."""
    ledger = Ledger.open(folder / "ledger", key_file=folder / "ledger.key")
    for part in range(3):
        first = start + 10 * part
        add(ledger, opened(reviews(folder / f"{source}{part}.csv", first, first + 10)), source)
