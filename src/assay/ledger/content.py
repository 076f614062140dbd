"""Keeping the content of snapshots, and getting one back: checkout.

The log never holds content. A snapshot taken with `keep` has its files kept in LEDGER/private/content, each file once however many
snapshots have it; `checkout` writes them out again and checks that they are that snapshot. A snapshot that was not kept can be
checked out of any data set that holds its rows in their order, a later or a larger version say.

    private/content/objects/ab/SHA256      a file
    private/content/NAME.json              schema "assay.kept/1": which files make up the snapshot, and how they were read
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.dataset.atomic import move, whole
from assay.dataset.data import Columns, Dataset
from assay.dataset.errors import DataError
from assay.dataset.read import read
from assay.dataset.removal import copy_without, discard, kept_in, sha256_of
from assay.dataset.reread import read_without
from assay.engine.base import current
from assay.ledger import snapshots
from assay.ledger.errors import Refused, Tampered
from assay.ledger.export import same_snapshot
from assay.ledger.ledger import Ledger

SCHEMA = "assay.kept/1"
REMEDY = "bring back the ledger's private folder, or give --from FILE, a data set that holds the snapshot's rows"


def keep(ledger: Ledger, data: Dataset, name: str) -> int:
    """Keep the files of the snapshot `name`, which `data` is, by the engine in use; how many were not kept before.

    Raises Refused where it is another.
    """
    root = str(same_snapshot(ledger, name, data)["root"])
    place = Path(data.path)
    held = list(_files(place))
    digests, made = zip(*current().map(_keep_file, ((file, ledger.private) for file in held)), strict=True)
    new = len({digest for digest, mine in zip(digests, made, strict=True) if mine})
    names = ["" if place.is_file() else file.relative_to(place).as_posix() for file in held]
    files = [{"path": name, "sha256": digest} for name, digest in zip(names, digests, strict=True)]
    said = {"schema": SCHEMA, "snapshot": name, "root": root, "columns": asdict(data.columns), "task": data.task, "files": files}
    path = _list(ledger, name)
    aside = path.with_name(f".{path.name}-{os.getpid()}")
    aside.write_text(json.dumps(said) + "\n", encoding="utf-8")
    move(aside, path)
    return new


def _keep_file(file: Path, private: Path) -> tuple[str, bool]:
    """Its SHA-256, and whether it was not kept before."""
    digest = sha256_of(file)
    target = _object(private, digest)
    if target.exists():
        return digest, False
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{digest}-{os.getpid()}")
    shutil.copyfile(file, aside)
    move(aside, target)
    return digest, True


def kept(ledger: Ledger) -> list[str]:
    """The snapshots whose content is kept."""
    return sorted(path.stem for path in (ledger.private / "content").glob("*.json"))


def checkout(ledger: Ledger, name: str, out: Path) -> Dataset:
    """Write the kept snapshot to `out`, and check it. Raises Refused where it was not kept, Tampered where it was altered."""
    _, _, root, _ = snapshots.logged(ledger, name)
    path = _list(ledger, name)
    if not path.exists():
        there = ", ".join(kept(ledger)) or "none"
        raise Refused(f"the content of {name!r} was not kept; kept are: {there}", remedy="give --from, a data set that holds its rows")
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise Tampered(f"is damaged ({error})", path=path, remedy=REMEDY) from error
    with whole(out) as (made,):
        for file in said["files"]:
            target = made / file["path"] if file["path"] else made
            if not target.resolve().is_relative_to(made.parent.resolve()):
                raise Tampered(f"{file['path']!r} leads out of the data set", path=path)
            target.parent.mkdir(parents=True, exist_ok=True)
            source = _object(ledger.private, file["sha256"])
            what = f"{file['path'] or 'the file'} of the snapshot {name!r}, kept here,"
            try:
                shutil.copyfile(source, target)
            except FileNotFoundError as error:
                raise Tampered(f"{what} is missing", path=source, remedy=REMEDY) from error
            if sha256_of(target) != file["sha256"]:
                raise Tampered(f"{what} is not what was kept", path=source, remedy=REMEDY)
        return _same(read(made, columns=columns_of(said["columns"]), task=said["task"]), name, root)


def checkout_from(ledger: Ledger, name: str, source: Dataset, out: Path) -> Dataset:
    """Write to `out` the rows of `source` that are the snapshot, in its format.

    Raises Refused where `source` does not hold them all, in their order.
    """
    loaded = snapshots.load(ledger, name)
    there = snapshots.record_digests(source)
    taken, at = [], 0
    for number, digest in enumerate(there):
        if at < len(loaded.digests) and digest == loaded.digests[at]:
            taken.append(number)
            at += 1
    if at < len(loaded.digests):
        lost = len(snapshots.difference(loaded.digests, there).missing)
        what = f"{lost:,} rows of the snapshot {name!r} are not in it" if lost else f"it has the rows of {name!r} in another order"
        raise Refused(what, path=source.path, remedy="give a data set that holds them")
    drop = np.setdiff1d(np.arange(len(there)), np.array(taken, np.int64))
    copy_without(source.path, out, drop, records=source.records, fingerprint=source.fingerprint)
    try:
        found = _same(read_without(source, drop, out), name, loaded.root.hex())
    except DataError:
        discard(out)
        raise
    shutil.rmtree(kept_in(out))  # what was left out lies in the source still
    return found


def forget(ledger: Ledger, rows: NDArray[np.int64]) -> list[str]:
    """Delete the kept content of every snapshot that holds one of `rows`; which they were."""
    gone = [name for name in kept(ledger) if np.isin(snapshots.rows_of(ledger, name), rows).any()]
    for name in gone:
        _list(ledger, name).unlink()
    used = {file["sha256"] for name in kept(ledger) for file in json.loads(_list(ledger, name).read_text(encoding="utf-8"))["files"]}
    if gone:
        for path in (ledger.private / "content" / "objects").glob("*/*"):
            if path.name not in used:
                path.unlink()
    return gone


def _same(found: Dataset, name: str, root: str) -> Dataset:
    if found.fingerprint != root:
        what = f"what came out is not the snapshot {name!r}: {found.fingerprint[:16]}…, logged is {root[:16]}…"
        raise Tampered(what, path=found.path, remedy=REMEDY)
    return found


def _files(place: Path) -> Iterator[Path]:
    if place.is_file():
        yield place
        return
    if not place.is_dir():
        raise DataError("only a file or a folder can be kept", path=place, remedy="save the data first")
    for root, folders, names in os.walk(place):
        folders.sort()
        yield from (Path(root, name) for name in sorted(names))


def columns_of(said: dict[str, Any]) -> Columns:
    """The columns as `asdict` and JSON have left them."""
    known: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in said.items()}
    return Columns(**known)


def _object(private: Path, digest: str) -> Path:
    return private / "content" / "objects" / digest[:2] / digest


def _list(ledger: Ledger, name: str) -> Path:
    return ledger.private / "content" / f"{name}.json"
