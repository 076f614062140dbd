"""A data set without some of its records, and back again to the last byte.

`copy_without` copies a data set and leaves records out. What it takes out is kept in `OUT.removed`, with a manifest;
`restore` puts it back. Where the format allows it (CSV, JSON lines, pictures, tar, IDX) what stays is byte for byte
what it was, and only what is taken out is kept; a file that must be written anew (Parquet, Arrow, .npz, anything
compressed) is kept whole.

    OUT.removed/manifest.json    schema "assay.removed/1": format, records, removed[] (record numbers of the original),
    and
                                 files[] {path, method, sha256, clean_sha256, kept[]}; path is "" where the data set is
                                 a file
    OUT.removed/files/PATH       gone, rewritten: the original file; cut: the bytes that were cut out, one after another

`kept` of a cut file counts bytes, three by three: so many from the clean file, so many from the cut ones, so many of
the clean file passed over.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from assay.dataset.atomic import move, refuse_existing, whole
from assay.dataset.edits import Cut, Edit, Gone, Rewritten
from assay.dataset.errors import DataError
from assay.dataset.files import existing
from assay.dataset.formats.registry import recognise
from assay.dataset.limits import LIMITS, MIB, Limits
from assay.engine.base import current

SCHEMA = "assay.removed/1"
BLOCK = 4 * MIB
FILES_TOGETHER = 500  # files copied in one piece of work


@dataclass(frozen=True)
class Removal:
    """What was taken out."""

    out: Path
    kept_in: Path  # the folder with the manifest
    records: int  # of the original
    removed: tuple[int, ...]  # record numbers of the original
    whole_files: bool  # some file had to be written anew


def kept_in(out: Path) -> Path:
    """Where the removed part of `out` is kept."""
    return out.with_name(out.name + ".removed")


def discard(out: Path) -> None:
    """Deletes a copy that `copy_without` has made, and what is kept of it: the original is elsewhere."""
    shutil.rmtree(kept_in(out), ignore_errors=True)
    if out.is_dir():
        shutil.rmtree(out)
    else:
        out.unlink(missing_ok=True)


def copy_without(
    path: str | Path,
    out: str | Path,
    drop: Sequence[int] | NDArray[np.integer[Any]],
    *,
    records: int | None = None,
    fingerprint: str | None = None,
    limits: Limits = LIMITS,
) -> Removal:
    """Copies the data set at `path` to `out` without the records whose numbers are in `drop`; `path` is not touched.

    `records`, if given, is the number that the caller counted there: a data set that has changed since is refused.
    `fingerprint`, if given, is written into the manifest. Raises DataError if `out` is there, if a number is no record,
    or if nothing would be left.
    """
    source, target = existing(path), Path(out)
    numbers = np.unique(np.asarray(drop, np.int64))
    if source.is_dir() and target.absolute().is_relative_to(source.absolute()):
        raise DataError("the copy would lie inside the data set itself", path=target, remedy="give a path outside it")
    form = recognise(source)
    edits, there = form.without(source, numbers, limits)
    if records is not None and records != there:
        raise DataError(f"{there:,} records, where there were {records:,}: it has changed", path=source, remedy="scan it again")
    if len(numbers) and not (numbers[0] >= 0 and numbers[-1] < there):
        bad = numbers[-1] if numbers[0] >= 0 else numbers[0]
        raise DataError(f"there is no record {bad}: they are numbered 0 to {there - 1}", path=source, remedy="scan it again")
    if len(numbers) == there:
        raise DataError(f"all {there:,} records would be removed", path=source, remedy="review the findings first")
    aside = kept_in(target)
    refuse_existing(aside)
    with whole(aside, target) as (removed, clean):
        (removed / "files").mkdir(parents=True)
        files = _apply(source, clean, removed / "files", edits)
        manifest = {
            "schema": SCHEMA,
            "format": form.name,
            "records": there,
            "fingerprint": fingerprint,
            "removed": numbers.tolist(),
            "files": files,
        }
        (removed / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    wrote = any(isinstance(edit, Rewritten) for edit in edits)
    return Removal(target, aside, there, tuple(numbers.tolist()), wrote)


def _apply(source: Path, clean: Path, removed: Path, edits: Sequence[Edit]) -> list[dict[str, Any]]:
    by_path = {edit.path: edit for edit in edits}
    if source.is_file():
        return [_edit(by_path[source], source, clean, removed / "file", "")] if source in by_path else _copied(source, clean)
    files: list[Path] = []
    for root, folders, names in os.walk(source):
        folders.sort()
        (clean / Path(root).relative_to(source)).mkdir(parents=True, exist_ok=True)
        files += [Path(root, name) for name in sorted(names)]
    each = [(file.relative_to(source), by_path.get(file)) for file in files]
    tasks = [(source, clean, removed, part) for part in _shares(each)]
    return [entry for entries in current().map(_copy_files, tasks) for entry in entries]


def _shares(each: list[tuple[Path, Edit | None]]) -> list[list[tuple[Path, Edit | None]]]:
    """The files in pieces of work: an edited one by itself, since it may be a large shard; others some hundreds at a time."""
    shares: list[list[tuple[Path, Edit | None]]] = [[]]
    for file in each:
        if file[1] is not None or len(shares[-1]) == FILES_TOGETHER:
            shares.append([])
        shares[-1].append(file)
    return shares


def _copy_files(source: Path, clean: Path, removed: Path, files: Sequence[tuple[Path, Edit | None]]) -> list[dict[str, Any]]:
    entries = []
    for inside, edit in files:
        if edit is None:
            shutil.copy2(source / inside, clean / inside)
        else:
            entries.append(_edit(edit, source / inside, clean / inside, removed / inside, inside.as_posix()))
    return entries


def _copied(source: Path, clean: Path) -> list[dict[str, Any]]:
    shutil.copy2(source, clean)
    return []


def _edit(edit: Edit, file: Path, clean: Path, removed: Path, inside: str) -> dict[str, Any]:
    removed.parent.mkdir(parents=True, exist_ok=True)
    entry: dict[str, Any] = {"path": inside, "sha256": sha256_of(file)}
    if isinstance(edit, Gone):
        shutil.copy2(file, removed)
        return entry | {"method": "gone"}
    if isinstance(edit, Rewritten):
        shutil.copy2(file, removed)
        edit.write(clean)
        return entry | {"method": "rewritten", "clean_sha256": sha256_of(clean)}
    kept = _cut(edit, file, clean, removed)
    shutil.copystat(file, clean)
    return entry | {"method": "cut", "clean_sha256": sha256_of(clean), "kept": kept}


def _cut(edit: Cut, file: Path, clean: Path, removed: Path) -> list[int]:
    kept: list[int] = []
    at = 0
    with file.open("rb") as old, clean.open("wb") as new, removed.open("wb") as aside:
        for i, (start, stop) in enumerate(zip(edit.start.tolist(), edit.stop.tolist(), strict=True)):
            _move(old, new, start - at)
            _move(old, aside, stop - start)
            instead = edit.instead.get(i, b"")
            new.write(instead)
            kept += [start - at, stop - start, len(instead)]
            at = stop
        shutil.copyfileobj(old, new, BLOCK)
    return kept


def _move(source: BinaryIO, target: BinaryIO, count: int) -> None:
    while count > 0:
        block = source.read(min(BLOCK, count))
        if not block:
            raise DataError("ends before it should", path=getattr(source, "name", None), remedy="do not change it while it is copied")
        target.write(block)
        count -= len(block)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hex; the file is streamed."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def restore(out: str | Path) -> Path:
    """Puts back what `copy_without` took out: `out` is then the original again, byte for byte, and `out.removed` is
    gone.

    Every file is checked against the digests of the manifest before anything is replaced. Raises DataError if the
    manifest is missing or a file has been changed since.
    """
    target = Path(out)
    aside = kept_in(target)
    manifest = _manifest(existing(target), aside)
    if _is_back(target, manifest["files"]):  # killed between putting it back and letting go of what was kept
        _let_go(aside)
        return target
    with whole(target.with_name(target.name + ".restored")) as (new,):
        _rebuild(target, aside / "files", new, manifest["files"])
        if target.is_file():
            move(new, target)
        else:  # a folder cannot be replaced in one step: moved away first, and back if anything interrupts
            old = target.with_name(new.parent.name + ".old")
            try:
                move(target, old)
                move(new, target)
            finally:
                if not target.exists():
                    move(old, target)
            shutil.rmtree(old)
    _let_go(aside)
    return target


def _is_back(target: Path, files: Sequence[dict[str, Any]]) -> bool:
    """Whether every file is the original already."""
    places = [(target / entry["path"] if entry["path"] else target, entry["sha256"]) for entry in files]
    return bool(places) and all(place.is_file() and sha256_of(place) == digest for place, digest in places)


def _let_go(aside: Path) -> None:
    """Renamed first: killed while it deletes, nothing half-deleted bears the name."""
    hidden = aside.with_name(f".{aside.name}.gone-{os.getpid()}")
    move(aside, hidden)
    shutil.rmtree(hidden)


def _manifest(target: Path, aside: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((aside / "manifest.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(
            "nothing is kept of it, so nothing can be put back", path=target, remedy=f"bring back {aside.name} beside it"
        ) from error
    except ValueError as error:
        raise DataError(f"the manifest is damaged ({error})", path=aside / "manifest.json", remedy="bring back the manifest") from error
    if not isinstance(manifest, dict) or manifest.get("schema") != SCHEMA:
        raise DataError(f"not a manifest of the schema {SCHEMA}", path=aside / "manifest.json", remedy="bring back the manifest")
    for entry in manifest["files"]:  # the manifest is data: it must not lead out of the folder
        inside = Path(entry["path"])
        if inside.is_absolute() or ".." in inside.parts:
            raise DataError(f"names a file outside the data set: {entry['path']}", path=aside / "manifest.json")
    return manifest


def _rebuild(target: Path, removed: Path, new: Path, files: Sequence[dict[str, Any]]) -> None:
    if target.is_dir():
        shutil.copytree(target, new, symlinks=True)
    elif not files:
        shutil.copy2(target, new)
    for entry in files:
        clean = target / entry["path"] if entry["path"] else target
        kept = removed / entry["path"] if entry["path"] else removed / "file"
        place = new / entry["path"] if entry["path"] else new
        if entry["method"] != "gone" and sha256_of(clean) != entry["clean_sha256"]:
            raise DataError("has been changed since records were removed", path=clean, remedy="restore the unchanged copy")
        if entry["method"] == "cut":
            _splice(clean, kept, place, entry["kept"])
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.unlink(missing_ok=True)
            shutil.copy2(kept, place)
        if sha256_of(place) != entry["sha256"]:
            raise DataError("what is kept of it does not give the original back", path=kept, remedy="bring back the kept files")


def _splice(clean: Path, kept: Path, place: Path, counts: Sequence[int]) -> None:
    with clean.open("rb") as stays, kept.open("rb") as back, place.open("wb") as new:
        for i in range(0, len(counts), 3):
            _move(stays, new, counts[i])
            _move(back, new, counts[i + 1])
            stays.seek(counts[i + 2], os.SEEK_CUR)
        shutil.copyfileobj(stays, new, BLOCK)
    shutil.copystat(clean, place)
