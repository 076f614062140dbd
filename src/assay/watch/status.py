"""Where a watch stands, as it is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.watch.alerts import Alert
from assay.watch.baseline import Baseline
from assay.watch.detectors import Detectors


@dataclass(frozen=True)
class Status:
    """Where a watch stands."""

    promise: str  # the budget in words
    predictions: int
    labels: int
    pending: int  # predictions that wait for a label
    given_up: int  # predictions whose label did not come in time
    orphans: int  # labels of no known prediction
    errors: tuple[float, float] | None  # bounds of the recent rate of errors, from the confidence alone; see `estimate`
    strongest: tuple[tuple[str, float, float, float, float], ...]  # name, share of the threshold, recent mean, usual mean, bound
    alerts: tuple[Alert, ...]  # not closed
    missing: tuple[tuple[str, int], ...] = ()  # watched columns that do not come any more, and for how many predictions


def status_of(
    baseline: Baseline,
    detectors: Detectors,
    sure: NDArray[np.float64],
    counts: Mapping[str, int],
    pending: int,
    alerts: Sequence[Alert],
    missing: tuple[tuple[str, int], ...],
    most: int,
) -> Status:
    """Where it stands, with the `most` strongest streams. `sure` is what the recent confidences were (`assay.watch.estimate`)."""
    share = detectors.value * detectors.streams.weight / detectors.run_length
    recent, up = detectors.recent, detectors.streams.up
    order = np.argsort(-share, kind="stable")[:most]
    mean, bound = baseline.mean, baseline.bound
    strongest = tuple(
        (baseline.name(k), float(share[k]), float(recent[k]), float(mean[k]), float(bound[k] if up[k] else 1 - bound[k]))
        for k in order.tolist()
    )
    errors = None if baseline.measures.estimate is None else baseline.measures.estimate.rate(sure)
    unclosed = tuple(a for a in alerts if a.state != "closed")
    return Status(
        baseline.promise(), detectors.clock, **counts, pending=pending, errors=errors, strongest=strongest, alerts=unclosed, missing=missing
    )
