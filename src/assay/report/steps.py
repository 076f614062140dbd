"""What to type next, after this verdict."""

from __future__ import annotations

import shlex
from pathlib import Path

from assay.dataset.data import Dataset
from assay.dataset.remote import Place, is_remote
from assay.finding import Conclusion
from assay.report.rows import by_strength

MEMORY = "memory"  # the path of a data set that has none


def next_steps(data: Dataset, conclusion: Conclusion, folder: Path) -> tuple[str, ...]:
    """Commands ready to paste, the most useful first; for a data set from memory, lines of Python."""
    quarantined = "quarantine" in conclusion.action
    if data.format == MEMORY:
        return ("kept = torch.utils.data.Subset(data, report.keep)",) if quarantined else ()
    path = Path(data.path) if Path(data.path).name not in ("", "..") else Path(data.path).resolve()
    if is_remote(data.path):  # records are taken out of files: fetched under its name, it has the same fingerprint
        path = Path(Place.of(data.path).name)
    source, report = shlex.quote(data.path), shlex.quote(str(folder))
    steps = []
    if quarantined:
        clean = path.with_name(f"{path.name}.clean" if path.is_dir() else f"{path.stem}.clean{path.suffix}")
        files = shlex.quote(str(path)) if is_remote(data.path) else source
        steps.append(f"assay clean {files} --report {report} --out {shlex.quote(str(clean))}")
    involved = [f for f in by_strength(conclusion.findings) if f.status != "shortcut" and len(f.positions)]
    if involved:
        steps.append(f"assay explain {report} {int(data.row[involved[0].positions[0]])}")
    if conclusion.verdict in ("clean", "incomplete") and conclusion.settings.get("depth") == "fast":
        steps.append(f"assay scan {source} --depth full")
    return tuple(steps)
