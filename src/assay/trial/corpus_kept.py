"""A long scan of a corpus, kept on disk as it goes, so that one that was interrupted goes on from there.

Three files, one a pass: what was counted, where text turned, and the runs that survived; each says how many documents are in it and
whether that was all. They are NumPy archives without pickles, written under a temporary name and moved: a kill leaves the one before.
Each bears the mark of the very files that were scanned (names, sizes, times of change), their columns and this program's version; what
bears another mark, or cannot be read, counts as absent. What is found is the same with interruptions and without. One scan a folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from assay.dataset.errors import DAMAGE, DataError
from assay.learn.hashed_counts import HashedCounts, Sample
from assay.mine.turns import Run, Runs, Turns
from assay.version import __version__

EVERY = 120.0  # seconds after which a state is written: a gigabyte takes one or two
TOLD = "told"  # the entry of an archive that holds numbers and texts; the others are its arrays

Arrays = dict[str, "np.ndarray[Any, Any]"]


def mark_of(files: Sequence[Path], columns: Sequence[str]) -> str:
    """A name for these files as they stand, read so by this version."""
    known = [(str(f), f.stat().st_size, f.stat().st_mtime_ns) for f in files]
    return hashlib.sha256(json.dumps([__version__, known, list(columns)]).encode()).hexdigest()[:32]


def check_folder(folder: Path, corpus: Path) -> None:
    """DataError if states may not be kept in `folder`; asked before a scan, which writes its first after minutes."""
    if corpus.is_dir() and corpus.resolve() in (folder.resolve(), *folder.resolve().parents):
        raise DataError("what is kept would lie inside the corpus and be scanned with it", path=folder, remedy="give another --keep")
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not there.is_dir():
        raise DataError(f"{there} is a file, and what is kept needs a folder", path=folder, remedy="give another --keep")
    if not os.access(there, os.W_OK | os.X_OK):
        raise DataError(f"{there} may not be written to", path=folder, remedy="give another --keep")


@dataclass
class Kept:
    """States of one scan in `folder`, which need not be there yet."""

    folder: Path
    mark: str
    every: float = EVERY
    _since: float = field(default_factory=time.monotonic)

    def due(self) -> bool:
        """Whether it is time to write the state of a pass."""
        return time.monotonic() - self._since >= self.every

    def counted(self) -> tuple[HashedCounts, Sample, bool] | None:
        """The first pass as far as it came, and whether that was all."""
        found = self._read("counted")
        if found is None:
            return None
        told, arrays = found
        counts = HashedCounts(told["bits"], arrays["words"], arrays["pairs"], told["tokens"], told["documents"])
        return counts, Sample(told["size"], arrays["key"], told["texts"]), told["whole"]

    def keep_counted(self, counts: HashedCounts, sample: Sample, whole: bool) -> None:
        told = {"bits": counts.bits, "tokens": counts.tokens, "documents": counts.documents, "size": sample.size, "texts": sample.texts}
        self._write("counted", told | {"whole": whole}, {"words": counts.words, "pairs": counts.pairs, "key": sample.key})

    def turned(self) -> tuple[Turns, int, bool] | None:
        """The second pass, how many documents are in it, and whether that was all."""
        found = self._read("turned")
        return None if found is None else (Turns(found[1]["stands"], found[1]["turns"]), found[0]["documents"], found[0]["whole"])

    def keep_turned(self, turns: Turns, documents: int, whole: bool) -> None:
        self._write("turned", {"documents": documents, "whole": whole}, {"stands": turns.stands, "turns": turns.turns})

    def survived(self) -> tuple[Runs, int, bool] | None:
        """The third pass, likewise."""
        found = self._read("survived")
        if found is None:
            return None
        runs = {int(key): Run(**run) for key, run in found[0]["runs"].items()}
        return Runs(runs), found[0]["documents"], found[0]["whole"]

    def keep_survived(self, runs: Runs, documents: int, whole: bool) -> None:
        self._write("survived", {"runs": {str(k): vars(r) for k, r in runs.found.items()}, "documents": documents, "whole": whole}, {})

    def clear(self) -> None:
        """Drop them; the scan is finished."""
        for name in ("counted", "turned", "survived"):
            self._path(name).unlink(missing_ok=True)
            self._scratch(name).unlink(missing_ok=True)
        if self.folder.is_dir() and not any(self.folder.iterdir()):
            self.folder.rmdir()

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.npz"

    def _scratch(self, name: str) -> Path:
        return self.folder / f"{name}.tmp"  # one name: what a killed scan left there is written over

    def _write(self, name: str, told: dict[str, Any], arrays: Arrays) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(told | {"mark": self.mark}).encode("utf-8", "surrogatepass")
        scratch = self._scratch(name)
        try:
            with scratch.open("wb") as file:
                np.savez(file, allow_pickle=False, **{TOLD: np.frombuffer(text, np.uint8)}, **arrays)
                file.flush()
                os.fsync(file.fileno())
            scratch.replace(self._path(name))
        finally:
            scratch.unlink(missing_ok=True)  # where the disk is full: the state before it stands
        self._since = time.monotonic()

    def _read(self, name: str) -> tuple[dict[str, Any], Arrays] | None:
        try:
            with np.load(self._path(name), allow_pickle=False) as archive:
                told = json.loads(archive[TOLD].tobytes().decode("utf-8", "surrogatepass"))
                if told["mark"] != self.mark:
                    return None
                return told, {key: archive[key] for key in archive.files if key != TOLD}
        except DAMAGE:
            return None
