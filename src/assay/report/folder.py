"""The folder of a report: written whole or not at all, and never over anything that is not a report."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from assay.dataset.atomic import move
from assay.dataset.errors import DataError
from assay.dataset.parquet_table import parquet_table
from assay.dataset.remote import Place
from assay.report.rows import SCHEMA as ROWS_SCHEMA

JSON, ROWS, HTML, SARIF, JUNIT = "report.json", "rows.parquet", "report.html", "report.sarif", "report.junit.xml"
PLOTS = "plots"  # a folder of SVG or PNG files
DRAWN = "plots.json"  # the drawings of report.html, for files made of them later
STATES = "states"  # what a scan with --since continues from
OURS = frozenset({JSON, ROWS, HTML, SARIF, JUNIT, PLOTS, DRAWN, STATES})
FAMILY = "assay.report/"
LARGEST_JSON = 1 << 30  # bytes; a report.json of ours stays far below

Writer = Callable[[Path], None]


def default_folder(source: Path | str, working: Path) -> Path:
    """`<name>.assay` in the working directory, for a URL too, or beside the data where that directory is inside the data: a report
    in the scanned folder would be data the next time.

    >>> default_folder(Path("/data/reviews.csv"), Path("/home/me")).as_posix()
    '/home/me/reviews.assay'
    >>> default_folder(Path("/data/signs"), Path("/data/signs/stop")).as_posix()
    '/data/signs.assay'
    """
    if isinstance(source, str):
        return working / f"{Path(Place.of(source).name).stem}.assay"
    source, here = source.resolve(), working.resolve()
    name = (source.name if source.is_dir() or not source.suffix else source.stem) or "data"
    inside = source == here or source in here.parents
    return (source.parent if inside else working) / f"{name}.assay"


def unfinished(folder: Path) -> Path:
    """Where a scan keeps what it has finished until its report is written: hidden, beside the report.

    >>> unfinished(Path("out/reviews.assay")).as_posix()
    'out/.reviews.assay.unfinished'
    """
    return folder.with_name(f".{folder.name}.unfinished")


def gathered(folder: Path) -> Path:
    """Where states are gathered until the report is written: hidden, beside it.

    >>> gathered(Path("out/reviews.assay")).as_posix()
    'out/.reviews.assay.states'
    """
    return folder.with_name(f".{folder.name}.states")


def check_writable(folder: Path, source: Path | None = None) -> None:
    """Raise DataError if a report may not be written at `folder`; called before a scan, so that none is in vain."""
    if source is not None and source.is_dir() and source.resolve() in (folder.resolve(), *folder.resolve().parents):
        raise DataError("the report would lie inside the data and be scanned with it", path=folder, remedy="give another --out")
    if not folder.exists():
        return
    if not folder.is_dir():
        raise DataError("is a file, and a report is a folder", path=folder, remedy="give another --out")
    there = sorted(p.name for p in folder.iterdir())
    strangers = [name for name in there if name not in OURS]
    if there and not is_report(folder):
        raise DataError("holds something that is no Assay report, and is left alone", path=folder, remedy="give another --out")
    if strangers:
        raise DataError(
            f"holds files that Assay did not write ({', '.join(strangers[:3])}), and is left alone",
            path=folder,
            remedy="move them away, or give another --out",
        )


def is_report(folder: Path) -> bool:
    """Whether the folder holds a report of ours."""
    try:
        return str(read_json(folder)["schema"]).startswith(FAMILY)
    except (DataError, KeyError, TypeError):
        return False


def read_json(folder: Path) -> dict[str, Any]:
    """report.json, parsed. DataError if it is absent or no JSON."""
    path = folder / JSON
    if not path.is_file():
        raise DataError("is no Assay report: it has no report.json", path=folder, remedy="name the folder that assay scan wrote")
    if path.stat().st_size > LARGEST_JSON:
        raise DataError("is larger than any report of ours", path=path)
    try:
        document = json.loads(path.read_text("utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DataError(f"is no JSON ({error})", path=path, remedy="scan again") from error
    if not isinstance(document, dict):
        raise DataError("is no report: an object was expected", path=path, remedy="scan again")
    return document


def read_rows(folder: Path) -> pa.Table:
    """rows.parquet. DataError if it is absent, broken, or lacks a column."""
    path = folder / ROWS
    if not path.is_file():
        raise DataError("is missing", path=path, remedy="scan again")
    table = parquet_table(path, ROWS_SCHEMA.names, remedy="scan again with this version")
    try:
        return table.cast(ROWS_SCHEMA)
    except pa.ArrowException as error:
        raise DataError(f"has a column of another type ({error})", path=path, remedy="scan again with this version") from error


def write_folder(folder: Path, files: dict[str, Writer]) -> None:
    """Write the files into a fresh folder beside `folder`, then move it into place; an older report is replaced as a
    whole, its `states` kept. Interrupted at any moment it leaves the old report or the new one."""
    check_writable(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _scratch(folder) as scratch:
        for name, write in files.items():
            write(scratch / name)
        old = scratch.with_name(scratch.name + ".old")
        if folder.exists():
            if (folder / STATES).exists() and not (scratch / STATES).exists():
                shutil.copytree(folder / STATES, scratch / STATES)
            move(folder, old)
        try:
            move(scratch, folder)
        except BaseException:
            if old.exists() and not folder.exists():
                move(old, folder)
            raise
        shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".tmp", dir=folder.parent))
    try:
        os.chmod(made, 0o777 & ~_umask())  # mkdtemp makes it private; a report is as open as other files here
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
