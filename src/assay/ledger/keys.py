"""Key files: a secret key on one line, as golang.org/x/mod/sumdb/note writes it, readable by its owner alone."""

from __future__ import annotations

import os
from pathlib import Path

from assay.dataset.errors import DataError
from assay.ledger.note import Signer


def write_key(path: Path, signer: Signer) -> None:
    """Raises DataError where something is at `path` already: a lost key cannot be made again."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise DataError("is there already, and a key is never overwritten", path=path, remedy="give another file") from error
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(signer.secret() + "\n")


def read_key(path: Path) -> Signer:
    """Raises DataError where there is no key, or where others may read it."""
    if not path.is_file():
        raise DataError("there is no key file", path=path, remedy="give the file with --key, or make one: assay ledger key")
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise DataError("this secret key can be read by others", path=path, remedy=f"chmod 600 {path}")
    return Signer.parse(path.read_text(encoding="ascii", errors="replace"))
