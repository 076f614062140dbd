"""What a scan says of its data beside trusted rows: drift, copies, and single rows that are not like them."""

from __future__ import annotations

import time

import numpy as np

from assay.dataset.data import Dataset
from assay.dataset.errors import DataError
from assay.finding import Check, RowScore
from assay.validate.beside import put_beside
from assay.validate.conformal import FEWEST_TRUSTED, labels, outliers
from assay.validate.drift import drift
from assay.validate.leakage import leakage


def against(data: Dataset, trusted: Dataset, rng: np.random.Generator, alpha: float) -> tuple[tuple[RowScore, ...], list[Check]]:
    """The checks "drift" and "copies of trusted rows", and the screens "trusted_copy", "trusted_outlier", "trusted_label"."""
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
    found_rows: list[RowScore] = []
    if len(copies.contradicted):
        score = np.zeros(len(data))
        score[copies.contradicted] = 1.0
        found_rows.append(RowScore("trusted_copy", score, score > 0, "the same content stands in the trusted set under another label"))
    beside = put_beside(data, trusted)
    for name, ask in (("trusted_outlier", lambda: outliers(beside, rng)), ("trusted_label", lambda: labels(beside, data, trusted, rng))):
        began = time.perf_counter()
        rows = ask()
        if rows is None:
            reason = f"needs {FEWEST_TRUSTED} trusted rows" + (" whose labels the data have" if name == "trusted_label" else "")
            checks.append(Check(f"screen:{name}", "not_applicable", reason))
            continue
        found_rows.append(rows)
        words = f"{int(rows.flag.sum())} of {len(data)} rows to review ({rows.reason})"
        checks.append(Check(f"screen:{name}", "ran", words, time.perf_counter() - began))
    return tuple(found_rows), checks
