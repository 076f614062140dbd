"""What `assay repair` leaves behind beside the mended weights: its record, and an event in the ledger."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from assay.cli.ledger_common import writer


def record(
    model: Path, out: Path, beside: Path, way: str, what: str, measured: dict[str, Any], seed: int, ledger: Path | None, key: Path | None
) -> None:
    """Write OUT.json; with a ledger, the event "model.repaired", which names both models by their digests."""
    before, after = (sha256(path.read_bytes()).hexdigest() for path in (model, out))
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
        known = sha256(beside.read_bytes()).hexdigest()
        opened.record([("model.repaired", {"model": out.stem, "digest": after, "before": before, "way": way, "record": known})])
    finally:
        opened.close()
