"""Assay's own scan, as its users run it: told nothing but the rows and their labels."""

from __future__ import annotations

import numpy as np

from assay.bench.case import Case
from assay.bench.defence import Flags
from assay.pipeline import Settings, run
from assay.trial.family import Depth


def scan_at(depth: Depth, case: Case) -> Flags:
    """Quarantined rows are removed. Canaries are left out: they say what would be caught, and change no verdict."""
    found = run(case.data, Settings(seed=case.cell.seed, depth=depth, canaries=False))
    suspected = np.zeros(len(case.data), bool)
    for finding in found.findings:
        if finding.status in ("confirmed", "suspected"):
            suspected[finding.positions] = True
    named = tuple(f.artefact for f in found.findings if f.status in ("confirmed", "suspected"))
    return Flags(np.array([a == "quarantine" for a in found.action]), found.score, named, suspected)
