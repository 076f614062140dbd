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


def move(source: Path, target: Path) -> None:
    """Renames; what stands at `target` is replaced as `os.replace` does. Raises OSError only where it was not done.

    A network file system may do a rename, lose the answer, be asked again, and report that there is nothing to rename. What
    tells is the file itself: where `target` is now what `source` was, it is done.

    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "new").write_text("x")
    >>> move(folder / "new", folder / "there")
    >>> (folder / "there").read_text()
    'x'
    """
    before = os.lstat(source)
    try:
        os.replace(source, target)
    except OSError:
        if os.path.lexists(source) or not os.path.lexists(target) or not os.path.samestat(before, os.lstat(target)):
            raise


@contextmanager
def whole(*outs: Path) -> Iterator[tuple[Path, ...]]:
    """Temporary paths, one for each of `outs`, moved there at the end in order; removed if the block does not end well.

    Each is in a folder of its own beside its `out`, so that the move is a rename. A path at which nothing was made is
    left out. Where a move fails, those before it are undone: all of them are there, or none. A DataError that names a temporary
    path names the `out` instead.
    """
    for out in outs:
        refuse_existing(out)
    homes = [Path(tempfile.mkdtemp(prefix=f".{out.name}.part-", dir=out.absolute().parent)) for out in outs]
    moved: list[tuple[Path, Path]] = []
    try:
        made = tuple(home / out.name for home, out in zip(homes, outs, strict=True))
        try:
            yield made
        except DataError as error:
            for new, out in zip(made, outs, strict=True):  # what the reader asked for: the temporary path is gone when he reads this
                error.args = (str(error).replace(str(new), str(out)),)
            raise
        try:
            for new, out in zip(made, outs, strict=True):
                if new.exists():
                    refuse_existing(out)
                    move(new, out)
                    moved.append((new, out))
        except BaseException:
            for new, out in reversed(moved):
                move(out, new)
            raise
    finally:
        for home in homes:
            shutil.rmtree(home, ignore_errors=True)
