"""Key files: a secret key on one line, as golang.org/x/mod/sumdb/note writes it, readable by its owner alone."""

from __future__ import annotations

import os
from pathlib import Path

from assay.dataset.errors import DataError
from assay.ledger.note import Signer
from assay.ledger.witness import Cosigner


def write_key(path: Path, signer: Signer | Cosigner) -> None:
    """Raises DataError where something is at `path` already: a lost key cannot be made again."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise DataError("is there already, and a key is never overwritten", path=path, remedy="give another file") from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(signer.secret() + "\n")


def read_key(path: Path) -> Signer:
    """An Ed25519 key. Raises DataError where there is no such key, or where others may read it."""
    return Signer.parse(_read(path))


def read_cosigner(path: Path) -> Cosigner:
    """A witness's key, Ed25519 or ML-DSA-44. Raises DataError as `read_key` does."""
    return Cosigner.parse(_read(path))


def _read(path: Path) -> str:
    if not path.is_file():
        raise DataError("there is no key file", path=path, remedy="give the file with --key, or make one: assay ledger key")
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise DataError("this secret key can be read by others", path=path, remedy=f"chmod 600 {path}")
    return path.read_text(encoding="utf-8", errors="replace")
