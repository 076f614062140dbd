"""Paths as people give them: what is there, and what is not."""

from __future__ import annotations

import os
from pathlib import Path

from assay.dataset.errors import DataError
from assay.dataset.formats.base import in_utf8, visible_names


def at_home(path: str | Path) -> Path:
    """The path, where it begins with ~/ in the home folder: Arrow would write there, and Python into a folder called ~.

    >>> at_home("~/a.csv").is_absolute(), at_home("~a.csv").name
    (True, '~a.csv')
    """
    return Path(os.path.expanduser(path)) if str(path).startswith("~/") else Path(path)


def existing(path: str | Path) -> Path:
    """The path (`at_home`), if something with content is there. Raises DataError for a missing path, an empty file or an empty
    folder.
    """
    there = at_home(path)
    if str(path).startswith("s3:/"):
        raise DataError("lies in an object store, from where only assay scan reads", path=path, remedy="fetch it first, and name the copy")
    in_utf8(str(there), there.parent)
    if not there.exists():
        near = next((parent for parent in there.absolute().parents if parent.exists()), None)
        raise DataError("there is no such file or folder", path=path, remedy=f"check the path; {near} is there")
    if there.is_dir() and not visible_names(there, (".",)):
        raise DataError("the folder is empty", path=path, remedy="give a folder that holds data files or pictures")
    if there.is_file() and there.stat().st_size == 0:
        raise DataError("the file is empty", path=path, remedy="give a file with records")
    return there
