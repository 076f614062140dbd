"""What came since an earlier report: the rows that were added, and what the findings owe to them.

The earlier rows must stand unchanged at the head of the data (a log that only grows). What was gathered from blocks of them is looked up
where the earlier scan kept it (`engine.kept`), and the new rows are folded in; everything is then tried again, since probes learn from
every row. The findings are those of a full scan.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from assay.dataset.data import Dataset
from assay.dataset.errors import DataError
from assay.finding import Conclusion, Finding
from assay.report.folder import read_json, read_rows


@dataclass(frozen=True)
class Earlier:
    """An earlier report: how many records it covered, and the artefacts it named with their statuses."""

    folder: Path
    records: int
    named: dict[str, str] | None  # None: that report was written without content, and its artefacts cannot be compared


def earlier(folder: Path, data: Dataset) -> Earlier:
    """The report in `folder`, if `data` still begins with the very records it covered. DataError names the first that changed."""
    document, rows = read_json(folder), read_rows(folder)
    before = rows["digest"].to_pylist()
    if len(before) > data.records:
        raise DataError(
            f"the earlier report covers {len(before):,} records, and the data has {data.records:,}: some were removed",
            path=folder,
            remedy="scan without --since",
        )
    now: list[str | None] = [None] * data.records
    for row, digest in zip(data.row.tolist(), data.digest, strict=True):
        now[row] = digest.tobytes().hex()
    changed = next((i for i, digest in enumerate(before) if digest != now[i]), None)
    if changed is not None:
        raise DataError("this record is not what it was in the earlier report", path=data.path, row=changed, remedy="scan without --since")
    told = bool(document["settings"].get("samples", True))
    named = {_name(f["artefact"]): str(f["status"]) for f in document["findings"]} if told else None
    return Earlier(folder, len(before), named)


def tell_since(data: Dataset, conclusion: Conclusion, before: Earlier) -> tuple[Dataset, Conclusion]:
    """The same conclusion, each finding's explanation and the data's notes saying what came since."""
    findings = tuple(replace(f, explanation=f"{f.explanation} {_came(f, data, before)}") for f in conclusion.findings)
    note = f"Since the report in {before.folder.name}: {data.records - before.records:,} records added"
    if before.named is not None:
        here = {_name(f.artefact.to_json()) for f in conclusion.findings}
        new = [f.id for f in conclusion.findings if _name(f.artefact.to_json()) not in before.named and f.status != "shortcut"]
        gone = sum(status != "shortcut" and name not in here for name, status in before.named.items())
        note += f", findings new: {', '.join(new) or 'none'}, no longer found: {gone}"
    return replace(data, notes=(*data.notes, note + ".")), replace(conclusion, findings=findings)


def _came(finding: Finding, data: Dataset, before: Earlier) -> str:
    added = int((data.row[finding.positions] >= before.records).sum())
    said = f"{added:,} of its rows were added since the earlier report."
    if before.named is None:
        return said
    known = before.named.get(_name(finding.artefact.to_json()))
    return f"It is new; {said}" if known is None else f"It was {known} before; {said}"


def _name(artefact: Any) -> str:
    """One text for one artefact, whatever the order of its JSON."""
    return repr(sorted(artefact.items(), key=lambda item: str(item[0])))
