"""What a trace and a purge say in JSON, for files and for signed statements."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from assay.ledger.lineage import Impact
from assay.ledger.purge import Cleaned
from assay.ledger.trace import Trace


def trace_json(found: Trace) -> dict[str, Any]:
    """Schema "assay.trace/1"."""
    return {
        "schema": "assay.trace/1",
        "finding": found.finding,
        "report": found.report,
        "fingerprint": found.fingerprint,
        "verdict": found.verdict,
        "rows": found.rows.tolist(),
        "removed": found.removed.tolist(),
        "scanned": found.scanned,
        "unknown": found.unknown,
        "contributors": [asdict(share) for share in found.contributors],
        "sources": [asdict(share) for share in found.sources],
        "annotators": [asdict(share) for share in found.annotators],
        "others": found.others.tolist(),
        "impact": impact_json(found.impact),
    }


def purge_json(done: Cleaned, reason: str) -> dict[str, Any]:
    """Schema "assay.purge/1"."""
    return {
        "schema": "assay.purge/1",
        "reason": reason,
        "rows": done.purge.rows.tolist(),
        "events": [done.purge.first, done.purge.last],
        "erased": done.purge.erased,
        "snapshot": {"name": done.snapshot.name, "root": done.snapshot.root.hex(), "size": len(done.snapshot)},
        "impact": impact_json(done.purge.impact),
    }


def impact_json(found: Impact) -> dict[str, Any]:
    """Which rows, snapshots and models are touched, as the purge record has them."""
    return {
        "derived": found.derived.tolist(),
        "snapshots": [{"name": name, "rows": count} for name, count in found.snapshots],
        "models": [
            {"name": model.name, "digest": model.digest, "snapshot": model.snapshot, "aliases": list(model.aliases)}
            for model in found.models
        ],
    }
