"""What `assay repair` leaves behind beside the mended weights: its record, and an event in the ledger."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from assay.cli.ledger_common import writer
from assay.dataset.removal import sha256_of


def record(
    model: Path, out: Path, beside: Path, way: str, what: str, measured: dict[str, Any], seed: int, ledger: Path | None, key: Path | None
) -> None:
    """Write OUT.json; with a ledger, the event "model.repaired", which names both models by their digests."""
    before, after = (sha256_of(path) for path in (model, out))
    told = {
        "schema": "assay.repair/1",
        "model": {"name": model.name, "sha256": before},
        "mended": {"name": out.name, "sha256": after},
        "way": way,
        "what": what,
        "measured": measured,
        "seed": seed,
    }
    beside.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    if ledger is None:
        return
    opened = writer(ledger, key)
    try:
        told = {"model": out.stem, "digest": after, "before": before, "way": way, "record": sha256_of(beside)}
        opened.record([("model.repaired", told)])
    finally:
        opened.close()
