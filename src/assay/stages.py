"""Finished stages of a scan, kept until its report is written: an interrupted scan goes on where it stopped.

A stage is one family's examination. It is stored under a key made of the data's fingerprint, the columns, the settings that
bear on it and this program's version, so that a stage is only ever used for the very scan it was made for. Files are
NumPy archives without pickles, written under a temporary name and moved; one that cannot be read counts as absent.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from assay.artefact.base import Artefact
from assay.artefact.registry import from_json
from assay.dataset.atomic import move
from assay.dataset.data import Dataset
from assay.finding import Check, Effect, TrialResult
from assay.mine.candidate import Candidate
from assay.trial.family import Examined, Tried
from assay.version import __version__

STORED = {c.__name__: c for c in (Candidate, Check, Effect, Examined, Tried, TrialResult)}
TEXT = "text"  # the entry of an archive that holds the structure; the others are its arrays


@dataclass(frozen=True)
class Stages:
    """Where finished stages are kept; nowhere without a folder."""

    folder: Path | None = None

    def get(self, key: str, make: Callable[[], Examined]) -> Examined:
        """The stored stage, or what `make` gives, which is then stored."""
        if self.folder is None:
            return make()
        path = self.folder / f"{key}.npz"
        found = _load(path)
        if found is None:
            found = make()
            _store(path, found)
        return found

    def holds(self, key: str) -> bool:
        """Whether `get` would find it."""
        return self.folder is not None and (self.folder / f"{key}.npz").exists()

    def clear(self) -> None:
        """Drop them all; the report is written."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)


NOWHERE = Stages()  # keeps nothing


def stage_key(data: Dataset, stage: str, **settings: Any) -> str:
    """A name for one stage of one scan; other data, columns, settings or versions give another.

    >>> from assay.dataset.read import read
    >>> data = read({"text": [f"a film of {i} parts" for i in range(12)], "label": list("xyxyxyxyxyxy")})
    >>> stage_key(data, "phrase", seed=0) == stage_key(data, "phrase", seed=1)
    False
    """
    known = [__version__, data.fingerprint, data.records, data.modality, data.task, asdict(data.columns), data.classes, stage, settings]
    return hashlib.sha256(json.dumps(known, sort_keys=True, default=str).encode()).hexdigest()[:32]


def _store(path: Path, stage: Examined) -> None:
    arrays: dict[str, Any] = {}
    text = json.dumps(_packed(stage, arrays))
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(f".{os.getpid()}.tmp")
    with scratch.open("wb") as file:
        arrays[TEXT] = np.frombuffer(text.encode(), np.uint8)
        np.savez(file, allow_pickle=False, **arrays)
        file.flush()
        os.fsync(file.fileno())
    move(scratch, path)


def _load(path: Path) -> Examined | None:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        stage = _unpacked(json.loads(arrays.pop(TEXT).tobytes()), arrays)
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return None
    return stage if isinstance(stage, Examined) else None


def _packed(value: Any, arrays: dict[str, Any]) -> Any:
    if isinstance(value, np.ndarray):
        name = f"a{len(arrays)}"
        arrays[name] = value
        return {"array": name}
    if isinstance(value, Artefact):
        return {"artefact": value.to_json()}
    if is_dataclass(value) and type(value).__name__ in STORED:
        return {"type": type(value).__name__, "fields": {f.name: _packed(getattr(value, f.name), arrays) for f in fields(value)}}
    if isinstance(value, tuple):
        return [_packed(v, arrays) for v in value]
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a stage holds a {type(value).__name__}, which cannot be stored")


def _unpacked(value: Any, arrays: dict[str, Any]) -> Any:
    if isinstance(value, list):
        return tuple(_unpacked(v, arrays) for v in value)
    if not isinstance(value, dict):
        return value
    if "array" in value:
        return arrays[value["array"]]
    if "artefact" in value:
        return from_json(value["artefact"])
    return STORED[value["type"]](**{name: _unpacked(v, arrays) for name, v in value["fields"].items()})
