"""Bringing a newer signature file in, from a path or a URL that a person names; checked before it takes the place of the old one."""

from __future__ import annotations

import os
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from assay.dataset.atomic import move
from assay.dataset.errors import DataError
from assay.known.signatures import Signatures, open_signatures, read_signed
from assay.ledger.note import LARGEST, Key

TIMEOUT = 20.0  # seconds for an answer to begin


def update(source: str, key: Key, out: Path) -> Signatures:
    """Put the list at `source` (a path, or an https URL) into `out`, and `key` beside it in `OUT.key`.

    Nothing is written unless `key` signed it, and unless its version is at least that of the list already at `out`, so that an old
    list cannot be played back. Raises DataError; Tampered where it was altered.
    """
    note = _fetched(source) if urlsplit(source).scheme in ("http", "https") else _read(Path(source))
    new = read_signed(note, [key], source)
    beside = out.with_name(out.name + ".key")
    if out.exists():
        if not beside.exists() or str(key) not in beside.read_text("utf-8").split():
            raise DataError("is there, signed by somebody else", path=out, remedy="give another name, or remove it and its .key first")
        old = open_signatures(out)
        if new.version < old.version:
            raise DataError(
                f"version {new.version} is older than version {old.version}, which is there", path=source, remedy="keep the newer"
            )
    _replace(beside, f"{key}\n".encode())
    _replace(out, note)
    return new


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise DataError("there is no such file", path=path, remedy="give the path or the URL of a signature file")
    with path.open("rb") as file:
        return file.read(LARGEST + 1)


def _fetched(url: str) -> bytes:
    if urlsplit(url).scheme != "https":
        raise DataError(f"{url!r} is not https", remedy="give an https URL, or fetch the file yourself and give its path")
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
            return bytes(answer.read(LARGEST + 1))
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise DataError(f"cannot be fetched ({error})", path=url, remedy="check the address, or give the path of a file") from error


def _replace(path: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.absolute().parent)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    move(Path(name), path)
