"""Assay's own scan, as its users run it: told nothing but the rows and their labels."""

from __future__ import annotations

import numpy as np

from assay.bench.case import Case
from assay.bench.claims import like
from assay.bench.defence import Flags
from assay.pipeline import Settings, run
from assay.trial.family import Depth


def scan_at(depth: Depth, case: Case) -> Flags:
    """Quarantined rows are removed. Canaries change no verdict: they are planted where what they predict is compared, at fast depth."""
    canaries = case.canaries and depth == "fast" and like(case.cell) is not None
    settings = Settings(seed=case.cell.seed, depth=depth, canaries=canaries)
    found = run(case.data, settings)
    suspected = np.zeros(len(case.data), bool)
    for finding in found.findings:
        if finding.status in ("confirmed", "suspected"):
            suspected[finding.positions] = True
    return Flags(
        removed=np.array([a == "quarantine" for a in found.action]),
        score=found.score,
        artefacts=tuple(f.artefact for f in found.findings if f.status in ("confirmed", "suspected")),
        suspected=suspected,
        confirmed=tuple(f.positions for f in found.findings if f.status == "confirmed"),
        claimed=settings.alpha,
        predicted=found.sensitivity,
    )
