"""rows.parquet: a line per record, readable or not."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from assay.dataset.data import Dataset
from assay.finding import Conclusion, Finding

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
    ]
)


def by_strength(findings: tuple[Finding, ...]) -> list[Finding]:
    """Confirmed before suspected before shortcut, then by evidence; the order of every list and table."""
    return sorted(findings, key=lambda f: (STRENGTH[f.status], -f.log_e, f.log10_p))


def rows_table(data: Dataset, conclusion: Conclusion) -> pa.Table:
    """One line a record, in record order. An unreadable record keeps its number, has no digest and no score, and is to
    be reviewed."""
    n = len(data)
    findings: list[list[str]] = [[] for _ in range(n)]
    for finding in by_strength(conclusion.findings):
        for position in finding.positions.tolist():
            findings[position].append(finding.id)
    flags: list[list[str]] = [[] for _ in range(n)]
    for screen in conclusion.screens:
        for position in np.flatnonzero(screen.flag).tolist():
            flags[position].append(screen.name)
    lost = data.unreadable
    score = np.asarray(conclusion.score, np.float64)
    columns = [
        pa.array([*data.row.tolist(), *(u.row for u in lost)], pa.int64()),
        pa.array([*data.key, *(u.key for u in lost)], pa.string()),
        pa.array([*(bytes(d).hex() for d in data.digest), *(None for _ in lost)], pa.string()),
        pa.array([*score.tolist(), *(0.0 for _ in lost)], mask=np.r_[~np.isfinite(score), np.ones(len(lost), bool)]),
        pa.array([*(f[0] if f else None for f in findings), *(None for _ in lost)], pa.string()),
        pa.array([*findings, *([] for _ in lost)], SCHEMA.field("findings").type),
        pa.array([*conclusion.action, *("review" for _ in lost)], pa.string()),
        pa.array([*flags, *([] for _ in lost)], SCHEMA.field("screens").type),
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMA).sort_by("row")
