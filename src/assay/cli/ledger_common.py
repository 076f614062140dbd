"""What the files of assay ledger share: its folder, its keys."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from assay.ledger.ledger import Ledger
    from assay.ledger.note import Key

FOLDER = typer.Argument(help="The folder of the ledger.")
KEY = typer.Option(None, "--key", help="The ledger's secret key. Default: LEDGER.key beside the folder.")
TRUST = typer.Option(None, "--trust", help="The ledger's public key, got from elsewhere. Default: the one in the folder.")


def key_file(folder: Path, given: Path | None) -> Path:
    """The file of the ledger's secret key."""
    return given or folder.with_name(folder.name + ".key")


def writer(folder: Path, given: Path | None) -> Ledger:
    """The ledger, open for writing; a warning where its last event is dated ahead of the clock here."""
    from assay.ledger.dates import is_ahead
    from assay.ledger.events import now
    from assay.ledger.ledger import Ledger

    opened = Ledger.open(folder, key_file=key_file(folder, given))
    last, here = opened.index.time(), now()
    if last and is_ahead(last, here):
        typer.echo(
            f"assay: the last event of {folder} is dated {last}, and it is {here} here: until then new events get that date, and approvals "
            "that end before it do not count. assay ledger verify names the first such event",
            err=True,
        )
    return opened


def trusted(text: str | None) -> Key | None:
    """A public key given as its line, or as a file that holds it."""
    from assay.ledger.note import Key

    return None if text is None else Key.parse(line(text))


def until(text: str) -> str:
    """An approver as the log has it, given as a key (or a file that holds it), or KEY@DATE: until when it counts."""
    from assay.ledger.approval import UNTIL

    key, _, end = text.rpartition("@")
    if not key or not end[:1].isdigit() or "+" in end:  # names of keys may hold an @ as well
        return line(text).strip()
    return line(key).strip() + UNTIL + end


def line(text: str) -> str:
    """What is in the file `text`; where that names no file, `text` itself. A key is longer than file names may be, or has a +."""
    return Path(text).read_text(encoding="utf-8") if len(text) < 256 and Path(text).is_file() else text
