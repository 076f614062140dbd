"""A folder as Hugging Face keeps models: every file in it that a load would touch, looked at and not loaded.

Links to files are followed, as a load would; a file of any name is looked at that begins as a model file does, and the others are named.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from assay.dataset.errors import DataError
from assay.model.static import Examination, Part, examine, loadable, template_parts

MODEL_FILES = (
    *(".pt", ".pth", ".th", ".bin", ".pkl", ".pickle", ".p", ".sav", ".joblib", ".ckpt", ".npy", ".npz"),
    *(".safetensors", ".onnx", ".h5", ".hdf5", ".keras", ".gguf", ".skops"),
)
MOST_FILES = 10_000
NAMED = 10  # files that were not looked at
LARGEST_TEXT = 64 << 20  # bytes of a configuration: tokenizers have a few MiB


def examine_folder(folder: Path) -> Examination:
    """Look at every model file, configuration and module in a folder. DataError: it holds none, or too many files."""
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    if len(files) > MOST_FILES:
        raise DataError(f"holds {len(files):,} files, and {MOST_FILES:,} are read", path=folder, remedy="name the model's own folder")
    parts: list[Part] = []
    notes: list[str] = []
    passed_over: list[str] = []
    seen = 0
    for link in sorted(p for p in folder.rglob("*") if p.is_symlink() and p.is_dir()):
        parts.append(Part(link.relative_to(folder).as_posix(), problem="a link to a folder, which is not followed here"))
    for path in _once(files):
        where = path.relative_to(folder).as_posix()
        if not path.stat().st_size:
            passed_over.append(where)
        elif path.suffix.lower() in MODEL_FILES or loadable(path):
            found = examine(path)
            seen += 1
            parts += [Part(f"{where}: {p.where}", p.dangerous, p.unknown, p.library, p.problem) for p in found.parts]
            notes += [f"{where}: {note}" for note in found.notes]
        elif path.suffix == ".py":
            parts.append(Part(where, unknown=(f"the module {where}, which a load that trusts remote code runs",)))
        elif path.suffix in (".json", ".jinja") and path.stat().st_size <= LARGEST_TEXT:
            for part in _configured(where, path):
                (notes.append(part) if isinstance(part, str) else parts.append(part))
        else:
            passed_over.append(where)
    if not seen:
        raise DataError("holds no model file", path=folder, remedy="name a model file, or the folder that holds it")
    if passed_over:
        some = ", ".join(passed_over[:NAMED]) + (", ..." if len(passed_over) > NAMED else "")
        notes.append(f"{len(passed_over):,} not looked at, beginning as no model file does: {some}")
    return Examination(folder, f"a folder of {seen} model files", tuple(parts), tuple(notes))


def _once(files: list[Path]) -> Iterator[Path]:
    """Each file once for each ending that it goes by, which says how it is read; without one only where it has no other name."""
    named: dict[tuple[Path, str], Path] = {}
    for path in files:
        named.setdefault((path.resolve(), path.suffix.lower()), path)
    ended = {file for file, ending in named if ending}
    yield from sorted(path for (file, ending), path in named.items() if ending or file not in ended)


def _configured(where: str, path: Path) -> Iterator[Part | str]:
    """What a configuration makes a load run, and its chat templates."""
    text = path.read_text(encoding="utf-8", errors="replace")
    if path.suffix == ".jinja":
        yield from template_parts(where, text)
        return
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        yield Part(where, problem="no JSON that can be read")
        return
    if not isinstance(told, dict):
        return
    if isinstance(told.get("auto_map"), dict):
        named = sorted(str(v) for v in told["auto_map"].values())
        yield Part(where, unknown=tuple(f"auto_map: {name}" for name in named))
    for name, template in _templates(told.get("chat_template")):
        yield from template_parts(f"{where}: chat template {name}".rstrip(), template)


def _templates(told: Any) -> Iterator[tuple[str, str]]:
    if isinstance(told, str):
        yield "", told
    elif isinstance(told, list):
        yield from ((str(t.get("name", "")), t["template"]) for t in told if isinstance(t, dict) and isinstance(t.get("template"), str))
