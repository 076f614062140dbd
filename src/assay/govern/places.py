"""What lies in a project folder: the data, and everything that says something of it, each known by what it holds and not by its name.

A project folder may hold `assay.toml` (`assay.govern.policy`), whose `[paths]` are then taken; what it leaves out is looked for.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from assay.dataset.errors import DataError
from assay.report import folder as reports

CONFIG = "assay.toml"
DEEPEST = 3  # folders below the project's own
MOST = 20_000  # entries looked at: a folder of pictures is passed over long before
CROWDED = 500  # entries of a folder that is data, and not looked into
LARGEST = 64 << 20  # bytes of a JSON file that is opened to see what it is
MODELS = (".pt", ".pth", ".pkl", ".joblib", ".safetensors", ".onnx", ".h5", ".keras", ".gguf")
PLANS = ("incident-plan.md", "incident_plan.md", "incident.md", "INCIDENT.md")
INSPECTION, CHECKLIST = "assay.inspection/", "assay.checklist/"

MARKS = {  # file in a folder -> (what the folder is, how its schema begins)
    "report.json": ("report", reports.FAMILY),
    "ledger.json": ("ledger", "assay.ledger/"),
    "review.json": ("review", "assay.review/"),
    "crowd.json": ("crowd", "assay.crowd/"),
    "trusted.json": ("trusted", "assay.trusted/"),
}


@dataclass(frozen=True)
class Places:
    """Where things lie. A path that was named is kept even where nothing is there, so that its absence is said."""

    root: Path
    data: Path | None = None
    report: Path | None = None
    ledger: Path | None = None
    review: tuple[Path, ...] = ()
    crowd: tuple[Path, ...] = ()
    trusted: Path | None = None
    models: tuple[Path, ...] = ()
    inspections: tuple[Path, ...] = ()
    watch: Path | None = None
    plan: Path | None = None
    checklists: tuple[Path, ...] = ()

    @property
    def empty(self) -> bool:
        """Nothing that Assay knows was found."""
        return self == Places(self.root, data=self.data)


SINGLE = ("report", "ledger", "trusted", "watch", "plan")
SEVERAL = ("review", "crowd", "models", "inspections", "checklists")
NAMES = ("data", *SINGLE, *SEVERAL)


def look(path: Path) -> Places:
    """What lies in a project folder, or beside a data set. Raises DataError where nothing is at `path`.

    A folder in which nothing of ours is found is taken for a data set, and its parent is looked at.
    """
    if not path.exists():
        raise DataError("there is no such file or folder", path=path, remedy="name a data set, or the folder of a project")
    if path.is_file():
        found = _walk(path.absolute().parent, 1)
        return replace(_about(found, path), data=path)
    found = _walk(path, DEEPEST)
    if not found.empty or (path / CONFIG).is_file():
        return replace(found, data=_data_of(found))
    beside = _walk(path.absolute().parent, 1)
    return replace(_about(beside, path), data=path)


def named(places: Places, given: dict[str, Any], origin: Path) -> Places:
    """The places with those that a table of paths names put in, relative to the folder of `origin`. DataError for unknown names."""
    for name, value in given.items():
        if name not in NAMES:
            raise DataError(f"[paths] has no {name!r}", path=origin, remedy=f"use {', '.join(NAMES)}")
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, list) or not all(isinstance(t, str) and t for t in texts):
            raise DataError(f"[paths] {name} is no path", path=origin, remedy='write for example data = "reviews.csv"')
        if name not in SEVERAL and len(texts) != 1:
            raise DataError(f"[paths] {name} is one path", path=origin)
        paths = tuple(origin.parent / text for text in texts)
        change: dict[str, Any] = {name: paths if name in SEVERAL else paths[0]}
        places = replace(places, **change)
    return places


def _walk(root: Path, deepest: int) -> Places:
    found: dict[str, list[Path]] = {name: [] for name in (*SINGLE, *SEVERAL)}
    for kind, path in _things(root, deepest):
        found[kind].append(path)
    newest = {name: max(found[name], key=_age) if found[name] else None for name in SINGLE}
    several = {name: tuple(sorted(found[name])) for name in SEVERAL}
    return Places(root, **newest, **several)  # type: ignore[arg-type]  # names and types are those of the fields


def _age(path: Path) -> float:
    return path.stat().st_mtime


def _things(root: Path, deepest: int) -> Iterator[tuple[str, Path]]:
    left = MOST
    waiting = [(root, 0)]
    while waiting and left > 0:
        folder, depth = waiting.pop()
        try:
            entries = sorted(os.scandir(folder), key=lambda e: e.name)
        except OSError:  # a folder that may not be read says nothing; what is missing is then said
            continue
        left -= len(entries)
        if depth and len(entries) > CROWDED:
            continue
        for entry in entries:
            if entry.name.startswith(".") and entry.name != ".":
                continue
            path = Path(entry.path)
            if entry.is_dir(follow_symlinks=False):
                kind = _kind(path)
                if kind is not None:
                    yield kind, path
                elif depth + 1 < deepest:
                    waiting.append((path, depth + 1))
            elif entry.is_file():
                yield from _file(path, entry.name)


def _file(path: Path, name: str) -> Iterator[tuple[str, Path]]:
    if name in PLANS:
        yield "plan", path
    elif path.suffix.lower() in MODELS:
        yield "models", path
    elif path.suffix == ".json" and (schema := schema_of(path)) is not None:
        if schema.startswith(INSPECTION):
            yield "inspections", path
        elif schema.startswith(CHECKLIST):
            yield "checklists", path


def _kind(folder: Path) -> str | None:
    for mark, (kind, family) in MARKS.items():
        if (folder / mark).is_file():
            schema = schema_of(folder / mark)
            return kind if schema is not None and schema.startswith(family) else None
    if (folder / "baseline.json").is_file() and (folder / "journal").is_dir():
        return "watch"
    return None


def schema_of(path: Path) -> str | None:
    """The `schema` that a JSON file names; None for anything else."""
    try:
        if path.stat().st_size > LARGEST:
            return None
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    schema = document.get("schema") if isinstance(document, dict) else None
    return schema if isinstance(schema, str) else None


def _told(report: Path) -> Path | None:
    """The data set that a report speaks of: beside the report, so that a copied project speaks of its own data, or where it was."""
    try:
        said = str(reports.read_json(report)["dataset"]["path"])
    except (DataError, KeyError, TypeError):
        return None
    return next((p for p in (report.parent / Path(said).name, Path(said)) if Path(said).name and p.exists()), None)


def _data_of(found: Places) -> Path | None:
    return None if found.report is None else _told(found.report)


def _about(found: Places, data: Path) -> Places:
    """Without a report that is on another data set than this one."""
    if found.report is None:
        return found
    told = [r for r in _reports(found.root) if (of := _told(r)) is not None and of.resolve() == data.resolve()]
    return replace(found, report=max(told, key=_age) if told else None)


def _reports(root: Path) -> list[Path]:
    return [path for kind, path in _things(root, 1) if kind == "report"]
