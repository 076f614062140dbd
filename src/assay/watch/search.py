"""What a watch's folder holds of triggers, and the nominees that are patches."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa

from assay.artefact.patch import Patch
from assay.artefact.registry import from_json
from assay.dataset.errors import DataError
from assay.dataset.rows import UInt8
from assay.watch.baseline import Baseline
from assay.watch.checks import HELD, check_own
from assay.watch.items import Item, Usual
from assay.watch.journal import replace_whole
from assay.watch.pictures import Gallery, Nominee, UsualPictures
from assay.watch.triggers import Known, Miner

USUAL, KNOWN, PICTURES = "usual.npz", "known.json", "pictures.npz"
# Columns of a journalled event: the known artefacts that it holds, and the nominated patches that its picture holds
MATCHES, HOLDS = HELD


def triggers(folder: Path, baseline: Baseline) -> tuple[Known | None, Miner | None, Gallery | None]:
    """What the folder holds of triggers: known ones, and the search for unknown ones, in words and cells and in pictures."""
    known = Known.from_json(json.loads((folder / KNOWN).read_bytes())) if (folder / KNOWN).exists() else None
    miner = gallery = None
    if (folder / USUAL).exists():
        with np.load(folder / USUAL, allow_pickle=False) as held:
            miner = Miner(Usual(held["counts"], int(held["rows"])), baseline.fields)
    if (folder / PICTURES).exists():
        with np.load(folder / PICTURES, allow_pickle=False) as held:
            if held["counts"].ndim != 2:
                raise DataError("holds counts of an older version", path=folder / PICTURES, remedy="make the watch anew")
            gallery = Gallery(UsualPictures(held["counts"], int(held["rows"])))
        miner = miner or Miner(Usual(np.zeros(0, np.int32), 0), baseline.fields)
    return known, miner, gallery


def keep(folder: Path, usual: Usual | None, known: Known | None, pictures: UsualPictures | None) -> None:
    """Write into a new folder what `triggers` reads."""
    if usual is not None:
        np.savez(folder / USUAL, counts=usual.counts, rows=usual.rows)
    if pictures is not None:
        np.savez_compressed(folder / PICTURES, counts=pictures.counts, rows=pictures.rows)
    if known is not None:
        replace_whole(folder / KNOWN, json.dumps(known.data).encode())


def matched(given: pa.Table, images: UInt8 | None, known: Known | None, miner: Miner | None) -> pa.Table:
    """The events with the known artefacts that each holds, and the nominated patches of its picture: met before privacy puts the text
    out of reach. Raises DataError where the events bring a column of this name."""
    check_own(given)
    columns = {} if known is None else {MATCHES: known.matches(given, images)}
    nominated = {} if miner is None or images is None else patches(miner)
    if nominated and images is not None:
        there = {number: patch.present(images) for number, patch in nominated.items()}
        columns[HOLDS] = [[n for n, rows in there.items() if rows[i]] for i in range(len(images))]
    for name, found in columns.items():
        given = given.append_column(name, pa.array(found, pa.list_(pa.int32())))
    return given


def patches(miner: Miner) -> dict[int, Patch]:
    """The nominees that are patches, by number."""
    found = {}
    for number, suspect in miner.suspects.items():
        if suspect.item[0] == "p":
            artefact = from_json(json.loads(suspect.item[2]))
            assert isinstance(artefact, Patch)
            found[number] = artefact
    return found


def item_of(found: Nominee) -> Item:
    """The nominee as an item: words for people, and its artefact."""
    height, width = found.patch.shape
    said = f"a patch of {height} x {width} pixels at row {found.patch.row}, column {found.patch.col}"
    return "p", said, json.dumps(found.patch.to_json())
