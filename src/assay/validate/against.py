"""What a scan says of its data beside trusted rows: drift, copies, and rows whose trusted copy carries another label."""

from __future__ import annotations

import time

import numpy as np

from assay.dataset.data import Dataset
from assay.dataset.errors import DataError
from assay.finding import Check, RowScore
from assay.validate.drift import drift
from assay.validate.leakage import leakage


def against(data: Dataset, trusted: Dataset, rng: np.random.Generator, alpha: float) -> tuple[tuple[RowScore, ...], list[Check]]:
    """Two checks, "drift" and "copies of trusted rows", and a screen for the rows that trusted copies contradict."""
    checks: list[Check] = []
    began = time.perf_counter()
    try:
        found = drift(data, trusted, rng, alpha=alpha)
    except DataError as error:
        return (), [Check("drift", "not_applicable", str(error))]
    skipped = f"; not compared: {', '.join(found.skipped)}" if found.skipped else ""
    checks.append(Check("drift", "ran", found.words() + skipped, time.perf_counter() - began))
    began = time.perf_counter()
    copies = leakage(data, trusted, rng)
    checks.append(Check("copies of trusted rows", "ran", copies.words(), time.perf_counter() - began))
    if not len(copies.contradicted):
        return (), checks
    score = np.zeros(len(data))
    score[copies.contradicted] = 1.0
    return (RowScore("trusted_copy", score, score > 0, "the same content stands in the trusted set under another label"),), checks
