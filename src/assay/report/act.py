"""Acting on a report: leave the quarantined rows out, put them back, explain one row."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from assay.dataset.data import Columns, Dataset
from assay.dataset.errors import DataError
from assay.dataset.read import read
from assay.dataset.removal import Removal, copy_without
from assay.dataset.removal import restore as put_back
from assay.finding import Finding
from assay.report.exhibits import Carrier, label_of, specimens
from assay.report.nearest import nearest
from assay.report.pictures import Budget
from assay.report.report import Report
from assay.report.steps import MEMORY

FROM_LEDGER = "ledger."  # columns that a ledger lent to the scan, and that the data itself does not have

ENOUGH = 10_000_000  # bytes for the pictures of one row


def clean(path: str | Path, folder: str | Path, out: str | Path) -> Removal:
    """Copy the data set at `path` to `out`, in its own format, without the rows that the report in `folder` quarantines.

    Only rows of confirmed findings are left out; what is taken out is kept in `OUT.removed` with a manifest, and
    `restore` puts it back. DataError if the data is not, to the bit, what was scanned, or if `out` is there.
    """
    report = Report.open(folder)
    same(path, report, folder)
    rows = int(report.document["dataset"]["rows"])
    return copy_without(path, out, report.quarantined, records=rows, fingerprint=report.fingerprint)


def restore(clean_copy: str | Path) -> Path:
    """Put back what `clean` left out: the copy is then the original, byte for byte. DataError if it was changed since."""
    return put_back(clean_copy)


def same(path: str | Path, report: Report, folder: str | Path) -> Dataset:
    """The data set at `path`, read as it was for the report; DataError unless its fingerprint is the report's."""
    told = report.document["dataset"]
    try:
        data = read(path, columns=columns_of(told["columns"]), task=told["task"])
    except DataError as error:
        if not error.problem.startswith("there is no column"):
            raise
        raise DataError(
            f"is not what was scanned: {error.problem}, and the report in {folder} is of {told['path']}",
            path=path,
            remedy="scan it, or name the data set of this report",
        ) from error
    if data.fingerprint != report.fingerprint:
        raise DataError(
            f"is not what was scanned: its fingerprint is {data.fingerprint[:12]}… over {data.records:,} rows, the report in "
            f"{folder} is of {report.fingerprint[:12]}… over {told['rows']:,} rows",
            path=path,
            remedy="scan it again, or name the data set of this report",
        )
    return data


def columns_of(told: dict[str, Any]) -> Columns:
    """The columns of a data set as a report has them; those that came from a ledger are no columns of the data."""
    contributor, source = (None if str(told[c]).startswith(FROM_LEDGER) else told[c] for c in ("contributor", "source"))
    return Columns(
        tuple(told["content"]), tuple(told["label"]), told["id"], contributor, source, told["time"], tuple(told.get("response", ()))
    )


@dataclass(frozen=True)
class Explanation:
    """All that a report says of one row. `content` holds it with the first finding's artefact marked, or is None where
    content is withheld; `rank` counts from 1, the most suspicious of `of` readable rows."""

    row: int
    key: str
    label: str | None
    action: str
    score: float | None
    rank: int | None
    of: int
    unreadable: str | None
    findings: tuple[Finding, ...]
    screens: tuple[tuple[str, str], ...]  # (name, what it saw)
    content: Carrier | None
    nearest: tuple[tuple[int, str | None], ...]  # (row number, label)


def explain(folder: str | Path, row: int, path: str | Path | None = None) -> Explanation:
    """Explain one row of a report: what it holds, its findings and screens, the rows most like it.

    `path`: where the data lies, if not where it was scanned. DataError if there is no such row, or the data has changed.
    """
    report = Report.open(folder)
    told = report.document["dataset"]
    if not 0 <= row < report.rows.num_rows:
        raise DataError(f"there is no row {row}: they are numbered 0 to {report.rows.num_rows - 1}", path=folder)
    if path is None and told["format"] == MEMORY:
        raise DataError("was made from data in memory, which is gone", path=folder, remedy="name the data with --data")
    data = same(told["path"] if path is None else path, report, folder)
    line = report.rows.slice(row, 1).to_pylist()[0]
    lost = next((u.reason for u in data.unreadable if u.row == row), None)
    reasons = {s["name"]: s["reason"] for s in report.document.get("screens", ())}
    findings = tuple(f for f in report.findings if f.id in line["findings"])
    scores = np.asarray(report.rows["score"].drop_null())
    place = int(np.flatnonzero(data.row == row)[0]) if lost is None else None
    return Explanation(
        row=row,
        key=line["key"],
        label=None if place is None else label_of(data, place),
        action=line["action"],
        score=line["score"],
        rank=None if line["score"] is None else int((scores > line["score"]).sum()) + 1,
        of=len(data),
        unreadable=lost,
        findings=findings,
        screens=tuple((name, reasons.get(name, "")) for name in line["screens"]),
        content=_content(data, place, findings, bool(report.conclusion.settings.get("samples", True))),
        nearest=() if place is None else tuple((int(data.row[p]), label_of(data, int(p))) for p in nearest(data, place)),
    )


def _content(data: Dataset, place: int | None, findings: tuple[Finding, ...], samples: bool) -> Carrier | None:
    if place is None or not samples:
        return None
    artefact = findings[0].artefact if findings else None
    return specimens(data, np.array([place]), Budget(ENOUGH), artefact)[0]
