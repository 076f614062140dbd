"""Drills: poison hidden in a copy for people to find, the truth sealed before they begin, and their answers scored.

    DRILL/data…          the copy, in the format of the data set, every record written anew
    DRILL/drill.json     schema "assay.drill/1": what is known to all, and SHA-256 of the truth
    DRILL/answers/       one file an answer
    TRUTH                what was planted; whoever leads the drill keeps it elsewhere. It cannot be changed unseen

The kind, the number of rows, the target and the seed are drawn; one drill in five hides nothing, so that "poisoned" is no safe answer.
Who has the original can compare: give people the copy alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from assay.attack.base import Planted
from assay.attack.planting import plant
from assay.attack.truth import SUFFIX, Truth, read_truth, truth_table
from assay.dataset.atomic import whole
from assay.dataset.data import Columns, Dataset
from assay.dataset.errors import DataError
from assay.dataset.formats.base import FileFormat
from assay.dataset.formats.registry import named
from assay.dataset.read import read
from assay.dataset.removal import sha256_of
from assay.dataset.write import write_as

SCHEMA, ANSWER = "assay.drill/1", "assay.drill-answer/1"
NOTHING = "none"  # the kind of a drill that hides nothing
CLEAN_CHANCE = 0.2
FEWEST, LEAST, MOST = 20, 0.003, 0.03  # rows; shares of rows: from what a scan hardly sees to what a careful person does
KINDS = {  # that need no torch and no columns beyond content and label
    "image": ("patch", "sticker", "trojan-square", "blend", "flip"),
    "text": ("phrase", "sentence", "homoglyph", "zero-width", "flip"),
    "table": ("cells", "noisy-cells", "flip"),
}
SAID, ROWS, TARGET = 40, 40, 20  # points of an answer: poisoned or not; which rows (F1); drawn to which label


@dataclass(frozen=True)
class Drill:
    """What is known to all."""

    folder: Path
    file: str
    rows: int
    fingerprint: str
    commitment: str
    made: str
    classes: tuple[str, ...]

    @property
    def data(self) -> Path:
        return self.folder / self.file


@dataclass(frozen=True)
class Score:
    """How good an answer is. `precision` and `recall` are of rows; NaN where there is nothing to count."""

    by: str
    right: bool  # in saying that there is poison, or none
    named: int
    precision: float
    recall: float
    target: bool | None  # None: no single target was planted
    points: int
    minutes: float


def make(
    path: str | Path,
    out: Path,
    truth: Path,
    rng: np.random.Generator,
    *,
    columns: Columns | None = None,
    kinds: Sequence[str] = (),
    clean_chance: float = CLEAN_CHANCE,
    now: datetime | None = None,
) -> Drill:
    """Hide poison in a copy of the data set at `path`, or nothing; writes the folder `out` and the file `truth`.

    DataError where the data has no labels or too few rows, a kind does not fit it, or something is there already.
    """
    if out.resolve() in truth.resolve().parents:
        raise DataError("the truth would lie in the folder that people are given", path=truth, remedy="give another --truth")
    with whole(out, truth) as (new, new_truth):
        data = read(path, columns=columns)
        most = int(MOST * len(data))
        if most < FEWEST or not data.labelled:
            least = round(FEWEST / MOST)
            raise DataError(f"a drill needs labels and at least {least:,} rows", path=path, remedy="name --label, or take more rows")
        planted, asked = _hide(data, kinds or KINDS[data.modality], rng, clean_chance, most)
        new.mkdir()
        name = _file_name(data)
        written = write_as(planted.data, new / name)
        (new / "answers").mkdir()
        pq.write_table(truth_table(planted, written.row, written.key, asked), new_truth)
        os.chmod(new_truth, 0o600)
        made = (now or datetime.now(UTC)).isoformat(timespec="seconds")
        fingerprint = read(new / name, columns=_same(data)).fingerprint
        drill = Drill(out, name, len(data), fingerprint, sha256_of(new_truth), made, data.classes)
        _write(new / "drill.json", {"schema": SCHEMA, **_public(drill), **_named(data)})
    return drill


def _same(data: Dataset) -> Columns:
    return Columns(content=data.columns.content, label=data.columns.label)


def _named(data: Dataset) -> dict[str, Any]:
    return {"content": list(data.columns.content), "label": list(data.columns.label), "classes": list(data.classes)}


def _public(drill: Drill) -> dict[str, Any]:
    return {name: getattr(drill, name) for name in ("file", "rows", "fingerprint", "commitment", "made")}


def _hide(data: Dataset, kinds: Sequence[str], rng: np.random.Generator, clean_chance: float, most: int) -> tuple[Planted, dict[str, Any]]:
    seed = int(rng.integers(2**62))
    if rng.random() < clean_chance:
        return Planted(data, np.zeros(len(data), bool), (), NOTHING), {"kind": NOTHING, "seed": seed}
    kind = kinds[int(rng.integers(len(kinds)))]
    least = max(FEWEST, int(LEAST * len(data)))
    carriers = round(np.exp(rng.uniform(np.log(least), np.log(max(most, least)))))
    target = data.classes[int(rng.integers(len(data.classes)))]
    asked = {"kind": kind, "carriers": carriers, "target": target, "seed": seed}
    return plant(data, kind, carriers=carriers, target=target, seed=seed), asked


def _file_name(data: Dataset) -> str:
    form = named(data.format)
    path = Path(data.path)
    if not isinstance(form, FileFormat) or path.is_dir():
        return "data"
    return "data" + (path.suffix if path.suffix.lower() in form.suffixes else form.suffixes[0])


def _write(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def open_drill(folder: Path) -> Drill:
    """DataError if it is none, or its data has been changed."""
    path = folder / "drill.json"
    try:
        said: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if said["schema"] != SCHEMA or Path(said["file"]).name != said["file"]:
            raise ValueError(f"not of the schema {SCHEMA}")
        fingerprint, commitment, made = (str(said[name]) for name in ("fingerprint", "commitment", "made"))
        classes = tuple(map(str, said["classes"]))
        drill = Drill(folder, said["file"], int(said["rows"]), fingerprint, commitment, made, classes)
        columns = Columns(tuple(map(str, said["content"])), tuple(map(str, said["label"])))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError("is no drill", path=folder, remedy="make one: assay drill new DATA --out DRILL") from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"cannot be understood ({error})", path=path, remedy="make the drill anew") from error
    if read(drill.data, columns=columns).fingerprint != drill.fingerprint:
        raise DataError("the data of the drill has been changed", path=drill.data, remedy="make the drill anew")
    return drill


def answer(
    drill: Drill, by: str, rows: Sequence[int], *, clean: bool, target: str | None = None, note: str = "", now: datetime | None = None
) -> Path:
    """Keep an answer: rows held for poison, the label that they are drawn to, or that there is none. Later answers replace earlier ones.

    DataError for a row or a class that the data does not have, and for an answer that says both.
    """
    if not by or by.startswith(".") or not all(c.isalnum() or c in "._@-" for c in by):
        raise DataError(f"{by!r} cannot name anybody", remedy="use letters, digits, . _ @ and -")
    if clean == bool(len(rows)):
        raise DataError("an answer names rows, or says --clean", path=drill.folder, remedy="give one of the two")
    wrong = [row for row in rows if not 0 <= row < drill.rows]
    if wrong:
        raise DataError(f"there is no row {wrong[0]}: they are numbered 0 to {drill.rows - 1}", path=drill.folder)
    if target is not None and target not in drill.classes:
        raise DataError(f"there is no class {target!r}", path=drill.folder, remedy=f"choose among {', '.join(drill.classes)}")
    folder = drill.folder / "answers"
    number = sum(p.name.startswith(f"{by}.") for p in folder.glob("*.json"))
    path = folder / f"{by}.{number:04d}.json"
    at = (now or datetime.now(UTC)).isoformat(timespec="seconds")
    document = {"schema": ANSWER, "by": by, "at": at, "clean": clean, "rows": sorted(set(rows)), "target": target, "note": note}
    with whole(path) as (new,):
        _write(new, document)
    return path


def score(drill: Drill, truth: Path) -> tuple[Truth, list[Score]]:
    """Everybody's last answer, the best first. DataError where the truth is not the one that was sealed."""
    data = _bytes(truth)
    if sha256(data).hexdigest() != drill.commitment:
        raise DataError("is not the truth that was sealed when the drill was made", path=truth, remedy=f"give the {SUFFIX} of this drill")
    told = read_truth(truth)
    last: dict[str, dict[str, Any]] = {}
    for path in sorted((drill.folder / "answers").glob("*.json")):
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
            last[str(said["by"])] = {**said, "rows": np.array(said["rows"], np.int64), "at": datetime.fromisoformat(said["at"])}
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"is no answer ({error})", path=path, remedy="answer again") from error
    made = datetime.fromisoformat(drill.made)
    return told, sorted((_scored(by, said, told, made) for by, said in last.items()), key=lambda s: (-s.points, s.minutes))


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})", path=path, remedy="give the truth of the drill with --truth") from error


def _scored(by: str, said: dict[str, Any], truth: Truth, made: datetime) -> Score:
    poisoned = truth.row[truth.poisoned]
    right = bool(said["clean"]) == (not len(poisoned))
    hits = int(np.isin(said["rows"], poisoned).sum())
    precision = hits / len(said["rows"]) if len(said["rows"]) else float("nan")
    recall = hits / len(poisoned) if len(poisoned) else float("nan")
    goals = {t for t in truth.targets if t is not None} or ({truth.asked["target"]} if truth.asked.get("target") else set())
    target = None if len(goals) != 1 else said.get("target") in goals
    if not len(poisoned):
        points = SAID + ROWS + TARGET if right else 0
    else:
        f1 = 2 * hits / (len(said["rows"]) + len(poisoned))
        points = round(SAID * right + ROWS * f1 + TARGET * (hits > 0 and target is not False))
    return Score(by, right, len(said["rows"]), precision, recall, target, points, (said["at"] - made).total_seconds() / 60)
