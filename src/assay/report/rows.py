"""rows.parquet: a line per record, readable or not."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay.dataset.data import Dataset
from assay.finding import Conclusion, Finding
from assay.screen.combine import row_bound

STRENGTH = {"confirmed": 0, "suspected": 1, "shortcut": 2}

SCHEMA = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),
        pa.field("key", pa.string(), nullable=False),
        pa.field("digest", pa.string()),  # SHA-256, hex
        pa.field("score", pa.float64()),  # higher is more suspicious
        pa.field("finding", pa.string()),  # the strongest
        pa.field("findings", pa.list_(pa.string()), nullable=False),
        pa.field("action", pa.string(), nullable=False),
        pa.field("screens", pa.list_(pa.string()), nullable=False),  # the screens that flagged it
        pa.field("false_discovery", pa.float64()),  # bound on the false share among rows with at most this, by the screens
    ]
)


def by_strength(findings: tuple[Finding, ...]) -> list[Finding]:
    """Confirmed before suspected before shortcut, then by evidence; the order of every list and table."""
    return sorted(findings, key=lambda f: (STRENGTH[f.status], -f.log_e, f.log10_p))


def rows_table(data: Dataset, conclusion: Conclusion) -> pa.Table:
    """One line a record, in record order. An unreadable record keeps its number, has no digest and no score, and is to
    be reviewed."""
    n, lost = len(data), data.unreadable
    findings = by_strength(conclusion.findings)
    belongs, first = _lists([(f.id, f.positions) for f in findings], n, len(lost))
    flagged, _ = _lists([(s.name, np.flatnonzero(s.flag)) for s in conclusion.screens], n, len(lost))
    score = np.asarray(conclusion.score, np.float64)
    hexes = data.digest.tobytes().hex()
    columns = [
        pa.array(np.concatenate([data.row, np.array([u.row for u in lost], np.int64)])),
        pa.array([*data.key, *(u.key for u in lost)], pa.string()),
        pa.array([*(hexes[64 * i : 64 * i + 64] for i in range(n)), *(None for _ in lost)], pa.string()),
        pa.array(np.r_[score, np.zeros(len(lost))], mask=np.r_[~np.isfinite(score), np.ones(len(lost), bool)]),
        pa.array([f.id for f in findings] or [""]).take(pa.array(np.maximum(first, 0), mask=first < 0)),
        belongs,
        pa.array([*conclusion.action, *("review" for _ in lost)], pa.string()),
        flagged,
        pa.array(np.r_[row_bound(conclusion.screens, n), np.zeros(len(lost))], mask=np.r_[np.zeros(n, bool), np.ones(len(lost), bool)]),
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMA).sort_by("row")


def _lists(members: list[tuple[str, NDArray[np.int64]]], n: int, more: int) -> tuple[pa.ListArray, NDArray[np.int64]]:
    """For each of n rows the names that hold it, in the order given, then `more` empty lists; and the number of the first
    name, -1 for none."""
    at = np.concatenate([np.zeros(0, np.int64), *(np.unique(p) for _, p in members)])
    which = np.repeat(np.arange(len(members)), [len(np.unique(p)) for _, p in members])
    order = np.argsort(at, kind="stable")
    at, which = at[order], which[order]
    offsets = np.searchsorted(at, np.arange(n + more + 1)).astype(np.int32)
    names = pa.array([name for name, _ in members], pa.string()).take(pa.array(which))
    first = np.full(n + more, -1)
    held = np.flatnonzero(np.diff(offsets))
    first[held] = which[offsets[held]]
    return pa.ListArray.from_arrays(pa.array(offsets), names), first
