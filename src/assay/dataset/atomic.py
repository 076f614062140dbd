"""Output that is whole or not there: written under a temporary name beside its place, then moved."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from assay.dataset.errors import DataError


def refuse_existing(out: Path) -> None:
    """Raises DataError if something is at `out` already, or if its folder is not there."""
    if os.path.lexists(out):
        raise DataError("is there already, and nothing is overwritten", path=out, remedy="give another name, or remove it first")
    if not out.absolute().parent.is_dir():
        raise DataError("the folder it should lie in is not there", path=out, remedy=f"make it first: mkdir -p {out.parent}")


@contextmanager
def whole(*outs: Path) -> Iterator[tuple[Path, ...]]:
    """Temporary paths, one for each of `outs`, moved there at the end in order; removed if the block does not end well.

    Each is in a folder of its own beside its `out`, so that the move is a rename. A path at which nothing was made is
    left out.
    """
    for out in outs:
        refuse_existing(out)
    homes = [Path(tempfile.mkdtemp(prefix=f".{out.name}.part-", dir=out.absolute().parent)) for out in outs]
    try:
        made = tuple(home / out.name for home, out in zip(homes, outs, strict=True))
        yield made
        for new, out in zip(made, outs, strict=True):
            if new.exists():
                refuse_existing(out)
                os.rename(new, out)
    finally:
        for home in homes:
            shutil.rmtree(home, ignore_errors=True)
